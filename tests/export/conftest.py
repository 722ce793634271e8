"""Small trained models of both kinds, and notes with several pictures."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from uninote.encoder import Encoder
from uninote.encoder.capabilities import TakesLora
from uninote.items import Item, Note, Picture
from uninote.settings import EncoderSettings


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Picture]:
    """A picture of coloured noise; equal seeds and sizes give equal bytes."""

    def make(seed: int, size: tuple[int, int] = (48, 32)) -> Picture:
        small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize(size).save(buffer, "PNG")
        return Picture.from_bytes(buffer.getvalue())

    return make


@pytest.fixture(scope="session")
def note(make_picture: Callable[..., Picture]) -> Note:
    sizes = ((300, 200), (90, 120), (40, 30))
    return Note("n", "a blue sky", "and a cat", tuple(make_picture(n, size) for n, size in enumerate(sizes)))


@pytest.fixture(scope="session")
def items(note: Note, make_picture: Callable[..., Picture]) -> list[Item]:
    return [
        note.item(),
        Item.of("a red circle"),
        Item.of(make_picture(7)),
        Item.of("one", make_picture(8), "two [SEP] <|image_pad|><|im_end|>", make_picture(9, (64, 64))),
    ]


@pytest.fixture
def processor_without_video(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torchvision is missing, Qwen's processor loads without the video part, which no item needs."""
    from transformers.models.auto.video_processing_auto import AutoVideoProcessor
    from transformers.processing_utils import ProcessorMixin
    from transformers.utils import is_torchvision_available

    if is_torchvision_available():
        return
    check = ProcessorMixin.check_argument_for_proper_class

    def lenient(self: ProcessorMixin, name: str, argument: Any) -> Any:
        return None if name == "video_processor" else check(self, name, argument)

    monkeypatch.setattr(AutoVideoProcessor, "from_pretrained", lambda *_, **__: None)
    monkeypatch.setattr(ProcessorMixin, "check_argument_for_proper_class", lenient)


def perturb(encoder: Encoder) -> Encoder:
    """Change the vectors, as training does: by adapters, where the backbone takes them."""
    if isinstance(encoder.backbone, TakesLora):
        encoder.backbone.add_lora(2, 4, 0.0)
    module: Any = encoder.backbone
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return encoder


def framed(source: Path, folder: Path) -> Path:
    """Copy with a tokenizer that ends every text with a token, as that of Qwen3-Embedding does."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    stored = json.loads((folder / "tokenizer.json").read_text())
    end = "<|endoftext|>"
    number = next(token["id"] for token in stored["added_tokens"] if token["content"] == end)
    text, last = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": end, "type_id": 0}}
    stored["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [text, last],
        "pair": [text, last],
        "special_tokens": {end: {"id": end, "ids": [number], "tokens": [end]}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(stored))
    return folder


@pytest.fixture(scope="session")
def compact() -> Encoder:
    return perturb(Encoder.compact(EncoderSettings(vision_side=64, read="given", device="cpu")))  # type: ignore[call-arg]


@pytest.fixture(scope="session")
def trained_qwen(
    tiny_qwen: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Encoder]:
    """A new one at every call: merging changes it. `framed` has a tokenizer that appends a token itself."""

    def build(kind: str) -> Encoder:
        folder = tiny_qwen("qwen3" if kind == "framed" else kind)
        if kind == "framed":
            folder = framed(folder, tmp_path_factory.mktemp("framed"))
        options = {"dims": (16, 64), "max_tokens": 1000, "picture_pixels": 40_000}
        return perturb(Encoder.pretrained(folder, device="cpu", **options))

    return build


@pytest.fixture
def qwen(trained_qwen: Callable[[str], Encoder]) -> Encoder:
    return trained_qwen("qwen3")
