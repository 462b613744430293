"""Schema version 4: what build backends said; pages have build systems, those without are built again when read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BYTEWISE = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table ``built_link`` and drop the pages, which are derived from the other tables."""
    op.create_table(
        "built_link",
        sa.Column("file_id", ROW_ID, nullable=False),
        sa.Column("python", BYTEWISE, nullable=False),
        sa.Column("system", BYTEWISE, nullable=False),
        sa.Column("step", BYTEWISE, nullable=False),
        sa.Column("closure", BYTEWISE, nullable=False),
        sa.Column("first_generation", ROW_ID, nullable=False),
        sa.Column("gone_generation", ROW_ID, nullable=True),
        sa.Column("depset_id", ROW_ID, nullable=False),
        sa.Column("source", BYTEWISE, nullable=False),
        sa.ForeignKeyConstraint(["depset_id"], ["depset.id"], name=op.f("fk_built_link_depset_id")),
        sa.ForeignKeyConstraint(["file_id"], ["file.id"], name=op.f("fk_built_link_file_id")),
        sa.ForeignKeyConstraint(
            ["first_generation"], ["generation.number"], name=op.f("fk_built_link_first_generation")
        ),
        sa.ForeignKeyConstraint(["gone_generation"], ["generation.number"], name=op.f("fk_built_link_gone_generation")),
        sa.PrimaryKeyConstraint(
            "file_id", "python", "system", "step", "closure", "first_generation", name=op.f("pk_built_link")
        ),
        sqlite_with_rowid=False,
    )
    op.execute("DELETE FROM page")
    op.execute("UPDATE meta SET value = '4' WHERE key = 'schema_version'")
