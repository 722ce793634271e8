"""Whether the process lives, whether it can answer, and its counters."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

from fastapi import APIRouter, Response

from uninote.items import Item
from uninote.service.concurrency.batcher import PROBE
from uninote.service.errors import UnavailableError
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Service
from uninote.service.schemas.health import (
    ClusterHealth,
    EncoderHealth,
    GalleryHealth,
    Live,
    Ready,
    StreamHealth,
)
from uninote.service.telemetry.metrics import CONTENT_TYPE

PROBE_SECONDS = 10.0
_PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> Live:
    """The process runs; says nothing about whether it can work."""
    return Live()


@router.get("/health/ready", responses={503: RESPONSES[503]})
async def ready(service: Service) -> Ready:
    """A real forward pass and a look at the database. 503 while the service starts, drains or is broken."""
    if service.draining:
        raise UnavailableError("the service is stopping")
    started = time.monotonic()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            snapshot = await service.snapshot()
            version = await service.active()
            # New every time: a vector that is remembered would prove nothing.
            probe = Item.of(f"ready {secrets.token_hex(4)}")
            began = time.monotonic()
            await service.embed_one(probe, version, rank=PROBE)
    except TimeoutError:
        seconds = time.monotonic() - started
        raise UnavailableError(f"no forward pass within {seconds:.0f} seconds") from None
    return Ready(
        encoder=EncoderHealth(
            version=version, seconds=round(time.monotonic() - began, 4), queue_items=service.batcher.depth
        ),
        gallery=GalleryHealth(revision=snapshot.revision, age_seconds=round(service.index_age, 3)),
        stream=_stream(service),
        cluster=_cluster(service),
    )


def _stream(service: Service) -> StreamHealth | None:
    if service.feed is None:
        return None
    state = service.feed.state
    return StreamHealth(up=state.up, waiting=state.waiting, pending=state.pending)


def _cluster(service: Service) -> ClusterHealth | None:
    if service.cluster is None:
        return None
    state = service.cluster.state
    return ClusterHealth(
        up=state.up,
        filled=state.filled,
        lag_rows=state.lag.rows,
        lag_seconds=round(state.lag.seconds, 3),
    )


@router.get("/metrics", response_class=Response, responses={**RESPONSES, **_PAGE})
async def metrics(service: Service) -> Response:
    """Counters in Prometheus' text format."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE)
