"""What is kept of the real requests: every difference has a reason, and the page shows it all."""

from __future__ import annotations

import pytest

from .cases import CASES, read_cases
from .results import PAGE, read_results, reason_for, render_tables

needs_cases = pytest.mark.skipif(not CASES.exists(), reason="shared/resolver-cases/pip-cases.json is not there")


def test_every_difference_has_a_reason() -> None:
    results = read_results()
    assert len(results) >= 13
    unexplained = [
        (name, difference["project"])
        for name, result in results.items()
        for difference in result["differences"]
        if reason_for(name, result, difference) is None
    ]
    assert unexplained == []


def test_every_case_is_solved_or_proved() -> None:
    ends = {name: result["cold"]["code"] for name, result in read_results().items()}
    assert set(ends.values()) <= {"solved", "conflict", "nothing-for-target", "no-such-version", "unknown-project"}


def test_offline_gives_what_on_demand_gave() -> None:
    assert all(result["warm"]["same"] for result in read_results().values())


@needs_cases
def test_the_page_shows_what_is_kept() -> None:
    assert render_tables(read_cases(), read_results()) in PAGE.read_text(encoding="utf-8")
