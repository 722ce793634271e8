"""The gallery: categories and the samples that notes are compared with. Changes act at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.app.decode import item_of, note_of, together
from uninote.service.app.services import Runtime
from uninote.service.concurrency.batcher import Vector
from uninote.service.db import gallery_tables
from uninote.service.domain.base import payload
from uninote.service.domain.gallery import categories, samples, thresholds, versions
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.errors import InvalidError, NotFoundError, TooLargeError
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.schemas import gallery as wire
from uninote.service.schemas.common import MAX_ID, Limit, NamePath, NameQuery, RowIdPath

router = APIRouter(tags=["gallery"], responses=RESPONSES)
After = Annotated[int, Query(ge=0, le=MAX_ID, description="the last id of the page before")]


@router.get("/v1/categories")
async def list_categories(service: Service) -> wire.Categories:
    """All categories with their samples counted and the threshold in force."""

    def work(session: Session) -> wire.Categories:
        counts = samples.counts(session)
        limits = thresholds.in_force(session, versions.active(session).id)
        found = []
        for one in categories.listing(session):
            own = wire.Category.model_validate(one).model_dump()
            more = {"samples": counts.get(one.name, 0), "threshold": limits.get(one.name)}
            found.append(wire.CategoryState.model_validate(own | more))
        return wire.Categories(categories=found)

    return await service.transaction(work)


@router.put("/v1/categories/{name:path}")
async def put_category(
    name: NamePath, body: wire.CategoryIn, service: Service, caller: Caller
) -> wire.Category:
    """Create a category or replace its settings. Without a threshold and a sample it matches nothing."""
    stored = await service.transaction(
        lambda session: categories.put_category(session, name, caller.actor, **body.model_dump())
    )
    return wire.Category.model_validate(stored)


@router.delete("/v1/categories/{name:path}")
async def delete_category(name: NamePath, service: Service, caller: Caller) -> wire.Deleted:
    """Remove a category with its samples, thresholds and matches."""
    await service.transaction(lambda session: categories.delete_category(session, name, caller.actor))
    return wire.Deleted(deleted=True)


@router.get("/v1/samples")
async def list_samples(
    service: Service, category: NameQuery = None, after: After = 0, limit: Limit = 100
) -> wire.Samples:
    """A page of samples by id."""
    found = await service.transaction(
        lambda session: samples.listing(session, category=category, after=after, limit=limit)
    )
    return wire.Samples(samples=[shown(one) for one in found])


@router.post("/v1/samples")
async def add_samples(body: wire.SampleBatch, service: Service, caller: Caller) -> wire.Samples:
    """Add samples, all or none. One that is there already (category, kind, content) is answered as it is.

    From the next note on they are matched; for the stored notes make a back-check job.
    """
    if len(body.samples) > service.options.max_batch:
        raise TooLargeError(f"a request takes {service.options.max_batch} samples, not {len(body.samples)}")
    read = await together([_item(service, number, one) for number, one in enumerate(body.samples)])
    items = [item for item, _ in read]
    named = service.written()
    rows = dict(zip(named, await together([service.embed(items, version) for version in named]), strict=True))
    new = [
        NewSample(
            category=one.category,
            kind=kind,
            item=item,
            vectors={version: _vector(number, row[number]) for version, row in rows.items()},
            label=one.label,
            comment=one.comment,
            allow=one.allow,
            disabled_until=one.disabled_until,
            source_note=one.note_id,
        )
        for number, (one, (item, kind)) in enumerate(zip(body.samples, read, strict=True))
    ]
    stored = await service.transaction(lambda session: samples.add_samples(session, new, caller.actor))
    return wire.Samples(samples=[shown(one) for one in stored])


@router.patch("/v1/samples/{sample_id}")
async def change_sample(
    sample_id: RowIdPath, body: wire.SampleChange, service: Service, caller: Caller
) -> wire.Sample:
    """Change how a sample counts. A field that is left out stays; `disabled_until` follows `enabled`."""
    changed = await service.transaction(
        lambda session: samples.change_sample(session, sample_id, caller.actor, **body.model_dump())
    )
    return shown(changed)


@router.delete("/v1/samples/{sample_id}")
async def delete_sample(sample_id: RowIdPath, service: Service, caller: Caller) -> wire.Deleted:
    """Remove a sample with its matches, reviews and job hits."""
    gone = await service.transaction(
        lambda session: samples.delete_samples(session, [sample_id], caller.actor)
    )
    return wire.Deleted(deleted=bool(gone))


async def _item(service: Runtime, number: int, given: wire.SampleIn) -> tuple[Item, str]:
    """What a sample shows, and its kind."""
    try:
        if given.note is not None:
            return (await note_of(service, "", given.note)).item(), "note"
        if given.note_id is not None:
            wanted = given.note_id
            notes = await service.transaction(lambda session: payload.load_notes(session, [wanted]))
            if wanted not in notes:
                raise NotFoundError("no note is stored under this note_id")
            return notes[wanted].item(), "note"
        item = await item_of(service, given)
    except (ItemError, InvalidError) as error:
        raise InvalidError(f"samples.{number}: {error}") from error
    if given.video is not None:
        return item, "video"
    if not item.pictures:
        return item, "text"
    return item, "note" if item.texts or len(item.pictures) > 1 else "image"


def _vector(number: int, row: Vector | ItemError) -> Vector:
    if isinstance(row, ItemError):
        raise InvalidError(f"samples.{number}: {row}")
    return row


def shown(one: gallery_tables.Sample) -> wire.Sample:
    """A sample with what people look at."""
    parts = one.payload["parts"]
    columns = {name: getattr(one, name) for name in wire.Sample.model_fields.keys() - {"text", "pictures"}}
    texts = [part["text"] for part in parts if "text" in part]
    digests = [part["digest"] for part in parts if "digest" in part]
    return wire.Sample.model_validate({**columns, "text": "\n".join(texts), "pictures": digests})
