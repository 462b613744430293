"""Random small dependency graphs, and an oracle that tries every assignment."""

from __future__ import annotations

import random
from collections.abc import Mapping

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

Releases = dict[str, dict[str, dict]]


def make_graph(seed: int) -> tuple[Releases, list[str]]:
    """Return releases for a ``MemoryCatalog`` and root requirements; cycles and extras are likely."""
    rng = random.Random(seed)
    names = "abcdefg"[: rng.randint(2, 7)]
    versions = {
        name: [str(v) if rng.random() < 0.8 else f"{v}a1" for v in range(1, rng.randint(1, 4) + 1)] for name in names
    }
    density = rng.choice([0.6, 1.2, 2.0])

    def requirement(extra_chance: float = 0.3) -> str:
        name = rng.choice(names)
        extra = "[x]" if rng.random() < extra_chance else ""
        pick = rng.choice(versions[name])
        operator = rng.choice(["", "", "==", "<=", ">=", "!=", "<", ">"])
        return f"{name}{extra}{operator}{pick}" if operator else f"{name}{extra}"

    releases: Releases = {}
    for name in names:
        releases[name] = {}
        for version in versions[name]:
            count = min(4, int(rng.expovariate(1 / density)))
            lines = [requirement() + ("; extra == 'x'" if rng.random() < 0.3 else "") for _ in range(count)]
            kinds = rng.choice([{}, {}, {}, {"sdist": True}, {"wheel": False, "sdist": True}])
            releases[name][version] = {
                "requires": lines,
                "extras": ["x"],
                "yanked": rng.random() < 0.08,
                **kinds,
            }
    return releases, [requirement() for _ in range(rng.randint(1, 3))]


def _split(text: str) -> list[tuple[str, SpecifierSet]]:
    parsed = Requirement(text)
    return [(parsed.name, parsed.specifier)] + [(f"{parsed.name}[{e}]", parsed.specifier) for e in parsed.extras]


def _edges(releases: Releases, node: str, version: str) -> list[tuple[str, SpecifierSet]]:
    name, _, extra = node.partition("[")
    edges = [(name, SpecifierSet(f"=={version}"))] if extra else []
    for line in releases[name][version]["requires"]:
        wants_extra = "extra ==" in line
        if wants_extra == bool(extra):
            edges += _split(line.partition(";")[0])
        elif extra and not wants_extra:
            edges += _split(line)
    return edges


def named_exactly(roots: list[str], name: str, version: str) -> bool:
    """Tell whether a root ``==`` names this version: only then may it be yanked."""
    return any(
        (r := Requirement(root)).name == name and any(s.operator == "==" and s.version == version for s in r.specifier)
        for root in roots
    )


def is_satisfiable(releases: Releases, roots: list[str]) -> bool:
    """Try every assignment of versions to the nodes that the roots lead to."""

    def search(pins: dict[str, str], demands: Mapping[str, list[SpecifierSet]]) -> bool:
        open_nodes = [node for node in demands if node not in pins]
        if not open_nodes:
            return True
        node = open_nodes[0]
        name = node.partition("[")[0]
        for version, release in releases[name].items():
            if release["yanked"] and not named_exactly(roots, name, version):
                continue
            new_pins = {**pins, node: version}
            new_demands = {key: list(value) for key, value in demands.items()}
            for target, specifier in _edges(releases, node, version):
                new_demands.setdefault(target, []).append(specifier)
            if _consistent(new_pins, new_demands) and search(new_pins, new_demands):
                return True
        return False

    demands: dict[str, list[SpecifierSet]] = {}
    for root in roots:
        for node, specifier in _split(root):
            demands.setdefault(node, []).append(specifier)
    return search({}, demands)


def _consistent(pins: Mapping[str, str], demands: Mapping[str, list[SpecifierSet]]) -> bool:
    return all(s.contains(version, prereleases=True) for node, version in pins.items() for s in demands.get(node, ()))


def find_faults(releases: Releases, roots: list[str], pins: Mapping[str, tuple[str, tuple[str, ...]]]) -> list[str]:
    """Return what is wrong with *pins* (project -> version, extras): unmet edges, and what nothing asks for."""
    faults = []
    reached = set()
    todo = [edge for root in roots for edge in _split(root)]
    while todo:
        node, specifier = todo.pop()
        name, _, extra = node.partition("[")
        if name not in pins:
            faults.append(f"{node} is missing")
            continue
        version, extras = pins[name]
        if not specifier.contains(version, prereleases=True):
            faults.append(f"{name} {version} does not meet {specifier}")
        if extra and extra[:-1] not in extras:
            faults.append(f"{node} lacks its extra")
        if node not in reached:
            reached.add(node)
            todo += _edges(releases, node, version)
    faults += [f"{name} is superfluous" for name in pins if name not in reached]
    return faults
