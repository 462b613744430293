"""What the cases gave (``results.json``), why pins differ (``reasons.toml``), and the tables of the page on both."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .cases import Case

__all__ = ["PAGE", "RESULTS", "read_results", "reason_for", "render_tables", "write_results", "write_tables"]

RESULTS = Path(__file__).with_name("results.json")
REASONS = Path(__file__).with_name("reasons.toml")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "pip-cases.md"
_START = "<!-- written by python -m tests.pipcases.run; do not edit down to the end mark -->"
_END = "<!-- end -->"

#: More differences with one reason are counted.
_MOST_ROWS = 8

Results = Mapping[str, Mapping[str, Any]]


def read_results() -> dict[str, Any]:
    """Return what is kept, by case."""
    return dict(json.loads(RESULTS.read_bytes())) if RESULTS.exists() else {}


def write_results(results: Results) -> None:
    """Keep *results*; equal ones give equal bytes."""
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_reasons() -> dict[tuple[str, str], str]:
    """Return the reasons that were written down, by (case, project)."""
    entries = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("difference", [])
    return {(e["case"], e["project"]): e["reason"] for e in entries}


def reason_for(name: str, result: Mapping[str, Any], difference: Mapping[str, str | None]) -> str | None:
    """Return why mach pins a project differently than pip or uv, or None where nobody has said so."""
    project, reasons = str(difference["project"]), read_reasons()
    if project in result["without"]:
        return "left out, see above"
    if (name, project) in reasons:
        return reasons[name, project]
    if (name, "*") in reasons and difference["pip"] == difference["mach"]:
        return reasons[name, "*"]
    return reasons.get((name, "**"))


def _pip(case: Case) -> str:
    return f"{case.failure.lower()}, {case.rounds} rounds" if case.failure else f"{case.rounds} rounds"


def _row(case: Case, result: Mapping[str, Any]) -> str:
    cold, warm, uv = result["cold"], result["warm"], result["uv"]
    statistics = warm.get("statistics", {})
    differences = result["differences"]
    against = []
    for tool in ("pip", "uv"):
        has_pins = case.pins is not None if tool == "pip" else uv["code"] == "solved"
        count = sum(d[tool] != d["mach"] and d["project"] not in result["without"] for d in differences)
        against.append("-" if not has_pins or "pins" not in cold else str(count) if count else "none")
    cells = [
        case.name,
        result["python"] if result["python"].startswith(f"{case.python}.") else f"{result['python']} for {case.python}",
        _pip(case),
        f"{cold['pins']} pins" if "pins" in cold else cold["code"],
        ", ".join(result["without"]) or "-",
        *against,
        *(str(statistics.get(key, "-")) for key in ("rounds", "restarts", "pruned")),
        str(cold["pages"] + cold["files"]),
        str(uv["asked"]),
        f"{cold['seconds']:.1f}",
        f"{warm['seconds']:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def render_tables(cases: Mapping[str, Case], results: Results) -> str:
    """Return the generated part of the page, marks included."""
    done = dict(sorted(results.items()))
    head = ["case", "Python", "pip 26.0", "mach", "left out", "differ from pip", "from uv", "rounds", "restarts"]
    head += ["pruned", "asked, cold", "asked by uv", "seconds, cold", "seconds, offline"]
    lines = [_START, "", "### Resolved", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [_row(cases[name], result) for name, result in done.items()]
    lines += [
        "",
        "### Pins that differ",
        "",
        "| case | project | mach | pip | uv | reason |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in done.items():
        alike: dict[str, list[Mapping[str, str | None]]] = {}
        for d in result["differences"]:
            reason = reason_for(name, result, d) or "**no reason is written down yet**"
            alike.setdefault(reason, []).append(d)
        for reason, found in alike.items():
            if len(found) > _MOST_ROWS:
                lines.append(f"| {name} | {len(found)} projects | | | | {reason} |")
                continue
            for d in found:
                pins = " | ".join(d[tool] or "-" for tool in ("mach", "pip", "uv"))
                lines.append(f"| {name} | {d['project']} | {pins} | {reason} |")
    untried = [name for name in cases if name not in results]
    lines += ["", f"Not tried yet: {', '.join(untried) or 'none'}.", "", _END]
    return "\n".join(lines)


def write_tables(cases: Mapping[str, Case], results: Results) -> None:
    """Put the tables into the page, between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(_START)
    _, end, tail = rest.partition(_END)
    if not end:
        raise RuntimeError(f"{PAGE} has lost its marks")
    PAGE.write_text(head + render_tables(cases, results) + tail, encoding="utf-8")
