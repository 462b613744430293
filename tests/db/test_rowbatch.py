"""Many rows at once: PostgreSQL's COPY stores what single inserts do."""

from __future__ import annotations

import pytest

from db import rowbatch
from db.catalog import CatalogHandle
from db.snapshot import snapshot_id
from db.verification import verify
from db.writer import publish
from tests.db.examples import INDEX, absence, built, file, metadata, page


def fill(catalog: CatalogHandle) -> None:
    """Publish more rows of each table than are inserted one by one, with everything that a value can be."""
    wheels = [f"a-{n}-py3-none-any.whl" for n in range(300)]
    odd = [
        file(f"b-{n}.tar.gz", content="é", sha256=None, size=None, upload_time=None, url=f"https://x.example/{n}/é")
        for n in range(60)
    ]
    odd += [file(f"b-1{n}.zip", yanked=True, yanked_reason="\t\\N\n\"'", requires_python=f">=3.{n}") for n in range(60)]
    publish(catalog, [page("a", *wheels), page("b", *odd), *(absence(f"none-{n}") for n in range(60))])
    publish(catalog, [metadata("a", name, f"c>{name}") for name in wheels])
    sdists = [f"d-{n}.tar.gz" for n in range(60)]
    publish(catalog, [page("d", *sdists), *(metadata("d", name, "e") for name in sdists)])
    publish(catalog, [built("d", name, "requires", "wheel") for name in sdists])
    publish(catalog, [page("a", *wheels[:100])])


def test_copied_rows_are_those_that_were_given(
    catalog: CatalogHandle, other_engine: CatalogHandle, monkeypatch: pytest.MonkeyPatch
):
    copied: list[str] = []
    copy_rows = rowbatch.copy_rows

    def watch(connection, table, rows):
        copied.append(table.name)
        copy_rows(connection, table, rows)

    monkeypatch.setattr(rowbatch, "copy_rows", watch)
    for handle in (catalog, other_engine):
        fill(handle)
        assert verify(handle) == ()
    assert {"file", "listing", "listing_hash", "metadata_link", "built_link", "absence"} <= set(copied)
    assert snapshot_id(catalog) == snapshot_id(other_engine)
    for generation in range(6):
        one, other = (h.reader(generation).pages(INDEX, ["a", "b", "d", "none-1"]) for h in (catalog, other_engine))
        assert {n: (p.digest, p.versions, p.depsets) for n, p in one.items()} == {
            n: (p.digest, p.versions, p.depsets) for n, p in other.items()
        }
