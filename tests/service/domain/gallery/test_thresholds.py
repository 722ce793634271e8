"""Thresholds per category and model version, with their history."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.conftest import World

from uninote.service.domain.base import audit
from uninote.service.domain.gallery import thresholds, thresholds_in_force, versions
from uninote.service.errors import ConflictError, InvalidError, NotFoundError


def test_the_newest_is_in_force_and_the_others_stay(world: World) -> None:
    world.category("spam", None)
    model = world.database.transaction(versions.active)
    for value in (0.7, 0.8, 0.75):
        world.database.transaction(lambda s, v=value: thresholds.put(s, "spam", "m1", v, "ana", f"why {v}"))
    assert world.database.transaction(lambda s: thresholds_in_force.in_force(s, model.id)) == {"spam": 0.75}
    history = world.database.transaction(lambda s: thresholds.history(s, "spam"))
    assert [(one.value, one.actor, one.reason) for one in history] == [
        (0.75, "ana", "why 0.75"),
        (0.8, "ana", "why 0.8"),
        (0.7, "ana", "why 0.7"),
    ]
    logged = world.database.transaction(lambda s: audit.entries(s, action="threshold.put", limit=2))
    assert [one.details["value"] for one in logged] == [0.75, 0.8]


def test_versions_have_their_own(world: World) -> None:
    world.category("spam", 0.7)
    world.category("off", None, enabled=False)
    other = world.database.transaction(lambda s: versions.add(s, "m2", 4, "ops"))
    missing = world.database.transaction(lambda s: thresholds_in_force.without_threshold(s, other.id))
    assert missing == ["spam"]
    world.database.transaction(lambda s: thresholds.put(s, "spam", "m2", 0.5, "ops"))
    assert world.database.transaction(lambda s: thresholds_in_force.in_force(s, other.id)) == {"spam": 0.5}
    assert [
        one.value for one in world.database.transaction(lambda s: thresholds.history(s, "spam", "m1"))
    ] == [0.7]


@pytest.mark.parametrize(
    ("category", "version", "value", "error"),
    [
        ("spam", "m1", 1.5, InvalidError),
        ("spam", "m1", float("nan"), InvalidError),
        ("none", "m1", 0.5, NotFoundError),
        ("spam", "m9", 0.5, NotFoundError),
    ],
)
def test_bad_ones_are_refused(
    world: World, category: str, version: str, value: float, error: type[Exception]
) -> None:
    world.category("spam", None)
    with pytest.raises(error):
        world.database.transaction(lambda s: thresholds.put(s, category, version, value, "ops"))


def put(world: World, value: float, **options: Any) -> Any:
    return world.database.transaction(lambda s: thresholds.put(s, "spam", "m1", value, "ana", **options))


def test_the_value_in_force_is_not_written_again(world: World) -> None:
    world.category("spam", None)
    first = put(world, 0.7, reason="volume 10")
    assert first.changed
    for again in (put(world, 0.7), put(world, 0.7, reason="volume 10"), put(world, 0.7, expected=None)):
        assert (again.row.id, again.before, again.changed) == (first.row.id, 0.7, False)
    assert put(world, 0.7, reason="another").changed
    assert len(world.rows("SELECT 1 FROM service.thresholds")) == 2


def test_a_value_that_someone_else_set_is_not_overwritten(world: World) -> None:
    world.category("spam", None)
    put(world, 0.7, expected=None)
    with pytest.raises(ConflictError, match=r"0\.7 is in force, not none; 0\.8 was not saved"):
        put(world, 0.8, expected=None)
    with pytest.raises(ConflictError, match=r"0\.7 is in force, not 0\.6"):
        put(world, 0.8, expected=0.6)
    replaced = put(world, 0.8, expected=0.7)
    assert (replaced.row.value, replaced.before) == (0.8, 0.7)
    assert put(world, 0.9).changed  # not checked
