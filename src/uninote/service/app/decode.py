"""Conversion of request contents to notes and items; pictures are decoded on the media threads."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from uninote.errors import ItemError
from uninote.items import Item, Note, Picture, compose
from uninote.service.app.services import Services
from uninote.service.errors import InvalidError, TooLargeError, UnsupportedError
from uninote.service.media.decode import frames_of, from_base64, picture_of
from uninote.service.schemas.content import Content, Media, NoteContent, PictureIn
from uninote.tasks.definitions import Task

Result = TypeVar("Result")


async def note_of(services: Services, note_id: str, given: NoteContent) -> Note:
    """Return the note with its pictures, followed by the frames of its video.

    Raises InvalidError, TooLargeError, UnsupportedError or BusyError for the first bad part. A bad picture is
    not skipped, because the note would then be matched without it.
    """
    pictures = await _pictures(services, given.pictures, given.video)
    return Note(
        id=note_id,
        title=given.title,
        body=given.body,
        pictures=tuple(pictures),
        category=given.category,
        tags=tuple(given.tags),
        links=tuple(given.links),
        lang=given.lang,
        likes=given.likes,
        source=given.source,
    )


async def item_of(services: Services, given: Content) -> Item:
    """Return the item of the text, the pictures and the frames of the video (see `compose`).

    Raises ItemError for empty content, and the errors of `note_of`.
    """
    return compose((given.text,), await _pictures(services, given.pictures, given.video))


async def together(calls: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Await the calls concurrently; return their results in order. A single call gets no task of its own."""
    return [await call for call in calls] if len(calls) < 2 else list(await asyncio.gather(*calls))


@contextmanager
def at(where: str) -> Iterator[None]:
    """Name the field of the request in an error about its content."""
    try:
        yield
    except (TooLargeError, UnsupportedError) as error:
        raise type(error)(f"{where}: {error}") from error
    except (InvalidError, ItemError) as error:
        raise InvalidError(f"{where}: {error}") from error


def task_of(item: Item) -> Task:
    """Return the task whose instruction a query takes, by its modalities."""
    if not item.pictures:
        return Task.T2NOTE
    return Task.NOTE2NOTE if item.texts else Task.I2NOTE


async def _pictures(services: Services, given: Sequence[PictureIn], video: Media | None) -> list[Picture]:
    corpus = services.corpus
    room = corpus.max_pictures - len(given)
    if room < 0 or (video is not None and room == 0):
        more = " and a video" if video is not None else ""
        raise InvalidError(
            f"{len(given)} pictures{more} are more than the {corpus.max_pictures} of one item; send fewer"
        )
    found = await together([_picture(services, f"pictures.{n}", one) for n, one in enumerate(given)])
    if video is not None:
        cap = services.options.max_video_bytes
        data = await _bytes(services, "video", video, cap)
        with at("video"):
            frames = corpus.frames_in(room)
            found += await services.media_executor.run(frames_of, data, corpus, frames, cap)
    return found


async def _picture(services: Services, where: str, given: PictureIn) -> Picture:
    corpus = services.corpus
    data = await _bytes(services, where, given, corpus.max_picture_bytes)
    ocr = None if given.ocr is None else tuple(given.ocr)
    with at(where):
        try:
            return await services.media_executor.run(
                picture_of, data, corpus, description=given.description, ocr=ocr
            )
        except (InvalidError, TooLargeError, UnsupportedError) as error:
            raise type(error)(f"{error}; leave it out to send the rest") from error


async def _bytes(services: Services, where: str, given: Media, cap: int) -> bytes:
    if given.data is not None:
        with at(f"{where}.data"):
            return await services.media_executor.run(from_base64, given.data, cap)
    assert given.url is not None, "checked by the schema"
    with at(f"{where}.url"):
        return await services.media_executor.run(services.fetch, given.url)
