"""Videos as the processors of `transformers` take them: equal frames, ids, grids, pixels and vectors.

The processors run as they are, except for three functions of torchvision (conversion to RGB, resizing,
normalisation), which Pillow and torch stand in for: torchvision is no dependency.
"""

from __future__ import annotations

import io
import logging
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
from uninote.encoder import Encoder
from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.qwen.chat import INSTRUCTION, SEPARATOR
from uninote.encoder.qwen.pretrained import video_processing
from uninote.encoder.saved import reading
from uninote.errors import ConfigError, ModelError
from uninote.items import Item, Moment, Ocr, Picture
from uninote.settings import EncoderSettings, load_settings

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
    """Make frames uint8 [count, height, width, 3] of coloured noise."""
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


def written(backbone: QwenVLBackbone, item: Item) -> str:
    ids = backbone.prepare([item])["ids"][0].tolist()
    return "".join(backbone.tokenizer.convert_ids_to_tokens(ids)).replace("Ġ", " ")


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
    pixels = backbone.pixels.normalised(found["pixels"], torch.float32)
    assert torch.allclose(pixels, expected["pixel_values_videos"], atol=1e-5)
    ids, kinds = expected["input_ids"], expected["mm_token_type_ids"]
    more = {name: expected[name] for name in ("second_per_grid_ts",) if name in expected}
    positions, _ = backbone.core.get_rope_index(ids, kinds, video_grid_thw=grid, **more)
    assert found["positions"].permute(2, 0, 1).tolist() == positions.tolist()
    with torch.no_grad():
        whole = backbone.core(**expected).last_hidden_state[:, -1]
    assert torch.allclose(embed(backbone, [item]), whole, atol=1e-5)


def test_pictures_stay_pictures_and_two_videos_are_two(build: Build) -> None:
    backbone = build()
    still = clip(4, seed=9)[0]
    still = Picture.from_bytes(still.read())
    a, b = clip(34, seed=1), clip(24, seed=2)
    text = written(backbone, Item.of("a title.", *a, *b, still, still))
    assert text.count(" seconds>") == 3 + 2
    assert text.count("<|vision_start|><0.3 seconds><|vision_start|><|video_pad|>") == 1
    assert text.count("<|vision_start|><0.4 seconds><|vision_start|><|video_pad|>") == 1
    assert "Cover:<|vision_start|><|image_pad|>" in text
    assert "Picture 2:<|vision_start|><|image_pad|>" in text
    assert "Frame" not in text


def test_text_read_in_frames_follows_the_video_once(build: Build) -> None:
    backbone = build()
    frames = clip(34)
    spoken = [Ocr("a cat", frame.digest) for frame in frames]
    parts = [part for pair in zip(frames, spoken, strict=True) for part in pair]
    mixed, plain = Item.of(*parts, "a body"), Item.of(*frames, "a cat", "a body")
    assert backbone.prepare([mixed])["ids"].tolist() == backbone.prepare([plain])["ids"].tolist()


@pytest.mark.parametrize("kind", ["qwen3", "qwen2.5"])
def test_a_single_frame_is_shown_twice(build: Build, kind: str) -> None:
    backbone = build(kind)
    (frame,) = clip(1)
    one, two = (
        Item.of(frame),
        Item.of(frame, Picture.from_bytes(frame.read(), frame=True, moment=Moment(0.0, 0.1))),
    )
    assert frame.moment == Moment(0.0, 0.1)
    inputs = backbone.prepare([one])
    assert len(inputs["grids"]) == 1
    assert inputs["grids"][0, 0] == 1
    # The time does not rise: another video begins.
    assert written(backbone, two).count("<|video_pad|>") == 2 * written(backbone, one).count("<|video_pad|>")
    values = inputs["pixels"].view(len(inputs["pixels"]), 3, 2, -1)
    assert torch.equal(values[:, :, 0], values[:, :, 1])


