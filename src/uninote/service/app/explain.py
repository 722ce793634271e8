"""Explanation of a similarity by leave-one-out: both items are encoded again without each of their parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uninote.attribution.contributions import Cuts, Explanation, contributions
from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.app.decode import item_of, note_of, task_of
from uninote.service.app.services import Services
from uninote.service.domain.review import match_items
from uninote.service.schemas.search import Query
from uninote.tasks.definitions import Task

ITEMS_PER_REQUEST = 10
"""An explanation counts as one request of the rate limit per this many items that it encodes."""

Charge = Callable[[int], None]
"""Callback that counts that many further requests against the caller's rate limit."""


async def explain(services: Services, charge: Charge, query: Query, target: Query) -> tuple[str, Explanation]:
    """Explain why a search with `query` finds `target`; return the model version and the explanation.

    Raises NotFoundError, ItemError, BusyError, UnavailableError.
    """
    version = await services.model_sync.active()
    item, task = await _side(services, query)
    other, _ = await _side(services, target)
    return version, await _explain(services, charge, item, other, version, task)


async def explain_match(services: Services, charge: Charge, match_id: int) -> tuple[str, Explanation]:
    """Explain a match; return the model version and the explanation.

    The version is the one that made the match, or the active one if that is not loaded. The note is the
    query, the sample the target. Raises as `explain`.
    """
    sides = await services.transaction(lambda session: match_items.sides(session, match_id))
    version = sides.version
    if version is None or version not in services.models.versions:
        version = await services.model_sync.active()
    return version, await _explain(services, charge, sides.note, sides.sample, version)


async def _explain(
    services: Services, charge: Charge, query: Item, target: Item, version: str, task: Task | None = None
) -> Explanation:
    with services.explanations.enter():
        read = await asyncio.gather(_read(services, query, version), _read(services, target, version))
        first, second = map(Cuts.of, read)
        charge((len(first.items) + len(second.items)) // ITEMS_PER_REQUEST)
        embed = services.embedding.embed
        rows = await asyncio.gather(embed(first.items, version, task), embed(second.items, version))
        return contributions(first, rows[0], second, rows[1])


async def _read(services: Services, item: Item, version: str) -> Item:
    """Return the item as the model takes it, so that the texts read in its pictures are pieces of it."""
    (found,) = await services.embedding.read([item], version)
    if isinstance(found, Item):
        (found,) = services.models.get(version).read([found])  # texts that are given; reads nothing more
    if isinstance(found, ItemError):
        raise found
    return found


async def _side(services: Services, query: Query) -> tuple[Item, Task | None]:
    """Return the item of one side, and the task of a search with it (None: no instruction)."""
    note_id, sample_id = query.note_id, query.sample_id
    if note_id is not None:
        return await services.transaction(lambda session: match_items.note_item(session, note_id)), None
    if sample_id is not None:
        return await services.transaction(lambda session: match_items.sample_item(session, sample_id)), None
    if query.note is not None:
        return (await note_of(services, "query", query.note)).item(), Task.NOTE2NOTE
    item = await item_of(services, query)
    return item, task_of(item)
