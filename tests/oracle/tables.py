"""The tables of ``docs/explanation/differences.md``, from the recording and the reasons."""

from __future__ import annotations

from pathlib import Path

from .recording import Difference, Recording, differences, read_reasons

__all__ = ["PAGE", "render_tables", "write_tables"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "differences.md"
_START = "<!-- written by python -m tests.oracle.record; do not edit down to the end mark -->"
_END = "<!-- end -->"


def _counted(found: list[Difference]) -> str:
    return str(len(found)) if found else "none"


def _reasons_of(found: list[Difference], head: str) -> list[str]:
    reasons = read_reasons()
    lines = ["", f"| set | project | `--prefer newest` | {head} | reason |", "|---|---|---|---|---|"]
    for d in found:
        reason = reasons.get(d.key, "**no reason is written down yet**")
        lines.append(f"| {d.set} | {d.project} | {d.newest or '-'} | {d.other or '-'} | {reason} |")
    return lines


def render_tables(recording: Recording) -> str:
    """Return the generated part of the page, marks included."""
    found = differences(recording)
    setting, tools = recording.setting, recording.tools
    lines = [
        _START,
        "",
        f"Recorded on {recording.day} for Python {setting.python} on {setting.system},",
        f"with uv {tools['uv']} and pip {tools['pip']}.",
        "",
        "### `--prefer newest` against uv and pip",
        "",
        "| set | pins | differ from uv | differ from pip |",
        "|---|---|---|---|",
    ]
    for name, record in recording.sets.items():
        uv = [d for d in found if (d.between, d.set) == ("uv", name)]
        pip = [d for d in found if (d.between, d.set) == ("pip", name)]
        lines.append(f"| {name} | {len(record.newest)} | {_counted(uv)} | {_counted(pip)} |")
    for tool in ("uv", "pip"):
        mine = [d for d in found if d.between == tool]
        if mine:
            lines += _reasons_of(mine, tool)
    lines += [
        "",
        "### What the default provider order changes",
        "",
        "| set | from wheels | from sdists | pins that change | newer versions passed over |",
        "|---|---|---|---|---|",
    ]
    for name, record in recording.sets.items():
        counts = [sum(p == kind for p in record.providers.values()) for kind in ("wheel", "sdist")]
        changed = [d for d in found if (d.between, d.set) == ("default", name)]
        lines.append(
            f"| {name} | {counts[0]} | {counts[1]} | {_counted(changed)} | {len(record.passed_over) or 'none'} |"
        )
    changed = [d for d in found if d.between == "default"]
    if changed:
        lines += _reasons_of(changed, "default order")
    return "\n".join([*lines, "", _END])


def write_tables(recording: Recording) -> None:
    """Put the tables into the page, between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(_START)
    _, end, tail = rest.partition(_END)
    if not end:
        raise RuntimeError(f"{PAGE} has lost its marks")
    PAGE.write_text(head + render_tables(recording) + tail, encoding="utf-8")
