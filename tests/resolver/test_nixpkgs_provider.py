"""nixpkgs as a provider, judged on random graphs by an oracle that tries every choice of releases."""

import hashlib
import json
import random

import pytest
from packaging.requirements import Requirement

from resolver.catalog import NIXPKGS, Artifact, Page
from resolver.errors import InputError
from resolver.lock import LockedAttribute, Nixpkgs
from resolver.locking import make_lock
from resolver.nixpkgs_index import (
    TREE,
    attribute_filename,
    index_of_nixpkgs,
    join_pages,
    parse_attribute_filename,
    parse_nixpkgs_index,
)
from tests.resolver.test_locking import ask
from tests.support.memory import MemoryCatalog

ORDER = ("wheel", "nixpkgs")
PINNED = Nixpkgs(rev="5" * 40, sha256="sha256-" + "A" * 43 + "=")
NIX = index_of_nixpkgs(PINNED.sha256, "x86_64-linux", "3.11.9")


class WithNixpkgs(MemoryCatalog):
    """A catalog that knows a nixpkgs as well: project -> version -> the versions of what it was built with."""

    def __init__(self, releases, modules):
        super().__init__(releases)
        self.nix_map = {TREE: Page(index=NIX, project=TREE, digest="tree", versions=["3.11.9"])}
        for name, versions in modules.items():
            ordered, rows, depsets = sorted(versions), [], []
            for rank, version in enumerate(ordered):
                lines = [f"{other}=={chosen}" for other, chosen in versions[version].items()]
                digest = hashlib.sha256(json.dumps([name, version, lines]).encode()).hexdigest()
                depsets.append((digest, lines, [], None, None, None))
                identity = len(self.files)
                filename = attribute_filename(name, version)
                self.files[identity] = Artifact(
                    filename=filename, url=f"{NIX}#{name}", sha256=None, size=None, upload_time=None
                )
                rows.append([identity, rank, NIXPKGS, -1, -1, -1, 0, rank])
            digest = hashlib.sha256(json.dumps([name, ordered]).encode()).hexdigest()
            self.nix_map[name] = Page(
                index=NIX, project=name, digest=digest, versions=ordered, depsets=depsets, files=rows
            )

    def pages(self, index, projects):
        if index == NIX:
            return {p: self.nix_map[p] for p in projects if p in self.nix_map}
        return super().pages(index, projects)


def make_graph(seed):
    """Return releases of an index, modules of a nixpkgs with closures of their own, and roots."""
    rng = random.Random(seed)
    names = "abcdef"[: rng.randint(2, 6)]
    versions = {name: [str(v) for v in range(1, rng.randint(1, 3) + 1)] for name in names}
    releases, modules = {}, {}
    for name in names:
        releases[name] = {}
        for version in versions[name]:
            lines = []
            for other in rng.sample(names, rng.choice([0, 1, 1, 2])):
                if other != name:
                    operator = rng.choice(["", "==", ">=", "<=", "!="])
                    lines.append(f"{other}{operator}{rng.choice(versions[other])}" if operator else other)
            if rng.random() < 0.7:
                releases[name][version] = {"requires": lines}
        if rng.random() < 0.7:
            # of which an index need not know the version
            modules[name] = {rng.choice([*versions[name], "9"]): {}}
    for closures in modules.values():
        for closure in closures.values():
            for other in rng.sample(sorted(modules), min(len(modules), rng.choice([0, 1, 1, 2]))):
                closure[other] = next(iter(modules[other]))
    for name, closures in modules.items():
        for closure in closures.values():
            closure.pop(name, None)
    return releases, modules, sorted(rng.sample(names, rng.randint(1, 2)))


def choices(releases, modules, name):
    """Yield (version, provider, requirements of an index, requirements of nixpkgs) of a project."""
    for version, data in releases.get(name, {}).items():
        yield version, "wheel", data["requires"], {}
    for version, closure in modules.get(name, {}).items():
        yield version, "nixpkgs", [], closure


def fits(pins, lines, closures):
    return all(Requirement(text).specifier.contains(pins[n][0]) for n, text in lines if n in pins) and all(
        pins[n] == (version, "nixpkgs") for n, version in closures if n in pins
    )


def solutions(releases, modules, roots):
    """Yield every way to meet the roots: project -> (version, provider)."""

    def search(pins, lines, closures):
        wanted = {name for name, _ in (*lines, *closures)} - pins.keys()
        if not wanted:
            yield pins
            return
        name = min(wanted)
        for version, provider, requires, closure in choices(releases, modules, name):
            more = {**pins, name: (version, provider)}
            own = [*lines, *((Requirement(text).name, text) for text in requires)]
            exact = [*closures, *closure.items()]
            if fits(more, own, exact):
                yield from search(more, own, exact)

    yield from search({}, [(root, root) for root in roots], [])


