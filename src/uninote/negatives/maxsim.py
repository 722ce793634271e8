"""MaxSim score of composite candidates (Eq. 4), as pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Composites:
    """Vectors of items made of elements.

    Attributes:
        vectors: float32 [u, d], unit rows, the distinct elements.
        places: int64 [e], the row of `vectors` of each element, items one after the other.
        starts: int64 [n], the index in `places` at which each item begins; rises strictly from 0.
    """

    vectors: Floats
    places: Ints
    starts: Ints


def maxsim(query_vectors: Floats, element_vectors: Floats, owners: Ints) -> Floats:
    """Compute `s'(q, c) = max_{e ∈ c} sim(φ(q), φ(e))` (Eq. 4) for every query and candidate.

    Args:
        query_vectors: float32 [q, d], unit rows.
        element_vectors: float32 [e, d], unit rows, in any order.
        owners: int64 [e], the candidate each element belongs to; every number from 0 to the largest
            must occur.

    Returns: float32 [q, n], n = owners.max() + 1, cosines.

    Raises ValueError when the shapes disagree or a candidate has no element.
    """
    if owners.shape != (len(element_vectors),):
        raise ValueError(f"{len(element_vectors)} elements need as many owners, got shape {owners.shape}")
    order = np.argsort(owners, kind="stable")
    found, starts = np.unique(owners[order], return_index=True)
    if not np.array_equal(found, np.arange(len(found))):
        raise ValueError("owners must number the candidates from 0 without gaps")
    queries = np.arange(len(query_vectors))
    return composite_maxsim(
        Composites(query_vectors, queries, queries), Composites(element_vectors, order, starts)
    )


def composite_maxsim(queries: Composites, candidates: Composites) -> Floats:
    """Compute `max_{f ∈ q} max_{e ∈ c} cos(f, e)`: float32 [queries, candidates].

    With one element per query this is Eq. 4; with one element per candidate too, plain cosine (Eq. 3).
    Each distinct element is multiplied once, however many items share it.
    """
    cosines: Floats = queries.vectors @ candidates.vectors.T
    by_candidate = _run_maximum(cosines, candidates.places, candidates.starts, axis=1)
    return _run_maximum(by_candidate, queries.places, queries.starts, axis=0)


def _run_maximum(values: Floats, places: Ints, starts: Ints, axis: int) -> Floats:
    """Take the maximum along `axis` over the places of each item."""
    if len(starts) == 0:
        return np.take(values, places, axis=axis)
    in_place = len(places) == values.shape[axis] and np.array_equal(places, np.arange(len(places)))
    gathered = values if in_place else np.take(values, places, axis=axis)
    if len(starts) == len(places):
        return gathered
    grouped: Floats = np.maximum.reduceat(gathered, starts, axis=axis)
    return grouped
