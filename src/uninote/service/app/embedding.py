"""Asynchronous interface to the batcher: items in, unit vectors out."""

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
    """Encoder of items by a model version, with the instruction of a task."""

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

        tokens: a list to which the tokens of each item are appended. field: name of the request's field, for
        error messages. Raises ItemError for the first item that cannot be embedded, InvalidError instead if
        `field` is set; BusyError and UnavailableError.
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
        """Return per item its unit vector float32 [dim], or the error that prevents the embedding.

        Raises BusyError and UnavailableError.
        """
        return await self._batcher.encode(items, (version, task), priority=priority, tokens=tokens)
