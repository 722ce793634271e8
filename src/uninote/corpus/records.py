"""Records: conversion of a raw record (JSON object, table row, folder content) to a checked Note.

Fields, all optional except `id`:

* `id` (text or integer), `title`, `body`, `category`, `lang`, `source` (text), `likes` (integer);
* `tags`, `links` (lists of text or integers);
* `images` (list of pictures) or `image` (one picture);
* `video` (one path or a list of paths); the sampled frames are appended as pictures.

Null means absent; unknown fields are ignored. A picture is a path, the encoded bytes, or an object. The
object has `path` or `bytes` (bytes win, as in Hugging Face `{bytes, path}`) or an `image` with one of these.
It may have `alt` or `description` (text) and `ocr` (list of lines; absent means not read yet, empty means
none found). Written notes mark frames of videos: `frame`, and `moment` of those sampled by rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from uninote.corpus.decode import read_picture
from uninote.corpus.paths import resolve_inside
from uninote.corpus.skips import Skip
from uninote.errors import PictureError
from uninote.items import Moment, Note, Picture, joined
from uninote.problems import kind_of, sentence
from uninote.settings import CorpusSettings


@dataclass(frozen=True)
class Entry:
    """A raw record, its place in the source, and the folder that its relative paths are confined in."""

    record: Mapping[str, Any]
    where: str
    base: Path | None


def storable(text: str) -> str:
    """Replace lone surrogates and NUL, which no UTF-8 file or database text can hold, by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_integer(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


Text = Annotated[str, AfterValidator(storable)]
Name = Annotated[Text, BeforeValidator(_as_text)]
Seconds = Annotated[float, Field(ge=0, le=1_000_000)]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    @classmethod
    def of(cls, record: Mapping[Any, Any]) -> Self:
        """Validate a record; null counts as absent. Raises ValidationError."""
        return cls.model_validate({key: value for key, value in record.items() if value is not None})


class _RawPicture(_Raw):
    path: str | None = None
    data: bytes | None = Field(None, alias="bytes")
    description: Text = Field("", validation_alias=AliasChoices("alt", "description"))
    ocr: list[Text] | None = None
    frame: bool = False
    moment: Annotated[list[Seconds], Field(min_length=2, max_length=2)] | None = None


class _RawNote(_Raw):
    id: Annotated[Name, Field(min_length=1)]
    title: Text = ""
    body: Text = ""
    category: Name = ""
    tags: list[Name] = []
    links: list[Name] = []
    lang: Text = ""
    source: Text = ""
    likes: Annotated[int | None, BeforeValidator(_as_integer)] = None
    images: list[Any] = []
    image: Any = None
    video: Annotated[list[str], BeforeValidator(_as_list)] = []


def build_note(entry: Entry, settings: CorpusSettings) -> tuple[Note | None, list[Skip]]:
    """Return the note with its usable pictures, or None if no content is usable, and a Skip for each loss."""
    if entry.record.get("id") in (None, ""):
        return None, [Skip("", "missing id: every note needs a non-empty id", entry.where)]
    try:
        raw = _RawNote.of(entry.record)
    except ValidationError as error:
        name = entry.record["id"]
        note_id = storable(str(name)) if isinstance(name, str | int | float) else ""
        return None, [Skip(note_id, f"wrong type: {sentence(error, _RawNote)}", entry.where)]
    skips: list[Skip] = []
    pictures: list[Picture] = []
    listed = raw.images if raw.image is None else [raw.image, *raw.images]
    reason = f"trimmed: {len(listed)} pictures, the first {settings.max_pictures} usable ones are kept"
    trimmed = Skip(raw.id, reason, entry.where)
    for index, given in enumerate(listed):
        # A frame of a video may belong to the last picture; any other is not even read.
        frame = isinstance(given, Mapping) and given.get("moment") is not None
        if not frame and len(joined(pictures)) == settings.max_pictures:
            skips.append(trimmed)
            break
        try:
            picture = _picture(given, entry.base, settings)
        except PictureError as error:
            skips.append(Skip(raw.id, f"bad picture: {error}", f"{entry.where} images[{index}]"))
            continue
        if len(joined([*pictures, picture])) > settings.max_pictures:
            skips.append(trimmed)
            break
        pictures.append(picture)
    for name in raw.video:
        try:
            pictures += _frames(name, entry.base, settings, settings.max_pictures - len(joined(pictures)))
        except PictureError as error:
            skips.append(Skip(raw.id, f"bad video: {error}", f"{entry.where} video"))
    if not pictures and not raw.title.strip() and not raw.body.strip():
        return None, [*skips, Skip(raw.id, "empty note: no text and no usable picture", entry.where)]
    note = Note(
        raw.id,
        raw.title,
        raw.body,
        tuple(pictures),
        raw.category,
        tuple(raw.tags),
        tuple(raw.links),
        raw.lang,
        raw.likes,
        raw.source,
    )
    return note, skips


def _frames(name: str, base: Path | None, settings: CorpusSettings, room: int) -> list[Picture]:
    if room < 1:
        raise PictureError(f"{name!r} is left out, the note already has {settings.max_pictures} pictures")
    from uninote.corpus.video import frames  # an extra

    return frames(resolve_inside(base, name), settings.frames_in(room), settings)


def _picture(given: Any, base: Path | None, settings: CorpusSettings) -> Picture:
    try:
        raw = _RawPicture.of(dict(_fields(given)))
    except ValidationError as error:
        raise PictureError(f"wrong type: {sentence(error, _RawPicture)}") from error
    ocr = None if raw.ocr is None else tuple(raw.ocr)
    if raw.data is not None:
        name = f"bytes ({raw.path})" if raw.path else "bytes"
        picture = read_picture(raw.data, settings, name=name, description=raw.description, ocr=ocr)
    elif raw.path is None:
        raise PictureError("it has neither a path nor bytes")
    else:
        path = resolve_inside(base, raw.path)
        picture = read_picture(path, settings, name=raw.path, description=raw.description, ocr=ocr)
    return replace(picture, frame=raw.frame, moment=Moment(*raw.moment) if raw.moment else None)


def _fields(given: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a picture in any of its forms, flattened."""
    if isinstance(given, str):
        yield "path", given
    elif isinstance(given, bytes):
        yield "bytes", given
    elif isinstance(given, Mapping):
        for key, value in given.items():
            if key != "image":
                yield key, value
            elif value is not None:
                yield from _fields(value)
    else:
        found = kind_of(given) or type(given).__name__
        raise PictureError(f"wrong type: it must be a path, bytes, or an object with either, not {found}")
