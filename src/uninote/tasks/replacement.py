"""Modal Replacement (Eq. 2), its counterfactual (Eq. 5) and masking: notes that hide their query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from uninote.errors import ItemError
from uninote.items import Item, Note, Part, Picture, compose
from uninote.tasks.content import Keys, line_keys, picture_keys, text_key
from uninote.tasks.masking import mask_strings, normalise


def replace_picture(note: Note, index: int) -> Item:
    """Return `N' = {S_desc_i} ∪ N \\ {I_i}` (Eq. 2): the description takes the place of picture `index`.

    The formula is read literally: the pixels are removed, the picture's OCR text is a part of N and stays.
    Every other occurrence of the same picture (same digest) is replaced too, by its own description if it has
    one.
    Raises ItemError when the picture has no description.
    """
    target = note.pictures[index]
    if not target.description.strip():
        raise ItemError(f"picture {index} of note {note.id!r} has no description to stand in its place")

    def shown(picture: Picture) -> Part:
        if picture.digest != target.digest:
            return picture
        return picture.description if picture.description.strip() else target.description

    return compose((note.title, note.body), note.pictures, shown)


def without_picture(note: Note, index: int) -> Item | None:
    """Return the note without picture `index` (all its occurrences) and its OCR text.

    None when the note has no other content.
    """
    digest = note.pictures[index].digest
    return _item_of(note.with_pictures(tuple(one for one in note.pictures if one.digest != digest)))


def without_content(
    note: Note, index: int, shown: Note | None = None, lines: Keys = frozenset()
) -> Item | None:
    """Return `N \\ {I_i}` (Eq. 5), or None when the note has no other content.

    It is the note without picture `index`, its description and its OCR text. What belongs to it is decided by
    content: gone is every picture of the same digest, description or OCR text, and a title or body that is
    one of these texts, whatever its letter case, Unicode form, white space and final full stops.

    Args:
        shown: the note as the positive shows it, if masked; its pictures are those of `note`, in order.
        lines: keys of OCR lines; a picture with all of them is gone too.
    """
    shown = shown or note
    keys: dict[str, Keys] = {}
    for picture in note.pictures:
        keys[picture.digest] = keys.get(picture.digest, frozenset()) | picture_keys(picture)
    gone = keys[note.pictures[index].digest]
    kept = tuple(
        as_shown
        for picture, as_shown in zip(note.pictures, shown.pictures, strict=True)
        if gone.isdisjoint(keys[picture.digest]) and not (lines and lines <= line_keys(picture.ocr_text))
    )
    title, body = ("" if text_key(text) in gone else text for text in (shown.title, shown.body))
    return _item_of(replace(shown, title=title, body=body, pictures=kept))


def _item_of(note: Note) -> Item | None:
    return note.item() if note.pictures or note.title.strip() or note.body.strip() else None


def mask_note(note: Note, strings: Sequence[str]) -> Note:
    """Return the note with `strings` masked in title, body and the OCR text of every picture.

    OCR lines that equal one of the strings are removed whatever their length; lines left blank are dropped.
    Descriptions stay, since they are never embedded with a picture.
    """
    lines = {normalise(string) for string in strings}

    def masked(picture: Picture) -> Picture:
        kept = [line for line in picture.ocr or () if normalise(line) not in lines]
        # The lines are masked as one text, since a string may span several lines.
        text = "\n".join(kept)
        clean = mask_strings(text, strings)
        ocr = tuple(kept) if clean == text else tuple(s for line in clean.split("\n") if (s := line.strip()))
        return picture if ocr == (picture.ocr or ()) else replace(picture, ocr=ocr)

    return replace(
        note,
        title=mask_strings(note.title, strings),
        body=mask_strings(note.body, strings),
        pictures=tuple(masked(picture) for picture in note.pictures),
    )
