"""Fixtures of the service: one embedded server, a new database per test, and notes with vectors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from uninote.items import Item, Note
from uninote.service.db.engine import Database
from uninote.service.domain.gallery import categories, samples, thresholds, versions
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.domain.notes import ingest, outbox
from uninote.service.domain.notes.ingest_types import Incoming, Outcome
from uninote.store.embedded import EmbeddedServer

DIM = 8
_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> str:
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE prepared")
    Database(address_of(server, "prepared")).close()
    return "prepared"


@pytest.fixture
def address(server: EmbeddedServer, template: str) -> str:
    """A database of its own with the newest schema and nothing in it."""
    name = f"t{next(_numbers)}"
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
    return address_of(server, name)


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    with Database(address) as database:
        yield database


def address_of(server: EmbeddedServer, name: str) -> str:
    return server.address.replace("/postgres?", f"/{name}?")


def toward(*components: float, dim: int = DIM) -> NDArray[np.float64]:
    """Return a vector with the given first components; the last one completes it to length 1."""
    vector = np.zeros(dim)
    vector[: len(components)] = components
    vector[-1] = np.sqrt(max(0.0, 1 - (vector**2).sum()))
    return vector


class Toward(Protocol):
    """The fixture `at`: `toward`."""

    def __call__(self, *components: float, dim: int = DIM) -> NDArray[np.float64]: ...


class MakeNote(Protocol):
    """The fixture `note`: a note with one vector; options are fields of `Note` or `Incoming`."""

    def __call__(
        self,
        note_id: str,
        vector: NDArray[np.float64],
        title: str = "",
        *,
        version: str = "m1",
        **options: Any,
    ) -> Incoming: ...


@dataclass
class World:
    """A service with one active model `m1` of 8 dimensions, and short ways to fill it."""

    database: Database
    matcher: Matcher

    def category(self, name: str, threshold: float | None = 0.8, **options: Any) -> None:
        def work(session: Session) -> None:
            categories.put_category(session, name, "ops", **options)
            if threshold is not None:
                thresholds.put(session, name, "m1", threshold, "ops")

        self.database.transaction(work)

    def sample(self, category: str, vector: NDArray[np.float64], text: str = "", **options: Any) -> int:
        item = Item.of(text or f"sample {next(_numbers)}")
        new = NewSample(category, "text", item, {"m1": vector}, **options)
        return self.database.transaction(lambda session: samples.add_samples(session, [new], "ops"))[0].id

    def ingest(self, *batch: Incoming, **options: Any) -> list[Outcome]:
        return ingest.ingest(self.database, self.matcher, batch, "app", **options)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.address) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture
def world(database: Database) -> World:
    database.transaction(lambda session: versions.ensure(session, "m1", DIM, "ops"))
    outbox.rebuild(database)
    return World(database, Matcher())


@pytest.fixture
def note() -> MakeNote:
    def make(
        note_id: str,
        vector: NDArray[np.float64],
        title: str = "",
        *,
        version: str = "m1",
        **options: Any,
    ) -> Incoming:
        fields = {name: options.pop(name) for name in ("pictures", "category", "lang") if name in options}
        content = Note(note_id, title=title or f"note {note_id}", **fields)
        return Incoming(content, {version: vector}, **options)

    return make


@pytest.fixture
def at() -> Toward:
    return toward
