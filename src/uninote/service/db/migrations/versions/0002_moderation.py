"""Tables of moderation: gallery, matches, reviews, jobs, keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("role", sa.String(length=256), nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('read', 'ingest', 'operate', 'admin')", name=op.f("ck_api_keys_role")),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_api_keys")),
        schema="service",
    )
    op.create_table(
        "categories",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sampling", sa.Double(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("sampling BETWEEN 0 AND 1", name=op.f("ck_categories_sampling")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_categories")),
        schema="service",
    )
    op.create_table(
        "gallery_state",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_gallery_state_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gallery_state")),
        schema="service",
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("state", sa.String(length=256), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("model_id", sa.SmallInteger(), nullable=False),
        sa.Column("cursor", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_jobs_state")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["service.model_versions.id"], name=op.f("fk_jobs_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        schema="service",
    )
    op.create_index(op.f("ix_jobs_state"), "jobs", ["state"], schema="service")
    op.create_table(
        "samples",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("category", sa.String(length=256), nullable=False),
        sa.Column("kind", sa.String(length=256), nullable=False),
        sa.Column("label", sa.String(length=256), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("allow", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("content_key", sa.String(length=64), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("source_note", sa.String(length=512, collation="C"), nullable=True),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('image', 'video', 'text', 'note')", name=op.f("ck_samples_kind")),
        sa.ForeignKeyConstraint(
            ["category"], ["service.categories.name"], name=op.f("fk_samples_category"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
        sa.UniqueConstraint(
            "category",
            "content_key",
            "kind",
            "allow",
            name=op.f("uq_samples_category_content_key_kind_allow"),
        ),
        schema="service",
    )
    op.create_index(op.f("ix_samples_source_note"), "samples", ["source_note"], schema="service")
    op.create_table(
        "thresholds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("category", sa.String(length=256), nullable=False),
        sa.Column("model_id", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("value BETWEEN -1 AND 1", name=op.f("ck_thresholds_value")),
        sa.ForeignKeyConstraint(
            ["category"], ["service.categories.name"], name=op.f("fk_thresholds_category"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["service.model_versions.id"], name=op.f("fk_thresholds_model_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_thresholds")),
        schema="service",
    )
    op.create_index(
        op.f("ix_thresholds_category_model_id"),
        "thresholds",
        ["category", "model_id", sa.literal_column("id DESC")],
        schema="service",
    )
    op.create_table(
        "job_hits",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("note_id", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["service.jobs.id"], name=op.f("fk_job_hits_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["service.notes.id"], name=op.f("fk_job_hits_note_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["service.samples.id"], name=op.f("fk_job_hits_sample_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "note_id", "sample_id", name=op.f("pk_job_hits")),
        schema="service",
    )
    op.create_index(op.f("ix_job_hits_note_id"), "job_hits", ["note_id"], schema="service")
    op.create_index(op.f("ix_job_hits_sample_id"), "job_hits", ["sample_id"], schema="service")
    op.create_table(
        "matches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("note_id", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.SmallInteger(), nullable=False),
        sa.Column("category", sa.String(length=256), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("source", sa.String(length=256), nullable=False),
        sa.Column("verdict", sa.String(length=256), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("source IN ('online', 'backcheck')", name=op.f("ck_matches_source")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["service.model_versions.id"], name=op.f("fk_matches_model_id")
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["service.notes.id"], name=op.f("fk_matches_note_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["service.samples.id"], name=op.f("fk_matches_sample_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matches")),
        sa.UniqueConstraint("note_id", "sample_id", name=op.f("uq_matches_note_id_sample_id")),
        schema="service",
    )
    op.create_index(
        "ix_matches_open",
        "matches",
        ["category", "id"],
        schema="service",
        postgresql_where=sa.text("verdict IS NULL"),
    )
    op.create_index(op.f("ix_matches_sample_id"), "matches", ["sample_id"], schema="service")
    op.create_table(
        "reviews",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("note_id", sa.String(length=512, collation="C"), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("content_key", sa.String(length=64), nullable=False),
        sa.Column("category", sa.String(length=256), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("verdict", sa.String(length=256), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('true_positive', 'false_positive', 'unsure')", name=op.f("ck_reviews_verdict")
        ),
        sa.ForeignKeyConstraint(
            ["note_id"], ["service.notes.id"], name=op.f("fk_reviews_note_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["service.samples.id"], name=op.f("fk_reviews_sample_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        schema="service",
    )
    op.create_index(
        op.f("ix_reviews_note_id_sample_id"),
        "reviews",
        ["note_id", "sample_id", sa.literal_column("id DESC")],
        schema="service",
    )
    op.create_index(op.f("ix_reviews_sample_id"), "reviews", ["sample_id"], schema="service")
    op.create_table(
        "sample_pictures",
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest"], ["service.pictures.digest"], name=op.f("fk_sample_pictures_digest")
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"],
            ["service.samples.id"],
            name=op.f("fk_sample_pictures_sample_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sample_id", "digest", name=op.f("pk_sample_pictures")),
        schema="service",
    )
    op.create_index(op.f("ix_sample_pictures_digest"), "sample_pictures", ["digest"], schema="service")
    op.create_table(
        "sample_vectors",
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.SmallInteger(), nullable=False),
        sa.Column("vector", HALFVEC(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["service.model_versions.id"], name=op.f("fk_sample_vectors_model_id")
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"],
            ["service.samples.id"],
            name=op.f("fk_sample_vectors_sample_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sample_id", "model_id", name=op.f("pk_sample_vectors")),
        schema="service",
    )
    op.execute("INSERT INTO service.gallery_state (id, revision) VALUES (1, 0)")


def downgrade() -> None:
    op.drop_table("sample_vectors", schema="service")
    op.drop_table("sample_pictures", schema="service")
    op.drop_table("reviews", schema="service")
    op.drop_table("matches", schema="service")
    op.drop_table("job_hits", schema="service")
    op.drop_table("thresholds", schema="service")
    op.drop_table("samples", schema="service")
    op.drop_table("jobs", schema="service")
    op.drop_table("gallery_state", schema="service")
    op.drop_table("categories", schema="service")
    op.drop_table("api_keys", schema="service")
