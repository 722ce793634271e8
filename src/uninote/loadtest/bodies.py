"""Request bodies of a load: notes of a source, or generated ones. Each is unique, so nothing is cached."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

from uninote.errors import PictureError
from uninote.items import Note, Picture

What = Literal["notes", "match", "search"]
PATHS: dict[What, str] = {"notes": "/v1/notes", "match": "/v1/match", "search": "/v1/search"}
BATCHES: dict[What, str] = {"notes": "/v1/notes/batch", "match": "/v1/match"}
GENERATED, WORDS = 1000, 30  # different notes that are generated, and the words of each

_WORDS = (
    "morning coffee street market blue ceramic bowl train window autumn leaves recipe with garlic and rice "
    "weekend hike mountain lake camera film notes on small cities handmade soap price sale new shoes running "
    "review of the phone battery screen light book club winter coat travel plan two days budget hostel"
)


def path(what: What, batch: int = 1) -> str:
    """Return the URL path for requests of `batch` notes."""
    return (BATCHES if batch > 1 else PATHS)[what]


def bodies(
    what: What, notes: Sequence[Note], run: str, seed: int = 0, batch: int = 1
) -> Callable[[int], bytes]:
    """Return a function from the number of a request to its body, for `path(what, batch)`.

    Ids of stored notes are `stress-<run>-<n>`, n counted over all requests. Without notes, texts are
    generated. A picture that cannot be read is left out of its note. batch: notes per request.
    """
    contents = [_content(note) for note in notes] or _generated(seed)
    if what == "search":
        titles = [f"{content['title']} {content.get('body', '')}"[:2000] for content in contents]
        return lambda i: _dump({"query": {"text": f"{titles[i % len(titles)]} {run} {i}"}, "k": 10})
    # Everything except id and title is encoded once, since base64 of pictures is slow.
    fixed = [_dump({name: value for name, value in one.items() if name != "title"})[1:-1] for one in contents]

    def one(number: int) -> bytes:
        place = number % len(contents)
        own = {"title": f"{contents[place]['title'][:3900]} {run} {number}"}
        if what == "notes":
            own = {"id": f"stress-{run}-{number}"} | own
        return b"{" + _dump(own)[1:-1] + (b"," + fixed[place] if fixed[place] else b"") + b"}"

    return one if what == "notes" and batch == 1 else together(one, batch)


def together(make: Callable[[int], bytes], batch: int) -> Callable[[int], bytes]:
    """Return a function to the body of a request of `batch` notes. make: the body of note n."""
    return lambda i: b'{"notes":[' + b",".join(map(make, range(i * batch, (i + 1) * batch))) + b"]}"


def _content(note: Note) -> dict[str, Any]:
    pictures = [one for one in map(_picture, note.pictures) if one is not None]
    content: dict[str, Any] = {"title": note.title, "body": note.body, "lang": note.lang}
    return content | {"pictures": pictures}


def _picture(picture: Picture) -> dict[str, Any] | None:
    try:
        data = base64.b64encode(picture.read()).decode()
    except PictureError:
        return None
    ocr = None if picture.ocr is None else list(picture.ocr)
    return {"data": data, "description": picture.description, "ocr": ocr}


def _generated(seed: int) -> list[dict[str, Any]]:
    draw, words = random.Random(seed), _WORDS.split()
    return [
        {
            "title": " ".join(draw.choices(words, k=6)),
            "body": " ".join(draw.choices(words, k=WORDS)),
        }
        for _ in range(GENERATED)
    ]


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
