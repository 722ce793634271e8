"""API keys of the form `un_<prefix>_<secret>`. The database stores the prefix and the sha256 of the secret.

The secret has 256 random bits, so it needs no slow hash: that protects secrets which can be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uninote.service.db.engine import driver_of
from uninote.service.db.gallery_tables import ApiKey
from uninote.service.domain.base import audit
from uninote.service.domain.base.identity import Identity
from uninote.service.domain.base.text import check_name
from uninote.service.errors import InvalidError, NotFoundError, UnauthorizedError
from uninote.service.roles import ROLES

MARK = "un"
_GOOD = """
SELECT prefix, secret_hash, name, role FROM service.api_keys
WHERE prefix = ANY(%(prefixes)s::text[]) AND revoked IS NULL
"""


def create(session: Session, name: str, role: str, actor: str) -> tuple[ApiKey, str]:
    """Create a key; return its row and its text, which cannot be read again.

    Raises InvalidError for an unknown role or a bad name.
    """
    if role not in ROLES:
        raise InvalidError(f"role {role!r} is none of {', '.join(ROLES)}")
    check_name("the name of a key", name)
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ApiKey(prefix=prefix, secret_hash=digest_of(secret), name=name, role=role, actor=actor)
    session.add(key)
    session.flush()
    audit.record(session, actor, "key.create", f"key:{prefix}", role=role, name=name)
    return key, f"{MARK}_{prefix}_{secret}"


def verify(session: Session, text: str) -> Identity:
    """Return the identity of a key by its text.

    Raises UnauthorizedError for an invalid key, with the same message whatever the reason.
    """
    (found,) = verify_all(session, [text])
    if isinstance(found, UnauthorizedError):
        raise found
    return found


def verify_all(session: Session, texts: Sequence[str]) -> list[Identity | UnauthorizedError]:
    """Verify many texts in one statement, as `verify` does."""
    parts = [_parts(text) for text in texts]
    rows = driver_of(session).execute(_GOOD, {"prefixes": sorted({prefix for prefix, _ in parts})})
    good = {prefix: (bytes(secret), Identity(prefix, name, role)) for prefix, secret, name, role in rows}
    found: list[Identity | UnauthorizedError] = []
    for prefix, secret in parts:
        stored, key = good.get(prefix, (bytes(32), None))
        # Compared even without a key, so that the time does not reveal which prefixes exist.
        if hmac.compare_digest(stored, digest_of(secret)) and key is not None:
            found.append(key)
        else:
            reason = "the API key is unknown or revoked; send a good one as `Authorization: Bearer`"
            found.append(UnauthorizedError(reason))
    return found


def known(session: Session, prefix: str) -> ApiKey:
    """Return the key of that prefix, for a caller who proved its secret earlier.

    Raises UnauthorizedError when it was revoked.
    """
    key = session.get(ApiKey, prefix)
    if key is None or key.revoked is not None:
        raise UnauthorizedError("the API key is unknown or revoked; sign in with a good one")
    return key


def revoke(session: Session, prefix: str, actor: str) -> ApiKey:
    """Revoke a key; revoking it again has no effect. Raises NotFoundError."""
    key = session.get(ApiKey, prefix, with_for_update=True)
    if key is None:
        raise NotFoundError("there is no API key of that prefix")
    if key.revoked is not None:
        return key
    key.revoked = func.now()
    session.flush()
    session.refresh(key)
    audit.record(session, actor, "key.revoke", f"key:{prefix}")
    return key


def listing(session: Session) -> list[ApiKey]:
    """Return all keys, the newest first; secrets are not stored."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.created.desc(), ApiKey.prefix)))


def _parts(text: str) -> tuple[str, str]:
    """Split a key into prefix and secret; the prefix of a malformed key is empty."""
    mark, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    usable = mark == MARK and prefix.isascii() and prefix.isalnum()
    return (prefix if usable else ""), secret


def digest_of(text: str) -> bytes:
    """Return sha256 of a secret or of a whole key."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
