"""Idempotency keys: a repeated request is answered like the first one and not executed again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sqlalchemy.orm import Session

from uninote.service.db.engine import driver_of
from uninote.service.errors import ConflictError

# In key order, so that two transactions with several keys cannot deadlock.
_TAKE = """
INSERT INTO service.requests (key, digest)
SELECT * FROM unnest(%(keys)s::text[], %(digests)s::text[]) AS asked (key, digest) ORDER BY key
ON CONFLICT DO NOTHING RETURNING key
"""
_READ = "SELECT key, digest FROM service.requests WHERE key = ANY(%(keys)s::text[])"


def take(
    session: Session, asked: Mapping[int, tuple[str, str, str]]
) -> tuple[set[int], dict[int, ConflictError]]:
    """Reserve keys in this transaction; return the numbers of the new ones, and the conflicts by number.

    asked: actor, key and digest of each request, each key of an actor once. Another transaction with one of
    the keys waits for this one. A key with another digest is a conflict. A request in neither result was
    answered before.
    """
    if not asked:
        return set(), {}
    stored = {number: hashed(actor, key) for number, (actor, key, _) in asked.items()}
    digests = {stored[number]: digest for number, (*_, digest) in asked.items()}
    driver = driver_of(session)
    values = {"keys": list(digests), "digests": list(digests.values())}
    new = {row[0] for row in driver.execute(_TAKE, values)}
    used = (
        dict(driver.execute(_READ, {"keys": sorted(digests.keys() - new)})) if len(new) < len(digests) else {}
    )
    text = "this idempotency key was used with another request; choose a new key"
    return (
        {number for number, key in stored.items() if key in new},
        {
            number: ConflictError(text)
            for number, key in stored.items()
            if used.get(key, digests[key]) != digests[key]
        },
    )


def hashed(actor: str, key: str) -> str:
    """Return the hash under which an actor's key is stored."""
    return hashlib.sha256(f"{len(actor)}:{actor}{key}".encode("utf-8", "surrogatepass")).hexdigest()
