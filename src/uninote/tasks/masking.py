"""Text masking: removes verbatim occurrences of strings, so that a query cannot be found by copying."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

MIN_MASK_CHARS = 2
"""Fewest letters and digits of a string that is masked; a shorter one reveals nothing."""

# Scripts without reliable spaces between words: Han, kana, bopomofo, hangul, Thai, Lao, Myanmar, Khmer.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u3130-\u318f"
    "\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)

_WORD = re.compile(r"\S+")
_EDGE_SPACE = re.compile(r"^[^\S\n]+|[^\S\n]+\Z")


def mask_strings(text: str, strings: Iterable[str]) -> str:
    """Return `text` without any occurrence of any of `strings`.

    * Letter case (case folding), Unicode form (NFKC) and the kind and amount of white space do not matter.
    * An occurrence begins and ends at word boundaries ("cat" does not occur in "category"), except in scripts
      without spaces between words, where any substring counts.
    * Occurrences that appear only because others were removed are removed as well.
    * The rest of the text keeps its characters and their order; a removed stretch leaves one space.
    * A text without occurrences is returned unchanged.
    """
    needles = {normalise(string) for string in strings}
    needles = {needle for needle in needles if sum(map(str.isalnum, needle)) >= MIN_MASK_CHARS}
    while found := [span for needle in needles for span in _occurrences(normalise(text), needle)]:
        text = _cut(text, found)
    return text


@lru_cache(maxsize=1024)
def normalise(text: str) -> str:
    """Return the text case-folded and in NFKC, each run of white space as one space, none at the ends."""
    return " ".join("".join(map(_fold, _pieces(word))) for word in text.split())


def _pieces(word: str) -> list[str]:
    """Cut a word into pieces that are folded one by one: the word itself if that changes no place."""
    if unicodedata.is_normalized("NFKC", word) and len(word.casefold()) == len(word):
        return [word]
    starts = [place for place, char in enumerate(word) if place == 0 or not _continues(char)]
    return [word[start:end] for start, end in pairwise([*starts, len(word)])]


def _continues(char: str) -> bool:
    """Return whether a character belongs to the one before it: marks, vowels and finals of Hangul."""
    return unicodedata.category(char)[0] == "M" or "\u1160" <= char <= "\u11ff"


def _fold(piece: str) -> str:
    folded = unicodedata.normalize("NFKC", piece)
    return (piece if any(map(str.isspace, folded)) else folded).casefold()


def _cut(text: str, spans: list[tuple[int, int]]) -> str:
    """Remove the spans, which are (first, last) indices in `normalise(text)`, from `text`."""
    folded = _Folded.of(text)
    kept: list[str] = []
    end = 0
    for first, last in sorted((folded.origin(first), folded.end(last)) for first, last in spans):
        if first > end or not kept:
            kept.append(text[end:first])
        end = max(end, last)
    kept.append(text[end:])
    return " ".join(_EDGE_SPACE.sub("", piece) for piece in kept).strip()


@dataclass(frozen=True)
class _Folded:
    """Map from indices in `normalise(original)` to indices in the original.

    Piece k has `lengths[k]` characters from `starts[k]` on in the normalised text, and `widths[k]` from
    `origins[k]` on in the original.
    """

    starts: list[int]
    lengths: list[int]
    origins: list[int]
    widths: list[int]

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, original: str) -> _Folded:
        made = cls([], [], [], [])
        position = 0
        for match in _WORD.finditer(original):
            place = match.start()
            for piece in _pieces(match[0]):
                made.starts.append(position)
                made.lengths.append(len(_fold(piece)))
                made.origins.append(place)
                made.widths.append(len(piece))
                position += made.lengths[-1]
                place += len(piece)
            position += 1
        return made

    def origin(self, index: int) -> int:
        """Return the place of the character of the original that `index` stems from."""
        piece = bisect_right(self.starts, index) - 1
        return self.origins[piece] + min(index - self.starts[piece], self.widths[piece] - 1)

    def end(self, index: int) -> int:
        """Return the place after that character, and after its marks if they are part of it."""
        piece = bisect_right(self.starts, index) - 1
        last = index - self.starts[piece] + 1 == self.lengths[piece]
        return self.origins[piece] + self.widths[piece] if last else self.origin(index) + 1


def _occurrences(folded: str, needle: str) -> Iterator[tuple[int, int]]:
    """Yield the (first, last) index of each occurrence that does not begin or end inside a word."""
    start = folded.find(needle)
    while start >= 0:
        end = start + len(needle)
        inside_word = (start > 0 and _joined(folded[start - 1], needle[0])) or (
            end < len(folded) and _joined(needle[-1], folded[end])
        )
        if not inside_word:
            yield start, end - 1
        start = folded.find(needle, start + 1)


def _joined(left: str, right: str) -> bool:
    """Return whether two neighbouring characters belong to one word of a script with spaces between words."""
    return _is_spaced_word(left) and _is_spaced_word(right)


def _is_spaced_word(char: str) -> bool:
    return (char == "_" or unicodedata.category(char)[0] in "LNM") and not _UNSPACED.match(char)
