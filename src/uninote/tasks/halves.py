"""Stage 2 data (method, section 3): a note split into two disjoint halves and the ideal ranking L_rel."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from uninote.items import Item, Note, Ocr, Picture
from uninote.tasks.definitions import Task
from uninote.tasks.halving import halve


@dataclass(frozen=True)
class Halves:
    """The query `N_A` and `L_rel`, best first.

    `relevant[-1]` is `N_B`; each item before it is the next one plus one more picture of A at its end,
    so all are prefixes of `relevant[0]`. Rankings of other tasks and of related notes have this shape too,
    without the prefixes.

    Attributes:
        neutral: keys of items that are never noise: all notes that are related to the query, and its own.
    """

    query: Item
    relevant: tuple[Item, ...]
    task: Task = Task.NOTE2NOTE
    neutral: frozenset[str] = frozenset()

    @property
    def nested(self) -> bool:
        """Whether the relevant items are prefixes of one another."""
        return self.task is Task.NOTE2NOTE and not self.neutral


def split_note(note: Note, seed: int, max_relevant: int = 6) -> Halves | None:
    """Return the halves of a note, or None when it cannot be split (see `halving.halve`)."""
    halves = halve(note, seed, max_relevant)
    return Halves(*halves) if halves else None


def one_sided(half: Halves, rng: random.Random) -> Halves:
    """Return the halves with a query of only its texts or only its pictures, the same if it has just one."""
    texts = tuple(part for part in half.query.parts if not isinstance(part, Picture | Ocr))
    pictures = half.query.pictures
    if not texts or not pictures:
        return half
    return replace(half, query=Item(texts if rng.random() < 0.5 else pictures))
