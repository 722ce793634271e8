"""Verdicts that can be undone, and the index of the review queue by score."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"

VERDICTS = "'true_positive', 'false_positive', 'unsure'"


def upgrade() -> None:
    op.add_column("reviews", sa.Column("undoes", sa.BigInteger(), nullable=True), schema="service")
    op.create_foreign_key(
        op.f("fk_reviews_undoes"),
        "reviews",
        "reviews",
        ["undoes"],
        ["id"],
        source_schema="service",
        referent_schema="service",
        ondelete="CASCADE",
    )
    op.create_unique_constraint(op.f("uq_reviews_undoes"), "reviews", ["undoes"], schema="service")
    _allow(f"{VERDICTS}, 'withdrawn'")
    op.create_index(
        op.f("ix_reviews_actor"), "reviews", ["actor", sa.literal_column("id DESC")], schema="service"
    )
    op.create_index(
        "ix_matches_surest",
        "matches",
        [sa.literal_column("score DESC"), sa.literal_column("id DESC")],
        schema="service",
        postgresql_where=sa.text("verdict IS NULL"),
    )


def downgrade() -> None:
    """Delete the undone verdicts with the records of their undoing: the newest one left counts then."""
    op.drop_index("ix_matches_surest", table_name="matches", schema="service")
    op.drop_index(op.f("ix_reviews_actor"), table_name="reviews", schema="service")
    op.execute("DELETE FROM service.reviews WHERE id IN (SELECT undoes FROM service.reviews)")
    _allow(VERDICTS)
    op.drop_column("reviews", "undoes", schema="service")


def _allow(verdicts: str) -> None:
    op.drop_constraint(op.f("ck_reviews_verdict"), "reviews", schema="service")
    op.create_check_constraint(
        op.f("ck_reviews_verdict"), "reviews", f"verdict IN ({verdicts})", schema="service"
    )
