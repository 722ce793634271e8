"""Backfills of this process: the stored content encoded by a new version, behind the requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ItemError, UniNoteError
from uninote.items import Item
from uninote.service.concurrency.batcher import BACKGROUND
from uninote.service.domain.rollout.backfill import Backfill, backfill
from uninote.service.errors import ConflictError

if TYPE_CHECKING:  # it holds the backfills
    from uninote.service.app.services import Runtime


class BackfillRun:
    """One backfill and how far it is."""

    def __init__(self) -> None:
        self.report = Backfill()
        self.running = True
        self.error = ""


class Backfills:
    """At most one per version in this process; in several, they share the work and do some of it twice."""

    def __init__(self) -> None:
        self._known: dict[str, BackfillRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, version: str) -> BackfillRun | None:
        return self._known.get(version)

    def begin(self, runtime: Runtime, version: str, actor: str) -> BackfillRun:
        """Start filling; call it again after an interruption. Raises UnavailableError, ConflictError."""
        runtime.models.get(version)
        known = self._known.get(version)
        if known is not None and known.running:
            raise ConflictError(f"model version {version!r} is being filled already")
        filling = self._known[version] = BackfillRun()
        task = asyncio.create_task(self._run(runtime, version, actor, filling))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return filling

    async def _run(self, runtime: Runtime, version: str, actor: str, filling: BackfillRun) -> None:
        loop = asyncio.get_running_loop()

        def encode(items: Sequence[Item]) -> NDArray[np.float32]:
            asked = runtime.embed(items, version, rank=BACKGROUND)
            rows = asyncio.run_coroutine_threadsafe(asked, loop).result()
            for row in rows:
                if isinstance(row, ItemError):
                    raise row
            return np.stack([row for row in rows if not isinstance(row, ItemError)])

        def progress(report: Backfill) -> None:
            filling.report = report

        work = partial(
            backfill,
            runtime.database,
            version,
            encode,
            actor,
            progress=progress,
            stop=lambda: runtime.draining,
        )
        try:
            filling.report = await asyncio.to_thread(work)
        except UniNoteError as error:
            filling.error = str(error)
        finally:
            filling.running = False
