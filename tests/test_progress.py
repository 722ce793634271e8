"""Progress on standard error: a bar on a terminal, a plain line elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.terminal import on_a_terminal

from uninote import progress
from uninote.progress import show_progress

PROGRAM = """
import sys
from uninote.progress import show_progress
with show_progress("indexing", 3) as bar:
    for _ in range(3):
        bar.advance()
    print("a result")
"""


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_gets_a_bar() -> None:
    shown = on_a_terminal([sys.executable, "-c", PROGRAM])
    assert "━" in shown
    assert "3/3" in shown
    assert "a result" in shown
    assert " in 0." not in shown


def test_output_to_a_file_stays_in_the_file_while_a_bar_is_drawn(tmp_path: Path) -> None:
    shown = on_a_terminal([sys.executable, "-c", PROGRAM], tmp_path / "log")
    assert "3/3" in shown
    assert "a result" not in shown
    assert (tmp_path / "log").read_text() == "a result\n"


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "TERM"])
def test_a_file_gets_one_plain_line_whatever_the_environment_says(variable: str, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, variable: "xterm" if variable == "TERM" else "1"},
            check=True,
        )
    step, result = sorted((tmp_path / "log").read_text().splitlines(), reverse=True)
    assert step.startswith("indexing: 3 in ")
    assert step.endswith(" s")
    assert result == "a result"


def test_the_line_has_name_counts_and_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr("uninote.progress.time.monotonic", lambda: next(clock))
    with show_progress("git [main]", None, done=1000) as bar:
        bar.describe("pages [main]", 3000)
        bar.advance(500)
    assert capsys.readouterr() == ("", "pages [main]: 1,500 of 3,000 in 2.5 s\n")


def test_a_step_that_fails_says_how_far_it_got(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with show_progress("indexing", 5) as bar:
            bar.advance(2)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert capsys.readouterr().err.startswith("indexing: 2 of 5 in ")


def test_steps_without_units_hidden_and_short_transient_steps_print_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with show_progress("indexing", 0), show_progress("hidden", 3, show=False):
        pass
    with show_progress("encoding", 3, transient=True) as bar:
        bar.advance(3)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "BRIEF", 0)
    with show_progress("encoding", 3, transient=True) as bar:
        bar.advance(3)
    assert capsys.readouterr().err.startswith("encoding: 3 in ")
