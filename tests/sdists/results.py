"""What the releases gave (``results.json``), why some differ (``reasons.toml``), and the table of the page on both."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .releases import RELEASES

__all__ = [
    "PAGE",
    "RESULTS",
    "differences_of",
    "read_reasons",
    "read_results",
    "render_table",
    "write_page",
    "write_results",
]

RESULTS = Path(__file__).with_name("results.json")
REASONS = Path(__file__).with_name("reasons.toml")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "sdists.md"
_START = "<!-- written by python -m tests.sdists.run; do not edit down to the end mark -->"
_END = "<!-- end -->"
_HEAD = ("project", "version", "Python", "backend", "build requirements", "build closure", "metadata", "wheel", "s")
_SOURCES = {"pkg-info": "PKG-INFO", "pyproject": "pyproject.toml", "backend": "backend"}

Results = Mapping[str, Mapping[str, Any]]


def read_results() -> dict[str, Any]:
    """Return what is kept, by release."""
    return dict(json.loads(RESULTS.read_bytes())) if RESULTS.exists() else {}


def write_results(results: Results) -> None:
    """Keep *results*; equal ones give equal bytes."""
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_reasons() -> dict[str, str]:
    """Return why an sdist and its wheel differ, by release, as it was written down."""
    return {entry["release"]: entry["reason"] for entry in tomllib.loads(REASONS.read_text("utf-8"))["difference"]}


def differences_of(result: Mapping[str, Any]) -> list[str]:
    """Return what an sdist and its wheel say otherwise, a clause for each field: ``sdist: a; wheel: b``."""
    return [
        f"{field}: " + "; ".join(f"only the {which} has {', '.join(texts)}" for which, texts in said.items() if texts)
        for field, said in result.get("differences", {}).items()
    ]


def _row(result: Mapping[str, Any], project: str, version: str, reasons: Mapping[str, str]) -> str:
    requires = result["build-requires"]
    stated, added = (", ".join(f"`{text}`" for text in requires[key]) for key in ("stated", "added"))
    backend = f"`{result['backend'] or 'setuptools.build_meta:__legacy__'}`"
    if "backend-path" in result:
        backend += f" in `{', '.join(result['backend-path'])}`"
    if "failure" in result:
        source, said = "-", f"**{result['failure']['class']}**: {result['failure']['reason']}"
    else:
        source = _SOURCES[result["metadata-from"]]
        said = f"equal, {result['requirements']}"
        if result["differences"]:
            reason = reasons.get(f"{project} {version}", "**no reason is written down yet**")
            said = f"differs ({'; '.join(differences_of(result))}): {reason}"
    cells = [
        project,
        version,
        result["python"],
        backend,
        (stated or "none") + (f"; added: {added}" if added else ""),
        ", ".join(result["closure"]) or "empty" if "closure" in result else "-",
        source,
        said,
        f"{result['seconds']:.1f}",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def render_table(results: Results) -> str:
    """Return the generated part of the page, marks included."""
    reasons, lines = read_reasons(), [_START]
    kinds: dict[str, list[str]] = {}
    for release in RELEASES:
        if release.name in results:
            row = _row(results[release.name], release.project, release.version, reasons)
            kinds.setdefault(release.kind, []).append(row)
    told = results.values()
    equal = sum("failure" not in result and not result["differences"] for result in told)
    differing = sum(bool(result.get("differences")) for result in told)
    failed = len(results) - equal - differing
    lines += ["", f"{len(results)} releases: {equal} equal, {differing} different, {failed} without an answer."]
    for kind, rows in kinds.items():
        lines += [
            "",
            f"### {kind}",
            "",
            f"| {' | '.join(_HEAD)} |",
            "|" + "---|" * len(_HEAD),
            *rows,
        ]
    return "\n".join([*lines, "", _END])


def write_page(results: Results) -> None:
    """Put the table into the page, between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(_START)
    _, end, tail = rest.partition(_END)
    if not end:
        raise RuntimeError(f"{PAGE} has lost its marks")
    PAGE.write_text(head + render_table(results) + tail, encoding="utf-8")
