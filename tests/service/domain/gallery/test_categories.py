"""Categories: refused values, and sampling, which reports a fixed fraction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.service.db.gallery_tables import Category
from uninote.service.domain.base.written import Written
from uninote.service.domain.gallery import categories
from uninote.service.errors import ConflictError, InvalidError, NotFoundError, TakenError


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


def put(world: World, name: str, **options: Any) -> Written[Category, dict[str, Any]]:
    return world.database.transaction(lambda s: categories.put_category(s, name, "ops", **options))


def trace(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT revision, (SELECT count(*) FROM service.audit WHERE action = 'category.put')"
        " FROM service.gallery_state"
    )


def test_a_replacement_says_what_it_replaced(world: World) -> None:
    first = put(world, "spam", description="umbrellas", enabled=False, sampling=0.25)
    assert (first.before, first.changed) == (None, True)
    second = put(world, "spam")
    assert second.before == {
        "description": "umbrellas",
        "enabled": False,
        "disabled_until": None,
        "sampling": 0.25,
    }
    before = trace(world)
    assert not put(world, "spam").changed
    assert trace(world) == before


def test_a_new_category_takes_no_name_that_is_there(world: World) -> None:
    put(world, "Straße 1", description="umbrellas")
    with pytest.raises(TakenError, match="exists already"):
        put(world, "Straße 1", only_new=True)
    for name in ("straße 1", " Straße 1", "STRASSE  1", "Straße\u00a01", "Ｓtraße1"):
        with pytest.raises(TakenError, match="case or spaces only") as found:
            put(world, name)
        assert found.value.name == "Straße 1"
    assert world.rows("SELECT name, description FROM service.categories") == [("Straße 1", "umbrellas")]


def test_settings_that_someone_else_changed_are_not_overwritten(world: World) -> None:
    put(world, "spam", description="theirs")
    with pytest.raises(ConflictError, match="description is 'theirs', not 'seen'"):
        put(world, "spam", description="mine", expected={"description": "seen", "enabled": True})
    assert put(world, "spam", description="mine", expected={"description": "theirs"}).changed
    with pytest.raises(NotFoundError, match="deleted meanwhile"):
        put(world, "scam", expected={"description": ""})


def test_two_names_that_look_alike_do_not_pass_side_by_side(world: World) -> None:
    together = Barrier(2)

    def create(name: str) -> str:
        together.wait()
        try:
            return put(world, name).row.name
        except TakenError:
            return ""

    with ThreadPoolExecutor(2) as threads:
        assert sorted(map(bool, threads.map(create, ("spam", "Spam")))) == [False, True]
