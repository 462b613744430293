"""Crates, the parts of a Rust project that a registry has: what names one, and where it is fetched from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from .errors import InputError, shorten

__all__ = [
    "NO_CARGO_LOCK",
    "RUST_BACKENDS",
    "Crate",
    "check_crate",
    "check_crates",
    "crate_url",
    "default_crates_url",
    "parse_crates_url",
    "read_crates",
]

#: Build requirements that say that a project is built with Rust.
RUST_BACKENDS = frozenset({"maturin", "setuptools-rust"})
#: Why such a project cannot be used where nothing says which crates it takes.
NO_CARGO_LOCK = "it is built with Rust and has no Cargo.lock"

#: Names that registries admit (Cargo Book, "Registry index": letters, digits, - and _, at most 64).
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = r"(?:0|[1-9][0-9]{0,17})"
#: Semantic Versioning 2.0.0.
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_LONGEST_VERSION = 128
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MARKER = re.compile(r"\{(crate|version|prefix|lowerprefix|sha256-checksum)\}")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Crate:
    """One crate of the public registry, as a Cargo.lock names it."""

    name: str
    version: str
    """Semantic: ``0.11.0+wasi-snapshot-preview1``."""
    sha256: str
    """Of the ``.crate`` archive, 64 hexadecimal digits."""


def check_crate(crate: Crate) -> Crate:
    """Return *crate*; raise :class:`ValueError` where name, version or checksum is none."""
    if not _NAME.fullmatch(crate.name):
        raise ValueError(f"{shorten(crate.name, 80)!r} is not the name of a crate")
    if len(crate.version) > _LONGEST_VERSION or not _VERSION.fullmatch(crate.version):
        raise ValueError(f"{shorten(crate.version, 80)!r} is not the version of a crate")
    if not _SHA256.fullmatch(crate.sha256):
        raise ValueError(f"{shorten(crate.sha256, 80)!r} is not the checksum of a crate")
    return crate


def check_crates(crates: Sequence[Crate]) -> tuple[Crate, ...]:
    """Return *crates*; raise :class:`ValueError` where one is none, or they do not ascend by name and version."""
    names = [(check_crate(crate).name, crate.version) for crate in crates]
    if any(not first < second for first, second in pairwise(names)):
        raise ValueError("the crates do not ascend")
    return tuple(crates)


def read_crates(build: Sequence[Any]) -> tuple[Crate, ...] | None:
    """Return the crates of a build item of :attr:`resolver.catalog.Page.depsets`; None where it has none to give."""
    if len(build) < 5 or build[4] is None:
        return None
    return tuple(Crate(name=name, version=version, sha256=sha256) for name, version, sha256 in build[4])


def crate_url(base: str, crate: Crate) -> str:
    """Return where a registry has *crate*.

    :param base: ``dl`` of the registry's config.json (Cargo Book, "Index Format"): a template with ``{crate}``,
        ``{version}``, ``{prefix}``, ``{lowerprefix}`` or ``{sha256-checksum}``; one without any of them
        is followed by ``/{crate}/{version}/download``.
    """
    if not _MARKER.search(base):
        base = base.rstrip("/") + "/{crate}/{version}/download"
    prefix = _prefix(crate.name)
    values = {
        "crate": crate.name,
        "version": crate.version,
        "prefix": prefix,
        "lowerprefix": prefix.lower(),
        "sha256-checksum": crate.sha256,
    }
    return _MARKER.sub(lambda match: values[match[1]], base)


@cache
def default_crates_url() -> str:
    """Return where the public registry has crates, as the installed packageurl knows it (its import takes 8 ms)."""
    from packageurl.contrib.purl2url import get_download_url

    url = str(get_download_url("pkg:cargo/NAME@VERSION"))  # type: ignore[no-untyped-call]  # it has no types
    template = url.replace("NAME", "{crate}").replace("VERSION", "{version}")
    return parse_crates_url(template.removesuffix("/{crate}/{version}/download"))


def _prefix(name: str) -> str:
    """Return the folder of a crate in an index (Cargo Book, "Index files")."""
    if len(name) <= 3:
        return {1: "1", 2: "2", 3: f"3/{name[0]}"}[len(name)]
    return f"{name[:2]}/{name[2:4]}"


def parse_crates_url(text: str) -> str:
    """Return *text*, which must say where crates are, as :func:`crate_url` takes it.

    :raises InputError: ``invalid-crates-url``.
    """
    probe = crate_url(text, Crate(name="name", version="1.0.0", sha256="0" * 64))
    try:
        parts = urlsplit(probe)
        parts.port  # noqa: B018  it raises where the port is no number
        if not probe.isascii() or not probe.isprintable() or re.search(r"[\s\\\"<>`{}|^#]", probe):
            raise ValueError("it holds characters that no URL has, or a marker that there is not")
        if parts.scheme not in ("http", "https", "file") or (parts.scheme != "file" and not parts.hostname):
            raise ValueError("it is neither http, https nor file")
        if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
            raise ValueError("it is not the URL of an absolute path")
        if "@" in parts.netloc:
            raise ValueError("it holds a user name or password")
    except ValueError as error:
        shown = "the URL" if "@" in text else f"{shorten(text, 200)!r}"
        raise InputError(
            "invalid-crates-url",
            f"{shown} does not say where crates are: {error}",
            hint="write the `dl` of the registry's config.json, for example "
            "https://crates.example/{crate}/{crate}-{version}.crate",
        ) from error
    return text
