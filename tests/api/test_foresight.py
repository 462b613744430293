"""What is fetched ahead: the file that the user's own words, and those of what asks for it, point to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.machines import Machine
from tests.support.dists import Dist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex

PYTHON = ("--python", "3.13", "--platform", "x86_64-linux")


@pytest.fixture
def index(fake_index: FakeIndex) -> FakeIndex:
    """An index where only the newest versions would be guessed by who does not listen."""
    for version in ("1.0", "2.0", "3.0"):
        fake_index.add(make_wheel("tool", version, requires=[f"part=={version}"]))
        fake_index.add(make_wheel("part", version))
    fake_index.add(make_wheel("tool", "4.0b1"))
    for builder in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(builder))
    fake_index.yank(fake_index.add(make_wheel("part", "1.5")))
    return fake_index


@pytest.fixture
def machine(index: FakeIndex, tmp_path: Path) -> Machine:
    return Machine(home=tmp_path, index_url=index.url)


def read(index: FakeIndex) -> set[str]:
    """Return the releases whose metadata was fetched, less what mach builds with."""

    def is_read(dist: Dist) -> bool:
        return index.count(index.sidecar_path(dist)) > 0

    return {f"{d.project} {d.version}" for name in ("tool", "part") for d in index.dists(name) if is_read(d)}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {"tool 3.0", "part 3.0"}),
        (("tool==1.0",), {"tool 1.0", "part 1.0"}),
        (("tool<3",), {"tool 2.0", "part 2.0"}),
        (("tool", "-c", "constraints.txt"), {"tool 2.0", "part 2.0"}),
        (("tool", "--override", "tool==1.0"), {"tool 1.0", "part 1.0"}),
        (("tool", "--override", "part==2.0"), {"tool 3.0", "part 2.0"}),
        (("tool>=4.0b1",), {"tool 4.0b1"}),
        (("part==1.5",), {"part 1.5"}),  # a pin takes what was yanked
        (("tool<2; python_version < '3'", "tool"), {"tool 3.0", "part 3.0"}),
        (("tool", "--resolution", "lowest-direct"), {"tool 1.0", "part 1.0"}),
    ],
)
def test_nothing_is_fetched_that_the_answer_does_not_take(
    words: tuple[str, ...], expected: set[str], machine: Machine, index: FakeIndex
) -> None:
    machine.write("constraints.txt", "tool!=3.0\n")
    machine.mach("lock", *(words or ("tool",)), *PYTHON)
    assert read(index) == expected


def test_what_nothing_fits_is_looked_at_as_far_as_the_user_allows(machine: Machine, index: FakeIndex) -> None:
    machine.mach("lock", "tool==1.0", "part>1,<3", *PYTHON, code=1)
    assert read(index) == {"tool 1.0", "part 2.0"}
