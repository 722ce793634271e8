"""What a source page says, whatever its format: title, body, pictures in document order, links."""

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
        src: address as the page has it, relative to the page.
        alt: description for readers who cannot see, at most 500 characters.
        section: the nearest heading above it, at most 200 characters.
        caption: at most 600 characters; None where the format has no captions.
    """

    src: str
    alt: str
    section: str
    caption: str | None = None


@dataclass(frozen=True)
class Page:
    """`body` is plain text, not yet cut; `links` are the targets as the page has them, in order."""

    title: str
    body: str
    figures: tuple[Figure, ...]
    links: tuple[str, ...]


def one_line(text: str) -> str:
    """`text` with every run of white space as one space."""
    return " ".join(text.split())


def cut(text: str, length: int) -> str:
    """At most `length` characters, no white space at the end."""
    return text[:length].rstrip()


def joined(blocks: list[str]) -> str:
    """One block a line, empty ones left out."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(block for block in blocks if block)).strip()
