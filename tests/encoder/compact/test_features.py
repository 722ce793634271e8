"""The disk cache, with a small tower that counts its calls; the real one has tests of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from uninote.encoder.compact import features as module
from uninote.encoder.compact.features import VisionFeatures
from uninote.errors import PictureError
from uninote.items import Picture


class CountingTower:
    """Cells that tell pictures apart: mean colours, repeated."""

    side = 32

    def __init__(self) -> None:
        self.calls = 0

    def pixels(self, image: Image.Image) -> torch.Tensor:
        colours = image.resize((1, 1)).getpixel((0, 0))
        return torch.tensor(colours).float()[:, None, None].expand(3, 2, 2)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        self.calls += len(pixels)
        return pixels.mean((2, 3)).repeat(1, 1195)[:, None, :3584].expand(-1, 4, -1) / 255


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD", 3)


def build(folder: Path | None = None) -> tuple[VisionFeatures, CountingTower]:
    tower: Any = CountingTower()
    return VisionFeatures(tower, folder=folder), tower


@pytest.mark.usefixtures("small_shards")
def test_fill_computes_once_and_a_new_process_reads_it(
    tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    pictures = [make_picture(i) for i in range(8)]
    first, tower = build(tmp_path)
    assert first.fill([*pictures, *pictures]) == {}
    assert tower.calls == 8
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3

    second, tower = build(tmp_path)
    assert all(picture in second for picture in pictures)
    assert torch.equal(second(pictures), first(pictures))
    assert tower.calls == 0
    fresh, _ = build()
    assert torch.equal(fresh(pictures), first(pictures))


def test_order_and_repeats(make_picture: Callable[..., Picture]) -> None:
    a, b = make_picture(0), make_picture(1)
    features, tower = build()
    rows = features([b, a, b])
    assert rows.shape == (3, 4, 3584)
    assert rows.dtype == torch.float32
    assert torch.equal(rows[0], rows[2])
    assert not torch.equal(rows[0], rows[1])
    assert tower.calls == 2


def test_memory_is_bounded_and_never_loses_what_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, make_picture: Callable[..., Picture]
) -> None:
    monkeypatch.setattr(module, "MEMORY", 3)
    pictures = [make_picture(i) for i in range(6)]
    features, _ = build()
    features(pictures[:3])
    rows = features([*pictures[3:], *pictures[:3]])  # pushes out the rest of its own request
    assert len(features.recent) == 3
    alone, _ = build()
    assert torch.equal(rows, torch.cat([alone([p]) for p in [*pictures[3:], *pictures[:3]]]))


@pytest.mark.usefixtures("small_shards")
def test_bad_pictures_are_reported_by_digest_and_the_rest_is_stored(
    tmp_path: Path, make_picture: Callable[..., Picture], broken_picture: Picture
) -> None:
    pictures = [make_picture(0), broken_picture, make_picture(1), make_picture(2)]
    features, _ = build(tmp_path)
    failures = features.fill(pictures)
    assert list(failures) == [broken_picture.digest]
    assert isinstance(failures[broken_picture.digest], PictureError)
    assert broken_picture not in features
    reread, tower = build(tmp_path)
    reread([p for p in pictures if p is not broken_picture])
    assert tower.calls == 0
    with pytest.raises(PictureError):
        reread(pictures)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("damage", ["empty", "cut", "garbage"])
def test_a_damaged_shard_is_computed_again(
    tmp_path: Path, make_picture: Callable[..., Picture], damage: str
) -> None:
    pictures = [make_picture(i) for i in range(6)]
    features, _ = build(tmp_path)
    features.fill(pictures)
    expected = features(pictures)
    shard = min(tmp_path.rglob("*.safetensors"))
    data = shard.read_bytes()
    shard.write_bytes({"empty": b"", "cut": data[:-7], "garbage": b"\x00" * len(data)}[damage])

    again, tower = build(tmp_path)
    assert again.fill(pictures) == {}
    assert tower.calls == 3
    assert torch.equal(again(pictures), expected)
    third, tower = build(tmp_path)
    assert torch.equal(third(pictures), expected)
    assert tower.calls == 0


@pytest.mark.usefixtures("small_shards")
def test_partial_files_are_ignored(tmp_path: Path, make_picture: Callable[..., Picture]) -> None:
    features, _ = build(tmp_path)
    features.fill([make_picture(0)])
    shard = next(tmp_path.rglob("*.safetensors"))
    shard.rename(shard.with_suffix(".1.partial"))
    again, tower = build(tmp_path)
    assert make_picture(0) not in again
    again.fill([make_picture(0)])
    assert tower.calls == 1


KILLED = """
import os, sys
from pathlib import Path
import torch
from uninote.encoder.compact import features as module
from uninote.items import Picture

class Tower:
    side, calls = 32, 0
    def pixels(self, image):
        return torch.zeros(3, 2, 2)
    def __call__(self, pixels):
        self.calls += len(pixels)
        if self.calls == 5:
            os._exit(9)
        return torch.ones(len(pixels), 4, 3584)

module.SHARD = 3
folder, *files = map(Path, sys.argv[1:])
module.VisionFeatures(Tower(), folder=folder).fill([Picture.from_path(f) for f in files])
"""


@pytest.mark.usefixtures("small_shards")
def test_a_killed_fill_goes_on_from_the_last_whole_shard(
    tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    pictures = [make_picture(i) for i in range(8)]
    files = [tmp_path / f"{i}.png" for i in range(8)]
    for file, picture in zip(files, pictures, strict=True):
        file.write_bytes(picture.read())
    cache = tmp_path / "cache"
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), cache, *files], check=False, capture_output=True
    )
    assert killed.returncode == 9, killed.stderr.decode()
    features, tower = build(cache)
    assert [picture in features for picture in pictures] == [True] * 3 + [False] * 5
    assert features.fill(pictures) == {}
    assert tower.calls == 5


def test_sides_do_not_share_a_folder(tmp_path: Path, make_picture: Callable[..., Picture]) -> None:
    features, _ = build(tmp_path)
    features.fill([make_picture(0)])
    tower: Any = CountingTower()
    tower.side = 64
    assert make_picture(0) not in VisionFeatures(tower, folder=tmp_path)
