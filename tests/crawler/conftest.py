"""A client that gives up soon, so that failing answers do not slow the tests down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crawler.client import Client, Limits, Manners
from crawler.settings import IndexSettings

SOON = Manners(connections=4, per_second=None, attempts=3, backoff=0.001, patience=1)


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(IndexSettings(indexes=(), timeout=5), SOON, Limits(seconds=20)) as client:
        yield client
