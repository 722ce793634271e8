"""Tables of the notes: model versions, notes, their vectors and pictures, searches, and the outbox."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from uninote.service.db.base import Base, Digest, Float16, Json, Key, Moment, Name, Now, Serial

MODEL_STATES = ("loading", "shadow", "active", "retired")


class ModelVersion(Base):
    """Version of the encoder. One is active; notes are also written with loading and shadow versions."""

    __tablename__ = "model_versions"
    __table_args__ = (
        CheckConstraint("dim BETWEEN 1 AND 16000", name="dim"),
        CheckConstraint(f"state IN {MODEL_STATES}", name="state"),
        Index(
            "uq_model_versions_active", text("(true)"), unique=True, postgresql_where=text("state = 'active'")
        ),
    )

    id: Mapped[int] = mapped_column(SmallInteger, Identity(always=True), primary_key=True)
    version: Mapped[Name] = mapped_column(unique=True)
    dim: Mapped[int]
    state: Mapped[Name]
    created: Mapped[Now]
    activated: Mapped[Moment | None]


class StoredNote(Base):
    """Note as it was sent, with pictures by digest. content_key: hash of the embedded content."""

    __tablename__ = "notes"
    __table_args__ = (Index(None, "category", "id"), Index(None, "time"))

    id: Mapped[Key] = mapped_column(primary_key=True)
    content_key: Mapped[Digest]
    payload: Mapped[Json]
    kind: Mapped[Name]
    category: Mapped[Name]
    lang: Mapped[Name]
    time: Mapped[Moment | None]
    created: Mapped[Now]
    updated: Mapped[Now]


class NoteVector(Base):
    """The vector of a note under one model. The filter columns repeat the note's, for one-table search."""

    __tablename__ = "vectors"
    __table_args__ = (Index(None, "model_id", "category", "kind"), Index(None, "model_id", "time"))

    note_id: Mapped[Key] = mapped_column(ForeignKey(StoredNote.id, ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey(ModelVersion.id), primary_key=True)
    content_key: Mapped[Digest]
    vector: Mapped[Float16]
    kind: Mapped[Name]
    category: Mapped[Name]
    time: Mapped[Moment | None]


class StoredPicture(Base):
    """Encoded bytes of a picture, once per content."""

    __tablename__ = "pictures"

    digest: Mapped[Digest] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class NotePicture(Base):
    """Use of a picture by a note. The bytes of a picture are deleted with its last use."""

    __tablename__ = "note_pictures"
    __table_args__ = (Index(None, "digest"),)

    note_id: Mapped[Key] = mapped_column(ForeignKey(StoredNote.id, ondelete="CASCADE"), primary_key=True)
    digest: Mapped[Digest] = mapped_column(ForeignKey(StoredPicture.digest), primary_key=True)


class Outbox(Base):
    """Note whose change was not delivered to the vector cluster yet.

    A row holds only the id. Delivery reads the note's current state, so that repeated or reordered deliveries
    end in the same state.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "note_id", "seq"),)

    seq: Mapped[Serial]
    note_id: Mapped[Key]
    deleted: Mapped[bool]
    created: Mapped[Now]


class OutboxState(Base):
    """State of the outbox, one row. wanted: whether changes are recorded.

    filled_at: the last number of the outbox when a rebuild had queued every note; null before that.
    """

    __tablename__ = "outbox_state"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    wanted: Mapped[bool]
    filled_at: Mapped[int | None] = mapped_column(BigInteger)


class Request(Base):
    """Idempotency key that was used, with the digest of its request; no content."""

    __tablename__ = "requests"
    __table_args__ = (Index(None, "created"),)

    key: Mapped[Digest] = mapped_column(primary_key=True)
    digest: Mapped[Digest]
    created: Mapped[Now]


class SearchInput(Base):
    """Picture, video or long text that the console searched with, named in addresses; it expires."""

    __tablename__ = "search_inputs"
    __table_args__ = (Index(None, "used"),)

    digest: Mapped[Digest] = mapped_column(primary_key=True)
    kind: Mapped[Name]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    used: Mapped[Now]


class Forgotten(Base):
    """Hash of a forgotten note's id, so that a late delivery cannot store the note again."""

    __tablename__ = "forgotten"

    id_hash: Mapped[Digest] = mapped_column(primary_key=True)
    created: Mapped[Now]


class Audit(Base):
    """Entry of the audit log; append-only by a trigger. A note is named by the hash of its id."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "subject", "id"), Index(None, "action", "id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[Now]
    actor: Mapped[Name]
    action: Mapped[Name]
    subject: Mapped[Key]
    details: Mapped[Json]
