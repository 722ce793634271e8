"""Towers with their caches: each element once, in batches, errors by picture."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.encoder.compact.small_towers import ColourTower, WordsTower

from uninote.encoder.compact import towers as module
from uninote.encoder.compact.towers import Towers
from uninote.errors import PictureError
from uninote.items import Picture

MakePicture = Callable[..., Picture]


def test_texts_run_once_in_every_tower(tmp_path: Path) -> None:
    first, second = WordsTower("a", 8), WordsTower("b", 5)
    towers = Towers([first, second], ColourTower(), folder=tmp_path)
    rows = towers.text_rows(["one two", "three", "one two"])
    assert rows.shape == (3, 13)
    assert rows.dtype == np.float32
    assert np.array_equal(rows[0], rows[2])
    assert np.allclose(rows[:, :8], first.encode(["one two", "three", "one two"]), atol=1e-3)
    assert second.read == ["one two", "three"]

    again, other = WordsTower("a", 8), WordsTower("b", 5)
    reread = Towers([again, other], ColourTower(), folder=tmp_path).text_rows(["three", "one two"])
    assert np.array_equal(reread, rows[[1, 0]])
    assert not again.read
    assert towers.text_rows([]).shape == (0, 13)


def test_pictures_run_once(tmp_path: Path, make_picture: MakePicture) -> None:
    pictures = [make_picture(n) for n in range(11)]
    vision = ColourTower()
    towers = Towers([WordsTower()], vision, folder=tmp_path)
    assert towers.fill_pictures([*pictures, *pictures]) == {}
    assert vision.seen == 11
    rows = towers.picture_rows(pictures[::-1])
    assert vision.seen == 11
    alone = np.concatenate([Towers([WordsTower()], ColourTower()).picture_rows([p]) for p in pictures])
    assert np.array_equal(rows, alone[::-1])
    fresh = ColourTower()
    assert np.array_equal(Towers([WordsTower()], fresh, folder=tmp_path).picture_rows(pictures), alone)
    assert fresh.seen == 0


def test_bad_pictures_are_reported_and_the_rest_is_kept(
    tmp_path: Path, make_picture: MakePicture, broken_picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARD", 2)
    pictures = [make_picture(0), broken_picture, make_picture(1), make_picture(2)]
    vision = ColourTower()
    towers = Towers([WordsTower()], vision, folder=tmp_path)
    assert list(towers.fill_pictures(pictures, progress=True)) == [broken_picture.digest]
    good = [p for p in pictures if p is not broken_picture]
    assert towers.picture_rows(good).shape == (3, 6)
    assert vision.seen == 3
    with pytest.raises(PictureError):
        towers.picture_rows(pictures)


def test_an_interrupted_run_loses_one_shard_at_most(
    tmp_path: Path, make_picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARD", 3)

    class Stops(WordsTower):
        def encode(self, texts: list[str], progress: bool = False) -> np.ndarray:  # type: ignore[override]
            if len(self.read) == 6:
                raise KeyboardInterrupt
            return super().encode(texts, progress)

    texts = [f"text {n}" for n in range(8)]
    with pytest.raises(KeyboardInterrupt):
        Towers([Stops()], ColourTower(), folder=tmp_path).text_rows(texts)
    again = WordsTower()
    Towers([again], ColourTower(), folder=tmp_path).text_rows(texts)
    assert len(again.read) == 2


def test_copies_share_the_towers() -> None:
    towers = Towers([WordsTower()], ColourTower())
    assert copy.deepcopy({"towers": towers})["towers"] is towers
    assert towers.names == ["words", "colours"]


def test_a_row_that_is_not_finite_is_not_kept(tmp_path: Path) -> None:
    class Breaks(WordsTower):
        def encode(self, texts: list[str], progress: bool = False) -> np.ndarray:  # type: ignore[override]
            rows = super().encode(texts, progress)
            rows[[text == "bad" for text in texts]] = np.nan
            return rows

    for _ in range(2):  # another process finds the good one, and computes the bad one again
        tower = Breaks()
        rows = Towers([tower], ColourTower(), folder=tmp_path).text_rows(["good", "bad"])
        assert np.isfinite(rows).all(1).tolist() == [True, False]
    assert tower.read == ["bad"]
