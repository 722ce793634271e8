"""Bar chart of contributions: positive bars to the right of a line, negative ones to the left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from uninote.attribution.contributions import Contribution, Explanation

MIDDLE, WIDTH = 50.0, 100.0
MAX_CHARS = 300


@dataclass(frozen=True)
class Bar:
    """Bar of one part. x, width: of 100; negative contributions lie left of the middle.

    picture: digest of a stored picture, or empty; label: text in place of a picture.
    """

    label: str
    text: str
    picture: str
    value: float
    x: float
    width: float


def digests(found: Explanation) -> set[str]:
    """Return the digests of the pictures of both sides."""
    pictures = (one.piece.picture for one in (*found.query, *found.target) if one.piece.kind == "picture")
    return {picture.digest for picture in pictures if picture is not None}


def bars(found: Explanation, stored: Collection[str]) -> tuple[list[Bar], list[Bar]]:
    """Return the bars of both sides, each on its own scale, the largest first. stored: known digests."""
    return _side(found.query, stored), _side(found.target, stored)


def _side(parts: Sequence[Contribution], stored: Collection[str]) -> list[Bar]:
    # One scale for both would flatten a side of many parts next to the only part of the other one.
    largest = max((abs(one.value) for one in parts), default=0.0) or 1.0
    return [_bar(one, largest, stored) for one in sorted(parts, key=lambda one: -abs(one.value))]


def _bar(one: Contribution, largest: float, stored: Collection[str]) -> Bar:
    piece = one.piece
    length = round(abs(one.value) / largest * (WIDTH - MIDDLE), 2)
    digest = piece.picture.digest if piece.kind == "picture" and piece.picture is not None else ""
    text = piece.text if len(piece.text) <= MAX_CHARS else piece.text[:MAX_CHARS] + "…"
    place = {"picture": f"picture {piece.number}", "ocr": f"read in picture {piece.number}"}
    return Bar(
        label=place.get(piece.kind, ""),
        text=text,
        picture=digest if digest in stored else "",
        value=one.value,
        x=MIDDLE if one.value >= 0 else round(MIDDLE - length, 2),
        width=length,
    )
