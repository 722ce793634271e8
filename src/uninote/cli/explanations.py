"""Contributions as lines of a table and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

if TYPE_CHECKING:
    from uninote.attribution import Contribution, Explanation

MOST = 5  # parts of one result; JSON has all
MAX_CHARS = 48


def as_lines(found: Explanation) -> list[str]:
    """Return the parts of the target with the largest contributions, e.g. `+0.123 picture 2`."""
    best = sorted(found.target, key=lambda one: -one.value)[:MOST]
    return [f"[dim]{one.value:+.3f}[/dim] {escape(_named(one))}" for one in best]


def as_fields(found: Explanation) -> dict[str, Any]:
    """Return both sides, in the order of the items."""
    return {
        "score": round(found.score, 6),
        "query": [_fields(one) for one in found.query],
        "target": [_fields(one) for one in found.target],
    }


def _fields(one: Contribution) -> dict[str, Any]:
    return {
        "kind": one.piece.kind,
        "text": one.piece.text,
        "number": one.piece.number,
        "contribution": round(one.value, 6),
        "left": round(one.left, 6),
    }


def _named(one: Contribution) -> str:
    text = " ".join(one.piece.text.split())
    text = text if len(text) <= MAX_CHARS else text[:MAX_CHARS] + "…"
    if one.piece.kind == "picture":
        return f"picture {one.piece.number}"
    return f"read in picture {one.piece.number}: {text}" if one.piece.kind == "ocr" else text
