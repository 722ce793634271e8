"""A picture that is lost after it was read ends no training: a grey one stands in its place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.encoder.compact.small_towers import small_encoder

from uninote.encoder import Encoder
from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.stand_in import standing_in
from uninote.errors import PictureError
from uninote.items import Item, Note, Picture
from uninote.negatives import ReferenceIndex, mine_from_index, pair_items
from uninote.settings import EncoderSettings, NegativeSettings, RlSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.tasks.pairs import make_pairs
from uninote.training.rl import train_rl
from uninote.training.sft import train_sft
from uninote.training.warmup import warm_up


@pytest.fixture
def damaged(notes: list[Note], tmp_path: Path) -> tuple[list[Note], Path]:
    """Notes with a picture in a file, and the file."""
    file = tmp_path / "lost.png"
    Image.new("RGB", (24, 24), "teal").save(file)
    picture = replace(Picture.from_path(file), description="a teal field", ocr=())
    return [notes[0].with_pictures((notes[0].pictures[0], picture)), *notes[1:]], file


@pytest.fixture
def start() -> Encoder:
    return small_encoder(principal_axes=False)


def test_no_stage_ends_for_a_lost_picture(
    damaged: tuple[list[Note], Path], start: Encoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notes, file = damaged
    pairs = [pair for task in (Task.T2I, Task.I2NOTE) for pair in make_pairs(notes, task)]
    index = ReferenceIndex(pair_items(pairs), small_encoder())
    examples = mine_from_index(pairs, index, NegativeSettings(per_query=2), 0)
    file.unlink()
    assert warm_up(start, pairs, 2, seed=0) > 0
    train_sft(start, examples, index, SftSettings(steps=2, batch_size=4), tmp_path / "sft")
    train_rl(start, notes, RlSettings(steps=1, batch_size=4, noise=2, near=0), tmp_path / "rl")
    assert "in training a grey picture stands for sha256:" in caplog.text
    assert "lost.png cannot be read: No such file" in caplog.text
    weights: Any = start.backbone
    assert all(bool(tensor.isfinite().all()) for tensor in weights.state_dict().values())


def test_a_stand_in_is_for_training_only(damaged: tuple[list[Note], Path], start: Encoder) -> None:
    notes, file = damaged
    file.unlink()
    backbone: Any = start.backbone
    lost = notes[0].pictures[1]
    with standing_in(backbone):
        grey = backbone.prepare([Item.of(lost)])["pictures"]
    assert torch.allclose(grey[0, :3], torch.full((3,), 127 / 255), atol=1e-3)
    with pytest.raises(PictureError, match="No such file"):
        backbone.prepare([Item.of(lost)])


def test_a_picture_whose_text_cannot_be_read_is_trained_without_it(
    notes: list[Note], caplog: pytest.LogCaptureFixture
) -> None:
    class Reader:
        name = "reader"

        def read(self, pictures: list[Picture], progress: bool = False) -> dict[str, Any]:
            return {one.digest: PictureError("text cannot be read: RuntimeError") for one in pictures}

    backbone: Any = small_encoder(read="all").backbone
    backbone.reader = Reader()
    item = Item.of("a title", replace(notes[0].pictures[0], ocr=None))
    backbone.remember([item])
    assert "in training no text is read in sha256:" in caplog.text
    assert backbone.prepare([item])["lengths"].tolist() == [2]


def test_a_large_model_trains_on_in_the_same_way(
    damaged: tuple[list[Note], Path], tiny_qwen: Callable[..., Path]
) -> None:
    notes, file = damaged
    folder = str(tiny_qwen("qwen3", 0))
    backbone = QwenVLBackbone(folder, EncoderSettings(model=folder, max_tokens=300, device="cpu"))
    file.unlink()
    item = Item.of("a title", notes[0].pictures[1])
    with torch.no_grad(), standing_in(backbone):
        found = backbone(**backbone.prepare([item]))
    assert math.isfinite(float(found.sum()))
    with pytest.raises(PictureError):
        backbone.prepare([item])
