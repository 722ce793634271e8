"""First admin key of a service: created when no admin key exists, and written to a file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.errors import ConfigError
from uninote.service.db.engine import Database
from uninote.service.db.gallery_tables import ApiKey
from uninote.service.domain.base import gallery_lock, keys

KEY_FILE = "admin.key"


def first_key(database: Database, folder: Path) -> str | None:
    """Create an admin key unless a valid one exists; return its file, or None.

    Only the owner may read the file. The key is never printed or logged. Raises ConfigError when the file
    cannot be written; then no key is created.
    """
    file = folder / KEY_FILE
    # A new file, since an existing one may have wider permissions.
    part = folder / f".{KEY_FILE}.{secrets.token_hex(4)}"

    def make(session: Session) -> bool:
        text = _made(session)
        if text is None:
            return False
        part.unlink(missing_ok=True)  # of a transaction that was repeated
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(text + "\n")
        return True

    try:
        if not database.transaction(make):
            return None
        part.replace(file)
    except OSError as error:
        raise ConfigError(
            f"the first admin key cannot be written into {folder}: {error.strerror}; allow writing there"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return str(file)


def _made(session: Session) -> str | None:
    valid = select(ApiKey.prefix).where(ApiKey.role == "admin", ApiKey.revoked.is_(None)).limit(1)
    if session.scalars(valid).first() is not None:
        return None
    gallery_lock.lock_exclusive(session)  # of replicas that start together, one creates the key
    if session.scalars(valid).first() is not None:
        return None
    return keys.create(session, "first admin key", "admin", "serve")[1]
