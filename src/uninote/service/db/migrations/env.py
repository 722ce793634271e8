"""Alembic's entry: the connection comes from `uninote.service.db.migrate`."""

from alembic import context

from uninote.service.db import gallery_tables, note_tables  # noqa: F401
from uninote.service.db.base import SCHEMA, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, kind, parents: kind != "schema" or name == SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
