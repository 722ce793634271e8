"""Validation of records and queries, shared by all stores, so that all accept the same ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uninote.errors import StoreError, VectorError
from uninote.store.protocol import Record

# An index key of PostgreSQL holds 2704 bytes, a character takes up to 4; kind and category share a key.
MAX_CHARS = {"id": 512, "kind": 256, "category": 256}


@dataclass(frozen=True, eq=False)
class CheckedRecord:
    """A record that every engine can hold: unit float32 vector [dim], payload as JSON text."""

    id: str
    vector: NDArray[np.float32]
    kind: str
    category: str
    time: datetime | None
    model_version: str
    payload: str


def unit_vector(vector: ArrayLike, dim: int) -> NDArray[np.float32]:
    """Scale `vector` to length 1, float32 [dim]. Raises VectorError for NaN, infinity, zero, wrong dim."""
    try:
        values = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError):
        raise VectorError("the vector is not an array of numbers") from None
    if values.shape != (dim,):
        raise VectorError(f"the vector has shape {values.shape}, this store holds {dim} dimensions")
    largest = np.abs(values).max()
    if not np.isfinite(largest):
        raise VectorError("the vector has NaN or infinite values")
    if largest == 0:
        raise VectorError("the vector is all zero and has no direction")
    values = values / largest  # squares of very large or small numbers would leave float64
    unit: NDArray[np.float32] = (values / np.linalg.norm(values)).astype(np.float32)
    return unit


def unit_queries(vectors: ArrayLike, dim: int) -> NDArray[np.float32]:
    """Scale query rows to length 1, float32 [q, dim]. Raises VectorError naming the first bad row."""
    try:
        rows = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError):
        raise VectorError("queries must be an array of numbers of shape [q, dim]") from None
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise VectorError(f"queries have shape {rows.shape}, this store needs [q, {dim}]")
    units = np.empty(rows.shape, dtype=np.float32)
    for number, row in enumerate(rows):
        try:
            units[number] = unit_vector(row, dim)
        except VectorError as error:
            raise VectorError(f"query {number}: {error}") from None
    return units


def check_record(record: Record, dim: int) -> CheckedRecord:
    """Return the record in storable form. Raises VectorError with the reason when it cannot be stored."""
    if not record.id:
        raise VectorError("the id is empty")
    for name, limit in MAX_CHARS.items():
        if len(getattr(record, name)) > limit:
            raise VectorError(f"{name} is longer than {limit} characters")
    for name in ("id", "kind", "category", "model_version"):
        if not storable(getattr(record, name)):
            raise VectorError(f"{name} has a NUL character or a lone surrogate")
    if record.time is not None and record.time.utcoffset() is None:
        raise VectorError("time has no time zone")
    try:
        payload = json.dumps(dict(record.payload), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise VectorError(f"payload is not JSON: {error}") from None
    return CheckedRecord(
        id=record.id,
        vector=unit_vector(record.vector, dim),
        kind=record.kind,
        category=record.category,
        time=record.time,
        model_version=record.model_version,
        payload=payload,
    )


def check_records(
    records: Iterable[Record], dim: int
) -> tuple[list[CheckedRecord], tuple[tuple[str, str], ...]]:
    """Return the good records, the last of each id, sorted by id; and (id, reason) of each bad one, as given.

    The order by id prevents deadlocks: all writers take row locks in it.
    """
    good: dict[str, CheckedRecord] = {}
    rejected: list[tuple[str, str]] = []
    for record in records:
        try:
            good[record.id] = check_record(record, dim)
        except VectorError as error:
            rejected.append((record.id, str(error)))
    return [good[id] for id in sorted(good)], tuple(rejected)


def check_k(k: int) -> None:
    """Raise StoreError unless k is at least 1."""
    if k < 1:
        raise StoreError(f"k must be at least 1, not {k}")


def check_threshold(threshold: float) -> None:
    """Raise StoreError when the threshold is not a number."""
    if math.isnan(threshold):
        raise StoreError("the threshold is NaN; give a cosine in [-1, 1]")


def storable(text: str) -> bool:
    """Return whether a database text column can hold `text`."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def cosine(product: float) -> float:
    """Return an inner product of unit vectors as a score: clipped to [-1, 1] and rounded to six decimals.

    The last bits depend on the order of summation and would break ties at random.
    """
    return round(min(1.0, max(-1.0, product)), 6) + 0.0  # no -0.0
