"""Vision towers of real architectures: against the plain model, batches, spaces, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from uninote.encoder.towers import VisionTower, text_tower, vision_tower
from uninote.errors import ModelError

Tiny = Callable[[str], Path]
SHARED = ["clip", "siglip", "siglip2"]
OTHERS = ["dinov2", "dinov3", "vit_without_pooler", "convnext"]


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(40, 30), (24, 64), (90, 20)]
    return [Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size) for size in sizes]


def load(folder: Path) -> VisionTower:
    return vision_tower(str(folder), device="cpu")


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("kind", [*SHARED, *OTHERS])
def test_rows_do_not_depend_on_the_batch(tiny: Tiny, kind: str) -> None:
    tower = load(tiny(kind))
    pixels = np.stack([tower.pixels(image) for image in pictures()])
    together = tower.encode(pixels)
    assert together.shape == (3, tower.width)
    assert together.dtype == np.float32
    np.testing.assert_allclose(
        together, np.concatenate([tower.encode(one[None]) for one in pixels]), atol=1e-5
    )
    assert np.linalg.norm(together[0] - together[1]) > 0.01
    assert tower.encode(pixels[:0]).shape == (0, tower.width)


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("kind", SHARED)
def test_a_shared_space_gives_the_picture_features_of_the_model(tiny: Tiny, kind: str) -> None:
    from transformers import AutoImageProcessor, AutoModel

    model = AutoModel.from_pretrained(tiny(kind)).eval()
    processor = AutoImageProcessor.from_pretrained(tiny(kind), backend="pil")
    tower = load(tiny(kind))
    images = pictures()
    with torch.no_grad():
        features = [model.get_image_features(**processor(image, return_tensors="pt")) for image in images]
    expected = torch.nn.functional.normalize(torch.cat([one.pooler_output for one in features]), dim=1)
    found = tower.encode(np.stack([tower.pixels(image) for image in images]))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert tower.space == text_tower(str(tiny(kind)), device="cpu").name
    assert tower.name != tower.space


@pytest.mark.usefixtures("runtime")
def plain(folder: Path) -> Any:
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder).eval()


def test_other_models_give_what_they_pool(tiny: Tiny) -> None:
    def states(kind: str) -> tuple[VisionTower, Any, torch.Tensor]:
        tower = load(tiny(kind))
        pixels = torch.from_numpy(tower.pixels(pictures()[0])[None])
        with torch.no_grad():
            return tower, plain(tiny(kind))(pixel_values=pixels), pixels

    for kind in ("dinov2", "dinov3", "convnext"):
        tower, found, pixels = states(kind)
        np.testing.assert_allclose(tower.encode(pixels.numpy()), found.pooler_output.numpy(), atol=1e-5)
        assert tower.space is None
    tower, found, pixels = states("vit_without_pooler")  # its pooler would be random
    np.testing.assert_allclose(tower.encode(pixels.numpy()), found.last_hidden_state[:, 0].numpy(), atol=1e-5)


def test_dinov3_pictures_are_resized_and_normalised(tiny: Tiny) -> None:
    white = load(tiny("dinov3")).pixels(Image.new("RGB", (50, 20), (255, 255, 255)))
    assert white.shape == (3, 32, 32)
    np.testing.assert_allclose(white, 1.0, atol=1e-5)


@pytest.mark.usefixtures("runtime")
def test_what_cannot_be_a_vision_tower_says_the_fix(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="name it as the text tower"):
        load(tiny("bert"))
    with pytest.raises(ModelError, match="name a tower of the package"):
        vision_tower("no/such-model", device="cpu")


def test_the_packaged_tower_pools_its_four_cells() -> None:
    from uninote.encoder.towers.efficientnet import CHANNELS, EfficientNetLite, read_cells

    tower = vision_tower("efficientnet", device="cpu", side=64)
    pixels = np.stack([tower.pixels(image) for image in pictures()])
    assert pixels.shape == (3, 3, 64, 64)
    with torch.no_grad():
        cells = read_cells(EfficientNetLite().net, torch.from_numpy(pixels))
    assert cells.shape == (3, 4, CHANNELS)
    np.testing.assert_allclose(tower.encode(pixels), cells.mean(1).numpy(), atol=1e-4)
    assert tower.name != vision_tower("efficientnet", device="cpu", side=96).name
