"""Items: their parts, and the keys that saved databases, indexes and caches hold."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from uninote.errors import ItemError
from uninote.items import Item, Moment, Note, Ocr, Picture, compose, joined, standing, with_readings
from uninote.tasks.halves import split_note
from uninote.tasks.replacement import replace_picture

READ = Picture.from_bytes(b"one", description="a red door", ocr=("Open 9-17", "No dogs"))
BARE = Picture.from_bytes(b"two", ocr=())
FRAME = Picture.from_bytes(b"three", ocr=("今天",), frame=True)
NOTE = Note("n", title="A walk", body="It rained. We laughed.", pictures=(READ, BARE, FRAME, READ))


def plain(item: Item) -> Item:
    """Return the item with plain texts in place of `Ocr` parts, as older releases made it."""
    return Item(tuple(str(part) if isinstance(part, Ocr) else part for part in item.parts))


def test_texts_come_first_and_each_picture_before_the_text_read_in_it() -> None:
    item = compose(("A walk", " "), (READ, BARE, FRAME))
    assert item.parts == ("A walk", READ, "Open 9-17\nNo dogs", BARE, FRAME, "今天")
    assert [part.of for part in item.parts if isinstance(part, Ocr)] == [READ.digest, FRAME.digest]
    assert item.texts == ("A walk", "Open 9-17\nNo dogs", "今天")


def test_what_stands_in_a_pictures_place_does_not_change_what_was_read_in_it() -> None:
    item = compose((), (READ, BARE), lambda picture: picture.description or picture)
    assert item.parts == ("a red door", "Open 9-17\nNo dogs", BARE)
    assert [type(part) for part in item.parts] == [str, Ocr, Picture]


def test_an_item_of_nothing_is_an_error() -> None:
    with pytest.raises(ItemError, match="at least one picture or one non-blank text"):
        compose(("", " "), ())


def test_keys_are_those_that_are_stored() -> None:
    halves = split_note(NOTE, 3)
    assert halves is not None
    assert NOTE.item().key == "5d2340a97b750cbcc52903c3b6802d2478e68a3acd3601f60ff6cef0e99064c8"
    assert compose((), (READ,)).key == "26af2fb4b5a1cd6fdbbb54286f67533c02f0a02a8c59e32bfb18f2ca3440d16e"
    assert replace_picture(NOTE, 0).key == "715217b9613f2e7a9de004edad6a3efb0b4c4e339e2e5b6d161df4b8f91a2d3b"
    assert halves.query.key == "aeec5609b29feadda8cbf6074b40d1711631ad51f2f2a16222b6cc9873065653"
    assert [item.key for item in halves.relevant] == [
        "e9f9dae511a4da12d9eab853b704607b4f9499ae2ca23830d56d6bd5fc5302e9",
        "5a9c7df3fd5ffcb42c6ac015b7071a3cebf0a1212fdbd0480a66e30ea1f9ddd2",
    ]


def test_a_text_read_in_a_picture_is_a_plain_text_to_keys_caches_and_comparisons() -> None:
    item = NOTE.item()
    assert (item, item.key, hash(item)) == (plain(item), plain(item).key, hash(plain(item)))
    assert repr(item.texts) == repr(plain(item).texts)  # caches of towers are named by it


def test_copies_in_this_and_in_other_processes_keep_the_kind() -> None:
    part = copy.deepcopy(compose((), (READ,))).parts[1]  # by the protocol of pickle
    assert isinstance(part, Ocr)
    assert (part, part.of) == ("Open 9-17\nNo dogs", READ.digest)


TEXTS = {READ.digest: ("Open 9-17", "No dogs"), BARE.digest: (), FRAME.digest: ("今天",)}
UNREAD = NOTE.with_pictures(tuple(replace(picture, ocr=None) for picture in NOTE.pictures))


def engine(picture: Picture) -> tuple[str, ...]:
    return TEXTS[picture.digest]


def refused(picture: Picture) -> tuple[str, ...]:
    raise AssertionError(f"{picture.digest} was read again")


def test_pictures_that_are_read_give_the_item_of_annotated_ones() -> None:
    item = with_readings(UNREAD.item(), engine)  # several pictures, and one of them twice
    assert (item, item.key) == (NOTE.item(), NOTE.item().key)
    assert [picture.ocr for picture in item.pictures] == [picture.ocr for picture in NOTE.pictures]
    assert [part.of for part in item.parts if isinstance(part, Ocr)] == [
        READ.digest,
        FRAME.digest,
        READ.digest,
    ]
    assert with_readings(item, refused) == item


def test_given_texts_win_and_are_not_doubled() -> None:
    assert with_readings(NOTE.item(), refused) == NOTE.item()
    assert with_readings(Item.of(READ), refused) == compose((), (READ,))  # the text stood in the picture only
    assert with_readings(Item.of(BARE), refused) == Item.of(BARE)
    masked = Item.of(READ, Ocr("No dogs", READ.digest))
    assert with_readings(masked, refused) == masked
    unread = Item.of(Ocr("No dogs", READ.digest), "a walk", replace(READ, ocr=None))
    assert with_readings(unread, refused) == unread


def test_a_picture_that_nothing_reads_stays_unread() -> None:
    item = with_readings(UNREAD.item(), lambda _: None)
    assert item == UNREAD.item()
    assert all(picture.ocr is None for picture in item.pictures)
    assert with_readings(Item.of("a walk"), refused) == Item.of("a walk")


def test_frames_of_a_video_are_joined() -> None:
    def frames(count: int, step: float = 0.5, first: float = 0.0) -> list[Picture]:
        return [Picture("f", frame=True, moment=Moment(first + n * step, step)) for n in range(count)]

    mixed = [BARE, FRAME, *frames(3), *frames(2), *frames(2, 0.25, 1.0), READ]
    assert [len(group) for group in joined(mixed)] == [1, 1, 3, 2, 2, 1]
    assert standing(mixed) == [0, 1, 3, 6, 8, 9]
    assert [len(group) for group in joined(frames(300))] == [256, 44]
    assert joined([]) == standing([]) == []
