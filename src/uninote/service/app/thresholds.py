"""Use cases of thresholds: history, setting, and calibration."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from uninote import calibration
from uninote.calibration import Calibration, Labels, Scores
from uninote.service.app.services import Services
from uninote.service.db import gallery_tables
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.gallery import calibration_scores, thresholds, thresholds_in_force, versions
from uninote.service.errors import InvalidError
from uninote.service.schemas.gallery import (
    CalibrationIn,
    CalibrationOut,
    Histogram,
    Threshold,
    ThresholdIn,
    ThresholdPut,
)


@dataclass(frozen=True)
class Distribution:
    """Histogram of stored notes' best scores with a category; the current threshold and its hits.

    count: scored notes. notes: stored ones; if there are more, the scored ones are a random sample of them.
    """

    count: int
    notes: int
    histogram: Histogram
    threshold: float | None
    hits: int | None


async def history(services: Services, category: str, before: int | None, limit: int) -> list[Threshold]:
    """Return the thresholds of a category below that id, the newest first."""

    def work(session: Session) -> list[Threshold]:
        names = {model.id: model.version for model in versions.listing(session)}
        rows = thresholds.history(session, category, before=before, limit=limit)
        return [_shown(row, names[row.model_id]) for row in rows]

    return await services.transaction(work)


async def in_force(services: Services, category: str, version: str) -> float | None:
    """Return the threshold in force for a version (empty: the active one), None if there is none."""

    def work(session: Session) -> float | None:
        name = version or versions.active(session).version
        newest = thresholds.history(session, category, name, limit=1)
        return newest[0].value if newest else None

    return await services.transaction(work)


async def put(services: Services, given: ThresholdIn, actor: str) -> ThresholdPut:
    """Set a threshold for every note that is stored after this call; say what it replaces.

    Raises NotFoundError, ConflictError.
    """
    seen = given.replaces if "replaces" in given.model_fields_set else thresholds.UNCHECKED

    def work(session: Session) -> ThresholdPut:
        version = given.version or versions.active(session).version
        stored = thresholds.put(
            session, given.category, version, given.value, actor, given.reason, expected=seen
        )
        own = _shown(stored.row, version).model_dump()
        return ThresholdPut.model_validate({**own, "status": stored.status, "before": stored.before})

    return await services.transaction(work)


async def calibrate(services: Services, wanted: CalibrationIn) -> CalibrationOut:
    """Propose a threshold for a number of hits, a precision or a recall. Nothing is changed.

    Raises InvalidError, NotFoundError.
    """
    if wanted.method == "volume" and wanted.target > 2**53:
        raise InvalidError(f"a volume of {wanted.target:g} is more than there can be scores")

    def work(session: Session) -> CalibrationOut:
        scores, labels = _evidence(session, _model(session, wanted.version), wanted)
        chosen = _chosen(wanted, scores, labels)
        return CalibrationOut(
            threshold=chosen.threshold,
            hits=chosen.hits,
            precision=chosen.precision,
            recall=chosen.recall,
            scores=len(scores),
            histogram=Histogram.model_validate(calibration.histogram(scores, labels, wanted.bins)),
        )

    return await services.transaction(work)


async def distribution(services: Services, category: str, version: str | None, bins: int) -> Distribution:
    """Return the distribution of scores with a category. Raises NotFoundError for an unknown version."""

    def work(session: Session) -> Distribution:
        model = _model(session, version)
        scores = calibration_scores.best_scores(session, model, category)
        limit = thresholds_in_force.in_force(session, model.id).get(category)
        hits = None if limit is None else calibration.at_threshold(scores, limit).hits
        shape = Histogram.model_validate(calibration.histogram(scores, bins=bins))
        return Distribution(len(scores), calibration_scores.stored(session, model), shape, limit, hits)

    return await services.transaction(work)


def _model(session: Session, version: str | None) -> ModelVersion:
    return versions.get(session, version) if version else versions.active(session)


def _shown(row: gallery_tables.Threshold, version: str) -> Threshold:
    return Threshold(
        id=row.id,
        category=row.category,
        version=version,
        value=row.value,
        actor=row.actor,
        reason=row.reason,
        created=row.created,
    )


def _evidence(
    session: Session, model: ModelVersion, wanted: CalibrationIn
) -> tuple[Scores | list[float], Labels | list[bool] | None]:
    if wanted.scores is not None:
        return wanted.scores, wanted.labels
    if wanted.method == "volume":
        return calibration_scores.best_scores(session, model, wanted.category), None
    found = calibration_scores.reviewed(session, model, wanted.category)
    if not len(found.scores):
        raise InvalidError(
            f"no match of category {wanted.category!r} was reviewed; review some, or send scores"
        )
    return found.scores, found.right


def _chosen(
    wanted: CalibrationIn, scores: Scores | list[float], labels: Labels | list[bool] | None
) -> Calibration:
    if wanted.method == "volume":
        chosen = calibration.by_volume(scores, int(wanted.target))
        return chosen if labels is None else calibration.at_threshold(scores, chosen.threshold, labels)
    if labels is None:
        raise InvalidError(f"{wanted.method} needs labels with the scores")
    choose = calibration.by_precision if wanted.method == "precision" else calibration.by_recall
    return choose(scores, labels, wanted.target)
