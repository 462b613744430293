"""A private Nix store for tests: sandboxed, without substitutes, with the stand-in nixpkgs as ``<nixpkgs>``."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import pytest

from tests.support.native import host_python
from tests.support.nix_slots import claim_slot, fingerprint, remove_tree

__all__ = [
    "STAND_IN",
    "NixFailed",
    "NixOutcome",
    "NixStore",
    "collect_garbage",
    "missing_tools",
    "nix_store",
    "open_store",
]

#: The stand-in nixpkgs; ``import <nixpkgs> { }`` means it wherever :meth:`NixStore.env` is used.
STAND_IN = Path(__file__).resolve().parent.parent / "nixpkgs"

TOOLS = ("nix-build", "nix-instantiate", "nix-store", "bwrap", "patchelf", "pkg-config", "gcc")
HOST_FOLDERS = ("/bin", "/usr", "/lib", "/lib64", "/etc/alternatives")
# what is copied into the store, or makes what lies there
HOST_LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
HOST_FILES: tuple[str | Path, ...] = (
    *("/usr/bin/gcc", "/usr/bin/patchelf", "/bin/bash"),
    *(HOST_LIBRARIES / soname for soname in ("libc.so.6", "libstdc++.so.6")),
)
# how Nix says that the kernel, or the container around it, forbids the sandbox
NO_SANDBOX = ("kernel namespaces", "cloning builder process")
# a build that fetches from the real index (./test --index) goes through these
PASSED_ON = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NIX_SSL_CERT_FILE", "SSL_CERT_FILE")


class NixFailed(AssertionError):
    """A Nix command that had to succeed did not; the message ends with what it wrote to stderr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NixOutcome:
    """What a Nix command answered: its exit code, both streams as text, and the store paths it printed.

    Exit codes: 1 evaluation, 100 build failed, 101 time limit, 102 hash mismatch, 104 not deterministic.
    """

    returncode: int
    stdout: str
    stderr: str

    @property
    def paths(self) -> tuple[Path, ...]:
        """The lines of stdout as paths."""
        return tuple(Path(line) for line in self.stdout.splitlines())


