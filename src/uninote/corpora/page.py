"""Source page independent of its format: title, body, pictures in document order, links."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_BODY = 4000
MAX_ALT = 500
MAX_CAPTION = 600
MAX_SECTION = 200


class PageError(Exception):
    """A page that cannot become a note; the message is the reason, `kind: detail`."""


@dataclass(frozen=True)
class Figure:
    """One picture of a page.

    Attributes:
        src: address as written in the page, relative to it.
        alt: alternative text, at most 500 characters.
        section: the nearest heading above it, at most 200 characters.
        caption: at most 600 characters; None if the format has no captions.
    """

    src: str
    alt: str
    section: str
    caption: str | None = None


@dataclass(frozen=True)
class Page:
    """Content of a page. `body` is plain text, not yet cut; `links` are the targets as written, in order."""

    title: str
    body: str
    figures: tuple[Figure, ...]
    links: tuple[str, ...]


def one_line(text: str) -> str:
    """Replace every run of white space in `text` by one space."""
    return " ".join(text.split())


def cut(text: str, length: int) -> str:
    """Cut `text` to at most `length` characters, without white space at the end."""
    return text[:length].rstrip()


def joined(blocks: list[str]) -> str:
    """Join blocks, one per line, without empty ones."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(block for block in blocks if block)).strip()
