"""Reasons are one readable line."""

from __future__ import annotations

import av
import pytest

from uninote.errors import PictureError, reason_of


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError(), "ValueError"),
        (ValueError("several\n  lines"), "several lines"),
        (MemoryError(), "not enough memory"),
        (TimeoutError(), "it took too long"),
        (KeyError("name"), "'name' is missing"),
        (OSError(2, "No such file or directory", "/data/a.png"), "No such file or directory: a.png"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is not utf-8 at byte 0"),
        (
            ValueError("cannot identify image file <_io.BytesIO object at 0x7f01>"),
            "cannot identify image file",
        ),
        (PictureError("a reason"), "a reason"),
        (ValueError("x" * 900), "x" * 500),
    ],
)
def test_reasons(error: Exception, said: str) -> None:
    assert reason_of(error) == said


def test_the_reason_of_a_video_has_no_number() -> None:
    with pytest.raises(av.error.InvalidDataError) as caught:
        av.open(__file__)
    assert reason_of(caught.value) == "Invalid data found when processing input"
