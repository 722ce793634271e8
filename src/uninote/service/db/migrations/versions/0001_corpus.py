"""Tables of the corpus: notes, vectors, pictures, outbox, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

BEYOND_TABLES = (
    # Vectors cannot be compressed and are read without the other columns: store them out of line (TOAST).
    "ALTER TABLE service.vectors ALTER COLUMN vector SET STORAGE EXTERNAL",
    "ALTER TABLE service.pictures ALTER COLUMN data SET STORAGE EXTERNAL",
    "CREATE FUNCTION service.refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN RAISE EXCEPTION 'the audit log is append-only'; END$$",
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON service.audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION service.refuse_change()",
)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("action", sa.String(length=256), nullable=False),
        sa.Column("subject", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        schema="service",
    )
    op.create_index(op.f("ix_audit_action_id"), "audit", ["action", "id"], schema="service")
    op.create_index(op.f("ix_audit_subject_id"), "audit", ["subject", "id"], schema="service")
    op.create_table(
        "forgotten",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_forgotten")),
        schema="service",
    )
    op.create_table(
        "model_versions",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("version", sa.String(length=256), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=256), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("activated", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('loading', 'shadow', 'active', 'retired')", name=op.f("ck_model_versions_state")
        ),
        sa.CheckConstraint("dim BETWEEN 1 AND 4000", name=op.f("ck_model_versions_dim")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("version", name=op.f("uq_model_versions_version")),
        schema="service",
    )
    op.create_index(
        "uq_model_versions_active",
        "model_versions",
        [sa.literal_column("(true)")],
        unique=True,
        schema="service",
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("content_key", sa.String(length=64), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("kind", sa.String(length=256), nullable=False),
        sa.Column("category", sa.String(length=256), nullable=False),
        sa.Column("lang", sa.String(length=256), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        schema="service",
    )
    op.create_index(op.f("ix_notes_category_id"), "notes", ["category", "id"], schema="service")
    op.create_index(op.f("ix_notes_time"), "notes", ["time"], schema="service")
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("note_id", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        schema="service",
    )
    op.create_index(op.f("ix_outbox_note_id_seq"), "outbox", ["note_id", "seq"], schema="service")
    op.create_table(
        "pictures",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pictures")),
        schema="service",
    )
    op.create_table(
        "requests",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_requests")),
        schema="service",
    )
    op.create_index(op.f("ix_requests_created"), "requests", ["created"], schema="service")
    op.create_table(
        "note_pictures",
        sa.Column("note_id", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest"], ["service.pictures.digest"], name=op.f("fk_note_pictures_digest")
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["service.notes.id"], name=op.f("fk_note_pictures_note_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("note_id", "digest", name=op.f("pk_note_pictures")),
        schema="service",
    )
    op.create_index(op.f("ix_note_pictures_digest"), "note_pictures", ["digest"], schema="service")
    op.create_table(
        "vectors",
        sa.Column("note_id", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("model_id", sa.SmallInteger(), nullable=False),
        sa.Column("content_key", sa.String(length=64), nullable=False),
        sa.Column("vector", HALFVEC(), nullable=False),
        sa.Column("kind", sa.String(length=256), nullable=False),
        sa.Column("category", sa.String(length=256), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["model_id"], ["service.model_versions.id"], name=op.f("fk_vectors_model_id")
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["service.notes.id"], name=op.f("fk_vectors_note_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("note_id", "model_id", name=op.f("pk_vectors")),
        schema="service",
    )
    for statement in BEYOND_TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION service.refuse_change CASCADE")
    op.drop_table("vectors", schema="service")
    op.drop_table("note_pictures", schema="service")
    op.drop_table("requests", schema="service")
    op.drop_table("pictures", schema="service")
    op.drop_table("outbox", schema="service")
    op.drop_table("notes", schema="service")
    op.drop_table("model_versions", schema="service")
    op.drop_table("forgotten", schema="service")
    op.drop_table("audit", schema="service")
