"""Switch of the outbox, which is off until a cluster is rebuilt; indexes for the filters of a search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "outbox_state",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_outbox_state_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_state")),
        schema="service",
    )
    op.execute("INSERT INTO service.outbox_state (id, wanted) VALUES (1, false)")
    op.execute("DELETE FROM service.outbox")  # a rebuild queues every note
    op.create_index(
        op.f("ix_vectors_model_id_category_kind"),
        "vectors",
        ["model_id", "category", "kind"],
        schema="service",
    )
    op.create_index(op.f("ix_vectors_model_id_time"), "vectors", ["model_id", "time"], schema="service")


def downgrade() -> None:
    op.drop_index(op.f("ix_vectors_model_id_time"), "vectors", schema="service")
    op.drop_index(op.f("ix_vectors_model_id_category_kind"), "vectors", schema="service")
    op.drop_table("outbox_state", schema="service")
