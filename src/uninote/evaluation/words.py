"""Tokeniser for keyword search and explanations: words, and bigrams for Chinese, Japanese and Korean."""

from __future__ import annotations

import re

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_IS_CJK = re.compile(f"[{_CJK}]")
_TOKEN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")


def words(text: str) -> list[str]:
    """Split a text into lower-case words, in order; a run of CJK characters into overlapping bigrams."""
    found: list[str] = []
    for run in _TOKEN.findall(text.lower()):
        if len(run) > 1 and _IS_CJK.match(run):
            found += [run[i : i + 2] for i in range(len(run) - 1)]
        else:
            found.append(run)
    return found
