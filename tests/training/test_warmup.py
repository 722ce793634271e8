from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from uninote.encoder import Encoder
from uninote.items import Item, Note, Picture
from uninote.settings import EncoderSettings
from uninote.training.warmup import TEMPERATURE, in_batch_infonce, warm_up, warmup_pairs

COLOURS = ("red", "green", "blue", "yellow", "purple", "black")
SHAPES = ("circle", "square", "triangle")
ShapePicture = Callable[[str, str, int], Picture]


def gallery(shape_picture: ShapePicture, shifts: range) -> list[Note]:
    pictures = [shape_picture(c, s, shift) for shift in shifts for c in COLOURS for s in SHAPES]
    return [Note(str(n), "", "", (picture,)) for n, picture in enumerate(pictures)]


def recall(encoder: Encoder, notes: list[Note]) -> float:
    """Share of pictures whose own description is the nearest of the 18."""
    texts = [f"a {c} {s}" for c in COLOURS for s in SHAPES]
    pictures = [picture for note in notes for picture in note.pictures]
    scores = encoder.encode([Item.of(p) for p in pictures]) @ encoder.encode([Item.of(t) for t in texts]).T
    return float(
        np.mean([texts[best] == p.description for best, p in zip(scores.argmax(1), pictures, strict=True)])
    )


def head_state(encoder: Encoder) -> dict[str, torch.Tensor]:
    backbone: Any = encoder.backbone
    return {name: tensor.clone() for name, tensor in backbone.state_dict().items()}


def test_pictures_find_their_descriptions(fresh: Callable[[], Encoder], shape_picture: ShapePicture) -> None:
    """On shapes at places not seen in training; chance is 1 in 18."""
    encoder = fresh()
    seen, unseen = gallery(shape_picture, range(4)), gallery(shape_picture, range(7, 8))
    assert recall(encoder, unseen) < 0.25
    untouched = head_state(encoder)
    loss = warm_up(encoder, seen, 80, seed=0)
    assert recall(encoder, unseen) > 0.6
    assert 0 < loss < 2
    changed = {n for n, tensor in head_state(encoder).items() if not torch.equal(tensor, untouched[n])}
    assert changed
    assert all(name.startswith("connector.head.") for name in changed)
    assert np.allclose(
        encoder.encode([Item.of("a red circle")]), fresh().encode([Item.of("a red circle")]), atol=1e-6
    )


def test_same_seed_same_head(fresh: Callable[[], Encoder], shape_picture: ShapePicture) -> None:
    notes = gallery(shape_picture, range(1))
    states = []
    for noise in range(2):
        torch.manual_seed(noise)  # the surroundings must not matter
        encoder = fresh()
        warm_up(encoder, notes, 3, seed=5)
        states.append(head_state(encoder))
    assert all(torch.equal(states[0][name], tensor) for name, tensor in states[1].items())


def test_narrow_models_are_warmed_up_too(fresh: Callable[[], Encoder], notes: list[Note]) -> None:
    narrow = Encoder(fresh().backbone, EncoderSettings(dims=(64,), device="cpu"))
    assert warm_up(narrow, notes, 2, seed=0) > 0


@pytest.mark.parametrize("steps", [0, 5])
def test_nothing_to_learn_from(fresh: Callable[[], Encoder], notes: list[Note], steps: int) -> None:
    encoder = fresh()
    before = head_state(encoder)
    assert warm_up(encoder, notes if steps == 0 else notes[:0], steps, seed=0) == 0.0
    assert all(torch.equal(before[name], tensor) for name, tensor in head_state(encoder).items())


def test_pairs_are_descriptions_then_ocr() -> None:
    a = Picture("a", description="a cat", ocr=("SALE", "50%"))
    b = Picture("b", description=" ", ocr=None)
    c = Picture("c", description="a dog", ocr=())
    notes = [Note("1", "", "", (a, b)), Note("2", "", "", (c,))]
    assert warmup_pairs(notes) == [(a, "a cat"), (c, "a dog"), (a, "SALE\n50%")]


def test_infonce_against_brute_force() -> None:
    torch.manual_seed(0)
    left, right = (normalize(torch.randn(4, 8), dim=-1) for _ in range(2))
    same = torch.eye(4).bool()
    same[0, 2] = same[2, 0] = True
    expected = 0.0
    for i in range(4):
        rest = [j for j in range(4) if j == i or not same[i, j]]
        for scores in (left @ right.T, right @ left.T):
            row = scores[i] / TEMPERATURE
            expected -= float(row[i] - torch.logsumexp(row[rest], 0)) / 8
    assert float(in_batch_infonce(left, right, same)) == pytest.approx(expected, rel=1e-5)


def test_texts_of_one_picture_are_not_each_others_negatives(
    fresh: Callable[[], Encoder], shape_picture: ShapePicture
) -> None:
    """Alone with its own other text, a picture has nothing to be told apart from."""
    plain = shape_picture("red", "circle", 0)
    both = Picture(plain.digest, None, plain.data, "a red circle", ("SALE",))
    assert warm_up(fresh(), [Note("n", "", "", (both,))], 1, seed=0) == pytest.approx(0, abs=1e-6)
    other = shape_picture("blue", "square", 0)
    assert warm_up(fresh(), [Note("n", "", "", (both, other))], 1, seed=0) > 0.1
