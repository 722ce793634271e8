"""Tokenizer of a text tower: prompt, cut, and no control token out of a user's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Ids = list[int]
CHARS_PER_TOKEN = 12
"""Text beyond this many characters per token cannot survive the cut, so it is not tokenised."""


@dataclass(frozen=True)
class TokenRules:
    """Rules of a text tower's sequences.

    Attributes:
        longest: tokens of a sequence, control tokens included.
        pad: id of the padding.
        prompt: text put before every text.
        control: control tokens by their spelling; a text never becomes one of them.
        lower: True when texts are put into lower case.
        fixed: True when every sequence is padded to `longest`.
        left: True when that padding stands before the text.
    """

    longest: int
    pad: int
    prompt: str
    control: dict[str, int]
    lower: bool = False
    fixed: bool = False
    left: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Tokens:
    """Token ids of texts, by a tokenizer of the `tokenizers` library.

    Attributes:
        room: most tokens of a text, without control tokens and the prompt.
    """

    def __init__(self, tokenizer: Tokenizer, rules: TokenRules) -> None:
        self.tokenizer, self.rules = tokenizer, rules
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True  # a "[SEP]" that a user typed stays text
        self._control = frozenset(rules.control.values())
        self._before, self._after = _frame(tokenizer)
        inside = rules.longest - len(self._before) - len(self._after)
        self.room = inside - len(self._content([rules.prompt])[0])
        self._inside = inside

    @classmethod
    def from_pretrained(cls, tokenizer: Any, rules: TokenRules) -> Self:
        """Wrap a fast tokenizer of `transformers`; `rules.control` is taken from it."""
        control = dict(zip(tokenizer.all_special_tokens, map(int, tokenizer.all_special_ids), strict=True))
        unknown = tokenizer.unk_token
        named = [tokenizer.bos_token, tokenizer.eos_token, tokenizer.cls_token, tokenizer.sep_token]
        if unknown not in named:  # CLIP's end of a text is its unknown token too
            control.pop(unknown, None)
        backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        return cls(backend, replace(rules, control=control))

    def count(self, text: str) -> int:
        """Count the tokens of a whole text, without control tokens and the prompt."""
        return len(self._content([self._clean(text)])[0])

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Return the sequences: control tokens, prompt and text, cut at the end of the text."""
        most = self.rules.longest * CHARS_PER_TOKEN
        content = self._content([self.rules.prompt + self._clean(text)[:most] for text in texts])
        # A text without tokens in a model without control tokens: one pad, as no sequence may be empty.
        return [[*self._before, *ids[: self._inside], *self._after] or [self.rules.pad] for ids in content]

    def cost(self, sequence: Ids) -> int:
        """Return the tokens that a sequence takes in a batch."""
        return self.rules.longest if self.rules.fixed else len(sequence)

    def pad(self, sequences: Sequence[Ids]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return ids and mask, int64 [n, longest], padded on the right unless the rules say otherwise."""
        longest = self.rules.longest if self.rules.fixed else max(map(len, sequences))
        ids = np.full((len(sequences), longest), self.rules.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            start = longest - len(sequence) if self.rules.left else 0
            ids[row, start : start + len(sequence)] = sequence
            mask[row, start : start + len(sequence)] = 1
        return ids, mask

    def _clean(self, text: str) -> str:
        valid = text.encode("utf-8", "replace").decode()
        return valid.lower() if self.rules.lower else valid

    def _content(self, texts: Sequence[str]) -> list[Ids]:
        found = self._ids(texts)
        # A unigram vocabulary holds its control tokens as pieces: their spelling is broken up.
        odd = [row for row, ids in enumerate(found) if not self._control.isdisjoint(ids)]
        if odd:
            broken = self._ids([self._broken(texts[row]) for row in odd])
            for row, ids in zip(odd, broken, strict=True):
                found[row] = [id for id in ids if id not in self._control]
        return found

    def _ids(self, texts: Sequence[str]) -> list[Ids]:
        return [one.ids for one in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def _broken(self, text: str) -> str:
        for spelling in self.rules.control:
            text = text.replace(spelling, f"{spelling[:1]} {spelling[1:]}")
        return text


def _frame(tokenizer: Tokenizer) -> tuple[Ids, Ids]:
    """Return the control tokens that the tokenizer puts before and after a text."""
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    return [], []
