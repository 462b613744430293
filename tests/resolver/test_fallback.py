"""Provider order: earlier providers first, and no more fallback than is needed."""

import random

from packaging.requirements import Requirement

from resolver.locking import make_lock
from tests.resolver.test_locking import ask, pins
from tests.support.memory import MemoryCatalog

ORDER = ("wheel", "sdist")
SDIST = {"wheel": False, "sdist": True}
BOTH = {"sdist": True}


def locked(request, catalog):
    return {p.name: p for p in make_lock(request, catalog).lock.targets[0].pins}


def test_a_project_without_wheels_is_no_fallback():
    catalog = MemoryCatalog({"a": {"1": SDIST}})
    assert locked(ask("a"), catalog)["a"].fallback is None


def test_what_the_user_asks_for_is_no_fallback_either():
    catalog = MemoryCatalog({"a": {"1": [], "2": SDIST}})
    assert locked(ask("a>=2"), catalog)["a"].fallback is None


def test_only_the_core_falls_back_and_says_why():
    catalog = MemoryCatalog(
        {"a": {"1": ["b>=2"]}, "b": {"1": BOTH, "2": SDIST}, "c": {"1": BOTH, "2": SDIST}, "d": {"1": []}}
    )
    found = locked(ask("a", "c", "d"), catalog)
    assert {name: f"{p.version} {p.provider}" for name, p in found.items()} == {
        "a": "1 wheel",
        "b": "2 sdist",
        "c": "1 wheel",
        "d": "1 wheel",
    }
    assert found["b"].fallback == "from wheel: no version of it fits the other pins"
    assert found["c"].fallback is None
    assert found["c"].passed_over == "2 (sdist)"


def test_a_fallen_pin_rises_again_where_it_can():
    # a or b has to fall: the core of the conflict holds both, and one of them is spared in the end
    catalog = MemoryCatalog(
        {
            "a": {"1": ["c<2"], "2": {**SDIST, "requires": ["c>=2"]}},
            "b": {"1": ["c>=2"], "2": SDIST},
            "c": {"1": [], "2": []},
        }
    )
    found = {name: text.split()[1] for name, text in pins(ask("a", "b"), catalog).items()}
    assert sorted(found.values()) == ["sdist", "wheel", "wheel"]
    fallen = next(p for p in locked(ask("a", "b"), catalog).values() if p.provider == "sdist")
    assert fallen.fallback in ("from wheel: not together with a", "from wheel: not together with b")


def test_without_any_answer_the_conflict_is_the_real_one():
    catalog = MemoryCatalog({"a": {"1": ["b>=3"]}, "b": {"1": BOTH, "2": SDIST}})
    assert make_lock(ask("a"), catalog).failure.code == "no-such-version"


def make_graph(seed):
    rng = random.Random(seed)
    names = "abcde"[: rng.randint(2, 5)]
    versions = {name: [str(v) for v in range(1, rng.randint(1, 3) + 1)] for name in names}
    releases = {}
    for name in names:
        releases[name] = {}
        for version in versions[name]:
            lines = []
            for _ in range(rng.choice([0, 1, 1, 2])):
                other = rng.choice([n for n in names if n != name])
                lines.append(f"{other}{rng.choice(['', '==', '>=', '<='])}{rng.choice(versions[other])}".rstrip("="))
            lines = [line if line[-1:].isdigit() and not line[1:].isdigit() else line[0] for line in lines]
            kind = rng.choice([{}, BOTH, SDIST, SDIST])
            releases[name][version] = {**kind, "requires": lines}
    return releases, sorted(rng.sample(names, rng.randint(1, 2)))


def solutions(releases, roots):
    """Yield every way to meet the roots: project -> (version, provider)."""

    def search(pins, demands):
        open_names = [name for name in demands if name not in pins]
        if not open_names:
            yield pins
            return
        name = open_names[0]
        for version, data in releases[name].items():
            if not all(Requirement(d).specifier.contains(version) for d in demands[name]):
                continue
            new = {key: list(value) for key, value in demands.items()}
            for line in data["requires"]:
                new.setdefault(Requirement(line).name, []).append(line)
            if any(
                n in new and not all(Requirement(d).specifier.contains(v) for d in new[n]) for n, (v, _) in pins.items()
            ):
                continue
            for provider in ORDER:
                if data.get(provider, provider == "wheel"):
                    yield from search({**pins, name: (version, provider)}, new)

    yield from search({}, {root: [root] for root in roots})


def test_no_project_can_move_to_a_better_provider_without_another_moving_to_a_worse_one():
    fallbacks = 0
    for seed in range(600):
        releases, roots = make_graph(seed)
        every = list(solutions(releases, roots))
        run = make_lock(ask(*roots), MemoryCatalog(releases))
        assert (run.lock is None) == (not every), f"seed {seed}"
        if run.lock is None:
            continue
        chosen = {p.name: ORDER.index(p.provider) for p in run.lock.targets[0].pins}
        fallbacks += any(p.fallback for p in run.lock.targets[0].pins)
        best = {
            name: min(ORDER.index(p) for data in versions.values() for p in ORDER if data.get(p, p == "wheel"))
            for name, versions in releases.items()
        }
        for other in every:
            ranks = {name: ORDER.index(provider) for name, (_, provider) in other.items()}
            better = any(ranks[name] < level for name, level in chosen.items() if name in ranks)
            worse = any(ranks[name] > chosen.get(name, best[name]) for name in ranks)
            assert not better or worse, f"seed {seed}: {roots} -> {chosen}, but {other}"
    assert fallbacks > 20, "the graphs must make fallbacks"
