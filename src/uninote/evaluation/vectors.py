"""Vector cache of an evaluation: each distinct item is encoded once for all tasks and sides."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from uninote.encoder.bad_rows import named
from uninote.encoder.partial import encode_partly, lost
from uninote.errors import VectorError
from uninote.evaluation.protocols import ElementEncoder, Floats, ItemEncoder
from uninote.evaluation.suite import Suite
from uninote.items import Item
from uninote.tasks.definitions import Task

log = logging.getLogger(__name__)


def encoded(encoder: ItemEncoder | ElementEncoder, items: Sequence[Item], **options: Any) -> Floats:
    """Return float32 `[n, d]`: unit rows, and a zero row for an item that cannot be embedded.

    A warning names it. It finds nothing and is not found (`search.nearest`). An item that was embedded
    without a picture is named, too.

    Raises VectorError when the encoder gives a vector that is not finite.
    """
    vectors, failures = encode_partly(encoder.encode, items, **options)
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors).all(axis=1)).sum())
        raise VectorError(f"{bad} of {len(items)} vectors are not finite; check the model's weights")
    unusable = lost(failures)
    for number, error in failures.items():
        effect = "counts as not found" if number in unusable else "measured without a picture"
        log.warning("%s: %s", effect, named(items, number, error))
    return vectors


class ItemVectors:
    """Full-width vectors by item key, and by task too when the encoder takes instructions."""

    def __init__(self, encoder: ItemEncoder, progress: bool = False) -> None:
        self._encoder = encoder
        self._progress = progress
        self._usable = False
        self._rows: dict[tuple[Task | None, str], Floats] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, items: Sequence[Item], task: Task | None = None) -> None:
        """Encode the items that were not encoded before, as `encoded` does.

        Raises VectorError when no item could be embedded so far.
        """
        side = self._side(task)
        new = list({item.key: item for item in items if (side, item.key) not in self._rows}.values())
        if not new:
            return
        vectors = encoded(self._encoder, new, task=side, progress=self._progress)
        self._usable |= bool(vectors.any())
        if not self._usable:
            raise VectorError(f"none of {len(new)} items can be embedded; check the model's weights")
        for item, vector in zip(new, vectors, strict=True):
            self._rows[side, item.key] = vector

    def add_suite(self, suite: Suite) -> None:
        """Encode all targets in one call, then the queries that differ from them."""
        targets = [item for task in suite.all_tasks for item in task.targets]
        if not self._encoder.uses_instructions:
            self.add(list(suite.items.values()))
            return
        self.add(targets)
        for task in suite.all_tasks:
            self.add([query.item for query in task.queries], task.instruction)

    def of(self, items: Sequence[Item], task: Task | None = None) -> Floats:
        """Return float32 `[n, width]`, contiguous; every item must have been added for this task."""
        side = self._side(task)
        return np.stack([self._rows[side, item.key] for item in items])

    def _side(self, task: Task | None) -> Task | None:
        return task if self._encoder.uses_instructions else None
