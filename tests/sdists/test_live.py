"""Some of the real sdists, asked again: what the index and the build backends say today is what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.asking import this_system
from tests.support.build_backends import sandboxed

from .asking import SYSTEM, ask_for_release
from .releases import RELEASES, Release
from .results import read_results

pytestmark = [
    pytest.mark.index,
    sandboxed,
    pytest.mark.skipif(this_system() != SYSTEM, reason=f"the results are those of {SYSTEM}"),
]

#: One of each common backend, all on the Python that runs the tests, and two that fail each in its own way.
NAMES = (
    "requests 2.31.0",
    "mccabe 0.6.1",
    "yarl 1.9.4",
    "python-dateutil 2.8.2",
    "jinja2 3.1.4",
    "rich 13.7.1",
    "hatchling 1.21.1",
    "urllib3 2.4.0",
    "typer 0.12.3",
    "siphash24 1.6",
    "lightgbm 4.3.0",
    "bcrypt 4.1.2",
    "tiktoken 0.7.0",
    "orjson 3.9.10",
)


def stable(result: dict[str, Any]) -> dict[str, Any]:
    """Return what does not depend on the machine: no seconds, and of a failure its class alone."""
    kept = {key: value for key, value in result.items() if key not in ("seconds", "failure")}
    return kept | ({"failure": result["failure"]["class"]} if "failure" in result else {})


@pytest.mark.parametrize("release", [r for r in RELEASES if r.name in NAMES], ids=lambda release: release.name)
def test_an_sdist_says_what_is_kept_of_it(release: Release, tmp_path: Path) -> None:
    assert stable(ask_for_release(release, tmp_path / "catalog.sqlite3")) == stable(read_results()[release.name])
