"""Candidate sets of a batch: near-duplicates by brute force, several positives, the same for any shard."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.tasks.repeated_notes import answers, repeated_notes
from tests.training.tiny_backbone import HashedReference, TinyBackbone, items_of, tiny_examples

from uninote.items import Item
from uninote.negatives import Example, ReferenceIndex
from uninote.negatives.maxsim import Composites
from uninote.settings import SftSettings
from uninote.tasks.definitions import SFT_TASKS, Pair, Task
from uninote.tasks.pairs import make_pairs
from uninote.training.gather import Shard
from uninote.training.inbatch import InBatchCandidates, coverage, near_duplicates, positive_clusters
from uninote.training.objectives import OBJECTIVES
from uninote.training.sampler import TaskBatchOrder
from uninote.training.sft import SftCollator


def composites(rng: np.random.Generator, vectors: np.ndarray[Any, Any], sizes: list[int]) -> Composites:
    places = rng.integers(0, len(vectors), sum(sizes))
    return Composites(vectors, places, np.cumsum(sizes) - sizes)


def elements(side: Composites, n: int) -> np.ndarray[Any, Any]:
    stop = side.starts[n + 1] if n + 1 < len(side.starts) else len(side.places)
    return side.vectors[side.places[side.starts[n] : stop]]


@pytest.mark.parametrize("seed", range(5))
def test_near_duplicates_are_alike_in_every_element_both_ways(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((4, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    left, right = composites(rng, vectors, [1, 2, 3]), composites(rng, vectors, [1, 1, 2, 2, 3])
    covered, found = coverage(left, right), near_duplicates(left, right, 0.9)
    for i in range(3):
        for j in range(5):
            cosines = elements(left, i) @ elements(right, j).T
            assert covered[i, j] == pytest.approx(cosines.max(1).min(), abs=1e-6)
            assert found[i, j] == (min(cosines.max(1).min(), cosines.max(0).min()) >= 0.9)
    assert near_duplicates(left, left).diagonal().all()


def test_a_note_of_the_same_pictures_and_words_is_no_negative_but_a_part_of_it_is() -> None:
    whole, again = Item.of("p", "q"), Item.of("q", "p")
    part, other = Item.of("p"), Item.of("r", "s")
    examples = [
        Example(Pair(Task.T2NOTE, Item.of(f"query {n}"), item, f"note{n}", 0), (), (), 0.9)
        for n, item in enumerate([whole, again, part, other])
    ]
    index = ReferenceIndex(items_of(examples), HashedReference())
    sets = InBatchCandidates(examples, index, SftSettings())(examples)
    assert sets.candidates == [whole, again, part, other]
    expected = [[1, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert sets.mask.int().tolist() == expected


def several() -> list[Example]:
    """Make one query with three positives in the training set, and two other queries."""
    shared, negative = Item.of("shared"), Item.of("hard")
    made = [
        Example(Pair(Task.T2I, shared, Item.of(f"answer {n}"), "note", n), (negative,), (0.2,), 0.5 + 0.1 * n)
        for n in range(3)
    ]
    return made + [
        Example(Pair(Task.T2I, Item.of(f"q{n}"), Item.of(f"a{n}"), f"o{n}", 0), (), (), 0.9) for n in range(2)
    ]


@pytest.mark.parametrize("candidates", ["own", "batch"])
def test_several_positives_share_the_label(candidates: str) -> None:
    examples = several()
    index = ReferenceIndex(items_of(examples), HashedReference())
    settings = SftSettings.model_validate({"candidates": candidates, "positives_per_query": 2})
    sets = InBatchCandidates(examples, index, settings)([examples[1], examples[3]])
    names = [item.texts[0] for item in sets.candidates]
    assert names == ["answer 1", "answer 0", "hard", "a0"]
    assert sets.labels[0].tolist()[:3] == pytest.approx([1, 1, 0.2])
    assert sets.mask.int().tolist() == (
        [[1, 1, 1, 0], [0, 0, 0, 1]] if candidates == "own" else [[1] * 4, [1] * 4]
    )
    assert sets.positive.tolist() == [0, 3]
    # The least loss gives both the same mass: pushing one above the other costs.
    even, uneven = torch.tensor([[1.0, 1.0, 0.2, -1.0]]), torch.tensor([[1.0, 0.6, 0.2, -1.0]])
    mask, objective = torch.tensor([[True, True, True, False]]), OBJECTIVES["symmetric_kl"]
    assert objective(even, sets.labels[:1], mask, 0.1) < 1e-6
    assert objective(uneven, sets.labels[:1], mask, 0.1) > 0.1


def test_positives_by_reference_score_and_those_left_over() -> None:
    examples = several()
    index = ReferenceIndex(items_of(examples), HashedReference())
    settings = SftSettings(positives_per_query=2, positive_label="reference")
    sets = InBatchCandidates(examples, index, settings)(examples[:3])
    names = [item.texts[0] for item in sets.candidates]
    assert names == ["answer 0", "answer 1", "hard", "answer 2"]
    # Rows see their own positive and one more; the third is neither positive nor negative.
    assert sets.mask.int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [1, 0, 1, 1]]
    assert sets.labels[0, :2].tolist() == pytest.approx([0.5, 0.6])
    assert sets.labels[2, [3, 0]].tolist() == pytest.approx([0.7, 0.5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate": 2}, "chunk_size"),
        ({"accumulate": 5, "candidates": "own"}, "multiple of accumulate"),
        ({"objective": "infonce", "positives_per_query": 2}, "soft objective"),
    ],
)
def test_settings_that_contradict_each_other(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SftSettings.model_validate(options)


def test_every_process_has_the_labels_of_the_whole_batch() -> None:
    batch = [e for e in tiny_examples() if e.pair.task is Task.T2I][:5]
    index = ReferenceIndex(items_of(batch), HashedReference())
    alone = SftCollator(TinyBackbone(), batch, index, SftSettings())(batch)
    shares = [SftCollator(TinyBackbone(), batch, index, SftSettings(), Shard(r, 3))(batch) for r in range(3)]
    for share in shares:
        assert all(torch.equal(share[name], alone[name]) for name in ("labels", "mask", "positive"))
    for side, count in (("queries", 5), ("candidates", 10)):
        rows = [len(share[side]["chunks"][0]["ids"]) for share in shares]
        assert rows == [-(-count // 3)] * 3


def test_clusters_bring_similar_positives_into_one_batch() -> None:
    """Use four topics of six examples per task: a positive's reference vector lies near its topic's."""

    class Topics:
        def encode(self, items: Sequence[Item]) -> np.ndarray[Any, Any]:
            rows = []
            for item in items:
                topic, *rest = item.texts[0].split()
                rng = np.random.default_rng(zlib.crc32(" ".join(rest).encode()))
                row = np.eye(8)[int(topic)] + 0.1 * rng.standard_normal(8)
                rows.append(row / np.linalg.norm(row))
            return np.stack(rows).astype(np.float32)

    examples = [
        Example(
            Pair(task, Item.of(f"{n % 4} q{n}"), Item.of(f"{n % 4} p{n}", f"{n % 4} r{n}"), f"n{n}", 0),
            (),
            (),
            0.9,
        )
        for task in (Task.T2NOTE, Task.I2NOTE)
        for n in range(24)
    ]
    index = ReferenceIndex(items_of(examples), Topics())
    clusters = positive_clusters(examples, index, 3, seed=0)
    members = defaultdict(list)
    for example, cluster in zip(examples, clusters, strict=True):
        members[cluster].append((example.pair.task, example.pair.query.texts[0][0]))
    assert all(len(found) == 3 and len(set(found)) == 1 for found in members.values())

    tasks = [example.pair.task for example in examples]
    order = TaskBatchOrder(tasks, 6, 1, clusters=clusters)
    batches = [list(order)[i : i + 6] for i in range(0, len(order), 6)]
    assert sorted(i for batch in batches for i in batch) == list(range(48))
    for batch in batches:
        assert len({tasks[i] for i in batch}) == 1
        assert len({clusters[i] for i in batch}) == 2
    order.set_epoch(1)
    assert {frozenset(batch) for batch in batches} != {
        frozenset(list(order)[i : i + 6]) for i in range(0, len(order), 6)
    }


@pytest.mark.parametrize("candidates", ["own", "batch"])
def test_labels_may_be_one_hot(candidates: str) -> None:
    examples = several()
    index = ReferenceIndex(items_of(examples), HashedReference())
    settings = SftSettings.model_validate({"candidates": candidates, "negative_label": "zero"})
    sets = InBatchCandidates(examples, index, settings)([examples[1], examples[3]])
    assert sets.labels.tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("candidates", ["batch", "own"])
@pytest.mark.parametrize("task", SFT_TASKS)
def test_no_candidate_counts_as_negative_that_answers_by_content(task: Task, candidates: str) -> None:
    """Name every other positive as a negative too, as a file mined by another release may do."""
    pairs = make_pairs(repeated_notes(3, 10), task)
    positives = tuple(pair.positive for pair in pairs)
    examples = [Example(pair, positives, (0.1,) * len(positives), 0.9) for pair in pairs]
    index = ReferenceIndex(items_of(examples), HashedReference())
    options: Any = {"candidates": candidates, "negatives_per_query": None}
    sets = InBatchCandidates(examples, index, SftSettings(**options))(examples)
    wrong = right = 0
    for row, example in enumerate(examples):
        for column in sets.mask[row].nonzero().flatten().tolist():
            if column != sets.positive[row]:
                wrong += answers(example.pair, sets.candidates[column])
                right += 1
    assert wrong == 0
    assert right > 0
