"""Use cases of the gallery: categories, and the samples that notes are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from uninote.items import Item
from uninote.service.app.decode import at, item_of, note_of, together
from uninote.service.app.services import Services
from uninote.service.db import gallery_tables
from uninote.service.domain.gallery import categories as stored_categories
from uninote.service.domain.gallery import samples as stored_samples
from uninote.service.domain.gallery import thresholds_in_force, versions
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.domain.review import match_items
from uninote.service.errors import TooLargeError
from uninote.service.schemas.gallery import (
    AddedSamples,
    Category,
    CategoryIn,
    CategoryPut,
    CategoryState,
    Sample,
    SampleBatch,
    SampleChange,
    SampleIn,
)


async def categories(services: Services) -> list[CategoryState]:
    """Return all categories with their numbers of samples and their current thresholds."""

    def work(session: Session) -> list[CategoryState]:
        counts = stored_samples.counts(session)
        limits = thresholds_in_force.in_force(session, versions.active(session).id)
        found = []
        for one in stored_categories.listing(session):
            own = Category.model_validate(one).model_dump()
            more = {"samples": counts.get(one.name, 0), "threshold": limits.get(one.name)}
            found.append(CategoryState.model_validate(own | more))
        return found

    return await services.transaction(work)


async def put_category(
    services: Services,
    name: str,
    category: CategoryIn,
    actor: str,
    *,
    only_new: bool = False,
    expected: Mapping[str, Any] | None = None,
) -> CategoryPut:
    """Create a category or replace its settings; say which, and what they were.

    only_new, expected: conditions, as of `domain.gallery.categories.put_category`, which also raises.
    """
    fields = category.model_dump()
    stored = await services.transaction(
        lambda session: stored_categories.put_category(
            session, name, actor, only_new=only_new, expected=expected, **fields
        )
    )
    own = Category.model_validate(stored.row).model_dump()
    return CategoryPut.model_validate({**own, "status": stored.status, "before": stored.before})


async def delete_category(services: Services, name: str, actor: str) -> None:
    """Delete a category with its samples, thresholds and matches. Raises NotFoundError."""
    await services.transaction(lambda session: stored_categories.delete_category(session, name, actor))


async def samples(services: Services, category: str | None, after: int, limit: int) -> list[Sample]:
    """Return a page of samples by id, of one category or of all. Raises NotFoundError."""

    def work(session: Session) -> list[Sample]:
        if category is not None:
            stored_categories.require(session, category)
        found = stored_samples.listing(session, category=category, after=after, limit=limit)
        return [shown(one) for one in found]

    return await services.transaction(work)


async def add_samples(services: Services, batch: SampleBatch, actor: str) -> AddedSamples:
    """Embed and store samples, all or none; return them. A sample that is stored already is not changed.

    Raises TooLargeError, NotFoundError, InvalidError, BusyError, UnavailableError.
    """
    given = batch.samples
    if len(given) > services.options.max_batch:
        raise TooLargeError(f"a request takes {services.options.max_batch} samples, not {len(given)}")
    read = await together([_item(services, number, one) for number, one in enumerate(given)])
    items = [item for item, _ in read]
    named = services.model_sync.written()
    rows = await together([services.embedding.embed(items, version, field="samples") for version in named])
    new = [
        NewSample(
            category=one.category,
            kind=kind,
            item=item,
            vectors={version: vectors[number] for version, vectors in zip(named, rows, strict=True)},
            label=one.label,
            comment=one.comment,
            allow=one.allow,
            disabled_until=one.disabled_until,
            source_note=one.note_id,
        )
        for number, (one, (item, kind)) in enumerate(zip(given, read, strict=True))
    ]

    def work(session: Session) -> AddedSamples:
        known: set[int] = set()
        stored = stored_samples.add_samples(session, new, actor, known=known)
        return AddedSamples(samples=[shown(one) for one in stored], known=sorted(known))

    return await services.transaction(work)


async def change_sample(services: Services, sample_id: int, change: SampleChange, actor: str) -> Sample:
    """Change the settings of a sample; a field that is None is not changed. Raises NotFoundError."""
    fields = change.model_dump()
    changed = await services.transaction(
        lambda session: stored_samples.change_sample(session, sample_id, actor, **fields)
    )
    return shown(changed)


async def delete_sample(services: Services, sample_id: int, actor: str) -> bool:
    """Delete a sample with its matches, reviews and job hits; return whether it was stored."""
    gone = await services.transaction(
        lambda session: stored_samples.delete_samples(session, [sample_id], actor)
    )
    return bool(gone)


async def _item(services: Services, number: int, given: SampleIn) -> tuple[Item, str]:
    """Return the item of a sample, and its kind."""
    with at(f"samples.{number}"):
        if given.note is not None:
            return (await note_of(services, "", given.note)).item(), "note"
        if given.note_id is not None:
            wanted = given.note_id
            return await services.transaction(lambda s: match_items.note_item(s, wanted)), "note"
        item = await item_of(services, given)
    if given.video is not None:
        return item, "video"
    if not item.pictures:
        return item, "text"
    return item, "note" if item.texts or len(item.pictures) > 1 else "image"


def shown(one: gallery_tables.Sample) -> Sample:
    """Return a sample with its texts and the digests of its pictures."""
    parts = one.payload["parts"]
    columns = {name: getattr(one, name) for name in Sample.model_fields.keys() - {"text", "pictures"}}
    texts = [part["text"] for part in parts if "text" in part]
    digests = [part["digest"] for part in parts if "digest" in part]
    return Sample.model_validate({**columns, "text": "\n".join(texts), "pictures": digests})
