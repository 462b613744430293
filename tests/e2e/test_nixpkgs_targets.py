"""What is resolved for, where the pinned nixpkgs was crawled: its own Python, and wheels that its glibc can load."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from resolver.interpreters import NEWEST_PATCHES
from resolver.target import DEFAULT_GLIBC
from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.dists import make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.nix import NixStore
from tests.support.nixpkgs_tree import write_nixpkgs

pytestmark = pytest.mark.nix

TABLE = NEWEST_PATCHES[HOST_PYTHON]
ABI = "cp" + HOST_PYTHON.replace(".", "")
#: Minor version of the glibc that the stand-in has: the host's. A wheel for the next one must not be taken.
GLIBC = int((os.confstr("CS_GNU_LIBC_VERSION") or "glibc 2.0").rpartition(".")[2])
#: What is taken where nothing is known of the pinned nixpkgs.
UNKNOWN = "2.0" if DEFAULT_GLIBC[1] > GLIBC else "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A machine, and a nixpkgs that its catalog does not know yet."""

    machine: Machine
    tree: Path
    pinned: tuple[str, ...]

    def crawl(self) -> dict[str, Any]:
        (found,) = self.machine.mach("crawl", "nixpkgs", self.tree, "--python", HOST_PYTHON, "--json").json["sets"]
        return dict(found)

    def lock(self, *words: str) -> str:
        """Lock for X.Y and return what was said."""
        return self.machine.mach("lock", *words, *self.pinned, "--python", HOST_PYTHON).stderr

    @property
    def target(self) -> dict[str, Any]:
        (target,) = json.loads(self.machine.read("mach.lock"))["targets"]
        return dict(target)

    def versions(self) -> dict[str, str]:
        return {pin["name"]: pin["version"] for pin in self.target["pins"]}


@pytest.fixture
def place(fake_index: FakeIndex, nix_store: NixStore, tmp_path: Path) -> Place:
    from crawler.nar import hash_nar, to_sri

    for tool in ("installer", "pyproject-hooks"):
        fake_index.add(wheel_from_installed(tool))
    for version, glibc in (("1.0", 17), ("2.0", GLIBC + 1)):
        fake_index.add(make_wheel("compiled", version, tag=f"{ABI}-{ABI}-manylinux_2_{glibc}_x86_64"))
    fake_index.add(make_wheel("plain", "1.0"))
    fake_index.add(make_wheel("picky", "1.0", requires_python=f">={TABLE}"))
    home = tmp_path / "home"
    home.mkdir()
    tree = write_nixpkgs(tmp_path / "nixpkgs", ())
    pinned = ("--nixpkgs", "5eed1eead550" + "0" * 28, "--nixpkgs-sha256", to_sri(hash_nar(tree)))
    return Place(
        machine=Machine(home=home, index_url=fake_index.url, environ=nix_store.env()), tree=tree, pinned=pinned
    )


def test_its_python_and_its_glibc_count_and_are_told(place: Place) -> None:
    found = place.crawl()
    python = found["python"]
    assert python != TABLE, "the host's Python is not the newest, so the test tells one from the other"
    said = place.lock("compiled")
    assert f"resolving for Python {python} on x86_64-linux" in said
    assert f"the pinned nixpkgs has Python {python}, glibc 2.{GLIBC} on x86_64-linux" in said
    assert place.target["python"] == python
    assert place.versions() == {"compiled": "1.0"}
    # an exact version that is asked for counts all the same
    place.machine.mach("lock", "compiled", *place.pinned, "--python", TABLE, "--upgrade")
    assert (place.target["python"], place.versions()) == (TABLE, {"compiled": "1.0"})


def test_before_it_is_crawled_nothing_changes(place: Place) -> None:
    said = place.lock("compiled")
    assert "the pinned nixpkgs has" not in said
    assert (place.target["python"], place.versions()) == (TABLE, {"compiled": UNKNOWN})


def test_a_lock_is_kept_until_the_request_changes(place: Place) -> None:
    machine = place.machine
    machine.write("requirements.txt", "compiled\n")
    place.lock("-r", "requirements.txt")
    before = machine.read("mach.lock")
    place.crawl()
    said = place.lock("-r", "requirements.txt")
    assert machine.read("mach.lock") == before
    assert "mach.lock is up to date" in said
    machine.mach("lock", "--check", "-r", "requirements.txt", *place.pinned, "--python", HOST_PYTHON)
    # the facts that it was made from can still be told from those of the crawl
    machine.mach("db", "export", "--lock", "mach.lock", "facts.mach")
    machine.mach("db", "verify", "--lock", "mach.lock")
    machine.write("requirements.txt", "compiled\nplain\n")
    place.lock("-r", "requirements.txt")
    assert (place.target["python"] == TABLE, place.versions()) == (False, {"compiled": "1.0", "plain": "1.0"})
    machine.mach("db", "export", "--lock", "mach.lock", "facts.mach")
    machine.mach("db", "verify", "--lock", "mach.lock")
    machine.mach("lock", "--check", "-r", "requirements.txt", *place.pinned, "--python", HOST_PYTHON)
    # without naming it: the lock's own pin, and so its own Python
    said = machine.mach("lock", "-r", "requirements.txt", "--python", HOST_PYTHON).stderr
    assert "the patch version of Python is that of the existing lock, which pins the same nixpkgs" in said
    assert "mach.lock is up to date" in said


def test_the_facts_of_such_a_lock_give_it_again_elsewhere(place: Place, nix_store: NixStore, tmp_path: Path) -> None:
    place.crawl()
    place.lock("compiled")
    place.machine.mach("db", "export", "--lock", "mach.lock", "facts.mach")
    home = tmp_path / "elsewhere"
    home.mkdir()
    other = Machine(home=home, index_url=place.machine.index_url, environ=nix_store.env())
    other.mach("db", "import", place.machine.home / "facts.mach")
    other.mach("lock", "compiled", *place.pinned, "--python", HOST_PYTHON, "--offline")
    assert other.read("mach.lock") == place.machine.read("mach.lock")


def test_each_platform_takes_what_is_known_of_it(place: Place) -> None:
    found = place.crawl()
    place.lock("plain", "--platform", "aarch64-linux", "--platform", "x86_64-linux")
    targets = json.loads(place.machine.read("mach.lock"))["targets"]
    assert [(t["system"], t["python"]) for t in targets] == [
        ("aarch64-linux", found["python"]),
        ("x86_64-linux", found["python"]),
    ]


def test_a_lock_that_its_interpreter_is_no_answer_for_is_told(place: Place) -> None:
    found = place.crawl()
    said = place.machine.mach("lock", "picky", *place.pinned, "--python", TABLE).stderr
    assert f"and the pinned nixpkgs has {found['python']}: lock with --python {found['python']}" in said
