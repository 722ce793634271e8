"""Hints about names: those that exist and are nearest to one that does not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 3


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a half sentence that offers existing names: the nearest ones, or the first ones."""
    names = sorted({one for one in known if one})
    folded = {one.casefold(): one for one in names}
    close = [folded[one] for one in get_close_matches(name.casefold(), folded, SHOWN, 0.6)]
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    if not names:
        return "there are none yet"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"there are {', '.join(map(repr, names[:SHOWN]))}{more}"
