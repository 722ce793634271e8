from __future__ import annotations

import pytest
import torch

from uninote.encoder import Encoder
from uninote.pipeline import soup
from uninote.pipeline.soup import Measured, best_merge, chosen
from uninote.settings import load_settings


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ({0.0: (0.5, 0.90), 0.5: (0.496, 0.93), 1.0: (0.494, 0.97)}, 0.5),  # all of it costs the parts
        ({0.0: (0.5, 0.90), 0.5: (0.49, 0.95), 1.0: (0.52, 0.92)}, 1.0),
        ({0.0: (0.5, 0.90), 0.5: (0.5, 0.90), 1.0: (0.5, 0.90)}, 0.0),
        ({1.0: (0.9, 0.99), 0.0: (0.5, 0.98)}, 1.0),
    ],
)
def test_the_best_order_that_keeps_the_parts(found: dict[float, tuple[float, float]], share: float) -> None:
    assert chosen({one: Measured(*numbers) for one, numbers in found.items()}) == share


def test_the_chosen_share_is_kept(tmp_path, monkeypatch, small_towers) -> None:
    settings = load_settings(encoder={"device": "cpu"})
    encoder = Encoder.compact(settings.encoder)
    encoder.save(tmp_path / "first")
    torch.nn.init.normal_(encoder.backbone.aggregator.adapter[2].weight, std=0.2)
    encoder.save(tmp_path / "last")
    values = iter([0.1, 0.3, 0.3, 0.2])

    def evaluate(*_, **__):
        return {"tasks": {"I2T": {"recall@1": 0.4}, "Note2Note": {"recall@1": 0.2, "ndcg@10": next(values)}}}

    monkeypatch.setattr(soup, "evaluate", evaluate)
    best, found = best_merge(
        tmp_path / "first",
        tmp_path / "last",
        None,
        settings,
        None,
        tmp_path / "out",
        shares=(0.0, 0.5, 0.75, 1.0),
    )
    assert best == 0.5
    assert found == {0.0: (0.4, 0.1), 0.5: (0.4, 0.3), 0.75: (0.4, 0.3), 1.0: (0.4, 0.2)}
    ends, kept = (
        [Encoder.load(tmp_path / name).backbone.aggregator.adapter[2].weight for name in names]
        for names in (("first", "last"), ("out",))
    )
    torch.testing.assert_close(kept[0], (ends[0] + ends[1]) / 2)
    assert Encoder.load(tmp_path / "out").version not in {
        Encoder.load(tmp_path / name).version for name in ("first", "last")
    }
