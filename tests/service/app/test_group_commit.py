"""Keys are looked up once a second, and a revocation here counts at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from uninote.service.app import group_commit
from uninote.service.app.group_commit import GroupCommit
from uninote.service.db.engine import Database
from uninote.service.domain.base import keys
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.errors import UnauthorizedError
from uninote.settings import ServiceSettings


@pytest.fixture
def checks(database: Database) -> Iterator[GroupCommit]:
    found = GroupCommit(database, Matcher(), ServiceSettings())
    yield found
    found.close()


@pytest.fixture
def made(database: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Prefix and text of a key that is trusted for a minute."""
    monkeypatch.setattr(group_commit, "KNOWN_SECONDS", 60.0)
    key, text = database.transaction(lambda s: keys.create(s, "app", "ingest", "root"))
    return key.prefix, text


def test_a_known_key_is_trusted_for_its_time(
    database: Database, checks: GroupCommit, made: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, text = made

    async def calls() -> None:
        assert (await checks.identify(text)).prefix == prefix
        database.transaction(lambda s: keys.revoke(s, prefix, "another replica"))
        assert (await checks.identify(text)).prefix == prefix
        with pytest.raises(UnauthorizedError):  # the prefix is known, the secret is not
            await checks.identify(text + "x")
        monkeypatch.setattr(group_commit, "KNOWN_SECONDS", 0.0)
        with pytest.raises(UnauthorizedError):
            await checks.identify(text)

    asyncio.run(calls())


def test_a_revocation_here_counts_at_once_also_for_a_check_under_way(
    database: Database, checks: GroupCommit, made: tuple[str, str]
) -> None:
    prefix, text = made

    async def calls() -> None:
        under_way = asyncio.create_task(checks.identify(text))
        await asyncio.sleep(0)  # the check has started, while the key is valid
        checks.revoked()
        assert (await under_way).prefix == prefix
        database.transaction(lambda s: keys.revoke(s, prefix, "root"))
        with pytest.raises(UnauthorizedError):
            await checks.identify(text)

    asyncio.run(calls())
