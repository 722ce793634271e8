"""Sessions and the secret that signs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from uninote.errors import ConfigError
from uninote.service.console.sessions import HOURS, Sessions, secret_of

HASH = bytes(range(32))


def test_a_session_holds_until_it_is_over() -> None:
    now = 1_000_000.0
    sessions = Sessions(b"s" * 32, lambda: now)
    cookie = sessions.begin("0123456789ab", HASH)
    assert sessions.prefix(cookie) == "0123456789ab"
    assert sessions.holds(cookie, HASH)
    now += HOURS * 3600 - 1
    assert sessions.holds(cookie, HASH)
    now += 1
    assert not sessions.holds(cookie, HASH)
    assert sessions.prefix(cookie) is None


def test_another_key_secret_or_purpose_does_not_hold() -> None:
    sessions = Sessions(b"s" * 32)
    cookie = sessions.begin("0123456789ab", HASH)
    assert not sessions.holds(cookie, HASH[::-1])
    assert not Sessions(b"t" * 32).holds(cookie, HASH)
    assert sessions.form_token(cookie) != cookie.rpartition(".")[2]
    assert sessions.form_token(cookie) != sessions.form_token(sessions.begin("0123456789ab", HASH))


def test_the_secret_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    secret = secret_of(tmp_path)
    assert len(secret) >= 32
    assert secret_of(tmp_path) == secret
    assert [file.name for file in tmp_path.iterdir()] == ["console.secret"]
    assert (tmp_path / "console.secret").stat().st_mode & 0o777 == 0o600
    (tmp_path / "console.secret").write_text("short")
    with pytest.raises(ConfigError, match="too short"):
        secret_of(tmp_path)
