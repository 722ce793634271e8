"""Suite of retrieval tasks: queries, one pool of distinct targets per task, and the relevant targets.

Targets of the same content (equal `Item.key`) are one target, and queries of the same content are one query
with the targets of both: alternative texts such as "screenshot" repeat, and no encoder can distinguish equal
items.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from uninote.errors import ItemError, NoteError, PictureError
from uninote.evaluation.copies import EditedCopies, Reread
from uninote.evaluation.protocols import Floats, Ids, Json
from uninote.evaluation.variants import Variant
from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import Pair, Task
from uninote.tasks.pairs import make_pairs

WITH_TEXT, WITHOUT_TEXT = "with text", "without text"
"""Parts of the queries of a task whose note hides a picture: by whether text was read in that picture."""


@dataclass(frozen=True)
class Query:
    """One query with its relevant targets.

    Attributes:
        relevant: grade (1 or more, higher is better) by target key.
        excluded: keys of targets that are neither right nor wrong, e.g. the query's own note.
        part: `WITH_TEXT` or `WITHOUT_TEXT` where a note hides a picture that was read, else empty.
    """

    item: Item
    note_id: str
    relevant: Mapping[str, int]
    excluded: frozenset[str] = frozenset()
    part: str = ""


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


ExtraTask = Callable[[Sequence[Note]], TaskSuite | None]
"""Builder of a task outside of `Task`; None if the notes have no query for it."""


@dataclass(frozen=True)
class Suite:
    """All tasks over one set of held-out notes.

    Attributes:
        tasks: the members of `Task` for which the notes have queries, in its order.
        extra: tasks outside of it: author-made links, and variants of the tasks (`variants.Variant`).
        dropped: ids of notes left out because the check refused a picture.
        copies: the edited copies that stand for pictures whose text is sought; None: the pictures do.
    """

    notes: tuple[Note, ...]
    tasks: tuple[TaskSuite, ...]
    extra: tuple[TaskSuite, ...] = ()
    dropped: tuple[str, ...] = ()
    copies: EditedCopies | None = None

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
            "edited_copies": self.copies.facts() if self.copies else None,
            "tasks": {task.name: task.facts() for task in self.all_tasks},
        }


def build_suite(
    notes: Sequence[Note],
    seed: int = 0,
    *,
    check: Callable[[Picture], object] | None = None,
    extra: Sequence[ExtraTask] = (),
    reread: Reread | None = None,
) -> Suite:
    """Return all tasks over held-out notes; the same notes and seed yield the same suite.

    Args:
        check: called once per distinct picture, e.g. a decoder. If it raises PictureError or ItemError, the
            notes with that picture are left out and listed in `Suite.dropped`.
        extra: builders of tasks outside of `Task`, e.g. `links.links_task`.
        reread: makes and reads edited copies (`copies.rereading`). They stand for the pictures of I2OCR and
            OCR2I, which are measured with the pictures themselves as an extra task each.

    Raises NoteError when no task gets a query.
    """
    kept, dropped = _usable(notes, check)
    copies = reread(_sought(kept)) if reread else None
    built = [
        graded_task(kept, task, seed) if task.spec.graded else pair_task(kept, task, seed, copies=copies)
        for task in Task
    ]
    tasks = tuple(task for task in built if task.queries)
    if not tasks:
        raise NoteError(f"{len(notes)} notes give no query: they need pictures with descriptions or OCR")
    more = [build(kept) for build in extra]
    more += [pair_task(kept, task, seed, variant=Variant.STRICT) for task in Task if task.spec.strict]
    if copies:
        same = Variant.SAME_READING
        more += [pair_task(kept, task, seed, variant=same) for task in Task if task.spec.edited]
    extras = tuple(task for task in more if task and task.queries)
    return Suite(tuple(kept), tasks, extras, tuple(dropped), copies)


def pair_task(
    notes: Sequence[Note],
    task: Task,
    seed: int,
    *,
    variant: Variant | None = None,
    copies: EditedCopies | None = None,
) -> TaskSuite:
    """Return a task of pairs: each query has one relevant target (method, section 1).

    Args:
        variant: measures the task in another way, under the name of the variant.
        copies: stand for the pictures of an edited task.
    """
    per_note = 1 if task.spec.one_per_note else None
    pairs = make_pairs(notes, task, per_note=per_note, seed=seed, strict=variant is Variant.STRICT)
    if copies and task.spec.edited:
        sides = [(pair, copies.of(pair.query), copies.of(pair.positive)) for pair in pairs]
        pairs = [replace(pair, query=q, positive=p) for pair, q, p in sides if q and p]
    by_id = {note.id: note for note in notes}
    queries = (
        Query(pair.query, pair.note_id, {pair.positive.key: 1}, part=_part(pair, by_id[pair.note_id]))
        for pair in pairs
    )
    name = variant.of(task) if variant else task.value
    return TaskSuite(name, task, merged(queries), distinct(pair.positive for pair in pairs))


def _sought(notes: Sequence[Note]) -> list[Picture]:
    """Return the pictures of the tasks that show edited copies."""
    pairs = [pair for task in Task if task.spec.edited for pair in make_pairs(notes, task)]
    return [picture for pair in pairs for side in (pair.query, pair.positive) for picture in side.pictures]


def _part(pair: Pair, note: Note) -> str:
    """Return the part of the queries of a pair whose note hides its picture: by text in that picture."""
    if pair.picture is None or not pair.task.spec.hides_picture:
        return ""
    picture = note.pictures[pair.picture]
    if picture.ocr is None:
        return ""
    return WITH_TEXT if picture.ocr_text.strip() else WITHOUT_TEXT


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
        by_key[query.item.key] = replace(known, relevant=relevant, excluded=excluded)
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
