"""Chunks of a text: whole sentences packed up to a limit, the unit in which text towers read a text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

LIMIT = 350
"""Cost of a chunk: some 60 words of English, or 116 Chinese characters."""

SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？；]+[\"'”’」』）]*\s*|\n+")
"""End of a sentence: a full stop and white space, a CJK full stop, or a line break."""


def chunks(text: str, limit: int = LIMIT) -> tuple[str, ...]:
    """Split a text into chunks of whole sentences, each of at most `limit` cost, filled from the first on.

    A character costs 1, a CJK character (above U+2E80) 3. A sentence that costs more is cut, at white space
    if there is any. Chunks are slices of the text without white space at their ends, in order; together they
    hold everything but white space. A blank text has none.

    Args:
        limit: 3 or more.
    """
    costs = _costs(text)
    spans: list[tuple[int, int]] = []
    for start, end in _sentences(text):
        if spans and costs[end] - costs[spans[-1][0]] <= limit:
            spans[-1] = (spans[-1][0], end)
        else:
            spans += _cut(text, start, end, costs, limit)
    return tuple(text[start:end] for start, end in spans)


def _costs(text: str) -> Sequence[int]:
    """Return the cost of each prefix of the text, the empty one first."""
    if text.isascii():
        return range(len(text) + 1)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    costs: list[int] = np.cumsum(np.where(codes > 0x2E80, 3, 1)).tolist()
    return [0, *costs]


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each sentence, without white space at its ends."""
    ends = [0, *(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
    for start, end in pairwise(ends):
        sentence = text[start:end]
        if stripped := sentence.strip():
            first = start + len(sentence) - len(sentence.lstrip())
            yield first, first + len(stripped)


def _cut(text: str, start: int, end: int, costs: Sequence[int], limit: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of the pieces of one sentence."""
    while costs[end] - costs[start] > limit:
        fits = bisect_right(costs, costs[start] + limit) - 1
        space = next((n for n in range(fits, start, -1) if text[n].isspace()), fits)
        yield start, start + len(text[start:space].rstrip())
        start = end - len(text[space:end].lstrip())
    yield start, end
