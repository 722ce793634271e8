"""Database errors as sentences: what is wrong, and what to do, by SQLSTATE."""

from __future__ import annotations

import re

import psycopg
from psycopg_pool import PoolTimeout

from uninote.errors import reason_of

LOST = {"57P01", "57P02", "57P03", "08000", "08001", "08003", "08006"}
"""The server ends or refuses connections, because it stops or starts."""
LACKS_RESOURCES = "53"
"""Class of SQLSTATE: memory, disk or connections ran out."""

# The first matching prefix counts; `{}` is the reason in the server's words.
_BY_STATE = (
    ("08|57P0", "the database cannot be reached: {}; start it, or correct store.address"),
    (
        "25006",
        "the database is read-only: {}; name its primary in store.address, or let it take writes",
    ),
    ("28", "the database refuses this login: {}; correct the user and password in store.address"),
    ("3D", "{}; create that database, or name another in store.address"),
    ("42501", "the database's user may not do this: {}; grant it, or name another user in store.address"),
    (
        "42P01|42703|42704|42883|3F000",
        "the database failed: {}; its tables are not those of this version: restore a backup, or update "
        "UniNote",
    ),
    ("53100", "the disk of the database is full: {}; make room on it, and try again"),
    ("53200", "the database is out of memory: {}; give its server more, or lower its maintenance_work_mem"),
    ("53300", "the database has no connection left: {}; raise its max_connections, or stop other clients"),
    ("53", "the database has too few resources: {}; give its server more"),
    ("55P03|57014", "the database gave up: {}; try again, or raise its statement_timeout and lock_timeout"),
    (
        "58|XX00[12]",
        "the database's files cannot be used: {}; check its disk, and restore a backup if they are damaged",
    ),
    ("", "the database failed: {}"),
)
_SHARED_MEMORY = (
    "the shared memory of the database's server is full: {}; give its container more (`--shm-size`, in "
    "Compose `shm_size`)"
)
# Before there is a connection, the driver has only the server's words.
_BY_WORDS = (
    (r"password|pg_hba|role .* does not exist|authentication|SSL|certificate", "28000"),
    (r"database .* does not exist", "3D000"),
    (r"too many (connections|clients)|connection slots", "53300"),
    (r"permission denied", "42501"),
)
_PLACE = re.compile(r"^.*?connection to server (?:at|on socket) .*? failed: |^.*?hostaddr: [^:]*: ")


def sentence(error: BaseException) -> str:
    """Return one line that names the fault and its fix, without the address: it may hold a password.

    error: of psycopg, or of SQLAlchemy, which wraps the former.
    """
    error = getattr(error, "orig", None) or error
    if not isinstance(error, psycopg.Error):
        return f"the database failed: {reason_of(error)}"
    if isinstance(error, PoolTimeout):
        return "all database connections are busy, or the server does not answer; try again"
    state, reason = error.sqlstate, _reason(error)
    if isinstance(error, psycopg.ProgrammingError) and state is None:  # raised by the client's own parser
        return "store.address is not a PostgreSQL address (postgresql://user@host/database)"
    if lacks_shared_memory(error):
        return _SHARED_MEMORY.format(reason)
    if error.diag.source_file == "extension.c":
        return (
            f"the database has no pgvector: {reason}; install pgvector 0.8 or newer on its server, and let a "
            "superuser run CREATE EXTENSION vector"
        )
    if state is None and isinstance(error, psycopg.OperationalError):
        state = next((state for words, state in _BY_WORDS if re.search(words, reason)), "08000")
    return next(text for start, text in _BY_STATE if re.match(start, state or "")).format(reason)


def lacks_shared_memory(error: BaseException | None) -> bool:
    """Return whether dynamic shared memory ran out: `/dev/shm` in a container, 64 MB by default."""
    return isinstance(error, psycopg.Error) and error.diag.source_file in ("dsm_impl.c", "dsm.c")


def lacks_memory(error: BaseException | None) -> bool:
    """Return whether memory of any kind ran out, which fewer workers or a smaller limit may avoid."""
    return lacks_shared_memory(error) or getattr(error, "sqlstate", None) == "53200"


def _reason(error: psycopg.Error) -> str:
    """Return the server's or driver's message on one line, without host, port and values."""
    text = error.diag.message_primary or str(error).strip()
    lines = text.splitlines() or [type(error).__name__]
    line = lines[-1] if "Multiple connection attempts" in text else lines[0]
    line = re.sub(r"failed to resolve host '[^']*'.*", "its host name is unknown", _PLACE.sub("", line))
    return line.removeprefix("FATAL:").removeprefix("connection failed:").strip()
