"""Ten years: what a lock needs is archived, then every server is gone, and Nix builds from the archive alone."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crawler.nar import hash_nar, to_sri
from tests.e2e.machines import HOST_PYTHON, ROOT, Machine
from tests.support.dists import make_sdist, make_wheel, wheel_from_installed
from tests.support.index import IndexServer
from tests.support.nix import STAND_IN, NixStore, collect_garbage, open_store
from tests.support.nix_slots import remove_tree
from tests.support.repositories import DEMO, Repository, file_server

pytestmark = pytest.mark.nix

PAGE = (ROOT / "docs/how-to/archive.md").read_text()
SALT = "put into the archive"
REV = "5eed1eead550" + "0" * 28


def pack_nixpkgs(folder: Path, salt: str) -> tuple[Path, str]:
    """Return a tarball of the stand-in nixpkgs with a file of its own, as its host would make it, and its hash."""
    tree = folder / f"nixpkgs-{REV}"
    shutil.copytree(STAND_IN, tree, ignore=shutil.ignore_patterns("__pycache__", "tests", "examples"))
    (tree / "salt").write_text(salt)
    (tree / "link").symlink_to("salt")
    tarball = folder / f"nixpkgs-{REV}.tar.gz"
    with tarfile.open(tarball, "w:gz") as packed:
        packed.add(tree, tree.name)
    digest = to_sri(hash_nar(tree))
    shutil.rmtree(tree)
    return tarball, digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A machine whose lock was archived, and on which nothing else is left of its sources."""

    machine: Machine
    archive: Path
    told: dict[str, list[object]]


@pytest.fixture(scope="module")
def own_store() -> Iterator[NixStore]:
    """A store of this module alone, on a disk: Nix's sandbox has a /dev/shm of its own."""
    base = Path(tempfile.mkdtemp(prefix="mach-archive-", dir="/var/tmp"))
    yield open_store(base)
    remove_tree(base)


@pytest.fixture
def fresh_store(nix_store: NixStore, own_store: NixStore) -> NixStore:
    """A store that holds what the stand-in nixpkgs copies from the host, and nothing that a lock names."""
    collect_garbage(own_store)
    return own_store


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory, own_store: NixStore) -> Kept:
    """Everything that a lock can name: wheels, an sdist, a commit, a local wheel, nixpkgs."""
    folder = tmp_path_factory.mktemp("archived")
    home = folder / "home"
    home.mkdir()
    with IndexServer() as server, file_server(folder / "site") as url:
        index = server.index()
        machine = Machine(home=home, index_url=index.url, environ=own_store.env())
        for dist in (
            make_wheel("solo", "1.0", requires=["built"], files={"solo.py": f"salt = {SALT!r}\n"}),
            make_sdist("built", "1.0", files={"built.py": f"salt = {SALT!r}\n"}),
            make_wheel("idna", "3.1", files={"idna.py": f"salt = {SALT!r}\n"}),
            *(wheel_from_installed(tool) for tool in ("installer", "pyproject-hooks", "setuptools", "wheel")),
        ):
            index.add(dist)
        local = make_wheel("nearby", "1.0", files={"nearby.py": f"salt = {SALT!r}\n"})
        (home / local.filename).write_bytes(local.content)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        _, sha256 = pack_nixpkgs(elsewhere, SALT)
        repository = Repository(folder / "site/repository")
        repository.commit({**DEMO, "salt": SALT}, tag="v1")
        asked = ("solo", f"demo-app @ git+{url}/repository/.git@v1", f"./{local.filename}")
        pinned = ("--nixpkgs", REV, "--nixpkgs-sha256", sha256)
        machine.mach("lock", *asked, *pinned, "--python", HOST_PYTHON)
        told = machine.mach("archive", "archive", "--from", elsewhere, "--json").json
    machine.mach("gen", "--lock", "mach.lock", "-o", "python.nix")
    (home / local.filename).unlink()
    return Kept(machine=machine, archive=home / "archive", told=told)


