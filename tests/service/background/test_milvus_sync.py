"""Filling and searching a cluster, and doing without one; see `tests/store/test_milvus.py` for a real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from tests.service.conftest import MakeNote, Toward, World
from tests.service.http.test_scheduling import until

from uninote.errors import ConfigError, IncompleteError, StoreError
from uninote.service.background import milvus_collections, milvus_sync
from uninote.service.background.milvus_collections import rebuild
from uninote.service.background.milvus_sync import MilvusSync
from uninote.service.domain.notes import forget, outbox
from uninote.service.errors import ConflictError, UnavailableError
from uninote.service.telemetry.metrics import Metrics
from uninote.settings import ClusterSettings
from uninote.store.memory import MemoryStore
from uninote.store.protocol import EVERYTHING, Filter, Record


class Shelf:
    """Collections in memory, which outlive their openers, and can be away."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.away = False

    def open(self, version: str, dim: int) -> Kept:
        if self.away:
            raise StoreError("the cluster cannot be reached")
        return self.kept.setdefault(version, Kept(version, dim, self))


class Kept(MemoryStore):
    def __init__(self, version: str, dim: int, shelf: Shelf) -> None:
        super().__init__(dim)
        self.version, self.shelf = version, shelf

    def search(self, *given: Any, **options: Any) -> Any:
        self._check()
        return super().search(*given, **options)

    def upsert(self, records: Any) -> Any:
        self._check()
        return super().upsert(records)

    def close(self) -> None:
        """Keep the collection, although its opener is closed."""

    def drop(self) -> None:
        del self.shelf.kept[self.version]

    def _check(self) -> None:
        if self.shelf.away or self.shelf.kept.get(self.version) is not self:
            raise StoreError("the cluster failed")


@contextmanager
def started_sync(
    world: World, shelf: Shelf, metrics: Metrics | None = None, **options: Any
) -> Iterator[MilvusSync]:
    settings = ClusterSettings(address="milvus://host", **options)
    cluster = MilvusSync(
        settings, world.database, metrics or Metrics(), print, open_one=shelf.open, search_one=shelf.open
    )
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.close(60)


def near(cluster: MilvusSync, query: Any, filter: Filter = EVERYTHING) -> list[str] | None:
    return cluster.candidates("m1", 8, query, 3, filter)


def filled(cluster: MilvusSync) -> bool:
    cluster.look()
    return cluster.state.filled and cluster.state.lag.rows == 0


def test_it_fills_itself_follows_and_is_searched(world: World, note: MakeNote, at: Toward) -> None:
    world.database.transaction(outbox.stop)
    world.ingest(note("a", at(1.0)), note("b", at(0.9), category="c"), note("c", at(0.1)))
    shelf, metrics = Shelf(), Metrics()
    with started_sync(world, shelf, metrics) as cluster:
        until(lambda: filled(cluster))
        assert near(cluster, at(1.0)) == ["a", "b", "c"]
        assert near(cluster, at(1.0), Filter(categories=("c",))) == ["b"]
        world.database.transaction(lambda s: forget.forget(s, ["a"], "ops"))
        world.ingest(note("d", at(0.95)))
        until(lambda: near(cluster, at(1.0)) == ["d", "b", "c"])
        page = metrics.page().decode()
    assert "uninote_cluster_filled 1.0" in page


def test_without_an_answer_the_database_is_searched_or_callers_are_told(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_collections, "BREAK_SECONDS", 0.2)  # until it is opened again
    world.ingest(note("a", at(1.0)))
    shelf, metrics = Shelf(), Metrics()
    shelf.away = True
    with started_sync(world, shelf, metrics) as cluster:
        assert near(cluster, at(1.0)) is None  # not filled
        cluster.look()
        assert cluster.state.lag.rows == 1
        shelf.away = False
        until(lambda: filled(cluster) and cluster.state.up)
        assert near(cluster, at(1.0)) == ["a"]
        shelf.away = True
        assert near(cluster, at(1.0)) is None
        cluster.look()
        assert not cluster.state.up
        shelf.away = False
        assert near(cluster, at(1.0)) is None  # for some seconds it is not tried again
    with started_sync(world, shelf, fallback=False) as cluster:
        with pytest.raises(UnavailableError, match="is being filled"):
            near(cluster, at(1.0))
        until(lambda: filled(cluster))
        shelf.away = True
        with pytest.raises(UnavailableError, match="does not answer"):
            near(cluster, at(1.0))
    with started_sync(world, Shelf(), search=False) as cluster:
        assert near(cluster, at(1.0)) is None


