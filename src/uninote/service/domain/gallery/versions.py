"""Model versions and their life cycle: loading -> shadow <-> active; any but the active one -> retired.

New notes are embedded by every version that is not retired (dual write). The backfill embeds the others:
older notes, and notes whose caller sent one version's vector only. So switching and rolling back lose no
vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, and_, delete, func, select, update
from sqlalchemy.orm import Session

from uninote.hints import nearest
from uninote.service.db.gallery_tables import Sample, SampleVector
from uninote.service.db.note_tables import Audit, ModelVersion, NoteVector, StoredNote
from uninote.service.domain.base import audit, gallery_lock
from uninote.service.domain.base.text import check_name
from uninote.service.domain.gallery.thresholds_in_force import without_threshold
from uninote.service.errors import ConflictError, InvalidError, NotFoundError
from uninote.store.pgvector.search import MAX_DIMS


def listing(session: Session) -> list[ModelVersion]:
    """Return all versions in the order they were added."""
    return list(session.scalars(select(ModelVersion).order_by(ModelVersion.id)))


def get(session: Session, version: str) -> ModelVersion:
    """Return a version. Raises NotFoundError."""
    found = session.scalars(select(ModelVersion).where(ModelVersion.version == version)).one_or_none()
    if found is None:
        known = session.scalars(select(ModelVersion.version))
        raise NotFoundError(f"model version {version!r} is not known; {nearest(version, known)}")
    return found


def active(session: Session) -> ModelVersion:
    """Return the version that searches and matches. Raises NotFoundError before the first is activated."""
    found = session.scalars(select(ModelVersion).where(ModelVersion.state == "active")).one_or_none()
    if found is None:
        raise NotFoundError(
            "no model version is active; start `uninote serve` once, or add one and switch to it"
        )
    return found


def add(session: Session, version: str, dim: int, actor: str) -> ModelVersion:
    """Add a version in state loading, or return the existing one of that name.

    Raises InvalidError for a bad name or dimension, ConflictError when it is known with another dimension.
    """
    check_name("a model version", version)
    if not 1 <= dim <= MAX_DIMS:
        raise InvalidError(f"a model version has 1 to {MAX_DIMS} dimensions, not {dim}")
    known = session.scalars(select(ModelVersion).where(ModelVersion.version == version)).one_or_none()
    if known is not None:
        if known.dim != dim:
            raise ConflictError(f"model version {version!r} has {known.dim} dimensions, not {dim}")
        if known.state == "retired":
            known.state, known.activated = "loading", None
            _changed(session, actor, "model.add", version, dim=dim)
        return known
    added = ModelVersion(version=version, dim=dim, state="loading")
    session.add(added)
    _changed(session, actor, "model.add", version, dim=dim)
    return added


def ensure(session: Session, version: str, dim: int, actor: str) -> ModelVersion:
    """Add a version as `add` does, and activate it when none is active. For the start of a service."""
    added = add(session, version, dim, actor)
    if session.scalars(select(ModelVersion.id).where(ModelVersion.state == "active")).first() is None:
        _activate(session, added)
        _changed(session, actor, "model.switch", version, before=None)
    return added


def missing_notes(session: Session, model: ModelVersion, after: str = "", limit: int = 1000) -> list[str]:
    """Return up to `limit` ids above `after`, in order, of notes without a current vector of this version."""
    return list(
        session.scalars(_missing(model).where(StoredNote.id > after).order_by(StoredNote.id).limit(limit))
    )


def count_missing(session: Session, model: ModelVersion) -> int:
    """Return the number of notes without a current vector of this version."""
    return session.scalars(select(func.count()).select_from(_missing(model).subquery())).one()


def missing_samples(session: Session, model: ModelVersion) -> list[int]:
    """Return ids of gallery samples without a vector of this version."""
    with_vector = select(SampleVector.sample_id).where(SampleVector.model_id == model.id)
    return list(session.scalars(select(Sample.id).where(Sample.id.not_in(with_vector)).order_by(Sample.id)))


def switch(session: Session, version: str, actor: str, *, force: bool = False) -> ModelVersion:
    """Activate a version; the previous one becomes a shadow.

    Raises ConflictError while vectors or thresholds of it are missing, unless forced.
    """
    model = get(session, version)
    if model.state == "active":
        return model
    if model.state == "retired":
        raise ConflictError(f"model version {version!r} is retired; add it again and fill it first")
    if not force:
        _check_complete(session, model)
    before = _activate(session, model)
    _changed(session, actor, "model.switch", version, before=before, forced=force)
    return model


def roll_back(session: Session, actor: str, *, leaving: str | None = None) -> ModelVersion:
    """Activate the version that was active before the current one; return the active version.

    leaving: the version to leave. If another one is active, nothing changes, so a request that is sent twice
    goes back one step only. Raises ConflictError when there is no earlier version.
    """
    gallery_lock.lock_exclusive(session)
    present = active(session)
    if leaving is not None and present.version != leaving:
        return present
    previous = _before(session, present.version)
    if previous is None:
        raise ConflictError("there is no earlier model version to roll back to")
    before = _activate(session, previous)
    _changed(session, actor, "model.roll_back", previous.version, before=before)
    return previous


def _before(session: Session, version: str) -> ModelVersion | None:
    """Return the version that was active before the last switch to this one, by the audit log.

    A version that is retired by now is skipped in favour of the one before it.
    """
    seen: set[str] = set()
    while version not in seen:
        seen.add(version)
        switched = (
            select(Audit.details["before"].astext)
            .where(Audit.subject == f"model:{version}", Audit.action == "model.switch")
            .order_by(Audit.id.desc())
            .limit(1)
        )
        before = session.scalars(switched).one_or_none()
        if before is None:
            return None
        model = get(session, before)
        if model.state == "shadow":
            return model
        version = before
    return None


def mark_filled(session: Session, version: str, actor: str) -> ModelVersion:
    """Turn a loading version into a shadow. Raises ConflictError while something is missing."""
    model = get(session, version)
    if model.state == "loading":
        _check_complete(session, model, thresholds=False)
        model.state = "shadow"
        _changed(session, actor, "model.filled", version)
    return model


def retire(session: Session, version: str, actor: str) -> ModelVersion:
    """Stop writing a version and delete its vectors. Raises ConflictError for the active one."""
    model = get(session, version)
    if model.state == "active":
        raise ConflictError(f"model version {version!r} is active; switch to another one first")
    if model.state == "retired":
        return model
    model.state = "retired"
    session.flush()
    vectors = delete(NoteVector).where(NoteVector.model_id == model.id)
    session.execute(vectors)  # slow, but it does not block ingests of new notes
    _changed(session, actor, "model.retire", version)
    session.execute(vectors)  # vectors written meanwhile; the gallery's lock now keeps out further ones
    session.execute(delete(SampleVector).where(SampleVector.model_id == model.id))
    return model


def _missing(model: ModelVersion) -> Select[str]:
    current = and_(
        NoteVector.note_id == StoredNote.id,
        NoteVector.model_id == model.id,
        NoteVector.content_key == StoredNote.content_key,
    )
    return select(StoredNote.id).where(~select(NoteVector.note_id).where(current).exists())


def _check_complete(session: Session, model: ModelVersion, thresholds: bool = True) -> None:
    lacking: Sequence[tuple[int, str]] = (
        (count_missing(session, model), "notes without a vector"),
        (len(missing_samples(session, model)), "gallery samples without a vector"),
        (len(without_threshold(session, model.id)) if thresholds else 0, "categories without a threshold"),
    )
    problems = ", ".join(f"{count} {what}" for count, what in lacking if count)
    if problems:
        raise ConflictError(
            f"model version {model.version!r} is not ready: {problems}; fill and calibrate it first"
        )


def _activate(session: Session, model: ModelVersion) -> str | None:
    """Activate a version; return the name of the one that was active before."""
    before = session.scalars(
        update(ModelVersion)
        .where(ModelVersion.state == "active")
        .values(state="shadow")
        .returning(ModelVersion.version)
    ).one_or_none()
    session.flush()
    model.state = "active"
    model.activated = func.clock_timestamp()
    session.flush()
    session.refresh(model)
    return before


def _changed(session: Session, actor: str, action: str, version: str, **details: object) -> None:
    audit.record(session, actor, action, f"model:{version}", **details)
    gallery_lock.increment(session)
