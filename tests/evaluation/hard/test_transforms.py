from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from uninote.evaluation.baselines.phash import phash
from uninote.evaluation.hard.transforms import CROP, SHRINK, TRANSFORMS, edited, mirror


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Picture of smooth random colours, which stay recognisable after an edit, unlike noise."""
    blocks = np.random.default_rng(3).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((240, 180), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_edit_changes_pixels_and_is_repeatable(name: str, photo: Image.Image) -> None:
    before = photo.tobytes()
    first, second = (TRANSFORMS[name](photo) for _ in range(2))
    assert first.mode == "RGB"
    assert first.tobytes() == second.tobytes() != before
    assert photo.tobytes() == before  # the original is left alone
    share = {"crop": CROP, "resize": SHRINK}.get(name, 1)
    assert first.size == (round(240 * share), round(180 * share))


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("size", [(8, 8), (8, 300), (300, 9)])
def test_odd_sizes_are_edited(name: str, size: tuple[int, int], photo: Image.Image) -> None:
    assert min(TRANSFORMS[name](photo.resize(size)).size) >= 1


def test_edits_leave_the_picture_the_nearest_to_itself(photo: Image.Image) -> None:
    other = Image.fromarray(np.asarray(photo)[::-1, ::-1].copy())
    for name in ("resize", "JPEG", "recompressed", "watermark"):
        hashed = phash(TRANSFORMS[name](photo))
        assert hashed @ phash(photo) > 0.7 > hashed @ phash(other)


def test_mirroring_twice_restores_the_picture(photo: Image.Image) -> None:
    assert mirror(mirror(photo)).tobytes() == photo.tobytes()


def test_an_edited_picture_is_a_new_one_without_annotations(photo: Image.Image) -> None:
    picture = edited(photo, mirror)
    assert picture.ocr is None
    assert not picture.description
    with Image.open(io.BytesIO(picture.read())) as decoded:
        assert decoded.tobytes() == mirror(photo).tobytes()
