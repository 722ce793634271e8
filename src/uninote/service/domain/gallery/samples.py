"""Gallery samples, which notes are compared with. A change applies to the next note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from numpy.typing import ArrayLike
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uninote.errors import VectorError
from uninote.service.db.gallery_tables import Category, Sample, SamplePicture, SampleVector
from uninote.service.db.note_tables import Audit, ModelVersion, StoredNote, StoredPicture
from uninote.service.domain.base import audit, gallery_lock, payload
from uninote.service.domain.base.pictures import drop_unused
from uninote.service.domain.base.text import MAX_NAME, check_words
from uninote.service.domain.base.vectors import float16_unit
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.sample_rows import (
    NewSample,
    check_sample,
    identity_of,
    sample_row,
    shown_digests,
)
from uninote.service.errors import InvalidError, NotFoundError

CHUNK = 1000  # rows of one INSERT


def add_samples(
    session: Session, samples: Sequence[NewSample], actor: str, *, known: set[int] | None = None
) -> list[Sample]:
    """Add samples, all or none; return their rows. A sample that is stored already is not changed.

    It is stored already if category, kind, content and allow-list are equal; its id is then added to `known`.
    Raises InvalidError, NotFoundError or VectorError; the message has the number of the first bad sample.
    """
    sources = {sample.source_note for sample in samples if sample.source_note is not None}
    if sources:
        # Without this lock one of the notes could be forgotten before its sample is stored.
        gallery_lock.lock_exclusive(session)
    models = {
        model.version: model for model in session.scalars(select(ModelVersion)) if model.state != "retired"
    }
    active = next((model.version for model in models.values() if model.state == "active"), None)
    categories = set(session.scalars(select(Category.name)))
    stored_notes = set(session.scalars(select(StoredNote.id).where(StoredNote.id.in_(sources))))
    for number, sample in enumerate(samples):
        try:
            check_sample(sample, models, active)
            if sample.category not in categories:
                raise NotFoundError(f"there is no category {sample.category!r}; create it first")
            if sample.source_note is not None and sample.source_note not in stored_notes:
                raise NotFoundError(f"no note {sample.source_note!r} is stored")
        except (InvalidError, NotFoundError, VectorError) as error:
            raise type(error)(f"sample {number}: {error}") from None
    found: set[int] = set() if known is None else known
    stored = [
        row
        for start in range(0, len(samples), CHUNK)
        for row in _add(session, samples[start : start + CHUNK], models, actor, found)
    ]
    if any(row.id not in found for row in stored):
        gallery_lock.increment(session)
    return stored


def change_sample(
    session: Session,
    sample_id: int,
    actor: str,
    *,
    label: str | None = None,
    comment: str | None = None,
    enabled: bool | None = None,
    disabled_until: datetime | None = None,
) -> Sample:
    """Change the settings of a sample. None leaves a field as it is; `enabled` also sets `disabled_until`.

    Settings that are in force already are not written again. The content cannot be changed: add another
    sample instead. Raises NotFoundError.
    """
    check_words("a label", label or "", MAX_NAME)
    check_words("a comment", comment or "")
    values: dict[str, Any] = {
        name: value
        for name, value in (("label", label), ("comment", comment), ("enabled", enabled))
        if value is not None
    }
    if enabled is not None or disabled_until is not None:
        values["disabled_until"] = disabled_until
    sample = session.get(Sample, sample_id, with_for_update=True)
    if sample is None:
        raise NotFoundError(f"there is no gallery sample {sample_id}")
    if all(getattr(sample, name) == value for name, value in values.items()):
        return sample
    for name, value in values.items():
        setattr(sample, name, value)
    logged = {name: value for name, value in values.items() if name in {"enabled", "label"}}
    audit.record(session, actor, "sample.change", f"sample:{sample_id}", **logged)
    gallery_lock.increment(session)
    return sample


def delete_samples(session: Session, sample_ids: Sequence[int], actor: str) -> int:
    """Delete samples with their matches, reviews and job hits; return how many were stored."""
    pictures = shown_digests(session, Sample.id.in_(sample_ids))
    gone = session.scalars(delete(Sample).where(Sample.id.in_(sample_ids)).returning(Sample.id)).all()
    drop_unused(session, pictures)
    for sample_id in gone:
        audit.record(session, actor, "sample.delete", f"sample:{sample_id}")
    gallery_lock.increment(session)
    return len(gone)


def listing(
    session: Session,
    *,
    category: str | None = None,
    ids: Sequence[int] | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[Sample]:
    """Return a page of samples by id."""
    query = select(Sample).where(Sample.id > after).order_by(Sample.id).limit(limit)
    if category is not None:
        query = query.where(Sample.category == category)
    if ids is not None:
        query = query.where(Sample.id.in_(ids))
    return list(session.scalars(query))


def counts(session: Session) -> dict[str, int]:
    """Return the number of samples per category."""
    rows = session.execute(select(Sample.category, func.count()).group_by(Sample.category))
    return dict(rows.all())


def add_sample_vectors(session: Session, version: str, vectors: Mapping[int, ArrayLike]) -> None:
    """Add vectors of samples for a model version; a stored vector is kept. Raises NotFoundError."""
    model = versions.get(session, version)
    rows = [
        {"sample_id": sample_id, "model_id": model.id, "vector": float16_unit(vector, model.dim)}
        for sample_id, vector in vectors.items()
    ]
    if rows:
        session.execute(insert(SampleVector).values(rows).on_conflict_do_nothing())
        gallery_lock.increment(session)


def _add(
    session: Session,
    chunk: Sequence[NewSample],
    models: Mapping[str, ModelVersion],
    actor: str,
    known: set[int],
) -> list[Sample]:
    """Store new samples with vectors and pictures; return the stored row of each sample, in order.

    known: gets the ids of those that were stored before.
    """
    wanted = {identity_of(sample): sample for sample in chunk}
    vectors_of = {
        identity: [
            {"model_id": models[version].id, "vector": float16_unit(vector, models[version].dim)}
            for version, vector in sample.vectors.items()
            if version in models
        ]
        for identity, sample in wanted.items()
    }
    rows = [sample_row(sample, actor) for sample in wanted.values()]
    statement = insert(Sample).values(rows).on_conflict_do_nothing().returning(Sample)
    added = {identity_of(sample): sample for sample in session.scalars(statement)}
    pictures: dict[str, bytes] = {}
    uses, vectors, log = [], [], []
    for identity, sample in added.items():
        shown = payload.readable(wanted[identity].item.pictures)
        pictures |= shown
        uses += [{"sample_id": sample.id, "digest": digest} for digest in shown]
        vectors += [{"sample_id": sample.id, **vector} for vector in vectors_of[identity]]
        details = {"category": sample.category, "kind": sample.kind}
        log.append(
            {"actor": actor, "action": "sample.add", "subject": f"sample:{sample.id}", "details": details}
        )
    if added:
        session.execute(insert(SampleVector).values(vectors))
        session.execute(insert(Audit).values(log))
    if pictures:
        stored = [{"digest": digest, "data": data} for digest, data in sorted(pictures.items())]
        session.execute(insert(StoredPicture).values(stored).on_conflict_do_nothing())
        session.execute(insert(SamplePicture).values(uses))
    old = wanted.keys() - added.keys()
    if old:
        columns = tuple_(Sample.category, Sample.kind, Sample.content_key, Sample.allow)
        stored_before = list(session.scalars(select(Sample).where(columns.in_(old))))
        known |= {one.id for one in stored_before}
        added |= {identity_of(one): one for one in stored_before}
    return [added[identity_of(sample)] for sample in chunk]
