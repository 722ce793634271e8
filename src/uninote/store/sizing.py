"""How much room vectors take: bytes of rows and indexes, from the layouts of the engines. Pure arithmetic.

Sources: PostgreSQL's page layout (8 kB pages, 24 bytes of page header, 4 bytes of line pointer and 24 of
header a row); pgvector's README (`halfvec`: 2 bytes a dimension and 8, `bit`: one bit a dimension and 8) and
its `hnsw.h` (an element holds 72 bytes and the vector, its neighbours 6 bytes each: 2 m at layer 0, m above;
m = 16); hnswlib, which Milvus builds on (float32 vectors, 4 bytes a neighbour). Memory of a process beyond
the data is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

M = 16  # neighbours of a node, in both engines
PAGE, PAGE_HEADER, LINE_POINTER, ROW_HEADER = 8192, 24, 4, 24
HNSW_SPECIAL, ELEMENT, NEIGHBOURS = 8, 72, 4
TOAST_LIMIT = 2032  # a longer row moves its vector out of line
TOAST_CHUNK, TOAST_HEADER = 1996, 44  # payload of one chunk, and what it costs besides

Form = Literal["half", "bit"]


def value_bytes(form: Form, dims: int) -> int:
    """Bytes of one stored value."""
    return 8 + (2 * dims if form == "half" else ceil(dims / 8))


def row_bytes(dims: int, id_chars: int = 16) -> float:
    """Bytes of a row of the service's table of vectors: a 16-bit vector with its id and filter columns."""
    # note_id, model_id, content_key (64 characters), kind, category of about 8, time
    columns = (1 + id_chars) + 2 + 65 + 5 + 9 + 8
    row = _aligned(ROW_HEADER + columns + value_bytes("half", dims))
    if row <= TOAST_LIMIT:
        return PAGE / ((PAGE - PAGE_HEADER) // (row + LINE_POINTER))
    moved = value_bytes("half", dims)
    chunks = moved / TOAST_CHUNK
    return _aligned(ROW_HEADER + columns + 18) + LINE_POINTER + moved + ceil(chunks) * TOAST_HEADER


def hnsw_bytes(form: Form, dims: int) -> float:
    """Bytes of one vector in pgvector's HNSW index."""
    element = _aligned(ELEMENT + value_bytes(form, dims)) + LINE_POINTER
    links = _aligned(NEIGHBOURS + 2 * M * 6) + LINE_POINTER
    upper = M * 6 / (M - 1)  # a node is in the layer above with probability 1 / m
    usable = PAGE - PAGE_HEADER - HNSW_SPECIAL
    return PAGE / (usable // (element + links)) + upper


def milvus_bytes(dims: int, id_chars: int = 16) -> float:
    """Bytes of memory of one vector in Milvus's HNSW index, with the columns that are loaded beside it."""
    links = 4 * (2 * M + 1) + 4 * M / (M - 1)
    columns = id_chars + 8 + 4 + 8 + 16 + 2  # id, kind, category, time, model version, payload `{}`
    return 4 * dims + links + columns


@dataclass(frozen=True)
class Room:
    """Bytes of one note under one model version, and how many fit a machine of some memory."""

    row: float
    index: float
    milvus: float

    def machines(self, notes: int, memory: float, share: float = 0.7) -> int:
        """Milvus query nodes of `memory` bytes, of which `share` may be data, that hold `notes`."""
        return ceil(notes * self.milvus / (memory * share))


def room(dims: int, form: Form = "half", index_dims: int | None = None) -> Room:
    """What a note takes: the row of all dimensions, and an index over `index_dims` in `form`."""
    return Room(row_bytes(dims), hnsw_bytes(form, index_dims or dims), milvus_bytes(dims))


def _aligned(size: int) -> int:
    return -(-size // 8) * 8
