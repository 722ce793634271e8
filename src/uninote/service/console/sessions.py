"""Sessions of users who signed in with an API key, and tokens against forged forms.

A session is a signed cookie: the prefix of the key, the expiry time, and a random part. The signature also
covers the stored hash of the key, so that the session ends with the key. No cookie or page has the key.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from itsdangerous import Signer

from uninote.errors import ConfigError
from uninote.service.errors import ForbiddenError


class StaleFormError(ForbiddenError):
    """A form carries the token of an earlier session (403)."""


COOKIE = "uninote_session"
VISITOR = "uninote_visitor"
"""Cookie of a visitor who has not signed in; the token of the sign-in form belongs to it."""
HOURS = 12
SECRET_FILE = "console.secret"
_TOKEN = re.compile(r"([0-9a-f]{12})\.([0-9]{1,12})\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")


class Sessions:
    """Signer and verifier of sessions. Replicas need the same secret to accept each other's sessions."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secret, clock

    def begin(self, prefix: str, secret_hash: bytes) -> str:
        """Return the cookie of a new session with the key of that prefix and stored hash."""
        claims = f"{prefix}.{int(self._clock()) + HOURS * 3600}.{secrets.token_urlsafe(16)}"
        return self._signer(b"session", secret_hash).sign(claims).decode()

    def prefix(self, cookie: str) -> str | None:
        """Return the key that a session claims; None when it is malformed or over. Check it with `holds`."""
        found = _TOKEN.fullmatch(cookie)
        return found[1] if found and int(found[2]) > self._clock() else None

    def holds(self, cookie: str, secret_hash: bytes) -> bool:
        """Return whether it was signed here for the key with that hash, and is not over."""
        return self.prefix(cookie) is not None and self._signer(b"session", secret_hash).validate(cookie)

    def form_token(self, cookie: str) -> str:
        """Return the token that a form of this session or visitor carries."""
        return self._signer(b"form").get_signature(cookie.encode("utf-8", "surrogatepass")).decode()

    def _signer(self, purpose: bytes, key_hash: bytes = b"") -> Signer:
        salt = purpose + b"|" + key_hash
        return Signer(self._secret, salt, key_derivation="hmac", digest_method=hashlib.sha256)


def visitor() -> str:
    """Return a new visitor's cookie."""
    return secrets.token_urlsafe(24)


def secret_of(folder: Path) -> bytes:
    """Return the secret of a served folder; create it on first use, readable by its owner only.

    Raises ConfigError when it cannot be created or is too short.
    """
    file = folder / SECRET_FILE
    try:
        with suppress(FileExistsError):
            # Whole at once: another process that starts at the same time reads all of it or makes none.
            part = folder / f".{SECRET_FILE}.{secrets.token_hex(4)}"
            if not file.exists():
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as out:
                    out.write(secrets.token_hex(32).encode())
                try:
                    os.link(part, file)
                finally:
                    part.unlink()
        secret = file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"the console's secret {file} cannot be used: {error}; make it readable") from error
    if len(secret) < 32:
        raise ConfigError(f"{file} is too short to be a secret; delete it, and a new one is made")
    return secret
