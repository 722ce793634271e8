from pathlib import Path

import pytest

from uninote.items import Note, Picture
from uninote.pipeline.state import RunState, fingerprint
from uninote.settings import load_settings


def test_a_finished_step_is_not_done_again(tmp_path: Path) -> None:
    calls = []

    def work() -> dict[str, int]:
        calls.append(1)
        return {"value": 7}

    assert RunState(tmp_path, "k").step("one", work) == {"value": 7}
    later = RunState(tmp_path, "k")
    assert later.step("one", work) == {"value": 7}
    assert len(calls) == 1
    assert later.seconds["one"] >= 0


def test_a_failed_step_is_done_again(tmp_path: Path) -> None:
    state = RunState(tmp_path, "k")
    with pytest.raises(RuntimeError):
        state.step("one", lambda: (_ for _ in ()).throw(RuntimeError("killed")))
    assert state.step("one", lambda: {"value": 1}) == {"value": 1}


def test_another_key_starts_afresh_and_clears_the_old(tmp_path: Path) -> None:
    RunState(tmp_path, "old").step("one", lambda: {"value": 1})
    assert RunState(tmp_path, "new").step("one", lambda: {"value": 2}) == {"value": 2}
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["new"]


def test_fingerprint_sees_text_annotations_and_settings() -> None:
    settings = load_settings()
    note = Note("a", "title", "body", (Picture.from_bytes(b"x", description="d"),))
    key = fingerprint([note], settings)
    assert key == fingerprint([note], load_settings())
    described = note.with_pictures((Picture.from_bytes(b"x", description="e"),))
    assert key != fingerprint([described], settings)
    assert key != fingerprint([note], load_settings(seed=1))
