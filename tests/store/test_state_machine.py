"""Random histories of every store against a plain dict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from uninote.store.memory import MemoryStore
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Filter, Hit, Record, Store

DIM = 3
ROUNDING = 2e-6

names = st.sampled_from([f"r{number}" for number in range(12)])
kinds = st.sampled_from(["note", "image", "text"])
directions = st.lists(st.integers(-2, 2), min_size=DIM, max_size=DIM).filter(any)
vectors = st.one_of(
    directions, directions, directions, st.sampled_from([[0] * DIM, [1], [float("nan")] * DIM])
)
filters = st.builds(Filter, kinds=st.none() | st.lists(kinds, max_size=2, unique=True).map(tuple))


def unit(vector: list[float]) -> Any:
    return np.asarray(vector) / np.linalg.norm(vector)


class StoreMachine(RuleBasedStateMachine):
    """Store under test. `reopen` returns a new handle on the same records; `exact`: search finds the best."""

    def __init__(self, reopen: Callable[[Store | None], Store], exact: bool) -> None:
        super().__init__()
        self.reopen, self.exact = reopen, exact
        self.store = reopen(None)
        self.model: dict[str, tuple[Any, str]] = {}

    @rule(batch=st.lists(st.tuples(names, vectors, kinds), max_size=6))
    def upsert(self, batch: list[tuple[str, list[float], str]]) -> None:
        report = self.store.upsert([Record(name, vector, kind) for name, vector, kind in batch])
        good = [row for row in batch if len(row[1]) == DIM and np.abs(row[1]).sum() > 0]
        self.model |= {name: (unit(vector), kind) for name, vector, kind in good}
        assert report.written == len({name for name, *_ in good})
        assert [name for name, _ in report.rejected] == [row[0] for row in batch if row not in good]

    @rule(gone=st.lists(names, max_size=4))
    def delete(self, gone: list[str]) -> None:
        there = {name for name in gone if name in self.model}
        assert self.store.delete(gone) == len(there)
        for name in there:
            del self.model[name]

    @rule(queries=st.lists(directions, min_size=1, max_size=3), k=st.integers(1, 15), filter=filters)
    def search(self, queries: list[list[float]], k: int, filter: Filter) -> None:
        for query, hits in zip(queries, self.store.search(queries, k, filter), strict=True):
            scores = self.check(query, filter, hits)
            assert len(hits) == min(k, len(scores))
            if self.exact and hits:
                missed = [score for name, score in scores.items() if name not in {hit.id for hit in hits}]
                assert max(missed, default=-1.0) <= hits[-1].score + ROUNDING

    @rule(query=directions, threshold=st.floats(-1, 1), filter=filters)
    def within(self, query: list[float], threshold: float, filter: Filter) -> None:
        (hits,) = self.store.within([query], threshold, filter)
        scores = self.check(query, filter, hits)
        assert all(hit.score >= threshold for hit in hits)
        assert {name for name, score in scores.items() if score > threshold + ROUNDING} <= {
            hit.id for hit in hits
        }

    @rule()
    def open_again(self) -> None:
        self.store = self.reopen(self.store)

    @rule()
    def flush(self) -> None:
        self.store.flush()

    @invariant()
    def counts(self) -> None:
        assert self.store.count() == len(self.model)
        notes = sum(kind == "note" for _, kind in self.model.values())
        assert self.store.count(Filter(kinds=("note",))) == notes

    def check(self, query: list[float], filter: Filter, hits: list[Hit]) -> dict[str, float]:
        """Check order, uniqueness, kinds and scores of the hits; return the true score of every record."""
        scores = {
            name: float(vector @ unit(query))
            for name, (vector, kind) in self.model.items()
            if filter.kinds is None or kind in filter.kinds
        }
        order = [(-hit.score, hit.id) for hit in hits]
        assert order == sorted(set(order))
        for hit in hits:
            assert -1 <= hit.score <= 1
            assert hit.score == pytest.approx(scores[hit.id], abs=ROUNDING)
            assert hit.kind == self.model[hit.id][1]
        return scores

    def teardown(self) -> None:
        self.store.close()


def run(reopen: Callable[[Store | None], Store], exact: bool, examples: int) -> None:
    run_state_machine_as_test(
        lambda: StoreMachine(reopen, exact),
        settings=settings(
            max_examples=examples,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_memory() -> None:
    run(lambda store: store or MemoryStore(DIM), exact=True, examples=60)


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_postgres(open_postgres: Callable[..., PostgresStore], index: str) -> None:
    collections: dict[int, str] = {}

    def reopen(store: Store | None) -> Store:
        name = collections[id(store)] if store else f"machine_{index}_{len(collections)}"
        if store:
            store.close()
        opened = open_postgres(DIM, index=index, exact_below=0, collection=name)
        collections[id(opened)] = name
        return opened

    run(reopen, exact=index == "exact", examples=12)
