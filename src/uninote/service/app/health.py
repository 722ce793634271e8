"""Readiness check: a real forward pass and a query of the database."""

from __future__ import annotations

import asyncio
import secrets
import time

from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.app.services import Services
from uninote.service.concurrency.batcher import PROBE
from uninote.service.errors import UnavailableError
from uninote.service.schemas.health import ClusterHealth, EncoderHealth, GalleryHealth, Ready, StreamHealth

PROBE_SECONDS = 10.0


async def ready(services: Services) -> Ready:
    """Return the state of all components. Raises UnavailableError if the service drains or cannot answer."""
    if services.draining:
        raise UnavailableError("the service is stopping")
    started = time.monotonic()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            snapshot = await services.model_sync.snapshot()
            version = await services.model_sync.active()
            # A new text every time: a cached vector would prove nothing.
            probe = Item.of(f"ready {secrets.token_hex(4)}")
            began = time.monotonic()
            await services.embedding.embed([probe], version, priority=PROBE)
    except TimeoutError:
        seconds = time.monotonic() - started
        raise UnavailableError(f"no forward pass within {seconds:.0f} seconds") from None
    except ItemError as error:
        raise UnavailableError(f"the model does not embed: {error}") from error
    return Ready(
        encoder=EncoderHealth(
            version=version, seconds=round(time.monotonic() - began, 4), queue_items=services.batcher.depth
        ),
        gallery=GalleryHealth(revision=snapshot.revision, age_seconds=round(services.model_sync.age, 3)),
        stream=_stream(services),
        cluster=_cluster(services),
    )


def _stream(services: Services) -> StreamHealth | None:
    if services.stream is None:
        return None
    state = services.stream.state
    return StreamHealth(up=state.up, waiting=state.waiting, pending=state.pending)


def _cluster(services: Services) -> ClusterHealth | None:
    if services.milvus is None:
        return None
    state = services.milvus.state
    return ClusterHealth(
        up=state.up,
        filled=state.filled,
        lag_rows=state.lag.rows,
        lag_seconds=round(state.lag.seconds, 3),
    )
