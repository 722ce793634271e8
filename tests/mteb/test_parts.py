from __future__ import annotations

import json

from tests.evaluation.conftest import picture_of

from uninote.items import Item, Moment, Ocr, Picture
from uninote.mteb.parts import from_json, to_json


def test_an_item_keeps_order_kinds_and_readings() -> None:
    first, second = picture_of(1, "never stored", ("A", "乙")), picture_of(2)
    frame = Picture(second.digest, None, second.data, frame=True, moment=Moment(0.5, 0.25))
    item = Item.of("title", first, Ocr("A\n乙", first.digest), frame)
    stored = to_json(item)
    assert "never stored" not in stored
    data = {picture.digest: picture.read() for picture in (first, second)}
    back = from_json(stored, data.__getitem__)
    assert back.key == item.key
    assert [type(part) for part in back.parts] == [str, Picture, Ocr, Picture]
    assert back.parts[2].of == first.digest
    assert [(p.ocr, p.frame, p.read()) for p in back.pictures] == [
        (("A", "乙"), False, first.read()),
        (None, True, second.read()),
    ]


def test_a_text_that_looks_like_a_record_stays_a_text() -> None:
    item = Item.of(json.dumps({"picture": "x"}))
    assert from_json(to_json(item), lambda _: b"") == item
