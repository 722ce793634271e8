"""Contributions against numbers worked by hand, against plain encoding, and with the compact encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from uninote.attribution import Explanation, explain
from uninote.attribution.contributions import leave_one_out
from uninote.attribution.pieces import pieces_of, without
from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.items import Item
from uninote.sample.notes import write_sample
from uninote.settings import CorpusSettings, EncoderSettings
from uninote.tasks.definitions import Task

WORDS = ("rain", "sun", "dog")


class Counting:
    """Encoder of normalised word counts; a task adds a constant."""

    def __init__(self) -> None:
        self.encoded: list[Item] = []

    def encode(self, items: Sequence[Item], *, task: Task | None = None) -> NDArray[np.float32]:
        self.encoded += items
        rows = np.array([[" ".join(item.texts).count(word) for word in WORDS] for item in items], np.float32)
        rows = np.hstack([rows, np.full((len(items), 1), 0.5 if task else 0.0, np.float32)]) + 1e-9
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def values(found: Explanation) -> tuple[list[float], list[float]]:
    return (
        [round(one.value, 4) for one in found.query],
        [round(one.value, 4) for one in found.target],
    )


def test_numbers_worked_by_hand() -> None:
    # a = (1, 1, 0), b = (1, 0, 1): s = 1/2. Without "rain." a = (0, 1, 0): s = 0. Without "sun." (1, 0, 0):
    # s = 1/sqrt 2, so the sun holds the score down.
    found = explain(Counting(), Item.of("rain. sun."), Item.of("rain. dog."))
    assert found.score == pytest.approx(0.5)
    assert values(found) == ([0.5, round(0.5 - 2**-0.5, 4)], [0.5, round(0.5 - 2**-0.5, 4)])


def test_equal_pieces_replace_each_other() -> None:
    found = explain(Counting(), Item.of("rain."), Item.of("rain. rain."))
    assert values(found) == ([1.0], [0.0, 0.0])  # the only piece of the query carries all of the score
    assert found.query[0].left == 0


def test_the_instruction_goes_to_the_query_alone_and_equal_sides_are_encoded_in_one_go() -> None:
    encoder = Counting()
    plain = explain(encoder, Item.of("rain. sun."), Item.of("rain. sun."))
    assert plain.score == pytest.approx(1)
    assert len(encoder.encoded) == 6
    told = explain(encoder, Item.of("rain. sun."), Item.of("rain. sun."), task=Task.T2NOTE)
    assert told.score == pytest.approx(2 / (2**0.5 * 2.25**0.5))


def test_leave_one_out_returns_the_whole_and_the_rest() -> None:
    score, left = leave_one_out([[1, 0], [0, 1], [0.6, 0.8]], [0.8, 0.6])
    assert score == pytest.approx(0.8)
    assert left == pytest.approx([0.6, 0.96])


def test_the_compact_encoder_equals_leaving_each_part_out_by_hand(tmp_path: Path) -> None:
    from uninote.encoder import Encoder

    notes = read_notes(write_sample(tmp_path / "sample", 3), CorpusSettings(), SkipReport())
    encoder = Encoder.compact(EncoderSettings(max_tokens=256))
    query, target = Item.of("heavy rain", notes[0].pictures[0]), notes[0].item()
    found = explain(encoder, query, target)
    whole, other = encoder.encode([query, target]).astype(np.float64)
    assert found.score == pytest.approx(float(whole @ other), abs=1e-6)
    pieces = pieces_of(target)
    assert {"picture", "sentence"} <= {piece.kind for piece in pieces}
    assert [one.piece for one in found.target] == list(pieces)
    for one, piece in zip(found.target, pieces, strict=True):
        left = without(target, piece)
        assert left is not None
        alone = float(encoder.encode([left])[0].astype(np.float64) @ whole)
        assert one.left == pytest.approx(alone, abs=1e-5)
        assert one.value == pytest.approx(found.score - alone, abs=1e-5)
    assert max(one.value for one in found.target) > 0
