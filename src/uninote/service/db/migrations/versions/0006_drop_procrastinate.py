"""The tables of procrastinate, which woke workers on jobs up to here, are dropped."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

# The schema was made by the service, not by a migration, so it may be missing. One that holds other tasks is
# another program's. The jobs themselves are rows of service.jobs.
_DROP = """
DO $$ BEGIN
    IF to_regclass('procrastinate.procrastinate_jobs') IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs WHERE task_name <> 'backcheck') THEN
            DROP SCHEMA procrastinate CASCADE;
        END IF;
    END IF;
END $$
"""


def upgrade() -> None:
    op.execute(_DROP)


def downgrade() -> None:
    """Do nothing: a program that uses the tables makes them."""
