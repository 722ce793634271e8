"""Transactions as function calls: retries, refused values, and error messages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from uninote.errors import StoreError
from uninote.service.db import engine
from uninote.service.db.engine import Database
from uninote.service.db.note_tables import Forgotten
from uninote.service.errors import InvalidError


def add(digest: str) -> Callable[[Session], None]:
    return lambda session: session.add(Forgotten(id_hash=digest))


def stored(database: Database) -> list[str]:
    return database.transaction(
        lambda s: list(s.execute(text("SELECT id_hash FROM service.forgotten ORDER BY 1")).scalars())
    )


def end_connections(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_all_of_it_or_nothing(database: Database) -> None:
    def half(session: Session) -> None:
        session.add(Forgotten(id_hash="a"))
        session.flush()
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        database.transaction(half)
    assert stored(database) == []


def test_a_lost_connection_is_replaced_and_the_work_repeated(database: Database, address: str) -> None:
    database.transaction(add("a"))
    end_connections(address)
    database.transaction(add("b"))
    calls: list[int] = []

    def cut(session: Session) -> None:
        session.add(Forgotten(id_hash="c"))
        session.flush()
        calls.append(1)
        if len(calls) == 1:
            end_connections(address)

    database.transaction(cut)
    assert len(calls) == 2
    assert stored(database) == ["a", "b", "c"]


def test_two_that_deadlock_both_succeed(database: Database) -> None:
    database.transaction(lambda s: s.add_all([Forgotten(id_hash="a"), Forgotten(id_hash="b")]))
    meet = threading.Barrier(2, timeout=20)
    lock = text("SELECT 1 FROM service.forgotten WHERE id_hash = :one FOR UPDATE")
    tries: list[str] = []

    def cross(first: str, second: str) -> None:
        def work(session: Session) -> None:
            tries.append(first)
            session.execute(lock, {"one": first})
            if tries.count(first) == 1:
                meet.wait()
            session.execute(lock, {"one": second})

        database.transaction(work)

    threads = [threading.Thread(target=cross, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(tries) >= 3  # one of them had to begin again


def test_a_race_that_is_never_won_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAITS", (0.0, 0.0))
    tries: list[int] = []

    def lose(session: Session) -> None:
        tries.append(1)
        session.execute(text("DO 'BEGIN RAISE serialization_failure USING MESSAGE = ''try again''; END'"))

    with pytest.raises(StoreError, match="try again"):
        database.transaction(lose)
    assert len(tries) == 3


@pytest.mark.parametrize("value", ["a\0", "x" * 65, "\ud800"])
def test_a_value_that_no_column_holds_is_the_callers_mistake(database: Database, value: str) -> None:
    with pytest.raises(InvalidError):
        database.transaction(add(value))


def test_a_busy_pool_says_so(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 1)
    with Database(address, connections=1) as database:

        def twice(_: Session) -> Any:
            return database.transaction(lambda s: s.execute(text("SELECT 1")).scalar())

        with pytest.raises(StoreError, match="connections are busy"):
            database.transaction(lambda s: [s.execute(text("SELECT 1")), twice(s)])


def test_errors_name_no_values(database: Database) -> None:
    with pytest.raises(StoreError, match="the database failed") as error:
        database.transaction(
            lambda s: s.execute(text("SELECT 1 FROM service.nothing WHERE 'private' = :v"), {"v": "hidden"})
        )
    assert "hidden" not in str(error.value)
    assert "\n" not in str(error.value)


def test_without_shared_memory_queries_run_serially(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "lacks_shared_memory", lambda error: "segment" in str(error))
    shown = text("SHOW max_parallel_workers_per_gather")
    seen: list[str] = []

    def work(session: Session) -> None:
        seen.append(session.execute(shown).scalar_one())
        if seen[-1] != "0":
            session.execute(text("DO 'BEGIN RAISE disk_full USING MESSAGE = ''no segment''; END'"))

    database.transaction(work)
    assert seen == ["2", "0"]
    assert database.read(lambda session: session.execute(shown).scalar_one()) == "0"


def test_errors_of_long_work_are_translated(database: Database) -> None:
    with pytest.raises(StoreError, match="the database failed"), database.connect() as connection:
        connection.execute("SELECT 1 FROM service.nothing")
    with (
        pytest.raises(StoreError, match="the database failed"),
        database.try_lock("work"),
        database.try_lock("other") as held,
    ):
        held and held.execute("SELECT 1 FROM service.nothing")


def test_only_one_is_alone(database: Database, address: str) -> None:
    with database.try_lock("work", 1) as held:
        assert held is not None
        with Database(address) as other:
            with other.try_lock("work", 1) as refused:
                assert refused is None
            with other.try_lock("work", 2) as free:
                assert free is not None
    with database.try_lock("work", 1) as again:
        assert again is not None


def test_a_closed_database_stays_closed(address: str) -> None:
    database = Database(address)
    database.close()
    database.close()
    with Database(address) as other:
        assert stored(other) == []
