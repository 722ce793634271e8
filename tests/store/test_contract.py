"""Contract suite of the stores: every promise of the protocol, for every store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from uninote.errors import StoreError, VectorError
from uninote.store.protocol import Filter, Record, Store

DAY = datetime(2026, 1, 1, tzinfo=UTC)
EAST, NORTH, WEST = [1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [-3.0, 0.0, 0.0]


@pytest.fixture
def store(make_store: Callable[[int], Store]) -> Store:
    return make_store(3)


def ids(store: Store, filter: Filter) -> set[str]:
    return {hit.id for hit in store.search([EAST], 10, filter)[0]}


def test_scores_are_cosines_in_descending_order(store: Store) -> None:
    report = store.upsert(
        [
            Record("w", WEST, "note"),
            Record("n", NORTH, "note"),
            Record("e", EAST, "note", "cat", payload={"a": 1}),
        ]
    )
    assert (report.written, report.rejected) == (3, ())
    east, diagonal = store.search([EAST, [1, 1, 0]], 3)
    assert [(hit.id, hit.score) for hit in east] == [("e", 1.0), ("n", 0.0), ("w", -1.0)]
    assert [hit.id for hit in diagonal] == ["e", "n", "w"]
    assert diagonal[0].score == pytest.approx(2**-0.5, abs=1e-6)
    assert (east[0].kind, east[0].category, east[0].payload) == ("note", "cat", {"a": 1})


def test_equal_scores_fall_to_the_id_by_code_point(store: Store) -> None:
    names = ["b", "B", "é", "a", "10", "9", "𝄞", "\uffee"]
    store.upsert([Record(name, EAST, "note") for name in names])
    assert [hit.id for hit in store.search([EAST], 100)[0]] == sorted(names)
    assert [hit.id for hit in store.within([EAST], 0.5)[0]] == sorted(names)


def test_last_write_wins_within_and_across_batches(store: Store) -> None:
    store.upsert([Record("a", EAST, "old", "x", DAY), Record("b", EAST, "note")])
    report = store.upsert([Record("a", NORTH, "mid"), Record("a", WEST, "new", payload={"n": 2})])
    assert report.written == 1
    assert store.count() == 2
    (hit,) = store.search([WEST], 1)[0]
    assert (hit.id, hit.score, hit.kind, hit.category, hit.payload) == ("a", 1.0, "new", "", {"n": 2})
    assert store.count(Filter(since=DAY)) == 0


@pytest.mark.parametrize("changed", [{"kind": "k"}, {"category": "c"}, {"payload": {"p": [1]}}])
def test_a_change_of_one_field_is_stored(store: Store, changed: dict[str, object]) -> None:
    store.upsert([Record("a", EAST, "note")])
    store.upsert([Record("a", EAST, **({"kind": "note"} | changed))])  # type: ignore[arg-type]
    (hit,) = store.search([EAST], 1)[0]
    assert {name: getattr(hit, name) for name in changed} == changed


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Record("bad", [1, float("nan"), 0], "note"), "NaN"),
        (Record("bad", [1, float("inf"), 0], "note"), "infinite"),
        (Record("bad", [0, 0, 0], "note"), "zero"),
        (Record("bad", [1, 0], "note"), "3 dimensions"),
        (Record("bad", [[1, 0, 0]], "note"), "3 dimensions"),
        (Record("bad", ["x", 0, 0], "note"), "numbers"),
        (Record("bad", EAST, "no\0te"), "NUL"),
        (Record("bad", EAST, "note", "\ud800"), "surrogate"),
        (Record("bad", EAST, "note", time=datetime(2026, 1, 1)), "time zone"),
        (Record("bad", EAST, "note", payload={"x": float("nan")}), "JSON"),
        (Record("bad", EAST, "note", payload={"x": object()}), "JSON"),
        (Record("", EAST, "note"), "empty"),
        (Record("i" * 513, EAST, "note"), "512"),
        (Record("bad", EAST, "note", "c" * 257), "256"),
    ],
)
def test_a_bad_record_is_named_and_the_good_ones_stored(store: Store, bad: Record, reason: str) -> None:
    store.upsert([Record("bad", NORTH, "before")])
    report = store.upsert([Record("a", EAST, "note"), bad, Record("b", WEST, "note")])
    assert report.written == 2
    ((name, why),) = report.rejected
    assert name == bad.id
    assert reason in why
    assert {hit.id: hit.kind for hit in store.search([NORTH], 10)[0]} == {
        "a": "note",
        "b": "note",
        "bad": "before",
    }
    with pytest.raises(VectorError, match=reason):
        report.raise_rejected()


def test_the_longest_fields_and_odd_payloads_are_stored(store: Store) -> None:
    payload = {"nul": "\0", "surrogate": "\ud800", "nested": [{"ü": None}], "big": 2**70}
    name = "𝄞" * 512
    assert store.upsert([Record(name, EAST, "𝄞" * 256, "𝄞" * 256, payload=payload)]).rejected == ()
    (hit,) = store.search([EAST], 1)[0]
    assert (hit.id, hit.payload) == (name, payload)


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e-300, 1e300])
def test_length_is_ignored_at_any_scale(store: Store, scale: float) -> None:
    store.upsert([Record("a", np.array([scale, scale, 0]), "note")])
    assert store.search([[scale, 0, 0]], 1)[0][0].score == pytest.approx(2**-0.5, abs=1e-6)


@pytest.mark.parametrize("query", [[[0, 0, 0]], [[1, float("nan"), 0]], [[1, 0]], [1, 0, 0], [["x", 0, 0]]])
def test_a_bad_query_is_a_vector_error(store: Store, query: list[object]) -> None:
    with pytest.raises(VectorError):
        store.search(query, 1)  # type: ignore[arg-type]
    with pytest.raises(VectorError):
        store.within(query, 0.5)  # type: ignore[arg-type]


def test_bad_k_and_threshold_are_store_errors(store: Store) -> None:
    with pytest.raises(StoreError, match="k must be"):
        store.search([EAST], 0)
    with pytest.raises(StoreError, match="threshold"):
        store.within([EAST], float("nan"))


def test_no_queries_and_an_empty_store(store: Store) -> None:
    assert store.search(np.empty((0, 3)), 5) == []
    assert store.within(np.empty((0, 3)), 0) == []
    assert store.search([EAST], 5) == store.within([EAST], -1) == [[]]
    assert store.upsert([]).written == store.delete([]) == store.count() == 0
    store.flush()


def test_within_holds_the_threshold_itself(store: Store) -> None:
    store.upsert(
        [
            Record(f"{degree:02}", [np.cos(np.radians(degree)), np.sin(np.radians(degree)), 0], "note")
            for degree in range(0, 91, 10)
        ]
    )
    hits, none = store.within([EAST, WEST], 0.5)
    assert [hit.id for hit in hits] == [f"{degree:02}" for degree in range(0, 61, 10)]
    assert none == []
    assert [hit.id for hit in store.within([EAST], 1.0)[0]] == ["00"]


@pytest.mark.parametrize("dim", [64, 384, 1024, 2000])
def test_equal_vectors_score_one(make_store: Callable[[int], Store], dim: int) -> None:
    """Check sums of many components: random ones, a few large among many small ones, and equal ones."""
    vectors = np.random.default_rng(dim).normal(size=(60, dim))
    vectors[:20] = np.abs(vectors[:20]) * (np.arange(dim) % 50 == 0) + 1e-3
    vectors[20] = 1
    store = make_store(dim)
    store.upsert(Record(f"{row}", vector, "note") for row, vector in enumerate(vectors)).raise_rejected()
    for row, hits in enumerate(store.search(vectors, 1)):
        assert [(hit.id, hit.score) for hit in hits] == [(f"{row}", 1.0)]
    for row, hits in enumerate(store.within(vectors, 1.0)):
        assert [hit.id for hit in hits] == [f"{row}"]


def test_filters_combine(store: Store) -> None:
    store.upsert(
        [
            Record("a", EAST, "note", "x", DAY, "v1"),
            Record("b", EAST, "image", "x", DAY + timedelta(hours=1), "v1"),
            Record("c", EAST, "image", "y", DAY + timedelta(hours=2), "v2"),
            Record("d", EAST, "text", "y", None, "v2"),
        ]
    )
    expected = {
        Filter(): "abcd",
        Filter(kinds=("image",)): "bc",
        Filter(kinds=("image", "text")): "bcd",
        Filter(kinds=()): "",
        Filter(kinds=("image",), categories=("y",)): "c",
        Filter(categories=("x", "nowhere")): "ab",
        Filter(model_versions=("v2",)): "cd",
        Filter(since=DAY + timedelta(hours=1)): "bc",
        Filter(until=DAY + timedelta(hours=2)): "ab",
        Filter(since=DAY, until=DAY): "",
        Filter(kinds=("x') OR true --",)): "",
        Filter(kinds=("note", "no\0te", "\ud800")): "a",
    }
    for filter, names in expected.items():
        assert ids(store, filter) == set(names), filter
        assert {hit.id for hit in store.within([EAST], 0.9, filter)[0]} == set(names), filter
        assert store.count(filter) == len(names), filter


def test_delete_counts_the_removed_records(store: Store) -> None:
    store.upsert([Record(name, EAST, "note") for name in "abc"])
    assert store.delete(["a", "a", "b", "nobody", "a\0", "\ud800"]) == 2
    assert store.delete(["a"]) == 0
    assert [hit.id for hit in store.search([EAST], 5)[0]] == ["c"]


def test_concurrent_writers_lose_nothing(store: Store) -> None:
    def write(writer: int) -> None:
        for batch in range(5):
            names = [f"shared{i}" for i in range(5)][:: 1 if writer % 2 else -1]
            store.upsert([Record(name, EAST, "note") for name in [*names, f"{writer}.{batch}"]])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    assert store.count() == 4 * 5 + 5


def test_a_closed_store_is_an_error(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count()
    with pytest.raises(StoreError, match="closed"):
        store.upsert([Record("a", EAST, "note")])
