"""Runs the catalog's migrations in the transaction that :func:`db.engine.prepare` holds."""

from alembic import context

from db.schema import metadata_tables

connection = context.config.attributes["connection"]
# The caller began the transaction and ends it: DDL is transactional in both engines.
context.configure(connection=connection, target_metadata=metadata_tables, transactional_ddl=True)
context.run_migrations()
