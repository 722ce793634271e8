"""Patches equal to those of the processor of `transformers`, and their layout by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from uninote.encoder.qwen.patches import normalised, to_patches

HALF = (0.5, 0.5, 0.5)
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@pytest.mark.parametrize(("patch", "mean", "std"), [(16, HALF, HALF), (14, *CLIP)], ids=["3-vl", "2.5-vl"])
def test_values_equal_those_of_the_processor(
    patch: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4 * patch, 6 * patch, 3), np.uint8)
    processor = Qwen2VLImageProcessorPil(patch_size=patch, merge_size=2, image_mean=mean, image_std=std)
    image = Image.fromarray(pixels)
    expected = processor(images=[image], do_resize=False, return_tensors="pt")["pixel_values"]
    patches = to_patches(np.broadcast_to(pixels, (2, *pixels.shape)), patch, 2)
    assert patches.dtype == torch.uint8
    found = normalised(patches, mean, std, torch.float32)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-6
    assert normalised(patches, mean, std, torch.bfloat16).equal(found.to(torch.bfloat16))


def test_order_of_patches_and_values() -> None:
    """Cut two frames of 2 x 4 pixels, patches of one pixel: two visual tokens of 2 x 2 patches."""
    frames = np.arange(2 * 2 * 4 * 3, dtype=np.uint8).reshape(2, 2, 4, 3)
    found = to_patches(frames, 1, 2)
    places = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    assert found.tolist() == [
        [int(frames[t, row, column, c]) for c in range(3) for t in range(2)] for row, column in places
    ]
