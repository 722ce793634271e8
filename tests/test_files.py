"""Atomic files: the former file stays after exceptions and kills, and writes are flushed in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from uninote.files import write_atomic


def test_the_new_content_replaces_the_former_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("former")
    with write_atomic(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "former"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("several_writers", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_former_file_alone(
    tmp_path: Path, several_writers: bool, error: type[BaseException]
) -> None:
    path = tmp_path / "a.json"
    path.write_text("former")

    def write() -> None:
        with write_atomic(path, several_writers=several_writers) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("former")
    with pytest.raises(FileNotFoundError), write_atomic(path):
        pass
    assert path.read_text() == "former"


def test_after_a_kill_the_former_file_remains_and_the_next_writer_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("former")
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom uninote.files import write_atomic\n"
        "with write_atomic(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "former"
    assert [file.name for file in tmp_path.iterdir() if file != path] == ["a.json.partial"]
    with write_atomic(path) as partial:
        assert not partial.exists()
        partial.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_once_both_finish_and_the_last_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with (
        write_atomic(path, several_writers=True) as first,
        write_atomic(path, several_writers=True) as second,
    ):
        first.write_text("outer")
        second.write_text("inner")
    assert path.read_text() == "outer"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_the_move_and_the_move_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    flushed: list[tuple[Path, bool]] = []

    def fsync(handle: int) -> None:
        flushed.append((Path(os.readlink(f"/proc/self/fd/{handle}")), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with write_atomic(path) as partial:
        partial.write_text("new")
    assert flushed == [(partial.resolve(), False), (tmp_path.resolve(), True)]
