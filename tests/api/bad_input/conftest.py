"""A machine whose catalog knows a few projects already, and what every refusal must look like."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.machines import Machine
from tests.support.world import World

#: What :func:`filled` has locked.
REQUIREMENTS = "requests[socks]<2.32\nhostile-url\n"


@pytest.fixture(scope="session")
def filled(world: World, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine that has locked :data:`REQUIREMENTS` once: read it, never change it."""
    machine = Machine(home=tmp_path_factory.mktemp("filled"), index_url=world.url)
    machine.write("requirements.txt", REQUIREMENTS)
    machine.mach("lock", "-r", "requirements.txt", "--python", "3.12", "--db", "catalog.sqlite3")
    return machine


@pytest.fixture
def machine(filled: Machine, tmp_path: Path) -> Machine:
    """A machine of one's own, with a copy of the filled catalog as its default."""
    catalog = tmp_path / "catalog.sqlite3"
    shutil.copy(filled.home / "catalog.sqlite3", catalog)
    return Machine(home=tmp_path, index_url=filled.index_url, environ={"MACH_DB": str(catalog), "PIP_TIMEOUT": "0.5"})
