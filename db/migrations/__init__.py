"""Alembic migrations of the catalog: one revision for each schema version."""
