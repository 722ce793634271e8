"""Random histories of a collection large enough for an index, against brute force.

Every answer of a filtered search or of a search by threshold is complete, or the store says that it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from uninote.errors import IncompleteError
from uninote.store.memory import MemoryStore
from uninote.store.protocol import EVERYTHING, Filter, Record, Store

pytestmark = pytest.mark.slow

DIM, ROWS = 16, 20_000
SIZES = {"one": 1, "few": 60, "some": 2000}
MAY_BE_SHORT = 5000  # selected records from which on a store may say that its answer is not complete

names = st.sampled_from([*SIZES, "many", "none"])
filters = st.just(EVERYTHING) | st.lists(names, min_size=1, max_size=2).map(
    lambda chosen: Filter(categories=tuple(chosen))
)
seeds = st.integers(0, 2**32 - 1)


def units(seed: int, rows: int) -> np.ndarray[Any, Any]:
    vectors = np.random.default_rng(seed).normal(size=(rows, DIM))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class LargeMachine(RuleBasedStateMachine):
    """Store under test. exact: selected records up to which it finds the best; error: that of its scores."""

    def __init__(self, store: Store, exact: int, error: float) -> None:
        super().__init__()
        self.store, self.exact, self.error = store, exact, error
        self.vectors = units(0, ROWS)
        self.there = np.ones(ROWS, bool)
        limits = np.cumsum([*SIZES.values()])
        self.categories = np.array([*SIZES, "many"])[np.searchsorted(limits, np.arange(ROWS), side="right")]
        self.write(np.arange(ROWS))

    def write(self, rows: Any) -> None:
        records = (Record(f"{row:05}", self.vectors[row], "note", self.categories[row]) for row in rows)
        self.store.upsert(records).raise_rejected()

    @rule(seed=seeds, number=st.integers(1, 300), name=names)
    def replace(self, seed: int, number: int, name: str) -> None:
        rows = np.random.default_rng(seed).choice(ROWS, number, replace=False)
        self.vectors[rows] = units(seed, number)
        self.categories[rows] = name
        self.there[rows] = True
        self.write(rows)

    @rule(seed=seeds, number=st.integers(1, 300))
    def delete(self, seed: int, number: int) -> None:
        rows = np.random.default_rng(seed).choice(ROWS, number, replace=False)
        assert self.store.delete([f"{row:05}" for row in rows]) == self.there[rows].sum()
        self.there[rows] = False

    @rule()
    def flush(self) -> None:
        self.store.flush()

    @rule(seed=seeds, k=st.sampled_from([1, 10, 100, 3000]), filter=filters)
    def search(self, seed: int, k: int, filter: Filter) -> None:
        queries = units(seed, 2)
        chosen = self.selected(filter)
        assert self.store.count(filter) == len(chosen)
        try:
            found = self.store.search(queries, k, filter)
        except IncompleteError:
            assert len(chosen) > MAY_BE_SHORT
            return
        for query, hits in zip(queries, found, strict=True):
            scores = self.vectors[chosen] @ query
            self.check(query, chosen, hits)
            assert len(hits) == min(k, len(chosen))
            if hits and len(chosen) <= self.exact:
                assert hits[-1].score >= np.sort(scores)[-len(hits)] - self.error

    @rule(seed=seeds, threshold=st.floats(-0.5, 0.9), filter=filters)
    def within(self, seed: int, threshold: float, filter: Filter) -> None:
        (query,) = units(seed, 1)
        chosen = self.selected(filter)
        try:
            (hits,) = self.store.within([query], threshold, filter)
        except IncompleteError:
            assert len(chosen) > MAY_BE_SHORT
            return
        self.check(query, chosen, hits)
        scores = self.vectors[chosen] @ query
        assert all(hit.score >= threshold for hit in hits)
        sure = {f"{row:05}" for row in chosen[scores > threshold + self.error]}
        assert sure <= {hit.id for hit in hits}

    def selected(self, filter: Filter) -> np.ndarray[Any, Any]:
        wanted = self.there if filter.categories is None else np.isin(self.categories, filter.categories)
        return np.flatnonzero(wanted & self.there)

    def check(self, query: Any, chosen: Any, hits: Any) -> None:
        """Check that the hits are selected records, in order, each once, with their scores."""
        order = [(-hit.score, hit.id) for hit in hits]
        assert order == sorted(set(order))
        rows = np.array([int(hit.id) for hit in hits], int)
        assert np.isin(rows, chosen).all()
        truth = self.vectors[rows] @ query
        assert np.abs(truth - [hit.score for hit in hits]).max(initial=0) <= self.error


def run(make: Callable[[], Store], exact: int = 10 * ROWS, error: float = 2e-6) -> None:
    run_state_machine_as_test(
        lambda: LargeMachine(make(), exact, error),
        settings=settings(
            max_examples=2,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # shrinking would load the rows a hundred times
        ),
    )


def test_memory() -> None:
    run(lambda: MemoryStore(DIM))


@pytest.mark.parametrize("precision", ["single", "half"])
@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_postgres(open_postgres: Callable[..., Store], index: str, precision: str) -> None:
    run(
        lambda: open_postgres(DIM, index=index, precision=precision, exact_below=1000),
        exact=10 * ROWS if index == "exact" else 1000,
        error=2e-6 if precision == "single" else 1e-3,
    )


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_milvus(open_milvus: Callable[..., Store], index: str) -> None:
    run(
        lambda: open_milvus(DIM, index, exact_rows=MAY_BE_SHORT),
        exact=10 * ROWS if index == "exact" else 100,
    )
