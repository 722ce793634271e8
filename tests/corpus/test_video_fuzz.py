"""Fuzzer of videos: seeded truncations and edits give frames, or a refusal that says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from uninote.corpus.readers import notes_from_records
from uninote.corpus.skips import SkipReport
from uninote.corpus.video import frames
from uninote.errors import PictureError
from uninote.settings import CorpusSettings

FILES = 120
MARKS = re.compile(r"0x[0-9a-f]+|\[Errno|: *$|\n")


def test_damaged_videos_give_frames_or_a_reason_and_keep_their_note(
    film: Callable[..., Path], tmp_path: Path, settings: CorpusSettings
) -> None:
    kinds = (("a.mp4", "mpeg4"), ("a.mkv", "mpeg4"), ("a.avi", "mpeg4"), ("a.ts", "mpeg2video"))
    whole = [film(name, count=12, codec=codec, noisy=True, fps=25).read_bytes() for name, codec in kinds]
    rng = np.random.default_rng(3)
    reasons: list[str] = []
    for number in range(FILES):
        data = bytearray(whole[number % len(whole)])
        if number % 3 == 0:
            del data[rng.integers(1, len(data)) :]
        elif number % 3 == 1:
            for place in rng.integers(0, len(data), 8):
                data[place] = rng.integers(256)
        else:
            start = rng.integers(2, len(data))
            del data[start : start + rng.integers(1, 200)]
        file = tmp_path / f"damaged{number}{Path(kinds[number % len(kinds)][0]).suffix}"
        file.write_bytes(bytes(data))
        try:
            assert frames(file, 4, settings)
        except PictureError as error:
            reasons.append(str(error))
    assert 0 < len(reasons) < FILES
    assert [reason for reason in reasons if MARKS.search(reason)] == []
    files = [file.name for file in tmp_path.glob("damaged*")]
    records = [{"id": name, "title": "a title", "video": name} for name in files]
    report = SkipReport()
    assert len(notes_from_records(records, tmp_path, settings, report)) == FILES
    assert set(report.counts()) == {"bad video"}
