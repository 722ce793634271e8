"""Model versions of a process follow the database and the served folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from uninote.errors import ModelError
from uninote.service.app.model_sync import ModelSync
from uninote.service.concurrency.bounded_executor import BoundedExecutor
from uninote.service.concurrency.loaded_models import Models, available
from uninote.service.db.engine import Database
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.errors import UnavailableError

DIM = 8


class Process:
    """One replica: its models and what keeps them equal to the database's."""

    def __init__(self, folder: Path, database: Database, executor: BoundedExecutor) -> None:
        self.folder = folder
        self.models = Models(lambda one: SimpleNamespace(version=one.name, dims=(DIM,)))  # type: ignore[arg-type,return-value]
        self.sync = ModelSync(folder, self.models, Matcher(), database, executor, executor)

    def start(self) -> Process:
        self.sync.load(available(self.folder))
        return self

    async def look(self) -> None:
        await self.sync.follow(await self.sync.snapshot())


def put(folder: Path, version: str) -> None:
    (folder / "models" / version).mkdir(parents=True)
    (folder / "models" / version / "uninote.json").write_text(f'{{"version": "{version}"}}')


@pytest.fixture
def executor() -> Iterator[BoundedExecutor]:
    found = BoundedExecutor("tests", 1, 9)
    yield found
    found.close()


@pytest.fixture
def process(tmp_path: Path, database: Database, executor: BoundedExecutor) -> Process:
    put(tmp_path, "m1")
    return Process(tmp_path, database, executor)


def test_a_new_database_begins_with_the_model_of_the_folder(process: Process) -> None:
    process.start()

    async def calls() -> None:
        assert (await process.sync.snapshot()).models[0].version == "m1"
        assert process.sync.written() == ["m1"]
        assert await process.sync.active() == "m1"
        assert process.sync.age < 60

    asyncio.run(calls())


def test_versions_that_another_replica_added_or_retired_are_followed(
    process: Process, database: Database
) -> None:
    process.start()
    put(process.folder, "m2")

    async def calls() -> None:
        database.transaction(lambda s: versions.add(s, "m2", DIM, "another replica"))
        await process.look()
        assert process.models.versions == ("m1", "m2")
        assert process.sync.written() == ["m1", "m2"]
        database.transaction(lambda s: versions.retire(s, "m2", "another replica"))
        await process.look()
        assert process.models.versions == ("m1",)

    asyncio.run(calls())


def test_without_the_active_version_a_start_fails_and_a_search_waits(
    process: Process, database: Database, executor: BoundedExecutor, tmp_path: Path
) -> None:
    process.start()
    put(tmp_path / "other", "m3")
    other = Process(tmp_path / "other", database, executor)
    with pytest.raises(ModelError, match=r"'m1' is not in .*other: put its folder below `models`"):
        other.start()
    with pytest.raises(UnavailableError, match="not loaded in this process"):
        asyncio.run(other.sync.active())
