"""Names of tasks and of their variants, which measure a task of `Task` in another way."""

from __future__ import annotations

from enum import StrEnum

from uninote.tasks.definitions import Task


class Variant(StrEnum):
    """Another way to measure a task; the name of such a task is the task's and the value, with a space."""

    STRICT = "strict"
    SAME_READING = "same reading"
    TWINS = "twins"
    CORPUS = "whole corpus"
    NEAR = "near misses"

    def of(self, task: Task) -> str:
        return f"{task} {self}"


VARIANTS = {variant.of(task): (task, variant) for task in Task for variant in Variant}
"""Task and variant by name."""

MEANINGS = {
    Variant.STRICT: "The note does not hold the text of the picture either.",
    Variant.SAME_READING: "The picture itself: its text and the one that is sought are one reading.",
    Variant.TWINS: "The pool also holds the twin of every target: the note without the picture.",
    Variant.CORPUS: "The pool also holds the notes that are not measured: those of training and validation.",
    Variant.NEAR: "The pool is the right targets and those of the nearest notes of the same category.",
}

POOLS = (Variant.TWINS, Variant.CORPUS, Variant.NEAR)
"""The variants that change the pool of a task, and neither its queries nor their relevant targets."""

TOLD_APART = "told apart"
"""Metric of twins: share of queries that rank the right target above its own twin."""


def changes_pool(name: str) -> bool:
    """Return whether a task is a variant with another pool."""
    return name in VARIANTS and VARIANTS[name][1] in POOLS


def task_of(name: str) -> Task | None:
    """Return the task that a name stands for, also as a variant; None for other tasks, e.g. links."""
    return VARIANTS[name][0] if name in VARIANTS else Task(name) if name in set(Task) else None
