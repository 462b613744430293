"""Locks mach's own dependencies into mach.lock, from which default.nix builds mach: lock_mach.py.

The index is the one that pip is configured for, and no host name of a registry is to stand in this repository: the lock
names index.example in its place. nix/own.nix fetches the paths and hashes of the lock from the file host that nixpkgs
knows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from resolver.lock import BuildClosure, LockedArtifact, Pin, digest_closure, parse_lock, render_lock
from resolver.lock_request import request_from_json, request_to_json

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "mach.lock"
PARTS = ("api", "crawler", "db", "nix", "resolver", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("aarch64-darwin", "aarch64-linux", "x86_64-linux")
INDEX, FILES = "https://index.example/simple/", "https://files.index.example/"


def anonymize(text: str) -> str:
    """Return the text of a lock without the names of the index and of its file host."""
    lock = parse_lock(text)
    closures: dict[str, BuildClosure] = {}

    def move(artifact: LockedArtifact) -> LockedArtifact:
        return replace(artifact, url=FILES + urlsplit(artifact.url).path[1:])

    def move_pin(pin: Pin) -> Pin:
        artifact = move(pin.artifact) if isinstance(pin.artifact, LockedArtifact) else pin.artifact
        return replace(pin, artifact=artifact, build=move_closure(pin.build) if pin.build else None)

    def move_closure(digest: str) -> str:
        closure = BuildClosure(pins=tuple(map(move_pin, lock.build_closures[digest].pins)))
        closures[digest_closure(closure)] = closure
        return digest_closure(closure)

    targets = tuple(replace(target, pins=tuple(map(move_pin, target.pins))) for target in lock.targets)
    request = request_to_json(request_from_json({**lock.request, "indexes": [INDEX]}))
    tools = {name: move(tool) for name, tool in lock.tools.items()}
    return render_lock(replace(lock, request=request, targets=targets, build_closures=closures, tools=tools))


def copy_distribution(to: Path) -> None:
    """Copy what the distribution is made of: the working tree may hold more than a sandbox takes."""
    listed = subprocess.run(["git", "ls-files", "-z", *PARTS], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)


def main() -> int:
    """Write the lock, with the pins that it had where they still fit; options of mach lock may follow."""
    choices = [word for python in PYTHONS for word in ("--python", python)]
    choices += [word for platform in PLATFORMS for word in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as folder:
        copy_distribution(Path(folder))
        lock = Path(folder, LOCK.name)
        if LOCK.exists():
            shutil.copy(LOCK, lock)
        command = [sys.executable, "-P", "-m", "api.cli", "lock", ".", *choices, "-o", lock.name, *sys.argv[1:]]
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
        if done.returncode == 0:
            LOCK.write_text(anonymize(lock.read_text("utf-8")), "utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
