"""Pages that are read again: from memory where nothing changed, built anew once where a migration dropped them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from db import schema
from db.catalog import CatalogHandle, open_catalog
from db.connection import BUSY_SECONDS
from db.engine import begin
from db.held_pages import HeldPages
from db.writer import publish
from tests.db.conftest import NewPlace
from tests.db.examples import INDEX, absence, metadata, page


@pytest.fixture
def asked(catalog: CatalogHandle) -> list[str]:
    """The statements that *catalog* was asked since the test cleared the list."""
    seen: list[str] = []
    connection: Any = catalog.connection
    rows = connection.rows

    class Watched:
        def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
            seen.append(statement)
            return list(rows(statement, parameters))

        def close(self) -> None:
            connection.close()

    catalog._local.connection = Watched()
    return seen


def test_a_page_is_read_once(catalog: CatalogHandle, asked: list[str]) -> None:
    publish(catalog, [page("a", "a-1.tar.gz"), page("b", "b-1.tar.gz")])
    reader = catalog.reader()
    first = reader.pages(INDEX, ["a", "b", "nobody"])
    asked.clear()
    again = reader.pages(INDEX, ["a", "b", "nobody"])
    assert asked == []
    assert {name: again[name] is first[name] for name in again} == {"a": True, "b": True}


def test_an_artifact_is_read_once_and_is_gone_where_its_page_lists_it_no_more(
    catalog: CatalogHandle, asked: list[str]
) -> None:
    publish(catalog, [page("a", "a-1.tar.gz", "a-2.tar.gz")])
    first = catalog.reader()
    ids = [row[0] for row in first.pages(INDEX, ["a"])["a"].files]
    known = first.artifacts([*ids, 999])
    assert sorted(artifact.filename for artifact in known.values()) == ["a-1.tar.gz", "a-2.tar.gz"]
    publish(catalog, [page("a", "a-2.tar.gz")])
    asked.clear()
    assert first.artifacts([*ids, 999]) == known
    assert asked == []
    assert [artifact.filename for artifact in catalog.reader().artifacts(ids).values()] == ["a-2.tar.gz"]


def test_what_others_publish_is_seen_and_the_rest_is_not_read_again(catalog: CatalogHandle, asked: list[str]) -> None:
    names = [f"p{n}" for n in range(20)]
    publish(catalog, [page(name, f"{name}-1.tar.gz") for name in names])
    first = catalog.reader().pages(INDEX, [*names, "later"])
    publish(catalog, [page("p3", "p3-1.tar.gz", "p3-2.tar.gz"), page("later", "later-1.tar.gz")])
    reader = catalog.reader()
    asked.clear()
    (one,) = reader.pages(INDEX, ["p3"]).values()
    assert one.versions == ["1", "2"]
    second = reader.pages(INDEX, [*names, "later"])
    assert len(asked) == 3, "what is held is asked about together, then two pages are read"
    assert [name for name in names if second[name] is not first[name]] == ["p3"]
    assert second["later"].versions == ["1"]


def test_older_states_are_told_from_newer_ones(catalog: CatalogHandle) -> None:
    for count in range(1, 8):
        files = [f"a-{n}.tar.gz" for n in range(count)]
        publish(catalog, [page("a", *files)])
    for _ in range(2):
        for generation in (7, 1, 3, 0, 5, 2, 7, 4, 6):
            found = catalog.reader(generation).pages(INDEX, ["a"])
            assert [len(p.versions) for p in found.values()] == [generation] * (generation > 0)


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(1, 5), st.integers(0, 12), st.booleans()), max_size=12
    )
)
def test_what_is_held_never_differs_from_what_is_stored(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int, bool]]
) -> None:
    place = tmp_path_factory.mktemp("held") / "catalog.sqlite3"
    with open_catalog(place) as catalog:
        catalog.held = HeldPages(60_000)  # so small that something is always let go
        for name, count, back, gone in steps:
            publish(catalog, [absence(name) if gone else page(name, *(f"{name}-{n}.tar.gz" for n in range(count)))])
            reader = catalog.reader(max(0, catalog.generation() - back))
            found = reader.pages(INDEX, "abcd")
            with open_catalog(place) as fresh:
                expected = fresh.reader(reader.generation).pages(INDEX, "abcd")
            assert {n: (p.absent, p.versions) for n, p in found.items()} == {
                n: (p.absent, p.versions) for n, p in expected.items()
            }


def drop_pages(catalog: CatalogHandle) -> None:
    """Do what a migration does where pages have a new form."""
    with begin(catalog.engine, catalog.location) as connection:
        connection.execute(schema.page.delete())


def kept(catalog: CatalogHandle) -> int:
    with catalog.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(schema.page)) or 0


def test_pages_that_a_migration_dropped_are_built_once(new_place: NewPlace) -> None:
    place = new_place()
    with open_catalog(place) as catalog:
        publish(catalog, [page("a", "a-1-py3-none-any.whl"), metadata("a", "a-1-py3-none-any.whl", "b>1")])
        publish(catalog, [page("b", "b-1.tar.gz")])
        first = catalog.reader().pages(INDEX, ["a", "b"])
        stored = catalog.connection.rows("SELECT body FROM page ORDER BY project_id")
        drop_pages(catalog)
    with open_catalog(place, readonly=True) as catalog:
        assert catalog.reader().pages(INDEX, ["a", "b"])["a"].depsets == first["a"].depsets
    with open_catalog(place) as catalog:
        assert kept(catalog) == 0, "who opened it for reading wrote nothing"
        assert catalog.reader().pages(INDEX, ["a", "b"])["a"].depsets == first["a"].depsets
    with open_catalog(place) as catalog:
        assert catalog.connection.rows("SELECT body FROM page ORDER BY project_id") == stored


def test_who_reads_does_not_wait_for_who_writes(new_place: NewPlace) -> None:
    place = new_place()
    with open_catalog(place) as catalog:
        publish(catalog, [page("a", "a-1.tar.gz")])
        drop_pages(catalog)
        with begin(catalog.engine, catalog.location):
            assert catalog.reader().pages(INDEX, ["a"])["a"].versions == ["1"]
            began = time.monotonic()
            catalog.rebuilt.keep(catalog)
            assert time.monotonic() - began < BUSY_SECONDS / 2
        catalog.rebuilt.keep(catalog)
        assert kept(catalog) == 1
