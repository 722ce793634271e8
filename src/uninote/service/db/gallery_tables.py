"""Tables of the gallery, its matches, reviews and back-check jobs, and of API keys."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from uninote.service.db.base import Base, Digest, Float16, Json, Key, Moment, Name, Now, Serial, Words
from uninote.service.db.note_tables import ModelVersion, StoredNote, StoredPicture
from uninote.service.roles import ROLES

SAMPLE_KINDS = ("image", "video", "text", "note")
VERDICTS = ("true_positive", "false_positive", "unsure")
WITHDRAWN = "withdrawn"
"""Verdict in the record of an undo that leaves no earlier verdict."""
JOB_STATES = ("queued", "running", "done", "failed", "cancelled")
SOURCES = ("online", "backcheck")


class GalleryState(Base):
    """One row. `revision` grows with every change to models, categories, thresholds and samples."""

    __tablename__ = "gallery_state"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)


class Category(Base):
    """Category of samples. sampling: fraction of its hits that is reported, chosen by hash of the note."""

    __tablename__ = "categories"
    __table_args__ = (CheckConstraint("sampling BETWEEN 0 AND 1", name="sampling"),)

    name: Mapped[Name] = mapped_column(primary_key=True)
    description: Mapped[Words]
    enabled: Mapped[bool]
    disabled_until: Mapped[Moment | None]
    sampling: Mapped[float] = mapped_column(Double)
    created: Mapped[Now]


class Threshold(Base):
    """Thresholds with their history: the newest row of a category and model is in force."""

    __tablename__ = "thresholds"
    __table_args__ = (
        CheckConstraint("value BETWEEN -1 AND 1", name="value"),
        Index(None, "category", "model_id", text("id DESC")),
    )

    id: Mapped[Serial]
    category: Mapped[Name] = mapped_column(ForeignKey(Category.name, ondelete="CASCADE"))
    model_id: Mapped[int] = mapped_column(ForeignKey(ModelVersion.id))
    value: Mapped[float] = mapped_column(Double)
    actor: Mapped[Name]
    reason: Mapped[Words]
    created: Mapped[Now]


class Sample(Base):
    """A gallery sample. An allow-list sample takes hits away instead of making them."""

    __tablename__ = "samples"
    __table_args__ = (
        CheckConstraint(f"kind IN {SAMPLE_KINDS}", name="kind"),
        UniqueConstraint("category", "content_key", "kind", "allow"),
        Index(None, "source_note"),
    )

    id: Mapped[Serial]
    category: Mapped[Name] = mapped_column(ForeignKey(Category.name, ondelete="CASCADE"))
    kind: Mapped[Name]
    label: Mapped[Name]
    comment: Mapped[Words]
    allow: Mapped[bool]
    enabled: Mapped[bool]
    disabled_until: Mapped[Moment | None]
    content_key: Mapped[Digest]
    payload: Mapped[Json]
    source_note: Mapped[Key | None]
    actor: Mapped[Name]
    created: Mapped[Now]


class SampleVector(Base):
    """The vector of a sample under one model."""

    __tablename__ = "sample_vectors"

    sample_id: Mapped[int] = mapped_column(ForeignKey(Sample.id, ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey(ModelVersion.id), primary_key=True)
    vector: Mapped[Float16]


class SamplePicture(Base):
    """Use of a picture by a sample."""

    __tablename__ = "sample_pictures"
    __table_args__ = (Index(None, "digest"),)

    sample_id: Mapped[int] = mapped_column(ForeignKey(Sample.id, ondelete="CASCADE"), primary_key=True)
    digest: Mapped[Digest] = mapped_column(ForeignKey(StoredPicture.digest), primary_key=True)


class Match(Base):
    """Match of a note and a sample: the score reached the category's threshold. One row per pair."""

    __tablename__ = "matches"
    __table_args__ = (
        CheckConstraint(f"source IN {SOURCES}", name="source"),
        UniqueConstraint("note_id", "sample_id"),
        Index(None, "sample_id"),
        Index("ix_matches_open", "category", "id", postgresql_where=text("verdict IS NULL")),
        Index(
            "ix_matches_surest", text("score DESC"), text("id DESC"), postgresql_where=text("verdict IS NULL")
        ),
    )

    id: Mapped[Serial]
    note_id: Mapped[Key] = mapped_column(ForeignKey(StoredNote.id, ondelete="CASCADE"))
    sample_id: Mapped[int] = mapped_column(ForeignKey(Sample.id, ondelete="CASCADE"))
    model_id: Mapped[int] = mapped_column(ForeignKey(ModelVersion.id))
    category: Mapped[Name]
    score: Mapped[float] = mapped_column(Double)
    threshold: Mapped[float] = mapped_column(Double)
    source: Mapped[Name]
    verdict: Mapped[Name | None]
    created: Mapped[Now]


class Review(Base):
    """Verdict on a match, with the key of the judged content; the newest one counts.

    undoes: the verdict that this record takes back; its own `verdict` is then the one that counts again.
    """

    __tablename__ = "reviews"
    __table_args__ = (
        CheckConstraint(f"verdict IN {(*VERDICTS, WITHDRAWN)}", name="verdict"),
        Index(None, "note_id", "sample_id", text("id DESC")),
        Index(None, "sample_id"),
        Index(None, "actor", text("id DESC")),
        UniqueConstraint("undoes"),
    )

    id: Mapped[Serial]
    note_id: Mapped[Key] = mapped_column(ForeignKey(StoredNote.id, ondelete="CASCADE"))
    sample_id: Mapped[int] = mapped_column(ForeignKey(Sample.id, ondelete="CASCADE"))
    content_key: Mapped[Digest]
    category: Mapped[Name]
    score: Mapped[float] = mapped_column(Double)
    verdict: Mapped[Name]
    comment: Mapped[Words]
    actor: Mapped[Name]
    created: Mapped[Now]
    undoes: Mapped[int | None] = mapped_column(ForeignKey("service.reviews.id", ondelete="CASCADE"))


class Job(Base):
    """Back-check job over the stored notes; after an interruption it continues after `cursor`."""

    __tablename__ = "jobs"
    __table_args__ = (CheckConstraint(f"state IN {JOB_STATES}", name="state"), Index(None, "state"))

    id: Mapped[Serial]
    state: Mapped[Name]
    cancel_requested: Mapped[bool]
    params: Mapped[Json]
    model_id: Mapped[int] = mapped_column(ForeignKey(ModelVersion.id))
    cursor: Mapped[Key]
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    hits: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[Words]
    actor: Mapped[Name]
    created: Mapped[Now]
    started: Mapped[Moment | None]
    finished: Mapped[Moment | None]


class JobHit(Base):
    """Hit of a back-check job."""

    __tablename__ = "job_hits"
    __table_args__ = (Index(None, "note_id"), Index(None, "sample_id"))

    job_id: Mapped[int] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    note_id: Mapped[Key] = mapped_column(ForeignKey(StoredNote.id, ondelete="CASCADE"), primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey(Sample.id, ondelete="CASCADE"), primary_key=True)
    score: Mapped[float] = mapped_column(Double)


class ApiKey(Base):
    """API key: its prefix identifies it, the hash of its secret verifies it."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint(f"role IN {ROLES}", name="role"),)

    prefix: Mapped[str] = mapped_column(String(16), primary_key=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[Name]
    role: Mapped[Name]
    actor: Mapped[Name]
    created: Mapped[Now]
    revoked: Mapped[Moment | None]
