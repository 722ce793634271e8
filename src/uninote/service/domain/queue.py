"""Who works on jobs, and when: `procrastinate`, whose queue is in the same database.

The queue only wakes workers. The truth about a job is its row (`jobs`), so a lost or doubled wake-up costs
nothing: `recover` wakes for every unfinished job, and a second worker on a job steps back (`backcheck.run`).
"""

from __future__ import annotations

import asyncio
from typing import Any

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import text

from uninote.service.db.engine import Database
from uninote.service.domain import backcheck, jobs

SCHEMA = "procrastinate"
TASK = "backcheck"
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('uninote.service.schema'))")
RECOVER_SECONDS = 60.0


class JobQueue:
    """Wakes workers, and is one while `work` runs. Close it after use."""

    def __init__(self, database: Database, *, page: int = backcheck.PAGE) -> None:
        self._database = database
        self._page = page
        self._stopping = False
        _prepare(database)
        connector = procrastinate.PsycopgConnector(
            conninfo=database.address,
            kwargs={"options": f"-c search_path={SCHEMA}"},
            min_size=0,
            max_size=4,
        )
        self._app = procrastinate.App(connector=connector)
        self._task = self._app.task(name=TASK)(self._run)
        self._sync = procrastinate.App(connector=connector.get_sync_connector())
        self._sync.open()

    def submit(self, job_id: int) -> None:
        """Wake a worker for a job that is committed; a job that waits already is left alone."""
        name = f"{TASK}:{job_id}"
        options: Any = {"name": TASK, "lock": name, "queueing_lock": name}
        try:
            self._sync.configure_task(**options, allow_unknown=True).defer(job_id=job_id)
        except AlreadyEnqueued:
            return

    def recover(self) -> list[int]:
        """Wake workers for every job that is not over, as after a crash; gives their ids."""
        open_jobs = self._database.run(jobs.unfinished)
        for job_id in open_jobs:
            self.submit(job_id)
        return open_jobs

    async def work(self, *, wait: bool = True, concurrency: int = 1) -> None:
        """Work on jobs until cancelled; with `wait=False` until there are none. Recovers jobs of dead workers
        on starting and every minute."""
        self._stopping = False
        async with self._app.open_async():
            recovering = asyncio.create_task(self._recover_forever())
            try:
                if not wait:
                    await asyncio.to_thread(self.recover)
                await self._app.run_worker_async(
                    wait=wait,
                    concurrency=concurrency,
                    install_signal_handlers=False,
                    delete_jobs="always",
                )
            finally:
                self._stopping = True
                recovering.cancel()

    def close(self) -> None:
        """Stop after the present page, and give back connections."""
        self._stopping = True
        self._sync.close()

    def _run(self, job_id: int) -> None:
        backcheck.run(self._database, job_id, page=self._page, stop=lambda: self._stopping)

    async def _recover_forever(self) -> None:
        while True:
            await asyncio.to_thread(self._release_stalled)
            await asyncio.to_thread(self.recover)
            await asyncio.sleep(RECOVER_SECONDS)

    def _release_stalled(self) -> None:
        """Delete wake-ups whose worker died: their lock would hold back every later one of the job."""
        statement = f"""
            DELETE FROM {SCHEMA}.procrastinate_jobs AS job WHERE status = 'doing' AND NOT EXISTS (
                SELECT FROM {SCHEMA}.procrastinate_workers AS worker
                WHERE worker.id = job.worker_id AND worker.last_heartbeat > now() - interval '30 seconds')
        """
        self._database.run(lambda session: session.execute(text(statement)))


def _prepare(database: Database) -> None:
    """Create the queue's tables, once."""
    with database.engine.begin() as connection:
        connection.execute(_LOCK)
        there = connection.execute(text(f"SELECT to_regclass('{SCHEMA}.procrastinate_jobs')")).scalar()
        if there is None:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            connection.execute(text(f"SET LOCAL search_path = {SCHEMA}"))
            schema = procrastinate.schema.SchemaManager.get_schema()
            driver: Any = connection.connection.driver_connection
            driver.execute(schema)
