"""Snapshot ids that are computed from generation to generation: those that a catalog read from the start has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.catalog import CatalogHandle, open_catalog
from db.engine import begin
from db.snapshot import snapshot_id, snapshots
from db.snapshot_tree import SnapshotTree, replay
from db.writer import publish
from tests.db.conftest import NewPlace
from tests.db.examples import absence, page


def fill(catalog: CatalogHandle, first: int, last: int) -> None:
    for number in range(first, last):
        publish(catalog, [page(f"p{number % 7}", f"p{number % 7}-{number}.tar.gz"), absence(f"none-{number % 5}")])


def test_a_tree_that_grows_has_the_ids_of_one_that_begins_anew(catalog: CatalogHandle):
    tree = SnapshotTree()
    found: dict[int, str] = {}
    for last in (1, 2, 6, 6, 20, 23):
        fill(catalog, catalog.generation(), last)
        found |= tree.ids(catalog, len(found) + 1, last)
    assert found == replay(catalog, 23)
    assert len(set(found.values())) == 23
    assert tree.ids(catalog, 4, 9) == {number: found[number] for number in range(4, 10)}
    assert SnapshotTree().ids(catalog, 9, 9) == {9: found[9]}


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12), st.booleans()), min_size=1, max_size=8))
def test_whatever_is_asked_for_in_whatever_order(tmp_path_factory: pytest.TempPathFactory, asked: list[Any]):
    with open_catalog(tmp_path_factory.mktemp("tree") / "catalog.sqlite3") as catalog:
        fill(catalog, 0, 12)
        right = replay(catalog, 12)
        tree = SnapshotTree()
        for one, other, forget in asked:
            first, last = sorted((one, other))
            assert tree.ids(catalog, first, last) == {n: right[n] for n in range(first, last + 1)}
            if forget:
                tree.clear()


def test_only_what_is_new_is_read(catalog: CatalogHandle):
    fill(catalog, 0, 30)
    snapshots(catalog)
    fill(catalog, 30, 31)
    read = 0
    connection: Any = catalog.connection

    class Counted:
        def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
            nonlocal read
            found = list(connection.rows(statement, parameters))
            read += len(found) if "project_state" in statement else 0
            return found

        def close(self) -> None:
            connection.close()

    catalog._local.connection = Counted()
    assert snapshots(catalog)[-1].generation == 31
    assert 0 < read < 20


def test_listing_does_not_wait_for_who_writes(new_place: NewPlace):
    place = new_place()
    with open_catalog(place) as catalog:
        fill(catalog, 0, 3)
        with open_catalog(place) as other, begin(other.engine, other.location):
            listed = snapshots(catalog)
        assert [state.generation for state in listed] == [1, 2, 3]
        with open_catalog(place) as again:
            assert [state.id for state in snapshots(again)] == [state.id for state in listed]


def test_an_empty_catalog_has_an_id(tmp_path: Path):
    with open_catalog(tmp_path / "catalog.sqlite3") as catalog:
        assert len(snapshot_id(catalog)) == 64
        assert snapshots(catalog) == ()


def test_what_was_skipped_is_known_later(catalog: CatalogHandle):
    fill(catalog, 0, 4)
    tree, right = SnapshotTree(), replay(catalog, 4)
    for first, last in ((1, 1), (4, 4), (2, 3)):
        assert tree.ids(catalog, first, last) == {n: right[n] for n in range(first, last + 1)}
