"""``python -m bench.lock``: ``mach lock --offline`` against uv and pip on five request sets, in one run.

It fills a catalog and the caches of uv and pip first, so it needs the index once
(:mod:`bench.filling`); ``--cache FOLDER`` keeps them for the next run. pip asks the index in every
run: it has no offline mode for resolving.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from api.cli import VALUES_BETWEEN_COLLECTIONS
from db.catalog import open_catalog
from resolver.locking import make_lock
from tests.oracle.request_sets import REQUEST_SETS
from tests.oracle.resolvers import (
    Setting,
    ask_for,
    pins_of,
    pip_command,
    tool_environment,
    uv_command,
)

from .clock import FLOOR, Command, Times, machine, measure, peak_memory, plain_environment, verdict
from .filling import fill_catalog

#: The sets of ``tests/oracle``, and a large one.
SETS: Mapping[str, tuple[str, ...]] = {
    **REQUEST_SETS,
    "airflow": ("apache-airflow[celery,postgres,redis,amazon,google]==3.0.6",),
}
_CATALOG = "catalog.sqlite3"
_BARE, _F, _HELP = "bare interpreter", "F (light imports)", "mach --help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The times of one request set."""

    name: str
    pins: int
    mach: Times
    uv: Times
    pip: Times
    memory: float
    """The most that one `mach lock --offline` had in memory, in MiB (resident)."""
    first: Times
    """The resolution alone, in a process that has a catalog open and has not had this request before."""
    resident: Times
    """The same again and again: the process has read these pages and specifiers before."""


def _mach() -> list[str]:
    """Return how ``./mach`` starts mach."""
    return [sys.executable, str(Path(sys.executable).with_name("mach"))]


def _resident(requirements: Sequence[str], setting: Setting, db: Path, runs: int) -> tuple[int, Times, Times]:
    gc.set_threshold(VALUES_BETWEEN_COLLECTIONS)  # as `mach serve` does
    request = ask_for(requirements, setting, "newest").request
    values = []
    with open_catalog(str(db), create=False, readonly=True) as catalog:
        for _ in range(runs + 1):
            start = time.perf_counter()
            found = make_lock(request, catalog.reader())
            values.append((time.perf_counter() - start) * 1000)
        if found.lock is None:
            raise RuntimeError("the catalog lost a fact between two runs")
        return len(pins_of(found.lock)), Times((values[0],)), Times(tuple(values[1:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The commands of one request set; everything they need but pip's pages is in the folder."""

    mach: Command
    uv: Command
    pip: Command


def prepare_set(name: str, setting: Setting, folder: Path, index: str) -> Prepared:
    """Fill uv's cache for one set and return what is to be timed.

    :param index: as the catalog knows it.
    """
    requirements = SETS[name]
    file = folder / f"{name.replace(' ', '-')}.txt"
    file.write_text("".join(f"{line}\n" for line in requirements))
    db = folder / _CATALOG
    lock = [*_mach(), "lock", "--offline", "--db", str(db), "--index-url", index, "--python", setting.python]
    lock += ["--platform", setting.system, "--prefer", "newest", "-r", str(file), "-o", "-"]
    tools = tool_environment()
    measure([Command(name="uv", arguments=uv_command(setting, file, folder / "uv"), environment=tools)], 0)
    offline = uv_command(setting, file, folder / "uv", offline=True)
    pip = pip_command(setting, file, folder / "pip", folder / "report.json")
    return Prepared(
        mach=Command(name=f"mach {name}", arguments=lock, environment=plain_environment()),
        uv=Command(name=f"uv {name}", arguments=offline, environment=tools),
        pip=Command(name=f"pip {name}", arguments=pip, environment=tools),
    )


def measure_all(setting: Setting, folder: Path, runs: int, pip_runs: int) -> tuple[dict[str, Times], list[Measured]]:
    """Return the times of starting, and of every set; all processes but pip's take turns with each other."""
    index = fill_catalog(SETS, setting, folder, folder / _CATALOG)
    prepared = {name: prepare_set(name, setting, folder, index) for name in SETS}
    plain, python = plain_environment(), sys.executable
    start = [
        Command(name=_BARE, arguments=[python, "-c", "pass"], environment=plain),
        Command(name=_F, arguments=[python, "-c", FLOOR], environment=plain),
        Command(name=_HELP, arguments=[*_mach(), "--help"], environment=plain),
    ]
    times = measure([*start, *(c for found in prepared.values() for c in (found.mach, found.uv))], runs)
    times |= measure([found.pip for found in prepared.values()], pip_runs)
    sets = []
    for name in prepared:
        pins, first, resident = _resident(SETS[name], replace(setting, index=index), folder / _CATALOG, runs)
        sets.append(
            Measured(
                name=name,
                pins=pins,
                mach=times[f"mach {name}"],
                uv=times[f"uv {name}"],
                pip=times[f"pip {name}"],
                first=first,
                resident=resident,
                memory=peak_memory(prepared[name].mach),
            )
        )
    return times, sets


def _aim(name: str, value: float, aim: float, *, at_most: bool = False) -> str:
    bound = "most" if at_most else "least"
    return f"{name} = {value:.1f} (aim at {bound} {aim:g}: {verdict(value, aim, at_most=at_most)})"


def report(start: dict[str, Times], sets: Sequence[Measured]) -> str:
    """Return the tables and ratios as text; ratios compare best times."""
    lines = ["", f"{'milliseconds':34} {'min':>8} {'median':>8}"]
    lines += [f"{name:34} {start[name]}" for name in (_BARE, _F, _HELP)]
    for found in sets:
        lines.append(f"{found.name}, {found.pins} pins")
        rows = {
            "mach lock --offline": found.mach,
            "uv pip compile --offline": found.uv,
            "pip install --dry-run": found.pip,
            "resolution alone, first time": found.first,
            "resolution alone, again": found.resident,
        }
        lines += [f"  {name:32} {times}" for name, times in rows.items()]
    help_cost = start[_HELP].best - start[_BARE].best
    lines += ["", f"mach --help - bare: {help_cost:.0f} ms (aim at most 80: {verdict(help_cost, 80, at_most=True)})"]
    for found in sets:
        uv, pip = found.uv.best, found.pip.best
        ratio = (found.mach.best - start[_F].best) / uv
        ratios = [_aim("(mach - F) / uv", ratio, 3, at_most=True), _aim("(mach - F) / uv", ratio, 1.5, at_most=True)]
        if found.pins > 50:
            ratios.append(_aim("pip / mach", pip / found.mach.best, 10))
        else:
            ratios.append(f"pip / mach = {pip / found.mach.best:.1f}")
        ratios.append(f"first time / uv = {found.first.best / uv:.1f}")
        ratios.append(_aim("resident / uv", found.resident.best / uv, 0.5, at_most=True))
        ratios.append(_aim("pip / resident", pip / found.resident.best, 50))
        ratios.append(_aim("memory in MiB", found.memory, 150, at_most=True))
        lines += [f"{found.name}: {row}" for row in ratios]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.lock", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="runs of each command but pip [15]")
    parser.add_argument("--pip-runs", type=int, default=3, help="runs of pip [3]")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep catalog and caches here")
    options = parser.parse_args(arguments)
    setting = Setting.here()
    tools = ", ".join(f"{tool} {version(tool)}" for tool in ("uv", "pip"))
    print(f"{datetime.now(UTC).date()}: {machine()}; Python {setting.python}, {tools}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.cache or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print("filling a catalog and caches from the index …", file=sys.stderr)
        print(report(*measure_all(setting, folder, options.runs, options.pip_runs)))


if __name__ == "__main__":
    main(sys.argv[1:])
