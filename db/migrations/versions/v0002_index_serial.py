"""Schema version 2: the serial up to which an index's changes were followed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table ``index_serial``."""
    op.create_table(
        "index_serial",
        sa.Column("index_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("last_serial", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["index_id"], ["index_url.id"], name=op.f("fk_index_serial_index_id")),
        sa.PrimaryKeyConstraint("index_id", name=op.f("pk_index_serial")),
    )
    op.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")
