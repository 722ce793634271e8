"""Candidate sets of a batch: mask and soft labels of every query and candidate (B3, labels of Eq. 6).

With `candidates="own"` a query sees its positives and its own negatives (the paper's setting). With
`"batch"` it sees every candidate of the batch, on any device, scored by the cached vectors of the
reference encoder: many more negatives for the same encoding. Left out are the false negatives: other
positives of the same query, candidates that answer it by content, candidates cut from a note of the query
where membership decides, notes related to the query where relations decide, and near-duplicates of its
positives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from uninote.items import Item
from uninote.negatives import Example, ReferenceIndex
from uninote.negatives.maxsim import Composites
from uninote.settings import SftSettings
from uninote.tasks.content import Answers, content_key
from uninote.tasks.definitions import ATOMIC_TASKS
from uninote.training.clusters import neighbour_groups

NEGATIVES_BESIDE_BATCH = 1
"""Mined negatives per query (the rule's, if any) where all other candidates of the batch are negatives."""
NEAR_DUPLICATE = 0.98
"""Least reference cosine of near-duplicates: two such elements are the same for training."""


class CandidateSets(NamedTuple):
    """Candidate sets of B queries over the C unique candidates of their batch.

    `labels` float32 and `mask` bool are [B, C]; `positive` int64 [B] is the column of the query's positive.
    """

    queries: list[Item]
    candidates: list[Item]
    labels: Tensor
    mask: Tensor
    positive: Tensor


def coverage(covered: Composites, covering: Composites) -> NDArray[np.float32]:
    """Return `min_{f ∈ a} max_{e ∈ b} cos(f, e)`, [a, b]: how well a's worst element is found in b."""
    cosines = (covered.vectors @ covering.vectors.T)[:, covering.places]
    best = np.maximum.reduceat(cosines, covering.starts, axis=1)[covered.places]
    worst: NDArray[np.float32] = np.minimum.reduceat(best, covered.starts, axis=0)
    return worst


def near_duplicates(
    left: Composites, right: Composites, threshold: float = NEAR_DUPLICATE
) -> NDArray[np.bool_]:
    """Find items alike in every element, both ways: bool [left, right]. Single elements: cos ≥ threshold."""
    return np.minimum(coverage(left, right), coverage(right, left).T) >= threshold


def positive_clusters(
    examples: Sequence[Example], reference: ReferenceIndex, size: int, seed: int
) -> list[int]:
    """Group `size` examples of one task whose positives are alike under the reference.

    In one batch, the positives of such queries are each other's hard negatives (as in B3, arXiv 2505.11293).
    A positive is compared by the mean of its elements.
    """
    clusters = [0] * len(examples)
    made = 0
    for task in dict.fromkeys(example.pair.task for example in examples):
        members = [i for i, example in enumerate(examples) if example.pair.task == task]
        elements = reference.elements([examples[i].pair.positive for i in members])
        sums = np.add.reduceat(reference.vectors[elements.rows], elements.starts)
        found = neighbour_groups(normalize(torch.from_numpy(sums), dim=-1), size, seed)
        for i, cluster in zip(members, found, strict=True):
            clusters[i] = made + cluster
        made += max(found) + 1
    return clusters


class InBatchCandidates:
    """Builder of candidate sets from examples of one task.

    Args:
        examples: the whole training set, which defines the positives of every query.
        reference: holds every query, positive and negative.
    """

    def __init__(self, examples: Sequence[Example], reference: ReferenceIndex, settings: SftSettings) -> None:
        self.reference, self.settings = reference, settings
        # By content of the query: its positives, the notes it was cut from, and keys of candidates that are
        # related to it. By key: the notes a candidate was cut from.
        self.positives: dict[tuple[str, ...], dict[str, Example]] = defaultdict(dict)
        self.sources: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self.notes: dict[str, set[str]] = defaultdict(set)
        self.neutral: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for example in examples:
            pair = example.pair
            query = content_key(pair.query)
            self.positives[query].setdefault(pair.positive.key, example)
            self.sources[query].add(pair.note_id)
            self.neutral[query] |= pair.neutral
            for item in (pair.positive, pair.counterfactual):
                if item is not None:
                    self.notes[item.key].add(pair.note_id)

    def __call__(self, examples: Sequence[Example]) -> CandidateSets:
        kept = self.settings.negatives_per_query
        if kept is None and self.settings.candidates == "batch":
            kept = NEGATIVES_BESIDE_BATCH
        positives = [self._positives(example) for example in examples]
        unique = {
            item.key: item
            for example, of_query in zip(examples, positives, strict=True)
            for item in (*(e.pair.positive for e in of_query), *example.negatives[:kept])
        }
        column = {key: i for i, key in enumerate(unique)}
        queries, candidates = [e.pair.query for e in examples], list(unique.values())
        known = Answers(candidates)
        answers = [known.of(e.pair.query, [e.pair.positive], e.pair.task) for e in examples]
        soft = self.settings.negative_label == "reference"
        if self.settings.candidates == "batch":
            labels = torch.from_numpy(self.reference.scores(queries, candidates)) * soft
            mask = self._mask(examples, candidates, answers)
        else:
            labels = torch.zeros(len(examples), len(unique))
            mask = torch.zeros(len(examples), len(unique), dtype=torch.bool)
        one = self.settings.positive_label == "one"
        for row, (example, of_query) in enumerate(zip(examples, positives, strict=True)):
            for item, score in zip(example.negatives[:kept], example.scores, strict=False):
                if (
                    item.key not in self.positives[content_key(example.pair.query)]
                    and column[item.key] not in answers[row]
                ):
                    mask[row, column[item.key]] = True
                    labels[row, column[item.key]] = score if soft else 0.0
            for other in of_query:
                place = column[other.pair.positive.key]
                mask[row, place] = True
                labels[row, place] = 1.0 if one else other.positive_score
        positive = torch.tensor([column[e.pair.positive.key] for e in examples])
        return CandidateSets(queries, candidates, labels, mask, positive)

    def _positives(self, example: Example) -> list[Example]:
        """Return the example itself, then others of the same query, up to `positives_per_query`."""
        key = example.pair.positive.key
        others = (e for k, e in self.positives[content_key(example.pair.query)].items() if k != key)
        return [example, *islice(others, self.settings.positives_per_query - 1)]

    def _mask(
        self, examples: Sequence[Example], candidates: Sequence[Item], answers: Sequence[set[int]]
    ) -> Tensor:
        """Return the candidates that may be negatives: bool [B, C]."""
        atomic = examples[0].pair.task in ATOMIC_TASKS
        queries = [content_key(example.pair.query) for example in examples]
        mask = np.array(
            [
                [
                    number not in answers[row]
                    and item.key not in self.positives[query]
                    and item.key not in self.neutral[query]
                    and (atomic or self.sources[query].isdisjoint(self.notes[item.key]))
                    for number, item in enumerate(candidates)
                ]
                for row, query in enumerate(queries)
            ]
        )
        sides = ([example.pair.positive for example in examples], candidates)
        left, right = (self.reference.composites(self.reference.elements(items)) for items in sides)
        return torch.from_numpy(mask & ~near_duplicates(left, right))
