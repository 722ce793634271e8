"""Names of tasks and of their variants, which measure a task of `Task` in another way."""

from __future__ import annotations

from enum import StrEnum

from uninote.tasks.definitions import Task


class Variant(StrEnum):
    """Another way to measure a task; the name of such a task is the task's and the value, with a space."""

    STRICT = "strict"
    SAME_READING = "same reading"

    def of(self, task: Task) -> str:
        return f"{task} {self}"


VARIANTS = {variant.of(task): (task, variant) for task in Task for variant in Variant}
"""Task and variant by name."""

MEANINGS = {
    Variant.STRICT: "The note does not hold the text of the picture either.",
    Variant.SAME_READING: "The picture itself: its text and the one that is sought are one reading.",
}


def task_of(name: str) -> Task | None:
    """Return the task that a name stands for, also as a variant; None for other tasks, e.g. links."""
    return VARIANTS[name][0] if name in VARIANTS else Task(name) if name in set(Task) else None
