from collections.abc import Callable

import pytest

from uninote.errors import ItemError
from uninote.items import Item, Note, Picture
from uninote.tasks.replacement import mask_note, replace_picture, without_picture

Make = Callable[..., Picture]


@pytest.fixture
def note(picture: Make) -> Note:
    pictures = (picture("p", "a cat", ("MEOW", "shop")), picture("q", "a dog"), picture("r", "", ("WOOF",)))
    return Note("n", "Pets", "Two animals.", pictures)


def test_the_description_takes_the_place_of_the_picture(note: Note) -> None:
    p, q, r = note.pictures
    assert replace_picture(note, 0) == Item(("Pets", "Two animals.", "a cat", "MEOW\nshop", q, r, "WOOF"))
    assert replace_picture(note, 1) == Item(("Pets", "Two animals.", p, "MEOW\nshop", "a dog", r, "WOOF"))


def test_every_occurrence_of_the_picture_is_replaced(picture: Make) -> None:
    other = picture("q")
    pictures = (picture("p", "a cat"), other, picture("p"), picture("p", "the same cat"))
    assert replace_picture(Note("n", pictures=pictures), 0) == Item(("a cat", other, "a cat", "the same cat"))


def test_a_picture_without_description_cannot_be_replaced(note: Note) -> None:
    with pytest.raises(ItemError, match="picture 2 of note 'n'"):
        replace_picture(note, 2)


def test_without_picture_drops_pixels_and_ocr(note: Note) -> None:
    _, q, r = note.pictures
    assert without_picture(note, 0) == Item(("Pets", "Two animals.", q, r, "WOOF"))


def test_without_picture_drops_every_occurrence(picture: Make) -> None:
    note = Note("n", "T", pictures=(picture("p", "x"), picture("p", "y", ("z",))))
    assert without_picture(note, 1) == Item(("T",))


def test_without_the_only_picture_nothing_remains(picture: Make) -> None:
    assert without_picture(Note("n", " ", "\n", (picture("p", "x", ("text",)),)), 0) is None


def test_mask_note_covers_title_body_and_ocr(picture: Make) -> None:
    pictures = (
        picture("p", "Big Sale", ("Big", "Sale", "now")),
        picture("q", "", ("the big sale is on", "A")),
    )
    note = Note("n", "Big sale!", "Our BIG\nSALE starts.", pictures)
    masked = mask_note(note, ("big sale", "a"))
    assert (masked.title, masked.body) == ("!", "Our starts.")
    assert [p.ocr for p in masked.pictures] == [("now",), ("the is on",)]
    assert masked.pictures[0].description == "Big Sale"


def test_mask_note_without_occurrences_is_the_note(note: Note) -> None:
    assert mask_note(note, ("elephant",)) == note
