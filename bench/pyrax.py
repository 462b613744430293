"""``python -m bench.pyrax``: a hard real graph, resolved from SQLite in a fresh process, against F.

119 projects with 3,516 versions, complete: ``../shared/resolver-cases/pyrax-198.json.gz``.
Three times are printed: the bare resolution, as the fresh process measures it (reading pages
included, imports not); the same process as a whole; and ``mach lock --offline``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from .clock import FLOOR, Command, Times, machine, measure, plain_environment, verdict
from .facts import INDEX, Release, write_catalog

_GRAPH = Path(__file__).resolve().parents[2] / "shared" / "resolver-cases" / "pyrax-198.json.gz"
_PYTHON, _SYSTEM, _ROOT = "3.11.6", "x86_64-linux", "pyrax==1.9.8"
#: Resolves as `mach lock` does and prints milliseconds of the resolution, rounds and pins.
_RESOLVE = """
import gc, sys, time
gc.set_threshold(200_000)
from db.catalog import open_catalog
from resolver.locking import make_lock
from resolver.policy import parse_providers
from resolver.requirement import Request, parse_requirement
request = Request(
    requirements=(parse_requirement(sys.argv[2], "argument"),), pythons=(sys.argv[3],), systems=(sys.argv[4],),
    indexes=(sys.argv[5],), providers=parse_providers([]), prefer="newest",
)
start = time.perf_counter()
with open_catalog(sys.argv[1], create=False, readonly=True) as catalog:
    found = make_lock(request, catalog.reader())
took = (time.perf_counter() - start) * 1000
print(took, found.statistics.rounds, len(found.lock.targets[0].pins))
gc.freeze()
"""


def _with_extra(extra: str, line: str) -> str:
    """Return a requirement that holds with *extra* as its Requires-Dist line."""
    if not extra:
        return line
    requirement, _, marker = line.partition(";")
    return f"{requirement}; " + (f"({marker}) and " if marker else "") + f"extra == {extra!r}"


def _read_release(value: dict[str, Any]) -> Release:
    by_extra = value["depends_by_extra"]
    return Release(
        requires=[_with_extra(extra, line) for extra, lines in by_extra.items() for line in lines],
        extras=[extra for extra in by_extra if extra],
        python=value.get("requires_python"),
    )


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def read_graph(path: Path) -> dict[str, dict[str, Release]]:
    """Return the projects of a graph file: name -> version -> release."""
    projects = json.loads(gzip.decompress(path.read_bytes()))["packages"]
    return {
        name: {version: _read_release(value) for version, value in releases.items() if _is_version(version)}
        for name, releases in projects.items()
    }


def _resolve(command: Sequence[str], runs: int) -> tuple[Times, int, int]:
    """Return the times that fresh processes measured of their resolution, with rounds and pins."""
    values, rounds, pins = [], 0, 0
    for _ in range(runs):
        done = subprocess.run(command, env=plain_environment(), capture_output=True, text=True, check=True)
        took, rounds, pins = (float(done.stdout.split()[0]), *map(int, done.stdout.split()[1:]))
        values.append(took)
    return Times(tuple(values)), rounds, pins


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.pyrax", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="runs of each command [15]")
    parser.add_argument("--graph", type=Path, default=_GRAPH, metavar="FILE", help="[pyrax-198.json.gz]")
    options = parser.parse_args(arguments)
    print(f"{datetime.now(UTC).date()}: {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        db = Path(temporary) / "catalog.sqlite3"
        write_catalog(db, read_graph(options.graph))
        resolve = [sys.executable, "-c", _RESOLVE, str(db), _ROOT, _PYTHON, _SYSTEM, INDEX]
        lock = [sys.executable, str(Path(sys.executable).with_name("mach")), "lock", "--offline", "--db", str(db)]
        lock += ["--index-url", INDEX, "--python", _PYTHON, "--platform", _SYSTEM, "--prefer", "newest"]
        plain = plain_environment()
        times = measure(
            [
                Command(name="F (light imports)", arguments=[sys.executable, "-c", FLOOR], environment=plain),
                Command(name="resolution, whole process", arguments=resolve, environment=plain),
                Command(name="mach lock --offline", arguments=[*lock, _ROOT, "-o", "-"], environment=plain),
            ],
            options.runs,
        )
        alone, rounds, pins = _resolve(resolve, options.runs)
    times["resolution alone, from SQLite"] = alone
    print(f"\n{'milliseconds':34} {'min':>8} {'median':>8}")
    for name, found in times.items():
        print(f"{name:34} {found}")
    floor = times["F (light imports)"].best
    print(f"\n{rounds} rounds for {pins} pins (aim at most 70: {verdict(rounds, 70, at_most=True)})")
    for name in list(times)[1:]:
        ratio = times[name].best / floor
        print(f"{name} / F = {ratio:.2f} (aim at most 1.5: {verdict(ratio, 1.5, at_most=True)})")


if __name__ == "__main__":
    main(sys.argv[1:])
