"""Resolves real requests again: ``.venv/bin/python -m tests.pipcases.run NAME...`` (``--all``, ``--list``).

Run by hand from the checkout, with the index reachable the first time. For each case it

1. has uv resolve the request for its date, without building anything, through a relay on loopback
   which keeps the bytes of what was asked for (at most eight requests a second, and no second
   time: cases share one recording);
2. has mach's own crawler fill an empty catalog through the same relay, on demand, while it locks
   the request, and asks build backends where an sdist takes that;
3. does so again from the recording alone, with 50 ms for each answer, as from a real index;
4. locks again offline from that catalog, in a fresh process, three times;
5. writes what came out into ``results.json`` beside this file, and the tables of
   ``docs/explanation/pip-cases.md``.

``--replay`` leaves out 1 and 2: no network. Recording, catalogs and uv's cache lie in ``--folder``
(``~/.cache/mach-pipcases``), never in the repository.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crawler.settings import read_index_settings
from tests.support.serving import Behaviour

from .cases import Case, read_cases
from .recording import Recorded, Recording
from .results import read_results, write_results, write_tables
from .tools import Outcome, python_for, run_mach, run_uv

#: Seconds for each answer of the recording, as from a real index.
DELAY = 0.05
#: How mach names an sdist that it needs and that is not recorded: uv, which builds nothing here, asks for none.
_SDIST = re.compile(r"the index lists (\S+(?:\.tar\.gz|\.zip)),")


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_case(case: Case, folder: Path, recorded: Recorded, *, replay: bool, without: Sequence[str]) -> dict[str, Any]:
    """Return everything that is kept of one case.

    :param without: projects that mach and uv leave out.
    """
    settings = read_index_settings()
    index = settings.indexes[-1]
    answer: dict[str, Any] = {"python": python_for(case), "without": sorted(without)}
    with Recording(recorded, index, relaying=not replay, cert=settings.cert) as relay:
        uv = run_uv(case, _fresh(folder / case.name), relay.index, without=without)
        answer["uv"] = _shown(uv) | {"asked": len(relay.asked), "relayed": relay.relayed}
    if not replay:
        with Recording(recorded, index, relaying=True, cert=settings.cert) as relay:
            run_mach(case, _fresh(folder / case.name), relay.index, without=without)
            answer["relayed"] = relay.relayed
    _fresh(folder / case.name)
    with Recording(recorded, index, relaying=False) as replaying:
        replaying.behave("/*", Behaviour(delay=DELAY))
        cold = run_mach(case, folder / case.name, replaying.index, without=without)
        asked = replaying.asked
        answer["cold"] = _shown(cold) | {
            "pages": sum(a.path.endswith("/") for a in asked),
            "files": sum(not a.path.endswith("/") for a in asked),
            "bytes": sum(a.sent for a in asked),
            "not-recorded": len(replaying.missing),
        }
        (folder / case.name / "missing.txt").write_text("".join(f"{path}\n" for path in replaying.missing))
        warm = [run_mach(case, folder / case.name, replaying.index, without=without, offline=True) for _ in range(3)]
    best = min(warm, key=lambda outcome: outcome.seconds)
    answer["warm"] = _shown(best) | {"same": warm[0].pins == cold.pins}
    answer["differences"] = _differences(case, cold, uv)
    return answer


def _shown(outcome: Outcome) -> dict[str, Any]:
    value: dict[str, Any] = {"code": outcome.code, "seconds": round(outcome.seconds, 3)}
    if outcome.pins is not None:
        value["pins"] = len(outcome.pins)
    if outcome.statistics:
        value["statistics"] = dict(outcome.statistics)
    if outcome.message:
        value["message"] = outcome.message
    return value


def _without_message(value: dict[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in value.items() if key != "message"}


def _differences(case: Case, mach: Outcome, uv: Outcome) -> list[dict[str, str | None]]:
    """Return the projects that mach pins differently than pip or uv, by name."""
    if mach.pins is None:
        return []
    found = []
    for project in sorted({*mach.pins, *(case.pins or ()), *(uv.pins or ())}):
        mine = mach.pins.get(project)
        pip = mine if case.pins is None else case.pins.get(project)
        other = mine if uv.pins is None else uv.pins.get(project)
        if (pip, other) != (mine, mine):
            found.append({"project": project, "mach": mine, "pip": pip, "uv": other})
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.pipcases.run", description="Resolve real requests again.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--all", action="store_true", help="every case that has a result already")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("--replay", action="store_true", help="use what is recorded; ask the index for nothing")
    parser.add_argument("--tables", action="store_true", help="only write the tables again")
    parser.add_argument("--without", action="append", default=[], metavar="PROJECT", help="leave a project out")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "mach-pipcases")
    options = parser.parse_args(arguments)
    cases, results = read_cases(), read_results()
    if options.list:
        for case in cases.values():
            print(f"{case.name:45} {case.python:5} {case.as_of} pip: {case.failure or f'{len(case.pins or ())} pins'}")
        return 0
    if options.tables:
        write_tables(cases, results)
        return 0
    unknown = [name for name in options.names if name not in cases]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; --list shows them")
    options.folder.mkdir(parents=True, exist_ok=True)
    recorded = Recorded(options.folder / "answers.sqlite3")
    for name in list(results) if options.all else options.names:
        without = options.without or results.get(name, {}).get("without", [])
        result = run_case(cases[name], options.folder, recorded, replay=options.replay, without=without)
        results[name] = {**result, **{part: _without_message(result[part]) for part in ("uv", "cold", "warm")}}
        write_results(results)
        write_tables(cases, results)
        cold, warm = result["cold"], result["warm"]
        print(name, "uv:", result["uv"]["code"], result["uv"]["seconds"], "asked", result["uv"]["asked"])
        print("   cold:", {k: v for k, v in cold.items() if k != "message"})
        print("   warm:", {k: v for k, v in warm.items() if k not in ("message", "statistics")})
        for part in ("uv", "cold"):
            if "message" in result[part]:
                print(f"   {part} says:", result[part]["message"][:600])
        for difference in result["differences"]:
            print("   differs:", difference)
    recorded.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
