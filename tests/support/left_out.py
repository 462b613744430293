"""A pytest plugin that ends a run with the count of the tests it left out, by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

#: Key under which a worker of pytest-xdist hands its counts to the process that prints them.
_OUTPUT = "left_out"
_COUNTS = pytest.StashKey[Counter[str]]()


def _reasons(config: pytest.Config) -> dict[str, str]:
    """Return the tiers of pyproject.toml: marker -> what its tests need."""
    lines = (line.partition(":") for line in config.getini("markers"))
    return {name.strip(): text.strip() for name, _, text in lines if name.strip() in ("index", "nightly")}


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_COUNTS] = Counter()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count what ``-m`` and ``-k`` took out: a tier where the test belongs to one."""
    for item in items:
        tiers = [text for name, text in _reasons(item.config).items() if item.get_closest_marker(name)]
        item.config.stash[_COUNTS][tiers[0] if tiers else "not selected (-m, -k, --deselect)"] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_OUTPUT] = dict(session.config.stash[_COUNTS])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take a worker's counts; each worker collects all tests, so one of them speaks for all."""
    counts: Counter[str] = Counter(getattr(node, "workeroutput", {}).get(_OUTPUT, {}))
    node.config.stash[_COUNTS] |= counts


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """Print the counts after everything else, just before the closing line."""
    yield
    counts = Counter(config.stash[_COUNTS])
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        counts[reason.removeprefix("Skipped: ") or "no reason given"] += 1
    for report in terminalreporter.stats.get("xfailed", ()):
        counts[f"expected to fail: {getattr(report, 'wasxfail', '') or 'no reason given'}"] += 1
    terminalreporter.ensure_newline()
    terminalreporter.write_line(f"left out: {counts.total() or 'none'}")
    for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        terminalreporter.write_line(f"  {count:>5}  {reason}")
