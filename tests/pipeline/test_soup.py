from __future__ import annotations

import torch

from uninote.encoder import Encoder
from uninote.pipeline import soup
from uninote.pipeline.soup import best_merge
from uninote.settings import load_settings


def test_the_best_share_is_kept_and_the_smallest_of_equals(tmp_path, monkeypatch, small_towers) -> None:
    settings = load_settings(encoder={"device": "cpu"})
    encoder = Encoder.compact(settings.encoder)
    encoder.save(tmp_path / "first")
    torch.nn.init.normal_(encoder.backbone.aggregator.adapter[2].weight, std=0.2)
    encoder.save(tmp_path / "last")
    values = iter([0.1, 0.3, 0.3, 0.2])
    monkeypatch.setattr(soup, "evaluate", lambda *_, **__: {"tasks": {"I2T": {"recall@1": next(values)}}})
    best, means = best_merge(
        tmp_path / "first",
        tmp_path / "last",
        None,
        settings,
        None,
        tmp_path / "out",
        shares=(0.0, 0.5, 0.75, 1.0),
    )
    assert best == 0.5
    assert means == {0.0: 0.1, 0.5: 0.3, 0.75: 0.3, 1.0: 0.2}
    ends, kept = (
        [Encoder.load(tmp_path / name).backbone.aggregator.adapter[2].weight for name in names]
        for names in (("first", "last"), ("out",))
    )
    torch.testing.assert_close(kept[0], (ends[0] + ends[1]) / 2)
    assert Encoder.load(tmp_path / "out").version not in {
        Encoder.load(tmp_path / name).version for name in ("first", "last")
    }
