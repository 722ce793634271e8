"""Query and positive of every task, cut from notes (method, section 1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import Pair, Task
from uninote.tasks.halves import split_note
from uninote.tasks.replacement import mask_note, replace_picture, without_picture

MIN_OCR_CHARS = 4
"""OCR text of a picture with fewer non-space characters in total is too little to be searched for."""


def make_pairs(
    notes: Iterable[Note],
    task: Task,
    *,
    per_note: int | None = None,
    seed: int = 0,
    modal_replacement: bool = True,
) -> list[Pair]:
    """The pairs of one task, in the order of notes and of pictures within a note.

    A picture gives no pair when an ingredient is missing: no description, no usable OCR text, or, where
    a whole note is sought or searched with, nothing in it besides the picture. Repeated pairs of a note,
    and pairs whose query is their positive, are dropped. `Task.NOTE2NOTE` pairs the first half of a note
    with the best item of its ranking (see `halves.split_note`).

    Args:
        per_note: keep at most this many pairs a note, chosen by a hash of seed, note and picture, so
            that the choice depends neither on other notes nor on their order.
        modal_replacement: hide the picture from its note (Eq. 2). Without, I2Note and Note2I are solved by
            looking for the very pixels; for the ablation of Eq. 2, and never for measuring.
    """
    return [pair for note in notes for pair in _pairs_of_note(note, task, per_note, seed, modal_replacement)]


def _pairs_of_note(
    note: Note, task: Task, per_note: int | None, seed: int, modal_replacement: bool
) -> list[Pair]:
    if task is Task.NOTE2NOTE:
        halves = split_note(note, seed)
        made = [Pair(task, halves.query, halves.relevant[0], note.id, None)] if halves else []
    else:
        build = _BUILDERS[task]
        if not modal_replacement and build is _picture_and_note:
            build = _picture_and_note_with_pixels
        made = [pair for index in range(len(note.pictures)) if (pair := build(task, note, index))]
    unique = {(pair.query.key, pair.positive.key): pair for pair in reversed(made)}
    pairs = [pair for (query, positive), pair in reversed(unique.items()) if query != positive]
    if per_note is None or len(pairs) <= per_note:
        return pairs
    chosen = set(sorted(range(len(pairs)), key=lambda place: lot(seed, pairs[place]))[:per_note])
    return [pair for place, pair in enumerate(pairs) if place in chosen]


def lot(seed: int, pair: Pair) -> bytes:
    """The pair's place in a draw: a hash of seed, task, note and picture, whatever other pairs there are."""
    return hashlib.sha256(f"{seed}:{pair.task}:{pair.note_id}:{pair.picture}".encode()).digest()


def _atomic(task: Task, note: Note, index: int) -> Pair | None:
    """(I_i, S_desc_i), (I_i, S_ocr_i) and their reverses."""
    picture = note.pictures[index]
    text = picture.description if task in (Task.I2T, Task.T2I) else _usable_ocr(picture)
    if not text.strip():
        return None
    query, positive = Item.of(picture), Item.of(text)
    if task in (Task.T2I, Task.OCR2I):
        query, positive = positive, query
    return Pair(task, query, positive, note.id, index)


def _picture_and_note(task: Task, note: Note, index: int) -> Pair | None:
    """(I_i, N') and its reverse; N' has the description in place of the pixels."""
    picture = note.pictures[index]
    rest = without_picture(note, index)
    if not picture.description.strip() or rest is None:
        return None
    return _membership(task, note, index, replace_picture(note, index), rest)


def _picture_and_note_with_pixels(task: Task, note: Note, index: int) -> Pair | None:
    """(I_i, N) and its reverse for the same pictures, without Modal Replacement."""
    rest = without_picture(note, index)
    if not note.pictures[index].description.strip() or rest is None:
        return None
    return _membership(task, note, index, note.item(), rest)


def _membership(task: Task, note: Note, index: int, whole: Item, rest: Item) -> Pair:
    part = Item.of(note.pictures[index])
    if task is Task.NOTE2I:
        return Pair(task, whole, part, note.id, index)
    return Pair(task, part, whole, note.id, index, rest)


def _text_and_note(task: Task, note: Note, index: int) -> Pair | None:
    """(S_desc_i, N), its reverse, and (S_ocr_i, N); N does not repeat the description or the OCR lines."""
    picture = note.pictures[index]
    text = _usable_ocr(picture) if task is Task.OCR2NOTE else picture.description
    if not text.strip():
        return None
    masked = mask_note(note, (picture.ocr or ()) if task is Task.OCR2NOTE else (text,))
    rest = without_picture(masked, index)
    if rest is None:
        return None
    part, whole = Item.of(text), masked.item()
    if task is Task.NOTE2T:
        return Pair(task, whole, part, note.id, index)
    return Pair(task, part, whole, note.id, index, rest)


def _usable_ocr(picture: Picture) -> str:
    text = picture.ocr_text
    return text if len("".join(text.split())) >= MIN_OCR_CHARS else ""


_BUILDERS: dict[Task, Callable[[Task, Note, int], Pair | None]] = {
    Task.I2T: _atomic,
    Task.T2I: _atomic,
    Task.I2OCR: _atomic,
    Task.OCR2I: _atomic,
    Task.I2NOTE: _picture_and_note,
    Task.NOTE2I: _picture_and_note,
    Task.T2NOTE: _text_and_note,
    Task.NOTE2T: _text_and_note,
    Task.OCR2NOTE: _text_and_note,
}
