"""Reading a lock: every value of ``mach.lock`` checked, and located where it is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any, NoReturn

from packaging.version import Version

from .errors import DataError
from .lock import (
    LOCK_VERSION,
    BuildClosure,
    Lock,
    LockedAttribute,
    LockedCheckout,
    LockTarget,
    Nixpkgs,
    Pin,
    digest_closure,
)
from .lock_artifacts import ArtifactReader
from .lock_values import (
    Invalid,
    check_closed,
    check_filename,
    join,
    kind,
    read_edges,
    read_extra,
    read_integer,
    read_list,
    read_mapping,
    read_matching,
    read_project,
    read_python,
    read_reference,
    read_text,
    read_version,
    shown,
)
from .nixpkgs_pin import is_nix_sha256, is_revision

__all__ = ["read_lock"]

_LOCK_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SNAPSHOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._+-]{0,127}")
_SYSTEM = re.compile(r"[a-z0-9_]{1,20}-[a-z0-9]{1,20}")
_GLIBC = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
_MAX_DEPTH = 64


def read_lock(text: str, name: str = "mach.lock") -> Lock:
    """Return the lock that *text* holds; see :func:`resolver.lock.parse_lock`."""
    try:
        value = _load(text)
        minor = _check_version(value, name)
        return _Reader(strict=minor <= int(LOCK_VERSION.split(".")[1])).lock(value)
    except Invalid as error:
        raise DataError(
            "lock-invalid",
            f"{name} is not a valid lock: {error.where}: {error.message}" if error.where else f"{name} {error.message}",
            hint="take the file back from version control, or delete it and run `mach lock` again",
            details={"file": name, "where": error.where},
        ) from error


def _load(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        conflict = re.search(r"^(?:<{7}|>{7}) ", text, re.MULTILINE)
        if conflict:
            line = text.count("\n", 0, conflict.start()) + 1
            raise Invalid("", f"holds an unresolved merge conflict at line {line}") from error
        raise Invalid("", f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise Invalid("", "is not a lock: it is nested too deeply") from error
    except ValueError as error:
        raise Invalid("", f"is not JSON that mach reads: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise Invalid("", f"is not a lock: it holds {kind(value)}, not an object")
    _check_texts(value, "", _MAX_DEPTH)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shown(twice)} stands twice in one object")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON value")


def _check_texts(value: object, where: str, depth: int) -> None:
    """Refuse text that no file, URL or Nix string can hold (NUL, lone surrogates), wherever it stands."""
    if isinstance(value, str):
        if "\0" in value:
            raise Invalid(where, "text with a NUL character")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Invalid(where, "text with a lone surrogate") from None
    elif depth == 0 and isinstance(value, dict | list):
        raise Invalid(where, "nested too deeply")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_texts(key, join(where, key), depth)
            _check_texts(item, join(where, key), depth - 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_texts(item, f"{where}[{number}]", depth - 1)


def _check_version(value: Mapping[str, Any], name: str) -> int:
    """Return the minor version of the lock's form; only a major version that mach reads gets through."""
    if "lock-version" not in value:
        raise Invalid("", "is not a lock: it has no lock-version")
    text = value["lock-version"]
    parsed = _LOCK_VERSION.fullmatch(text) if isinstance(text, str) else None
    if parsed is None:
        raise Invalid("lock-version", f'{shown(text)} is not a version of the lock\'s form, such as "{LOCK_VERSION}"')
    major, ours = int(parsed[1]), int(LOCK_VERSION.split(".")[0])
    if major > ours:
        raise DataError(
            "lock-too-new",
            f"{name} has lock-version {text}, and this mach reads {ours}.x",
            hint=f"install a newer mach, one that reads lock-version {major}: pipx upgrade mach-resolver, "
            "or uv tool upgrade mach-resolver",
            details={"file": name, "lock-version": text, "reads": LOCK_VERSION},
        )
    if major < ours:
        raise Invalid("lock-version", f"{text} was never written by mach")
    return int(parsed[2])


