"""A release's wheel and sdist are one release: what turns one away turns the other away, unasked."""

from __future__ import annotations

import pytest

from resolver.catalog import KIND, SDIST
from resolver.locking import make_lock
from resolver.policy import parse_providers
from resolver.requirement import Request, parse_requirement
from tests.support.memory import INDEX, MemoryCatalog

RELEASES = {
    "a": {version: {"requires": ["b>=2"], "sdist": True} for version in ("2", "3", "4")} | {"1": {"sdist": True}},
    "b": {"1": {"sdist": True}},
}


def lock(prefer: str, order: str, releases=RELEASES):
    request = Request(
        requirements=(parse_requirement("a", "r"), parse_requirement("b", "r")),
        indexes=(INDEX,),
        pythons=("3.11.14",),
        systems=("x86_64-linux",),
        providers=parse_providers([order]),
        prefer=prefer,
    )
    catalog = MemoryCatalog(releases)
    run = make_lock(request, catalog)
    assert run.lock is not None
    kinds = [
        catalog.page_map[project].files[number - catalog.page_map[project].files[0][0]][KIND]
        for _, project, number in run.reading.metadata_asked()
        if project in releases
    ]
    return {pin.name: f"{pin.version} {pin.provider}" for pin in run.lock.targets[0].pins}, kinds


@pytest.mark.parametrize("prefer", ["newest", "provider", "balanced"])
def test_no_sdist_is_asked_where_its_release_has_a_wheel(prefer: str) -> None:
    found, kinds = lock(prefer, "wheel,sdist")
    assert found == {"a": "1 wheel", "b": "1 wheel"}
    assert SDIST not in kinds


def test_the_first_of_both_is_taken_where_sdists_come_first() -> None:
    found, kinds = lock("newest", "sdist,wheel")
    assert found == {"a": "1 sdist", "b": "1 sdist"}
    assert set(kinds) == {SDIST}
