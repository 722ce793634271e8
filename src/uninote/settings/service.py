"""Sections of storage and serving: `store`, `service`, `stream` and `cluster`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from uninote.problems import Shape
from uninote.settings.section import Section


class StoreSettings(Section):
    """Address and index of the vectors."""

    address: str = Field(
        "", description="PostgreSQL or Milvus address; empty: the embedded server in the work folder"
    )
    index: Literal["exact", "hnsw"] = "hnsw"
    dims: int | None = Field(
        None, ge=1, description="stored dimensions, one the model was trained at; default: all that fit"
    )
    precision: Literal["auto", "single", "half"] = Field(
        "auto", description="stored numbers, 32 or 16 bits; auto: 16 where the index does not hold 32"
    )


class ServiceSettings(Section):
    """The HTTP service. The database is `store.address`, or the embedded server in the served folder."""

    url_hosts: tuple[str, ...] = Field(
        (),
        description="hosts that pictures may be fetched from by URL; .example.com: all below; empty: none",
    )
    fetch_seconds: float = Field(10, gt=0, description="longest fetch of one URL, redirects included")
    max_body_bytes: int = Field(33_554_432, ge=1024, description="longest request body")
    body_seconds: float = Field(30, gt=0, description="longest time a request body may take to arrive")
    max_video_bytes: int = Field(20_000_000, ge=1, description="encoded size cap of one video")
    max_batch: int = Field(64, ge=1, description="notes, samples or embedding inputs of one request")
    batch_wait_ms: float = Field(5, ge=0, description="how long a request waits for others to share a batch")
    queue_items: int = Field(512, ge=1, description="items that wait to be encoded; beyond it: 429")
    reading_threads: int = Field(0, ge=0, description="threads that read text in pictures; 0: one per core")
    reading_queue: int = Field(512, ge=1, description="pictures that wait to be read; beyond it: 429")
    queue_calls: int = Field(256, ge=1, description="database and media calls that wait; beyond it: 429")
    threads: int = Field(
        8, ge=2, description="threads for the database, and its connections; as many for media"
    )
    rate_per_second: float = Field(0, ge=0, description="requests per second of one key; 0: no limit")
    drain_seconds: float = Field(
        0, ge=0, description="seconds after SIGTERM in which it reports not ready and still serves"
    )
    shutdown_seconds: int = Field(30, ge=1, description="seconds after that for requests under way to finish")
    remember: int = Field(10_000, ge=0, description="vectors kept so that an equal item is not encoded again")
    keep_pictures: bool = Field(True, description="store picture bytes: for the console, backfill and export")

    @model_validator(mode="after")
    def _fits_queue(self) -> Self:
        if self.max_batch > self.queue_items:
            raise ValueError(f"queue_items {self.queue_items} must hold one batch of {self.max_batch}")
        return self


class StreamSettings(Section):
    """Notes from a Redis stream, stored and matched in the background of the HTTP service."""

    address: str = Field("", description="redis://user:password@host:port/0, rediss:// for TLS; empty: none")
    name: str = Field("notes", min_length=1, description="the stream; dead letters go to NAME:dead")
    group: str = Field("uninote", min_length=1, description="the consumer group that all replicas share")
    consumer: str = Field("", description="name of this process in it; empty: host name and process id")
    batch: int = Field(64, ge=1, description="messages stored in one transaction, service.max_batch at most")
    idle_seconds: float = Field(
        60, gt=0, description="silence after which others take a dead process's messages"
    )
    deliveries: int = Field(5, ge=1, description="a message delivered more often becomes a dead letter")


class ClusterSettings(Section):
    """A Milvus cluster that the service fills and searches; the database stays the truth."""

    address: str = Field(
        "", description="milvus://user:password@host:19530, milvus+tls: with TLS; empty: none"
    )
    collection: Annotated[
        str,
        Shape(
            r"^[a-z][a-z0-9_]{0,19}$",
            "must be at most 20 lower-case letters, digits and underscores, the first one a letter",
        ),
    ] = Field("uninote", description="collections are named after it and the model version")
    index: Literal["exact", "hnsw"] = Field("hnsw", description="chosen when a collection is made")
    consistency: Literal["strong", "session", "bounded"] = Field(
        "bounded", description="which writes a search waits for"
    )
    search: bool = Field(True, description="search the cluster; false: fill it only")
    fallback: bool = Field(
        True, description="search the database when the cluster is away, behind or finds too few; false: 503"
    )
    search_seconds: float = Field(5, gt=0, description="longest search of the cluster")
