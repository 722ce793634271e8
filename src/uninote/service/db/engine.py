"""Database access: connection pools, transactions with retries, advisory locks, and error translation.

The server is embedded in a folder or named by an address. Opening upgrades the schema.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import psycopg
from pgvector.psycopg import register_vector
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from uninote.errors import StoreError
from uninote.service.db.migrate import upgrade
from uninote.service.errors import InvalidError
from uninote.store.embedded import EmbeddedServer
from uninote.store.pgvector.errors import LOST, lacks_shared_memory, sentence
from uninote.store.pgvector.search import SERIAL, SESSION

CONNECT_SECONDS = 10
# Statements are prepared only where the code asks for it: a cached plan does not notice that a table grew,
# or that a partial index fits the value of a parameter.
PREPARE_WHEN_ASKED = 2**31 - 1
WAITS = (0.02, 0.1, 0.5, 2.0)  # seconds before each retry, enough for a server to restart
EF = 600  # hnsw.ef_search of every connection; a search may raise it
# Serialization failure, deadlock; a row that another caller deleted or inserted at the same time.
_RACES = {"40001", "40P01", "23503", "23505"}
_BAD_VALUE = "22"  # the class of errors caused by a value

Result = TypeVar("Result")


class Database:
    """Database with transactions as function calls: `transaction(work)` runs `work(session)` and commits.

    place: an address (`postgresql://...`), or a folder whose embedded server is started and shared.
    connections: the maximum for `transaction`, and the same number again for `read`.

    After a lost connection, a deadlock or a lost race, work is retried in a new transaction. So it must have
    no effects outside of its session, and it must be idempotent, because a commit may succeed although its
    answer is lost. All functions of the domain are. Queries run without parallel workers from then on when
    the server lacks shared memory for them. Open the database after forking. Raises StoreError when
    the server cannot be used, and InvalidError for a value that no column can hold.
    """

    def __init__(self, place: str | Path, *, connections: int = 8) -> None:
        self._server = EmbeddedServer(place) if isinstance(place, Path) else None
        self.address: str = self._server.address if self._server else str(place)
        self._lock = Lock()
        self._closed = False
        self._serial = False
        self.engine = self._pool(connections)
        # A separate pool: switching a connection to autocommit and back takes 0.2 ms.
        self._reading = self._pool(connections, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
        try:
            with store_errors():
                upgrade(self.engine)
        except BaseException:
            self.close()
            raise

    @property
    def embedded(self) -> bool:
        """Whether the server is embedded, and so runs on this machine."""
        return self._server is not None

    @contextmanager
    def connect(self, **options: Any) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection outside of the pool, for long work; its errors are raised as StoreError."""
        with store_errors(), self._twice(lambda: self._connect(**options)) as connection:
            yield connection

    @contextmanager
    def try_lock(self, what: str, number: int = 0) -> Iterator[psycopg.Connection[Any] | None]:
        """Yield the connection that holds an advisory lock, or None if another process holds the lock.

        The lock is released at the end of the block, or when the connection is lost. So everything committed
        through this connection was committed while the lock was held.
        """

        def take() -> tuple[psycopg.Connection[Any], bool]:
            connection = self._connect(autocommit=True)
            try:
                held = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s), %s)", [what, number])
                return connection, held.fetchone() == (True,)
            except BaseException:
                connection.close()
                raise

        connection, held = self._twice(take)
        with store_errors(), connection:
            try:
                yield connection if held else None
            finally:
                if held:  # closing the connection releases the lock only after the server has noticed
                    with suppress(psycopg.Error):
                        connection.execute("SELECT pg_advisory_unlock_all()")

    def transaction(self, work: Callable[[Session], Result]) -> Result:
        """Run `work` in one transaction; return its result once the transaction is on disk."""
        return self._repeated(self.engine, work)

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Run `work` in autocommit, with a third of the round trips; return its result.

        For work that only reads, or that writes in a single statement.
        """
        return self._repeated(self._reading, work)

    def _repeated(self, engine: Engine, work: Callable[[Session], Result]) -> Result:
        with store_errors():
            for wait in WAITS:
                try:
                    return self._once(engine, work)
                except (StatementError, psycopg.Error) as error:
                    if not _repeatable(error):
                        raise
                    time.sleep(wait)
                    self._revive(error)
            return self._once(engine, work)

    @staticmethod
    def _once(engine: Engine, work: Callable[[Session], Result]) -> Result:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            return work(session)

    def close(self) -> None:
        """Close the connections and release the embedded server; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._drop_connections()
            if self._server:
                self._server.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _twice(self, work: Callable[[], Result]) -> Result:
        """Run `work`, and once more on a revived server if the connection was dead."""
        with store_errors():
            try:
                return work()
            except psycopg.OperationalError as error:
                self._revive(error)
                return work()

    def _pool(self, connections: int, **options: Any) -> Engine:
        engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
            pool_use_lifo=True,
            **options,
        )
        event.listen(engine, "connect", self._configure)
        return engine

    def _connect(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self.address, connect_timeout=CONNECT_SECONDS, prepare_threshold=PREPARE_WHEN_ASKED, **options
        )

    def _configure(self, connection: psycopg.Connection[Any], _: object) -> None:
        """Configure a new connection: synchronous commits whatever the server's default, no jit, vectors."""
        kept, connection.autocommit = connection.autocommit, True
        connection.execute(f"{SESSION}; SET hnsw.ef_search = {EF}")
        if self._serial:
            connection.execute(SERIAL)
        if connection.execute("SELECT to_regtype('vector')").fetchone() != (None,):
            register_vector(connection)
        connection.autocommit = kept

    def _revive(self, error: StatementError | psycopg.Error) -> None:
        """Replace the connections after a loss, and restart the embedded server if it died."""
        if lacks_shared_memory(_driver(error)):
            self._serial = True
        elif not _lost(error):
            return
        with self._lock:
            if self._closed:
                raise StoreError("this database is closed")
            if self._server:
                self._server.ensure_running()
        self._drop_connections()

    def _drop_connections(self) -> None:
        for engine in (self.engine, self._reading):
            engine.dispose()


