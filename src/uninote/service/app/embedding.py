"""Asynchronous interface to reading and the batcher: items in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.concurrency.batcher import REQUEST, Batcher, Vector
from uninote.service.concurrency.loaded_models import Models
from uninote.service.concurrency.reading_stage import ReadingStage
from uninote.service.errors import InvalidError
from uninote.tasks.definitions import Task


class Embedding:
    """Encoder of items by a model version, with the instruction of a task."""

    def __init__(self, batcher: Batcher, models: Models, reading: ReadingStage) -> None:
        self._batcher, self._models, self._reading = batcher, models, reading

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
        read = await self.read(items, version, priority=priority)
        good = [item for item in read if isinstance(item, Item)]
        costs: list[int] = []
        rows = await self._batcher.encode(good, (version, task), priority=priority, tokens=costs)
        encoded = iter(zip(rows, costs, strict=True))
        answers = [(item, 0) if isinstance(item, ItemError) else next(encoded) for item in read]
        if tokens is not None:
            tokens += [cost for _, cost in answers]
        return [answer for answer, _ in answers]

    async def read(
        self, items: Sequence[Item], version: str, *, priority: int = REQUEST
    ) -> list[Item | ItemError]:
        """Return the items with the texts of their pictures, if the model reads those that are not given.

        In place of an item that cannot be read there is its error. Raises BusyError and UnavailableError.
        """
        if not any(item.unread for item in items) or not self._models.reads(version):
            return list(items)
        return await self._reading.read(items, self._models.get(version).read, priority=priority)
