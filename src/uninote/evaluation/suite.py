"""Suite of retrieval tasks: queries, one pool of distinct targets per task, and the relevant targets.

Targets of the same content (equal `Item.key`) are one target, and queries of the same content are one query
with the targets of both: alternative texts such as "screenshot" repeat, and no encoder can distinguish equal
items.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from uninote.errors import ItemError, NoteError, PictureError
from uninote.evaluation.protocols import Floats, Ids, Json
from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import Task
from uninote.tasks.pairs import make_pairs


@dataclass(frozen=True)
class Query:
    """One query with its relevant targets.

    Attributes:
        relevant: grade (1 or more, higher is better) by target key.
        excluded: keys of targets that are neither right nor wrong, e.g. the query's own note.
    """

    item: Item
    note_id: str
    relevant: Mapping[str, int]
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TaskSuite:
    """One retrieval task: queries against a pool of distinct targets.

    Attributes:
        instruction: the task whose instruction goes with the queries.
        graded: several targets are relevant, so that precision and nDCG are reported in addition to recall.
    """

    name: str
    instruction: Task
    queries: tuple[Query, ...]
    targets: tuple[Item, ...]
    graded: bool = False

    @cached_property
    def index(self) -> dict[str, int]:
        """Position in `targets` by key."""
        return {target.key: position for position, target in enumerate(self.targets)}

    @cached_property
    def relevant_counts(self) -> Ids:
        """int64 `[q]`: relevant targets of each query."""
        return np.array([len(query.relevant) for query in self.queries], dtype=np.int64)

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
        """Return the sizes, the recall@1 of a random order and the best recall@1 that any order can reach."""
        return {
            "n_queries": len(self.queries),
            "n_targets": len(self.targets),
            "chance@1": 1 / len(self.targets),
            "ceiling@1": float(np.mean(1 / self.relevant_counts)),
        }


@dataclass(frozen=True)
class Suite:
    """All tasks over one set of held-out notes.

    Attributes:
        tasks: the members of `Task` for which the notes have queries, in its order.
        extra: tasks outside of it, e.g. author-made links.
        dropped: ids of notes left out because the check refused a picture.
    """

    notes: tuple[Note, ...]
    tasks: tuple[TaskSuite, ...]
    extra: tuple[TaskSuite, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def all_tasks(self) -> tuple[TaskSuite, ...]:
        return self.tasks + self.extra

    @cached_property
    def items(self) -> dict[str, Item]:
        """Every distinct item of all tasks and both sides, by key."""
        return {item.key: item for task in self.all_tasks for item in [*task.targets, *_queries(task)]}

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, equal for equal queries, pools and relevance; required for comparing stages."""
        digest = hashlib.sha256()
        for task in self.all_tasks:
            rows = [(query.item.key, sorted(query.relevant.items())) for query in task.queries]
            digest.update(repr((task.name, rows, list(task.index))).encode())
        return digest.hexdigest()[:16]

    def facts(self) -> Json:
        """Return the report's "dataset": sizes of the held-out set and of every task."""
        pictures = {picture.digest: picture for note in self.notes for picture in note.pictures}
        return {
            "notes": len(self.notes),
            "pictures": len(pictures),
            "pictures_per_note": sum(len(note.pictures) for note in self.notes) / max(len(self.notes), 1),
            "described_pictures": sum(bool(picture.description) for picture in pictures.values()),
            "pictures_with_ocr": sum(bool(picture.ocr) for picture in pictures.values()),
            "items": len(self.items),
            "dropped_notes": len(self.dropped),
            "languages": dict(Counter(note.lang or "unknown" for note in self.notes).most_common()),
            "categories": len({note.category for note in self.notes if note.category}),
            "suite": self.fingerprint,
            "tasks": {task.name: task.facts() for task in self.all_tasks},
        }


def build_suite(
    notes: Sequence[Note],
    seed: int = 0,
    *,
    check: Callable[[Picture], object] | None = None,
    extra: Callable[[Sequence[Note]], TaskSuite | None] | None = None,
) -> Suite:
    """Return all tasks over held-out notes; the same notes and seed yield the same suite.

    Args:
        check: called once per distinct picture, e.g. a decoder. If it raises PictureError or ItemError, the
            notes with that picture are left out and listed in `Suite.dropped`.
        extra: builds a task outside of `Task`, e.g. `links.links_task`.

    Raises NoteError when no task gets a query.
    """
    kept, dropped = _usable(notes, check)
    built = [(graded_task if task.spec.graded else pair_task)(kept, task, seed) for task in Task]
    tasks = tuple(task for task in built if task.queries)
    if not tasks:
        raise NoteError(f"{len(notes)} notes give no query: they need pictures with descriptions or OCR")
    more = extra(kept) if extra else None
    return Suite(tuple(kept), tasks, (more,) if more else (), tuple(dropped))


def pair_task(notes: Sequence[Note], task: Task, seed: int) -> TaskSuite:
    """Return a task of pairs: each query has one relevant target (method, section 1)."""
    pairs = make_pairs(notes, task, per_note=1 if task.spec.one_per_note else None, seed=seed)
    queries = (Query(pair.query, pair.note_id, {pair.positive.key: 1}) for pair in pairs)
    return TaskSuite(task.value, task, merged(queries), distinct(pair.positive for pair in pairs))


def graded_task(notes: Sequence[Note], task: Task, seed: int) -> TaskSuite:
    """Return a task whose queries have several targets, graded by their order, among all others' targets.

    Note2Note (method, section 3): half a note finds `L_rel`. Notes without a query (with one picture, or no
    text for each half) are whole targets in the pool, as noise.
    """
    queries: list[Query] = []
    targets: list[Item] = []
    for note in notes:
        cuts = task.spec.build(note, seed)
        if not cuts:
            targets.append(note.item())
        for cut in cuts:
            grades = range(len(cut.relevant), 0, -1)
            relevant: dict[str, int] = {}
            for item, grade in zip(cut.relevant, grades, strict=True):
                relevant.setdefault(item.key, grade)
            queries.append(Query(cut.query, note.id, relevant))
            targets.extend(cut.relevant)
    return TaskSuite(task.value, task, merged(queries), distinct(targets), graded=True)


def merged(queries: Iterable[Query]) -> tuple[Query, ...]:
    """Merge queries of equal content: unite their relevant targets and keep the higher grade."""
    by_key: dict[str, Query] = {}
    for query in queries:
        known = by_key.get(query.item.key)
        if known is None:
            by_key[query.item.key] = query
            continue
        keys = [*known.relevant, *query.relevant]
        relevant = {key: max(known.relevant.get(key, 0), query.relevant.get(key, 0)) for key in keys}
        excluded = (known.excluded | query.excluded) - relevant.keys()
        by_key[query.item.key] = Query(known.item, known.note_id, relevant, excluded)
    return tuple(by_key.values())


def distinct(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return items with equal keys once, in order of first appearance."""
    return tuple({item.key: item for item in items}.values())


def _queries(task: TaskSuite) -> list[Item]:
    return [query.item for query in task.queries]


def _usable(notes: Sequence[Note], check: Callable[[Picture], object] | None) -> tuple[list[Note], list[str]]:
    if check is None:
        return list(notes), []
    bad: set[str] = set()
    for picture in {picture.digest: picture for note in notes for picture in note.pictures}.values():
        try:
            check(picture)
        except (PictureError, ItemError):
            bad.add(picture.digest)
    refused = [note for note in notes if any(picture.digest in bad for picture in note.pictures)]
    dropped = {note.id for note in refused}
    return [note for note in notes if note.id not in dropped], sorted(dropped)
