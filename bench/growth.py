"""``python -m bench.growth``: rounds and time of a resolution against the number of projects, as table and plot.

Synthetic graphs, seeded, with 20 versions a project, of which every solution needs all projects:

- *easy*: requirements name lower bounds only, and the newest of everything fits;
- *conflicts*: a twentieth of all requirements (``--capped``) has an upper bound, newer versions ask for newer ones, and
  the solution is planted among the newer half of the versions: taking the newest runs into dead ends.

Each graph lies in SQLite and is resolved in a resident process, reading its pages.
"""

from __future__ import annotations

import argparse
import gc
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.cli import VALUES_BETWEEN_COLLECTIONS
from db.catalog import open_catalog
from resolver.locking import make_lock
from resolver.policy import parse_providers
from resolver.requirement import Request, parse_requirement

from .clock import machine, verdict
from .facts import INDEX, Release, write_catalog
from .plot import Line, draw

SIZES = (50, 100, 200, 400, 800)
KINDS = ("easy", "conflicts")
_VERSIONS = 20
#: Milliseconds after which a time is taken once and not three times.
_LONG = 2000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What graphs of one kind and size took, as medians over the seeds."""

    size: int
    rounds: float
    worst_rounds: int
    conflicts: float
    milliseconds: float
    gave_up: int
    """Graphs whose solution was not found within the budget of rounds; these count with the rounds that they took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """What the planted version of a project asks of another one."""

    name: str
    low: int
    high: int | None
    """Exclusive; None where newer ones always do."""


def make_graph(kind: str, size: int, seed: int, capped: float) -> tuple[dict[str, dict[str, Release]], list[str]]:
    """Return projects and root requirements; the roots lead to every project, and there is a solution.

    :param capped: the part of requirements with an upper bound, where there are conflicts.
    """
    rng = random.Random(f"{kind} {size} {seed}")
    names = [f"project-{number:03}" for number in range(size)]
    roots = max(1, size // 20)
    easy = kind == "easy"
    planted = [_VERSIONS if easy else rng.randint(_VERSIONS // 2, _VERSIONS) for _ in names]
    asks: list[list[_Ask]] = [[] for _ in names]
    for number in range(roots, size):
        for parent in {rng.randrange(max(0, number - 40), number) for _ in range(rng.randint(1, 4))}:
            fits = planted[number]
            high = None if easy or rng.random() >= capped else fits + rng.randint(1, 3)
            asks[parent].append(_Ask(name=names[number], low=max(1, fits - rng.randint(0, 6)), high=high))
    graph = {
        name: {
            f"{version}.0": Release(requires=_requires(version, planted[number], asks[number]))
            for version in range(1, _VERSIONS + 1)
        }
        for number, name in enumerate(names)
    }
    return graph, names[:roots]


def _requires(version: int, planted: int, asks: Sequence[_Ask]) -> list[str]:
    """Return what one version asks for: a newer one asks for newer ones, as in real graphs."""
    lines = []
    for ask in asks:
        shift = version - planted
        low = min(max(1, ask.low + shift), _VERSIONS)
        cap = "" if ask.high is None else f",<{min(max(2, ask.high + shift), _VERSIONS + 1)}"
        lines.append(f"{ask.name}>={low}{cap}")
    return lines


def measure_graph(projects: Mapping[str, Mapping[str, Release]], roots: Sequence[str]) -> tuple[int, int, float, bool]:
    """Return rounds, dead ends, the best of three times in milliseconds, and whether the resolver gave up.

    :raises RuntimeError: where a solvable graph is called impossible, or its lock lacks a project.
    """
    request = Request(
        requirements=tuple(parse_requirement(root, "argument") for root in roots),
        pythons=("3.11.7",),
        systems=("x86_64-linux",),
        indexes=(INDEX,),
        providers=parse_providers([]),
        prefer="newest",
    )
    times = []
    with tempfile.TemporaryDirectory() as temporary:
        db = Path(temporary) / "catalog.sqlite3"
        write_catalog(db, projects)
        with open_catalog(db, create=False, readonly=True) as catalog:
            for _ in range(3):
                gc.collect()
                start = time.perf_counter()
                found = make_lock(request, catalog.reader())
                times.append((time.perf_counter() - start) * 1000)
                if times[-1] > _LONG:
                    break
    if found.lock is None:
        if found.failure is None or found.failure.code != "gave-up":
            raise RuntimeError(f"no lock for {len(projects)} projects: {found.failure}")
    elif len(found.lock.targets[0].pins) != len(projects):
        raise RuntimeError(f"{len(found.lock.targets[0].pins)} pins of {len(projects)} projects")
    return found.statistics.rounds, found.statistics.conflicts, min(times), found.lock is None


def measure_kind(kind: str, sizes: Sequence[int], seeds: int, capped: float) -> list[Point]:
    """Return one point for each size."""
    points = []
    for size in sizes:
        found = [measure_graph(*make_graph(kind, size, seed, capped)) for seed in range(seeds)]
        rounds, conflicts, times, gave_up = zip(*found, strict=True)
        points.append(
            Point(
                size=size,
                rounds=statistics.median(rounds),
                worst_rounds=max(rounds),
                conflicts=statistics.median(conflicts),
                milliseconds=statistics.median(times),
                gave_up=sum(gave_up),
            )
        )
        print(".", end="", file=sys.stderr, flush=True)
    return points


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through the logarithms: 1 is linear growth."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    slope, _ = statistics.linear_regression(*zip(*logs, strict=True))
    return slope


def report(kinds: Mapping[str, Sequence[Point]]) -> str:
    """Return the tables and how they grow, as text."""
    lines = [
        f"{'':10} {'projects':>8} {'rounds':>8} {'worst':>8} {'dead ends':>10} "
        f"{'ms':>8} {'ms/project':>11} {'gave up':>8}"
    ]
    for kind, points in kinds.items():
        for p in points:
            lines.append(
                f"{kind:10} {p.size:8} {p.rounds:8.0f} {p.worst_rounds:8} {p.conflicts:10.0f} "
                f"{p.milliseconds:8.0f} {p.milliseconds / p.size:11.2f} {p.gave_up:8}"
            )
    lines.append("")
    for kind, points in kinds.items():
        rounds = exponent([(p.size, p.rounds) for p in points])
        times = exponent([(p.size, p.milliseconds) for p in points])
        worst = exponent([(p.size, p.worst_rounds) for p in points])
        said = verdict(round(rounds, 1), 1, at_most=True)
        lines.append(
            f"{kind}: rounds grow as projects ** {rounds:.2f} (aim at most 1: {said}), "
            f"the worst seed's as ** {worst:.2f}, time as ** {times:.2f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and draw."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=9, help="graphs of each kind and size [9]")
    parser.add_argument("--capped", type=float, default=0.05, help="part of requirements with an upper bound [0.05]")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plot as SVG")
    options = parser.parse_args(arguments)
    gc.set_threshold(VALUES_BETWEEN_COLLECTIONS)
    head = f"{datetime.now(UTC).date()}: {machine()}; medians over {options.seeds} graphs"
    print(head)
    kinds = {kind: measure_kind(kind, SIZES, options.seeds, options.capped) for kind in KINDS}
    print(file=sys.stderr)
    print(report(kinds))
    if options.plot is not None:
        lines = []
        for kind, points in kinds.items():
            lines.append(Line(name=f"{kind}: rounds", points=[(p.size, p.rounds) for p in points]))
            lines.append(Line(name=f"{kind}: ms", points=[(p.size, p.milliseconds) for p in points], dashed=True))
        options.plot.write_text(draw("Rounds and time of a resolution", "projects", lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
