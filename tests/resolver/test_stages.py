"""The stages of a search under bounds so tight that small graphs reach them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.growth import make_graph
from resolver import resolution
from resolver.locking import make_lock
from resolver.policy import Policy, parse_providers
from resolver.requirement import Request, parse_requirement
from tests.resolver.test_soundness import judge
from tests.support.memory import INDEX, MemoryCatalog


@pytest.mark.parametrize(
    "bounds",
    [
        {"conflicts": 1, "rejections": 1, "consistency_versions": 0},
        {"conflicts": 1, "rejections": 1, "consistency_versions": 1, "consistency_facts": 2},
        {"conflicts": 1, "rejections": 2, "consistency_facts": 0},
    ],
    ids=str,
)
def test_answers_stay_right(bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    policy_of = Policy.of
    monkeypatch.setattr(Policy, "of", lambda *args, **options: replace(policy_of(*args, **options), **bounds))
    monkeypatch.setattr(resolution, "LATER_CONFLICTS", 1)
    assert sum(judge(seed) for seed in range(50_000, 50_300)) > 50


def test_an_old_version_that_requires_nothing_keeps_no_graph_open():
    projects, roots = make_graph("conflicts", 100, 0, 0.05)
    releases = {name: {v: list(r.requires) for v, r in versions.items()} for name, versions in projects.items()}
    # every solution has the user's own project, and nothing else that all of its versions require
    catalog = MemoryCatalog({**releases, "top": {"1": [], "2": roots}})
    request = Request(
        requirements=(parse_requirement("top", "argument"),),
        pythons=("3.11.9",),
        systems=("x86_64-linux",),
        indexes=(INDEX,),
        providers=parse_providers([]),
    )
    made = make_lock(request, catalog)
    pins = {pin.name: pin.version for pin in made.lock.targets[0].pins}
    assert (pins["top"], len(pins)) == ("2", 101)
    assert made.statistics.rounds < 1_000, "with the first consistency alone it is more than 4,000"
