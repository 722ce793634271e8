"""Serialization of notes and samples for the database: JSON that names pictures by their digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.errors import PictureError
from uninote.items import Item, Moment, Note, Ocr, Part, Picture
from uninote.service.db.gallery_tables import Sample
from uninote.service.db.note_tables import StoredNote, StoredPicture
from uninote.service.errors import NotFoundError


def note_payload(note: Note) -> dict[str, Any]:
    """Return the fields of a note as JSON, without picture bytes and without fields that have a column."""
    return {
        "title": note.title,
        "body": note.body,
        "tags": list(note.tags),
        "links": list(note.links),
        "likes": note.likes,
        "source": note.source,
        "pictures": [_picture_payload(picture) for picture in note.pictures],
    }


def item_payload(item: Item) -> dict[str, Any]:
    """Return an item as JSON, part by part; `of` is the digest of the picture that a text was read in."""
    return {"parts": [_part_payload(part) for part in item.parts]}


def note_from(stored: StoredNote, pictures: Mapping[str, Picture]) -> Note:
    """Restore a note; pictures whose bytes are not stored keep their digest and cannot be read."""
    payload = stored.payload
    return Note(
        id=stored.id,
        title=payload["title"],
        body=payload["body"],
        pictures=tuple(_picture_from(entry, pictures) for entry in payload["pictures"]),
        category=stored.category,
        tags=tuple(payload["tags"]),
        links=tuple(payload["links"]),
        lang=stored.lang,
        likes=payload["likes"],
        source=payload["source"],
    )


def item_from(payload: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Item:
    """Return the item of a sample's payload.

    Payloads of releases that did not store `of` hold the text read in a picture right after the picture.
    """
    parts: list[Part] = []
    for entry in payload["parts"]:
        if "digest" in entry:
            parts.append(_picture_from(entry, pictures))
            continue
        last = parts[-1] if parts else None
        of = last.digest if isinstance(last, Picture) and last.ocr_text == entry["text"] else None
        of = entry.get("of", of)
        parts.append(entry["text"] if of is None else Ocr(entry["text"], of))
    return Item.of(*parts)


def load_notes(session: Session, ids: Iterable[str]) -> dict[str, Note]:
    """Return stored notes with their pictures, by id; ids that are not stored are left out."""
    stored = session.scalars(select(StoredNote).where(StoredNote.id.in_(set(ids)))).all()
    digests = {entry["digest"] for note in stored for entry in note.payload["pictures"]}
    pictures = load_pictures(session, digests)
    return {note.id: note_from(note, pictures) for note in stored}


def load_items(session: Session, sample_ids: Iterable[int]) -> dict[int, Item]:
    """Return the items of samples, by sample id."""
    samples = session.scalars(select(Sample).where(Sample.id.in_(set(sample_ids)))).all()
    digests = {
        entry["digest"] for sample in samples for entry in sample.payload["parts"] if "digest" in entry
    }
    pictures = load_pictures(session, digests)
    return {sample.id: item_from(sample.payload, pictures) for sample in samples}


def load_pictures(session: Session, digests: Iterable[str]) -> dict[str, Picture]:
    """Return stored pictures by digest."""
    rows = session.scalars(select(StoredPicture).where(StoredPicture.digest.in_(set(digests))))
    return {row.digest: Picture(row.digest, data=row.data) for row in rows}


def picture_bytes(session: Session, digest: str) -> bytes:
    """Return the encoded bytes of one picture. Raises NotFoundError."""
    stored = session.get(StoredPicture, digest)
    if stored is None:
        raise NotFoundError(f"no picture {digest} is stored")
    return stored.data


def readable(pictures: Iterable[Picture]) -> dict[str, bytes]:
    """Return bytes by digest of the pictures whose bytes can be read."""
    found: dict[str, bytes] = {}
    for picture in pictures:
        if picture.digest not in found and (picture.data is not None or picture.path is not None):
            try:
                found[picture.digest] = picture.read()
            except PictureError:  # the file was removed after the embedding; the vector stays valid
                continue
    return found


def _part_payload(part: Part) -> dict[str, Any]:
    if isinstance(part, Picture):
        return _picture_payload(part)
    return {"text": part} | ({"of": part.of} if isinstance(part, Ocr) else {})


def _picture_payload(picture: Picture) -> dict[str, Any]:
    ocr = None if picture.ocr is None else list(picture.ocr)
    stored = {
        "digest": picture.digest,
        "description": picture.description,
        "ocr": ocr,
        "frame": picture.frame,
    }
    return stored if picture.moment is None else stored | {"moment": picture.moment}


def _picture_from(entry: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Picture:
    stored = pictures.get(entry["digest"])
    return Picture(
        digest=entry["digest"],
        data=stored.data if stored else None,
        description=entry["description"],
        ocr=None if entry["ocr"] is None else tuple(entry["ocr"]),
        frame=entry["frame"],
        moment=Moment(*entry["moment"]) if entry.get("moment") else None,
    )
