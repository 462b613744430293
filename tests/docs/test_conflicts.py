"""The outputs on the page about explanations are what mach says."""

from pathlib import Path

import pytest

from resolver.locking import make_lock
from tests.resolver.test_locking import ask
from tests.support.memory import MemoryCatalog

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "conflicts.md"

WEB = {
    "webapp": {"4.0": ["engine>=2,<3"], "4.1": ["engine>=2,<3"], "4.2": ["engine>=2.4,<3"]},
    "legacy-auth": {"1.7": ["engine<2"], "1.8": ["engine<2"]},
    "engine": {"1.9": [], "2.0": [], "2.4": [], "2.5": []},
    "numerics": {
        "1.24": {"requires": [], "tags": ["cp310-cp310-manylinux_2_17_x86_64"]},
        "1.25": {"requires": [], "tags": ["cp310-cp310-manylinux_2_17_x86_64"], "python": ">=3.9,<3.11"},
        "2.1": [],
    },
    "plots": {"3.0": ["numerics<2"]},
    "old-report": {"0.9": ["xmlthing"], "1.0": ["xmlthing>=2"]},
}
ABSENT = ("xmlthing", "reqeusts")

REQUESTS = {
    "a conflict": ask("webapp", "legacy-auth", "numerics"),
    "nothing for the target": ask("plots"),
    "an unknown project": ask("old-report"),
    "no such version": ask("engine>=3"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_page_shows_it(name):
    failure = make_lock(REQUESTS[name], MemoryCatalog(WEB, absent=ABSENT)).failure
    assert failure is not None
    assert f"```text\n{failure}\n```" in PAGE.read_text(), f"{name} is now\n{failure}"
