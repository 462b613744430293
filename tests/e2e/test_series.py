"""Versions that are tried one by one are fetched in growing batches, and the answer is that of one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.machines import Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex

#: ``app`` 1.N requires ``part`` N, and only ``part`` 2 is to be had with the constraint.
NEWEST = 60


@pytest.fixture
def machine(fake_index: FakeIndex, tmp_path: Path) -> Machine:
    for number in range(1, NEWEST + 1):
        fake_index.add(make_wheel("app", f"1.{number}", requires=[f"part=={number}"]))
        fake_index.add(make_wheel("part", str(number)))
    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    return Machine(home=tmp_path, index_url=fake_index.url)


def test_a_long_way_down_takes_few_runs(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("part==2\n")
    command = ("lock", "app", "-c", "constraints.txt", "-o", "one.lock", "--json")
    cold = json.loads(machine.mach(*command).stdout)["statistics"]
    (target,) = json.loads((tmp_path / "one.lock").read_text())["targets"]
    assert {pin["name"]: pin["version"] for pin in target["pins"]} == {"app": "1.2", "part": "2"}
    assert cold["runs"] < 15, "59 versions, one a run, would be more than 59 runs"
    assert cold["fetched"] < 2 * NEWEST

    machine.mach("lock", "app", "-c", "constraints.txt", "-o", "two.lock", "--offline")
    assert (tmp_path / "two.lock").read_bytes() == (tmp_path / "one.lock").read_bytes()
