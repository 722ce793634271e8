"""Life cycle of the services in one process: opening, background work, draining, closing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from uninote.encoder.changes import loaded_version
from uninote.encoder.saved import Saved
from uninote.errors import ModelError
from uninote.limits import cores
from uninote.service.app import ingest_notes
from uninote.service.app.backfill_runner import BackfillRunner
from uninote.service.app.embedding import Embedding
from uninote.service.app.group_commit import CONNECTIONS, GroupCommit
from uninote.service.app.model_sync import ModelSync
from uninote.service.app.services import Services, State
from uninote.service.app.stored_dims import StoredDims
from uninote.service.background.milvus_sync import MilvusSync
from uninote.service.background.redis_stream import ACTOR, RedisStream
from uninote.service.concurrency.batcher import Batcher
from uninote.service.concurrency.bounded_executor import BoundedExecutor
from uninote.service.concurrency.limit import ConcurrencyLimit
from uninote.service.concurrency.loaded_models import Load, Models, saved_version
from uninote.service.concurrency.reading_stage import ReadingStage
from uninote.service.db.engine import Database
from uninote.service.db.url import database_place
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.notes import outbox
from uninote.service.domain.notes.vector_index import PlanCache
from uninote.service.domain.review.job_queue import JobQueue
from uninote.service.main.watchers import Watchers
from uninote.service.media.fetch import Fetcher
from uninote.service.telemetry.logs import logger
from uninote.service.telemetry.metrics import Metrics
from uninote.settings import EncoderSettings, Settings

EXPLANATIONS = 4  # at a time

OnDeath = Callable[[BaseException], None]


def open_services(settings: Settings, folder: Path, load: Load, on_death: OnDeath) -> Services:
    """Open all components of a service before its first request.

    folder: the served folder, with models, and with the database unless `store.address` names one.
    load: reads a model folder. on_death: called when the service cannot continue.
    Raises ModelError without a model, ConfigError or StoreError without a database.
    """
    models = Models(load, partial(_version, settings.encoder))
    stored_dims, folders = StoredDims(settings.store, folder), models.available(folder)
    connections = settings.service.threads + CONNECTIONS
    database = Database(database_place(settings.store, folder), connections=connections)
    try:
        return _opened(settings, folder, folders, models, stored_dims, database, on_death)
    except BaseException:
        database.close()
        raise


def _opened(
    settings: Settings,
    folder: Path,
    folders: dict[str, Path],
    models: Models,
    stored_dims: StoredDims,
    database: Database,
    on_death: OnDeath,
) -> Services:
    options, log, metrics, state = settings.service, logger(), Metrics(), State()
    database_executor, milvus_executor, media_executor = (
        BoundedExecutor(name, options.threads, options.queue_calls)
        for name in ("database", "vector cluster", "media decoder")
    )
    matcher = Matcher()
    model_sync = ModelSync(folder, models, matcher, database, database_executor, media_executor, stored_dims)
    model_sync.load(folders)
    database.transaction(matcher.snapshot)
    jobs = JobQueue(database)
    stream = _stream(settings, metrics, on_death) if settings.stream.address else None
    milvus = MilvusSync(settings.cluster, database, metrics, on_death) if settings.cluster.address else None
    if milvus is None and database.transaction(outbox.wanted):
        log.warning("outbox grows", hint="set cluster.address, or run `uninote cluster stop`")
    group_commit = GroupCommit(database, matcher, options)
    batcher = Batcher(
        models,
        metrics,
        token_budget=models.token_budget(),
        wait_seconds=options.batch_wait_ms / 1000,
        max_items=options.queue_items,
        on_death=on_death,
    )
    reading = ReadingStage(
        metrics, threads=options.reading_threads or cores(), max_pictures=options.reading_queue
    )
    embedding = Embedding(batcher, models, reading)
    services = Services(
        settings=settings,
        folder=folder,
        log=log,
        metrics=metrics,
        database=database,
        database_executor=database_executor,
        milvus_executor=milvus_executor,
        media_executor=media_executor,
        fetch=Fetcher(
            options.url_hosts,
            options.fetch_seconds,
            max(settings.corpus.max_picture_bytes, options.max_video_bytes),
        ),
        matcher=matcher,
        models=models,
        model_sync=model_sync,
        batcher=batcher,
        reading=reading,
        embedding=embedding,
        group_commit=group_commit,
        plans=PlanCache(),
        jobs=jobs,
        backfills=BackfillRunner(database, embedding, lambda: state.draining),
        explanations=ConcurrencyLimit("explanations", EXPLANATIONS),
        stream=stream,
        milvus=milvus,
        state=state,
    )
    _gauges(services)
    return services


def _version(settings: EncoderSettings, folder: Path) -> str:
    """Return the version that a model folder is loaded as; that of its weights where it cannot be loaded."""
    try:
        return loaded_version(Saved(folder), settings)
    except ModelError:
        return saved_version(folder)


def _stream(settings: Settings, metrics: Metrics, on_death: OnDeath) -> RedisStream:
    longest, most = settings.service.max_body_bytes, settings.service.max_batch
    return RedisStream(settings.stream, metrics, on_death, longest=longest, most=most)


def _gauges(services: Services) -> None:
    metrics, executor, group = services.metrics, services.database_executor, services.group_commit
    metrics.gauge("queue_items", "Items that wait to be encoded.", lambda: services.batcher.depth)
    metrics.gauge("reading_pictures", "Pictures that wait to be read.", lambda: services.reading.depth)
    metrics.gauge("database_calls", "Calls that wait or run.", lambda: executor.calls + group.calls)
    metrics.gauge("index_age_seconds", "Since the gallery was compared.", lambda: services.model_sync.age)


def drain(services: Services) -> None:
    """Refuse new requests and stop reading the stream; may be called by a signal handler."""
    services.state.draining = True
    if services.stream is not None:
        services.stream.stop()


@asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """Run the background work; on exit, finish queued work and close all components."""
    if services.stream is not None:
        loop = asyncio.get_running_loop()
        services.stream.start(loop, lambda notes: ingest_notes.store(services, notes, ACTOR))
    if services.milvus is not None:
        services.milvus.start()
    watchers = Watchers(services)
    try:
        yield
    finally:
        await _close(services, watchers)


async def _close(services: Services, watchers: Watchers) -> None:
    seconds = float(services.options.shutdown_seconds)
    workers = [one for one in (services.stream, services.milvus) if one is not None]
    await asyncio.gather(*(asyncio.to_thread(worker.close, seconds) for worker in workers))
    await watchers.close()
    await asyncio.to_thread(services.reading.close)
    await asyncio.to_thread(services.batcher.close, seconds)
    for part in (
        services.milvus_executor,
        services.media_executor,
        services.database_executor,
        services.group_commit,
        services.jobs,
        services.database,
    ):
        await asyncio.to_thread(part.close)
