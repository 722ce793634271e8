"""Benchmarks and scripts: the names that they import from this package exist."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("scripts/*.py")])


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_imports_of_the_package_exist(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "uninote":
            module = import_module(str(node.module))
            for name in node.names:
                there = hasattr(module, name.name) or find_spec(f"{module.__name__}.{name.name}")
                assert there, f"{module.__name__} has no {name.name}"
