"""A real graph of 119 projects and 3,516 versions whose parts fit together in few ways."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.version import InvalidVersion, Version

from resolver.catalog import Page
from resolver.locking import Locking, make_lock
from resolver.policy import Policy, parse_providers
from resolver.requirement import Request, parse_requirement
from tests.support.memory import INDEX, MemoryCatalog

GRAPH = Path(__file__).resolve().parents[3] / "shared" / "resolver-cases" / "pyrax-198.json.gz"
pytestmark = pytest.mark.skipif(not GRAPH.exists(), reason="shared/resolver-cases/pyrax-198.json.gz is not there")


class CompleteCatalog(MemoryCatalog):
    """Has all there is: what it does not have, no index has."""

    def pages(self, index, projects):
        absent = {p: Page(index=INDEX, project=p, absent=True, digest="absent") for p in projects}
        return absent | super().pages(index, projects)


def read_line(extra: str, line: str) -> str:
    """Return a requirement that holds with *extra* as its Requires-Dist line."""
    if not extra:
        return line
    requirement, _, marker = line.partition(";")
    return f"{requirement}; " + (f"({marker}) and " if marker else "") + f"extra == {extra!r}"


def read_release(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "requires": [read_line(e, line) for e, lines in value["depends_by_extra"].items() for line in lines],
        "extras": [extra for extra in value["depends_by_extra"] if extra],
        "python": value.get("requires_python"),
    }


def is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


@pytest.fixture(scope="module")
def catalog() -> CompleteCatalog:
    projects = json.loads(gzip.decompress(GRAPH.read_bytes()))["packages"]
    return CompleteCatalog(
        {
            name: {v: read_release(r) for v, r in releases.items() if is_version(v)}
            for name, releases in projects.items()
        }
    )


def lock(catalog: CompleteCatalog) -> Locking:
    request = Request(
        requirements=(parse_requirement("pyrax==1.9.8", "argument"),),
        pythons=("3.11.6",),
        systems=("x86_64-linux",),
        indexes=(INDEX,),
        providers=parse_providers([]),
        prefer="newest",
    )
    return make_lock(request, catalog)


def pins(run: Locking) -> dict[str, str]:
    assert run.lock is not None
    return {pin.name: pin.version for pin in run.lock.targets[0].pins}


def test_few_rounds(catalog: CompleteCatalog) -> None:
    run = lock(catalog)
    assert len(pins(run)) == 58
    assert run.statistics.rounds <= 70
    assert run.statistics.pruned > 100
    assert run.statistics.complete == 0


@pytest.mark.parametrize("bounds", [{"consistency_facts": 0}, {"consistency_facts": 200}, {"consistency_versions": 30}])
def test_an_end_with_fewer_facts_for_consistency(
    catalog: CompleteCatalog, bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # consistency that could not do enough is established again: it gave up after 40,000 rounds before
    policy_of = Policy.of
    monkeypatch.setattr(Policy, "of", lambda *args, **options: replace(policy_of(*args, **options), **bounds))
    run = lock(catalog)
    assert len(pins(run)) == 58
    assert run.statistics.rounds <= 5_000
