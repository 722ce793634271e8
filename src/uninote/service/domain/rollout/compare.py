"""Comparison of two model versions on the gallery, before a switch."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uninote.service.db.gallery_tables import Sample, SampleVector
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.gallery import thresholds_in_force, versions
from uninote.service.domain.notes.search import search, within


@dataclass(frozen=True)
class SampleComparison:
    """One sample under both versions.

    overlap: fraction of the k nearest notes that both find. old_hits, new_hits: number of notes at or above
    the category's threshold, None without a threshold for the version. common: notes that both hit.
    """

    sample_id: int
    category: str
    overlap: float
    old_hits: int | None
    new_hits: int | None
    common: int | None


@dataclass(frozen=True)
class Comparison:
    """Every compared sample, and the mean overlap."""

    old: str
    new: str
    k: int
    overlap: float
    samples: tuple[SampleComparison, ...]


def compare(session: Session, old: str, new: str, *, k: int = 10, samples: int = 100) -> Comparison:
    """Compare two versions on up to `samples` samples. Raises NotFoundError for an unknown version."""
    models = (versions.get(session, old), versions.get(session, new))
    limits = tuple(thresholds_in_force.in_force(session, model.id) for model in models)
    compared = []
    for sample_id, category, *vectors in _drawn(session, models, samples):
        near: list[set[str]] = []
        hits: list[set[str] | None] = []
        for model, vector, known in zip(models, vectors, limits, strict=True):
            near.append({hit.note_id for hit in search(session, model, vector, k)})
            threshold = known.get(category)
            found = None if threshold is None else within(session, model, vector, threshold)
            hits.append(None if found is None else {hit.note_id for hit in found})
        overlap = len(near[0] & near[1]) / max(1, min(k, len(near[0] | near[1])))
        counts = [None if found is None else len(found) for found in hits]
        common = None if hits[0] is None or hits[1] is None else len(hits[0] & hits[1])
        compared.append(SampleComparison(sample_id, category, overlap, counts[0], counts[1], common))
    mean = sum(sample.overlap for sample in compared) / len(compared) if compared else 0.0
    return Comparison(old, new, k, mean, tuple(compared))


def _drawn(
    session: Session, models: tuple[ModelVersion, ModelVersion], number: int
) -> list[tuple[int, str, list[float], list[float]]]:
    """Return samples with vectors of both versions, ordered by a hash: a repeatable random choice."""
    old = select(SampleVector).where(SampleVector.model_id == models[0].id).subquery()
    new = select(SampleVector).where(SampleVector.model_id == models[1].id).subquery()
    query = (
        select(Sample.id, Sample.category, old.c.vector, new.c.vector)
        .join(old, old.c.sample_id == Sample.id)
        .join(new, new.c.sample_id == Sample.id)
        .where(~Sample.allow)
        .order_by(func.md5(Sample.content_key), Sample.id)
        .limit(number)
    )
    return [tuple(row) for row in session.execute(query)]  # type: ignore[misc]
