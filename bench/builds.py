"""``python -m bench.builds``: an environment of 100 real wheels, built by Nix from an empty store, against uv and pip.

All of them get the same files from this disk. Then one wheel is another one, and is built again; and an expression of
300 pins is evaluated. Builds are with the stand-in nixpkgs: what nixpkgs itself takes is not in them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nix.expression import render_expression
from resolver.lock import Lock, LockedArtifact, Pin, parse_lock
from tests.support.nix import host_python, open_store
from tests.support.nix_slots import remove_tree

from .clock import machine, verdict

#: Wheels alone, for a Python that the stand-in has; 300 pins and more.
REQUIREMENTS = ("apache-airflow[celery,postgres,redis,amazon,google]==3.0.6",)
_UV = (*("uv", "pip", "install", "--python", "VENV"), *("--quiet", "--offline", "--no-deps", "--no-cache"))
_PIP = (
    *(sys.executable, "-m", "pip", "--python", "VENV", "install"),
    *("--quiet", "--no-index", "--no-deps", "--no-cache-dir"),
)
_BUILDING = re.compile(r"^building '/[^']*/\w{32}-(.+)\.drv'", re.M)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/mach-bench").expanduser())
    parser.add_argument("--wheels", type=int, default=100)
    parser.add_argument("--pins", type=int, default=300)
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    print(machine())
    lock, archive = fetch(asked.cache)
    few = shorten(lock, asked.wheels)
    with tempfile.TemporaryDirectory() as scratch:
        files = lay_out(few, archive, Path(scratch, "wheels"))
        times = {
            "uv": clock(_UV, files, Path(scratch, "uv")),
            "pip": clock(_PIP, files, Path(scratch, "pip")),
        }
        store = open_store(Path(scratch, "store"))
        environ = store.env()
        times["nix"], built = build(few, archive, Path(scratch), environ)
        print(f"{len(files)} wheels, {sum(file.stat().st_size for file in files) >> 20} MiB")
        for name, seconds in times.items():
            ratios = f"{seconds / times['uv']:5.1f} of uv, {seconds / times['pip']:5.1f} of pip"
            print(f"  {name:<4} {seconds:6.1f} s, {ratios}")
        print(f"  built by Nix: {len(built)}")
        changed = change(few, archive)
        seconds, built = build(changed, archive, Path(scratch), environ)
        print(f"one wheel changed: {seconds:.1f} s; built again: {', '.join(built)}")
        print(f"  only it and the environment: {verdict(abs(len(built) - 2), 0, at_most=True)}")
        many = shorten(lock, asked.pins)
        seconds = evaluate(many, Path(scratch), environ)
        print(f"evaluating {len(many.targets[0].pins)} pins: {seconds:.2f} s, {verdict(seconds, 1.0, at_most=True)}")
        remove_tree(Path(scratch, "store"))


def fetch(cache: Path) -> tuple[Lock, Path]:
    """Return a lock of wheels alone, and the folder with its files by hash; both are kept in *cache*."""
    file, archive = cache / "builds.lock", cache / "builds"
    version = subprocess.check_output(
        [host_python(), "-c", "import platform; print(platform.python_version())"], text=True
    )
    mach = [sys.executable, "-m", "api.cli"]
    if not file.exists():
        words = [*REQUIREMENTS, "--python", version.strip(), "--no-build", ":all:", "-o", str(file)]
        subprocess.run([*mach, "lock", *words], check=True)
    subprocess.run([*mach, "archive", str(archive), "--lock", str(file)], check=True, stdout=subprocess.DEVNULL)
    return parse_lock(file.read_text()), archive


def shorten(lock: Lock, count: int) -> Lock:
    """Return *lock* with its first *count* pins alone, which require nothing any more."""
    (target,) = lock.targets
    pins = tuple(replace(pin, dependencies={}) for pin in target.pins[:count])
    return replace(lock, targets=(replace(target, pins=pins, roots={pin.name: (pin.name,) for pin in pins}),))


def _artifact(pin: Pin) -> LockedArtifact:
    assert isinstance(pin.artifact, LockedArtifact), "the lock is of wheels alone"
    return pin.artifact


def lay_out(lock: Lock, archive: Path, folder: Path) -> Sequence[Path]:
    """Return the wheels of *lock* in *folder*, under their own names."""
    folder.mkdir()
    files = []
    for artifact in map(_artifact, lock.targets[0].pins):
        (folder / artifact.filename).hardlink_to(archive / artifact.sha256)
        files.append(folder / artifact.filename)
    return files


def clock(installer: Sequence[str], files: Sequence[Path], venv: Path) -> float:
    """Return the seconds of installing *files* into a new virtual environment, which *installer* calls VENV."""
    subprocess.run([host_python(), "-m", "venv", "--without-pip", venv], check=True)
    words = [word.replace("VENV", str(venv)) for word in installer]
    began = time.perf_counter()
    subprocess.run([*words, *map(str, files)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def build(lock: Lock, archive: Path, folder: Path, environ: Mapping[str, str]) -> tuple[float, Sequence[str]]:
    """Return the seconds of building the environment of *lock*, and the names of what was built."""
    file = folder / "python.nix"
    file.write_text(render_expression(lock))
    words = ["nix-build", "--no-out-link", str(file), "-A", "env", "--arg", "mirrors", f"[ {archive} ]"]
    began = time.perf_counter()
    done = subprocess.run(words, env=dict(environ), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-4000:])
    return time.perf_counter() - began, _BUILDING.findall(done.stderr)


def change(lock: Lock, archive: Path) -> Lock:
    """Return *lock* with another first wheel, which holds one file more; it is put into *archive*."""
    (target,) = lock.targets
    first, *others = target.pins
    artifact = _artifact(first)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = Path(scratch, artifact.filename)
        shutil.copy(archive / artifact.sha256, wheel)
        with zipfile.ZipFile(wheel, "a") as opened:
            opened.writestr(f"changed_{os.getpid()}.py", "")
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        shutil.copy(wheel, archive / sha256)
    pins = (replace(first, artifact=replace(artifact, sha256=sha256, size=None)), *others)
    return replace(lock, targets=(replace(target, pins=pins),))


def evaluate(lock: Lock, folder: Path, environ: Mapping[str, str]) -> float:
    """Return the seconds of evaluating the environment of *lock* down to its derivation, the shortest of three."""
    file = folder / "many.nix"
    file.write_text(render_expression(lock))
    times = []
    for _ in range(3):
        began = time.perf_counter()
        words = ["nix-instantiate", str(file), "-A", "env"]
        subprocess.run(words, env=dict(environ), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
