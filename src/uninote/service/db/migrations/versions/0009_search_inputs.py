"""Table of the pictures, videos and long texts that the console searched with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "search_inputs",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=256), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_search_inputs")),
        schema="service",
    )
    op.create_index(op.f("ix_search_inputs_used"), "search_inputs", ["used"], schema="service")
    # Encoded pictures do not compress further.
    op.execute("ALTER TABLE service.search_inputs ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("search_inputs", schema="service")
