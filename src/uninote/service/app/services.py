"""Everything a running service holds: database, gallery in memory, encoders, queues, counters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import ArrayLike
from sqlalchemy.orm import Session

from uninote.errors import ItemError, ModelError, UniNoteError
from uninote.items import Item
from uninote.service.app.backfill_runner import Backfills
from uninote.service.app.group_commit import CONNECTIONS, GroupCommit
from uninote.service.background.milvus_sync import Cluster
from uninote.service.background.redis_stream import Feed, Store
from uninote.service.concurrency.batcher import REQUEST, Batcher, Vector
from uninote.service.concurrency.bounded_executor import BoundedExecutor
from uninote.service.concurrency.limit import ConcurrencyLimit
from uninote.service.concurrency.loaded_models import Load, Models, available
from uninote.service.db.engine import Database
from uninote.service.db.url import database_place
from uninote.service.domain.admin import expire
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.matcher import Matcher, Snapshot
from uninote.service.domain.notes import outbox
from uninote.service.domain.notes.search import Plans
from uninote.service.domain.review.job_queue import JobQueue
from uninote.service.http.access import Identity
from uninote.service.media.fetch import Fetcher
from uninote.service.telemetry.logs import Log, logger
from uninote.service.telemetry.metrics import Metrics
from uninote.settings import Settings
from uninote.store.protocol import Filter
from uninote.tasks.definitions import Task

WATCH_SECONDS = 1.0
LOOK_SECONDS = 2.0
TIDY_SECONDS = 3600.0
EXPLANATIONS = 4  # at a time
ACTOR = "serve"

Result = TypeVar("Result")


class Runtime:
    """Opened before the first request, closed after the last one.

    folder: the served folder, with its models, and its database unless `store.address` names one.
    load: reads a model folder. on_death: called when the service cannot go on.
    Raises ModelError without a model, ConfigError or StoreError without a database.
    """

    def __init__(
        self, settings: Settings, folder: Path, load: Load, on_death: Callable[[BaseException], None]
    ) -> None:
        self.settings, self.folder = settings, folder
        self.options = settings.service
        self.log: Log = logger()
        self.metrics = Metrics()
        self.models = Models(load)
        available(folder)
        self.database = Database(
            database_place(settings.store, folder), connections=self.options.threads + CONNECTIONS
        )
        try:
            self._load_models()
            self.matcher = Matcher()
            self.database.transaction(self.matcher.snapshot)
            self.jobs = JobQueue(self.database)
            self.feed = self._feed(on_death) if settings.stream.address else None
            self.cluster = self._cluster(on_death) if settings.cluster.address else None
        except BaseException:
            self.database.close()
            raise
        if self.cluster is None and self.database.transaction(outbox.wanted):
            self.log.warning("outbox grows", mend="set cluster.address, or run `uninote cluster stop`")
        self.plans = Plans()
        self.rounds = GroupCommit(self.database, self.matcher, self.options)
        self.pool = BoundedExecutor("database", self.options.threads, self.options.queue_calls)
        self.searches = BoundedExecutor("vector cluster", self.options.threads, self.options.queue_calls)
        self.media = BoundedExecutor("media decoder", self.options.threads, self.options.queue_calls)
        self.fetch = Fetcher(
            self.options.url_hosts,
            self.options.fetch_seconds,
            max(settings.corpus.max_picture_bytes, self.options.max_video_bytes),
        )
        self.batcher = Batcher(
            self.models,
            self.metrics,
            token_budget=self.models.token_budget(),
            wait_seconds=self.options.batch_wait_ms / 1000,
            max_items=self.options.queue_items,
            on_death=on_death,
        )
        self.backfills = Backfills()
        self.explanations = ConcurrencyLimit("explanations", EXPLANATIONS)
        self.draining = False
        self.checked = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self.metrics.gauge("queue_items", "Items that wait to be encoded.", lambda: self.batcher.depth)
        self.metrics.gauge(
            "database_calls", "Calls that wait or run.", lambda: self.pool.calls + self.rounds.calls
        )
        self.metrics.gauge("index_age_seconds", "Since the gallery was compared.", lambda: self.index_age)

    @property
    def index_age(self) -> float:
        """Seconds since the gallery in memory was last known to be the database's."""
        return time.monotonic() - self.checked

    def start(self, ingest: Store) -> None:
        """Begin what goes on beside the requests; call it inside the event loop.

        ingest: stores and matches the notes of the stream.
        """
        if self.feed is not None:
            self.feed.start(asyncio.get_running_loop(), ingest)
        if self.cluster is not None:
            self.cluster.start()
        self._tasks = [asyncio.create_task(work) for work in (self._watch(), self._work(), self._look())]

    def drain(self) -> None:
        """Say that no more requests are wanted, and take no more of the stream; may be called by a signal."""
        self.draining = True
        if self.feed is not None:
            self.feed.stop()

    async def close(self) -> None:
        """Finish what waits, then give everything back."""
        seconds = float(self.options.shutdown_seconds)
        beside = [part for part in (self.feed, self.cluster) if part is not None]
        await asyncio.gather(*(asyncio.to_thread(part.close, seconds) for part in beside))
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        await asyncio.to_thread(self.batcher.close, seconds)
        for part in (self.searches, self.media, self.pool, self.rounds, self.jobs, self.database):
            await asyncio.to_thread(part.close)

    async def transaction(self, work: Callable[[Session], Result]) -> Result:
        """What `work` returns, once its transaction is on disk."""
        return await self.pool.run(self.database.transaction, work)

    async def read(self, work: Callable[[Session], Result]) -> Result:
        """What `work` returns that only reads, with less to ask of the database than `run`."""
        return await self.pool.run(self.database.read, work)

    async def snapshot(self) -> Snapshot:
        """The gallery as it is now."""
        found = await self.transaction(self.matcher.snapshot)
        self.checked = time.monotonic()
        return found

    def written(self) -> list[str]:
        """The versions that notes and samples are written with: all that are in use and loaded here."""
        known = self.matcher.latest()
        assert known is not None, "loaded on starting"
        return [model.version for model in known.models if model.version in self.models.versions]

    async def active(self) -> str:
        """The version that searches. Raises UnavailableError when this process has not loaded it."""
        found = await self.transaction(versions.active)
        self.models.get(found.version)
        return found.version

    async def embed(
        self,
        items: Sequence[Item],
        version: str,
        task: Task | None = None,
        *,
        rank: int = REQUEST,
        tokens: list[int] | None = None,
    ) -> list[Vector | ItemError]:
        """Unit vectors float32 [dim], or the error of each item that cannot be embedded."""
        return await self.batcher.encode(items, (version, task), rank=rank, tokens=tokens)

    async def embed_one(
        self, item: Item, version: str, task: Task | None = None, *, rank: int = REQUEST
    ) -> Vector:
        """Raises ItemError."""
        found = (await self.embed([item], version, task, rank=rank))[0]
        if isinstance(found, ItemError):
            raise found
        return found

    async def candidates(self, version: str, query: ArrayLike, k: int, filter: Filter) -> list[str] | None:
        """What the cluster finds, see `Cluster.candidates`; None when the database is to be searched."""
        if self.cluster is None:
            self.metrics.searches.labels("database").inc()
            return None
        dim = self.models.get(version).dims[-1]
        return await self.searches.run(self.cluster.candidates, version, dim, query, k, filter)

    async def identify(self, key: str) -> Identity:
        """Whose key it is. Raises UnauthorizedError."""
        found = await self.rounds.identify(key)
        return Identity(found.prefix, found.name, found.role)

    def _feed(self, on_death: Callable[[BaseException], None]) -> Feed:
        longest, most = self.options.max_body_bytes, self.options.max_batch
        return Feed(self.settings.stream, self.metrics, on_death, longest=longest, most=most)

    def _cluster(self, on_death: Callable[[BaseException], None]) -> Cluster:
        return Cluster(self.settings.cluster, self.database, self.metrics, on_death)

    def _load_models(self) -> None:
        """Load every version that is in use; a new database begins with the served folder's own model.

        Raises ModelError when the active version is not in the folder.
        """
        there = available(self.folder)
        known = self.database.transaction(versions.listing)
        if not known:
            encoder = self.models.add(next(iter(there.values())))
            self.database.transaction(
                lambda session: versions.ensure(session, encoder.version, encoder.dims[-1], ACTOR)
            )
            return
        for model in known:
            if model.state != "retired" and model.version in there:
                self.models.add(there[model.version])
            elif model.state == "active":
                raise ModelError(
                    f"the database's active model version {model.version!r} is not in {self.folder}: put its "
                    "folder below `models` there, or serve with another database (store.address)"
                )

    async def _keep_models(self, snapshot: Snapshot) -> None:
        """Load what other replicas added, and give back what was retired."""
        if {model.version for model in snapshot.models} - set(self.models.versions):
            await self.media.run(self._load_models)
        known = await self.transaction(versions.listing)
        for model in known:
            if model.state == "retired":
                self.models.remove(model.version)

    async def _watch(self) -> None:
        """Keep the gallery in memory fresh when no request does, and the models those that are in use."""
        seen, tidied = -1, float("-inf")
        while True:
            try:
                snapshot = await self.snapshot()
                if snapshot.revision != seen:
                    await self._keep_models(snapshot)
                    seen = snapshot.revision
                if time.monotonic() > tidied + TIDY_SECONDS:
                    await self.transaction(expire.expire_requests)
                    tidied = time.monotonic()
            except UniNoteError as error:
                self.log.warning("watch", **_brief(error))
            await asyncio.sleep(WATCH_SECONDS)

    async def _look(self) -> None:
        """Keep what is known of the stream and the cluster fresh."""
        while self.feed is not None or self.cluster is not None:
            try:
                if self.feed is not None:
                    await asyncio.to_thread(self.feed.look)
                if self.cluster is not None:
                    await self.pool.run(self.cluster.look)
            except UniNoteError as error:
                self.log.warning("look", **_brief(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def _work(self) -> None:
        """Work on back-check jobs; after a failure of the database, again."""
        while True:
            try:
                await self.jobs.work()
            except Exception as error:
                self.log.warning("jobs", **_brief(error))
            await asyncio.sleep(WATCH_SECONDS)


def _brief(error: BaseException) -> dict[str, Any]:
    return {"error": type(error).__name__}
