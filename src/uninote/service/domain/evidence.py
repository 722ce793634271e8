"""The scores that a category's threshold is chosen on: of stored notes, and of reviewed matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from uninote.service.db.corpus import ModelVersion
from uninote.service.domain.vectors import from_database, read_binary
from uninote.service.errors import NotFoundError

_SAMPLES = """
SELECT stored.vector FROM service.samples AS sample
JOIN service.sample_vectors AS stored ON stored.sample_id = sample.id AND stored.model_id = %(model)s
WHERE sample.category = %(category)s AND NOT sample.allow AND sample.enabled ORDER BY sample.id
"""
# A fixed random choice: equal over the corpus and the same at every call.
_NOTES = """
SELECT vector FROM service.vectors WHERE model_id = %(model)s ORDER BY md5(note_id) LIMIT %(limit)s
"""
_REVIEWED = """
SELECT -(note.vector <#> sample.vector), verdict = 'true_positive' FROM (
    SELECT DISTINCT ON (note_id, sample_id) * FROM service.reviews
    WHERE category = %(category)s ORDER BY note_id, sample_id, id DESC
) AS review
JOIN service.vectors AS note ON note.note_id = review.note_id AND note.model_id = %(model)s
    AND note.content_key = review.content_key
JOIN service.sample_vectors AS sample ON sample.sample_id = review.sample_id AND sample.model_id = %(model)s
WHERE verdict <> 'unsure' ORDER BY review.note_id, review.sample_id
"""

Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reviewed:
    """Scores of reviewed matches float64 [n], and whether each was right, bool [n]."""

    scores: Scores
    right: NDArray[np.bool_]


def best_scores(session: Session, model: ModelVersion, category: str, limit: int = 20_000) -> Scores:
    """The best score of up to `limit` stored notes with the category's samples, float64 [n].

    Raises NotFoundError without a sample or without a note. With volume V wanted over all notes, calibrate
    for V times n / (number of notes).
    """
    values = {"model": model.id, "category": category, "limit": limit}
    samples = from_database([row[0] for row in read_binary(session, _SAMPLES, values)], model.dim)
    notes = from_database([row[0] for row in read_binary(session, _NOTES, values)], model.dim)
    if not len(samples) or not len(notes):
        raise NotFoundError(f"category {category!r} needs an enabled sample, and notes to compare with")
    best: Scores = np.clip((notes @ samples.T).max(axis=1).astype(np.float64), -1, 1).round(6)
    return best


def reviewed(session: Session, model: ModelVersion, category: str) -> Reviewed:
    """Decided matches of a category, scored by `model`, whichever version matched them then."""
    rows = read_binary(session, _REVIEWED, {"model": model.id, "category": category})
    scores = np.clip(np.array([row[0] for row in rows], np.float64), -1, 1).round(6)
    return Reviewed(scores, np.array([row[1] for row in rows], np.bool_))
