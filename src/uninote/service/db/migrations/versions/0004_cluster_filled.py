"""Column for the number of the outbox up to which a rebuilt cluster must be delivered to hold every note."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("outbox_state", sa.Column("filled_at", sa.BigInteger(), nullable=True), schema="service")


def downgrade() -> None:
    op.drop_column("outbox_state", "filled_at", schema="service")
