"""Answers on random graphs, judged by an oracle that tries every assignment."""

import random

import pytest

from resolver.locking import make_lock
from tests.resolver.test_locking import ask
from tests.support.graphs import find_faults, is_satisfiable, make_graph
from tests.support.memory import MemoryCatalog


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
