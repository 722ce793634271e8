"""Outputs that cannot be written: said before the work, by every command, in one line."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from sqlalchemy.exc import StatementError
from typer.main import get_command

from uninote.cli import app, main
from uninote.errors import ConfigError

FOLDERS, FILES = {"--cache", "--features", "--results"}, {"file"}
READ = {("bench", "page", "--results"), ("db", "restore", "file")}  # inputs of the same names


def outputs() -> Iterator[tuple[str, str, Any]]:
    """Yield the name of each command, the option or argument of an output, and the command."""

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str, Any]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*path, name))
        for one in command.params:
            for option in {*one.opts} & {"--out", *FOLDERS, *FILES}:
                if (*path, option) not in READ:
                    yield " ".join(path), option, command

    yield from walk(get_command(app), ())


OUTPUTS = sorted(outputs(), key=lambda output: output[:2])


def refused(command: Any, option: str, value: Path) -> str:
    """Return the error of parsing the option, empty if there is none; the command does not run."""
    try:
        command.make_context("", [*([option] if option.startswith("-") else []), str(value)])
    except ConfigError as error:
        return str(error)
    except typer.BadParameter:  # required arguments are missing, and looked at last
        return ""
    return ""


def test_the_outputs_of_all_commands_are_known() -> None:
    assert len(OUTPUTS) > 25
    assert {name.split()[0] for name, _, _ in OUTPUTS} == {
        *("annotate", "bench", "corpus", "db", "demo", "embed", "evaluate", "export", "index", "links"),
        *("merge", "mine", "pairs", "sample", "train"),
    }


@pytest.mark.parametrize(
    ("option", "command"), [output[1:] for output in OUTPUTS], ids=[" ".join(one[:2]) for one in OUTPUTS]
)
def test_what_cannot_be_written_is_refused_before_the_work(option: str, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    for value in (file / "inside", file / "deep" / "inside", Path("/proc/nothing/x"), Path("/dev/full")):
        message = refused(command, option, value)
        assert str(value) in message
        assert "name another path" in message
    # A folder where a file is wanted, or a file where a folder is.
    assert bool(refused(command, option, file)) != bool(refused(command, option, tmp_path))
    assert not refused(command, option, tmp_path / "new" / "one")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "kept"


@pytest.mark.parametrize("arguments", [["pairs", "{}", "--out", "{}"], ["embed", "{}", "-o", "{}/../file"]])
def test_an_input_is_not_replaced_by_the_output(arguments: list[str], tmp_path: Path) -> None:
    place = tmp_path / "file"
    (tmp_path / "file").mkdir() if arguments[0] == "embed" else place.write_text("kept")
    with pytest.raises(ConfigError, match="is an input of this command"):
        app([one.format(place) for one in arguments], standalone_mode=False)
    assert place.is_dir() or place.read_text() == "kept"


class Failing:
    """A command that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "out.jsonl.partial"),
            "out.jsonl: No space.*make room",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "notes.jsonl"),
            "notes.jsonl: Perm.*another path",
        ),
        (OSError("a library's words"), "^error: a library's words$"),
        (MemoryError(), "memory ran out.*batch_size"),
        (psycopg.OperationalError("connection failed: refused"), "the database cannot be reached: refused"),
        (
            StatementError("context", "SELECT 1", {}, psycopg.errors.ReadOnlySqlTransaction("no")),
            "the database is read-only: no",
        ),
    ],
)
def test_a_failure_of_the_machine_is_one_line(
    error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(Failing(error))
    shown = capsys.readouterr().err
    assert ended.value.code == 2
    assert re.search(sentence, shown)
    assert shown.count("\n") == 1


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        main(Failing(ZeroDivisionError()))
