"""Idempotency keys are kept for a time."""

from __future__ import annotations

from datetime import timedelta

from tests.service.conftest import MakeNote, Toward, World

from uninote.service.domain.admin.expire import expire_requests


def test_old_request_keys_go_and_new_ones_stay(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("a", at(1.0)), request=("old", "digest"))
    world.ingest(note("b", at(1.0)), request=("new", "digest"))
    world.database.transaction(
        lambda s: s.connection().exec_driver_sql(
            "UPDATE service.requests SET created = now() - interval '8 days' WHERE key IN "
            "(SELECT key FROM service.requests ORDER BY created LIMIT 1)"
        )
    )
    assert world.database.transaction(expire_requests) == 1
    assert world.database.transaction(lambda s: expire_requests(s, timedelta(days=-1))) == 1
    assert world.database.transaction(expire_requests) == 0
