"""First admin key of a service: created when no admin key exists, and written to a file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.service.db.engine import Database
from uninote.service.db.gallery_tables import ApiKey
from uninote.service.domain.base import gallery_lock, keys

KEY_FILE = "admin.key"


def first_key(database: Database, folder: Path) -> str | None:
    """Create an admin key unless a valid one exists; return its file, or None.

    Only the owner may read the file. The key is never printed or logged.
    """
    text = database.transaction(_made)
    if text is None:
        return None
    file = folder / KEY_FILE
    # A new file, since an existing one may have wider permissions.
    part = folder / f".{KEY_FILE}.{secrets.token_hex(4)}"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text + "\n")
    part.replace(file)
    return str(file)


def _made(session: Session) -> str | None:
    valid = select(ApiKey.prefix).where(ApiKey.role == "admin", ApiKey.revoked.is_(None)).limit(1)
    if session.scalars(valid).first() is not None:
        return None
    gallery_lock.lock_exclusive(session)  # of replicas that start together, one creates the key
    if session.scalars(valid).first() is not None:
        return None
    return keys.create(session, "first admin key", "admin", "serve")[1]
