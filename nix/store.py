"""Files in the Nix store, under the names and hashes by which expressions fetch them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from resolver.errors import Unavailable

from .runner import find_program

__all__ = ["add_file", "find_missing", "store_name"]

_FOREIGN = re.compile(rb"[^-A-Za-z0-9+._]+")


def store_name(filename: str) -> str:
    """Return the name of a fetched file in the store: what ``storeName`` of nix/lib/source.nix makes of it."""
    name = _FOREIGN.sub(b"-", filename.encode()[:160]).decode()
    return name if re.match(r"[A-Za-z0-9]", name) else f"source{name}"


def find_missing(files: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return those of *files* that are not in the store.

    :param files: the SHA-256 of each, in hexadecimal, and its name as the lock has it.
    :raises Unavailable: ``nix-not-found``, ``nix-store-failed``.
    """
    paths = {_run("--print-fixed-path", "sha256", sha256, store_name(name)): (sha256, name) for sha256, name in files}
    if not paths:
        return ()
    return tuple(paths[path] for path in _run("--check-validity", "--print-invalid", *paths).splitlines())


def add_file(path: Path, filename: str) -> None:
    """Put a copy of a file into the store, where the derivation that fetches it would put it (manual, ``--add-fixed``).

    :param filename: as the lock has it.
    :raises Unavailable: ``nix-not-found``, ``nix-store-failed``.
    """
    with tempfile.TemporaryDirectory(prefix="mach-", dir=path.parent) as folder:
        # its name there is the file's own
        named = Path(folder) / store_name(filename)
        named.hardlink_to(path)
        _run("--add-fixed", "sha256", str(named))


def _run(*words: str) -> str:
    done = subprocess.run([find_program("nix-store"), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(
            "nix-store-failed",
            f"nix-store {words[0]} failed",
            context=done.stderr.splitlines()[-4:],
            hint="see whether `nix-store --version` and `nix-build` work here",
        )
    return done.stdout.strip()
