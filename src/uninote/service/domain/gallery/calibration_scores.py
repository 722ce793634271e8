"""Scores for the calibration of a category's threshold: of stored notes, or of reviewed matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.base.vectors import Matrix, exact_scores, from_database, read_binary
from uninote.service.domain.gallery.rules import hits
from uninote.service.errors import NotFoundError

_SAMPLES = """
SELECT stored.vector, sample.allow FROM service.samples AS sample
JOIN service.sample_vectors AS stored ON stored.sample_id = sample.id AND stored.model_id = %(model)s
WHERE sample.category = %(category)s AND sample.enabled ORDER BY sample.id
"""
# The order by hash makes a random sample of the corpus that is the same at every call.
_NOTES = """
SELECT vector FROM service.vectors WHERE model_id = %(model)s ORDER BY md5(note_id) LIMIT %(limit)s
"""
_REVIEWED = """
SELECT note.vector, sample.vector, verdict = 'true_positive' FROM (
    SELECT DISTINCT ON (note_id, sample_id) * FROM service.reviews
    WHERE category = %(category)s ORDER BY note_id, sample_id, id DESC
) AS review
JOIN service.vectors AS note ON note.note_id = review.note_id AND note.model_id = %(model)s
    AND note.content_key = review.content_key
JOIN service.sample_vectors AS sample ON sample.sample_id = review.sample_id AND sample.model_id = %(model)s
WHERE verdict IN ('true_positive', 'false_positive') ORDER BY review.note_id, review.sample_id
"""

Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reviewed:
    """Scores of reviewed matches float64 [n], and whether each is a true positive, bool [n]."""

    scores: Scores
    right: NDArray[np.bool_]


def best_scores(session: Session, model: ModelVersion, category: str, limit: int = 20_000) -> Scores:
    """Return the best score of each of up to `limit` stored notes with the category's samples, float64 [n].

    A note that the allow-list excludes from every hit has score -1. For a volume of V hits among all notes,
    calibrate for V times n / (number of notes). Raises NotFoundError without a sample or without a note.
    """
    values = {"model": model.id, "category": category, "limit": limit}
    rows = read_binary(session, _SAMPLES, values)
    samples = from_database([vector for vector, allow in rows if not allow], model.dim)
    allowed = from_database([vector for vector, allow in rows if allow], model.dim)
    notes = from_database([row[0] for row in read_binary(session, _NOTES, values)], model.dim)
    if not len(samples) or not len(notes):
        raise NotFoundError(f"category {category!r} needs an enabled sample, and notes to compare with")
    best = _best(notes, samples)
    if not len(allowed):
        return best
    # At every threshold, a note's best sample competes with its best allow-list sample.
    scores = np.concatenate([best, _best(notes, allowed)])
    allow = np.repeat([False, True], len(notes))
    hit = hits(scores, np.full(len(scores), -1.0), allow, np.tile(np.arange(len(notes)), 2))
    return np.where(hit[: len(notes)], best, -1.0)


def _best(notes: Matrix, samples: Matrix) -> Scores:
    nearest = (notes @ samples.T).argmax(axis=1)
    return exact_scores(notes, samples[nearest])


def reviewed(session: Session, model: ModelVersion, category: str) -> Reviewed:
    """Return the matches of a category with a verdict other than unsure, scored again by `model`."""
    rows = read_binary(session, _REVIEWED, {"model": model.id, "category": category})
    notes = from_database([note for note, _, _ in rows], model.dim)
    samples = from_database([sample for _, sample, _ in rows], model.dim)
    return Reviewed(exact_scores(notes, samples), np.array([right for *_, right in rows], np.bool_))