def test_notes_that_are_not_delivered_yet_are_candidates(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ingest(note("a", at(0.5)))
    shelf = Shelf()
    with started_sync(world, shelf) as cluster:
        until(lambda: filled(cluster))
        with world.database.try_lock("uninote.outbox"):  # nothing is delivered
            world.ingest(note("b", at(1.0)), note("c", at(0.9)))
            assert sorted(near(cluster, at(1.0)) or []) == ["a", "b", "c"]
            monkeypatch.setattr(milvus_sync, "MAX_PENDING", 2)
            assert near(cluster, at(1.0)) is None
    with started_sync(world, shelf, fallback=False) as cluster:
        until(lambda: filled(cluster))
        with world.database.try_lock("uninote.outbox"):
            world.ingest(note("d", at(1.0)), note("e", at(0.9)))
            with pytest.raises(UnavailableError, match="is behind"):
                near(cluster, at(1.0))


def test_notes_that_the_cluster_holds_as_they_were_take_no_place_of_others(
    world: World, note: MakeNote, at: Toward
) -> None:
    wanted = Filter(categories=("c",))
    world.ingest(note("found", at(0.5), category="c"))
    names = [f"moved{row}" for row in range(3 + milvus_sync.SPARE)]
    world.ingest(*(note(name, at(1.0), category="c") for name in names))
    with started_sync(world, Shelf()) as cluster:
        until(lambda: filled(cluster))
        with world.database.try_lock("uninote.outbox"):  # nothing is delivered
            world.ingest(note("moved0", at(1.0), category="d"))
            assert near(cluster, at(1.0), wanted) is not None
            world.ingest(*(note(name, at(1.0), category="d") for name in names))
            world.ingest(*(note(f"far{row}", at(-1.0), category="c") for row in range(3)))
            assert near(cluster, at(1.0), wanted) is None


def test_what_the_index_does_not_find_the_database_does(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: Any, **__: Any) -> Any:
        raise IncompleteError("too few")

    world.ingest(note("a", at(0.5)))
    shelf = Shelf()
    with started_sync(world, shelf) as cluster:
        until(lambda: filled(cluster))
        with monkeypatch.context() as patched:
            patched.setattr(Kept, "search", short)
            assert near(cluster, at(1.0)) is None
        assert near(cluster, at(1.0)) == ["a"]  # the cluster was not taken for absent
    with started_sync(world, shelf, fallback=False) as cluster:
        until(lambda: filled(cluster))
        monkeypatch.setattr(Kept, "search", short)
        with pytest.raises(UnavailableError, match="does not find all"):
            near(cluster, at(1.0))


@pytest.mark.slow
def test_a_rebuild_leaves_nothing_that_the_database_does_not_hold(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_sync, "BREAK_SECONDS", 0.1)  # of a search in the middle of the rebuild
    world.ingest(note("a", at(1.0)))
    shelf = Shelf()
    with started_sync(world, shelf) as cluster:
        until(lambda: filled(cluster))
        shelf.kept["m1"].upsert([Record("ghost", np.eye(8)[0], "note")])
        assert near(cluster, at(1.0)) == ["a", "ghost"]
        assert rebuild(world.database, shelf.open) == 1
        until(lambda: filled(cluster) and near(cluster, at(1.0)) == ["a"])
    with (
        world.database.try_lock("uninote.cluster.rebuild"),
        pytest.raises(ConflictError, match="wait for it"),
    ):
        rebuild(world.database, shelf.open)


def test_a_rebuild_that_was_killed_is_done_again(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("a", at(1.0)))
    while outbox.send(world.database, lambda _: None):
        pass
    world.database.transaction(outbox._want)  # as far as the killed one came
    assert not world.database.transaction(outbox.filled)
    with started_sync(world, Shelf()) as cluster:
        until(lambda: filled(cluster))
        assert near(cluster, at(1.0)) == ["a"]


def test_an_address_of_something_else_is_refused_without_its_password(world: World) -> None:
    with pytest.raises(ConfigError, match="not a Milvus address") as error:
        MilvusSync(ClusterSettings(address="http://user:secret@host"), world.database, Metrics(), print)
    assert "secret" not in str(error.value)
