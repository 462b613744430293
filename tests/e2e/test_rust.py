"""Rust sdists end to end: their crates are locked by checksum, archived, and all that their build sees."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.nix.locks import publish
from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex, IndexServer
from tests.support.nix import NixStore
from tests.support.rust import MANIFEST, MATURIN, cargo_lock, make_crate
from tests.support.sources import IN_TREE_BACKEND

EARLY, LATE = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
LEAF, ROOT = make_crate("leaf", "0.1.0"), make_crate("root-of_it", "1.2.0+x")
#: As maturin's hooks do it, but that the wheel holds what cargo would find in place of what it compiles.
BACKEND = (
    IN_TREE_BACKEND.replace("_backend/METADATA", "PKG-INFO")
    + """

import os
import shutil


def get_requires_for_build_wheel(config_settings=None):
    if not os.environ.get("MATURIN_NO_INSTALL_RUST") and not shutil.which("cargo"):
        return ["puccinialin"]
    return []


_pack = build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if not os.environ.get("MATURIN_NO_INSTALL_RUST") and not shutil.which("cargo"):
        raise SystemExit("fetching Rust")
    crates = sorted(path.parent.name for path in Path(os.environ["CARGO_HOME"], "crates").glob("*/Cargo.toml"))
    Path("seen.py").write_text(f"CRATES = {crates!r}\\n")
    return _pack(wheel_directory)
"""
)


def rusty(version: str, lock: str | None) -> Dist:
    """Return an sdist that is built with maturin, with a manifest and this Cargo.lock."""
    files = {"Cargo.toml": MANIFEST.format(name="root", version="1.0.0")}
    files |= {} if lock is None else {"Cargo.lock": lock}
    return make_sdist("rusty", version, backend=None, pyproject=MATURIN, files=files, pkg_info_version="2.4")


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    """An index with a Rust project: one release with a Cargo.lock, and two newer ones that cannot be locked."""
    with IndexServer() as server:
        index = server.index()
        for name in ("installer", "pyproject-hooks"):
            index.add(wheel_from_installed(name), upload_time=EARLY)
        index.add(make_wheel("maturin", "1.9", files={"maturin/__init__.py": BACKEND}), upload_time=EARLY)
        index.add(rusty("1.0", cargo_lock([LEAF, ROOT])), upload_time=LATE)
        foreign = '[[package]]\nname = "leaf"\nversion = "0.1.0"\nsource = "git+https://repository.example/leaf#abc"\n'
        index.add(rusty("2.0", foreign), upload_time=LATE)
        index.add(rusty("3.0", None), upload_time=LATE)
        yield index


def pin_of(machine: Machine) -> dict[str, Any]:
    (pin,) = json.loads(machine.read("mach.lock"))["targets"][0]["pins"]
    found: dict[str, Any] = pin
    return found


def test_crates_are_locked_and_what_cannot_be_locked_is_passed_over(index: FakeIndex, tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, index_url=index.url)
    asked = ("lock", "rusty", "--python", HOST_PYTHON)
    machine.mach(*asked, "--crates-url", "https://crates.example/api")
    pin = pin_of(machine)
    assert pin["version"] == "1.0"
    assert pin["crates"] == [
        {
            "name": crate.project,
            "version": crate.version,
            "url": f"https://crates.example/api/{crate.project}/{crate.version}/download",
            "sha256": crate.sha256,
        }
        for crate in (LEAF, ROOT)
    ]
    (closure,) = json.loads(machine.read("mach.lock"))["build-closures"].values()
    assert [tool["name"] for tool in closure["pins"]] == ["maturin"], "and nothing that fetches Rust"
    # the request in the lock says where, as a setting does
    before = machine.read("mach.lock")
    machine.write("mach.toml", 'crates-url = "https://crates.example/api"\n')
    machine.mach(*asked, "--offline", "-o", "again.lock")
    assert machine.read("again.lock") == before
    for version, reason in (
        ("2.0", "its Cargo.lock takes leaf from a git repository, which mach does not lock"),
        ("3.0", "it is built with Rust and has no Cargo.lock"),
    ):
        refused = machine.mach("lock", f"rusty=={version}", "--python", HOST_PYTHON, code=1)
        assert f"rusty {version} cannot be used: {reason}" in refused.stderr


def test_crates_come_from_the_public_registry_where_nothing_else_is_said(index: FakeIndex, tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, index_url=index.url)
    machine.mach("lock", "rusty", "--python", HOST_PYTHON)
    assert json.loads(machine.read("mach.lock"))["request"]["crates-url"] == ""
    url = pin_of(machine)["crates"][0]["url"]
    assert url.startswith("https://")
    assert url.endswith("/leaf/0.1.0/download")


@pytest.mark.nix
def test_nix_builds_from_the_crates_of_the_lock(index: FakeIndex, nix_store: NixStore, tmp_path: Path) -> None:
    for crate in (LEAF, ROOT):
        publish(nix_store, crate)
    base = nix_store.files.as_uri() + "/{sha256-checksum}/{crate}-{version}.crate"
    machine = Machine(home=tmp_path, index_url=index.url, environ=nix_store.env())
    machine.mach("lock", "rusty", "--python", HOST_PYTHON, "--crates-url", base)
    env = Path(machine.process("build", "--lock", "mach.lock").stdout.strip())
    code = "import seen; print(*seen.CRATES)"
    done = subprocess.run([env / "bin/python", "-c", code], env={"HOME": "/"}, capture_output=True, text=True)
    assert (done.stdout.split(), done.returncode) == (["leaf-0.1.0", "root-of_it-1.2.0+x"], 0), done.stderr
    machine.mach("archive", "--lock", "mach.lock", "archive", "--allow-file-urls")
    saved = {path.name for path in (tmp_path / "archive").iterdir()}
    assert {LEAF.sha256, ROOT.sha256} < saved
    machine.mach("gen", "--lock", "mach.lock", "-o", "python.nix")
    assert LEAF.sha256 in machine.read("python.nix")
