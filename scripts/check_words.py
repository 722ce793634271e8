"""Linter of the project's language: refused words, and how a docstring begins. `make lint` runs it.

    python scripts/check_words.py PATH...        files and folders, *.py and *.md

Checks docstrings and comments of Python files, and the prose of Markdown files (no code, no link targets).
The rules are in `words.toml`. A line that holds `words: allow` is left alone.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ALLOW = "words: allow"
RULES = Path(__file__).with_name("words.toml")
NOUNS = {"property", "cached_property", "computed_field", "fixture"}  # their docstrings describe a thing
_CODE = re.compile(
    r"^(?P<fence>```|~~~).*?^(?P=fence)[^\n]*|^(?: {4}|\t).*?$|`[^`\n]+`|<!--.*?-->|\]\([^)\s]*\)",
    re.MULTILINE | re.DOTALL,
)
_SKIPPED = {".venv", ".git", "__pycache__", "site"}


class Text(NamedTuple):
    """A piece of prose and the line of its file that it begins on."""

    line: int
    text: str


class Problem(NamedTuple):
    """A violation, sorted by place."""

    line: int
    message: str


@cache
def rules() -> dict[str, dict[str, str]]:
    return tomllib.loads(RULES.read_text("utf-8"))


@cache
def _pattern(written: str) -> re.Pattern[str]:
    spaced = written.replace(" ", r"(?:[ \t]*\n[ \t#]*|[ \t]+)")
    return re.compile(rf"\b{spaced}\b", re.IGNORECASE)


@cache
def verbs() -> frozenset[str]:
    return frozenset(rules()["functions"]["verbs"].split())


def check(path: Path) -> list[Problem]:
    """Return the problems of one file, in the order of its lines."""
    source = path.read_text("utf-8")
    found = list(_markdown(source) if path.suffix == ".md" else _python(source))
    lines = source.splitlines()
    return sorted(one for one in found if ALLOW not in lines[one.line - 1])


def _markdown(source: str) -> Iterator[Problem]:
    blank = _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), source)
    return _refused(Text(1, blank))


def _python(source: str) -> Iterator[Problem]:
    for text in _comments(source):
        yield from _refused(text)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            written = ast.get_docstring(node, clean=False)
            if written is None:
                continue
            text = Text(node.body[0].lineno, written)
            yield from _refused(text)
            yield from _beginning(node, text)


def _comments(source: str) -> Iterator[Text]:
    """Yield the comments; lines of their own that follow each other are one text."""
    block: list[str] = []
    begin = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = token.line.lstrip().startswith("#")
            if block and not (alone and token.start[0] == begin + len(block)):
                yield Text(begin, "\n".join(block))
                block = []
            begin = begin if block else token.start[0]
            block.append(token.string)
    if block:
        yield Text(begin, "\n".join(block))


def _refused(text: Text) -> Iterator[Problem]:
    for written, instead in rules()["refused"].items():
        for found in _pattern(written).finditer(text.text):
            line = text.line + text.text.count("\n", 0, found.start())
            yield Problem(line, f"'{_shown(found)}': write {instead}")


def _beginning(node: ast.AST, text: Text) -> Iterator[Problem]:
    first = text.text.strip()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        word = re.match(r"[A-Za-z]*", first)[0]  # type: ignore[index]
        if word.lower() not in verbs() and not _is_noun(node):
            shown = first.split(maxsplit=1)[0] if first else ""
            yield Problem(text.line, f"docstring of {node.name}() begins with '{shown}', not with a verb")
        return
    for written, instead in rules()["docstrings"].items():
        if found := _pattern(written).match(first):
            yield Problem(text.line, f"docstring begins with '{_shown(found)}': {instead}")


def _shown(found: re.Match[str]) -> str:
    return " ".join(found[0].replace("#", " ").split())


def _is_noun(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = (ast.unparse(one).partition("(")[0].rpartition(".")[2] for one in node.decorator_list)
    return not NOUNS.isdisjoint(names)


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield every Python and Markdown file of the paths; a path that does not exist is an error."""
    for path in paths:
        if path.is_dir():
            inner = (one for end in ("py", "md") for one in path.rglob(f"*.{end}"))
            yield from sorted(one for one in inner if _SKIPPED.isdisjoint(one.parts))
        elif path.suffix in {".py", ".md"} and path.is_file():
            yield path
        else:
            raise SystemExit(f"{path}: no folder, Python file or Markdown file")


def main(paths: list[str]) -> int:
    """Print every problem; 1 when there is one."""
    found = [(path, one) for path in files(map(Path, paths)) for one in check(path)]
    for path, one in found:
        print(f"{path}:{one.line}: {one.message}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
