"""The lock: the concrete, hashed result of a resolution, as values and as JSON text.

Design goals: complete (a lock alone is enough to write the Nix expression), readable
by ``builtins.fromJSON``, the same bytes for the same content, small diffs (sorted, one
field a line), checkable without a catalog.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .crates import Crate, crate_url
from .json_text import write_json

__all__ = [
    "LOCK_VERSION",
    "RESOLVER_VERSION",
    "BuildClosure",
    "Lock",
    "LockTarget",
    "Locked",
    "LockedArtifact",
    "LockedAttribute",
    "LockedCheckout",
    "LockedCrate",
    "LockedPath",
    "Nixpkgs",
    "Pin",
    "digest_closure",
    "lock_to_json",
    "parse_lock",
    "render_lock",
]

#: Version of the lock's form; a reader refuses an unknown major and reads an unknown minor.
LOCK_VERSION = "1.0"
#: Raised when the same request and facts may give another answer than before.
RESOLVER_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedArtifact:
    """Identity of one file: what Nix fetches."""

    filename: str
    url: str
    sha256: str
    """64 hexadecimal digits."""
    size: int | None = None
    """Bytes, where the index told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedCrate(LockedArtifact):
    """Identity of a crate that an sdist's Rust parts are built with; its file name follows from name and version."""

    name: str
    version: str

    @classmethod
    def of(cls, crate: Crate, base: str) -> LockedCrate:
        """Return *crate* with its address below *base*, as :func:`resolver.crates.crate_url` takes it."""
        filename = f"{crate.name}-{crate.version}.crate"
        url = crate_url(base, crate)
        return cls(filename=filename, url=url, sha256=crate.sha256, name=crate.name, version=crate.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedCheckout:
    """Identity of a commit of a git repository: what Nix fetches, whole, without ``.git`` and submodules."""

    url: str
    """Of the repository: https, http, ssh or file."""
    commit: str
    """40 hexadecimal digits."""
    nar_sha256: str
    """64 hexadecimal digits; in the lock ``nar-hash``, as Nix writes it (``sha256-…``)."""
    subdirectory: str = ""
    """The project's folder in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPath:
    """Identity of a folder, wheel or sdist on the user's disk: what Nix copies."""

    path: str
    """Absolute, or relative to the folder of the lock and beginning with ``.``."""
    states: str
    """``sha256:…`` over what it said of itself: another one asks for a new lock."""
    filename: str = ""
    """Of a wheel or an sdist; empty for a folder."""
    sha256: str | None = None
    """Of a wheel or an sdist, 64 hexadecimal digits."""
    editable: bool = False
    """A shell takes the working tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedAttribute:
    """Identity of what nixpkgs provides: an attribute of its Python set, in the nixpkgs that the lock pins."""

    attribute: str
    """Below ``python3XX.pkgs``."""
    version: str
    """As nixpkgs has it, which builds compare; need not be spelled as the pin's."""


Locked = LockedArtifact | LockedCheckout | LockedPath | LockedAttribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One project at one version from one provider."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    provider: str
    """``wheel``, ``sdist`` or ``nixpkgs``."""
    extras: tuple[str, ...] = ()
    artifact: Locked
    dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Normalised project -> the requirements (PEP 508, markers removed) that hold on this target."""
    build: str | None = None
    """Digest of the build closure; sdists only."""
    crates: tuple[LockedCrate, ...] | None = None
    """What its Rust parts are built with, sorted by name and version; None where it has none."""
    built_on: str | None = None
    """Where its build backend was asked, ``Python 3.11 on x86_64-linux``, where that is not the target itself."""
    passed_over: str | None = None
    """A newer version that the provider order passed over, ``2.4.0 (sdist)``."""
    direct: str | None = None
    """The direct reference that provides it, in normal form; None where an index does."""
    fallback: str | None = None
    """Why it does not come from its best provider, ``from wheel: no version of it fits the other pins``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildClosure:
    """The environment in which an sdist is built."""

    pins: tuple[Pin, ...]
    """Sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTarget:
    """The result for one platform and one Python."""

    system: str
    """Nix system name: ``x86_64-linux``."""
    python: str
    """Exact version it was resolved for: ``3.11.9``."""
    python_interval: tuple[str, str]
    """Lowest patch version, and the first one above, for which the same answer holds: ``(3.11.0, 3.12)``."""
    glibc: str | None
    """Highest glibc that a chosen wheel's tag asks for (``2.28``); None on macOS or where none does."""
    roots: Mapping[str, tuple[str, ...]]
    """Normalised project -> the user's requirements for it that hold on this target."""
    pins: tuple[Pin, ...]
    """Sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nixpkgs:
    """A pinned nixpkgs."""

    rev: str
    """Git commit."""
    sha256: str
    """Hash of the unpacked tarball, SRI (``sha256-…``) or Nix base 32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock."""

    request: Mapping[str, Any]
    """The normalised request, plain JSON values; see :mod:`resolver.lock_request`."""
    policy: Mapping[str, Any]
    """Constants that took part in the answer."""
    facts: str
    """``sha256:…`` over exactly the facts that the resolution read."""
    snapshot: str | None = None
    """Snapshot id, only where the user pinned one."""
    nixpkgs: Nixpkgs | None = None
    targets: tuple[LockTarget, ...]
    """Sorted by system, then Python."""
    tools: Mapping[str, LockedArtifact]
    """``installer`` and ``pyproject-hooks``: wheels that the builders run."""
    build_closures: Mapping[str, BuildClosure] = field(default_factory=dict)
    """By digest of their content, as :func:`digest_closure` computes it."""
    resolver_version: int = RESOLVER_VERSION
    lock_version: str = LOCK_VERSION


def _artifact_to_json(artifact: Locked) -> dict[str, Any]:
    value: dict[str, Any]
    if isinstance(artifact, LockedCheckout):
        value = {
            "type": "vcs",
            "vcs": "git",
            "url": artifact.url,
            "commit": artifact.commit,
            "nar-hash": "sha256-" + b64encode(bytes.fromhex(artifact.nar_sha256)).decode(),
        }
        return value | ({"subdirectory": artifact.subdirectory} if artifact.subdirectory else {})
    if isinstance(artifact, LockedPath):
        value = {"type": "path", "path": artifact.path, "states": artifact.states}
        if artifact.filename:
            value |= {"filename": artifact.filename, "sha256": artifact.sha256}
        return value | ({"editable": True} if artifact.editable else {})
    if isinstance(artifact, LockedAttribute):
        return {"type": "nixpkgs", "attribute": artifact.attribute, "version": artifact.version}
    value = {
        "type": "url",
        "filename": artifact.filename,
        "url": artifact.url,
        "sha256": artifact.sha256,
    }
    if artifact.size is not None:
        value["size"] = artifact.size
    return value


def _pin_to_json(pin: Pin) -> dict[str, Any]:
    value: dict[str, Any] = {
        "name": pin.name,
        "version": pin.version,
        "provider": pin.provider,
        "artifact": _artifact_to_json(pin.artifact),
        "dependencies": {name: list(texts) for name, texts in pin.dependencies.items()},
    }
    if pin.extras:
        value["extras"] = list(pin.extras)
    if pin.build is not None:
        value["build"] = pin.build
    if pin.crates is not None:
        value["crates"] = [
            {"name": crate.name, "version": crate.version, "url": crate.url, "sha256": crate.sha256}
            for crate in pin.crates
        ]
    if pin.built_on is not None:
        value["built-on"] = pin.built_on
    if pin.direct is not None:
        value["direct"] = pin.direct
    if pin.passed_over is not None:
        value["passed-over"] = pin.passed_over
    if pin.fallback is not None:
        value["fallback"] = pin.fallback
    return value


def digest_closure(closure: BuildClosure) -> str:
    """Return the name of *closure* in a lock: ``sha256:`` and 64 hexadecimal digits over its pins' JSON."""
    pins = [_pin_to_json(pin) for pin in closure.pins]
    text = json.dumps(pins, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def lock_to_json(lock: Lock) -> dict[str, Any]:
    """Return *lock* as plain JSON values."""
    return {
        "lock-version": lock.lock_version,
        "resolver-version": lock.resolver_version,
        "request": dict(lock.request),
        "policy": dict(lock.policy),
        "facts": lock.facts,
        "snapshot": lock.snapshot,
        "nixpkgs": None if lock.nixpkgs is None else {"rev": lock.nixpkgs.rev, "sha256": lock.nixpkgs.sha256},
        "targets": [
            {
                "system": t.system,
                "python": t.python,
                "python-interval": list(t.python_interval),
                "glibc": t.glibc,
                "roots": {name: list(texts) for name, texts in t.roots.items()},
                "pins": [_pin_to_json(p) for p in t.pins],
            }
            for t in lock.targets
        ],
        "tools": {name: _artifact_to_json(a) for name, a in lock.tools.items()},
        "build-closures": {
            digest: {"pins": [_pin_to_json(p) for p in c.pins]} for digest, c in lock.build_closures.items()
        },
    }


def render_lock(lock: Lock) -> str:
    """Return the text of ``mach.lock``: sorted keys, one field a line, a final newline."""
    return write_json(lock_to_json(lock)) + "\n"


def parse_lock(text: str, name: str = "mach.lock") -> Lock:
    """Return the lock that *text* holds; ``parse_lock(render_lock(lock)) == lock``.

    :param name: the file it came from, for messages.
    :raises DataError: ``lock-too-new`` where its major version is newer than
        :data:`LOCK_VERSION`, ``lock-invalid`` where anything in it is wrong; the message
        says where (``targets[0].pins[3].artifact.sha256``).
    """
    from .lock_reader import read_lock

    return read_lock(text, name)
