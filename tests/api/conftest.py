"""A machine of its own for every test of the ways in, configured for the universe of :mod:`tests.support.world`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.machines import Machine
from tests.support.world import World


@pytest.fixture
def machine(world: World, tmp_path: Path) -> Machine:
    """A machine that has never seen mach; its folder is empty."""
    return Machine(home=tmp_path, index_url=world.url)


@pytest.fixture
def token(machine: Machine) -> str:
    """A token that the file ``tokens`` of the machine knows."""
    made = machine.mach("token", "ci")
    machine.write("tokens", f"# of the team\n\n{made.stdout}")
    return made.stderr.split()[-1]
