"""Pieces of items: cuts into pictures and sentences, and items without one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.attribution.pieces import pieces_of, without
from uninote.items import Item, Note, Picture, compose, with_readings

PICTURE = Picture.from_bytes(b"one", ocr=("Open 9-17", "No dogs"))
BARE = Picture.from_bytes(b"two")


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ("It costs 3.50 today. Really", ["It costs 3.50 today.", "Really"]),
        ("Title\n\nfirst line\nsecond", ["Title", "first line", "second"]),
        ("今天下雨。我带了伞！好", ["今天下雨。", "我带了伞！", "好"]),
        ('"Stop!" he said. --- ...', ['"Stop!"', "he said. --- ..."]),
        ("\U0001f600", ["\U0001f600"]),
        ("...", ["..."]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    pieces = pieces_of(Item.of(text))
    assert [piece.text for piece in pieces] == sentences
    assert {piece.kind for piece in pieces} == {"sentence"}


def test_a_note_becomes_its_pictures_sentences_and_what_was_read_in_them() -> None:
    note = Note("n", title="A walk", body="It rained. We laughed.", pictures=(PICTURE, BARE))
    found = [(piece.kind, piece.text, piece.number) for piece in pieces_of(note.item())]
    assert found == [
        ("sentence", "A walk", 0),
        ("sentence", "It rained.", 0),
        ("sentence", "We laughed.", 0),
        ("picture", "", 1),
        ("ocr", "Open 9-17", 1),
        ("ocr", "No dogs", 1),
        ("picture", "", 2),
    ]


def test_a_text_is_of_a_picture_only_where_it_was_read_in_one_of_the_item() -> None:
    written = Item.of(PICTURE, PICTURE.ocr_text)
    assert [piece.kind for piece in pieces_of(written)] == ["picture", "sentence", "sentence"]
    hidden = compose((), (PICTURE,), lambda picture: "a door")
    assert [piece.kind for piece in pieces_of(hidden)] == ["sentence"] * 3
    read = pieces_of(compose((), (PICTURE, BARE, PICTURE)))
    assert [piece.number for piece in read if piece.kind == "ocr"] == [1, 1, 3, 3]


def test_what_is_left_of_a_text_read_in_a_picture_keeps_its_kind() -> None:
    item = compose((), (PICTURE,))
    left = without(item, pieces_of(item)[1])
    assert left is not None
    assert left.parts == (PICTURE, "No dogs")
    assert [piece.kind for piece in pieces_of(left)] == ["picture", "ocr"]


def test_a_text_read_in_a_picture_that_is_left_out_does_not_come_back_when_the_item_is_read() -> None:
    picture = Picture.from_bytes(b"sign", ocr=("Open",))
    item = compose(("A door",), (picture, BARE))
    left = without(item, pieces_of(item)[2])
    assert left is not None
    read = with_readings(left, lambda other: ("two",))
    assert read.texts == ("A door", "two")
    assert [other.digest for other in left.unread] == [BARE.digest]


def test_a_piece_is_left_out_of_its_place() -> None:
    item = Item.of("One. Two. Three.", PICTURE, "One.")
    pieces = pieces_of(item)
    assert without(item, pieces[1]) == Item.of("One. Three.", PICTURE, "One.")
    assert without(item, pieces[3]) == Item.of("One. Two. Three.", "One.")
    assert without(item, pieces[4]) == Item.of("One. Two. Three.", PICTURE)
    assert without(Item.of("alone"), pieces_of(Item.of("alone"))[0]) is None
    assert without(Item.of(PICTURE), pieces_of(Item.of(PICTURE))[0]) is None


@pytest.mark.parametrize("hostile", ["." * 200_000 + "x", ".)" * 100_000, "。" * 200_000, "a.\n" * 60_000])
def test_hostile_texts_are_cut_as_fast_as_others(hostile: str) -> None:
    assert len(pieces_of(Item.of(hostile))) <= 32


texts = st.lists(st.sampled_from(["A b. ", "c!\n", "好。", "3.5 ", "...", " ", "\n", "x"]), min_size=1).map(
    "".join
)
parts = st.lists(st.one_of(texts.filter(str.strip), st.sampled_from([PICTURE, BARE])), min_size=1, max_size=6)


@given(parts, st.integers(1, 12))
def test_the_pieces_cover_the_item_and_are_at_most_as_many_as_requested(
    given_parts: list[str | Picture], most: int
) -> None:
    item = Item.of(*given_parts)
    pieces = pieces_of(item, most)
    assert len(pieces) <= max(most, len(item.parts))
    for place, part in enumerate(item.parts):
        own = [piece for piece in pieces if piece.part == place]
        if isinstance(part, Picture):
            assert [piece.picture for piece in own] == [part]
        else:
            assert "".join(part[piece.start : piece.end] for piece in own) == part
    for piece in pieces:
        left = without(item, piece)
        assert left is None or left != item