@pytest.fixture
def kept(archived: Kept, nix_store: NixStore, fresh_store: NixStore, tmp_path: Path) -> Kept:
    """Another machine that has the lock, the expression and the archive alone; every server is gone."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("mach.lock", "python.nix"):
        shutil.copy(archived.machine.home / name, home)
    shutil.copytree(archived.archive, home / "archive")
    machine = Machine(home=home, index_url=archived.machine.index_url, environ=fresh_store.env())
    return Kept(machine=machine, archive=home / "archive", told=archived.told)


@contextlib.contextmanager
def mirrors_for(form: str, archive: Path) -> Iterator[str]:
    if form == "path":
        yield f"[ {archive} ]"
    elif form == "file-url":
        yield f'[ "{archive.as_uri()}/" ]'
    else:
        with file_server(archive) as url:
            yield f'[ "{url}" ]'


@pytest.mark.parametrize("form", ["path", "file-url", "server"])
def test_the_archive_alone_is_enough(kept: Kept, form: str) -> None:
    machine = kept.machine
    machine.mach("archive", "archive", "--check")
    alone = subprocess.run(
        ["nix-build", "--no-out-link", "python.nix", "-A", "env", "--option", "download-attempts", "1"],
        cwd=machine.home, env=machine.env(), capture_output=True, text=True,
    )  # fmt: skip
    assert alone.returncode != 0, "without the archive there is nothing to build from"
    with mirrors_for(form, kept.archive) as mirrors:
        built = subprocess.run(
            ["nix-build", "--no-out-link", "python.nix", "-A", "env", "--arg", "mirrors", mirrors],
            cwd=machine.home, env=machine.env(), capture_output=True, text=True,
        )  # fmt: skip
        assert built.returncode == 0, built.stderr
    env = Path(built.stdout.strip())
    code = "import solo, built, nearby, demo_app, idna; print({m.salt for m in (solo, built, nearby, idna)})"
    said = subprocess.run([env / "bin/python", "-c", code], env={}, capture_output=True, text=True, check=True).stdout
    assert said == f"{{{SALT!r}}}\n"
    assert len(kept.told["saved"]) == len(list(kept.archive.iterdir())) - 1, "and the index"


def test_nothing_depends_on_where_the_sources_come_from(kept: Kept, fresh_store: NixStore) -> None:
    """With folders, with servers or without mirrors: the same outputs, though other derivations fetch."""
    outputs = set()
    with file_server(kept.archive) as url:
        # one after the other in this order: nixpkgs is only in the archive
        for mirrors in (f"[ {kept.archive} ]", f'[ "{url}" ]', "[ ]"):
            words = ("--arg", "mirrors", mirrors)
            # the wheel that lay beside the lock is only in the archive as well
            attribute = "packages.demo-app" if mirrors == "[ ]" else "env"
            (drv,) = fresh_store.call(
                "nix-instantiate", kept.machine.home / "python.nix", "-A", attribute, *words
            ).paths
            outputs.add((attribute, fresh_store.call("nix-store", "--query", "--outputs", drv).stdout))
        (again,) = fresh_store.call(
            "nix-instantiate", kept.machine.home / "python.nix", "-A", "packages.demo-app", "--arg", "mirrors",
            f"[ {kept.archive} ]",
        ).paths  # fmt: skip
    outputs.add(("packages.demo-app", fresh_store.call("nix-store", "--query", "--outputs", again).stdout))
    assert len(outputs) == 2


def test_the_archive_says_what_it_holds(kept: Kept) -> None:
    index = json.loads((kept.archive / "index.json").read_text())
    kinds = {entry["kind"]: entry for entry in index["files"]}
    assert set(kinds) == {"file", "checkout", "path", "nixpkgs"}
    assert kinds["nixpkgs"]["name"] == f"nixpkgs-{REV}.tar.gz"
    assert kinds["checkout"]["url"].endswith("/repository/.git")
    assert {entry["filename"] for entry in index["files"]} >= {"solo-1.0-py3-none-any.whl", "built-1.0.tar.gz"}
    for entry in index["files"]:
        assert (kept.archive / entry["name"]).stat().st_size == entry["size"]
        if entry["kind"] != "nixpkgs":
            said = subprocess.run(["sha256sum", kept.archive / entry["name"]], capture_output=True, text=True)
            assert said.stdout.startswith(entry["name"]), "anyone can check it without mach"


def test_the_commands_of_the_page_do_what_it_says(kept: Kept, fresh_store: NixStore) -> None:
    verify, export, sources = (
        block.replace("/srv/archive", str(kept.archive)) for block in re.findall(r"```sh\n(.+?)```", PAGE, re.DOTALL)
    )
    home = kept.machine.home

    def shell(script: str, *, folder: Path = home, code: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=kept.machine.env(),
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) == (code == 0), done.stderr
        return done.stdout + done.stderr

    shell(verify, folder=kept.archive)
    mirrors = f"--arg mirrors '[ {kept.archive} ]'"
    shell(f"nix-build python.nix -A env -o result {mirrors}")
    env = (home / "result").resolve()
    shell(export)
    shell(sources)
    fetches = (home / "fetches").read_text()
    for name in ("solo-1.0-py3-none-any.whl.drv", "built-1.0.tar.gz.drv", "source.git.drv"):
        assert name in fetches
    # away with all of it, and back from the two files alone
    gone = fresh_store.call("bash", "-c", f"xargs nix-store --query --outputs < {home}/fetches").paths
    (home / "result").unlink()
    users = fresh_store.call("nix-store", "--query", "--referrers-closure", *gone).paths
    fresh_store.call(
        "nix-store", "--delete", "--ignore-liveness", *{*users, *gone, env} - {p for p in users if p.suffix == ".drv"}
    )
    assert not env.exists()
    shell("nix-store --import < sources.closure")
    assert all(path.exists() for path in gone)
    assert not env.exists()
    shell("nix-store --import < environment.closure")
    assert shell(f"{env}/bin/python -B -c 'import solo; print(solo.salt)'") == f"{SALT}\n"

    spoiled = next(path for path in kept.archive.iterdir() if len(path.name) == 64)
    spoiled.write_bytes(b"spoiled")
    assert f"{spoiled.name}: FAILED" in shell(verify, folder=kept.archive, code=1)
