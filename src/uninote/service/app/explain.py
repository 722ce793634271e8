"""Why two items are similar, by a loaded model: every part is left out once, and all is encoded again."""

from __future__ import annotations

import asyncio

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from uninote.attribution.contributions import Cuts, Explanation, contributions
from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.app.decode import item_of, note_of, task_of
from uninote.service.app.services import Runtime
from uninote.service.concurrency.batcher import Vector
from uninote.service.domain.review import match_items
from uninote.service.schemas.search import Query
from uninote.tasks.definitions import Task

ITEMS_PER_REQUEST = 10
"""An explanation counts as one request of the rate limit per this many items that it encodes."""


async def explain(
    service: Runtime, request: Request, query: Item, target: Item, version: str, task: Task | None = None
) -> Explanation:
    """Encode both sides with every part left out. Raises ItemError, BusyError, UnavailableError."""
    with service.explanations.enter():
        first, second = Cuts.of(query), Cuts.of(target)
        request.state.charge((len(first.items) + len(second.items)) // ITEMS_PER_REQUEST)
        rows = await asyncio.gather(
            service.embed(first.items, version, task), service.embed(second.items, version)
        )
        return contributions(first, _stacked(rows[0]), second, _stacked(rows[1]))


async def explain_match(service: Runtime, request: Request, match_id: int) -> tuple[str, Explanation]:
    """By the model version that made the match, or the active one when that is gone: which, and why.

    The note is the query, the sample the target. Raises NotFoundError.
    """
    sides = await service.transaction(lambda session: match_items.sides(session, match_id))
    version = sides.version
    if version is None or version not in service.models.versions:
        version = await service.active()
    return version, await explain(service, request, sides.note, sides.sample, version)


async def side(service: Runtime, query: Query) -> tuple[Item, Task | None]:
    """The item of what is compared, and the instruction that a search with it takes."""
    note_id, sample_id = query.note_id, query.sample_id
    if note_id is not None:
        return await service.transaction(lambda session: match_items.note_item(session, note_id)), None
    if sample_id is not None:
        return await service.transaction(lambda session: match_items.sample_item(session, sample_id)), None
    if query.note is not None:
        return (await note_of(service, "query", query.note)).item(), Task.NOTE2NOTE
    item = await item_of(service, query)
    return item, task_of(item)


def _stacked(rows: list[Vector | ItemError]) -> NDArray[np.float32]:
    for row in rows:
        if isinstance(row, ItemError):
            raise row
    return np.stack([row for row in rows if not isinstance(row, ItemError)])
