"""The memory of a service: an answer holds for every state in which the pages that it read are the same."""

from __future__ import annotations

import contextlib
import time
import zlib

import pytest

from db.catalog import CatalogHandle
from db.connection import BUSY_SECONDS
from db.engine import begin
from db.resolutions import Run, load, recall, remember
from db.snapshot import snapshot_id
from db.verification import verify
from db.wanted import Wanted, forget, want, wanted
from db.writer import Publication, publish
from resolver.errors import DataError, Unavailable
from resolver.names import normalize_project
from tests.db.examples import INDEX, absence, page

ALPHA, BETA = normalize_project("alpha"), normalize_project("beta")


def run(generation: int, *, request: str = "r", name: str = "one", reads: tuple[str, ...] | None = ("alpha",)) -> Run:
    return Run(
        request=request,
        generation=generation,
        resolution=name,
        body=name.encode(),
        reads=None if reads is None else [(INDEX, normalize_project(project)) for project in reads],
    )


def test_an_answer_holds_until_a_page_changes_that_it_read(catalog: CatalogHandle):
    assert publish(catalog, [page("alpha", "alpha-1.0-py3-none-any.whl"), page("beta")]) == 1
    remember(catalog, [run(1)])
    assert recall(catalog, "r", 1) == ("one", b"one")
    assert recall(catalog, "another", 1) is None
    assert publish(catalog, [page("beta", "beta-1.0-py3-none-any.whl")]) == 2
    assert recall(catalog, "r", 2) == ("one", b"one")
    assert publish(catalog, [page("alpha", "alpha-2.0-py3-none-any.whl")]) == 3
    assert recall(catalog, "r", 3) is None
    assert recall(catalog, "r", 2) == ("one", b"one")


def test_an_answer_holds_for_older_states_with_the_same_pages(catalog: CatalogHandle):
    publish(catalog, [page("alpha")])
    publish(catalog, [page("beta")])
    publish(catalog, [absence("gamma")])
    remember(catalog, [run(3, reads=("alpha", "beta"))])
    assert recall(catalog, "r", 2) == ("one", b"one")
    assert recall(catalog, "r", 1) is None


def test_an_answer_that_may_depend_on_more_holds_for_its_own_generation_alone(catalog: CatalogHandle):
    publish(catalog, [page("alpha")])
    remember(catalog, [run(1, reads=None)])
    assert recall(catalog, "r", 1) == ("one", b"one")
    publish(catalog, [page("beta")])
    assert recall(catalog, "r", 2) is None


def test_who_fetches_takes_only_what_was_checked_lately(catalog: CatalogHandle):
    publish(catalog, [page("alpha", checked_at=1_000), page("beta", checked_at=2_000)])
    remember(catalog, [run(1, reads=("alpha", "beta")), run(1, request="failed", name="two", reads=None)])
    assert recall(catalog, "r", 1, checked_since=1_000) == ("one", b"one")
    assert recall(catalog, "r", 1, checked_since=1_001) is None
    assert recall(catalog, "failed", 1) == ("two", b"two")
    assert recall(catalog, "failed", 1, checked_since=0) is None


def test_a_page_of_unknown_age_is_old_and_one_that_never_changes_is_not(catalog: CatalogHandle):
    publish(catalog, [page("alpha", checked_at=1_000), page("beta", index="https://fixed.example/", checked_at=1)])
    remember(catalog, [Run(request="r", generation=1, resolution="one", body=b"one", reads=[(INDEX, ALPHA)])])
    fixed = ("https://fixed.example/", BETA)
    remember(catalog, [Run(request="f", generation=1, resolution="two", body=b"two", reads=[(INDEX, ALPHA), fixed])])

    def recalled(request: str) -> bool:
        never_old = "https://fixed.example/".__eq__
        return recall(catalog, request, 1, checked_since=1_000, never_old=never_old) is not None

    assert recalled("r")
    assert recalled("f")
    with begin(catalog.engine, catalog.location) as connection:
        Publication(connection).forget_freshness(INDEX, ALPHA)  # as an import does that takes another listing
    assert not recalled("r")
    assert not recalled("f")


def test_permanent_links_stay_whatever_the_catalog_learns(catalog: CatalogHandle):
    publish(catalog, [page("alpha")])
    remember(catalog, [run(1)])
    publish(catalog, [absence("alpha")])
    assert load(catalog, "one") == b"one"
    assert load(catalog, "another") is None


def test_the_oldest_are_forgotten(catalog: CatalogHandle):
    publish(catalog, [page("alpha")])
    for name in ("a", "b", "c"):
        remember(catalog, [run(1, request=name, name=name)], most=2)
    assert [load(catalog, name) for name in ("a", "b", "c")] == [None, b"b", b"c"]
    assert recall(catalog, "a", 1) is None
    assert catalog.connection.rows("SELECT request FROM resolution_run ORDER BY request") == [("b",), ("c",)]


def test_remembering_twice_changes_nothing_and_is_no_fact(catalog: CatalogHandle):
    publish(catalog, [page("alpha")])
    before = snapshot_id(catalog)
    remember(catalog, [run(1), run(1), run(1, request="other")])
    remember(catalog, [run(1)])
    assert recall(catalog, "other", 1) == ("one", b"one")
    assert (snapshot_id(catalog), catalog.generation()) == (before, 1)
    assert verify(catalog) == ()


def test_a_damaged_memory_is_told(catalog: CatalogHandle):
    publish(catalog, [page("alpha")])
    remember(catalog, [run(1)])
    for broken in (b"no zlib", zlib.compress(b"one")[:-3]):
        with catalog.engine.begin() as connection:
            connection.exec_driver_sql(
                f"UPDATE resolution SET body = {'%s' if catalog.location.file is None else '?'}", (broken,)
            )
        with pytest.raises(DataError, match="resolution") as caught:
            load(catalog, "one")
        assert caught.value.code == "catalog-corrupt"


def test_wishes_wait_in_order_until_they_are_forgotten(catalog: CatalogHandle):
    alpha, beta = Wanted(index=INDEX, project=ALPHA), Wanted(index=INDEX, project=BETA)
    file = Wanted(index=INDEX, project=ALPHA, filename="alpha-1.0-py3-none-any.whl")
    elsewhere = Wanted(index="https://other.example/", project=ALPHA)
    assert want(catalog, [beta, file, alpha, beta]) == 3
    assert want(catalog, [alpha]) == 0
    assert wanted(catalog, INDEX) == [alpha, file, beta]
    assert want(catalog, [elsewhere, Wanted(index=INDEX, project=normalize_project("gamma"))], most=4) == 1
    assert len([*wanted(catalog, INDEX), *wanted(catalog, elsewhere.index)]) == 4
    forget(catalog, [alpha, beta])
    assert wanted(catalog, INDEX)[:1] == [file]


def test_wishes_do_not_wait_for_those_who_write_for_long(catalog: CatalogHandle):
    with begin(catalog.engine, catalog.location):
        began = time.monotonic()
        with contextlib.suppress(Unavailable):  # PostgreSQL can take them meanwhile
            want(catalog, [Wanted(index=INDEX, project=ALPHA)])
        assert time.monotonic() - began < BUSY_SECONDS / 2
    want(catalog, [Wanted(index=INDEX, project=ALPHA)])
    assert [wish.project for wish in wanted(catalog, INDEX)] == ["alpha"]
