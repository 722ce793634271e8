"""Pieces of an item for attribution: its pictures and the sentences of its texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from uninote.errors import ItemError
from uninote.items import Item, Ocr, Part, Picture

MOST = 32
"""Pieces of one item; a longer text is cut into passages of several sentences."""

# End of a sentence. A full stop ends one only before white space, so that 3.5 stays whole; a CJK full stop
# always does. Possessive quantifiers rule out backtracking, since texts come from untrusted users.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s|\Z)|[。！？｡]++[\"'”’」』）)]*+|\n++")

Kind = Literal["picture", "sentence", "ocr"]


@dataclass(frozen=True)
class Piece:
    """A picture, or the characters `start` to `end` of a text; the pieces of a text cover all of it.

    Attributes:
        kind: `ocr` is a sentence of a text that was read in a picture of the item (see `items.Ocr`).
        part: index of its part in `Item.parts`.
        text: the characters, without the space around them; empty for a picture.
        picture: the picture itself, or the one that an `ocr` piece was read in.
        number: number of that picture in the item, from 1; 0 for a sentence.
    """

    kind: Kind
    part: int
    start: int
    end: int
    text: str = ""
    picture: Picture | None = None
    number: int = 0


def pieces_of(item: Item, most: int = MOST) -> tuple[Piece, ...]:
    """Return the pieces in the order of the item, at most `most` unless it has more parts than that.

    If there are too many sentences, neighbours are joined into passages of equally many sentences.
    """
    begins = {n: _sentences(part) for n, part in enumerate(item.parts) if isinstance(part, str)}
    room = max(most - len(item.pictures), len(begins))
    together = 1
    while sum(-(-len(one) // together) for one in begins.values()) > room:
        together += 1
    found: list[Piece] = []
    shown: dict[str, tuple[Picture, int]] = {}
    number = 0
    for place, part in enumerate(item.parts):
        if isinstance(part, Picture):
            number += 1
            found.append(Piece("picture", place, 0, 0, picture=part, number=number))
            shown[part.digest] = part, number
            continue
        read_in = shown.get(part.of) if isinstance(part, Ocr) else None
        starts = begins[place][::together]
        for start, end in zip(starts, [*starts[1:], len(part)], strict=True):
            text = part[start:end].strip()
            kind: Kind = "ocr" if read_in else "sentence"
            found.append(Piece(kind, place, start, end, text, *(read_in or ())))
    return tuple(found)


def without(item: Item, piece: Piece) -> Item | None:
    """Return the item without that piece; None when nothing is left."""
    part = item.parts[piece.part]
    rest: tuple[Part, ...] = ()
    if not isinstance(part, Picture):
        text = (part[: piece.start] + part[piece.end :]).strip()
        rest = (Ocr(text, part.of) if isinstance(part, Ocr) else text,)
    parts = [*item.parts[: piece.part], *rest, *item.parts[piece.part + 1 :]]
    if isinstance(part, Ocr) and not rest[0]:  # nothing is written in its picture then
        parts = [
            replace(one, ocr=()) if isinstance(one, Picture) and one.digest == part.of else one
            for one in parts
        ]
    try:
        return Item.of(*parts)
    except ItemError:
        return None


def _sentences(text: str) -> list[int]:
    """Return the starts of sentences, the first at 0; punctuation alone (`---`) belongs to the one before."""
    ends = [one.end() for one in _END.finditer(text)]
    bounds = [0, *(end for end in ends if end < len(text)), len(text)]
    starts = [a for a, b in pairwise(bounds) if any(map(str.isalnum, text[a:b]))]
    return [0, *starts[1:]]
