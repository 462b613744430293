"""The four request sets, resolved live by mach, uv and pip for this interpreter: the same pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle.recording import compare, read_reasons
from tests.oracle.request_sets import REQUEST_SETS
from tests.oracle.resolvers import Setting, lock_with_mach, pins_of, run_pip, run_uv

pytestmark = pytest.mark.index


def differences_now(name: str, folder: Path) -> list[str]:
    """Resolve with three empty caches and return what differs without a written reason."""
    setting, requirements = Setting.here(), REQUEST_SETS[name]
    folder.mkdir()
    newest = pins_of(lock_with_mach(requirements, setting, folder / "catalog.sqlite3", prefer="newest"))
    others = {
        "uv": run_uv(requirements, setting, folder / "uv"),
        "pip": run_pip(requirements, setting, folder / "pip"),
    }
    reasons = read_reasons()
    return [
        str(d) for between, pins in others.items() for d in compare(between, name, newest, pins) if d.key not in reasons
    ]


@pytest.mark.parametrize("name", REQUEST_SETS)
def test_live_pins_are_those_of_uv_and_pip(name: str, tmp_path: Path) -> None:
    found = differences_now(name, tmp_path / "first")
    if found:
        # a release may come out between the three answers: what differs is asked for again, from nothing
        found = differences_now(name, tmp_path / "second")
    assert found == []
