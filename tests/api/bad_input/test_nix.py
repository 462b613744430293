"""Nix that is missing, or that fails: what is said, and Nix's own exit code passed on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.api.bad_input.refusals import check_refusal
from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.dists import make_wheel
from tests.support.native import extension_module, shared_library
from tests.support.nix import NixStore
from tests.support.world import World

FIXES = """
[[fix]]
project = "lacking"
provider = "wheel"
optional = ["libGL.so.1"]
reason = "it draws nothing here"
link = "https://docs.index.example/lacking"
"""


def test_without_nix_build_and_shell_say_what_to_install(machine: Machine, tmp_path: Path):
    machine.mach("lock", "idna", "-o", "idna.lock")
    empty = tmp_path / "empty"
    empty.mkdir()
    without = Machine(home=machine.home, index_url=machine.index_url, environ={**machine.environ, "HOME": str(empty)})
    if any(
        Path(folder, "nix-build").exists()
        for folder in ("/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin")
    ):
        pytest.skip("this machine has Nix where mach looks whatever PATH says")
    for command in ("build", "shell"):
        asked = without.process(command, "--lock", "idna.lock", code=3, PATH=str(empty))
        check_refusal(asked, "nix-not-found")
        assert "install Nix" in asked.stderr
        assert "mach gen and mach lock work without it" in asked.stderr


@pytest.fixture
def builder(world: World, nix_store: NixStore, tmp_path: Path) -> Machine:
    """A machine with a Nix store of its own, whose lock of idna fetches from the index."""
    environ = {**nix_store.env(), "HOME": str(tmp_path), "MACH_DB": str(tmp_path / "catalog.sqlite3")}
    machine = Machine(home=tmp_path, index_url=world.url, environ=environ)
    machine.mach("lock", "idna", "--python", HOST_PYTHON, "-o", "good.lock")
    return machine


def _change(machine: Machine, url: str, sha256: str) -> None:
    lock = json.loads(machine.read("good.lock"))
    artifact = lock["targets"][0]["pins"][0]["artifact"]
    artifact.update(url=url, sha256=sha256)
    machine.write("bad.lock", json.dumps(lock))


@pytest.mark.nix
def test_a_file_that_is_not_what_the_lock_says(builder: Machine, nix_store: NixStore):
    name = json.loads(builder.read("good.lock"))["targets"][0]["pins"][0]["artifact"]["filename"]
    served = nix_store.files / f"bad-{os.getpid()}" / name
    served.parent.mkdir(parents=True, exist_ok=True)
    served.write_bytes(b"another file\n")
    _change(builder, served.as_uri(), "1" * 64)
    asked = builder.process("build", "--lock", "bad.lock", code=102)
    assert asked.stdout == ""
    assert "error[nix-hash-mismatch]: a file that Nix fetched is not the one in the lock" in asked.stderr
    assert "hint:" in asked.stderr
    assert not (builder.home / "result").exists()


@pytest.mark.nix
def test_a_file_that_cannot_be_had(builder: Machine, nix_store: NixStore):
    name = json.loads(builder.read("good.lock"))["targets"][0]["pins"][0]["artifact"]["filename"]
    _change(builder, (nix_store.files / "nowhere" / name).as_uri(), "2" * 64)
    asked = builder.process("build", "--lock", "bad.lock", code=1)  # what Nix 2.8 says of a failed dependency
    assert asked.stdout == ""
    assert f"cannot download {name}" in asked.stderr
    assert "error[nix-evaluation-failed]" in asked.stderr
    assert "could not get a file" in asked.stderr
    assert "hint:" in asked.stderr
    assert not (builder.home / "result").exists()


@pytest.mark.nix
def test_a_build_that_fails(world: World, builder: Machine):
    builder.mach("lock", "sdist-broken", "--python", HOST_PYTHON, "-o", "broken.lock")
    asked = builder.process("build", "--lock", "broken.lock", code=100)
    assert asked.stdout == ""
    assert "this project does not build" in asked.stderr
    assert "error[nix-build-failed]" in asked.stderr
    assert "hint:" in asked.stderr
    assert not (builder.home / "result").exists()


@pytest.mark.nix
def test_a_library_that_nobody_has(builder: Machine):
    module = extension_module("_lacking", needs=(shared_library("GL", version="1"),))
    dist = make_wheel(
        "lacking", "1.0", tag="cp311-cp311-manylinux2014_x86_64", files={f"lacking/{module.filename}": module.content}
    )
    (builder.home / dist.filename).write_bytes(dist.content)
    builder.mach("lock", f"./{dist.filename}", "--python", HOST_PYTHON, "-o", "lacking.lock")
    asked = builder.process("build", "--lock", "lacking.lock", code=100)
    assert f"mach: lacking 1.0 lacks the library 'libGL.so.1' (loaded by 'lacking/{module.filename}'" in asked.stderr
    assert "error[nix-build-failed]" in asked.stderr
    builder.write("fixes.toml", FIXES)
    builder.mach("build", "--lock", "lacking.lock", "--fixes", "fixes.toml")


@pytest.mark.nix
def test_an_attribute_that_is_none(builder: Machine):
    asked = builder.process("build", "--lock", "good.lock", "--attr", "packages.nothing", code=1)
    assert "error[nix-evaluation-failed]" in asked.stderr
