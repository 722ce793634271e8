"""Content keys: texts and pictures by what they hold, and the candidates that answer a query by content.

An item that was cut from another note can hold the answer too: the same picture, the same description with
another capital, the same text read in a picture. It is then neither the positive nor a negative.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from uninote.items import Item, Ocr, Part, Picture

if TYPE_CHECKING:
    from uninote.tasks.definitions import Task

MIN_OCR_CHARS = 4
"""Fewest non-space characters of a picture's OCR text that make it usable as a query or target."""

Keys = frozenset[str]


class _Dropped(dict[int, int | None]):
    """Table of `str.translate` that drops white space and control characters."""

    def __missing__(self, code: int) -> int | None:
        kept = None if unicodedata.category(chr(code))[0] in "ZC" else code
        self[code] = kept
        return kept


_DROPPED = _Dropped()


@lru_cache(maxsize=2**16)
def text_key(text: str) -> str:
    """Return what remains of a text without letter case, Unicode form, white space and final full stops.

    A text of full stops alone keeps them. Empty for a blank text.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    dense = folded.translate(_DROPPED)
    return dense.rstrip(".!?。") or dense


def usable_ocr(text: str) -> str:
    """Return an OCR text, or the empty string if it has fewer than `MIN_OCR_CHARS` characters."""
    return text if len("".join(text.split())) >= MIN_OCR_CHARS else ""


def picture_keys(picture: Picture) -> Keys:
    """Return the keys by which pictures have the same content: digest, description and usable OCR text."""
    texts = map(text_key, (picture.description, usable_ocr(picture.ocr_text)))
    return frozenset({picture.digest, *filter(None, texts)})


def line_keys(text: str) -> Keys:
    """Return the keys of the lines of an OCR text."""
    return frozenset(filter(None, map(text_key, text.split("\n"))))


def contents(item: Item) -> Keys:
    """Return the keys of all that an item holds: its texts, its pictures and their annotations."""
    return frozenset().union(*map(_held, item.parts))


def content_key(item: Item) -> tuple[str, ...]:
    """Return the keys of the parts in order; equal for items that differ in the form of their texts only.

    Texts that were read in pictures are left out, unless there is nothing else.
    """
    parts = [part for part in item.parts if not isinstance(part, Ocr)] or item.parts
    return tuple(map(_own, parts))


def same_words(item: Item, halves: Sequence[Item]) -> bool:
    """Return whether an item has the texts of two halves of a note and no others, read ones left out."""
    text, words = "".join(_words(item)), [word for half in halves for word in _words(half)]
    whole = "".join(words)
    return len(text) == len(whole) > 0 and all(w in text for w in words) and sorted(text) == sorted(whole)


class Answers:
    """Candidates by content, to find those that answer a query.

    A candidate answers a query if

    * it holds the query, where that is a picture or a text, and not a whole note;
    * it holds the positive, or the query holds it, where the target is a picture or a text;
    * it has the content of the query or of the positive (`content_key`).
    """

    def __init__(self, candidates: Sequence[Item]) -> None:
        self._holding: dict[str, set[int]] = defaultdict(set)
        self._parts: dict[str, set[int]] = defaultdict(set)
        self._whole: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for number, item in enumerate(candidates):
            for key in contents(item):
                self._holding[key].add(number)
            for key in _single(item):
                self._parts[key].add(number)
            self._whole[content_key(item)].add(number)

    def of(self, query: Item, positives: Iterable[Item], task: Task) -> set[int]:
        """Return the numbers of the candidates that answer a query; those of positives are among them."""
        asked, sought = (kind != "Note" for kind in (task.spec.source, task.spec.target))
        found = set(self._whole.get(content_key(query), ()))
        parts = [*_single(query)] if asked else []
        for positive in positives:
            found |= self._whole.get(content_key(positive), set())
            parts += _single(positive) if sought else ()
        for key in parts:
            found |= self._holding.get(key, set())
        for key in contents(query) & self._parts.keys() if sought else ():
            found |= self._parts[key]
        return found


def _held(part: Part) -> Iterable[str]:
    if isinstance(part, Picture):
        return picture_keys(part) | line_keys(part.ocr_text)
    return {_own(part)} | (line_keys(part) if isinstance(part, Ocr) else frozenset())


def _own(part: Part) -> str:
    return part.digest if isinstance(part, Picture) else text_key(part)


def _single(item: Item) -> tuple[str, ...]:
    """Return the key of an item of one part, else nothing."""
    return (_own(item.parts[0]),) if len(item.parts) == 1 else ()


def _words(item: Item) -> list[str]:
    """Return letters and digits of each text that was not read in a picture."""
    texts = (text_key(part) for part in item.parts if not isinstance(part, Picture | Ocr))
    return ["".join(filter(str.isalnum, text)) for text in texts]
