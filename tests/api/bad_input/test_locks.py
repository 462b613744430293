"""Locks that are old, newer, broken or not locks: what is said, and that none is written over in silence."""

from __future__ import annotations

import json

import pytest

from tests.api.bad_input.refusals import refuse
from tests.e2e.machines import Machine


@pytest.fixture
def locked(machine: Machine, filled: Machine) -> Machine:
    """A machine with a requirements.txt and the mach.lock beside it."""
    machine.write("requirements.txt", filled.read("requirements.txt"))
    machine.write("mach.lock", filled.read("mach.lock"))
    return machine


def _deep(_: str) -> bytes:
    return b"[" * 100_000


def _newer(good: str) -> bytes:
    return good.replace('"lock-version": "1.', '"lock-version": "9.').encode()


def _conflict(good: str) -> bytes:
    return f"<<<<<<< HEAD\n{good}=======\n{good}>>>>>>> other\n".encode()


def _forged(good: str) -> bytes:
    return good.replace('"sha256": "', '"sha256": "${x}').encode()


def _open(good: str) -> bytes:
    lock = json.loads(good)
    lock["targets"][0]["pins"] = lock["targets"][0]["pins"][1:]
    return json.dumps(lock).encode()


BROKEN = {
    "empty": (lambda _: b"", "lock-invalid", "is not JSON"),
    "cut": (lambda good: good[:500].encode(), "lock-invalid", "is not JSON"),
    "list": (lambda _: b"[]", "lock-invalid", "a list"),
    "deep": (_deep, "lock-invalid", "too deep"),
    "number": (lambda _: b'{"lock-version": ' + b"9" * 9_999 + b"}", "lock-invalid", "mach.lock"),
    "binary": (lambda _: bytes(range(128, 256)), "lock-invalid", "UTF-8"),
    "newer": (_newer, "lock-too-new", "install a newer mach"),
    "merge": (_conflict, "lock-invalid", "merge conflict at line 1"),
    "forged": (_forged, "lock-invalid", "sha256"),
    "incomplete": (_open, "lock-invalid", "no pin of this target"),
    "nul": (lambda good: good.encode().replace(b"requests", b"req\0uests"), "lock-invalid", "mach.lock"),
    "surrogate": (lambda good: good.replace("requests", r"req\ud800uests").encode(), "lock-invalid", "mach.lock"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_lock_that_is_broken_is_refused_and_kept(locked: Machine, name: str):
    make, error, said = BROKEN[name]
    content = make(locked.read("mach.lock"))
    place = locked.home / "mach.lock"
    place.write_bytes(content)
    for words in (
        ("gen", "-r", "requirements.txt"),
        ("gen", "--lock", "mach.lock"),
        ("lock", "-r", "requirements.txt"),
        ("lock", "-r", "requirements.txt", "--check"),
        ("build", "--lock", "mach.lock"),
        ("export",),
        ("tree",),
        ("why", "requests"),
        ("db", "export", "--lock", "mach.lock", "facts"),
        ("db", "verify", "--lock", "mach.lock"),
        ("env", ".", "-r", "requirements.txt"),
    ):
        asked = refuse(locked, *words, error=error, code=3)
        assert said in asked.stderr
        assert "mach.lock" in asked.stderr
        assert place.read_bytes() == content


def test_a_lock_that_does_not_fit_any_more(locked: Machine):
    locked.write("requirements.txt", "requests<2.31\n")
    asked = refuse(
        locked, "lock", "-r", "requirements.txt", "--check", "--python", "3.12", error="lock-outdated", code=1
    )
    assert "requirements.txt:1" in asked.stderr
    assert "requests<2.31" in asked.stderr
    before = locked.read("mach.lock")
    locked.mach("gen", "-r", "requirements.txt", "--python", "3.12")
    assert locked.read("mach.lock") == before, "gen never writes a lock"


def test_no_lock_where_one_is_needed(machine: Machine):
    machine.write("requirements.txt", "idna\n")
    for words in (("tree",), ("why", "x"), ("export",), ("gen", "--lock", "mach.lock"), ("lock", "--check", "idna")):
        asked = refuse(machine, *words, error="no-lock", code=2)
        assert "mach.lock" in asked.stderr
        assert "mach lock -r" in asked.stderr


def test_a_folder_in_the_place_of_the_lock(machine: Machine):
    machine.write("requirements.txt", "idna\n")
    (machine.home / "mach.lock").mkdir()
    for words in (("gen", "-r", "requirements.txt"), ("gen", "--lock", "mach.lock"), ("tree",)):
        asked = refuse(machine, *words, error="unreadable-file", code=2)
        assert "mach.lock cannot be read: Is a directory" in asked.stderr
    asked = refuse(machine, "lock", "-r", "requirements.txt", error="output-unwritable", code=3)
    assert "mach.lock cannot be written: Is a directory" in asked.stderr


def test_what_a_lock_does_not_hold(locked: Machine):
    asked = refuse(locked, "why", "reqests", error="not-in-lock", code=2)
    assert "requests" in asked.stderr, "the nearest names"
    for words in (("why", "\x1b[31m\u202e"), ("tree", "--platform", "\x1b[31m"), ("export", "--platform", "vax")):
        refuse(locked, *words, error="not-in-lock", code=2)


def test_a_lock_whose_request_cannot_be_repeated(locked: Machine):
    lock = json.loads(locked.read("mach.lock"))
    for request in ({}, {**lock["request"], "requirements": 7}, {**lock["request"], "requirements": ["a >> b"]}):
        locked.write("odd.lock", json.dumps({**lock, "request": request}))
        asked = locked.mach("db", "export", "--lock", "odd.lock", "facts", code=2)
        assert "error[invalid-" in asked.stderr
        assert not (locked.home / "facts").exists()
