"""Locks made by hand from crafted files, so that the Nix side is tested without a resolver."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping
from email.parser import BytesParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from resolver.lock import BuildClosure, Lock, LockedArtifact, LockTarget, Pin, digest_closure
from tests.support.dists import Dist, wheel_from_installed
from tests.support.native import host_python
from tests.support.nix import NixStore

__all__ = ["SYSTEM", "lock_of", "publish", "write_expression"]

SYSTEM = f"{platform.machine()}-linux"


def publish(store: NixStore, dist: Dist) -> LockedArtifact:
    """Put a file where builds may fetch it, and return its identity."""
    folder = store.files / dist.sha256
    folder.mkdir(exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9._+-]", "-", dist.filename)
    path = folder / name
    if not path.exists():
        path.write_bytes(dist.content)
    return LockedArtifact(filename=dist.filename, url=path.as_uri(), sha256=dist.sha256)


def close(
    store: NixStore, tools: Iterable[Dist], builds: Mapping[str, Iterable[Dist]], closures: dict[str, BuildClosure]
) -> str:
    """Add the build closure that *tools* make to *closures*, and those of its own sdists; return its digest."""
    pins = []
    for tool in tools:
        build = None if tool.is_wheel else close(store, builds[tool.project], builds, closures)
        pins.append(pin_of(store, tool, among=(), build=build))
    closure = BuildClosure(pins=tuple(sorted(pins, key=lambda pin: pin.name)))
    digest = digest_closure(closure)
    closures[digest] = closure
    return digest


def pin_of(store: NixStore, dist: Dist, *, among: Iterable[str], build: str | None = None) -> Pin:
    """Return the pin of one file; its edges are its requirements that are *among* the lock's projects."""
    lines = BytesParser().parsebytes(dist.metadata or b"").get_all("Requires-Dist", [])
    edges: dict[str, list[str]] = {}
    for line in lines:
        try:
            wanted = Requirement(line)
        except ValueError:
            continue
        if canonicalize_name(wanted.name) in among and wanted.marker is None:
            edges.setdefault(canonicalize_name(wanted.name), []).append(line)
    return Pin(
        name=dist.project,
        version=dist.version,
        provider="wheel" if dist.is_wheel else "sdist",
        artifact=publish(store, dist),
        dependencies={name: tuple(texts) for name, texts in sorted(edges.items())},
        build=None if dist.is_wheel else build,
    )


def lock_of(
    store: NixStore,
    *dists: Dist,
    build_with: Iterable[Dist] | None = None,
    builds: Mapping[str, Iterable[Dist]] | None = None,
    python: str | None = None,
    interval: tuple[str, str] | None = None,
    glibc: str | None = None,
    system: str = SYSTEM,
    changes: Mapping[str, object] | None = None,
) -> Lock:
    """Return a lock of these files for this machine.

    :param build_with: the build closure of every sdist; the installed setuptools by default.
    :param builds: the build closures of single projects, those of sdists in closures among them.
    :param changes: fields of the lock to set otherwise.
    """
    names = {dist.project for dist in dists}
    closures: dict[str, BuildClosure] = {}
    digests: dict[str, str] = {}
    for dist in dists:
        if not dist.is_wheel:
            usual = [wheel_from_installed("setuptools")] if build_with is None else build_with
            tools = (builds or {}).get(dist.project, usual)
            digests[dist.project] = close(store, tools, builds or {}, closures)
    short = host_python().rpartition("python")[2]  # /usr/bin/python3.11
    low = f"{short}.0"
    target = LockTarget(
        system=system,
        python=python or low,
        python_interval=interval or (low, f"3.{int(short.split('.')[1]) + 1}"),
        glibc=glibc,
        roots={name: (name,) for name in sorted(names)},
        pins=tuple(
            sorted(
                (pin_of(store, dist, among=names, build=digests.get(dist.project)) for dist in dists),
                key=lambda pin: pin.name,
            )
        ),
    )
    fields: dict[str, object] = {
        "request": {},
        "policy": {},
        "facts": "sha256:" + "0" * 64,
        "targets": (target,),
        "tools": {name: publish(store, wheel_from_installed(name)) for name in ("installer", "pyproject-hooks")},
        "build_closures": closures,
    }
    return Lock(**{**fields, **(changes or {})})  # type: ignore[arg-type]


def write_expression(folder: Path, lock: Lock) -> Path:
    """Write the single file of *lock* below *folder* and return its path."""
    from nix.expression import render_expression

    path = folder / "python.nix"
    path.write_text(render_expression(lock), encoding="utf-8")
    return path
