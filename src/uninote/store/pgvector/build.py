"""Build of an HNSW index within the memory that there is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from uninote.limits import free_memory
from uninote.store.pgvector.errors import lacks_memory, sentence

LINKS = 16
"""pgvector's default `m`, the links of a vector in the graph."""
MOST_MB, LEAST_MB = 4096, 64
"""Memory limit of a build: for a large graph, and when memory runs out."""
GRAPH_BYTES, LINK_BYTES = 400, 32  # overhead of a vector and of each of its links

log = logging.getLogger(__name__)


def memory_mb(rows: int, bytes_per_vector: int, links: int = LINKS, *, local: bool) -> int:
    """Return the memory limit of a build in MiB: a quarter more than the graph takes, `MOST_MB` at most.

    A graph that exceeds the limit is built many times slower. local: the server runs on this machine, so at
    most half of the memory that is free here is used.
    """
    needed = rows * (bytes_per_vector + GRAPH_BYTES + LINK_BYTES * links) >> 20
    free = free_memory() if local else None
    most = MOST_MB if free is None else min(MOST_MB, free >> 21)
    return max(LEAST_MB, min(most, needed + needed // 4))


def build(connection: psycopg.Connection[Any], create: Callable[[], object], memory: int) -> None:
    """Call `create`, which creates the index, with `memory` MiB for its graph.

    Parallel workers share the graph, in shared memory that is taken in full at the beginning. When that, or
    other memory, runs out, `create` is called again without workers, and then with the least memory. So it
    must leave nothing when it fails. `connection` is in autocommit. Raises psycopg.Error.
    """
    try:
        for megabytes, workers in ((memory, "DEFAULT"), (memory, "0"), (LEAST_MB, "0")):
            connection.execute(
                f"SET maintenance_work_mem = '{megabytes}MB'; "
                f"SET max_parallel_maintenance_workers = {workers}"
            )
            try:
                create()
                return
            except psycopg.Error as error:
                if not lacks_memory(error) or (megabytes, workers) == (LEAST_MB, "0"):
                    raise
                log.warning("the index is built with less memory, which takes longer: %s", sentence(error))
    finally:
        with suppress(psycopg.Error):  # the connection may be lost
            connection.execute("RESET maintenance_work_mem; RESET max_parallel_maintenance_workers")
