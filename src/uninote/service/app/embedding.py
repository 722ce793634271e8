"""Embedding of items, through the batcher."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.concurrency.batcher import REQUEST, Batcher, Vector
from uninote.service.errors import InvalidError
from uninote.tasks.definitions import Task


class Embedding:
    """Unit vectors of items, by model version and the instruction of a task."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher

    async def embed(
        self,
        items: Sequence[Item],
        version: str,
        task: Task | None = None,
        *,
        priority: int = REQUEST,
        tokens: list[int] | None = None,
        field: str = "",
    ) -> NDArray[np.float32]:
        """Return unit vectors float32 [n, dim].

        tokens: gets the tokens of each item. field: of the request that holds the items, for errors.
        Raises ItemError for the first item that cannot be embedded, InvalidError where `field` is given;
        BusyError and UnavailableError.
        """
        rows = await self.embed_each(items, version, task, priority=priority, tokens=tokens)
        vectors: list[Vector] = []
        for number, row in enumerate(rows):
            if isinstance(row, ItemError):
                raise InvalidError(f"{field}.{number}: {row}") if field else row
            vectors.append(row)
        return np.stack(vectors) if vectors else np.empty((0, 0), np.float32)

    async def embed_each(
        self,
        items: Sequence[Item],
        version: str,
        task: Task | None = None,
        *,
        priority: int = REQUEST,
        tokens: list[int] | None = None,
    ) -> list[Vector | ItemError]:
        """Return per item its unit vector float32 [dim], or why it cannot be embedded.

        Raises BusyError and UnavailableError.
        """
        return await self._batcher.encode(items, (version, task), priority=priority, tokens=tokens)
