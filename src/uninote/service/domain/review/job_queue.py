"""Who works on jobs, and when: `procrastinate`, whose queue is in the same database.

The queue only wakes workers. The truth about a job is its row (`jobs`), so a lost or doubled wake-up costs
nothing: `recover` wakes for every unfinished job, and a second worker on a job steps back (see
`backcheck_worker.run`).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from sqlalchemy import text
from sqlalchemy.orm import Session

from uninote.errors import StoreError, UniNoteError
from uninote.service.db.engine import Database
from uninote.service.domain.review import backcheck_jobs, backcheck_worker

SCHEMA = "procrastinate"
TASK = "backcheck"
RECOVER_SECONDS = 60.0
STALLED_SECONDS = 30.0  # three beats of a worker's heart
AWAY_SECONDS = 60.0  # how long a worker waits for a database that is away
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('uninote.service.schema'))")
log = structlog.get_logger(__name__)


class JobQueue:
    """Wakes workers, and is one while `work` runs. Close it after use.

    stalled_seconds: a worker that showed no sign of life for so long is dead, and its jobs are taken over.
    """

    def __init__(
        self,
        database: Database,
        *,
        page: int = backcheck_worker.PAGE,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._database = database
        self._page = page
        self._stalled = stalled_seconds
        self._stopping = False
        _prepare(database)
        self._sync = procrastinate.App(connector=self._connector().get_sync_connector())
        self._sync.open()

    def submit(self, job_id: int) -> None:
        """Wake a worker for a job that is committed; a job that waits already is left alone.

        Raises StoreError when the database cannot be used.
        """
        try:
            self._defer(job_id)
        except ConnectorException:  # its connection may be a dead one, of a server that is there again
            self._database.transaction(_ping)
            try:
                self._defer(job_id)
            except ConnectorException as error:
                raise StoreError(f"job {job_id} cannot be queued: {error}") from error

    def recover(self) -> list[int]:
        """Wake workers for every job that is not over, as after a crash; gives their ids."""
        open_jobs = self._database.transaction(backcheck_jobs.unfinished)
        for job_id in open_jobs:
            self.submit(job_id)
        return open_jobs

    async def work(self, *, wait: bool = True, concurrency: int = 1) -> None:
        """Work on jobs until cancelled; with `wait=False` until there are none.

        Recovers jobs of dead workers on starting and every minute. A database that is away is waited for;
        raises StoreError when it stays away for a minute. Cancelled, it ends behind the page at hand.
        """
        self._stopping = False
        while True:
            try:
                return await self._work(wait, concurrency)
            except ConnectorException as error:
                log.warning("jobs.database_lost", reason=str(error))
                await self._until_back(time.monotonic() + AWAY_SECONDS)

    def close(self) -> None:
        """Stop behind the page at hand, and give back connections."""
        self._stopping = True
        self._sync.close()

    async def _work(self, wait: bool, concurrency: int) -> None:
        app = procrastinate.App(connector=self._connector())
        app.task(name=TASK)(self._run)
        async with app.open_async():
            if not wait:
                await asyncio.to_thread(self._release_stalled)
                await asyncio.to_thread(self.recover)
            worker = asyncio.create_task(
                app.run_worker_async(
                    wait=wait, concurrency=concurrency, install_signal_handlers=False, delete_jobs="always"
                )
            )
            recovering = asyncio.create_task(self._recover_forever())
            try:
                await asyncio.shield(worker)
            except asyncio.CancelledError:
                self._stopping = True  # a worker that is asked to stop waits for its jobs
                worker.cancel()
                await asyncio.gather(worker, return_exceptions=True)
                raise
            finally:
                recovering.cancel()

    async def _until_back(self, deadline: float) -> None:
        while True:
            try:
                return await asyncio.to_thread(self._database.transaction, _ping)
            except StoreError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.5)

    def _connector(self) -> procrastinate.PsycopgConnector:
        options = {"options": f"-c search_path={SCHEMA}"}
        return procrastinate.PsycopgConnector(
            conninfo=self._database.address, kwargs=options, min_size=0, max_size=4
        )

    def _defer(self, job_id: int) -> None:
        name = f"{TASK}:{job_id}"
        options: Any = {"name": TASK, "lock": name, "queueing_lock": name}
        try:
            self._sync.configure_task(**options, allow_unknown=True).defer(job_id=job_id)
        except AlreadyEnqueued:
            return

    def _run(self, job_id: int) -> None:
        backcheck_worker.run(self._database, job_id, page=self._page, stop=lambda: self._stopping)

    async def _recover_forever(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._release_stalled)
                await asyncio.to_thread(self.recover)
            except UniNoteError as error:
                log.warning("jobs.recovery_failed", reason=str(error))
            await asyncio.sleep(RECOVER_SECONDS)

    def _release_stalled(self) -> None:
        """Delete wake-ups whose worker died: their lock would hold back every later one of the job."""
        statement = f"""
            DELETE FROM {SCHEMA}.procrastinate_jobs AS job WHERE status = 'doing' AND NOT EXISTS (
                SELECT FROM {SCHEMA}.procrastinate_workers AS worker
                WHERE worker.id = job.worker_id
                    AND worker.last_heartbeat > now() - make_interval(secs => :seconds))
        """

        def release(session: Session) -> None:
            session.execute(text(f"SET LOCAL search_path = {SCHEMA}"))  # for the triggers of its tables
            session.execute(text(statement), {"seconds": self._stalled})

        self._database.transaction(release)


def _ping(session: Session) -> None:
    session.execute(text("SELECT 1"))


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
