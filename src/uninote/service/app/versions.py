"""Use cases of model versions: add, backfill, compare, switch, roll back, retire."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy.orm import Session

from uninote.encoder.saved import Saved, is_saved, saved_models
from uninote.errors import ConfigError, ModelError, RenderingError
from uninote.service.app.backfill_runner import BackfillRun
from uninote.service.app.services import Services
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.gallery import thresholds_in_force, versions
from uninote.service.domain.rollout import compare as comparing
from uninote.service.errors import InvalidError
from uninote.service.schemas.versions import BackfillOut, Comparison, VersionOut

MAX_FAILED = 100


async def listing(services: Services) -> list[VersionOut]:
    """Return all versions in the order they were added, with their numbers of missing vectors."""
    return await services.transaction(
        lambda session: [_shown(session, services, model) for model in versions.listing(session)]
    )


async def folders(services: Services) -> dict[str, str]:
    """Return the versions of the model folders below `models`, by the folder's name."""

    def read(models: Path) -> dict[str, str]:
        found: dict[str, str] = {}
        for model in saved_models(models.parent):
            if model.parent == models:
                with suppress(ModelError):  # the folder is still being copied
                    found[model.name] = Saved(model).version
        return found

    return await services.media_executor.run(read, services.folder / "models")


async def add(services: Services, name: str, actor: str) -> VersionOut:
    """Load the model folder `models/<name>`; further notes are written with its vectors, too.

    Raises InvalidError for a folder that cannot be loaded.
    """
    folder = services.folder / "models" / name
    if not is_saved(folder):
        raise InvalidError(f"there is no model folder models/{name} in the served folder; put it there")
    try:
        encoder = await services.media_executor.run(services.model_sync.load_one, folder)
    except (RenderingError, ConfigError) as error:
        raise InvalidError(str(error)) from error
    except ModelError as error:
        raise InvalidError(f"models/{name} cannot be loaded: {type(error).__name__}") from error
    added = await _changed(
        services, lambda session: versions.add(session, encoder.version, encoder.dims[-1], actor)
    )
    await services.model_sync.snapshot()  # notes after this answer are written with it
    return added


async def roll_back(services: Services, leaving: str | None, actor: str) -> VersionOut:
    """Activate the version that was active before. Raises ConflictError."""
    return await _changed(services, lambda session: versions.roll_back(session, actor, leaving=leaving))


async def compare(services: Services, old: str, new: str, k: int, samples: int = 100) -> Comparison:
    """Compare two versions on the gallery: nearest notes and hits in common. Raises NotFoundError."""
    found = await services.transaction(
        lambda session: comparing.compare(session, old, new, k=k, samples=samples)
    )
    return Comparison.model_validate(found)


async def backfill(services: Services, version: str, actor: str) -> VersionOut:
    """Start the backfill of a version; once complete, the version becomes a shadow.

    Raises NotFoundError, UnavailableError if the version is not loaded, ConflictError while a backfill runs.
    """
    await services.transaction(lambda session: versions.get(session, version))
    services.models.get(version)
    services.backfills.begin(version, actor)
    return await _changed(services, lambda session: versions.get(session, version))


async def switch(services: Services, version: str, actor: str, *, force: bool) -> VersionOut:
    """Activate a version for searching and matching; notes are still written with the previous one.

    Raises NotFoundError, UnavailableError if it is not loaded, ConflictError while vectors or thresholds are
    missing, unless `force`.
    """
    await services.transaction(lambda session: versions.get(session, version))
    services.models.get(version)
    return await _changed(services, lambda session: versions.switch(session, version, actor, force=force))


async def retire(services: Services, version: str, actor: str) -> VersionOut:
    """Stop writing a version and delete its vectors. Raises NotFoundError, ConflictError."""
    return await _changed(services, lambda session: versions.retire(session, version, actor))


async def _changed(services: Services, work: Callable[[Session], ModelVersion]) -> VersionOut:
    return await services.transaction(lambda session: _shown(session, services, work(session)))


def _shown(session: Session, services: Services, model: ModelVersion) -> VersionOut:
    session.flush()
    session.refresh(model)
    retired = model.state == "retired"
    run = services.backfills.get(model.version)
    return VersionOut(
        version=model.version,
        dim=model.dim,
        state=model.state,  # type: ignore[arg-type]
        created=model.created,
        activated=model.activated,
        loaded=model.version in services.models.versions,
        missing_notes=0 if retired else versions.count_missing(session, model),
        missing_samples=0 if retired else len(versions.missing_samples(session, model)),
        missing_thresholds=[] if retired else thresholds_in_force.without_threshold(session, model.id),
        backfill=None if run is None else _run(run),
    )


def _run(one: BackfillRun) -> BackfillOut:
    failed = dict(list(one.report.failed.items())[:MAX_FAILED])
    return BackfillOut(
        running=one.running,
        notes=one.report.notes,
        samples=one.report.samples,
        failed=failed,
        failures=len(one.report.failed),
        error=one.error,
    )
