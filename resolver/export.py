"""A lock in other tools' forms: lines of requirements.txt, and ``pylock.toml`` (PEP 751)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from packaging.markers import Marker
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockValidationError,
)
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from .direct import Reference, parse_reference
from .errors import InputError
from .lock import LockedArtifact, LockedAttribute, LockedCheckout, LockedPath, LockTarget, Pin
from .names import normalize_project
from .target import make_target

__all__ = ["to_pylock", "to_requirements"]


def to_requirements(target: LockTarget, *, hashes: bool = False) -> str:
    """Return ``NAME==VERSION`` lines sorted by name; pip installs them with ``--no-deps``.

    What a direct reference provides stands as ``NAME @ URL``, the commit in it, or as its path; what
    nixpkgs provides as the same version, which pip takes from its index.

    :param hashes: with the SHA-256 of the locked file, for ``--require-hashes``.
    :raises InputError: ``hash-missing`` where something of nixpkgs would need one.
    """
    tail = " \\\n    --hash=sha256:{}" if hashes else ""
    return "".join(_line(pin, tail) for pin in target.pins)


def _line(pin: Pin, tail: str) -> str:
    artifact = pin.artifact
    if isinstance(artifact, LockedCheckout):
        # a commit is its own hash, and pip takes none for it
        return f"{pin.name} @ {_address(artifact)}\n"
    if isinstance(artifact, LockedPath):
        if artifact.editable:
            return f"-e {artifact.path}\n"
        return f"{artifact.path}{tail.format(artifact.sha256) if artifact.sha256 else ''}\n"
    if isinstance(artifact, LockedAttribute):
        if tail:
            raise InputError(
                "hash-missing",
                f"{pin.name} {pin.version} comes from nixpkgs, which builds it: no file of it has a hash",
                hint="export without --hashes, or lock it from wheels and sdists alone",
            )
        return f"{pin.name}=={pin.version}\n"
    stated = f"{pin.name}=={pin.version}" if pin.direct is None else f"{pin.name} @ {artifact.url}"
    return f"{stated}{tail.format(artifact.sha256)}\n"


def _address(artifact: LockedCheckout) -> str:
    reference = Reference(
        kind="vcs", location=artifact.url, revision=artifact.commit, subdirectory=artifact.subdirectory
    )
    return str(reference)


def to_pylock(targets: Sequence[LockTarget]) -> str:
    """Return a ``pylock.toml`` (PEP 751) for all of *targets*, at least one.

    A release that not all targets share carries the marker of those that have it. Build
    closures have no place in the form and are left out.

    :raises InputError: ``not-in-pylock`` where PEP 751 cannot express a pin.
    """
    markers = [_marker(target, targets) for target in targets]
    groups: dict[tuple[str, str, str], dict[int, Pin]] = {}
    for number, target in enumerate(targets):
        for pin in target.pins:
            groups.setdefault((pin.name, pin.version, pin.provider), {})[number] = pin
    lows = [Version(target.python_interval[0]) for target in targets]
    highs = [Version(target.python_interval[1]) for target in targets]
    try:
        pylock = Pylock(
            lock_version=Version("1.0"),
            environments=[Marker(text) for text in markers],
            requires_python=SpecifierSet(f">={min(lows)},<{max(highs)}"),
            created_by="mach",
            packages=[
                _package(pins, targets, None if len(pins) == len(targets) else " or ".join(markers[n] for n in pins))
                for _, pins in sorted(groups.items())
            ],
        )
        pylock.validate()
    except PylockValidationError as error:
        raise InputError(
            "not-in-pylock",
            f"pylock.toml cannot express this lock: {error}",
            hint="take --format requirements",
        ) from error
    return _render(pylock.to_dict())


def _marker(target: LockTarget, targets: Sequence[LockTarget]) -> str:
    environment = make_target(target.system, target.python).environment
    parts = [f'{key} == "{environment[key]}"' for key in ("sys_platform", "platform_machine")]
    if len({other.python_interval for other in targets}) > 1:
        low, high = target.python_interval
        parts += [f'python_full_version >= "{low}"', f'python_full_version < "{high}"']
    return " and ".join(parts)


def _package(pins: Mapping[int, Pin], targets: Sequence[LockTarget], marker: str | None) -> Package:
    first = next(iter(pins.values()))
    if first.provider == "nixpkgs":
        raise PylockValidationError(f"{first.name} {first.version} comes from nixpkgs, for which PEP 751 has no form")
    if first.direct is not None:
        if len({pin.artifact for pin in pins.values()}) > 1:
            raise PylockValidationError(f"{first.name} {first.version} comes from another place for each target")
        source = _direct_source(first)
        artifacts: dict[str, LockedArtifact] = {}
    else:
        source = {}
        artifacts = {a.sha256: a for pin in pins.values() if isinstance(a := pin.artifact, LockedArtifact)}
    files: list[dict[str, Any]] = [
        {"name": a.filename, "url": a.url, "size": a.size, "hashes": {"sha256": a.sha256}}
        for a in sorted(artifacts.values(), key=lambda a: a.filename)
    ]
    edges = sorted(
        {
            (other.name, other.version)
            for number, pin in pins.items()
            for other in targets[number].pins
            if other.name in pin.dependencies and other.name != pin.name
        }
    )
    if first.provider == "sdist" and len(files) > 1:
        raise PylockValidationError(f"{first.name} {first.version} has another sdist for each target")
    return Package(
        name=normalize_project(first.name),
        version=Version(first.version),
        marker=None if marker is None else Marker(marker),
        dependencies=[{"name": name, "version": version} for name, version in edges] or None,
        wheels=[PackageWheel(**file) for file in files] if files and first.provider == "wheel" else None,
        sdist=PackageSdist(**files[0]) if files and first.provider == "sdist" else None,
        **source,
    )


def _direct_source(pin: Pin) -> dict[str, Any]:
    """Return where a direct reference's pin comes from, as PEP 751 says it: ``vcs``, ``directory`` or ``archive``."""
    artifact = pin.artifact
    if isinstance(artifact, LockedCheckout):
        requested = parse_reference(pin.direct).revision if pin.direct else ""
        return {
            "vcs": PackageVcs(
                type="git",
                url=artifact.url,
                commit_id=artifact.commit,
                requested_revision=requested or None,
                subdirectory=artifact.subdirectory or None,
            )
        }
    if isinstance(artifact, LockedPath):
        if artifact.sha256 is None:
            return {"directory": PackageDirectory(path=artifact.path, editable=artifact.editable or None)}
        return {"archive": PackageArchive(path=artifact.path, hashes={"sha256": artifact.sha256})}
    assert isinstance(artifact, LockedArtifact), "no reference names an attribute of nixpkgs"
    return {"archive": PackageArchive(url=artifact.url, size=artifact.size, hashes={"sha256": artifact.sha256})}


def _render(value: Mapping[str, Any]) -> str:
    """Return the TOML text of a pylock's dictionary: its own keys, then one table for each package."""
    lines = [f"{key} = {_literal(item)}" for key, item in value.items() if key != "packages"]
    for package in value["packages"]:
        lines += ["", "[[packages]]"]
        lines += [f"{key} = {_literal(item, broken=key == 'wheels')}" for key, item in package.items()]
    return "\n".join(lines) + "\n"


def _literal(value: object, *, broken: bool = False) -> str:
    """Return *value* as a TOML value on one line, or a list with one item a line where *broken*."""
    if isinstance(value, str):
        # TOML's basic strings are JSON's, but for DEL, which TOML wants escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_literal(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Sequence):
        items = [_literal(item) for item in value]
        return "[\n" + "".join(f"    {item},\n" for item in items) + "]" if broken else f"[{', '.join(items)}]"
    raise TypeError(f"no TOML value: {type(value).__name__}")
