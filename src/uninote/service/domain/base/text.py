"""Validation of texts before they are stored."""

from __future__ import annotations

from uninote.items import Item
from uninote.service.errors import InvalidError
from uninote.store.validate import storable

MAX_NAME = 256
MAX_WORDS = 10_000


def check_name(what: str, text: str) -> str:
    """Return `text` if it has 1 to 256 characters, not all blank. Raises InvalidError."""
    if not text.strip() or len(text) > MAX_NAME:
        raise InvalidError(f"{what} has 1 to {MAX_NAME} characters, not all blank; this one has {len(text)}")
    return check_words(what, text)


def check_words(what: str, text: str, limit: int = MAX_WORDS) -> str:
    """Return `text` if it has at most `limit` characters, none of them NUL or a lone surrogate.

    Raises InvalidError.
    """
    if len(text) > limit:
        raise InvalidError(f"{what} has at most {limit} characters, not {len(text)}")
    if not storable(text):
        raise InvalidError(f"{what} has a NUL character or a lone surrogate; replace it by U+FFFD")
    return text


def storable_item(item: Item) -> bool:
    """Return whether every text of the item, and what was read from its pictures, can be stored."""
    texts = [*item.texts, *(picture.description for picture in item.pictures)]
    texts += [line for picture in item.pictures for line in picture.ocr or ()]
    return all(map(storable, texts))
