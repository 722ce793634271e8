"""Items with bad pictures are embedded by their other parts, and the reason is kept."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from tests.encoder.compact.small_towers import WIDE, ColourTower, WordsTower, small_encoder
from tests.encoder.wide_backbone import WideSettings
from tests.evaluation.conftest import picture_of

from uninote.encoder import Encoder, stand_in
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.towers import Towers
from uninote.encoder.partial import encode_partly, lost
from uninote.errors import ItemError, PartError
from uninote.items import Item, Picture


def picture(colour: tuple[int, int, int]) -> Picture:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "PNG")
    return Picture.from_bytes(file.getvalue())


def test_bad_pictures_cost_themselves_only() -> None:
    encoder = small_encoder()
    good, bad = picture_of(1), Picture.from_bytes(b"no picture")
    items = [
        Item.of("a title", good, bad),
        Item.of("whole", good),
        Item.of(bad),
        Item.of("a title", bad, bad, "a body"),
    ]
    rows, failures = encode_partly(encoder.encode, items)
    expected = encoder.encode([Item.of("a title", good), items[1], Item.of("a title", "a body")])
    np.testing.assert_allclose(rows[[0, 1, 3]], expected, atol=1e-6)
    assert not rows[2].any()
    assert list(lost(failures)) == [2]
    kinds = {number: type(error) for number, error in failures.items()}
    assert kinds == {0: PartError, 2: ItemError, 3: PartError}
    assert all("known format" in str(error) for error in failures.values())


def test_lost_items_have_zero_rows() -> None:
    encoder = Encoder.build(WideSettings(width=512, device="cpu"))
    rows, failures = encode_partly(encoder.encode, [Item.of("red car"), Item.of("a nan here")])
    assert list(failures) == [1]
    assert rows[1].tolist() == [0.0] * 512
    assert np.linalg.norm(rows[0]) == pytest.approx(1)


def test_an_encoder_without_partial_failures_raises_its_own() -> None:
    def encode(items: list[Item]) -> np.ndarray:
        raise ItemError("no such word")

    with pytest.raises(ItemError, match="no such word"):
        encode_partly(encode, [Item.of("x")])


@pytest.mark.parametrize("text", ["a title", "bad"])
def test_a_picture_or_text_with_a_bad_row_costs_itself_in_vectors_and_in_training(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in._warn.cache_clear()

    class Words(WordsTower):
        def encode(self, texts: list[str], progress: bool = False) -> np.ndarray:  # type: ignore[override]
            rows = super().encode(texts, progress)
            rows[[text == "bad" for text in texts]] = np.inf
            return rows

    class Colours(ColourTower):
        def encode(self, pixels: np.ndarray) -> np.ndarray:
            rows = super().encode(pixels)
            return np.where(rows[:, :1] > 0.9, 1e6, rows)  # beyond 16 bits

    settings = CompactSettings(device="cpu", read="given")
    encoder = Encoder(CompactBackbone.on(Towers([Words(width=WIDE)], Colours()), settings, 0), settings)
    red, blue = picture((250, 0, 0)), picture((0, 0, 250))
    rows, failures = encode_partly(encoder.encode, [Item.of(text, red), Item.of("whole", blue), Item.of(red)])
    assert {number: type(error) for number, error in failures.items()} == {
        0: ItemError if text == "bad" else PartError,
        2: ItemError,
    }
    assert "NaN or infinite values" in str(failures[2])
    assert rows.any(1).tolist() == [text != "bad", True, False]
    with stand_in.standing_in(encoder.backbone):
        batch = encoder.backbone.prepare([Item.of(text, red), Item.of("whole", blue)])
    assert torch.isfinite(encoder.backbone(**batch)).all()
    assert "a grey picture stands for" in caplog.text
    assert ("zeros stand for the text 'bad'" in caplog.text) == (text == "bad")
