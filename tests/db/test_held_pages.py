"""What a process holds of a catalog is let go at once, also what is being read at that moment."""

from __future__ import annotations

from db import schema
from db.catalog import CatalogHandle
from db.engine import begin
from db.held_pages import HeldArtifacts, HeldPages
from db.pages import RebuiltPages
from db.writer import publish
from resolver.names import NormalizedName
from tests.db.examples import INDEX, page

NAME = NormalizedName("a")


def test_a_page_that_was_asked_for_before_all_was_let_go_is_not_held(catalog: CatalogHandle) -> None:
    publish(catalog, [page("a", "a-1.tar.gz")])
    known = catalog.reader().pages(INDEX, [NAME])[NAME]
    held = HeldPages(1 << 20)
    before = held.turn
    held.clear()  # another database is there now
    held.hold(INDEX, NAME, known, 1, 1, 100, before)
    assert held.look_up(INDEX, [NAME], 1) == ({}, [], [NAME])
    held.hold(INDEX, NAME, known, 1, 1, 100, held.turn)
    assert held.confirm(INDEX, {NAME: 1}, [NAME], 2, before) == {}, "what was seen is of the other one"
    assert held.look_up(INDEX, [NAME], 2) == ({}, [NAME], [])
    assert held.confirm(INDEX, {NAME: 1}, [NAME], 2, held.turn) == {NAME: known}


def test_a_page_that_was_built_for_another_database_is_not_written(catalog: CatalogHandle) -> None:
    publish(catalog, [page("a", "a-1.tar.gz")])
    with begin(catalog.engine, catalog.location) as connection:
        connection.execute(schema.page.delete())
    rebuilt, before = RebuiltPages(), 0
    rebuilt.add(1, 1, b"of the database before", before)
    rebuilt.clear()
    rebuilt.add(1, 1, b"read of the database before", before)
    rebuilt.keep(catalog)
    assert catalog.connection.rows("SELECT body FROM page") == []
    rebuilt.add(1, 1, b"of this one", rebuilt.turn)
    rebuilt.keep(catalog)
    assert [bytes(body) for (body,) in catalog.connection.rows("SELECT body FROM page")] == [b"of this one"]


def test_an_artifact_that_was_asked_for_before_all_was_let_go_is_not_held() -> None:
    held = HeldArtifacts(10)
    before = held.turn
    held.clear()
    held.hold(1, [7], {}, before)
    assert held.look_up(1, [7]) == ({}, [7])
    held.hold(1, [7], {}, held.turn)
    assert held.look_up(1, [7]) == ({}, [])
