"""Hints about names that do not exist."""

from __future__ import annotations

import pytest

from uninote.hints import nearest


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("Fod", ["food", "travel"], "did you mean 'food'?"),
        ("spam", ["spam-10", "spam-2"], "did you mean 'spam-2' or 'spam-10'?"),
        ("xyz", ["b", "a", "", "d", "c"], "there are 'a', 'b', 'c' and 1 more"),
        ("xyz", ["a"], "there are 'a'"),
        ("xyz", [], "there are none yet"),
    ],
)
def test_the_nearest_names_else_the_first_ones(name: str, known: list[str], hint: str) -> None:
    assert nearest(name, known) == hint
