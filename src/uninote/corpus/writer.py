"""Writer of notes: a JSONL file that `read_notes` reads back to equal notes, and picture files next to it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from uninote.corpus.formats import FORMATS, HEIC, format_of
from uninote.errors import PictureError
from uninote.files import write_atomic
from uninote.items import Note, Picture

log = logging.getLogger(__name__)


def write_notes(notes: Iterable[Note], path: str | Path, *, link: bool = False) -> Path:
    """Write `notes` to the JSONL file `path` and return it.

    A picture file under the folder of `path` is referenced by its relative path; any other picture is stored
    once as `<stem>_images/<digest>.<format>`. Descriptions and OCR are kept, with None distinct from empty.
    The JSONL file is replaced atomically.

    link: pictures of the same file system are hard-linked instead of copied; a later change of either file
    changes both. A picture whose file cannot be read is left out, with a warning.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as out:
        for note in notes:
            out.write(json.dumps(_record(note, path, link), ensure_ascii=False) + "\n")
    return path


def _record(note: Note, path: Path, link: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": note.id,
        "title": note.title,
        "body": note.body,
        "images": list(_pictures(note, path, link)),
        "category": note.category,
        "tags": note.tags,
        "links": note.links,
        "lang": note.lang,
        "source": note.source,
    }
    return record if note.likes is None else record | {"likes": note.likes}


def _pictures(note: Note, path: Path, link: bool) -> Iterator[dict[str, Any]]:
    for picture in note.pictures:
        try:
            yield _picture(picture, path, link)
        except PictureError as error:
            log.warning("left out of note %s: %s", note.id, error)


def _picture(picture: Picture, path: Path, link: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": _reference(picture, path, link), "alt": picture.description}
    if picture.frame:
        fields["frame"] = True
    if picture.moment is not None:
        fields["moment"] = picture.moment
    return fields if picture.ocr is None else fields | {"ocr": picture.ocr}


def _reference(picture: Picture, path: Path, link: bool) -> str:
    """Return the picture's path relative to the JSONL file's folder; store the picture there if necessary."""
    root = path.parent.resolve()
    if picture.path is not None and picture.path.resolve().is_relative_to(root):
        return picture.path.resolve().relative_to(root).as_posix()
    data = picture.read()
    folder = root / f"{path.stem}_images"
    file = folder / f"{picture.digest}.{_suffix(data)}"
    if not file.exists():
        folder.mkdir(exist_ok=True)
        with write_atomic(file) as partial:
            if not (link and _linked(picture, partial)):
                partial.write_bytes(data)
    return file.relative_to(root).as_posix()


def _linked(picture: Picture, file: Path) -> bool:
    if picture.path is None:
        return False
    try:
        os.link(picture.path.resolve(), file)
    except OSError:  # another file system, or one without links
        return False
    return True


def _suffix(data: bytes) -> str:
    form = format_of(data)  # an unreadable picture is written unchanged; the reader reports it
    return form.lower() if form in (*FORMATS, HEIC) else "bin"
