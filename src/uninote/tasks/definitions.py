"""The ten retrieval tasks in five meta-tasks (method, section 1) and the pair they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from uninote.items import Item


class Task(StrEnum):
    """One way to cut a note into a query and a target; the value is the paper's name, query2target."""

    I2T = "I2T"
    T2I = "T2I"
    I2NOTE = "I2Note"
    T2NOTE = "T2Note"
    NOTE2I = "Note2I"
    NOTE2T = "Note2T"
    I2OCR = "I2OCR"
    OCR2I = "OCR2I"
    OCR2NOTE = "OCR2Note"
    NOTE2NOTE = "Note2Note"


META_TASKS: dict[str, tuple[Task, ...]] = {
    "Atomic Alignment": (Task.I2T, Task.T2I),
    "Subordinate Retrieval": (Task.I2NOTE, Task.T2NOTE),
    "Semantic Extraction": (Task.NOTE2I, Task.NOTE2T),
    "OCR Perception": (Task.I2OCR, Task.OCR2I, Task.OCR2NOTE),
    "Content Relevance": (Task.NOTE2NOTE,),
}

SFT_TASKS: tuple[Task, ...] = tuple(task for task in Task if task is not Task.NOTE2NOTE)
"""The tasks of stage 1: all but Note2Note, which is learnt in stage 2."""

ATOMIC_TASKS = frozenset({Task.I2T, Task.T2I, Task.I2OCR, Task.OCR2I})
"""The tasks between one picture and one text, where no note takes part."""

INSTRUCTIONS: dict[Task, str] = {
    Task.I2T: "Find the description of this image.",
    Task.T2I: "Find the image that this text describes.",
    Task.I2NOTE: "Find the note that this image belongs to.",
    Task.T2NOTE: "Find the note with an image that this text describes.",
    Task.NOTE2I: "Find an image that belongs to this note.",
    Task.NOTE2T: "Find the description of an image in this note.",
    Task.I2OCR: "Find the text that is written in this image.",
    Task.OCR2I: "Find the image in which this text is written.",
    Task.OCR2NOTE: "Find the note with an image in which this text is written.",
    Task.NOTE2NOTE: "Find notes with the same content as this note.",
}
"""Instruction per task, given to the query side only: one stored target vector serves all tasks."""


@dataclass(frozen=True)
class Pair:
    """A query and its positive target.

    Attributes:
        note_id: the note both were cut from.
        picture: index of the note's picture the pair is about, None for Note2Note.
        counterfactual: `N \\ {I_i}` (Eq. 5) where the target is a note: the positive without the
            picture, its description and its OCR, and everything else the same. None for other tasks.
    """

    task: Task
    query: Item
    positive: Item
    note_id: str
    picture: int | None
    counterfactual: Item | None = None
