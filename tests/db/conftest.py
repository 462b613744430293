"""Catalogs for the tests, in both engines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db.catalog import CatalogHandle, open_catalog
from tests.support.postgres import fresh_schema, postgres_server

__all__ = ["postgres_server"]

NewPlace = Callable[[], str]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewPlace]:
    """A function that names a place for a new catalog, once in SQLite and once in PostgreSQL."""
    with contextlib.ExitStack() as stack:
        count = 0

        def sqlite() -> str:
            nonlocal count
            count += 1
            return str(tmp_path / f"catalog-{count}.sqlite3")

        if request.param == "sqlite":
            yield sqlite
        else:
            server = request.getfixturevalue("postgres_server")
            yield lambda: stack.enter_context(fresh_schema(server))


@pytest.fixture
def catalog(new_place: NewPlace) -> Iterator[CatalogHandle]:
    with open_catalog(new_place()) as handle:
        yield handle


@pytest.fixture
def other_engine(request: pytest.FixtureRequest, catalog: CatalogHandle, tmp_path: Path) -> Iterator[CatalogHandle]:
    """An empty catalog in the engine that *catalog* is not in."""
    with contextlib.ExitStack() as stack:
        if catalog.location.file is None:
            place = str(tmp_path / "other.sqlite3")
        else:
            place = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_server")))
        yield stack.enter_context(open_catalog(place))
