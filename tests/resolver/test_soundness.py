"""Answers on random graphs, judged by an oracle that tries every assignment."""

import random
from copy import copy

import pytest

from resolver.catalog import ID, METADATA, MetadataNeed, Page
from resolver.locking import make_lock
from resolver.requirement import parse_override
from tests.resolver.test_locking import ask
from tests.support.graphs import find_faults, is_satisfiable, make_graph
from tests.support.memory import INDEX, MemoryCatalog


def judge(seed):
    releases, roots = make_graph(seed)
    run = make_lock(ask(*roots), MemoryCatalog(releases))
    assert not run.needs
    if run.lock is None:
        assert run.failure.code != "gave-up", f"seed {seed}"
        assert not is_satisfiable(releases, roots), f"seed {seed}: {roots} has a solution: {run.failure}"
        return False
    pins = {p.name: (p.version, p.extras) for p in run.lock.targets[0].pins}
    assert find_faults(releases, roots, pins) == [], f"seed {seed}: {roots} -> {pins}"
    return True


def test_no_false_impossible_and_no_invalid_result():
    solved = sum(judge(seed) for seed in range(1_000))
    assert 200 < solved < 900, "the graphs must be of both kinds"


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(20))
def test_no_false_impossible_and_no_invalid_result_long(block):
    for seed in range(10_000 + block * 1_000, 10_000 + (block + 1) * 1_000):
        judge(seed)


def test_the_order_of_requirements_and_lines_changes_nothing_but_preference():
    for seed in range(200):
        releases, roots = make_graph(seed)
        first = make_lock(ask(*roots), MemoryCatalog(releases))
        rng = random.Random(seed)
        shuffled = {name: releases[name] for name in rng.sample(sorted(releases), len(releases))}
        second = make_lock(ask(*roots), MemoryCatalog(shuffled))
        assert (first.lock is None) == (second.lock is None)
        if first.lock is not None:
            assert first.lock == second.lock


class Gradual(MemoryCatalog):
    """Knows only what was revealed; everything else is unknown, as in a catalog that fills itself."""

    def __init__(self, releases):
        super().__init__(releases)
        self.full = dict(self.page_map)
        self.page_map.clear()
        self.revealed = set()

    def reveal(self, needs):
        for need in needs:
            if isinstance(need, MetadataNeed):
                self.revealed.add(need.file_id)
            whole = self.full.get(need.project) or Page(index=INDEX, project=need.project, absent=True, digest="absent")
            files = [row if row[ID] in self.revealed else [*row[:METADATA], -1] for row in whole.files]
            page = copy(whole)
            page.files = files
            self.page_map[need.project] = page


def fill_on_demand(request, catalog):
    for _ in range(1_000):
        run = make_lock(request, catalog)
        if not run.needs:
            return run
        catalog.reveal(run.needs)
    raise AssertionError("it needs facts without end")


def override_something_exactly(seed, releases):
    """Return an exact override, for everyone or for one parent, of a yanked version where there is one."""
    rng = random.Random(seed)
    every = [(name, version) for name, versions in releases.items() for version in versions]
    yanked = [(name, version) for name, version in every if releases[name][version]["yanked"]]
    name, version = rng.choice(yanked or every)
    parent = rng.choice(["", "", f"{rng.choice(sorted(releases))}:"])
    return (parse_override(f"{parent}{name}=={version}", "--override"),)


def test_on_demand_and_prefilled_give_the_same_with_an_override_to_a_yanked_version():
    taken = 0
    for seed in range(300):
        releases, roots = make_graph(seed)
        request = ask(*roots, overrides=override_something_exactly(seed, releases))
        everything, gradual = make_lock(request, MemoryCatalog(releases)), fill_on_demand(request, Gradual(releases))
        assert gradual.lock == everything.lock, f"seed {seed}"
        taken += any("was yanked" in warning for warning in everything.warnings)
    assert taken > 20


def test_on_demand_from_nothing_and_everything_prefilled_give_the_same():
    for seed in range(300):
        releases, roots = make_graph(seed)
        full, empty = MemoryCatalog(releases), Gradual(releases)
        everything, gradual = make_lock(ask(*roots), full), fill_on_demand(ask(*roots), empty)
        assert gradual.lock == everything.lock, f"seed {seed}"
        if everything.failure is not None:
            # fixes are solved on what a catalog knows, and say so; all else is the same
            first, second = (f.failure for f in (gradual, everything))
            assert (first.code, first.message) == (second.code, second.message), f"seed {seed}"
            for part in ("core", "steps"):
                assert first.details[part] == second.details[part], f"seed {seed}"


def test_an_irrelevant_project_changes_nothing():
    for seed in range(300):
        releases, roots = make_graph(seed)
        more = {"aaa": {"1": {"requires": ["a<0"]}}, **releases, "zzz": {"9": {"requires": ["a"]}}}
        first, second = (make_lock(ask(*roots), MemoryCatalog(r)) for r in (releases, more))
        assert first.lock == second.lock, f"seed {seed}"


def test_requirements_in_another_order_give_the_same_answer():
    for seed in range(300):
        releases, roots = make_graph(seed)
        first, second = (make_lock(ask(*order), MemoryCatalog(releases)) for order in (roots, roots[::-1]))
        assert (first.lock is None) == (second.lock is None), f"seed {seed}"
        if first.lock is not None:
            assert first.lock == second.lock, f"seed {seed}: {roots}"