@dataclass(frozen=True, slots=True, kw_only=True)
class NixStore:
    """A store of its own under ``base``, and the Nix commands run against it.

    Every method that takes ``args`` takes Nix expressions by argument name; ``pkgs`` is the stand-in
    nixpkgs unless it is given (``None`` leaves it out).  ``strings`` are passed as text, never parsed.
    Arguments that the file's function does not have are ignored by Nix.
    """

    base: Path

    @property
    def files(self) -> Path:
        """A folder whose files builds may fetch as ``file://``; nothing else of the tests is visible to them."""
        return self.base / "files"

    @property
    def store(self) -> Path:
        """The store's folder, the counterpart of ``/nix/store``."""
        return self.base / "store"

    def env(self) -> dict[str, str]:
        """Return the whole environment for a subprocess (``mach build``, ``nix-shell``) that uses this store."""
        config = {
            "substitute": "false",
            "build-users-group": "",
            "max-jobs": "2",
            "fsync-metadata": "false",  # a store that a power cut breaks is made anew
            "sandbox": "true",
            "sandbox-fallback": "false",
            "sandbox-paths": " ".join((*HOST_FOLDERS, str(self.files))),
        }
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.base / "tmp"),
            "NIX_STORE_DIR": str(self.store),
            "NIX_STATE_DIR": str(self.base / "var/nix"),
            "NIX_LOG_DIR": str(self.base / "var/log/nix"),
            "NIX_CONF_DIR": str(self.base / "etc"),
            "NIX_CONFIG": "\n".join(f"{key} = {value}" for key, value in config.items()),
            "NIX_PATH": f"nixpkgs={STAND_IN}",
            "NIX_BUILD_SHELL": "/bin/bash",
            **{key: os.environ[key] for name in PASSED_ON for key in (name, name.upper()) if key in os.environ},
        }

    def run(self, *command: str | Path, cwd: Path | None = None, timeout: float = 600) -> NixOutcome:
        """Run any command in :meth:`env` and return its outcome, whatever the exit code."""
        done = subprocess.run(
            [str(word) for word in command],
            env=self.env(),
            cwd=cwd or self.base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=timeout,
        )
        return NixOutcome(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def call(self, *command: str | Path, timeout: float = 600) -> NixOutcome:
        """Run a command as :meth:`run` does; raise :exc:`NixFailed` unless it exits with 0."""
        outcome = self.run(*command, timeout=timeout)
        if outcome.returncode != 0:
            words = " ".join(map(str, command))
            raise NixFailed(f"exit code {outcome.returncode} from: {words}\n{outcome.stderr[-8000:]}")
        return outcome

    def eval(
        self,
        file: Path,
        attr: str | None = None,
        args: Mapping[str, str | Path | None] | None = None,
        *,
        strings: Mapping[str, str] | None = None,
    ) -> object:
        """Evaluate a file (or one attribute of it) strictly and return its JSON value; nothing is built."""
        words = _words(file, attr, args, strings)
        if "--arg" not in words and "--argstr" not in words:
            words += ["--arg", "called", "true"]  # else --eval would not call a function of defaults only
        return json.loads(self.call("nix-instantiate", "--eval", "--strict", "--json", *words).stdout)

    def instantiate(
        self,
        file: Path,
        attr: str | None = None,
        args: Mapping[str, str | Path | None] | None = None,
        *,
        strings: Mapping[str, str] | None = None,
    ) -> Path:
        """Evaluate a file (or one attribute of it) to a derivation and return its ``.drv`` path."""
        (drv,) = self.call("nix-instantiate", *_words(file, attr, args, strings)).paths
        return Path(str(drv).split("!")[0])

    def build(
        self,
        file: Path,
        attr: str | None = None,
        args: Mapping[str, str | Path | None] | None = None,
        *,
        strings: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> Path:
        """Build one derivation and return its output path; raise :exc:`NixFailed` with Nix's message otherwise.

        ``check`` builds a second time what is there already and compares (``nix-build --check``).
        """
        outcome = self.try_build(file, attr, args, strings=strings, check=check)
        if outcome.returncode != 0:
            raise NixFailed(f"nix-build {file} -A {attr}: exit code {outcome.returncode}\n{outcome.stderr[-8000:]}")
        (path,) = outcome.paths
        return path

    def try_build(
        self,
        file: Path,
        attr: str | None = None,
        args: Mapping[str, str | Path | None] | None = None,
        *,
        strings: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> NixOutcome:
        """Build as :meth:`build` does and return the outcome, for tests of what must fail."""
        words = _words(file, attr, args, strings)
        return self.run("nix-build", "--no-out-link", *(["--check"] if check else []), *words)

    def check_derivations(self, drv: Path, *, names: Sequence[str] | None = None) -> tuple[str, ...]:
        """Build every derivation that ``drv`` rests on a second time; raise :exc:`NixFailed` where bytes differ.

        ``names`` restricts it to derivations whose name starts with one of them.  Fetches are left out (their
        hash fixes them).  Returns the names of the derivations checked.
        """
        closure = self.call("nix-store", "--query", "--requisites", drv).paths
        checked = []
        for path in closure:
            name = path.name[33:].removesuffix(".drv")
            text = path.read_text() if path.suffix == ".drv" else ""
            if not text or '("outputHash",' in text or (names and not name.startswith(tuple(names))):
                continue
            self.call("nix-store", "--realise", path)
            self.call("nix-store", "--realise", "--check", path)
            checked.append(name)
        return tuple(checked)

    def find(self, name: str) -> tuple[Path, ...]:
        """Return every file of that name that a build left anywhere under ``base``, also while others build."""
        # (os.walk passes over folders that vanish meanwhile; Path.glob raises)
        return tuple(Path(folder, name) for folder, _, files in os.walk(self.base) if name in files)

    def closure(self, path: Path) -> frozenset[Path]:
        """Return the store paths that ``path`` needs at run time, itself included."""
        return frozenset(self.call("nix-store", "--query", "--requisites", path).paths)


def _words(
    file: Path,
    attr: str | None,
    args: Mapping[str, str | Path | None] | None,
    strings: Mapping[str, str] | None,
) -> list[str]:
    given = {"pkgs": f"import {STAND_IN} {{ }}", **(args or {})}
    words = [str(file)]
    for name, value in given.items():
        if value is not None:
            words += ["--arg", name, str(value)]
    for name, text in (strings or {}).items():
        words += ["--argstr", name, text]
    return [*words, "-A", attr] if attr else words


@functools.cache
def missing_tools() -> tuple[str, ...]:
    """Return the programs and headers that tests marked ``nix`` need and this machine does not have."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    try:
        host_python()
    except FileNotFoundError:
        missing.append("/usr/bin/python3.X with Python.h")
    return tuple(missing)


def open_store(base: Path) -> NixStore:
    """Make (or reopen) the store under ``base``, with what every environment rests on built and kept.

    Raises :exc:`NixFailed` with Nix's own words where the kernel forbids the sandbox.
    """
    store = NixStore(base=base)
    for folder in ("home", "tmp", "etc", "files"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    try:
        store.call("nix-build", STAND_IN / "warm.nix", "--out-link", base / "warm")
    except NixFailed:
        (base / "broken").touch()
        raise
    return store


def collect_garbage(store: NixStore) -> None:
    """Remove from *store* all but what :func:`open_store` builds, whatever results of builds still lie anywhere."""
    for root in (store.base / "var/nix/gcroots/auto").iterdir():
        if root.readlink() != store.base / "warm":
            root.unlink()
    store.call("nix-store", "--gc", "--quiet")


def sweep_store(base: Path) -> None:
    """Remove from the store under ``base`` all but what :func:`open_store` builds; a broken store goes as a whole."""
    store = NixStore(base=base)
    if (base / "broken").exists() or not store.store.exists():
        remove_tree(base)
        base.mkdir()
        return
    for folder in ("files", "tmp", "home"):
        shutil.rmtree(base / folder, ignore_errors=True)
    for folder in ("files", "tmp", "home"):
        (base / folder).mkdir()
    if store.run("nix-store", "--gc", "--quiet").returncode != 0:
        remove_tree(base)
        base.mkdir()


@pytest.fixture(scope="session")
def nix_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NixStore]:
    """One store for the whole run, shared by the xdist workers; Nix itself arbitrates between them.

    The interpreter and the libraries stay in ``MACH_TEST_CACHE`` (the user's cache folder by default) for the
    next run, for as long as the host has the same ones; everything else is built anew.  ``MACH_TEST_CACHE=off``
    keeps nothing.
    """
    basetemp = tmp_path_factory.getbasetemp()
    run = basetemp.parent if "PYTEST_XDIST_WORKER" in os.environ else basetemp
    chosen = os.environ.get("MACH_TEST_CACHE") or str(platformdirs.user_cache_path("mach-test"))
    root = run / "nix" if chosen == "off" else Path(chosen).resolve() / "nix"
    host = [shutil.which("nix-build") or "", host_python(), *HOST_FILES]
    with claim_slot(root, fingerprint(host), run, sweep=sweep_store) as base:
        try:
            store = open_store(base)
        except NixFailed as error:
            if any(word in str(error) for word in NO_SANDBOX):
                pytest.skip(f"Nix cannot build in a sandbox on this machine: {str(error).splitlines()[-1]}")
            raise
        yield store
