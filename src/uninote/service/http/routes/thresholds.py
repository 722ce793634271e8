"""Thresholds, and choosing them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.gallery import (
    calibration,
    calibration_scores,
    thresholds,
    versions,
)
from uninote.service.domain.gallery.calibration import Calibration, Labels, Scores
from uninote.service.errors import InvalidError
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.schemas import gallery as wire
from uninote.service.schemas.common import Limit

router = APIRouter(tags=["thresholds"], responses=RESPONSES)
CategoryQuery = Annotated[str, Query(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]


@router.get("/v1/thresholds")
async def read_thresholds(category: CategoryQuery, service: Service, limit: Limit = 100) -> wire.Thresholds:
    """The thresholds of a category with their history, the newest first."""

    def work(session: Session) -> wire.Thresholds:
        names = {model.id: model.version for model in versions.listing(session)}
        rows = thresholds.history(session, category, limit=limit)
        return wire.Thresholds(
            thresholds=[
                wire.Threshold(
                    id=row.id,
                    category=row.category,
                    version=names[row.model_id],
                    value=row.value,
                    actor=row.actor,
                    reason=row.reason,
                    created=row.created,
                )
                for row in rows
            ]
        )

    return await service.transaction(work)


@router.put("/v1/thresholds")
async def put_threshold(body: wire.ThresholdIn, service: Service, caller: Caller) -> wire.Threshold:
    """Put a threshold in force, for every note that is stored after this answer."""

    def work(session: Session) -> wire.Threshold:
        version = body.version or versions.active(session).version
        row = thresholds.put(session, body.category, version, body.value, caller.actor, body.reason)
        return wire.Threshold(
            id=row.id,
            category=row.category,
            version=version,
            value=row.value,
            actor=row.actor,
            reason=row.reason,
            created=row.created,
        )

    return await service.transaction(work)


@router.post("/v1/calibrations")
async def calibrate(body: wire.CalibrationIn, service: Service) -> wire.CalibrationOut:
    """Propose a threshold: for equal volume, a wanted precision or a wanted recall. Nothing is changed."""
    if body.method == "volume" and body.target > 2**53:
        raise InvalidError(f"a volume of {body.target:g} is more than there can be scores")

    def work(session: Session) -> wire.CalibrationOut:
        model = versions.get(session, body.version) if body.version else versions.active(session)
        scores, labels = _evidence(session, model, body)
        chosen = _chosen(body, scores, labels)
        shape = calibration.histogram(scores, labels, body.bins)
        return wire.CalibrationOut(
            threshold=chosen.threshold,
            hits=chosen.hits,
            precision=chosen.precision,
            recall=chosen.recall,
            scores=len(scores),
            histogram=wire.Histogram.model_validate(shape),
        )

    return await service.transaction(work)


def _evidence(
    session: Session, model: ModelVersion, body: wire.CalibrationIn
) -> tuple[Scores | list[float], Labels | list[bool] | None]:
    if body.scores is not None:
        return body.scores, body.labels
    if body.method == "volume":
        return calibration_scores.best_scores(session, model, body.category), None
    found = calibration_scores.reviewed(session, model, body.category)
    if not len(found.scores):
        raise InvalidError(
            f"no match of category {body.category!r} was reviewed; review some, or send scores"
        )
    return found.scores, found.right


def _chosen(
    body: wire.CalibrationIn, scores: Scores | list[float], labels: Labels | list[bool] | None
) -> Calibration:
    if body.method == "volume":
        chosen = calibration.by_volume(scores, int(body.target))
        return chosen if labels is None else calibration.at_threshold(scores, chosen.threshold, labels)
    if labels is None:
        raise InvalidError(f"{body.method} needs labels beside the scores")
    choose = calibration.by_precision if body.method == "precision" else calibration.by_recall
    return choose(scores, labels, body.target)
