"""Linter of words: refused words, places that it checks, and excepted lines."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "check_words.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_words", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WORDS = load()


def problems(folder: Path, name: str, text: str) -> list[tuple[int, str]]:
    (folder / name).write_text(text, "utf-8")
    return [(one.line, one.message) for one in WORDS.check(folder / name)]


@pytest.mark.parametrize(
    ("prose", "word"),
    [
        ("It waits behind the queue.", "behind"),
        ("A table beside the rows, besides others.", "beside"),
        ("Copies are dear.", "dear"),
        ("It is read anew.", "anew"),
        ("Whoever calls it waits.", "Whoever"),
        ("Mended by hand.", "Mended"),
        ("The other notes go on.", "go on"),
        ("It goes\non.", "goes on"),
        ("A job in line.", "in line"),
        ("The batch at hand.", "at hand"),
        ("Failures are told.", "told"),
        ("Kept so long as it is used.", "so long as"),
        ("It sees to that.", "sees to"),
        ("Everything that is there.", "that is there"),
    ],
)
def test_a_refused_word_is_found_in_prose_docstrings_and_comments(
    tmp_path: Path, prose: str, word: str
) -> None:
    asked = f"'{word}'"
    assert problems(tmp_path, "page.md", f"# Title\n\n{prose}\n")[0][1].startswith(asked)
    assert problems(tmp_path, "a.py", f'"""Cache of rows.\n\n{prose}\n"""\n')[0][1].startswith(asked)
    comment = "\n".join(f"    # {line}" for line in prose.split("\n"))
    assert problems(tmp_path, "b.py", f"if True:\n{comment}\n    pass\n")[0][1].startswith(asked)


@pytest.mark.parametrize(
    "prose",
    [
        "Run it behind a proxy, behind nginx or behind your own load balancer.",
        "The numbers are in line with the goals; the fault is in line 3.",
        "Use `beside` and `--behind`, see [the page](beside.md).",
        "Amended rows are recommended to old lines.",
        "It goes\n\non a new paragraph.",
    ],
)
def test_technical_uses_and_code_are_left_alone(tmp_path: Path, prose: str) -> None:
    assert problems(tmp_path, "page.md", prose) == []


def test_fences_indented_blocks_and_strings_are_code(tmp_path: Path) -> None:
    page = "Text.\n\n```sh\necho beside\n```\n\n    beside\n\n<!-- beside -->\n"
    assert problems(tmp_path, "page.md", page) == []
    assert problems(tmp_path, "a.py", 'TEXT = "beside"\n') == []


def test_places_are_lines_of_the_file(tmp_path: Path) -> None:
    assert [line for line, _ in problems(tmp_path, "page.md", "One.\n\nTwo beside.\n\n`x`\nanew\n")] == [3, 6]
    code = '"""Cache.\n\nIt is dear.\n"""\n\nx = 1  # beside\n# anew\n# behind\n'
    assert [line for line, _ in problems(tmp_path, "a.py", code)] == [3, 6, 7, 8]


def test_a_line_can_be_excepted(tmp_path: Path) -> None:
    assert problems(tmp_path, "page.md", "A table beside it. <!-- words: allow -->\n") == []
    assert problems(tmp_path, "a.py", "x = 1  # beside; words: allow\n") == []


@pytest.mark.parametrize(
    ("docstring", "refused"),
    [
        ("What every note asks of the database.", True),
        ("Who works on jobs, and when.", True),
        ("How notes are read.", True),
        ("The one that is asked.", True),
        ("A thing that waits.", True),
        ("They wait.", True),
        ("Everything about keys.", True),
        ("Group commit of concurrent requests.", False),
        ("A bounded queue.", False),
        ("The gallery of one model version.", False),
        ("Whole-note encoder.", False),
    ],
)
def test_modules_and_classes_begin_with_a_noun(tmp_path: Path, docstring: str, refused: bool) -> None:
    assert bool(problems(tmp_path, "a.py", f'"""{docstring}"""\n')) is refused
    assert bool(problems(tmp_path, "b.py", f'class A:\n    """{docstring}"""\n')) is refused


@pytest.mark.parametrize(
    ("docstring", "refused"),
    [
        ("Return the rows.", False),
        ("Load a model; raise ModelError when none is found.", False),
        ("Re-read the file.", True),
        ("Returns the rows.", True),
        ("The rows of a page.", True),
        ("`text` without spaces.", True),
        ("½ of it.", True),
    ],
)
def test_functions_begin_with_a_verb(tmp_path: Path, docstring: str, refused: bool) -> None:
    plain = f'async def a():\n    """{docstring}"""\n'
    assert bool(problems(tmp_path, "a.py", plain)) is refused
    method = f'class A:\n    def a(self):\n        """{docstring}"""\n'
    assert bool(problems(tmp_path, "b.py", method)) is refused


@pytest.mark.parametrize(
    "decorator", ["property", "functools.cached_property", 'pytest.fixture(scope="module")']
)
def test_docstrings_of_properties_and_fixtures_may_begin_with_a_noun(tmp_path: Path, decorator: str) -> None:
    assert problems(tmp_path, "a.py", f'@{decorator}\ndef a():\n    """The rows of a page."""\n') == []


def test_the_command_prints_places_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "page.md").write_text("It is dear.\n")
    (tmp_path / "good.py").write_text('"""Cache."""\n')
    assert WORDS.main([str(tmp_path / "good.py")]) == 0
    assert capsys.readouterr().out == ""
    assert WORDS.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{tmp_path}/inner/page.md:1: 'dear': write expensive\n"
    with pytest.raises(SystemExit, match="no folder, Python file or Markdown file"):
        WORDS.main([str(tmp_path / "none")])


def test_the_linter_keeps_its_own_rules() -> None:
    assert WORDS.check(SCRIPT) == []
