"""Reading a Cargo.lock: the crates that it takes from the public registry, with their checksums."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from resolver.crates import Crate, check_crate
from resolver.errors import printable, shorten

__all__ = ["LARGEST_CARGO_LOCK", "UnusableCargoLock", "parse_cargo_lock"]

LARGEST_CARGO_LOCK = 4 << 20
_MOST_PACKAGES = 5_000
#: How cargo names the public registry, over whichever protocol it asks it (cargo: CRATES_IO_INDEX).
_REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
_FORMATS = (1, 2, 3, 4)


class UnusableCargoLock(Exception):
    """A Rust project that cannot be locked; the text is a sentence that begins with "it"."""


def parse_cargo_lock(data: bytes) -> tuple[Crate, ...]:
    """Return the crates that the Cargo.lock *data* takes from the public registry, sorted.

    Packages without a source are the project's own. The formats 1 to 4 are read (cargo: "version" at the
    top; the first two have none, and the first keeps checksums under [metadata]).

    :raises UnusableCargoLock: where it does not parse, or takes something from elsewhere or without a checksum.
    """
    if len(data) > LARGEST_CARGO_LOCK:
        raise UnusableCargoLock(f"its Cargo.lock is larger than {LARGEST_CARGO_LOCK} bytes")
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise UnusableCargoLock(f"its Cargo.lock does not parse ({type(error).__name__})") from error
    stated = document.get("version", 1)
    if type(stated) is not int or stated not in _FORMATS:
        raise UnusableCargoLock(f"its Cargo.lock is of a format that mach does not read ({_shown(stated)})")
    packages, metadata = document.get("package", []), document.get("metadata", {})
    if not isinstance(packages, list) or not isinstance(metadata, dict):
        raise UnusableCargoLock("its Cargo.lock has packages or metadata of another form than cargo writes")
    if len(packages) > _MOST_PACKAGES:
        raise UnusableCargoLock(f"its Cargo.lock has more than {_MOST_PACKAGES} packages")
    found: dict[tuple[str, str], Crate] = {}
    for package in packages:
        crate = _crate(package, metadata)
        if crate is not None and found.setdefault((crate.name, crate.version), crate) != crate:
            raise UnusableCargoLock(f"its Cargo.lock has two checksums for {crate.name} {crate.version}")
    return tuple(sorted(found.values()))


def _crate(package: Any, metadata: dict[str, Any]) -> Crate | None:
    """Return the crate that an entry names, None where it is the project's own."""
    if not isinstance(package, dict):
        raise UnusableCargoLock("its Cargo.lock has packages of another form than cargo writes")
    name, version, source = package.get("name"), package.get("version"), package.get("source")
    if source is None:
        return None
    if not isinstance(name, str) or not isinstance(version, str) or not isinstance(source, str):
        raise UnusableCargoLock("its Cargo.lock has a package without name, version or source")
    if source != _REGISTRY:
        where = "a git repository" if source.startswith("git+") else "another registry"
        raise UnusableCargoLock(f"its Cargo.lock takes {_shown(name)} from {where}, which mach does not lock")
    checksum = package.get("checksum", metadata.get(f"checksum {name} {version} ({source})"))
    if not isinstance(checksum, str) or checksum == "<none>":
        raise UnusableCargoLock(f"its Cargo.lock has no checksum for {_shown(name)} {_shown(version)}")
    try:
        return check_crate(Crate(name=name, version=version, sha256=checksum))
    except ValueError as error:
        raise UnusableCargoLock(f"its Cargo.lock is not one that cargo writes: {printable(str(error))}") from error


def _shown(value: object) -> str:
    """Return a word of the publisher's as a message may hold it."""
    text = value if isinstance(value, str) else repr(value)
    return text if re.fullmatch(r"[\w.+-]{1,64}", text, re.ASCII) else printable(repr(shorten(text, 64)))
