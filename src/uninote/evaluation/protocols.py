"""Encoder protocols of the evaluation; `uninote.encoder.Encoder` implements `ItemEncoder`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from uninote.items import Item
from uninote.tasks.definitions import Task

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Json = dict[str, Any]


class ItemEncoder(Protocol):
    """Encoder of items as unit vectors.

    Attributes:
        dims: Matryoshka dimensions the model was trained at, the full width among them.
        uses_instructions: False when a query and a target of the same content have the same vector; then
            every distinct item is encoded once for all tasks and both sides.
    """

    @property
    def dims(self) -> tuple[int, ...]: ...

    @property
    def uses_instructions(self) -> bool: ...

    def encode(
        self,
        items: Sequence[Item],
        *,
        task: Task | None = None,
        dim: int | None = None,
        progress: bool = False,
    ) -> Floats:
        """Return float32 `[n, dim]` unit rows. `task` is the task of queries, None for targets."""
        ...


class ElementEncoder(Protocol):
    """Encoder of single pictures and texts as unit vectors (one tower per modality, or one for both)."""

    def encode(self, items: Sequence[Item]) -> Floats:
        """Return float32 `[n, d]` unit rows."""
        ...
