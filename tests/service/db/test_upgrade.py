"""A database of commit 5dbdb82 opens, migrates and works; `make_old_database.py` says how it was made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from uninote.items import Note, Picture
from uninote.service.db.engine import Database
from uninote.service.domain.base import audit, keys, payload
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.notes import ingest, outbox, search
from uninote.service.domain.notes.ingest_types import Incoming
from uninote.service.domain.review import backcheck_jobs, verdicts
from uninote.service.domain.review.job_queue import JobQueue
from uninote.store.embedded import EmbeddedServer

pytestmark = pytest.mark.slow

DUMP = Path(__file__).parent / "database-5dbdb82.sql"
HIT = [f"n{row:02}" for row in range(6)]  # cosines 1.00 to 0.90, the threshold is 0.895
Toward = Callable[..., NDArray[Any]]


@pytest.fixture
def old(server: EmbeddedServer) -> str:
    """The address of a database as commit 5dbdb82 left it."""
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS old WITH (FORCE)")
        connection.execute("CREATE DATABASE old")
    address = server.address.replace("/postgres?", "/old?")
    with psycopg.connect(address) as connection:
        connection.execute(DUMP.read_text("utf-8"))  # type: ignore[arg-type]
    return address


def schemas(address: str) -> set[str]:
    with psycopg.connect(address) as connection:
        return {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace")}


def test_it_migrates_and_loses_nothing(old: str, at: Toward) -> None:
    assert "procrastinate" in schemas(old)
    with Database(old) as database:
        assert "procrastinate" not in schemas(old)

        def check(session: Session) -> None:
            model = versions.active(session)
            assert (model.version, versions.get(session, "m2").state) == ("m1", "loading")
            found = search.search(session, model, at(1.0), 3)
            assert [(hit.note_id, hit.score) for hit in found] == [
                ("n00", 1.0),
                ("n01", pytest.approx(0.98, abs=1e-3)),
                ("n02", pytest.approx(0.96, abs=1e-3)),
            ]
            (picture,) = payload.load_notes(session, ["n00"])["n00"].pictures
            assert (picture.data, picture.ocr, picture.description) == (b"png", ("read",), "a picture")
            ((verdict,),) = [verdicts.history(session, note) for note in ("n01",)]
            assert (verdict.verdict, verdict.comment) == ("true_positive", "indeed")
            assert [one.verdict for one in verdicts.matches_of(session, "n01")] == ["true_positive"]
            assert [(key.name, key.role) for key in keys.listing(session)] == [("app", "admin")]
            assert outbox.wanted(session)
            assert outbox.lag(session).rows == 12
            assert len(audit.entries(session, action="note.create")) == 12

        database.transaction(check)


def test_notes_are_matched_and_known_again(old: str, at: Toward) -> None:
    with Database(old) as database:
        matcher = Matcher()
        new = Incoming(Note("new", title="new"), {"m1": at(0.95)})
        allowed = Incoming(Note("allowed", title="allowed"), {"m1": at(-1.0)})
        known = Incoming(Note("n01", title="note 1", category="rain"), {"m1": at(0.98)})
        shown = Note(
            "n00",
            title="note 0",
            pictures=(Picture.from_bytes(b"png", ocr=("read",), description="a picture"),),
            category="rain",
        )
        outcomes = ingest.ingest(
            database, matcher, [new, allowed, known, Incoming(shown, {"m1": at(1.0)})], "app"
        )
        assert [(one.status, len(one.hits)) for one in outcomes] == [
            ("created", 1),
            ("created", 0),
            ("unchanged", 1),
            ("unchanged", 1),
        ]
        again = ingest.ingest(database, matcher, [known], "app", request=("key 1", f"{1:064}"))
        assert [one.status for one in again] == ["unchanged"]


def test_jobs_resume(old: str) -> None:
    with Database(old) as database:
        listed = database.transaction(backcheck_jobs.listing)
        assert [(job.state, job.done) for job in reversed(listed)] == [
            ("done", 12),
            ("running", 3),
            ("queued", 0),
        ]
        asyncio.run(JobQueue(database).work(wait=False))
        for job in listed:
            now = database.transaction(lambda session, job=job: backcheck_jobs.get(session, job.id))
            assert (now.state, now.done, now.hits) == ("done", 12, 6)
            found = database.transaction(lambda session, job=job: backcheck_jobs.hits(session, job.id))
            assert [hit.note_id for hit in found] == HIT


def test_a_queue_that_holds_tasks_of_another_program_is_kept(old: str) -> None:
    with psycopg.connect(old) as connection:
        connection.execute("UPDATE procrastinate.procrastinate_jobs SET task_name = 'other'")
    Database(old).close()
    assert "procrastinate" in schemas(old)


@pytest.mark.parametrize(
    "row",
    [
        "workers (last_heartbeat) VALUES (now())",
        "periodic_defers (task_name, defer_timestamp) VALUES ('other', 1)",
    ],
)
def test_a_queue_that_another_program_uses_is_kept_without_a_task(old: str, row: str) -> None:
    with psycopg.connect(old) as connection:
        connection.execute("SET search_path = procrastinate")
        connection.execute("DELETE FROM procrastinate_jobs")
        connection.execute(f"INSERT INTO procrastinate_{row}")
    Database(old).close()
    assert "procrastinate" in schemas(old)


@pytest.mark.parametrize("visible", [True, False])
def test_a_queue_of_another_owner_does_not_stop_the_upgrade(old: str, visible: bool) -> None:
    with psycopg.connect(old, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = 'upgrader'").fetchone() is None:
            connection.execute("CREATE ROLE upgrader")
        connection.execute("GRANT CREATE ON DATABASE old TO upgrader")
        connection.execute("GRANT ALL ON SCHEMA service TO upgrader")
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'service'"
        for (name,) in connection.execute(tables).fetchall():
            connection.execute(f"ALTER TABLE service.{name} OWNER TO upgrader")
        if visible:
            connection.execute("GRANT USAGE ON SCHEMA procrastinate TO upgrader")
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA procrastinate TO upgrader")
    Database(f"{old}&options=-c%20role%3Dupgrader").close()
    assert "procrastinate" in schemas(old)
