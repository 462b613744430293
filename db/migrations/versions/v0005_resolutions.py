"""Schema version 5: resolutions that a service was asked for, the states that they hold for, and wanted projects."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BYTEWISE = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables ``resolution``, ``resolution_run`` and ``wanted``."""
    op.create_table(
        "resolution",
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolution")),
    )
    op.create_index(op.f("ix_resolution_created_at"), "resolution", ["created_at"])
    op.create_table(
        "resolution_run",
        sa.Column("request", BYTEWISE, nullable=False),
        sa.Column("generation", ROW_ID, nullable=False),
        sa.Column("resolution_id", BYTEWISE, nullable=False),
        sa.Column("reads", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["resolution_id"], ["resolution.id"], name=op.f("fk_resolution_run_resolution_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("request", "generation", name=op.f("pk_resolution_run")),
    )
    op.create_index(op.f("ix_resolution_run_resolution_id"), "resolution_run", ["resolution_id"])
    op.create_table(
        "wanted",
        sa.Column("index_url", BYTEWISE, nullable=False),
        sa.Column("project", BYTEWISE, nullable=False),
        sa.Column("filename", BYTEWISE, nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("index_url", "project", "filename", name=op.f("pk_wanted")),
    )
    op.execute("UPDATE meta SET value = '5' WHERE key = 'schema_version'")
