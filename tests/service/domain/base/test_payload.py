"""Items as JSON: those of today, and those of releases that stored no kinds of texts."""

from __future__ import annotations

import json

from uninote.items import Item, Moment, Ocr, Picture, compose
from uninote.service.domain.base.payload import item_from, item_payload

READ = Picture.from_bytes(b"one", ocr=("Open 9-17", "No dogs"))
BARE = Picture.from_bytes(b"two")


def stored(item: Item, drop: str = "") -> Item:
    parts = item_payload(item)["parts"]
    for part in parts:
        part.pop(drop, None)
    return item_from(json.loads(json.dumps({"parts": parts})), {})


def test_texts_read_in_pictures_come_back_as_such() -> None:
    item = compose(("Open 9-17",), (READ, BARE))
    again = stored(item)
    assert (again.key, again.parts) == (item.key, item.parts)
    assert [type(part) for part in again.parts] == [str, Picture, Ocr, Picture]
    assert [part.of for part in again.parts if isinstance(part, Ocr)] == [READ.digest]


def test_frames_of_videos_keep_their_moments() -> None:
    frames = [Picture.from_bytes(bytes([n]), frame=True, moment=Moment(n / 2, 0.5)) for n in range(3)]
    again = stored(Item.of("title", *frames, BARE))
    assert again.key == Item.of("title", *frames, BARE).key
    assert [one.moment for one in again.pictures] == [one.moment for one in (*frames, BARE)]


def test_payloads_without_kinds_are_read_as_before() -> None:
    item = Item.of("Open 9-17\nNo dogs", *compose((), (BARE, READ)).parts)
    again = stored(item, drop="of")
    assert again.key == item.key
    assert [type(part) for part in again.parts] == [str, Picture, Picture, Ocr]
