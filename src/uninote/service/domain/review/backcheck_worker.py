"""Worker of back-check jobs: reads the notes in id order and commits the hits of a page with its cursor.

A killed worker loses at most its current page, and repeating a page changes nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uninote.errors import UniNoteError
from uninote.service.db.engine import Database
from uninote.service.db.gallery_tables import Job, JobHit, Sample
from uninote.service.db.note_tables import StoredNote
from uninote.service.domain.base.filters import filter_values
from uninote.service.domain.base.vectors import (
    Matrix,
    exact_scores,
    from_database,
    normalised,
    read_binary,
)
from uninote.service.domain.gallery import thresholds_in_force
from uninote.service.domain.gallery.index import SLACK
from uninote.service.domain.gallery.rules import hits
from uninote.service.domain.review import backcheck_jobs
from uninote.store.pgvector.filters import FILTER

PAGE = 5000
# The samples of the job, and the allow-list of their categories.
_SAMPLES = """
SELECT sample.id, sample.category, stored.vector, sample.allow FROM service.samples AS sample
JOIN service.sample_vectors AS stored ON stored.sample_id = sample.id AND stored.model_id = %(model)s
WHERE sample.id = ANY(%(ids)s) OR (
    sample.allow AND sample.enabled AND coalesce(sample.disabled_until <= now(), true)
    AND sample.category IN (SELECT category FROM service.samples WHERE id = ANY(%(ids)s))
) ORDER BY sample.id
"""
_NOTES = f"""
SELECT note_id, vector, content_key FROM service.vectors
WHERE model_id = %(model)s AND note_id > %(after)s AND {FILTER} ORDER BY note_id LIMIT %(limit)s
"""
# A note that was deleted or changed since the page was read is left out. The note is locked before the hits
# are written: an ingest that replaces its content either comes first, or deletes the hits written here.
_FOUND = """
WITH found AS (
    SELECT * FROM unnest(%(notes)s::text[], %(keys)s::text[], %(samples)s::int8[], %(categories)s::text[],
        %(scores)s::float8[], %(limits)s::float8[])
        AS row (note_id, content_key, sample_id, category, score, threshold)
), present AS (
    SELECT found.* FROM service.notes AS note
    JOIN found ON found.note_id = note.id AND found.content_key = note.content_key
    ORDER BY note.id FOR SHARE OF note
), matched AS (
    INSERT INTO service.matches (note_id, sample_id, model_id, category, score, threshold, source)
    SELECT note_id, sample_id, %(model)s, category, score, threshold, 'backcheck' FROM present
    WHERE %(record)s ON CONFLICT (note_id, sample_id) DO NOTHING
)
INSERT INTO service.job_hits (job_id, note_id, sample_id, score)
SELECT %(job)s, note_id, sample_id, score FROM present ON CONFLICT DO NOTHING
"""


_FOUND_COLUMNS = ("notes", "keys", "samples", "categories", "scores", "limits")


def run(
    database: Database, job_id: int, *, page: int = PAGE, stop: Callable[[], bool] = lambda: False
) -> str:
    """Process a job until it ends or `stop` returns true; return its state.

    A job has one worker at a time: a second one returns the state and does nothing. Raises StoreError when
    the database cannot be used.
    """
    with database.try_lock("uninote.job", job_id) as held:
        if held is None:
            return database.transaction(lambda session: backcheck_jobs.get(session, job_id)).state
        try:
            while True:
                state = database.transaction(lambda session: step(session, job_id, page))
                if state != "running" or stop():
                    return state
        except Exception as error:
            # Of an unexpected error only the type is stored: its message may hold private content.
            reason = str(error) if isinstance(error, UniNoteError) else type(error).__name__
            database.transaction(lambda session: backcheck_jobs.fail(session, job_id, reason))
            raise


def step(session: Session, job_id: int, page: int = PAGE) -> str:
    """Process one page; return the state of the job after it."""
    job = session.scalars(select(Job).where(Job.id == job_id).with_for_update()).one_or_none()
    if job is None or job.state not in backcheck_jobs.OPEN:
        return backcheck_jobs.get(session, job_id).state
    if job.cancel_requested:
        job.state, job.finished = "cancelled", func.now()
        return job.state
    if job.state == "queued":
        job.state, job.started = "running", func.coalesce(Job.started, func.now())
    notes = _page(session, job, page)
    if notes:
        _search(session, job, notes)
        job.cursor, job.done = notes[-1][0], job.done + len(notes)
    if len(notes) < page:
        job.state, job.finished = "done", func.now()
    return job.state


def export(database: Database, job_id: int, form: Literal["jsonl", "csv"] = "jsonl") -> Iterator[str]:
    """Yield a job's hits as lines: note_id, sample_id, sample_category, score, kind, category, time."""
    names = ("note_id", "sample_id", "sample_category", "score", "kind", "category", "time")
    if form == "csv":
        yield _csv(names)
    after = ("", 0)
    while rows := database.transaction(partial(_rows, job_id=job_id, after=after)):
        for row in rows:
            if form == "csv":
                yield _csv(row)
            else:
                yield json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n"
        after = (rows[-1][0], rows[-1][1])


