"""Background tasks that run backfills in this process; encoding yields to requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uninote.errors import UniNoteError
from uninote.items import Item
from uninote.service.app.embedding import Embedding
from uninote.service.concurrency.batcher import BACKGROUND
from uninote.service.db.engine import Database
from uninote.service.domain.rollout.backfill import Backfill, backfill
from uninote.service.errors import ConflictError


class BackfillRun:
    """Progress of one backfill."""

    def __init__(self) -> None:
        self.report = Backfill()
        self.running = True
        self.error = ""


class BackfillRunner:
    """Runner of at most one backfill per version in this process.

    Several processes may fill the same version; they repeat some of the work.
    """

    def __init__(self, database: Database, embedding: Embedding, is_draining: Callable[[], bool]) -> None:
        self._database, self._embedding, self._is_draining = database, embedding, is_draining
        self._runs: dict[str, BackfillRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, version: str) -> BackfillRun | None:
        return self._runs.get(version)

    def begin(self, version: str, actor: str) -> None:
        """Start a backfill; call it again after an interruption. Raises ConflictError while it runs."""
        last = self._runs.get(version)
        if last is not None and last.running:
            raise ConflictError(f"model version {version!r} is being filled already")
        run = self._runs[version] = BackfillRun()
        task = asyncio.create_task(self._run(version, actor, run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, version: str, actor: str, run: BackfillRun) -> None:
        loop = asyncio.get_running_loop()

        def encode(items: Sequence[Item]) -> NDArray[np.float32]:
            call = self._embedding.embed(items, version, priority=BACKGROUND)
            return asyncio.run_coroutine_threadsafe(call, loop).result()

        def progress(report: Backfill) -> None:
            run.report = report

        work = partial(
            backfill, self._database, version, encode, actor, progress=progress, stop=self._is_draining
        )
        try:
            run.report = await asyncio.to_thread(work)
        except UniNoteError as error:
            run.error = str(error)
        finally:
            run.running = False
