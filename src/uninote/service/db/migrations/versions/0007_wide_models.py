"""Model versions take as many dimensions as pgvector stores, no longer only those that its index holds."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    _limit(16_000)


def downgrade() -> None:
    """Restore the limit; rows of a wider version fail it, and have to be deleted first."""
    _limit(4_000)


def _limit(dims: int) -> None:
    op.drop_constraint(op.f("ck_model_versions_dim"), "model_versions", schema="service")
    op.create_check_constraint(
        op.f("ck_model_versions_dim"), "model_versions", f"dim BETWEEN 1 AND {dims}", schema="service"
    )