def _page(session: Session, job: Job, limit: int) -> list[tuple[Any, ...]]:
    place = {"model": job.model_id, "after": job.cursor, "limit": limit}
    return read_binary(session, _NOTES, place | filter_values(backcheck_jobs.filter_of(job)))


def _search(session: Session, job: Job, notes: list[tuple[Any, ...]]) -> None:
    model = backcheck_jobs.model_of(session, job)
    samples = read_binary(session, _SAMPLES, {"model": job.model_id, "ids": job.params["samples"]})
    given = job.params["threshold"]
    known = thresholds_in_force.in_force(session, job.model_id) if given is None else {}
    names = [category for _, category, _, _ in samples]
    limits = np.array([known.get(name, np.inf) if given is None else given for name in names])
    stored = from_database([vector for _, vector, _ in notes], model.dim)
    wanted = from_database([vector for _, _, vector, _ in samples], model.dim)
    columns: dict[str, list[Any]] = {name: [] for name in _FOUND_COLUMNS}
    for row, place, score in _hits(stored, wanted, limits, names, [allow for *_, allow in samples]):
        hit = (notes[row][0], notes[row][2], samples[place][0], names[place], score, float(limits[place]))
        for name, value in zip(_FOUND_COLUMNS, hit, strict=True):
            columns[name].append(value)
    if columns["notes"]:
        values = {"job": job.id, "model": job.model_id, "record": bool(job.params["record"]), **columns}
        job.hits += session.connection().exec_driver_sql(_FOUND, values).rowcount


def _hits(
    notes: Matrix, samples: Matrix, limits: NDArray[np.float64], names: list[str], allow: list[bool]
) -> Iterator[tuple[int, int, float]]:
    """Yield (note row, sample row, score) of every hit."""
    rows, places = np.nonzero(normalised(notes) @ normalised(samples).T >= limits - SLACK)
    scores = exact_scores(notes[rows], samples[places])
    found, category = np.unique(names, return_inverse=True)
    hit = hits(
        scores, limits[places], np.array(allow, np.bool_)[places], rows * len(found) + category[places]
    )
    yield from zip(rows[hit].tolist(), places[hit].tolist(), scores[hit].tolist(), strict=True)


def _rows(session: Session, job_id: int, after: tuple[str, int]) -> list[tuple[Any, ...]]:
    place = func.row(JobHit.note_id, JobHit.sample_id) > func.row(*after)
    query = (
        select(
            JobHit.note_id,
            JobHit.sample_id,
            Sample.category,
            JobHit.score,
            StoredNote.kind,
            StoredNote.category,
            StoredNote.time,
        )
        .join(Sample, Sample.id == JobHit.sample_id)
        .join(StoredNote, StoredNote.id == JobHit.note_id)
        .where(JobHit.job_id == job_id, place)
        .order_by(JobHit.note_id, JobHit.sample_id)
        .limit(PAGE)
    )
    rows = session.execute(query).all()
    return [(*row[:-1], row[-1].isoformat() if row[-1] else None) for row in rows]


def _csv(values: tuple[Any, ...]) -> str:
    """Return a CSV line; a text that a spreadsheet would run as a formula is prefixed with an apostrophe."""
    line = io.StringIO()
    risky = ("=", "+", "-", "@", "\t", "\r")
    cells = [f"'{cell}" if isinstance(cell, str) and cell.startswith(risky) else cell for cell in values]
    csv.writer(line).writerow(cells)
    return line.getvalue()
