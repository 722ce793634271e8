"""What the evaluation asks of an encoder; `uninote.encoder.Encoder` fits, and so does any other."""

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
    """Maps items to unit vectors.

    Attributes:
        dims: Matryoshka dimensions the model was trained at, the full width among them.
        uses_instructions: False when a query and a target of the same content get the same vector, so
            that every distinct item is encoded once for all tasks and both sides.
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
        """float32 `[n, dim]` unit rows; a query passes its task, a target passes None."""
        ...


class ElementEncoder(Protocol):
    """Maps single pictures and single texts to unit vectors (one tower per modality, or one for both)."""

    def encode(self, items: Sequence[Item]) -> Floats:
        """float32 `[n, d]` unit rows."""
        ...