def driver_of(session: Session) -> psycopg.Connection[Any]:
    """Return the session's psycopg connection, for short statements: SQLAlchemy takes longer than they do."""
    connection: Any = session.connection().connection.driver_connection
    return connection  # type: ignore[no-any-return]


def _driver(error: StatementError | psycopg.Error) -> BaseException | None:
    return error.orig if isinstance(error, StatementError) else error


def _state(error: StatementError | psycopg.Error) -> str:
    """Return the SQLSTATE, empty when the server sent none."""
    return getattr(_driver(error), "sqlstate", None) or ""


def _lost(error: StatementError | psycopg.Error) -> bool:
    """Return whether the connection is lost: by a shutdown's SQLSTATE, or without one after a crash."""
    silent = isinstance(_driver(error), psycopg.OperationalError) and not _state(error)
    return silent or _state(error) in LOST


def _repeatable(error: StatementError | psycopg.Error) -> bool:
    return _lost(error) or _state(error) in _RACES or lacks_shared_memory(_driver(error))


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate database errors to StoreError: one line, without address and values, which may be private."""
    try:
        yield
    except PoolTimeout:
        raise StoreError("all database connections are busy; try again, or allow more of them") from None
    except UnicodeEncodeError:
        raise InvalidError("a text has a lone surrogate, which no column can hold") from None
    except (StatementError, psycopg.Error) as error:
        # The driver itself refuses some values, without a SQLSTATE.
        if _state(error).startswith(_BAD_VALUE) or isinstance(_driver(error), psycopg.DataError):
            raise InvalidError(f"a value cannot be stored: {str(_driver(error)).splitlines()[0]}") from None
        raise StoreError(sentence(error)) from error
