"""Retrieval tasks (method, section 1), one row of properties each, and their query–positive pairs.

Every list of tasks elsewhere is derived from these rows: a new task is a row of `Task` and its builder.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Self

from uninote.items import Item
from uninote.tasks import builders
from uninote.tasks.builders import Builder, each_picture, reverse


@dataclass(frozen=True)
class TaskSpec:
    """The properties of a task.

    Attributes:
        name: the paper's name, query2target.
        family: the meta-task it belongs to.
        instruction: goes with the query only, so that one stored target vector serves all tasks.
        build: cuts a note into queries and targets.
        unhidden: builds it without Modal Replacement (Eq. 2); None if the task never hides a part of a note.
        strict: builds it from notes without the OCR lines of the hidden picture, which Modal Replacement
            keeps; None if the task never hides a picture.
        atomic: query and target are one picture and one text; no note takes part.
        edited: the evaluation shows an edited copy of the picture, because the text that is sought was read
            in the picture itself.
        one_per_note: the evaluation uses one query per note, because the targets of its other pictures
            contain the query's own pixels or text and would win by copying.
        first_metric: the metric that sums up the task; precision@1 if a query has several graded targets.
        trained: whether stage 1 trains on it.
    """

    name: str
    family: str
    instruction: str
    build: Builder
    unhidden: Builder | None = None
    strict: Builder | None = None
    atomic: bool = False
    edited: bool = False
    one_per_note: bool = False
    first_metric: Literal["recall@1", "precision@1"] = "recall@1"
    trained: bool = True

    @property
    def source(self) -> str:
        """Kind of the query, from the name: `I`, `T`, `OCR` or `Note`."""
        return self.name.rpartition("2")[0]

    @property
    def target(self) -> str:
        """Kind of the target, from the name: `I`, `T`, `OCR` or `Note`."""
        return self.name.rpartition("2")[2]

    @property
    def hides_picture(self) -> bool:
        """Whether Modal Replacement changes the task."""
        return self.unhidden is not None

    @property
    def graded(self) -> bool:
        """Whether a query has several relevant targets, in an order."""
        return self.first_metric == "precision@1"


class Task(StrEnum):
    """Retrieval task, a cut of a note into query and target. The value is its name, `spec` its properties."""

    _value_: str
    spec: TaskSpec

    I2T = TaskSpec(
        name="I2T",
        family="Atomic Alignment",
        instruction="Find the description of this image.",
        build=each_picture(builders.description),
        atomic=True,
    )
    T2I = TaskSpec(
        name="T2I",
        family="Atomic Alignment",
        instruction="Find the image that this text describes.",
        build=each_picture(reverse(builders.description)),
        atomic=True,
    )
    I2NOTE = TaskSpec(
        name="I2Note",
        family="Subordinate Retrieval",
        instruction="Find the note that this image belongs to.",
        build=each_picture(builders.picture_in_note),
        unhidden=each_picture(builders.picture_in_whole_note),
        strict=each_picture(builders.picture_in_strict_note),
        one_per_note=True,
    )
    T2NOTE = TaskSpec(
        name="T2Note",
        family="Subordinate Retrieval",
        instruction="Find the note with an image that this text describes.",
        build=each_picture(builders.description_in_note),
        one_per_note=True,
    )
    NOTE2I = TaskSpec(
        name="Note2I",
        family="Semantic Extraction",
        instruction="Find an image that belongs to this note.",
        build=each_picture(reverse(builders.picture_in_note)),
        unhidden=each_picture(reverse(builders.picture_in_whole_note)),
        strict=each_picture(reverse(builders.picture_in_strict_note)),
        one_per_note=True,
    )
    NOTE2T = TaskSpec(
        name="Note2T",
        family="Semantic Extraction",
        instruction="Find the description of an image in this note.",
        build=each_picture(reverse(builders.description_in_note)),
        one_per_note=True,
    )
    I2OCR = TaskSpec(
        name="I2OCR",
        family="OCR Perception",
        instruction="Find the text that is written in this image.",
        build=each_picture(builders.ocr),
        atomic=True,
        edited=True,
    )
    OCR2I = TaskSpec(
        name="OCR2I",
        family="OCR Perception",
        instruction="Find the image in which this text is written.",
        build=each_picture(reverse(builders.ocr)),
        atomic=True,
        edited=True,
    )
    OCR2NOTE = TaskSpec(
        name="OCR2Note",
        family="OCR Perception",
        instruction="Find the note with an image in which this text is written.",
        build=each_picture(builders.ocr_in_note),
        one_per_note=True,
    )
    NOTE2NOTE = TaskSpec(  # trained in stage 2
        name="Note2Note",
        family="Content Relevance",
        instruction="Find notes with the same content as this note.",
        build=builders.half_of_note,
        first_metric="precision@1",
        trained=False,
    )

    def __new__(cls, spec: Any) -> Self:  # called once per row; Task("I2T") is a look-up by Enum itself
        task = str.__new__(cls, spec.name)
        task._value_, task.spec = spec.name, spec
        return task


META_TASKS: dict[str, tuple[Task, ...]] = {
    family: tuple(task for task in Task if task.spec.family == family)
    for family in dict.fromkeys(task.spec.family for task in Task)
}
"""Tasks by family."""

INSTRUCTIONS: dict[Task, str] = {task: task.spec.instruction for task in Task}
"""Instruction by task."""

SFT_TASKS = tuple(task for task in Task if task.spec.trained)
"""The tasks of stage 1."""

SINGLE_TARGET = tuple(task for task in Task if not task.spec.graded)
"""The tasks with one relevant target a query, whose mean recall@1 sums up a model."""

UNEDITED = tuple(task for task in SINGLE_TARGET if not task.spec.edited)
"""The same without the tasks between a picture and the text read in it."""

NOTE_TASKS = tuple(task for task in Task if task.spec.one_per_note)
"""The tasks between a note and one of its parts."""

TWIN_TASKS = tuple(task for task in NOTE_TASKS if task.spec.target == "Note")
"""The tasks whose targets have a counterfactual."""

ATOMIC_TASKS = frozenset(task for task in Task if task.spec.atomic)
"""The tasks between one picture and one text."""


_IN_WORDS = {
    3: "three",
    4: "four",
    5: "five",
    6: "six",
    7: "seven",
    8: "eight",
    9: "nine",
    10: "ten",
    11: "eleven",
    12: "twelve",
}


def in_words(tasks: Collection[Task] | type[Task]) -> str:
    """Return the number of tasks for prose: a word from three to twelve, else digits."""
    return _IN_WORDS.get(len(tasks), str(len(tasks)))


@dataclass(frozen=True)
class Pair:
    """A query and its positive target.

    Attributes:
        note_id: the note both were cut from.
        picture: index of the note's picture the pair is about, None for tasks of whole notes.
        counterfactual: `N \\ {I_i}` (Eq. 5) if the target is a note: the positive without the picture, its
            description and its OCR text, by content. None for other tasks, and if nothing else is left.
        neutral: keys of targets that are neither the positive nor wrong: notes that are related to the query.
    """

    task: Task
    query: Item
    positive: Item
    note_id: str
    picture: int | None
    counterfactual: Item | None = None
    neutral: frozenset[str] = frozenset()
