"""Reading of items: which pictures are read, and what the others bring."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from uninote.encoder.compact.reading import read_items
from uninote.errors import ItemError, PictureError
from uninote.items import Item, Ocr, Picture


class Engine:
    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, pictures: Sequence[Picture]) -> dict[str, tuple[str, ...] | PictureError]:
        self.read += [picture.digest for picture in pictures]
        return {
            picture.digest: PictureError("cannot be decoded")
            if picture.digest == "bad"
            else (f"in {picture.digest}",)
            for picture in pictures
        }


def test_all_reads_what_is_not_given_once() -> None:
    engine = Engine()
    items = [
        Item.of("title", Picture("a"), Picture("b", ocr=("given",))),
        Item.of(Picture("a")),
        Item.of(Picture("c"), Ocr("text of c", "c")),
        Item.of(Picture("c")),  # its text is given in another item only
        Item.of("text alone"),
    ]
    found = read_items(items, "all", engine)
    assert engine.read == ["a", "c"]
    assert [item.texts for item in found if isinstance(item, Item)] == [
        ("title", "in a", "given"),
        ("in a",),
        ("text of c",),
        ("in c",),
        ("text alone",),
    ]
    assert read_items([i for i in found if isinstance(i, Item)], "all", engine) == found
    assert engine.read == ["a", "c"]


@pytest.mark.parametrize(("read", "texts"), [("given", ("given",)), ("none", ())])
def test_given_and_none(read: str, texts: tuple[str, ...]) -> None:
    engine = Engine()
    item = Item.of(Picture("a"), Picture("b", ocr=("given",)))
    (found,) = read_items([item], read, engine)  # type: ignore[arg-type]
    assert isinstance(found, Item)
    assert found.texts == texts
    assert not engine.read


def test_a_bad_picture_costs_its_own_item_only() -> None:
    items = [Item.of("a", Picture("bad")), Item.of(Picture("a"))]
    failed, read = read_items(items, "all", Engine())
    assert isinstance(failed, ItemError)
    assert "cannot be decoded" in str(failed)
    assert isinstance(read, Item)
