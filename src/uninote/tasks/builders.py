"""Task builders, which cut a note into queries and their targets (method, section 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from uninote.items import Item, Note, standing
from uninote.tasks.content import Keys, line_keys, usable_ocr
from uninote.tasks.halving import halve
from uninote.tasks.replacement import mask_note, replace_picture, without_content, without_picture


@dataclass(frozen=True)
class Cut:
    """A query and its relevant targets.

    Attributes:
        relevant: the positive; for a graded task followed by less relevant items, best first.
        picture, counterfactual: see `definitions.Pair`.
    """

    query: Item
    relevant: tuple[Item, ...]
    picture: int | None
    counterfactual: Item | None = None


Builder = Callable[[Note, int], Sequence[Cut]]
"""Function from a note and a random seed to the note's cuts, in the order of its pictures."""

PictureCut = Callable[[Note, int], Cut | None]
"""Function from a note and a picture's index to the cut for it; None when an ingredient is missing."""


def each_picture(cut: PictureCut) -> Builder:
    """Return the builder that cuts a note once for each of its pictures; see `standing` for videos."""
    return lambda note, seed: [made for n in standing(note.pictures) if (made := cut(note, n))]


def reverse(cut: PictureCut) -> PictureCut:
    """Return the cut with query and positive exchanged, and without the counterfactual of the positive."""

    def reversed_cut(note: Note, index: int) -> Cut | None:
        made = cut(note, index)
        if made is None:
            return None
        return replace(made, query=made.relevant[0], relevant=(made.query,), counterfactual=None)

    return reversed_cut


def description(note: Note, index: int) -> Cut | None:
    """Cut `(I_i, S_desc_i)`."""
    return _picture_and_text(note, index, note.pictures[index].description)


def ocr(note: Note, index: int) -> Cut | None:
    """Cut `(I_i, S_ocr_i)`."""
    return _picture_and_text(note, index, usable_ocr(note.pictures[index].ocr_text))


def picture_in_note(note: Note, index: int) -> Cut | None:
    """Cut `(I_i, N')`: N' has the description in place of the pixels (Modal Replacement, Eq. 2)."""
    return _picture_in_note(note, index, lambda note: replace_picture(note, index))


def picture_in_whole_note(note: Note, index: int) -> Cut | None:
    """Cut `(I_i, N)` for the pictures of `picture_in_note`, without Modal Replacement."""
    return _picture_in_note(note, index, Note.item)


def picture_in_strict_note(note: Note, index: int) -> Cut | None:
    """Cut `(I_i, N')` of `picture_in_note`; N' does not repeat the OCR lines of I_i either."""
    picture = note.pictures[index]
    masked = mask_note(note, picture.ocr or ())
    cut = picture_in_note(masked, index)
    rest = without_content(note, index, masked)
    return replace(cut, query=Item.of(picture), counterfactual=rest) if cut else None


def description_in_note(note: Note, index: int) -> Cut | None:
    """Cut `(S_desc_i, N)`; N does not repeat the description."""
    text = note.pictures[index].description
    return _text_in_note(note, index, text, (text,))


def ocr_in_note(note: Note, index: int) -> Cut | None:
    """Cut `(S_ocr_i, N)`; N does not repeat the OCR lines."""
    picture = note.pictures[index]
    text = picture.ocr_text
    return _text_in_note(note, index, usable_ocr(text), picture.ocr or (), line_keys(text))


def half_of_note(note: Note, seed: int) -> Sequence[Cut]:
    """Cut one half of the note as query, with its ideal ranking as targets (see `halving.halve`)."""
    halves = halve(note, seed)
    return [Cut(*halves, picture=None)] if halves else []


def _picture_and_text(note: Note, index: int, text: str) -> Cut | None:
    return Cut(Item.of(note.pictures[index]), (Item.of(text),), index) if text.strip() else None


def _picture_in_note(note: Note, index: int, whole: Callable[[Note], Item]) -> Cut | None:
    picture = note.pictures[index]
    if not picture.description.strip() or without_picture(note, index) is None:
        return None
    return Cut(Item.of(picture), (whole(note),), index, without_content(note, index))


def _text_in_note(
    note: Note, index: int, text: str, secrets: Sequence[str], lines: Keys = frozenset()
) -> Cut | None:
    masked = mask_note(note, secrets)
    if not text.strip() or without_picture(masked, index) is None:
        return None
    return Cut(Item.of(text), (masked.item(),), index, without_content(note, index, masked, lines))
