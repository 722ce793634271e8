"""Training on related notes: masks and noise against brute force, and a log that brings notes nearer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.training.test_rl import collate, items_of
from tests.training.tiny_backbone import HashedReference, tiny_encoder

from uninote.corpus.relations.coengagement import co_engagement
from uninote.corpus.relations.graph import Relations
from uninote.corpus.relations.reader import Event
from uninote.encoder import Encoder
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.relations import relations_task
from uninote.evaluation.suite import Suite
from uninote.items import Item, Note
from uninote.negatives import ReferenceIndex, mine_from_index, pair_items
from uninote.settings import NegativeSettings, RlSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.tasks.related import related_pairs
from uninote.training.inbatch import InBatchCandidates
from uninote.training.rl import rl_halves, train_rl
from uninote.training.sft import train_sft

GROUPS, PER_GROUP = 3, 12


def note_of(number: int) -> Note:
    """Make a note of a group that is written in one of two vocabularies without a common word."""
    rng = np.random.default_rng(number)
    group, style = number % GROUPS, "ab"[number // GROUPS % 2]
    words = [f"{style}{group}{rng.integers(3)}" for _ in range(5)]
    return Note(f"n{number}", f"w{number}", " ".join(words))


def planted(seed: int, numbers: Sequence[int]) -> Relations:
    """Return the co-engagement of users who like one group each."""
    rng = np.random.default_rng(seed)
    events = []
    for user in range(60):
        liked = [number for number in numbers if number % GROUPS == user % GROUPS]
        for _ in range(8):
            number = rng.choice(liked) if rng.random() < 0.9 else rng.choice(numbers)
            events.append(Event(f"u{user}", f"n{number}", 0.0))
    return co_engagement(events, neighbours=8)


TRAIN, TEST = range(GROUPS * PER_GROUP), range(100, 100 + GROUPS * 8)
NOTES = [note_of(number) for number in TRAIN]


def measured(encoder: Encoder) -> tuple[float, float]:
    """Return the nDCG of the planted relations of held-out notes, and their cosines less those of others."""
    notes = [note_of(number) for number in TEST]
    same = np.array([[one % GROUPS == other % GROUPS for other in TEST] for one in TEST])
    planted_pairs = Relations(
        {
            (min(a, b), max(a, b)): 1.0
            for i, a in enumerate(f"n{n}" for n in TEST)
            for j, b in enumerate(f"n{n}" for n in TEST)
            if i != j and same[i, j]
        }
    )
    task = relations_task(notes, planted_pairs)
    assert task is not None
    result = evaluate(encoder, Suite(tuple(notes), (), (task,)), bootstrap=0, samples=0)
    vectors = encoder.encode([note.item() for note in notes])
    cosines = vectors @ vectors.T
    apart = ~np.eye(len(notes), dtype=bool)
    return result["extra"]["Relations"]["ndcg@10"], float(
        cosines[same & apart].mean() - cosines[~same].mean()
    )


def test_related_notes_are_no_negatives_of_one_another_in_a_batch() -> None:
    relations = planted(0, TRAIN)
    pairs = related_pairs(NOTES, relations, 40, 0)
    index = ReferenceIndex(pair_items(pairs), HashedReference())
    examples = mine_from_index(pairs, index, NegativeSettings(per_query=3), 0)
    ids = {note.item().key: note.id for note in NOTES}
    for example in examples:
        query = ids[example.pair.query.key]
        assert example.negatives
        for negative in example.negatives:
            assert ids[negative.key] != query
            assert not relations.related(query, ids[negative.key])
    sets = InBatchCandidates(examples, index, SftSettings())(examples[:20])
    masked = 0
    for row, example in enumerate(examples[:20]):
        query = ids[example.pair.query.key]
        for column, candidate in enumerate(sets.candidates):
            other = ids[candidate.key]
            allowed = column == sets.positive[row] or not (query == other or relations.related(query, other))
            masked += not allowed
            assert bool(sets.mask[row, column]) == allowed
    assert masked > 10


def test_related_notes_beyond_the_ranking_are_no_noise() -> None:
    relations = Relations({("n0", f"n{other}"): float(other) for other in range(1, 6)})
    few = NOTES[:10]
    halves = rl_halves(few, RlSettings(relations=5, max_relevant=2), 0, relations)
    assert len(halves) == 1  # the others have one relation each, and no two pictures
    own, best = few[0].item(), [few[5].item(), few[4].item()]
    assert list(halves[0].relevant) == best
    inputs = collate([note.item() for note in few], *halves, count=20)
    items = items_of(inputs)
    expected = [item in best or item in [note.item() for note in few[6:]] for item in items]
    assert own in items
    assert inputs["mask"][0].tolist() == expected
    assert inputs["positions"][0, :2].tolist() == [1, 2]


def test_notes_with_few_relations_keep_their_halves(notes: list[Note]) -> None:
    relations = Relations({("n0", "n1"): 1.0, ("n0", "n2"): 2.0})
    made = rl_halves(notes, RlSettings(), 0, relations)
    assert [half.nested for half in made] == [False] + [True] * (len(notes) - 1)
    assert made[0].query == notes[0].item()
    assert made[0].relevant == (notes[2].item(), notes[1].item())
    plain = rl_halves(notes, RlSettings(), 0)
    assert made[1:] == plain[1:]
    assert rl_halves(notes, RlSettings(relations=0), 0, relations) == plain


@pytest.mark.slow
def test_stage_one_on_a_log_brings_related_notes_nearer(tmp_path: Path) -> None:
    encoder, pairs = tiny_encoder(), related_pairs(NOTES, planted(1, TRAIN), 400, 0)
    before = measured(encoder)
    index = ReferenceIndex(pair_items(pairs), tiny_encoder())
    examples = mine_from_index(pairs, index, NegativeSettings(per_query=2), 0)
    settings = SftSettings(
        steps=120, batch_size=24, learning_rate=1e-2, save_every=500, negative_label="zero"
    )
    after = measured(train_sft(encoder, examples, index, settings, tmp_path))
    assert after[0] > before[0] + 0.2
    assert after[1] > before[1] + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["listwise", "plackett_luce", "softmax", "weighted_softmax"])
def test_stage_two_on_a_log_brings_related_notes_nearer(tmp_path: Path, policy: str) -> None:
    encoder = tiny_encoder()
    before = measured(encoder)
    options = {"policy": policy, "steps": 150, "batch_size": 12, "learning_rate": 1e-2, "save_every": 500}
    settings = RlSettings.model_validate({**options, "kl_weight": 0, "noise": 12})
    halves = rl_halves(NOTES, settings, 0, planted(1, TRAIN))
    assert len(halves) > 30
    after = measured(train_rl(encoder, NOTES, settings, tmp_path, samples=halves))
    assert after[0] > before[0]
    assert after[1] > before[1] + 0.05


def test_the_instruction_is_that_of_whole_notes() -> None:
    [pair, *_] = related_pairs(NOTES, planted(0, TRAIN), 1, 0)
    assert pair.task is Task.NOTE2NOTE
    assert isinstance(pair.query, Item)
