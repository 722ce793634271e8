"""Sizes of vectors in bytes of rows and indexes, from the layouts of the engines: the table of docs/scale.md.

Run it to print the table.

Sources: PostgreSQL's page layout (8 kB pages, 24 bytes of page header, 4 bytes of line pointer and 24 of
header a row); pgvector's README (`halfvec`: 2 bytes a dimension and 8, `bit`: one bit a dimension and 8) and
its `hnsw.h` (an element holds 72 bytes and the vector, its neighbours 6 bytes each: 2 m at layer 0, m above;
m = 16); hnswlib, which Milvus builds on (float32 vectors, 4 bytes a neighbour). Memory of a process beyond
the data is not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

M = 16  # neighbours of a node, in both engines
PAGE, PAGE_HEADER, LINE_POINTER, ROW_HEADER = 8192, 24, 4, 24
HNSW_SPECIAL, ELEMENT, NEIGHBOURS = 8, 72, 4
TOAST_LIMIT = 2032  # a longer row moves its vector out of line
TOAST_CHUNK, TOAST_HEADER, TOAST_ENTRY = 1996, 36, 24  # a chunk's payload, its header, its entry in an index

Form = Literal["float16", "bit"]
DIMS = (64, 128, 256, 384, 512, 1024, 2048)


def value_bytes(form: Form, dims: int) -> int:
    """Compute the bytes of one stored value."""
    return 8 + (2 * dims if form == "float16" else ceil(dims / 8))


def row_bytes(dims: int, id_chars: int = 16) -> float:
    """Compute the bytes of a row of the service's vectors: 16-bit vector, id and filter columns."""
    before = ROW_HEADER + (1 + id_chars) + 2 + 65  # note_id, model_id, content_key of 64 characters
    after = 5 + 9 + 8  # kind, category of about 8, time
    value = value_bytes("float16", dims) - 4  # of pgvector's 8 bytes 4 are the length, which is counted apart
    row = _aligned(_aligned(before, 4) + 4 + value + after)
    if row <= TOAST_LIMIT:
        return _packed([row])
    chunks = [TOAST_CHUNK] * (value // TOAST_CHUNK) + [value % TOAST_CHUNK]
    moved = _packed([_aligned(TOAST_HEADER + size) for size in chunks if size])
    return _packed([_aligned(before + 18 + after)]) + moved + TOAST_ENTRY * len(chunks)


def hnsw_bytes(form: Form, dims: int) -> float:
    """Compute the bytes of one vector in pgvector's HNSW index."""
    element = _aligned(ELEMENT + value_bytes(form, dims)) + LINE_POINTER
    links = _aligned(NEIGHBOURS + 2 * M * 6) + LINE_POINTER
    upper = M * 6 / (M - 1)  # a node is in the layer above with probability 1 / m
    usable = PAGE - PAGE_HEADER - HNSW_SPECIAL
    return PAGE / (usable // (element + links)) + upper


def milvus_bytes(dims: int, id_chars: int = 16) -> float:
    """Compute the memory, in bytes, of one vector in Milvus's HNSW index and of its columns."""
    links = 4 * (2 * M + 1) + 4 * M / (M - 1)
    columns = id_chars + 8 + 4 + 8 + 16 + 2  # id, kind, category, time, model version, payload `{}`
    return 4 * dims + links + columns


@dataclass(frozen=True)
class Capacity:
    """Bytes of one note under one model version, and how many fit a machine of some memory."""

    row: float
    index: float
    milvus: float

    def machines(self, notes: int, memory: float, share: float = 0.7) -> int:
        """Count the Milvus query nodes of `memory` bytes, of which `share` may be data, that hold `notes`."""
        return ceil(notes * self.milvus / (memory * share))


def capacity(dims: int, form: Form = "float16", index_dims: int | None = None) -> Capacity:
    """Return what a note takes: the row of all dimensions, and an index over `index_dims` in `form`."""
    return Capacity(row_bytes(dims), hnsw_bytes(form, index_dims or dims), milvus_bytes(dims))


def _aligned(size: int, to: int = 8) -> int:
    return -(-size // to) * to


def _packed(sizes: Sequence[int], times: int = 1000) -> float:
    """Compute the bytes of pages for rows of these sizes, each stored where the last one had room."""
    pages, free = 0, 0
    for size in [size + LINE_POINTER for size in sizes] * times:
        if size > free:
            pages, free = pages + 1, PAGE - PAGE_HEADER
        free -= size
    return pages * PAGE / times


def table_row(dims: int) -> list[str]:
    """Return the cells of a row of the table: of a row, the index in full, the index of bits, Milvus."""
    sizes = (row_bytes(dims), hnsw_bytes("float16", dims), hnsw_bytes("bit", dims), milvus_bytes(dims))
    return [f"{size:,.0f}" for size in sizes]


if __name__ == "__main__":
    for dims in DIMS:
        print(f"| {dims} | {' | '.join(table_row(dims))} |")
