from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.items import Item, Note, Picture
from uninote.settings import EncoderSettings
from uninote.tasks.definitions import SFT_TASKS, Pair, Task
from uninote.tasks.pairs import make_pairs
from uninote.training.movement import read_movement
from uninote.training.warmup import warm_up, warm_up_steps

COLOURS = ("red", "green", "blue", "yellow", "purple", "black")
SHAPES = ("circle", "square", "triangle")
ShapePicture = Callable[[str, str, int], Picture]


def gallery(shape_picture: ShapePicture, shifts: range) -> list[Note]:
    pictures = [shape_picture(c, s, shift) for shift in shifts for c in COLOURS for s in SHAPES]
    return [Note(str(n), "", "", (picture,)) for n, picture in enumerate(pictures)]


def pairs_of(notes: list[Note], tasks: tuple[Task, ...] = SFT_TASKS) -> list[Pair]:
    return [pair for task in tasks for pair in make_pairs(notes, task)]


def recall(encoder: Encoder, notes: list[Note]) -> float:
    """Share of pictures whose own description is the nearest of the 18."""
    texts = [f"a {c} {s}" for c in COLOURS for s in SHAPES]
    pictures = [picture for note in notes for picture in note.pictures]
    scores = encoder.encode([Item.of(p) for p in pictures]) @ encoder.encode([Item.of(t) for t in texts]).T
    return float(
        np.mean([texts[best] == p.description for best, p in zip(scores.argmax(1), pictures, strict=True)])
    )


def state_of(encoder: Encoder) -> dict[str, torch.Tensor]:
    backbone: Any = encoder.backbone
    return {name: tensor.clone() for name, tensor in backbone.state_dict().items()}


@pytest.mark.slow
def test_pictures_find_their_descriptions(shape_picture: ShapePicture) -> None:
    """Retrieve shapes at places not seen in training, on the package's towers; chance is 1 in 18."""
    encoder = Encoder.compact(EncoderSettings(vision_side=64, read="given", device="cpu"))  # type: ignore[call-arg]
    seen, unseen = gallery(shape_picture, range(4)), gallery(shape_picture, range(7, 8))
    assert recall(encoder, unseen) < 0.25
    untouched = state_of(encoder)
    loss = warm_up(encoder, pairs_of(seen), 80, seed=0)
    assert recall(encoder, unseen) > 0.6
    once = Encoder.compact(encoder.settings)
    assert 0 < loss < warm_up(once, pairs_of(seen), 1, seed=0)
    changed = {n for n, tensor in state_of(encoder).items() if not torch.equal(tensor, untouched[n])}
    fitted = {"centre", "picture_centre", "picture_axes", "axes"}
    assert {name.split(".")[1] for name in changed} == {"head", "scale"} | fitted


@pytest.mark.parametrize(("pairs", "steps"), [(2, 100), (25_600, 300), (1_000_000, 1200)])
def test_steps_follow_the_pairs_within_bounds(pairs: int, steps: int) -> None:
    """Count three passes over the pairs, in batches of 256."""
    assert warm_up_steps(pairs) == steps


def test_same_seed_same_head(fresh: Callable[[], Encoder], shape_picture: ShapePicture) -> None:
    pairs = pairs_of(gallery(shape_picture, range(1)))
    states = []
    for noise in range(2):
        torch.manual_seed(noise)  # the surroundings must not matter
        encoder = fresh()
        warm_up(encoder, pairs, 3, seed=5)
        states.append(state_of(encoder))
    assert all(torch.equal(states[0][name], tensor) for name, tensor in states[1].items())


def test_narrow_models_are_warmed_up_too(fresh: Callable[[], Encoder], notes: list[Note]) -> None:
    narrow = Encoder(fresh().backbone, EncoderSettings(dims=(64,), device="cpu"))
    assert warm_up(narrow, pairs_of(notes), 2, seed=0) > 0


def test_nothing_to_learn_from(fresh: Callable[[], Encoder], notes: list[Note]) -> None:
    encoder = fresh()
    before = state_of(encoder)
    assert warm_up(encoder, [], 5, seed=0) == 0.0
    assert all(torch.equal(before[name], tensor) for name, tensor in state_of(encoder).items())


@pytest.mark.parametrize(("tasks", "steps"), [(SFT_TASKS, 0), ((Task.T2NOTE, Task.NOTE2T), 5)])
def test_without_steps_or_pairs_of_a_picture_only_centre_and_axes_are_fitted(
    fresh: Callable[[], Encoder], notes: list[Note], tasks: tuple[Task, ...], steps: int
) -> None:
    encoder = fresh()
    before = state_of(encoder)
    assert warm_up(encoder, pairs_of(notes, tasks), steps, seed=0) == 0.0
    changed = {name for name, tensor in state_of(encoder).items() if not torch.equal(tensor, before[name])}
    fitted = {"centre", "picture_centre", "picture_axes", "axes"}
    assert changed == {f"aggregator.{name}" for name in fitted}


@pytest.mark.parametrize("shared", ["query", "positive", "positive in another form"])
def test_false_negatives_do_not_count(
    fresh: Callable[[], Encoder], shape_picture: ShapePicture, shared: str
) -> None:
    """Mask pairs that share a side."""
    first, second = shape_picture("red", "circle", 0), shape_picture("blue", "square", 0)
    query = first if shared == "query" else second
    positive = {"query": "a street", "positive": "a sign"}.get(shared, "A  Sign.")
    one = Pair(Task.I2T, Item.of(first), Item.of("a sign"), "1", 0)
    two = Pair(Task.I2T, Item.of(query), Item.of(positive), "2", 1)
    assert warm_up(fresh(), [one, two], 1, seed=0) == 0
    apart = [Pair(Task.I2T, Item.of(p), Item.of(t), "1", 0) for p, t in ((first, "a sign"), (second, "sea"))]
    assert warm_up(fresh(), apart, 1, seed=0) > 0.1


def test_a_warm_up_without_pairs_says_so_and_one_with_pairs_how_far_it_moved(
    fresh: Callable[[], Encoder], notes: list[Note], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warm_up(fresh(), [], 5, seed=0, folder=tmp_path / "none")
    assert "trained nothing: it needs two pairs" in caplog.text
    assert read_movement(tmp_path / "none") is None
    warm_up(fresh(), pairs_of(notes), 2, seed=0, folder=tmp_path / "run")
    moved = read_movement(tmp_path / "run")
    assert moved is not None
    assert not moved.unmoved


def test_a_warm_up_of_vectors_that_are_no_numbers_ends(
    fresh: Callable[[], Encoder], notes: list[Note], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **options: Any) -> torch.Tensor:
        return torch.tensor(float("nan"), requires_grad=True)

    monkeypatch.setattr("uninote.training.warmup.matryoshka_loss", broken)
    with pytest.raises(ModelError, match="the loss of the warm-up is not a number"):
        warm_up(fresh(), pairs_of(notes), 2, seed=0)
