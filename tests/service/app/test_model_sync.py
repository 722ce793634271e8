"""Model versions of a process follow the database and the served folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from uninote.errors import ConfigError, ModelError
from uninote.service.app.model_sync import ModelSync
from uninote.service.app.stored_dims import StoredDims
from uninote.service.concurrency.bounded_executor import BoundedExecutor
from uninote.service.concurrency.loaded_models import Models
from uninote.service.db.engine import Database
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.errors import UnavailableError
from uninote.settings import MODEL_DIMS, StoreSettings

DIM = 8


class Process:
    """One replica: its models and what keeps them equal to the database's.

    suffix: of the versions, for models that are loaded with other options than saved.
    """

    def __init__(
        self,
        folder: Path,
        database: Database,
        executor: BoundedExecutor,
        dims: tuple[int, ...] = (DIM,),
        suffix: str = "",
        store: dict[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.models = Models(
            lambda one: SimpleNamespace(version=one.name + suffix, dims=dims),  # type: ignore[arg-type,return-value]
            lambda one: one.name + suffix,
        )
        chosen = StoredDims(StoreSettings(**(store or {})), folder)
        self.sync = ModelSync(folder, self.models, Matcher(), database, executor, executor, chosen)

    def start(self) -> Process:
        self.sync.load(self.models.available(self.folder))
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


def test_a_wide_model_is_known_by_the_dimensions_that_are_stored(
    process: Process, database: Database, executor: BoundedExecutor
) -> None:
    wide = Process(process.folder, database, executor, MODEL_DIMS).start()
    assert wide.models.get("m1").dims == MODEL_DIMS[:-1]
    assert [(one.version, one.dim) for one in database.transaction(versions.listing)] == [("m1", 2048)]
    with pytest.raises(ConfigError, match=r"'m1' with 2048 dimensions, not store\.dims=64"):
        Process(process.folder, database, executor, MODEL_DIMS, store={"dims": 64}).start()
    with pytest.raises(ModelError, match=r"2048 dimensions of model version 'm1', which gives 64, 512 here"):
        Process(process.folder, database, executor, (64, 512)).start()
    put(process.folder, "m2")
    second = Process(process.folder, database, executor, MODEL_DIMS).start()
    assert second.sync.load_one(process.folder / "models" / "m2").dims[-1] == 2048


def test_all_dimensions_are_stored_where_asked_for_or_nothing_narrower_was_trained(
    process: Process, database: Database, executor: BoundedExecutor
) -> None:
    put(process.folder, "m2")
    narrow = Process(process.folder, database, executor, (4096,))
    assert narrow.sync.load_one(process.folder / "models" / "m2").dims == (4096,)
    asked = Process(process.folder, database, executor, MODEL_DIMS, store={"dims": 4096})
    assert asked.start().models.get("m1").dims[-1] == 4096
    with pytest.raises(ConfigError, match=r"half precision: leave store\.precision out"):
        Process(process.folder, database, executor, store={"precision": "single"})


def test_the_dimension_of_the_folder_s_index_is_taken_for_its_model(
    process: Process, database: Database, executor: BoundedExecutor
) -> None:
    (process.folder / "index.json").write_text('{"version": "m1", "dim": 512, "precision": "single"}')
    assert Process(process.folder, database, executor, MODEL_DIMS).start().models.get("m1").dims[-1] == 512
    with pytest.raises(ConfigError, match=r"made with store\.dims=512, not 64"):
        Process(process.folder, database, executor, MODEL_DIMS, store={"dims": 64})


def test_a_version_with_other_options_is_found_again_and_missed_without_them(
    process: Process, database: Database, executor: BoundedExecutor
) -> None:
    for _ in range(2):
        small = Process(process.folder, database, executor, suffix="-int8").start()
        assert small.models.versions == ("m1-int8",)
    with pytest.raises(ModelError, match=r"'m1-int8' was added with other options.*precision as then"):
        process.start()
