"""Videos as the processors of `transformers` take them: equal frames, ids, grids, pixels and vectors.

The processors run as they are, except for three functions of torchvision (conversion to RGB, resizing,
normalisation), which Pillow and torch stand in for: torchvision is no dependency.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.video_processing_utils import BaseVideoProcessor

from uninote.corpus.frame_rate import chosen
from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.qwen.chat import INSTRUCTION, SEPARATOR
from uninote.items import Item, Moment, Picture
from uninote.settings import EncoderSettings

FAMILY = ["qwen3", "qwen2.5", "qwen2", "qwen3-moe", "qwen3.5"]
PLACE = "<|vision_start|><|video_pad|><|vision_end|>"
Build = Callable[..., QwenVLBackbone]


class PillowVideo(BaseVideoProcessor):
    """The functions of torchvision, for the classes below."""

    def convert_to_rgb(self, video: Any) -> Any:
        return video

    def resize(self, image: torch.Tensor, size: Any, resample: Any = None, **_: Any) -> torch.Tensor:
        frames = image.permute(0, 1, 3, 4, 2).flatten(0, 1).numpy()
        side = (size.width, size.height)
        resized = [np.asarray(Image.fromarray(one).resize(side, Image.Resampling.BICUBIC)) for one in frames]
        return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)[None]

    def rescale_and_normalize(
        self, images: torch.Tensor, rescale: bool, factor: float, normalize: bool, mean: Any, std: Any
    ) -> torch.Tensor:
        middle, spread = (torch.tensor(part).view(3, 1, 1) for part in (mean, std))
        return (images.float() * factor - middle) / spread


class Video3(Qwen3VLVideoProcessor, PillowVideo): ...


@pytest.fixture(scope="module")
def video2() -> type:
    """The video processor of Qwen2-VL and Qwen2.5-VL, whose module imports torchvision."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("", ".transforms", ".transforms.v2", ".transforms.v2.functional"):
            patch.setitem(sys.modules, f"torchvision{name}", ModuleType(f"torchvision{name}"))
        from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
    return type("Video2", (Qwen2VLVideoProcessor, PillowVideo), {})


@pytest.fixture(scope="module")
def build(tiny_qwen: Callable[..., Path]) -> Build:
    def make(kind: str = "qwen3", **options: Any) -> QwenVLBackbone:
        folder = str(tiny_qwen(kind))
        chosen = {"max_tokens": 1000, "device": "cpu", "video": "native", **options}
        return QwenVLBackbone(folder, EncoderSettings(model=folder, **chosen))

    return make


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch, video2: type) -> Callable[[str, QwenVLBackbone], Any]:
    """Make the processor of a backbone's kind, with its tokenizer and its bounds of size."""

    def make(kind: str, backbone: QwenVLBackbone) -> Any:
        whole = {"qwen2.5": Qwen2_5_VLProcessor, "qwen2": Qwen2VLProcessor}.get(kind, Qwen3VLProcessor)
        # The check of the arguments' classes needs torchvision as well.
        monkeypatch.setattr(whole, "check_argument_for_proper_class", lambda *arguments: None)
        pictures = backbone.processor
        video: Any = Video3 if whole is Qwen3VLProcessor else video2
        options = {name: getattr(pictures, name) for name in ("patch_size", "merge_size")}
        options |= {"image_mean": list(pictures.image_mean), "image_std": list(pictures.image_std)}
        bounds = {name: int(pictures.size[name]) for name in ("shortest_edge", "longest_edge")}
        return whole(pictures, backbone.tokenizer, video(size=bounds, cap_pixels_per_frame=False, **options))

    return make


def scene(count: int, size: tuple[int, int] = (90, 60), seed: int = 0) -> np.ndarray[Any, Any]:
    """Frames uint8 [count, height, width, 3] of coloured noise."""
    small = np.random.default_rng(seed).integers(0, 256, (count, 3, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize(size)) for one in small])


def pictures_of(frames: np.ndarray[Any, Any], moments: Sequence[Moment]) -> list[Picture]:
    made = []
    for pixels, moment in zip(frames, moments, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        made.append(Picture.from_bytes(buffer.getvalue(), frame=True, moment=moment))
    return made


def clip(count: int, fps: float = 10, most: int = 64, **options: Any) -> list[Picture]:
    frames = scene(count, **options)
    taken, moments = chosen([n / fps for n in range(count)], count / fps, 2.0, most)
    return pictures_of(frames[taken], moments)


def embed(backbone: QwenVLBackbone, items: list[Item]) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = backbone(**backbone.prepare(items))
    return found


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize(("count", "fps"), [(34, 10), (27, 8), (60, 25)])
def test_a_video_equals_that_of_the_library(
    build: Build, processor: Callable[..., Any], kind: str, count: int, fps: int
) -> None:
    backbone = build(kind)
    reference = processor(kind, backbone)
    frames = scene(count)
    item = Item.of("a title.", *clip(count, fps), "a body")
    head, body, _, tail = backbone.chat.frame
    text = SEPARATOR.join([f"{head}{INSTRUCTION}{body}a title.", PLACE, f"a body{tail}"])
    indices = np.linspace(0, count - 1, min(max(int(count / fps * 2), 4), count)).round().astype(int)
    metadata = {"fps": fps, "total_num_frames": count, "frames_indices": indices.tolist()}
    if kind in ("qwen2.5", "qwen2"):  # they leave sampling to the caller
        given: dict[str, Any] = {"videos": [torch.tensor(frames[indices])], "do_sample_frames": False}
    else:
        given = {"videos": [torch.tensor(frames)], "do_sample_frames": True}
    expected = reference(text=[text], video_metadata=[metadata], return_tensors="pt", **given)
    expected.pop("video_metadata", None)

    found = backbone.prepare([item])
    assert found["ids"].tolist() == expected["input_ids"].tolist()
    grid = expected["video_grid_thw"]
    assert found["grids"].tolist() == [[1, *grid[0, 1:].tolist()]] * int(grid[0, 0])
    assert torch.allclose(found["pixels"], expected["pixel_values_videos"], atol=1e-5)
    ids, kinds = expected["input_ids"], expected["mm_token_type_ids"]
    more = {name: expected[name] for name in ("second_per_grid_ts",) if name in expected}
    positions, _ = backbone.core.get_rope_index(ids, kinds, video_grid_thw=grid, **more)
    assert found["positions"].permute(2, 0, 1).tolist() == positions.tolist()
    with torch.no_grad():
        whole = backbone.core(**expected).last_hidden_state[:, -1]
    assert torch.allclose(embed(backbone, [item]), whole, atol=1e-5)
