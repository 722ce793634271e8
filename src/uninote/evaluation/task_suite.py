"""Retrieval task of the suite: queries, one pool of distinct targets, and the relevant targets.

Targets of the same content (equal `Item.key`) are one target, and queries of the same content are one query
with the targets of both: alternative texts such as "screenshot" repeat, and no encoder can distinguish equal
items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from uninote.evaluation.protocols import Floats, Ids, Json
from uninote.items import Item
from uninote.tasks.content import Answers
from uninote.tasks.definitions import Task

WITH_TEXT, WITHOUT_TEXT = "with text", "without text"
"""Parts of the queries of a task whose note hides a picture: by whether text was read in that picture."""


@dataclass(frozen=True)
class Query:
    """One query with its relevant targets.

    Attributes:
        relevant: grade (1 or more, higher is better) by target key.
        excluded: keys of targets that are neither right nor wrong: the query's own note, and what answers it
            by content (`without_answers`).
        twins: key of the twin by relevant target: of a note, the same note without its picture.
        pool: keys of the only targets that the query searches, its relevant ones among them; None: all.
        part: `WITH_TEXT` or `WITHOUT_TEXT` where a note hides a picture that was read, else empty.
    """

    item: Item
    note_id: str
    relevant: Mapping[str, int]
    excluded: frozenset[str] = frozenset()
    part: str = ""
    twins: Mapping[str, str] = field(default_factory=dict)
    pool: frozenset[str] | None = None


@dataclass(frozen=True)
class TaskSuite:
    """One retrieval task: queries against a pool of distinct targets.

    Attributes:
        instruction: the task whose instruction goes with the queries.
        graded: several targets are relevant, so that precision and nDCG are reported in addition to recall.
        by_note: keys of the targets by the id of the note that they are cut from.
    """

    name: str
    instruction: Task
    queries: tuple[Query, ...]
    targets: tuple[Item, ...]
    graded: bool = False
    by_note: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position in `targets` by key."""
        return {target.key: position for position, target in enumerate(self.targets)}

    @cached_property
    def relevant_counts(self) -> Ids:
        """int64 `[q]`: relevant targets of each query."""
        return np.array([len(query.relevant) for query in self.queries], dtype=np.int64)

    @cached_property
    def pool_sizes(self) -> Ids:
        """int64 `[q]`: targets that each query searches."""
        sizes = [len(self.targets if query.pool is None else query.pool) for query in self.queries]
        return np.array(sizes, dtype=np.int64)

    @property
    def has_twins(self) -> bool:
        """Whether the share of twins told apart is measured."""
        return any(query.twins for query in self.queries)

    def gains(self, ids: Ids) -> Floats:
        """Return float32 `[q, k]`: the grade of each retrieved target, 0 if not relevant or the id is -1."""
        width = len(self.targets)
        pairs = sorted(
            (row * width + self.index[key], grade)
            for row, query in enumerate(self.queries)
            for key, grade in query.relevant.items()
        )
        codes = np.array([code for code, _ in pairs], dtype=np.int64)
        grades = np.array([grade for _, grade in pairs], dtype=np.float32)
        wanted = np.arange(len(self.queries))[:, None] * width + ids
        found = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        return np.where((codes[found] == wanted) & (ids >= 0), grades[found], np.float32(0))

    def ideal_gains(self, k: int) -> Floats:
        """Return float32 `[q, k]`: the grades in the best possible order, 0-padded."""
        ideal = np.zeros((len(self.queries), k), dtype=np.float32)
        for row, query in enumerate(self.queries):
            best = sorted(query.relevant.values(), reverse=True)[:k]
            ideal[row, : len(best)] = best
        return ideal

    def facts(self) -> Json:
        """Return the sizes, the recall@1 of a random order and the best recall@1 that any order can reach.

        `n_targets` is the number that a query searches; the mean where the queries have pools of their own.
        """
        return {
            "n_queries": len(self.queries),
            "n_targets": round(float(self.pool_sizes.mean())),
            "chance@1": float(np.mean(1 / self.pool_sizes)),
            "ceiling@1": float(np.mean(1 / self.relevant_counts)),
        }


def merged(queries: Iterable[Query]) -> tuple[Query, ...]:
    """Merge queries of equal content: unite their relevant targets and keep the higher grade.

    Their twins are united as well, without those that are relevant to the other query. The first one's pool
    and note stay.
    """
    by_key: dict[str, Query] = {}
    for query in queries:
        known = by_key.get(query.item.key)
        if known is None:
            by_key[query.item.key] = query
            continue
        keys = [*known.relevant, *query.relevant]
        relevant = {key: max(known.relevant.get(key, 0), query.relevant.get(key, 0)) for key in keys}
        excluded = (known.excluded | query.excluded) - relevant.keys()
        twins = {key: twin for key, twin in {**known.twins, **query.twins}.items() if twin not in relevant}
        by_key[query.item.key] = replace(known, relevant=relevant, excluded=excluded, twins=twins)
    return tuple(by_key.values())


def without_answers(task: TaskSuite) -> TaskSuite:
    """Return the task; what answers a query by content without being relevant is excluded from its search."""
    answers = Answers(task.targets)

    def cut(query: Query) -> Query:
        relevant = [task.targets[task.index[key]] for key in query.relevant]
        found = {task.targets[n].key for n in answers.of(query.item, relevant, task.instruction)}
        return replace(query, excluded=query.excluded | (found - query.relevant.keys()))

    return replace(task, queries=tuple(map(cut, task.queries)))


def distinct(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return items with equal keys once, in order of first appearance."""
    return tuple({item.key: item for item in items}.values())
