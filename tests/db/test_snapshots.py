"""A snapshot's id is a digest of content, and can be used to ask for that state again."""

from __future__ import annotations

from copy import copy
from pathlib import Path

import pytest

from db.catalog import CatalogHandle, open_catalog
from db.snapshot import (
    count_projects,
    pin,
    projects_learned,
    recent_snapshots,
    resolve_snapshot,
    snapshot_id,
    snapshots,
    unpin,
)
from db.verification import status, verify
from db.writer import publish
from resolver.catalog import decode_page, encode_page
from resolver.errors import DataError, InputError
from tests.db.examples import INDEX, absence, file, metadata, page

WHEEL = "alpha-1.0-py3-none-any.whl"
#: Computed from the documented form by a script that shares no code with db.
GOLDEN = [
    "1b7dacd73db42cc2033c7688acc361b849be48b828692428f18a583850c843ab",
    "f341b3eb639b21cceec9000ce9ac8fa1f5f6a91d4225cff07a432fff2355fd7c",
]


def test_the_same_facts_have_the_same_id_in_both_engines(catalog: CatalogHandle, other_engine: CatalogHandle):
    facts = [page("alpha", WHEEL, "alpha-1.0.tar.gz"), absence("beta"), metadata("alpha", WHEEL, "gamma>1")]
    publish(catalog, facts)
    for fact in (facts[1], facts[0], facts[2]):
        publish(other_engine, [fact])
    assert snapshot_id(catalog) == snapshot_id(other_engine)
    assert catalog.generation() == 1
    assert other_engine.generation() == 3


def test_the_id_of_a_known_state_never_changes(catalog: CatalogHandle):
    """The number stands in people's files: a change of the digests' form must be one on purpose."""
    publish(catalog, [page("alpha", file(WHEEL, requires_python=">=3.8")), absence("beta")])
    publish(catalog, [metadata("alpha", WHEEL, "gamma>1", provides_extra=("x",))])
    assert [snapshot.id for snapshot in snapshots(catalog)] == GOLDEN


@pytest.mark.parametrize(
    "changed",
    [
        page("alpha", file(WHEEL, yanked=True)),
        page("alpha", file(WHEEL, size=1)),
        page("alpha", file(WHEEL, upload_time=None)),
        page("alpha", file(WHEEL, url="https://elsewhere.example/a.whl")),
        page("alpha", file(WHEEL, sha256=None)),
        page("alpha", file(WHEEL, requires_python=">=3")),
        page("alpha", file(WHEEL, has_metadata=True)),
        page("alpha", WHEEL, "alpha-2.0.tar.gz"),
        page("alpha"),
        absence("alpha"),
        metadata("alpha", WHEEL),
        page("alpha", WHEEL, index="https://other.example/simple/"),
    ],
)
def test_every_fact_changes_the_id(catalog: CatalogHandle, changed):
    publish(catalog, [page("alpha", WHEEL)])
    before = snapshot_id(catalog)
    publish(catalog, [changed])
    assert snapshot_id(catalog) != before
    assert snapshot_id(catalog, 1) == before


def test_when_and_how_it_was_fetched_changes_nothing(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL), metadata("alpha", WHEEL, "beta")])
    before = snapshot_id(catalog)
    publish(catalog, [page("alpha", WHEEL, checked_at=99, etag="x"), metadata("alpha", WHEEL, "beta", source="wheel")])
    publish(catalog, [page("alpha", file(WHEEL, yanked=True))])
    publish(catalog, [page("alpha", WHEEL)])
    assert snapshot_id(catalog) == before
    assert catalog.generation() == 3
    assert resolve_snapshot(catalog, before) == 3


def test_snapshots_are_found_by_id_prefix_and_name(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL)])
    first = pin(catalog, "monday")
    publish(catalog, [page("beta", "beta-1.0.tar.gz")])
    assert resolve_snapshot(catalog, "monday") == 1
    assert resolve_snapshot(catalog, first) == 1
    assert resolve_snapshot(catalog, first[:10]) == 1
    assert resolve_snapshot(catalog, f"sha256:{first}") == 1
    assert resolve_snapshot(catalog, snapshot_id(catalog)) == 2
    assert [(s.generation, s.names) for s in snapshots(catalog)] == [(1, ("monday",)), (2, ())]
    assert [s.id for s in snapshots(catalog)] == [first, snapshot_id(catalog)]
    unpin(catalog, "monday")
    for text in ("monday", "0" * 64, first[:3], "", "%", "_" * 64):
        with pytest.raises(InputError) as error:
            resolve_snapshot(catalog, text)
        assert error.value.code == "unknown-snapshot"


def test_a_prefix_of_two_ids_is_ambiguous(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL)])
    publish(catalog, [page("beta")])
    snapshots(catalog)
    with catalog.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE generation SET snapshot = 'abcd' || substr(snapshot, 5)")
    with pytest.raises(InputError) as error:
        resolve_snapshot(catalog, "abcd")
    assert error.value.code == "ambiguous-snapshot"
    assert len(error.value.context) == 2


