"""Elements of an item: chunks of its texts, chunks of the texts read in its pictures, and its pictures.

Every element is encoded by a frozen tower on its own, so that equal elements of any items are encoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from uninote.encoder.truncate import fit_lengths
from uninote.items import Item, Ocr, Picture
from uninote.tasks.chunks import chunks

PICTURE_TOKENS = 64
"""Tokens that a picture counts for in the budget of an item."""


class Kind(IntEnum):
    """Kind of an element."""

    TEXT = 0
    OCR = 1
    PICTURE = 2


class Element(NamedTuple):
    """An element: a chunk of text, or a picture."""

    kind: Kind
    content: str | Picture


class Elements(NamedTuple):
    """Elements of one item in its order, their tokens, and the tokens before it was cut to the budget."""

    kept: tuple[Element, ...]
    tokens: int
    whole: int


def elements_of(item: Item, count: Callable[[str], int], budget: int, chunk: int) -> Elements:
    """Return the elements of an item, cut to `budget` tokens; at least one is left.

    Pictures come first: as many of the first ones as fit into half of the budget, or into all of it where
    there is no text. Texts share the rest by `fit_lengths`, and each keeps its first chunks.

    Args:
        count: returns the tokens of a text.
        chunk: largest size of a chunk, see `tasks.chunks`.
    """
    texts = [part for part in item.parts if isinstance(part, str)]
    cut = [[(piece, count(piece)) for piece in chunks(text, chunk) or (text,)] for text in texts]
    lengths = [sum(tokens for _, tokens in pieces) for pieces in cut]
    whole = sum(lengths) + PICTURE_TOKENS * len(item.pictures)
    room = budget if not texts else max(budget // 2, budget - sum(lengths))
    shown = min(len(item.pictures), max(1, room // PICTURE_TOKENS))
    allowed = iter(fit_lengths(lengths, budget - PICTURE_TOKENS * shown))
    pieces = iter(cut)
    kept: list[Element] = []
    seen = used = 0
    for part in item.parts:
        if isinstance(part, Picture):
            seen += 1
            if seen <= shown:
                kept.append(Element(Kind.PICTURE, part))
                used += PICTURE_TOKENS
            continue
        left = next(allowed)
        for piece, tokens in next(pieces):
            if tokens > left and kept:
                break
            left -= tokens
            used += tokens
            kept.append(Element(Kind.OCR if isinstance(part, Ocr) else Kind.TEXT, piece))
    return Elements(tuple(kept), used, whole)


def distinct_contents(elements: Iterable[Element]) -> tuple[list[str], list[Picture]]:
    """Return the texts and the pictures of elements, equal ones once, in order of their first appearance."""
    texts: dict[str, None] = {}
    pictures: dict[str, Picture] = {}
    for element in elements:
        if isinstance(element.content, Picture):
            pictures.setdefault(element.content.digest, element.content)
        else:
            texts.setdefault(element.content)
    return list(texts), list(pictures.values())
