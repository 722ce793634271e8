"""Categories: refused values, and sampling, which reports a fixed fraction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.service.errors import InvalidError


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": " "},
        {"name": "x" * 257},
        {"name": "a\0"},
        {"name": "\ud800"},
        {"sampling": 1.5},
        {"sampling": float("nan")},
        {"description": "\0"},
        {"disabled_until": datetime(2026, 1, 1)},
    ],
)
def test_bad_categories_are_refused(world: World, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        world.category(**({"name": "spam", "threshold": None} | options))
    assert world.rows("SELECT 1 FROM service.categories") == []


def test_sampling_hands_on_a_part(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", sampling=0.5)
    world.sample("spam", at(1.0))
    outcomes = world.ingest(*[note(f"n{number}", at(0.9)) for number in range(40)])
    assert 8 < sum(bool(one.hits) for one in outcomes) < 32
    assert len(world.rows("SELECT 1 FROM service.matches")) == sum(bool(one.hits) for one in outcomes)
