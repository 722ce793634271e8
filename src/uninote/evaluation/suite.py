"""Suite of retrieval tasks over held-out notes: the tasks themselves, and variants of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from uninote.errors import ItemError, NoteError, PictureError
from uninote.evaluation.copies import EditedCopies, Reread
from uninote.evaluation.cut_tasks import graded_task, pair_task
from uninote.evaluation.pools import (
    CORPUS_TASKS,
    NEAR_TASKS,
    Distractors,
    NoteRows,
    corpus_task,
    near_task,
    nearest_notes,
)
from uninote.evaluation.protocols import Json
from uninote.evaluation.task_suite import (
    WITH_TEXT,
    WITHOUT_TEXT,
    Query,
    TaskSuite,
    distinct,
    merged,
    without_answers,
)
from uninote.evaluation.variants import Variant
from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import TWIN_TASKS, Task
from uninote.tasks.pairs import make_pairs

__all__ = [
    "WITHOUT_TEXT",
    "WITH_TEXT",
    "Query",
    "Suite",
    "TaskSuite",
    "build_suite",
    "distinct",
    "merged",
]


ExtraTask = Callable[[Sequence[Note]], TaskSuite | None]
"""Builder of a task outside of `Task`; None if the notes have no query for it."""


@dataclass(frozen=True)
class Suite:
    """All tasks over one set of held-out notes.

    Attributes:
        tasks: the members of `Task` for which the notes have queries, in its order.
        extra: tasks outside of it: author-made links, and variants of the tasks (`variants.Variant`).
        dropped: ids of notes without a picture, or left out, because the check refused it.
        distractors: number of other notes in the pools of `Variant.CORPUS` and `Variant.NEAR`.
        copies: the edited copies that stand for pictures whose text is sought; None: the pictures do.
    """

    notes: tuple[Note, ...]
    tasks: tuple[TaskSuite, ...]
    extra: tuple[TaskSuite, ...] = ()
    dropped: tuple[str, ...] = ()
    copies: EditedCopies | None = None
    distractors: int = 0

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
            pools = [(sorted(query.twins.items()), sorted(query.pool or ())) for query in task.queries]
            digest.update(repr((task.name, rows, list(task.index), pools)).encode())
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
            "distractor_notes": self.distractors,
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
    distractors: Sequence[Note] = (),
    near: NoteRows | None = None,
) -> Suite:
    """Return all tasks over held-out notes; the same notes and seed yield the same suite.

    Args:
        check: called once per distinct picture, e.g. a decoder. If it raises PictureError or ItemError, the
            picture is left out of its notes, which are listed in `Suite.dropped`; so is a note without text
            of which nothing is left.
        extra: builders of tasks outside of `Task`, e.g. `links.links_task`.
        reread: makes and reads edited copies (`copies.rereading`). They stand for the pictures of I2OCR and
            OCR2I, which are measured with the pictures themselves as an extra task each.
        distractors: other notes, e.g. those of training, as further targets (`Variant.CORPUS`).
        near: rows of notes by which the near misses of a query are chosen (`Variant.NEAR`), of an encoder
            that is not measured. None: that variant is left out.

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
    more += [pair_task(kept, task, seed, variant=Variant.TWINS) for task in TWIN_TASKS]
    others = Distractors(_usable(distractors, check)[0])
    if others.notes:
        more += [corpus_task(task, others) for task in tasks if task.instruction in CORPUS_TASKS]
    if near:
        nearest = nearest_notes(kept, others.notes, near)
        more += [near_task(task, others, nearest) for task in tasks if task.instruction in NEAR_TASKS]
    extras = tuple(without_answers(task) for task in more if task and task.queries)
    tasks = tuple(map(without_answers, tasks))
    return Suite(tuple(kept), tasks, extras, tuple(dropped), copies, len(others.notes))


def _sought(notes: Sequence[Note]) -> list[Picture]:
    """Return the pictures of the tasks that show edited copies."""
    pairs = [pair for task in Task if task.spec.edited for pair in make_pairs(notes, task)]
    return [picture for pair in pairs for side in (pair.query, pair.positive) for picture in side.pictures]


def _queries(task: TaskSuite) -> list[Item]:
    return [query.item for query in task.queries]


def _usable(notes: Sequence[Note], check: Callable[[Picture], object] | None) -> tuple[list[Note], list[str]]:
    """Return the notes without the pictures that `check` refuses, and the ids of those that lost one."""
    if check is None:
        return list(notes), []
    bad: set[str] = set()
    for picture in {picture.digest: picture for note in notes for picture in note.pictures}.values():
        try:
            check(picture)
        except (PictureError, ItemError):
            bad.add(picture.digest)
    kept, lost = [], set()
    for note in notes:
        whole = tuple(picture for picture in note.pictures if picture.digest not in bad)
        if len(whole) < len(note.pictures):
            lost.add(note.id)
        if whole or not note.pictures or note.title.strip() or note.body.strip():
            kept.append(note.with_pictures(whole))
    return kept, sorted(lost)
