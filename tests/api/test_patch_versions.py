"""Which patch version an X.Y means: a lock's, where it pins the same nixpkgs, and what a crawled nixpkgs says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.asking import Asked, Choices, ask
from api.notices import Notices
from api.patch_versions import crawled_patches, known_sets, locked_patches, note_targets, warn_of_interpreters
from crawler.settings import IndexSettings
from resolver.interpreters import NEWEST_PATCHES
from resolver.lock import Lock, LockTarget, Nixpkgs
from resolver.nixpkgs_set import NixpkgsSet

PINNED = Nixpkgs(rev="5" * 40, sha256="sha256-" + "A" * 43 + "=")
OTHER = replace(PINNED, rev="6" * 40)
TABLE = NEWEST_PATCHES["3.11"]


def asked(*pythons: str, systems: tuple[str, ...] = ("x86_64-linux",)) -> Asked:
    choices = Choices(pythons=pythons, systems=systems)
    return ask(arguments=["a"], choices=choices, read=None, settings=IndexSettings(indexes=("https://index.example/",)))


def lock(*pythons: str, nixpkgs: Nixpkgs | None = PINNED, interval: tuple[str, str] = ("3.11.0", "3.12")) -> Lock:
    def target(python: str) -> LockTarget:
        return LockTarget(system="x86_64-linux", python=python, python_interval=interval, glibc=None, roots={}, pins=())

    return Lock(request={}, policy={}, facts="", nixpkgs=nixpkgs, targets=tuple(map(target, pythons)), tools={})


@pytest.mark.parametrize(
    ("pythons", "patches", "wanted"),
    [
        (("3.11",), {"3.11": "3.11.2"}, ("3.11.2",)),
        (("3.11", "3.12"), {"3.12": "3.12.0"}, (TABLE, "3.12.0")),
        (("3.11.9",), {"3.11": "3.11.2"}, ("3.11.9",)),
        # who names a version of a series means that one
        (("3.11", "3.11.9"), {"3.11": "3.11.2"}, ("3.11.9", TABLE)),
        (("3.11",), {"3.12": "3.12.0"}, (TABLE,)),
        ((), {"3.13": "3.13.1"}, ("3.13.1",)),
    ],
)
def test_only_what_was_asked_for_without_a_patch_changes(
    pythons: tuple[str, ...], patches: dict[str, str], wanted: tuple[str, ...]
) -> None:
    changed = asked(*pythons).with_patches(patches)
    assert changed.request.pythons == wanted
    assert changed.request.requirements == asked(*pythons).request.requirements


@pytest.mark.parametrize(
    ("old", "nixpkgs", "wanted"),
    [
        (lock("3.11.2"), PINNED, {"3.11": "3.11.2"}),
        (lock("3.11.2"), OTHER, {}),
        (lock("3.11.2", nixpkgs=None), PINNED, {}),
        (lock("3.11.2", nixpkgs=None), None, {}),
        (None, PINNED, {}),
        # which of them an X.Y means is not told
        (lock("3.11.2", "3.11.9"), PINNED, {}),
    ],
)
def test_a_lock_tells_it_where_it_pins_the_same_nixpkgs(
    old: Lock | None, nixpkgs: Nixpkgs | None, wanted: dict[str, str]
) -> None:
    assert locked_patches(old, nixpkgs, asked("3.11").request) == wanted
    assert locked_patches(old, nixpkgs, asked("3.11", systems=("aarch64-linux",)).request) == {}


def test_platforms_that_differ_are_told_and_one_counts() -> None:
    sets = {
        ("x86_64-linux", "3.11"): NixpkgsSet(python="3.11.9", glibc=(2, 40)),
        ("aarch64-darwin", "3.11"): NixpkgsSet(python="3.11.8", macos=(14, 0)),
        ("aarch64-linux", "3.11"): NixpkgsSet(),
    }
    said: list[str] = []
    assert crawled_patches(sets, {"3.11"}, Notices(warn=said.append)) == {"3.11": "3.11.8"}
    (warning,) = said
    assert "has Python 3.11.9 on x86_64-linux and 3.11.8 elsewhere: resolving for 3.11.8" in warning
    assert crawled_patches(sets, {"3.12"}, Notices(warn=said.append)) == {}
    notes: list[str] = []
    note_targets(asked("3.11").request, Notices(note=notes.append), sets=sets)
    assert notes == [
        f"resolving for Python {TABLE} on x86_64-linux",
        "the pinned nixpkgs has Python 3.11.8, macOS 14.0 or newer on aarch64-darwin",
        "the pinned nixpkgs has Python 3.11.9, glibc 2.40 on x86_64-linux",
    ]


@pytest.mark.parametrize(("python", "warned"), [("3.11.4", False), ("3.11.5", True), ("3.11.1", True), (None, False)])
def test_a_lock_that_does_not_hold_for_its_interpreter_is_told(python: str | None, warned: bool) -> None:
    said: list[str] = []
    sets = {("x86_64-linux", "3.11"): NixpkgsSet(python=python)}
    warn_of_interpreters(lock("3.11.3", interval=("3.11.2", "3.11.5")), sets, Notices(warn=said.append))
    assert bool(said) == warned


def test_without_a_pin_no_catalog_is_asked() -> None:
    assert known_sets(asked("3.11").request, None, None) == {}  # type: ignore[arg-type]  # it is not looked at
