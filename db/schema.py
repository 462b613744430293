"""The catalog's tables in SQLAlchemy Core, the same in SQLite and PostgreSQL.

Facts are append-only.  A row that holds a fact carries ``first_generation``, the
generation that brought it, and ``gone_generation``, the one from which it no longer
holds (null while it does); a row with both equal never held and only records that a
removed file existed.  ``page`` and ``generation.snapshot`` are derived and can be
computed again; ``freshness`` is about fetching and no fact.

Row ids are handed out by the writer under its lock, upwards: of two listings of one
file the one with the higher id is the later one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

__all__ = [
    "absence",
    "alembic_version",
    "built_link",
    "depset",
    "event",
    "file",
    "freshness",
    "generation",
    "index_serial",
    "index_url",
    "listing",
    "listing_hash",
    "meta",
    "metadata_link",
    "metadata_tables",
    "page",
    "project",
    "project_state",
    "release",
    "requires_python",
    "resolution",
    "resolution_run",
    "snapshot_name",
    "tagset",
    "url_base",
    "wanted",
]

#: Text compared byte by byte in both engines: no order depends on a locale.
BYTEWISE = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
#: Row ids; SQLite gives its own 64-bit row id only to a column of type INTEGER.
ROW_ID = BigInteger().with_variant(Integer(), "sqlite")

metadata_tables = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

#: Alembic's own: the newest migration that the schema counts as made by.
alembic_version = Table(
    "alembic_version",
    metadata_tables,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

meta = Table(
    "meta",
    metadata_tables,
    Column("key", BYTEWISE, primary_key=True),
    Column("value", BYTEWISE, nullable=False),
)

generation = Table(
    "generation",
    metadata_tables,
    Column("number", ROW_ID, primary_key=True, autoincrement=False),
    Column("created_at", BigInteger, nullable=False),
    Column("snapshot", BYTEWISE),
)

snapshot_name = Table(
    "snapshot_name",
    metadata_tables,
    Column("name", BYTEWISE, primary_key=True),
    Column("snapshot", BYTEWISE, nullable=False),
    Column("generation", ROW_ID, ForeignKey("generation.number"), nullable=False),
)


def _interned(name: str) -> Table:
    return Table(
        name,
        metadata_tables,
        Column("id", ROW_ID, primary_key=True, autoincrement=False),
        Column("text", BYTEWISE, nullable=False, unique=True),
    )


index_url = _interned("index_url")
tagset = _interned("tagset")
requires_python = _interned("requires_python")
url_base = _interned("url_base")

#: Interned metadata: ``digest`` is SHA-256 of ``body``, see :func:`db.digest.depset_body`.
depset = Table(
    "depset",
    metadata_tables,
    Column("id", ROW_ID, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("body", BYTEWISE, nullable=False),
)

project = Table(
    "project",
    metadata_tables,
    Column("id", ROW_ID, primary_key=True, autoincrement=False),
    Column("index_id", ROW_ID, ForeignKey("index_url.id"), nullable=False),
    Column("name", BYTEWISE, nullable=False),
    UniqueConstraint("index_id", "name"),
)

#: Each state that a project was in, with the digest of its facts (:func:`db.digest.facts_digest`).
project_state = Table(
    "project_state",
    metadata_tables,
    Column("project_id", ROW_ID, ForeignKey("project.id"), primary_key=True),
    Column("generation", ROW_ID, ForeignKey("generation.number"), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)

#: Derived: what :func:`resolver.catalog.encode_page` wrote for a state.
page = Table(
    "page",
    metadata_tables,
    Column("project_id", ROW_ID, ForeignKey("project.id"), primary_key=True),
    Column("generation", ROW_ID, ForeignKey("generation.number"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

absence = Table(
    "absence",
    metadata_tables,
    Column("project_id", ROW_ID, ForeignKey("project.id"), primary_key=True),
    Column("first_generation", ROW_ID, ForeignKey("generation.number"), primary_key=True),
    Column("gone_generation", ROW_ID, ForeignKey("generation.number")),
    sqlite_with_rowid=False,
)

freshness = Table(
    "freshness",
    metadata_tables,
    Column("project_id", ROW_ID, ForeignKey("project.id"), primary_key=True, autoincrement=False),
    Column("checked_at", BigInteger, nullable=False),
    Column("etag", BYTEWISE),
    Column("last_modified", BYTEWISE),
    Column("last_serial", BigInteger),
)

#: The serial up to which an index's changes were followed (PEP 691 root page); no fact.
index_serial = Table(
    "index_serial",
    metadata_tables,
    Column("index_id", ROW_ID, ForeignKey("index_url.id"), primary_key=True, autoincrement=False),
    Column("last_serial", BigInteger, nullable=False),
)

release = Table(
    "release",
    metadata_tables,
    Column("id", ROW_ID, primary_key=True, autoincrement=False),
    Column("project_id", ROW_ID, ForeignKey("project.id"), nullable=False),
    Column("version", BYTEWISE, nullable=False),
    UniqueConstraint("project_id", "version"),
)

#: Identity of a file: project, name and (through its listings) SHA-256.
file = Table(
    "file",
    metadata_tables,
    Column("id", ROW_ID, primary_key=True, autoincrement=False),
    Column("project_id", ROW_ID, ForeignKey("project.id"), nullable=False),
    Column("release_id", ROW_ID, ForeignKey("release.id")),
    Column("tagset_id", ROW_ID, ForeignKey("tagset.id")),
    Column("filename", BYTEWISE, nullable=False),
)
Index(None, file.c.project_id)

#: What a page said of a file, as long as it said so.
listing = Table(
    "listing",
    metadata_tables,
    Column("id", ROW_ID, primary_key=True, autoincrement=False),
    Column("file_id", ROW_ID, ForeignKey("file.id"), nullable=False),
    Column("size", BigInteger),
    Column("upload_time", BigInteger),
    Column("requires_python_id", ROW_ID, ForeignKey("requires_python.id")),
    Column("yanked", SmallInteger, nullable=False),
    Column("yanked_reason", BYTEWISE),
    Column("has_metadata", SmallInteger, nullable=False),
    Column("first_generation", ROW_ID, ForeignKey("generation.number"), nullable=False),
    Column("gone_generation", ROW_ID, ForeignKey("generation.number")),
)
Index(None, listing.c.file_id)

#: What does not compress, apart from the graph: hashes, and the URL (:func:`db.urls.split_url`).
listing_hash = Table(
    "listing_hash",
    metadata_tables,
    Column("listing_id", ROW_ID, ForeignKey("listing.id"), primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary(32)),
    Column("metadata_sha256", LargeBinary(32)),
    Column("url_base_id", ROW_ID, ForeignKey("url_base.id")),
    Column("url_digest", LargeBinary(32)),
    Column("url", BYTEWISE),
)

#: Which metadata a file has, and the digest of the whole file where only a download told it.
metadata_link = Table(
    "metadata_link",
    metadata_tables,
    Column("file_id", ROW_ID, ForeignKey("file.id"), primary_key=True),
    Column("first_generation", ROW_ID, ForeignKey("generation.number"), primary_key=True),
    Column("gone_generation", ROW_ID, ForeignKey("generation.number")),
    Column("depset_id", ROW_ID, ForeignKey("depset.id"), nullable=False),
    Column("source", BYTEWISE, nullable=False),
    Column("sha256", LargeBinary(32)),
    sqlite_with_rowid=False,
)

#: What the build backend of an sdist said, by where it said it (:data:`db.state.BuildKey`).
built_link = Table(
    "built_link",
    metadata_tables,
    Column("file_id", ROW_ID, ForeignKey("file.id"), primary_key=True),
    Column("python", BYTEWISE, primary_key=True),
    Column("system", BYTEWISE, primary_key=True),
    Column("step", BYTEWISE, primary_key=True),
    Column("closure", BYTEWISE, primary_key=True),
    Column("first_generation", ROW_ID, ForeignKey("generation.number"), primary_key=True),
    Column("gone_generation", ROW_ID, ForeignKey("generation.number")),
    Column("depset_id", ROW_ID, ForeignKey("depset.id"), nullable=False),
    Column("source", BYTEWISE, nullable=False),
    sqlite_with_rowid=False,
)

#: Yanks, un-yanks, removals, returns, and changes of listings, metadata and builds; never first sightings.
event = Table(
    "event",
    metadata_tables,
    Column("id", ROW_ID, primary_key=True, autoincrement=False),
    Column("generation", ROW_ID, ForeignKey("generation.number"), nullable=False),
    Column("project_id", ROW_ID, ForeignKey("project.id"), nullable=False),
    Column("file_id", ROW_ID, ForeignKey("file.id")),
    Column("kind", BYTEWISE, nullable=False),
    Column("detail", BYTEWISE),
)
Index(None, event.c.project_id)

#: What a service answered, by the id that its permanent links have (:mod:`db.resolutions`); no fact.
resolution = Table(
    "resolution",
    metadata_tables,
    Column("id", BYTEWISE, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
Index(None, resolution.c.created_at)

#: For which state of the catalog a request has which resolution, and which projects it read there.
resolution_run = Table(
    "resolution_run",
    metadata_tables,
    Column("request", BYTEWISE, primary_key=True),
    Column("generation", ROW_ID, primary_key=True, autoincrement=False),
    Column("resolution_id", BYTEWISE, ForeignKey("resolution.id", ondelete="CASCADE"), nullable=False),
    Column("reads", LargeBinary),
)
Index(None, resolution_run.c.resolution_id)

#: What a service was asked for and the crawler shall fetch (:mod:`db.wanted`): pages, and metadata of single files.
wanted = Table(
    "wanted",
    metadata_tables,
    Column("index_url", BYTEWISE, primary_key=True),
    Column("project", BYTEWISE, primary_key=True),
    Column("filename", BYTEWISE, primary_key=True),
    Column("asked_at", BigInteger, nullable=False),
)
