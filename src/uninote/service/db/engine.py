"""The service's database: embedded in a folder or any server by address, brought up to date on opening."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import psycopg
from pgvector.psycopg import register_vector
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from uninote.errors import StoreError
from uninote.service.db.migrate import upgrade
from uninote.store.embedded import EmbeddedServer

CONNECT_SECONDS = 10
ATTEMPTS = 3
_GONE = {"57P01", "57P02", "57P03", "08000", "08003", "08006"}
_RACES = {
    "40001",
    "40P01",
    "23503",
}  # serialization, deadlock, a row deleted that was about to be referred to

Result = TypeVar("Result")


class RetryTransaction(Exception):
    """Raised by work that lost a race and wants to see the new state in a new transaction."""


class Database:
    """Transactions as function calls: `run(work)` commits what `work(session)` did, or nothing of it.

    place: an address (`postgresql://...`), or a folder whose embedded server is started and shared.

    Work is repeated in a new transaction after a lost connection, a deadlock or a lost race, so it must not
    act outside of its session, and a repetition after a commit whose answer was lost must be harmless: all
    of the domain's steps are. Open after forking. Raises StoreError when the server cannot be used.
    """

    def __init__(self, place: str | Path, *, connections: int = 8) -> None:
        self._server = EmbeddedServer(place) if isinstance(place, Path) else None
        self.address: str = self._server.address if self._server else str(place)
        self._lock = Lock()
        self._closed = False
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            creator=self.connect,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
            pool_use_lifo=True,
        )
        event.listen(self.engine, "connect", _configure)
        try:
            with _store_errors():
                upgrade(self.engine)
        except BaseException:
            self.close()
            raise

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """A connection outside of the pool, for what holds one long (LISTEN, COPY); the caller closes it."""
        return psycopg.connect(
            self.address, connect_timeout=CONNECT_SECONDS, prepare_threshold=None, **options
        )

    def run(self, work: Callable[[Session], Result]) -> Result:
        """What `work` returns, once its transaction is on disk."""
        with _store_errors():
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    with Session(self.engine, expire_on_commit=False) as session, session.begin():
                        return work(session)
                except RetryTransaction:
                    if attempt == ATTEMPTS:
                        raise StoreError("the same note is written by several callers; try again") from None
                except (DBAPIError, psycopg.Error) as error:
                    if attempt == ATTEMPTS or not _repeatable(error):
                        raise
                    self._revive(error)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Give back connections and the embedded server; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.engine.dispose()
            if self._server:
                self._server.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _revive(self, error: DBAPIError | psycopg.Error) -> None:
        """After a lost connection: a fresh pool, and the embedded server started again if it died."""
        if not _lost(error):
            return
        with self._lock:
            if self._closed:
                raise StoreError("this database is closed")
            if self._server:
                self._server.ensure_running()
        self.engine.dispose(close=False)


def _configure(connection: psycopg.Connection[Any], _: object) -> None:
    """Acknowledged means on disk, whatever the server's default; jit costs more than it saves here."""
    connection.autocommit = True
    connection.execute("SET synchronous_commit = on; SET jit = off")
    if connection.execute("SELECT to_regtype('vector')").fetchone() != (None,):
        register_vector(connection)
    connection.autocommit = False


def _driver(error: DBAPIError | psycopg.Error) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _lost(error: DBAPIError | psycopg.Error) -> bool:
    """Whether the connection is gone; a server that shuts down says so, one that was killed says nothing."""
    state = getattr(_driver(error), "sqlstate", None)
    silent = isinstance(_driver(error), psycopg.OperationalError) and state is None
    return silent or state in _GONE


def _repeatable(error: DBAPIError | psycopg.Error) -> bool:
    return _lost(error) or getattr(_driver(error), "sqlstate", None) in _RACES


@contextmanager
def _store_errors() -> Iterator[None]:
    """Database errors as StoreError on one line, without the address or values: they may be private."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"the database failed: {_first_line(error.orig)}") from error
    except psycopg.Error as error:
        raise StoreError(f"the database cannot be reached: {_first_line(error)}") from error


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
