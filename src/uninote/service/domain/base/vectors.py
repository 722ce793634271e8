"""Stored vectors: unit length, float16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pgvector import HalfVector
from sqlalchemy.orm import Session

from uninote.store.validate import unit_queries, unit_vector

Float16 = NDArray[np.float16]
Matrix = NDArray[np.float32]


def float16_unit(vector: ArrayLike, dim: int) -> Float16:
    """Scale a vector to length 1, float16 [dim].

    Raises VectorError for NaN, infinity, zero and a wrong dimension.
    """
    return unit_vector(vector, dim).astype(np.float16)


def float16_units(vectors: ArrayLike, dim: int) -> Matrix:
    """Round queries [q, dim] as stored vectors are, float32: scores of queries and stored notes agree."""
    return unit_queries(vectors, dim).astype(np.float16).astype(np.float32)


def exact_scores(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Return cosines of paired stored vectors, [n, d] and [n, d] or [d], as scores: float64 [n], six
    decimals.

    The sums are in 64 bits, where products of 16-bit numbers are exact. So the same two vectors have the same
    score in every place that compares them, and a threshold chosen at a score is reached by that score. Equal
    vectors score 1, since the products are divided by the lengths as stored.
    """
    left, right = left.astype(np.float64), right.astype(np.float64)
    squares = _products(left, left) * _products(right, right)
    scores: NDArray[np.float64] = np.clip(_products(left, right) / np.sqrt(squares), -1, 1).round(6)
    return scores


def normalised(vectors: Matrix) -> Matrix:
    """Return stored vectors [n, d] scaled to length 1, so that their products are nearly the scores."""
    units: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units


def _products(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    products: NDArray[np.float64] = np.einsum("...d,...d->...", left, right)
    return products


def as_parameter(vector: Float16) -> HalfVector:
    """Return a statement parameter; pass it in binary (`%b`)."""
    return HalfVector(vector)


def read_binary(session: Session, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement in binary format: parsing vectors from text takes ten times as long."""
    connection: Any = session.connection().connection.driver_connection
    rows: list[tuple[Any, ...]] = connection.cursor(binary=True).execute(statement, values).fetchall()
    return rows


def from_database(values: list[HalfVector], dim: int) -> Matrix:
    """Return vectors read from the database as a matrix float32 [n, dim]."""
    rows = np.empty((len(values), dim), np.float32)
    for row, value in zip(rows, values, strict=True):
        row[:] = value.to_numpy()
    return rows


def from_lists(values: list[list[float]]) -> Matrix:
    """Return vectors of mapped rows as a matrix float32 [n, dim]."""
    return np.asarray(values, dtype=np.float32)