def solve(releases, modules, roots, **options):
    request = ask(*roots, providers=("wheel,nixpkgs",), **options)
    return make_lock(request, WithNixpkgs(releases, modules), nixpkgs=PINNED)


def judge(seed):
    releases, modules, roots = make_graph(seed)
    run = solve(releases, modules, roots)
    assert not run.needs
    every = list(solutions(releases, modules, roots))
    if run.lock is None:
        assert run.failure.code != "gave-up", f"seed {seed}"
        assert not every, f"seed {seed}: {roots} has the solution {every[0]}"
        return "impossible"
    pins = {p.name: (p.version, p.provider) for p in run.lock.targets[0].pins}
    assert pins in every, f"seed {seed}: {pins}"

    chosen = {name: ORDER.index(provider) for name, (_, provider) in pins.items()}
    for other in every:
        ranks = {name: ORDER.index(provider) for name, (_, provider) in other.items()}
        best = {name: 0 if releases.get(name) else 1 for name in ranks}
        better = any(ranks[name] < level for name, level in chosen.items() if name in ranks)
        worse = any(ranks[name] > chosen.get(name, best[name]) for name in ranks)
        assert not better or worse, f"seed {seed}: {roots} -> {pins}, but {other}"
    return "nixpkgs" if any(provider == "nixpkgs" for _, provider in pins.values()) else "index"


def test_no_false_impossible_no_invalid_result_and_no_needless_fallback():
    found = [judge(seed) for seed in range(500)]
    assert all(found.count(kind) > 50 for kind in ("impossible", "nixpkgs", "index")), "graphs must be of all kinds"


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(10))
def test_no_false_impossible_and_no_invalid_result_long(block):
    for seed in range(10_000 + block * 1_000, 10_000 + (block + 1) * 1_000):
        judge(seed)


def test_newest_first_takes_whatever_provider_has_it():
    run = solve({"a": {"1": []}}, {"a": {"2": {}}}, ["a"], prefer="newest")
    (pin,) = run.lock.targets[0].pins
    assert (pin.version, pin.provider) == ("2", "nixpkgs")
    assert pin.artifact == LockedAttribute(attribute="a", version="2")


def test_a_lock_needs_a_pinned_nixpkgs():
    with pytest.raises(InputError, match="--providers names nixpkgs, and no nixpkgs is pinned"):
        make_lock(ask("a", providers=("wheel,nixpkgs",)), WithNixpkgs({"a": {"1": []}}, {}))


def test_a_nixpkgs_that_nothing_is_known_of_is_asked_for_once():
    run = make_lock(ask("a", "b", providers=("nixpkgs",)), MemoryCatalog({}), nixpkgs=PINNED)
    assert [(need.index, need.project) for need in run.needs if need.index == NIX] == [(NIX, TREE)]


def test_modules_of_one_that_takes_no_part_are_not_looked_at():
    alone = make_lock(ask("a"), WithNixpkgs({"a": {"1": []}}, {}), nixpkgs=PINNED).lock
    beside = make_lock(ask("a"), WithNixpkgs({"a": {"1": []}}, {"a": {"2": {}}}), nixpkgs=PINNED).lock
    assert alone == beside


def test_pages_are_joined_by_version():
    catalog = WithNixpkgs({"a": {"1.0": [], "3.0": ["b"]}}, {"a": {"1.0.0": {}, "2.0": {"b": "1"}}})
    base, more = catalog.page_map["a"], catalog.nix_map["a"]
    page = join_pages(base, more)
    assert page.versions == ["1.0", "2.0", "3.0"]
    assert [page.source(row) for row in range(4)] == [(base, 0), (more, 0), (more, 1), (base, 1)]
    assert join_pages(base, more) is page
    assert join_pages(base, Page(index=NIX, project="a", absent=True)) is base


def test_names_of_attributes_and_sets_are_read_back_and_nothing_else_is():
    assert parse_attribute_filename(attribute_filename("zope_interface", "6.1")) == ("zope_interface", "6.1")
    assert parse_nixpkgs_index(NIX) == ("0" * 64, "x86_64-linux", "python311")
    for attribute, version in (("a/b", "1"), ("a", "1/2"), ("a", ""), ("", "1"), ("a", "1\n"), ("a b", "1")):
        with pytest.raises(ValueError, match="does not name an attribute"):
            attribute_filename(attribute, version)
    for text in ("requests-2.0.tar.gz", "a@1", "../a@1.nixpkgs"):
        assert parse_attribute_filename(text) is None
    with pytest.raises(ValueError, match="not a SHA-256"):
        index_of_nixpkgs("x", "x86_64-linux", "3.11")