class _Reader(ArtifactReader):
    """Makes values of the lock's JSON; *strict* refuses keys that this mach does not know."""

    def lock(self, value: Mapping[str, Any]) -> Lock:
        required = "lock-version resolver-version request policy facts targets tools build-closures"
        self.keys(value, "", required, "snapshot nixpkgs")
        given = read_mapping(value["build-closures"], "build-closures")
        for digest in given:
            where = f"build-closures key {shown(digest)}"
            read_matching(_DIGEST, digest, where, "sha256: and 64 hexadecimal digits")
        # each is named by the digest of its content, so that none can hold itself
        closures = {digest: self.closure(item, digest, given.keys()) for digest, item in given.items()}
        targets = read_list(value["targets"], "targets", lambda item, where: self.target(item, where, closures.keys()))
        if not targets:
            raise Invalid("targets", "it must name at least one target")
        ordered = sorted(targets, key=lambda t: (t.system, Version(t.python)))
        for first, second in pairwise(ordered):
            if (first.system, first.python) == (second.system, second.python):
                raise Invalid("targets", f"{first.system} with Python {first.python} stands twice")
        snapshot, nixpkgs = value.get("snapshot"), value.get("nixpkgs")
        if nixpkgs is None and any(pin.provider == "nixpkgs" for target in targets for pin in target.pins):
            raise Invalid("nixpkgs", "it must be pinned, as a pin comes from it")
        return Lock(
            request=read_mapping(value["request"], "request"),
            policy=read_mapping(value["policy"], "policy"),
            facts=read_matching(_DIGEST, value["facts"], "facts", "sha256: and 64 hexadecimal digits"),
            snapshot=None
            if snapshot is None
            else read_matching(_SNAPSHOT, snapshot, "snapshot", "the id of a snapshot"),
            nixpkgs=None if nixpkgs is None else self.nixpkgs(nixpkgs, "nixpkgs"),
            targets=tuple(ordered),
            tools={
                read_project(tool, f"tools.{tool}"): self.tool(tool, item, f"tools.{tool}")
                for tool, item in read_mapping(value["tools"], "tools").items()
            },
            build_closures=closures,
            resolver_version=read_integer(value["resolver-version"], "resolver-version", least=1),
            lock_version=value["lock-version"],
        )

    def nixpkgs(self, value: object, where: str) -> Nixpkgs:
        given = self.keys(value, where, "rev sha256")
        rev, sha256 = read_text(given["rev"], f"{where}.rev"), read_text(given["sha256"], f"{where}.sha256")
        if not is_revision(rev):
            raise Invalid(f"{where}.rev", f"{shown(rev)} is not a commit of 40 hexadecimal digits")
        if not is_nix_sha256(sha256):
            raise Invalid(f"{where}.sha256", f"{shown(sha256)} is not a SHA-256 as Nix writes it")
        return Nixpkgs(rev=rev, sha256=sha256)

    def target(self, value: object, where: str, closures: Collection[str]) -> LockTarget:
        given = self.keys(value, where, "system python python-interval glibc roots pins")
        python = read_python(given["python"], f"{where}.python")
        interval = read_list(given["python-interval"], f"{where}.python-interval", read_python)
        if len(interval) != 2 or not Version(interval[0]) <= Version(python) < Version(interval[1]):
            raise Invalid(f"{where}.python-interval", f"it must be two versions around {python}, the first included")
        glibc = given["glibc"]
        if glibc is not None:
            read_matching(_GLIBC, glibc, f"{where}.glibc", "a glibc version such as 2.28, or null")
        pins = self.pins(given["pins"], f"{where}.pins", closures)
        roots = read_edges(given["roots"], f"{where}.roots")
        check_closed(roots, pins, f"{where}.roots")
        return LockTarget(
            system=read_matching(_SYSTEM, given["system"], f"{where}.system", "a Nix system name such as x86_64-linux"),
            python=python,
            python_interval=(interval[0], interval[1]),
            glibc=glibc,
            roots=roots,
            pins=pins,
        )

    def closure(self, value: object, digest: str, closures: Collection[str]) -> BuildClosure:
        where = f"build-closures.{shown(digest)}"
        given = self.keys(value, where, "pins")
        closure = BuildClosure(pins=self.pins(given["pins"], f"{where}.pins", closures, inside=True))
        actual = digest_closure(closure)
        if actual != digest:
            raise Invalid(where, f"its content has the digest {actual}")
        return closure

    def pins(self, value: object, where: str, closures: Collection[str], *, inside: bool = False) -> tuple[Pin, ...]:
        """Return the pins sorted by name.

        :param closures: the digests that the lock has build closures for.
        :param inside: of a build closure, where nothing comes from a direct reference.
        """
        pins = read_list(value, where, lambda item, at: self.pin(item, at, closures, inside=inside))
        at: dict[str, int] = {}
        for number, pin in enumerate(pins):
            if pin.name in at:
                raise Invalid(f"{where}[{number}].name", f"{pin.name} is pinned by {where}[{at[pin.name]}] already")
            at[pin.name] = number
        for number, pin in enumerate(pins):
            check_closed(pin.dependencies, pins, f"{where}[{number}].dependencies")
        return tuple(sorted(pins, key=lambda pin: pin.name))

    def pin(self, value: object, where: str, closures: Collection[str], *, inside: bool) -> Pin:
        given = self.keys(
            value,
            where,
            "name version provider artifact dependencies",
            "extras build crates built-on passed-over fallback direct",
        )
        name = read_project(given["name"], f"{where}.name")
        version = read_version(given["version"], f"{where}.version")
        provider = given["provider"]
        possible = ("wheel", "sdist") if inside else ("wheel", "sdist", "nixpkgs")
        if provider not in possible:
            raise Invalid(
                f"{where}.provider", f"{shown(provider)} is not a provider that can stand here ({', '.join(possible)})"
            )
        direct = given.get("direct")
        if direct is not None:
            direct = read_reference(direct, f"{where}.direct")
        artifact = self.locked(given["artifact"], f"{where}.artifact", None if inside else direct)
        if isinstance(artifact, LockedAttribute) is not (provider == "nixpkgs"):
            raise Invalid(f"{where}.artifact.type", "an attribute is what nixpkgs provides, and nothing else")
        if isinstance(artifact, LockedAttribute):
            pass
        elif isinstance(artifact, LockedCheckout) or not artifact.filename:
            if provider != "sdist":
                raise Invalid(f"{where}.provider", "a source tree is built like an sdist")
        else:
            check_filename(artifact.filename, name, version, provider, f"{where}.artifact.filename")
        extras = read_list(given.get("extras", []), f"{where}.extras", read_extra)
        if list(extras) != sorted(set(extras)):
            raise Invalid(f"{where}.extras", "they must be sorted and stand once each")
        build, passed_over = given.get("build"), given.get("passed-over")
        fallback, built_on = given.get("fallback"), given.get("built-on")
        if provider == "sdist" and (not isinstance(build, str) or build not in closures):
            raise Invalid(f"{where}.build", f"{shown(build)} does not name one of the lock's build-closures")
        if provider != "sdist":
            for key in ("build", "built-on", "crates"):
                if given.get(key) is not None:
                    raise Invalid(f"{where}.{key}", "only an sdist is built")
        return Pin(
            name=name,
            version=version,
            provider=provider,
            extras=tuple(extras),
            artifact=artifact,
            dependencies=read_edges(given["dependencies"], f"{where}.dependencies"),
            build=build,
            crates=self.crates(given["crates"], f"{where}.crates") if "crates" in given else None,
            built_on=None if built_on is None else read_text(built_on, f"{where}.built-on"),
            direct=direct,
            passed_over=None if passed_over is None else read_text(passed_over, f"{where}.passed-over"),
            fallback=None if fallback is None else read_text(fallback, f"{where}.fallback"),
        )