def test_a_name_is_not_moved_unasked(catalog: CatalogHandle):
    with pytest.raises(InputError, match="is empty"):
        pin(catalog, "monday")
    publish(catalog, [page("alpha", WHEEL)])
    pin(catalog, "monday")
    assert pin(catalog, "monday") == snapshot_id(catalog, 1)
    publish(catalog, [absence("beta")])
    with pytest.raises(InputError) as error:
        pin(catalog, "monday")
    assert error.value.code == "snapshot-name-taken"
    assert pin(catalog, "monday", replace=True) == snapshot_id(catalog, 2)
    for name in ("cafe", "a/b", "", "-x", "x" * 65, "a\n"):
        with pytest.raises(InputError) as error:
            pin(catalog, name)
        assert error.value.code == "invalid-snapshot-name"


def test_status_counts_the_newest_state(catalog: CatalogHandle):
    empty = status(catalog)
    publish(catalog, [page("alpha", WHEEL, "alpha-1.0.tar.gz"), absence("beta"), metadata("alpha", WHEEL)])
    publish(catalog, [page("alpha", WHEEL)])
    found = status(catalog)
    assert (empty.projects, empty.generation) == (0, 0)
    assert (found.projects, found.absent, found.files, found.removed, found.metadata) == (1, 1, 1, 1, 1)
    assert (found.generation, found.snapshot) == (2, snapshot_id(catalog))
    assert found.size > 0


def fill(catalog: CatalogHandle) -> None:
    publish(catalog, [page("alpha", WHEEL, "alpha-1.0.exe"), absence("beta"), metadata("alpha", WHEEL, "gamma")])
    publish(catalog, [page("alpha", file(WHEEL, yanked=True)), page("beta", "beta-1.0.tar.gz")])
    publish(catalog, [metadata("alpha", WHEEL, "delta")])
    pin(catalog, "kept")
    snapshots(catalog)


def test_an_intact_catalog_verifies(catalog: CatalogHandle):
    assert verify(catalog) == ()
    fill(catalog)
    assert verify(catalog) == ()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE listing SET yanked = 1 WHERE id = 1",
        "UPDATE listing SET gone_generation = NULL",
        "UPDATE listing_hash SET sha256 = metadata_sha256",
        "UPDATE file SET filename = 'alpha-1.1-py3-none-any.whl' WHERE id = 1",
        "UPDATE release SET version = '9' WHERE id = 1",
        "UPDATE tagset SET text = 'py2-none-any'",
        "UPDATE depset SET body = '[[],[],null,null]'",
        "UPDATE generation SET snapshot = 'x' WHERE number = 1",
        "UPDATE snapshot_name SET snapshot = 'x'",
        "UPDATE absence SET gone_generation = NULL",
        "UPDATE url_base SET text = 'https://evil.example/'",
        "DELETE FROM metadata_link",
        "UPDATE metadata_link SET gone_generation = NULL",
    ],
)
def test_damage_is_found(catalog: CatalogHandle, damage: str):
    fill(catalog)
    with catalog.engine.begin() as connection:
        assert connection.exec_driver_sql(damage).rowcount > 0
    assert verify(catalog) != ()


def test_a_page_that_is_not_that_of_its_rows_is_found(catalog: CatalogHandle):
    fill(catalog)
    body = bytes(catalog.connection.rows("SELECT body FROM page WHERE project_id = 1 AND generation = 1")[0][0])
    changed = copy(decode_page(body))
    changed.versions = ["1.1"]
    with catalog.engine.begin() as connection:
        table_update = "UPDATE page SET body = ? WHERE project_id = 1 AND generation = 1"
        mark = "?" if catalog.location.url is None else "%s"
        connection.exec_driver_sql(table_update.replace("?", mark), (encode_page(changed),))
    assert [difference.what for difference in verify(catalog)] == ["its page is not that of its rows"]


def test_a_page_that_cannot_be_read_is_an_error_that_says_so(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL)])
    with catalog.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE page SET body = digest FROM project_state s WHERE s.project_id = 1")
    with pytest.raises(DataError) as error:
        catalog.reader().pages(INDEX, ["alpha"])
    assert error.value.code == "catalog-corrupt"


def test_reading_ids_needs_no_write_access(tmp_path: Path):
    place = tmp_path / "catalog.sqlite3"
    with open_catalog(place) as writing:
        publish(writing, [page("alpha", WHEEL)])
        wanted = snapshot_id(writing)
    with open_catalog(place, readonly=True) as reading:
        assert resolve_snapshot(reading, wanted) == 1
        assert [s.id for s in snapshots(reading)] == [wanted]
        with pytest.raises(DataError, match="for reading only"):
            publish(reading, [])


def test_what_a_snapshot_holds_and_what_was_new_in_it(catalog: CatalogHandle):
    publish(catalog, [page("alpha", WHEEL), absence("beta")])
    publish(catalog, [absence("gamma"), metadata("alpha", WHEEL, "gamma>1")])
    assert [count_projects(catalog, generation) for generation in (1, 2)] == [2, 3]
    assert sorted(projects_learned(catalog, 1)) == [(INDEX, "alpha"), (INDEX, "beta")]
    assert sorted(projects_learned(catalog, 2)) == [(INDEX, "alpha"), (INDEX, "gamma")]


def test_the_newest_and_those_with_names_are_found_without_reading_all(catalog: CatalogHandle):
    for name in "abcde":
        publish(catalog, [absence(name)])
    pin(catalog, "first", snapshots(catalog)[0].id)
    found = recent_snapshots(catalog, 2)
    assert [(each.generation, each.names) for each in found] == [(5, ()), (4, ()), (1, ("first",))]
    assert found[0] == snapshots(catalog)[-1]