@pytest.mark.parametrize("kind", ["qwen3", "qwen2.5"])
@pytest.mark.parametrize("budget", [{"max_tokens": 120}, {"note_pixels": 20_000}, {"picture_pixels": 5000}])
def test_a_video_over_the_budget_is_scaled_down_or_thinned(
    build: Build, caplog: pytest.LogCaptureFixture, kind: str, budget: dict[str, int]
) -> None:
    backbone = build(kind, **budget)
    frames = clip(200, size=(400, 300))
    assert len(frames) == 40
    item = Item.of("a title.", *frames, "a body " * 100)
    with caplog.at_level(logging.WARNING):
        inputs = backbone.prepare([item])
    assert inputs["ids"].shape[1] <= backbone.settings.max_tokens
    assert backbone.cost(item) == inputs["ids"].shape[1]
    unit = backbone.pixels.unit**2
    most = min(backbone.settings.note_pixels // unit, backbone.settings.max_tokens // 2)
    visual = int((inputs["slots"] >= 0).sum())
    assert 0 < visual <= most
    assert visual // len(inputs["grids"]) * unit <= backbone.settings.picture_pixels
    assert ("item trimmed" in caplog.text) == (len(inputs["grids"]) < 20)
    if "max_tokens" in budget:
        assert len(inputs["grids"]) < 20
    if kind == "qwen3":  # thinned evenly: to the end
        times = [part.split("<")[-1] for part in written(backbone, item).split(" seconds>")]
        assert float(times[-2]) > 15


def test_batches_and_caches_do_not_change_vectors(build: Build) -> None:
    plain, cached = build(), build(remember_pictures=50)
    frames = clip(34)
    items = [Item.of("a title.", *frames), Item.of(*frames[:3]), Item.of(frames[0]), Item.of("hello")]
    alone = torch.cat([embed(plain, [item]) for item in items])
    assert torch.allclose(embed(plain, items), alone, atol=1e-5)
    with torch.no_grad():
        read = plain(**plain.prepare_prefixes([items[1:3], items[:1]]))
    assert torch.allclose(read, alone[[1, 2, 0]], atol=1e-5)
    for _ in range(2):
        assert torch.allclose(embed(cached, items), alone, atol=1e-5)
    assert "pixels" not in cached.prepare(items)


def test_native_has_times_and_frames_has_not(build: Build) -> None:
    native, frames = build(), build(video="frames")
    early, late = clip(34), clip(34, fps=5, most=6)
    assert [one.digest for one in early] == [one.digest for one in late]
    assert Item.of(*early).key != Item.of(*late).key
    apart = embed(native, [Item.of(*early), Item.of(*late)])
    assert not torch.allclose(apart[0], apart[1], atol=1e-3)
    plain = [Picture.from_bytes(one.read(), frame=True) for one in early]
    assert torch.equal(embed(frames, [Item.of(*early)]), embed(frames, [Item.of(*plain)]))
    assert torch.allclose(embed(native, [Item.of(*plain)]), embed(frames, [Item.of(*plain)]), atol=1e-6)


def test_the_option_belongs_to_the_family_and_to_the_saved_model(
    build: Build, tiny_qwen: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"the compact backbone has no option encoder\.video"):
        load_settings(encoder={"video": "native"}).encoder.require_own()
    settings = load_settings(
        encoder={"model": "some", "video": "native"}, corpus={"max_frames": 32, "frame_rate": 0}
    )
    assert (settings.corpus.frame_rate, settings.corpus.most_frames) == (2.0, 32)
    assert load_settings(encoder={"model": "some"}).corpus.frame_rate == 0
    folder = tiny_qwen("qwen3")
    Encoder.pretrained(folder, device="cpu", video="native", dims=(16,)).save(tmp_path / "model")
    loaded = Encoder.load(tmp_path / "model", device="cpu")
    assert loaded.settings.video == "native"  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"encoder\.video of a saved model cannot be changed"):
        Encoder.load(tmp_path / "model", device="cpu", video="frames")
    read = reading(load_settings(), tmp_path / "model", tmp_path)
    assert (read.corpus.frame_rate, read.corpus.most_frames) == (2.0, 64)
    assert reading(load_settings(), tmp_path).corpus.frame_rate == 0


def test_a_checkpoint_without_a_video_processor_is_refused(
    tiny_qwen: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="says nothing of videos"):
        video_processing(str(tmp_path))
    assert video_processing(str(tiny_qwen("qwen3")))["size"]
