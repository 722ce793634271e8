"""Poll loop over unfinished back-check jobs; any number of processes may run one on the same database.

The `jobs` row is the truth about a job, and an advisory lock names the process that works on it
(`backcheck_worker.run`). The lock ends with its connection, so the job of a dead process is free at once and
the next poll of any process takes it over.
"""

from __future__ import annotations

import asyncio
from threading import Event

import structlog

from uninote.errors import UniNoteError
from uninote.service.db.engine import Database
from uninote.service.domain.review import backcheck_jobs, backcheck_worker

POLL_SECONDS = 2.0  # until a job that another process created is seen
log = structlog.get_logger(__name__)


class JobQueue:
    """Works on jobs while `work` runs. Close it after use."""

    def __init__(self, database: Database, *, page: int = backcheck_worker.PAGE) -> None:
        self._database = database
        self._page = page
        self._wake, self._stopping = Event(), Event()

    def wake(self) -> None:
        """Poll now: a job was committed. May be called from any thread."""
        self._wake.set()

    async def work(self, *, wait: bool = True) -> None:
        """Work on jobs, the oldest first, until cancelled; with `wait=False` until none can be worked on.

        A job that fails says so in its row. While the database is away, polling continues. Cancelling ends
        the work after its current page.
        """
        self._stopping.clear()
        loop = asyncio.ensure_future(asyncio.to_thread(self._loop, wait))
        try:
            await asyncio.shield(loop)
        except asyncio.CancelledError:
            self.close()
            await asyncio.wait([loop])
            raise

    def close(self) -> None:
        """Stop after the current page."""
        self._stopping.set()
        self._wake.set()

    def _loop(self, wait: bool) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                finished = self._work_on_all()
            except UniNoteError as error:
                log.warning("jobs.poll_failed", reason=str(error))
                finished = False
            if not finished:
                if not wait:
                    return
                self._wake.wait(POLL_SECONDS)

    def _work_on_all(self) -> bool:
        """Work on every job that no other process works on; return whether one came to its end."""
        states = []
        for job_id in self._database.transaction(backcheck_jobs.unfinished):
            if self._stopping.is_set():
                break
            try:
                states.append(
                    backcheck_worker.run(self._database, job_id, page=self._page, stop=self._stopping.is_set)
                )
            except Exception as error:  # the others are still worked on
                log.warning("jobs.failed", job=job_id, error=type(error).__name__)
        return any(state not in backcheck_jobs.OPEN for state in states)
