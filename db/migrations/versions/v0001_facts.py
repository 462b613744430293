"""Schema version 1: facts by generation, snapshots, and the pages that the resolver reads."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BYTEWISE = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table of version 1."""
    op.create_table(
        "depset",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", BYTEWISE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_depset")),
        sa.UniqueConstraint("digest", name=op.f("uq_depset_digest")),
    )
    op.create_table(
        "generation",
        sa.Column("number", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", BYTEWISE, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_generation")),
    )
    op.create_table(
        "index_url",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("text", BYTEWISE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_index_url")),
        sa.UniqueConstraint("text", name=op.f("uq_index_url_text")),
    )
    op.create_table(
        "meta",
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("value", BYTEWISE, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "requires_python",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("text", BYTEWISE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requires_python")),
        sa.UniqueConstraint("text", name=op.f("uq_requires_python_text")),
    )
    op.create_table(
        "tagset",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("text", BYTEWISE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tagset")),
        sa.UniqueConstraint("text", name=op.f("uq_tagset_text")),
    )
    op.create_table(
        "url_base",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("text", BYTEWISE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_url_base")),
        sa.UniqueConstraint("text", name=op.f("uq_url_base_text")),
    )
    op.create_table(
        "project",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("index_id", ROW_ID, nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.ForeignKeyConstraint(["index_id"], ["index_url.id"], name=op.f("fk_project_index_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("index_id", "name", name=op.f("uq_project_index_id_name")),
    )
    op.create_table(
        "snapshot_name",
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("snapshot", BYTEWISE, nullable=False),
        sa.Column("generation", ROW_ID, nullable=False),
        sa.ForeignKeyConstraint(["generation"], ["generation.number"], name=op.f("fk_snapshot_name_generation")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_snapshot_name")),
    )
    op.create_table(
        "absence",
        sa.Column("project_id", ROW_ID, nullable=False),
        sa.Column("first_generation", ROW_ID, nullable=False),
        sa.Column("gone_generation", ROW_ID, nullable=True),
        sa.ForeignKeyConstraint(["first_generation"], ["generation.number"], name=op.f("fk_absence_first_generation")),
        sa.ForeignKeyConstraint(["gone_generation"], ["generation.number"], name=op.f("fk_absence_gone_generation")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_absence_project_id")),
        sa.PrimaryKeyConstraint("project_id", "first_generation", name=op.f("pk_absence")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "freshness",
        sa.Column("project_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("etag", BYTEWISE, nullable=True),
        sa.Column("last_modified", BYTEWISE, nullable=True),
        sa.Column("last_serial", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_freshness_project_id")),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_freshness")),
    )
    op.create_table(
        "page",
        sa.Column("project_id", ROW_ID, nullable=False),
        sa.Column("generation", ROW_ID, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["generation"], ["generation.number"], name=op.f("fk_page_generation")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_page_project_id")),
        sa.PrimaryKeyConstraint("project_id", "generation", name=op.f("pk_page")),
    )
    op.create_table(
        "project_state",
        sa.Column("project_id", ROW_ID, nullable=False),
        sa.Column("generation", ROW_ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["generation"], ["generation.number"], name=op.f("fk_project_state_generation")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_project_state_project_id")),
        sa.PrimaryKeyConstraint("project_id", "generation", name=op.f("pk_project_state")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "release",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("project_id", ROW_ID, nullable=False),
        sa.Column("version", BYTEWISE, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_release_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_release_project_id_version")),
    )
    op.create_table(
        "file",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("project_id", ROW_ID, nullable=False),
        sa.Column("release_id", ROW_ID, nullable=True),
        sa.Column("tagset_id", ROW_ID, nullable=True),
        sa.Column("filename", BYTEWISE, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_file_project_id")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_file_release_id")),
        sa.ForeignKeyConstraint(["tagset_id"], ["tagset.id"], name=op.f("fk_file_tagset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file")),
    )
    op.create_index(op.f("ix_file_project_id"), "file", ["project_id"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("generation", ROW_ID, nullable=False),
        sa.Column("project_id", ROW_ID, nullable=False),
        sa.Column("file_id", ROW_ID, nullable=True),
        sa.Column("kind", BYTEWISE, nullable=False),
        sa.Column("detail", BYTEWISE, nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["file.id"], name=op.f("fk_event_file_id")),
        sa.ForeignKeyConstraint(["generation"], ["generation.number"], name=op.f("fk_event_generation")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_event_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_project_id"), "event", ["project_id"], unique=False)
    op.create_table(
        "listing",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("file_id", ROW_ID, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("upload_time", sa.BigInteger(), nullable=True),
        sa.Column("requires_python_id", ROW_ID, nullable=True),
        sa.Column("yanked", sa.SmallInteger(), nullable=False),
        sa.Column("yanked_reason", BYTEWISE, nullable=True),
        sa.Column("has_metadata", sa.SmallInteger(), nullable=False),
        sa.Column("first_generation", ROW_ID, nullable=False),
        sa.Column("gone_generation", ROW_ID, nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["file.id"], name=op.f("fk_listing_file_id")),
        sa.ForeignKeyConstraint(["first_generation"], ["generation.number"], name=op.f("fk_listing_first_generation")),
        sa.ForeignKeyConstraint(["gone_generation"], ["generation.number"], name=op.f("fk_listing_gone_generation")),
        sa.ForeignKeyConstraint(
            ["requires_python_id"], ["requires_python.id"], name=op.f("fk_listing_requires_python_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
    )
    op.create_index(op.f("ix_listing_file_id"), "listing", ["file_id"], unique=False)
    op.create_table(
        "metadata_link",
        sa.Column("file_id", ROW_ID, nullable=False),
        sa.Column("first_generation", ROW_ID, nullable=False),
        sa.Column("gone_generation", ROW_ID, nullable=True),
        sa.Column("depset_id", ROW_ID, nullable=False),
        sa.Column("source", BYTEWISE, nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.ForeignKeyConstraint(["depset_id"], ["depset.id"], name=op.f("fk_metadata_link_depset_id")),
        sa.ForeignKeyConstraint(["file_id"], ["file.id"], name=op.f("fk_metadata_link_file_id")),
        sa.ForeignKeyConstraint(
            ["first_generation"], ["generation.number"], name=op.f("fk_metadata_link_first_generation")
        ),
        sa.ForeignKeyConstraint(
            ["gone_generation"], ["generation.number"], name=op.f("fk_metadata_link_gone_generation")
        ),
        sa.PrimaryKeyConstraint("file_id", "first_generation", name=op.f("pk_metadata_link")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "listing_hash",
        sa.Column("listing_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("metadata_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("url_base_id", ROW_ID, nullable=True),
        sa.Column("url_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("url", BYTEWISE, nullable=True),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_listing_hash_listing_id")),
        sa.ForeignKeyConstraint(["url_base_id"], ["url_base.id"], name=op.f("fk_listing_hash_url_base_id")),
        sa.PrimaryKeyConstraint("listing_id", name=op.f("pk_listing_hash")),
    )
    op.execute("INSERT INTO meta (key, value) VALUES ('schema_version', '1')")
