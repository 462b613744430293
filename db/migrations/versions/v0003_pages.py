"""Schema version 3: pages keep their files by column; those of the old form are dropped and built when read."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the pages, which are derived from the other tables."""
    op.execute("DELETE FROM page")
    op.execute("UPDATE meta SET value = '3' WHERE key = 'schema_version'")
