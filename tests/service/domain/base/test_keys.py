"""API keys: shown once, stored as a hash, stopped at once."""

from __future__ import annotations

import hashlib

import psycopg
import pytest

from uninote.service.db.engine import Database
from uninote.service.domain.base import audit, keys
from uninote.service.domain.base.identity import Identity, allows
from uninote.service.errors import InvalidError, NotFoundError, UnauthorizedError
from uninote.service.roles import ROLES


def test_a_key_is_good_until_it_is_revoked(database: Database) -> None:
    key, text = database.transaction(lambda s: keys.create(s, "crawler", "ingest", "root"))
    assert text.startswith(f"un_{key.prefix}_")
    found = database.transaction(lambda s: keys.verify(s, text))
    assert (found.name, found.role) == ("crawler", "ingest")
    database.transaction(lambda s: keys.revoke(s, key.prefix, "root"))
    first = database.transaction(keys.listing)[0].revoked
    database.transaction(lambda s: keys.revoke(s, key.prefix, "root"))
    assert database.transaction(keys.listing)[0].revoked == first
    with pytest.raises(UnauthorizedError):
        database.transaction(lambda s: keys.verify(s, text))
    actions = [one.action for one in database.transaction(audit.entries)]
    assert actions[-1:] == ["key.create"]
    assert set(actions[:-1]) == {"key.revoke"}


def test_many_keys_are_checked_at_once_each_for_itself(database: Database) -> None:
    good, text = database.transaction(lambda s: keys.create(s, "one", "ingest", "root"))
    gone, old = database.transaction(lambda s: keys.create(s, "two", "admin", "root"))
    database.transaction(lambda s: keys.revoke(s, gone.prefix, "root"))
    mixed = f"un_{good.prefix}_{old.rpartition('_')[2]}"
    texts = [text, old, mixed, "", "un__", text]
    first, *bad, last = database.read(lambda s: keys.verify_all(s, texts))
    assert first == last == Identity(good.prefix, "one", "ingest")
    assert all(isinstance(one, UnauthorizedError) for one in bad)
    assert len(bad) == 4


def test_the_secret_is_nowhere_in_the_database(database: Database, address: str) -> None:
    key, text = database.transaction(lambda s: keys.create(s, "crawler", "read", "root"))
    secret = text.removeprefix(f"un_{key.prefix}_")
    with psycopg.connect(address) as connection:
        ((stored,),) = connection.execute("SELECT secret_hash FROM service.api_keys").fetchall()
        rows = connection.execute(
            "SELECT k::text FROM service.api_keys AS k UNION SELECT a::text FROM service.audit AS a"
        )
        assert not any(secret in row for (row,) in rows)
    assert stored == hashlib.sha256(secret.encode()).digest()


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text + "x", lambda text: text.upper()]
)
def test_a_changed_key_is_refused(database: Database, change: object) -> None:
    _, text = database.transaction(lambda s: keys.create(s, "crawler", "read", "root"))
    with pytest.raises(UnauthorizedError):
        database.transaction(lambda s: keys.verify(s, change(text)))  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["", "un", "un__", "un_abc_", "xx_abc_def", "un_\0_x", "un_' OR true --_x", "ün_é_\ud800"]
)
def test_nonsense_is_refused_alike(database: Database, text: str) -> None:
    with pytest.raises(UnauthorizedError, match="unknown or revoked"):
        database.transaction(lambda s: keys.verify(s, text))


@pytest.mark.parametrize(
    ("name", "role"), [("", "read"), (" ", "read"), ("x" * 257, "read"), ("a\0", "read"), ("a", "root")]
)
def test_bad_names_and_roles_are_refused(database: Database, name: str, role: str) -> None:
    with pytest.raises(InvalidError):
        database.transaction(lambda s: keys.create(s, name, role, "root"))
    with pytest.raises(NotFoundError):
        database.transaction(lambda s: keys.revoke(s, "nobody", "root"))


def test_roles_are_in_order() -> None:
    assert [[allows(role, needed) for needed in ROLES] for role in ROLES] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]
