"""Working on a back-check: page by page through the notes, in id order; each page commits with its place.

A killed worker repeats at most the page it was in, and a page that is done twice finds the same.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uninote.errors import UniNoteError
from uninote.service.db.corpus import StoredNote
from uninote.service.db.engine import Database
from uninote.service.db.moderation import Job, JobHit, Sample
from uninote.service.domain import jobs, thresholds
from uninote.service.domain.vectors import Matrix, from_database, read_binary
from uninote.store.validate import cosine

PAGE = 5000
_LOCK = "SELECT pg_try_advisory_lock(hashtext('uninote.job'), %s)"
_SAMPLES = """
SELECT sample.id, sample.category, stored.vector FROM service.samples AS sample
JOIN service.sample_vectors AS stored ON stored.sample_id = sample.id AND stored.model_id = %(model)s
WHERE sample.id = ANY(%(ids)s) ORDER BY sample.id
"""
_NOTES = """
SELECT note_id, vector, content_key FROM service.vectors
WHERE model_id = %(model)s AND note_id > %(after)s
    AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s))
    AND (%(categories)s::text[] IS NULL OR category = ANY(%(categories)s))
    AND (%(since)s::timestamptz IS NULL OR time >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR time < %(until)s::timestamptz)
ORDER BY note_id LIMIT %(limit)s
"""
# A note that was deleted or changed since the page was read is left out.
_FOUND = """
WITH found AS (
    SELECT * FROM unnest(%(notes)s::text[], %(keys)s::text[], %(samples)s::int8[], %(categories)s::text[],
        %(scores)s::float8[], %(limits)s::float8[])
        AS row (note_id, content_key, sample_id, category, score, threshold)
), present AS (
    SELECT found.* FROM found JOIN service.vectors AS stored USING (note_id, content_key)
    WHERE stored.model_id = %(model)s ORDER BY note_id FOR SHARE OF stored
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
    """Work until the job is over or `stop` says so; gives its state. One worker at a time: a second one
    gives back the state and does nothing. Raises StoreError when the database cannot be used."""
    with database.connect(autocommit=True) as lock:  # its end, however it comes, gives the lock back
        if lock.execute(_LOCK, [job_id]).fetchone() != (True,):
            return database.run(lambda session: jobs.get(session, job_id)).state
        try:
            while True:
                state = database.run(lambda session: step(session, job_id, page))
                if state != "running" or stop():
                    return state
        except UniNoteError as error:
            reason = str(error)
            database.run(lambda session: jobs.fail(session, job_id, reason))
            raise


def step(session: Session, job_id: int, page: int = PAGE) -> str:
    """One page; gives the state of the job behind it."""
    job = session.scalars(select(Job).where(Job.id == job_id).with_for_update()).one_or_none()
    if job is None or job.state not in jobs.OPEN:
        return jobs.get(session, job_id).state
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
    """What a job found, line by line: note_id, sample_id, sample_category, score, kind, category, time."""
    names = ("note_id", "sample_id", "sample_category", "score", "kind", "category", "time")
    if form == "csv":
        yield _csv(names)
    after = ("", 0)
    while rows := database.run(partial(_rows, job_id=job_id, after=after)):
        for row in rows:
            if form == "csv":
                yield _csv(row)
            else:
                yield json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n"
        after = (rows[-1][0], rows[-1][1])


def _page(session: Session, job: Job, limit: int) -> list[tuple[Any, ...]]:
    chosen = jobs.filter_of(job)
    values = {
        "model": job.model_id,
        "after": job.cursor,
        "limit": limit,
        "kinds": chosen.kinds and list(chosen.kinds),
        "categories": chosen.categories and list(chosen.categories),
        "since": chosen.since,
        "until": chosen.until,
    }
    return read_binary(session, _NOTES, values)


def _search(session: Session, job: Job, notes: list[tuple[Any, ...]]) -> None:
    model = jobs.model_of(session, job)
    samples = read_binary(session, _SAMPLES, {"model": job.model_id, "ids": job.params["samples"]})
    given = job.params["threshold"]
    known = thresholds.in_force(session, job.model_id) if given is None else {}
    limits = np.array([known.get(category, np.inf) if given is None else given for _, category, _ in samples])
    vectors: Matrix = from_database([vector for _, vector, _ in notes], model.dim)
    scores = vectors @ from_database([vector for *_, vector in samples], model.dim).T  # [notes, samples]
    columns: dict[str, list[Any]] = {name: [] for name in _FOUND_COLUMNS}
    for row, column in np.argwhere(scores >= limits - 1e-6).tolist():
        score = cosine(float(scores[row, column]))
        if score >= limits[column]:  # compared as they are shown, rounded
            note_id, _, key = notes[row]
            sample_id, category, _ = samples[column]
            one = (note_id, key, sample_id, category, score, float(limits[column]))
            for name, value in zip(_FOUND_COLUMNS, one, strict=True):
                columns[name].append(value)
    if columns["notes"]:
        values = {"job": job.id, "model": job.model_id, "record": bool(job.params["record"]), **columns}
        job.hits += session.connection().exec_driver_sql(_FOUND, values).rowcount


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
    rows = session.execute(query).tuples().all()
    return [(*row[:-1], row[-1].isoformat() if row[-1] else None) for row in rows]


def _csv(values: tuple[Any, ...]) -> str:
    """One line; a text that a spreadsheet would run as a formula gets an apostrophe in front."""
    line = io.StringIO()
    risky = ("=", "+", "-", "@", "\t", "\r")
    cells = [f"'{cell}" if isinstance(cell, str) and cell.startswith(risky) else cell for cell in values]
    csv.writer(line).writerow(cells)
    return line.getvalue()
