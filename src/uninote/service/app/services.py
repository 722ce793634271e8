"""Container of one process's components: database, models, batcher, executors and background threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy.orm import Session

from uninote.service.app.backfill_runner import BackfillRunner
from uninote.service.app.embedding import Embedding
from uninote.service.app.group_commit import GroupCommit
from uninote.service.app.model_sync import ModelSync
from uninote.service.background.milvus_sync import MilvusSync
from uninote.service.background.redis_stream import RedisStream
from uninote.service.concurrency.batcher import Batcher
from uninote.service.concurrency.bounded_executor import BoundedExecutor
from uninote.service.concurrency.limit import ConcurrencyLimit
from uninote.service.concurrency.loaded_models import Models
from uninote.service.concurrency.reading_stage import ReadingStage
from uninote.service.db.engine import Database
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.notes.vector_index import PlanCache
from uninote.service.domain.review.job_queue import JobQueue
from uninote.service.media.fetch import Fetcher
from uninote.service.telemetry.logs import Log
from uninote.service.telemetry.metrics import Metrics
from uninote.settings import CorpusSettings, ServiceSettings, Settings

Result = TypeVar("Result")


@dataclass
class State:
    """Mutable part of `Services`. draining: new requests are refused; a signal handler sets it."""

    draining: bool = False


@dataclass(frozen=True)
class Services:
    """Components of one process, passed to every use case.

    `main.lifecycle` opens them before the first request and closes them after the last one. stream, milvus:
    None where no Redis stream or no vector cluster is configured.
    """

    settings: Settings
    folder: Path
    log: Log
    metrics: Metrics
    database: Database
    database_executor: BoundedExecutor
    milvus_executor: BoundedExecutor
    media_executor: BoundedExecutor
    fetch: Fetcher
    matcher: Matcher
    models: Models
    model_sync: ModelSync
    batcher: Batcher
    reading: ReadingStage
    embedding: Embedding
    group_commit: GroupCommit
    plans: PlanCache
    jobs: JobQueue
    backfills: BackfillRunner
    explanations: ConcurrencyLimit
    stream: RedisStream | None
    milvus: MilvusSync | None
    state: State

    @property
    def options(self) -> ServiceSettings:
        return self.settings.service

    @property
    def corpus(self) -> CorpusSettings:
        """Settings for reading notes: videos by rate while a loaded model takes them as videos."""
        corpus = self.settings.corpus
        return corpus.by_rate() if self.models.take_videos else corpus

    @property
    def draining(self) -> bool:
        return self.state.draining

    async def transaction(self, work: Callable[[Session], Result]) -> Result:
        """Run `work` in a transaction on a database thread; return its result once it is on disk."""
        return await self.database_executor.run(self.database.transaction, work)

    async def read(self, work: Callable[[Session], Result]) -> Result:
        """Run `work`, which only reads, in autocommit: it takes fewer round trips than `transaction`."""
        return await self.database_executor.run(self.database.read, work)
