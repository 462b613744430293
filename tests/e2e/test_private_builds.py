"""Builds whose files come from a private index: by Nix with its netrc-file, or fetched by mach beforehand."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from nix.store import store_name
from tests.e2e.machines import HOST_PYTHON, ROOT, Machine
from tests.e2e.private_indexes import FORMS, PASSWORD, USER, WAYS, Indexes, by_url, indexes, machine_for
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.nix import NixOutcome, NixStore
from tests.support.secrets import find_secret

__all__ = ["indexes"]

pytestmark = pytest.mark.nix

IMPORT = "import corp_lib, part; print(corp_lib.FROM)"


def with_store(machine: Machine, store: NixStore, **environ: str) -> Machine:
    """Return *machine* with the Nix of *store*."""
    ours = store.env()
    path = machine.environ.get("PATH", ours["PATH"])
    return Machine(
        home=machine.home,
        index_url=machine.index_url,
        environ={**ours, **machine.environ, "PATH": path, "HOME": str(machine.home), **environ},
    )


def nix(store: NixStore, *words: str | Path, netrc: Path | None = None) -> NixOutcome:
    """Run a Nix command whose nix.conf names a netrc-file, or none."""
    environ = store.env()
    environ["NIX_CONFIG"] += f"\nnetrc-file = {netrc or '/nowhere/netrc'}"
    done = subprocess.run([str(w) for w in words], env=environ, cwd=store.base, capture_output=True, text=True)
    return NixOutcome(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.fixture
def netrc(tmp_path: Path) -> Path:
    file = tmp_path / "nix-netrc"
    file.write_text(f'machine 127.0.0.1 login "{USER}" password "{PASSWORD}"\n', encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.fixture
def expression(indexes: Indexes, tmp_path: Path) -> Path:
    """What ``mach gen`` writes on a machine that has the password."""
    machine = by_url(indexes, tmp_path / "home")
    machine.mach("gen", "corp-lib", "--python", HOST_PYTHON, "-o", "python.nix")
    return machine.home / "python.nix"


def opened(indexes: Indexes, whose: str) -> tuple[str, str, str]:
    """Return the words that say who opens the private index."""
    return "--arg", "netrc", f'{{ "{indexes.private.server.url}" = "{whose}"; }}'


@pytest.mark.parametrize("whose", ["user", "machine"])
def test_nix_builds_from_a_private_index_with_its_netrc_file(
    nix_store: NixStore, indexes: Indexes, expression: Path, netrc: Path, whose: str
) -> None:
    build = ("nix-build", "--no-out-link", expression, "-A", "env")
    outsider = nix(nix_store, *build, *opened(indexes, whose))
    assert outsider.returncode != 0
    assert "401" in outsider.stderr
    indexes.private.forget()
    done = nix(nix_store, *build, *opened(indexes, whose), netrc=netrc)
    assert done.returncode == 0, done.stderr
    (env,) = done.paths
    said = subprocess.run([env / "bin/python", "-c", IMPORT], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(expression.parent.parent)
    assert {asked.basic_auth for asked in indexes.private.asked if asked.status == 200} == {(USER, PASSWORD)}
    # once it is in the store, whoever builds it needs neither password nor index, and gets the same
    indexes.private.server.stop()
    assert nix(nix_store, *build).stdout == done.stdout
    derivations = [path.read_bytes() for path in nix_store.store.glob("*.drv")]
    folders = [path for path in nix_store.closure(env) if "-corp-lib-" in path.name]
    assert derivations
    assert folders
    known = nix_store.call("nix-store", "--dump-db").stdout
    assert (
        find_secret(FORMS, [*derivations, known, done.stderr, outsider.stderr, expression.read_bytes()], folders) == []
    )


def test_who_fetches_changes_no_output(nix_store: NixStore, indexes: Indexes, expression: Path, netrc: Path) -> None:
    outputs = set()
    for words in ((), opened(indexes, "machine"), opened(indexes, "user")):
        made = nix(nix_store, "nix-instantiate", expression, "-A", "env", *words, netrc=netrc)
        assert made.returncode == 0, made.stderr
        outputs.add(nix_store.call("nix-store", "--query", "--outputs", made.stdout.strip()).stdout)
    assert len(outputs) == 1


def test_a_password_in_the_argument_is_refused_and_not_repeated(
    nix_store: NixStore, indexes: Indexes, expression: Path
) -> None:
    done = nix(nix_store, "nix-instantiate", expression, "-A", "env", *opened(indexes, "s3cret"))
    assert done.returncode != 0
    assert 'must be "user" or "machine"; a password does not belong there' in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_mach_build_needs_no_settings_of_nix(nix_store: NixStore, indexes: Indexes, tmp_path: Path, way: str) -> None:
    machine = with_store(WAYS[way](indexes, tmp_path / "home"), nix_store)
    machine.write("requirements.txt", "corp-lib\n")
    machine.mach("lock", "-r", "requirements.txt", "--python", HOST_PYTHON)
    done = machine.process("build", "-vv", "--lock", "mach.lock")
    env = Path(done.stdout.strip())
    said = subprocess.run([env / "bin/python", "-c", IMPORT], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(tmp_path)
    assert "fetching 1 file from private indexes" in done.stderr
    (wheel,) = indexes.private.dists("corp-lib")
    words = ("nix-store", "--print-fixed-path", "sha256", wheel.sha256, wheel.filename)
    path = Path(nix_store.call(*words).stdout.strip())
    assert path.read_bytes() == wheel.content
    assert find_secret(FORMS, [done.stdout, done.stderr], [machine.home]) == []
    # what is there is fetched no more
    indexes.private.server.stop()
    again = machine.process("build", "--lock", "mach.lock")
    assert (again.stdout, again.stderr) == (done.stdout, "")
    shell = machine.process("shell", "--lock", "mach.lock", "--run", f"python -c '{IMPORT}'")
    assert str(tmp_path) in shell.stdout


def test_a_build_without_the_password_says_what_is_missing(
    nix_store: NixStore, indexes: Indexes, tmp_path: Path
) -> None:
    by_url(indexes, tmp_path / "home").mach("lock", "corp-lib", "--python", HOST_PYTHON)
    poor = with_store(machine_for(indexes, tmp_path / "home", indexes.with_user), nix_store)
    told = poor.process("build", "--lock", "mach.lock", code=3).stderr
    assert "error[index-credentials-missing]" in told
    assert "the keyring is disabled" in told
    wrong = indexes.private.url_with("me", "wr0ng")
    told = with_store(machine_for(indexes, tmp_path / "home", wrong), nix_store).process(
        "build", "--lock", "mach.lock", code=3
    )
    assert "a user and a password were sent, from the URL of the index" in told.stderr
    assert "wr0ng" not in told.stderr


def test_a_lock_without_private_files_asks_no_keyring(nix_store: NixStore, indexes: Indexes, tmp_path: Path) -> None:
    machine = WAYS["keyring"](indexes, tmp_path / "home")
    machine.mach("lock", "part", "--python", HOST_PYTHON, "-q")
    calls = tmp_path / "keyring/calls"
    calls.unlink()
    done = with_store(machine, nix_store, PIP_NO_INDEX="1").process("build", "--lock", "mach.lock")
    assert Path(done.stdout.strip()).is_dir()
    assert not calls.exists()


def test_names_in_the_store_are_those_that_expressions_use(nix_store: NixStore) -> None:
    names = [
        *HOSTILE_TEXTS,
        "a-1.0+local.2-py3-none-any.whl",
        "a-1!2.0.tar.gz",
        ".hidden",
        "é" * 100,
        "x" * 300,
        "-",
        "",
    ]
    names = [name for name in names if "\0" not in name]
    library = ROOT / "nix/lib/source.nix"
    code = (
        f"{{ names, pkgs }}: map (import {library} {{ inherit pkgs; mirror = {{ }}; netrc = {{ }}; python = null; "
        "scripts = { }; root = ./.; }).storeName (builtins.fromJSON names)"
    )
    file = nix_store.base / "tmp" / f"names-{os.getpid()}.nix"
    file.write_text(code)
    found = nix_store.eval(file, strings={"names": json.dumps(names)})
    assert found == [store_name(name) for name in names]
