"""Messages on the pages are sentences, and previews say where they are cut."""

from __future__ import annotations

import pytest

from uninote.service.app.search import PREVIEW_CHARS
from uninote.service.console.pages import beginning, sentence


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("picture a.png is damaged", "Picture a.png is damaged."),
        ("category: must be a text", "category: must be a text."),
        ("a.png is empty (0 bytes)", "a.png is empty (0 bytes)."),
        ("min_score: must be at most 1", "min_score: must be at most 1."),
        ("Send it once more.", "Send it once more."),
        ("是空的", "是空的."),
    ],
)
def test_a_message_begins_with_a_capital_and_ends_with_a_full_stop(message: str, shown: str) -> None:
    assert sentence(message) == shown


def test_a_cut_preview_ends_with_an_ellipsis() -> None:
    assert beginning("short") == "short"
    assert beginning("w" * (PREVIEW_CHARS - 2) + ". and more") == "w" * (PREVIEW_CHARS - 2) + "…"
