"""A nixpkgs on this machine: the tree that a lock would pin, its hash, and its commit where it has one."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resolver.errors import InputError, printable

from .hook_failures import last_lines
from .nar import hash_nar, to_sri

__all__ = ["NixpkgsTree", "open_nixpkgs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NixpkgsTree:
    """A nixpkgs that can be evaluated."""

    folder: Path
    """Absolute, no link."""
    sha256: str
    """Of its NAR, in SRI form: the hash of the unpacked archive of its commit."""
    rev: str | None
    """The commit; None for a folder that git knows nothing of."""
    committed_at: int | None
    """UTC seconds since 1970."""


@contextmanager
def open_nixpkgs(path: Path) -> Iterator[NixpkgsTree]:
    """Yield the nixpkgs at *path*.

    Of a git checkout that is its commit, as ``git archive`` gives it, which is what hosts of
    repositories pack as well; what was changed or added since is left out. Another folder is
    taken as it is.

    :raises InputError: ``no-nixpkgs`` where there is none, ``git-failed``.
    """
    folder = path.resolve()
    if not (folder / "default.nix").is_file():
        raise InputError(
            "no-nixpkgs",
            f"{path} holds no nixpkgs: there is no default.nix in it",
            hint="give the folder of a nixpkgs: a git checkout, or an unpacked archive of one",
        )
    if not (folder / ".git").exists():
        yield NixpkgsTree(folder=folder, sha256=to_sri(hash_nar(folder)), rev=None, committed_at=None)
        return
    rev, _, moment = _git(folder, "log", "-1", "--format=%H %ct").strip().partition(" ")
    with tempfile.TemporaryDirectory(prefix="mach-nixpkgs-") as scratch:
        packed, unpacked = Path(scratch, "tree.tar"), Path(scratch, "tree")
        _git(folder, "archive", "--format=tar", f"--output={packed}", rev)
        with tarfile.open(packed) as archive:
            archive.extractall(unpacked, filter="tar")
        packed.unlink()
        yield NixpkgsTree(
            folder=unpacked.resolve(), sha256=to_sri(hash_nar(unpacked)), rev=rev, committed_at=int(moment)
        )


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise InputError(
            "git-failed", f"git cannot be run: {error.strerror}", hint="install git, or give an unpacked archive"
        ) from error
    if done.returncode != 0:
        said = (f"exit code {done.returncode}", *last_lines(done.stderr))[-1]
        raise InputError(
            "git-failed",
            f"git {words[0]} failed in {printable(str(folder))}: {said}",
            hint="see whether `git log -1` works there",
        )
    return done.stdout.decode(errors="replace")
