"""Back-checks: hits, interruption and cancellation; no hit is missed or found twice."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.errors import StoreError
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.samples import delete_samples
from uninote.service.domain.notes import forget
from uninote.service.domain.review import backcheck_jobs, backcheck_worker, job_queue, verdicts
from uninote.service.domain.review.job_queue import JobQueue
from uninote.service.errors import ConflictError, InvalidError, NotFoundError
from uninote.store.protocol import Filter

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def fill(world: World, note: MakeNote, at: Toward, number: int = 12) -> None:
    """Store notes n00.. with scores 1.00, 0.98, ... to the first direction."""
    world.ingest(*[note(f"n{row:02}", at(1 - 0.02 * row)) for row in range(number)])


def create(world: World, *samples: int, **options: Any) -> int:
    return int(world.database.transaction(lambda s: backcheck_jobs.create(s, samples, "ana", **options)).id)


def progress(world: World, job: int) -> Any:
    return world.database.transaction(lambda s: backcheck_jobs.get(s, job))


def found(world: World, job: int) -> list[tuple[str, int]]:
    return [
        (hit.note_id, hit.sample_id)
        for hit in world.database.transaction(lambda s: backcheck_jobs.hits(s, job))
    ]


def test_a_new_sample_finds_history_and_records_matches(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    sample = world.sample("spam", at(1.0))
    job = create(world, sample, record=True)
    assert progress(world, job).total == 12
    assert backcheck_worker.run(world.database, job, page=5) == "done"
    assert found(world, job) == [(f"n{row:02}", sample) for row in range(6)]  # 1.00 to 0.90
    done = progress(world, job)
    assert (done.state, done.done, done.hits) == ("done", 12, 6)
    matches = world.rows("SELECT note_id, source, threshold FROM service.matches ORDER BY note_id")
    assert matches == [(f"n{row:02}", "backcheck", 0.895) for row in range(6)]
    again = create(world, sample, record=True)
    backcheck_worker.run(world.database, again)
    assert found(world, again) == found(world, job)
    assert len(world.rows("SELECT 1 FROM service.matches")) == 6


def test_it_finds_what_the_online_match_would_have_found(world: World, note: MakeNote) -> None:
    rng = np.random.default_rng(3)
    world.category("a", 0.5)
    world.category("b", 0.6)
    vectors = rng.normal(size=(80, 8))
    world.ingest(*[note(f"early{row}", vector) for row, vector in enumerate(vectors)])
    samples = [
        world.sample("ab"[row % 2], vector, allow=row % 5 == 4)
        for row, vector in enumerate(rng.normal(size=(20, 8)))
    ]
    plain = [sample for row, sample in enumerate(samples) if row % 5 != 4]
    job = create(world, *plain, record=True)
    backcheck_worker.run(world.database, job, page=7)
    world.ingest(*[note(f"later{row}", vector) for row, vector in enumerate(vectors)])
    statement = (
        "SELECT substr(note_id, 6), sample_id, score, threshold FROM service.matches "
        "WHERE source = '{}' ORDER BY 1, 2"
    )
    online = world.rows(statement.format("online"))
    assert len(online) > 50
    assert world.rows(statement.format("backcheck")) == online


def test_filters_and_a_threshold_of_its_own(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", None)
    world.ingest(
        note("a", at(0.9), category="food", kind="video", time=DAY),
        note("b", at(0.9), category="food", kind="note", time=DAY + timedelta(hours=1)),
        note("c", at(0.9), category="travel", kind="note"),
    )
    sample = world.sample("spam", at(1.0))
    for filter, expected in (
        (Filter(), "abc"),
        (Filter(kinds=("note",)), "bc"),
        (Filter(kinds=()), ""),
        (Filter(categories=("food", "\0")), "ab"),
        (Filter(since=DAY + timedelta(minutes=1)), "b"),
        (Filter(until=DAY + timedelta(minutes=1)), "a"),
    ):
        job = create(world, sample, threshold=0.5, filter=filter)
        assert backcheck_worker.run(world.database, job) == "done"
        assert [name for name, _ in found(world, job)] == list(expected), filter
        assert progress(world, job).total == progress(world, job).done == len(expected)
    with pytest.raises(InvalidError, match="no threshold"):
        create(world, sample)


def test_a_stopped_job_goes_on_behind_the_last_page(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    job = create(world, sample := world.sample("spam", at(1.0)))
    assert backcheck_worker.run(world.database, job, page=3, stop=lambda: True) == "running"
    assert progress(world, job).done == 3
    world.database.transaction(lambda s: forget.forget(s, ["n02"], "ops"))  # the note at its cursor
    assert backcheck_worker.run(world.database, job, page=3) == "done"
    assert found(world, job) == [(f"n{row:02}", sample) for row in (0, 1, 3, 4, 5)]
    assert progress(world, job).done == 12


def test_cancel_and_resume(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    sample = world.sample("spam", at(1.0))
    waiting, running = create(world, sample), create(world, sample, record=True)
    assert world.database.transaction(lambda s: backcheck_jobs.cancel(s, waiting, "bo")).state == "cancelled"
    assert backcheck_worker.run(world.database, waiting) == "cancelled"
    backcheck_worker.run(world.database, running, page=3, stop=lambda: True)
    assert world.database.transaction(lambda s: backcheck_jobs.cancel(s, running, "bo")).state == "running"
    assert backcheck_worker.run(world.database, running, page=3) == "cancelled"
    assert (progress(world, running).done, len(found(world, running))) == (3, 3)
    with pytest.raises(ConflictError, match="cancelled"):
        world.database.transaction(lambda s: backcheck_jobs.cancel(s, running, "bo"))
    world.database.transaction(lambda s: backcheck_jobs.resume(s, running, "bo"))
    assert backcheck_worker.run(world.database, running, page=3) == "done"
    assert len(found(world, running)) == 6
    with pytest.raises(ConflictError, match="done"):
        world.database.transaction(lambda s: backcheck_jobs.resume(s, running, "bo"))


def test_one_worker_at_a_time(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    job = create(world, world.sample("spam", at(1.0)))
    with world.database.try_lock("uninote.job", job) as held:
        assert held is not None
        assert backcheck_worker.run(world.database, job) == "queued"
        assert progress(world, job).done == 0
    assert backcheck_worker.run(world.database, job) == "done"


def test_a_note_that_changed_since_it_was_read_is_left_out(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.category("spam", 0.895)
    fill(world, note, at, 2)
    job = create(world, world.sample("spam", at(1.0)), record=True)
    search = backcheck_worker._search

    def meanwhile(*arguments: Any) -> None:
        world.ingest(note("n00", at(0.0, 1.0), "changed"))
        search(*arguments)

    monkeypatch.setattr(backcheck_worker, "_search", meanwhile)
    assert backcheck_worker.run(world.database, job) == "done"
    assert [name for name, _ in found(world, job)] == ["n01"]
    assert world.rows("SELECT note_id FROM service.matches") == [("n01",)]


def test_new_content_takes_away_what_was_found_in_the_old(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.895)
    fill(world, note, at, 2)
    job = create(world, world.sample("spam", at(1.0)), record=True)
    backcheck_worker.run(world.database, job)
    world.ingest(note("n00", at(0.0, 1.0), "changed"))
    assert [name for name, _ in found(world, job)] == ["n01"]
    assert world.database.transaction(lambda s: verdicts.matches_of(s, "n00")) == []


def test_a_sample_deleted_on_the_way_ends_nothing(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    gone, kept = world.sample("spam", at(1.0)), world.sample("spam", at(1.0))
    job = create(world, gone, kept)
    backcheck_worker.run(world.database, job, page=3, stop=lambda: True)
    world.database.transaction(lambda s: delete_samples(s, [gone], "ops"))
    assert backcheck_worker.run(world.database, job, page=3) == "done"
    assert found(world, job) == [(f"n{row:02}", kept) for row in range(6)]


def test_a_job_that_cannot_go_on_says_why_and_can_be_resumed(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    job = create(world, world.sample("spam", at(1.0)))
    for error, reason in (
        (StoreError("the disk is full"), "the disk is full"),
        (KeyError("private"), "KeyError"),
    ):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(backcheck_worker, "_search", fail)
        with pytest.raises(type(error)):
            backcheck_worker.run(world.database, job)
        assert (progress(world, job).state, progress(world, job).error) == ("failed", reason)
        world.database.transaction(lambda s: backcheck_jobs.resume(s, job, "bo"))
    monkeypatch.undo()
    assert backcheck_worker.run(world.database, job) == "done"
    assert len(found(world, job)) == 6


def test_bad_jobs_are_refused(world: World, at: Toward) -> None:
    world.category("spam", 0.895)
    sample, allowed = world.sample("spam", at(1.0)), world.sample("spam", at(1.0), allow=True)
    world.database.transaction(lambda s: versions.add(s, "m2", 4, "ops"))
    for samples, options, error, reason in (
        ([], {}, InvalidError, "at least one"),
        ([999], {}, NotFoundError, "sample 999"),
        ([allowed], {}, InvalidError, "allow-list"),
        ([sample], {"threshold": float("nan")}, InvalidError, "cosine"),
        ([sample], {"version": "m2", "threshold": 0.5}, InvalidError, "no vector of 'm2'"),
        ([sample], {"version": "m9"}, NotFoundError, "m9"),
        ([sample], {"filter": Filter(since=datetime(2026, 1, 1))}, InvalidError, "time zone"),
    ):
        with pytest.raises(error, match=reason):
            create(world, *samples, **options)
    with pytest.raises(NotFoundError):
        progress(world, 999)
    assert world.rows("SELECT 1 FROM service.jobs") == []


def test_export(world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backcheck_worker, "PAGE", 2)
    world.category("spam", 0.895)
    world.ingest(note("=1+1", at(1.0), category="a,b", time=DAY), note("n1", at(1.0)), note("n2", at(1.0)))
    sample = world.sample("spam", at(1.0))
    job = create(world, sample)
    backcheck_worker.run(world.database, job)
    lines = [json.loads(line) for line in backcheck_worker.export(world.database, job)]
    assert [line["note_id"] for line in lines] == ["=1+1", "n1", "n2"]
    assert lines[0] == {
        "note_id": "=1+1",
        "sample_id": sample,
        "sample_category": "spam",
        "score": 1.0,
        "kind": "note",
        "category": "a,b",
        "time": DAY.isoformat(),
    }
    rows = list(csv.reader(backcheck_worker.export(world.database, job, "csv")))
    assert rows[0][:3] == ["note_id", "sample_id", "sample_category"]
    assert [row[0] for row in rows[1:]] == ["'=1+1", "n1", "n2"]
    assert rows[1][5] == "a,b"


def test_workers_take_jobs_from_the_queue(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    first, second = (create(world, world.sample("spam", at(1.0))) for _ in range(2))
    queue = JobQueue(world.database, page=3)
    queue.wake()
    queue.wake()  # a doubled wake-up
    asyncio.run(queue.work(wait=False))
    assert [progress(world, job).state for job in (first, second)] == ["done", "done"]
    assert world.database.transaction(backcheck_jobs.unfinished) == []
    queue.close()


def test_a_job_that_fails_holds_no_other_back(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    broken, good = (create(world, world.sample("spam", at(1.0))) for _ in range(2))
    search = backcheck_worker._search

    def fail(session: Any, job: Any, notes: Any) -> None:
        if job.id == broken:
            raise KeyError("private")
        search(session, job, notes)

    monkeypatch.setattr(backcheck_worker, "_search", fail)
    asyncio.run(JobQueue(world.database).work(wait=False))
    assert [progress(world, job).state for job in (broken, good)] == ["failed", "done"]


def test_a_wake_up_and_a_poll_reach_a_worker_that_waits(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    sample = world.sample("spam", at(1.0))

    async def finished(queue: JobQueue, wake: bool) -> None:
        worker = asyncio.create_task(queue.work())
        job = create(world, sample)
        if wake:
            queue.wake()
        async with asyncio.timeout(60):
            while progress(world, job).state != "done":
                await asyncio.sleep(0.05)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    monkeypatch.setattr(job_queue, "POLL_SECONDS", 3600.0)
    asyncio.run(finished(JobQueue(world.database), wake=True))
    monkeypatch.setattr(job_queue, "POLL_SECONDS", 0.05)
    asyncio.run(finished(JobQueue(world.database), wake=False))


LOCKS = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE locktype = 'advisory' AND datname = current_database()
"""
WORKER = """
import asyncio, sys
from uninote.service.db.engine import Database
from uninote.service.domain.review.job_queue import JobQueue

asyncio.run(JobQueue(Database(sys.argv[1]), page=1).work())
"""


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_worker_is_followed_by_another(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.895)
    world.ingest(*[note(f"n{row:03}", at(0.95)) for row in range(40)])
    job = create(world, world.sample("spam", at(1.0)), record=True)
    queue = JobQueue(world.database)
    with psycopg.connect(world.database.address) as blocker:
        blocker.execute("SELECT 1 FROM service.notes WHERE id = 'n003' FOR UPDATE")  # the fourth page waits
        process = subprocess.Popen([sys.executable, "-c", WORKER, world.database.address])
        until(lambda: progress(world, job).done == 3, process)
        process.kill()
        process.wait()
    until(lambda: world.rows(LOCKS) == [(0,)])  # the server has noticed
    left = progress(world, job)
    assert (left.state, left.done) == ("running", 3)
    asyncio.run(queue.work(wait=False))
    queue.close()
    after = progress(world, job)
    assert (after.state, after.done, after.hits, len(found(world, job))) == ("done", 40, 40, 40)
    assert world.rows("SELECT count(*), count(DISTINCT note_id) FROM service.matches") == [(40, 40)]


