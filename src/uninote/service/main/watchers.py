"""Periodic background tasks: refresh of gallery and models, back-check jobs, stream and cluster states."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from uninote.errors import UniNoteError
from uninote.service.app.services import Services
from uninote.service.domain.admin import expire
from uninote.service.domain.notes import search_inputs

WATCH_SECONDS = 1.0
LOOK_SECONDS = 2.0
TIDY_SECONDS = 3600.0


class Watchers:
    """Background tasks that run until `close`; create it inside the event loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        loops = (self._gallery(), self._jobs(), self._states())
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def close(self) -> None:
        """Cancel all tasks."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _gallery(self) -> None:
        """Refresh the gallery while no request does, load added models, and delete what has expired."""
        model_sync = self._services.model_sync
        seen, tidied = -1, float("-inf")
        while True:
            try:
                snapshot = await model_sync.snapshot()
                if snapshot.revision != seen:
                    await model_sync.follow(snapshot)
                    seen = snapshot.revision
                if time.monotonic() > tidied + TIDY_SECONDS:
                    await self._services.transaction(expire.expire_requests)
                    await self._services.transaction(search_inputs.expire)
                    tidied = time.monotonic()
            except UniNoteError as error:
                self._warn("watch", error)
            await asyncio.sleep(WATCH_SECONDS)

    async def _jobs(self) -> None:
        """Run the worker of back-check jobs; restart it after an error."""
        while True:
            try:
                await self._services.jobs.work()
            except Exception as error:
                self._warn("jobs", error)
            await asyncio.sleep(WATCH_SECONDS)

    async def _states(self) -> None:
        """Refresh the states of the stream and the vector cluster."""
        stream, milvus = self._services.stream, self._services.milvus
        while stream is not None or milvus is not None:
            try:
                if stream is not None:
                    await asyncio.to_thread(stream.look)
                if milvus is not None:
                    await self._services.database_executor.run(milvus.look)
            except UniNoteError as error:
                self._warn("look", error)
            await asyncio.sleep(LOOK_SECONDS)

    def _warn(self, event: str, error: BaseException) -> None:
        self._services.log.warning(event, error=type(error).__name__)
