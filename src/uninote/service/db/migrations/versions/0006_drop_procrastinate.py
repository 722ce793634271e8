"""The tables of procrastinate, which woke workers on jobs up to here, are dropped."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

# The schema was made by the service, not by a migration, so it may be missing. It stays if it has another
# owner, holds other tasks, or has a live worker: of another program, or of an old replica during an upgrade.
# The jobs themselves are rows of service.jobs.
_DROP = """
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_namespace WHERE nspname = 'procrastinate' AND pg_has_role(nspowner, 'USAGE')
    ) OR to_regclass('procrastinate.procrastinate_workers') IS NULL THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs WHERE task_name <> 'backcheck')
        AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_periodic_defers)
        AND NOT EXISTS (
            SELECT FROM procrastinate.procrastinate_workers
            WHERE last_heartbeat > now() - interval '30 seconds'
        ) THEN
        DROP SCHEMA procrastinate CASCADE;
    END IF;
END $$
"""


def upgrade() -> None:
    op.execute(_DROP)


def downgrade() -> None:
    """Do nothing: a program that uses the tables makes them."""