def test_a_cancelled_worker_ends_behind_its_page(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.category("spam", 0.895)
    fill(world, note, at)
    job = create(world, world.sample("spam", at(1.0)))
    queue = JobQueue(world.database, page=1)

    async def stop_early() -> None:
        began = asyncio.Event()
        loop = asyncio.get_running_loop()
        step, close, closed = backcheck_worker.step, queue.close, threading.Event()

        def slow(*arguments: Any) -> str:
            loop.call_soon_threadsafe(began.set)
            assert closed.wait(30)
            return step(*arguments)

        def close_first() -> None:
            close()
            closed.set()

        monkeypatch.setattr(queue, "close", close_first)
        monkeypatch.setattr(backcheck_worker, "step", slow)
        worker = asyncio.create_task(queue.work())
        await asyncio.wait_for(began.wait(), 30)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    asyncio.run(stop_early())
    monkeypatch.undo()
    assert progress(world, job).state == "running"
    assert progress(world, job).done == 1
    asyncio.run(queue.work(wait=False))
    assert progress(world, job).state == "done"
    assert len(found(world, job)) == 6
    queue.close()


def test_an_equal_job_that_is_open_is_not_made_twice(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    fill(world, note, at, 3)
    sample = world.sample("spam", at(1.0))
    job = create(world, sample)
    assert create(world, sample) == job
    assert world.rows("SELECT count(*) FROM service.audit WHERE action = 'job.create'") == [(1,)]
    assert create(world, sample, record=True) != job
    world.category("spam", 0.5)  # a new threshold: the same form asks for another search
    changed = create(world, sample)
    assert changed != job
    backcheck_worker.run(world.database, changed, page=1, stop=lambda: True)
    for _ in range(2):
        world.database.transaction(lambda s: backcheck_jobs.cancel(s, changed, "ana"))
    assert world.rows("SELECT count(*) FROM service.audit WHERE action = 'job.cancel'") == [(1,)]
    assert create(world, sample) != changed
