"""Synchronisation of the loaded models and the gallery in memory with the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from uninote.errors import ModelError
from uninote.service.concurrency.bounded_executor import BoundedExecutor
from uninote.service.concurrency.loaded_models import LoadedEncoder, Models, saved_version
from uninote.service.db.engine import Database
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.matcher import Matcher, Snapshot

ACTOR = "serve"
StoredDim = Callable[[LoadedEncoder, Mapping[str, int]], int]
"""Chooser of the stored dimension of a version, from the model and the dimensions in the database."""


class ModelSync:
    """Loader of the model versions in use; it follows other replicas and unloads retired versions."""

    def __init__(
        self,
        folder: Path,
        models: Models,
        matcher: Matcher,
        database: Database,
        database_executor: BoundedExecutor,
        media_executor: BoundedExecutor,
        stored_dim: StoredDim = lambda encoder, stored: stored.get(encoder.version, encoder.dims[-1]),
    ) -> None:
        self._folder, self._models, self._matcher, self._database = folder, models, matcher, database
        self._database_executor, self._media_executor = database_executor, media_executor
        self._stored_dim = stored_dim
        self._compared = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the gallery in memory was last compared with the database."""
        return time.monotonic() - self._compared

    def load(self, folders: Mapping[str, Path]) -> None:
        """Load every version that is in use; in a new database, add and activate the first of `folders`.

        folders: model folders by version. Raises ModelError when the active version is not among them.
        """
        stored = self._database.transaction(versions.listing)
        if not stored:
            encoder = self.load_one(next(iter(folders.values())))
            self._database.transaction(
                lambda session: versions.ensure(session, encoder.version, encoder.dims[-1], ACTOR)
            )
        for model in stored:
            if model.state != "retired" and model.version in folders:
                self.load_one(folders[model.version])
            elif model.state == "active":
                if model.version.partition("-")[0] in {saved_version(one) for one in folders.values()}:
                    raise ModelError(
                        f"the database's active model version {model.version!r} was added with other options "
                        "of `encoder`: set encoder.read and encoder.precision as then"
                    )
                raise ModelError(
                    f"the database's active model version {model.version!r} is not in {self._folder}: put "
                    "its folder below `models` there, or serve with another database (store.address)"
                )

    def load_one(self, folder: Path) -> LoadedEncoder:
        """Load a model folder, with the dimension that the database keeps of its version.

        Raises ModelError, ConfigError for options that contradict the database.
        """
        stored = {model.version: model.dim for model in self._database.transaction(versions.listing)}
        return self._models.add(folder, lambda encoder: self._stored_dim(encoder, stored))

    async def snapshot(self) -> Snapshot:
        """Return the current gallery, refreshed from the database."""
        found: Snapshot = await self._database_executor.run(
            self._database.transaction, self._matcher.snapshot
        )
        self._compared = time.monotonic()
        return found

    async def follow(self, snapshot: Snapshot) -> None:
        """Load versions that other replicas added, and unload retired ones. Raises as `load`."""
        if {model.version for model in snapshot.models} - set(self._models.versions):
            await self._media_executor.run(lambda: self.load(self._models.available(self._folder)))
        for model in await self._database_executor.run(self._database.transaction, versions.listing):
            if model.state == "retired":
                self._models.remove(model.version)

    def written(self) -> list[str]:
        """Return the versions to write notes and samples with: those in use that are loaded here."""
        snapshot = self._matcher.latest()
        assert snapshot is not None, "loaded on starting"
        return [model.version for model in snapshot.models if model.version in self._models.versions]

    async def active(self) -> str:
        """Return the active version. Raises UnavailableError when this process has not loaded it."""
        model: ModelVersion = await self._database_executor.run(self._database.transaction, versions.active)
        self._models.get(model.version)
        return model.version
