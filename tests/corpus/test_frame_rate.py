"""Frames of videos by rate: which ones, and when; against the rule of the library's processor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.corpus.test_video import greys, paced
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.video_utils import VideoMetadata

from uninote.corpus.frame_rate import chosen
from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.corpus.video import frames
from uninote.corpus.writer import write_notes
from uninote.items import Item, Moment, joined
from uninote.settings import CorpusSettings

RATE = CorpusSettings().by_rate()
Film = Callable[..., Path]


@pytest.mark.parametrize("fps", [7, 10, 23.976, 25, 29.97, 30, 60])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 33, 100, 731, 5000])
def test_frames_of_a_constant_rate_are_those_of_the_processor(fps: float, count: int) -> None:
    metadata = VideoMetadata(total_num_frames=count, fps=fps)
    processor = Qwen3VLVideoProcessor(max_frames=64)
    expected = processor.sample_frames(metadata, fps=2)
    found, moments = chosen([index / fps for index in range(count)], count / fps, 2.0, 64)
    assert found == expected.tolist()
    metadata.frames_indices = expected
    assert [one.time for one in moments] == pytest.approx(metadata.timestamps, abs=1e-9)
    assert moments[0].step == pytest.approx(1 / metadata.sampled_fps)


def test_frames_of_a_varying_rate_are_even_in_time() -> None:
    """Sample ten frames in the first second, and one in each of the nine seconds after it."""
    stamps = [n / 10 for n in range(10)] + list(range(1, 10))
    found, moments = chosen(stamps, 10.0, 0.4, 64)
    assert found == [0, 12, 15, 18]  # seconds 0, 3, 6 and 9; even indices would be 0, 6, 12 and 18
    assert [one.time for one in moments] == [0, 3, 6, 9]
    assert {one.step for one in moments} == {2.5}


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_frames_of_a_file(film: Film, name: str) -> None:
    pictures = frames(film(name, count=40), 64, RATE)  # 4 seconds at 10 a second
    indices = [0, 6, 11, 17, 22, 28, 33, 39]
    assert greys(pictures, RATE) == pytest.approx([255 * index / 39 for index in indices], abs=6)
    moments = [one.moment or Moment(-1, -1) for one in pictures]
    assert [one.time for one in moments] == pytest.approx([index / 10 for index in indices], abs=2e-3)
    assert moments[0].step == pytest.approx(0.5, abs=1e-3)
    assert all(one.frame for one in pictures)


def test_a_short_video_and_one_without_time_stamps(film: Film) -> None:
    (only,) = frames(film("one.mp4", count=1), 64, RATE)
    assert only.moment == Moment(0.0, 0.1)
    assert [one.moment for one in frames(film("two.mp4", count=2), 64, RATE)] == [
        Moment(0.0, 0.1),
        Moment(0.1, 0.1),
    ]
    assert len(frames(film("half.mp4", count=5), 64, RATE)) == 4  # half a second: at least four
    raw = frames(film("raw.m4v", count=40, container="m4v"), 64, RATE)
    assert greys(raw, RATE) == pytest.approx(greys(frames(film("a.mp4", count=40), 64, RATE), RATE), abs=6)
    assert all(one.moment for one in raw)


def test_a_long_video_is_sought(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film("long.mp4", count=1200, fps=10, size=(32, 32))
    pictures = frames(path, 8, RATE)
    expected = [255 * index / 1199 for index in np.linspace(0, 1199, 8).round()]
    assert greys(pictures, RATE) == pytest.approx(expected, abs=6)
    monkeypatch.setattr("uninote.corpus.video._SEEK_SECONDS", 1e9)
    assert frames(path, 8, RATE) == pictures
    monkeypatch.setattr("uninote.corpus.video._MAX_DECODED", 300)  # the rest of a hostile file is left out
    assert len(frames(path, 8, RATE)) == 2


def test_a_paced_file_is_sampled_by_time(tmp_path: Path) -> None:
    shown = [(n / 30, 20) for n in range(30)] + [(2.0, 120), (4.0, 160), (6.0, 220)]
    path = paced(tmp_path / "paced.mp4", shown, 2.0)
    settings = RATE.model_copy(update={"max_frames": 4})
    assert greys(frames(path, 64, settings), settings) == pytest.approx([20, 120, 160, 220], abs=6)


def test_a_video_counts_as_one_picture_and_is_written_and_read(film: Film, tmp_path: Path) -> None:
    film("a.mp4", count=200)
    film("b.mp4", count=40)
    record = {"id": "n", "title": "two videos", "video": ["a.mp4", "b.mp4"]}
    (tmp_path / "notes.jsonl").write_text(json.dumps(record))
    settings = CorpusSettings(max_pictures=2).by_rate()
    report = SkipReport()
    (note,) = read_notes(tmp_path / "notes.jsonl", settings, report)
    assert [len(group) for group in joined(note.pictures)] == [40, 8]
    again = write_notes([note], tmp_path / "again.jsonl")
    (read,) = read_notes(again, settings, report)
    assert read.item().key == note.item().key
    assert [one.moment for one in read.pictures] == [one.moment for one in note.pictures]
    assert not list(report)
    (tmp_path / "notes.jsonl").write_text(json.dumps(record | {"video": ["a.mp4", "b.mp4", "a.mp4"]}))
    (cut,) = read_notes(tmp_path / "notes.jsonl", settings, report)
    assert cut.item().key == note.item().key
    assert report.counts() == {"bad video": 1}


def test_keys_of_evenly_sampled_frames_are_as_before(film: Film) -> None:
    even = frames(film(count=40), 4, CorpusSettings())
    assert [one.moment for one in even] == [None] * 4
    timed = frames(film(count=40), 4, RATE)
    assert Item.of(timed[0]).key != Item.of(timed[1]).key
