"""Poll loop over unfinished back-check jobs; any number of processes may run one on the same database.

A job is a row of the database, and the process that works on it holds an advisory lock
(`backcheck_worker.run`). The lock ends with its connection, so after a crash the next poll of any process
takes the job over.
"""

from __future__ import annotations

import asyncio
from threading import Event

import structlog

from uninote.errors import UniNoteError
from uninote.service.db.engine import Database
from uninote.service.domain.review import backcheck_jobs, backcheck_worker

POLL_SECONDS = 2.0  # until a job that another process created is found
log = structlog.get_logger(__name__)


class JobQueue:
    """Queue of back-check jobs, processed while `work` runs. Close it after use."""

    def __init__(self, database: Database, *, page: int = backcheck_worker.PAGE) -> None:
        self._database = database
        self._page = page
        self._wake, self._stopping = Event(), Event()

    def wake(self) -> None:
        """Poll now: a job was committed. May be called from any thread."""
        self._wake.set()

    async def work(self, *, wait: bool = True) -> None:
        """Process jobs, the oldest first, until cancelled; with `wait=False` until no job is left to process.

        A failure is recorded in the job's row. While the database is unreachable, polling continues.
        Cancelling ends the work after its current page.
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
        """Process every job that no other process has locked; return whether a job ended."""
        states = []
        for job_id in self._database.transaction(backcheck_jobs.unfinished):
            if self._stopping.is_set():
                break
            try:
                states.append(
                    backcheck_worker.run(self._database, job_id, page=self._page, stop=self._stopping.is_set)
                )
            except Exception as error:  # the other jobs are still processed
                log.warning("jobs.failed", job=job_id, error=type(error).__name__)
        return any(state not in backcheck_jobs.OPEN for state in states)
