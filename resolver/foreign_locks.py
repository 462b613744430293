"""Pins of other tools' locks, taken over: which release each target has, as requirements that hold it there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from .direct import Locate
from .errors import InputError
from .names import NormalizedName, normalize_project
from .request_file import RegistryPin
from .requirement import Requirement, refuse_escapes
from .requirements_options import redact
from .target import Target, best_tag_rank
from .toml_document import describe_type
from .user_requirement import parse_user_requirement

__all__ = [
    "ForeignPin",
    "MarkerTexts",
    "choose_hashes",
    "file_name",
    "note_left_out",
    "parse_name",
    "pin_requirements",
    "refuse_source",
    "refuse_version",
    "registries_of",
]

_LONGEST_NAME = 200
_SHA256 = re.compile(r"sha256:[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPin:
    """One release in a foreign lock."""

    project: NormalizedName
    version: str | None = None
    """None only for a direct reference."""
    url: str | None = None
    """A direct reference: ``git+https://…@COMMIT`` or the address of a file; None for a release of an index."""
    files: tuple[tuple[str, str], ...] = ()
    """(file name, ``sha256:…``) of those that the lock has a hash for."""
    registry: str | None = None
    """URL of the index that it was locked from, where the lock tells."""
    origin: str
    """``uv.lock:120``."""

    def __post_init__(self) -> None:
        try:
            if self.version is not None:
                Version(self.version)
        except InvalidVersion as error:
            raise InputError(
                "invalid-file",
                f"{self.origin}: {self.version[:60] if self.version else ''!r} is no version of {self.project}",
                hint="make the lock anew with its own tool",
            ) from error

    def __str__(self) -> str:
        return f"{self.project} {self.version or redact(self.url or '')}"


@dataclass(slots=True)
class MarkerTexts:
    """Evaluates the marker texts of one lock, each parsed once."""

    name: str
    _parsed: dict[str, Marker] = field(default_factory=dict)

    def parse(self, text: object, where: str) -> Marker:
        """Return the marker that *text* states.

        :raises InputError: ``invalid-file``.
        """
        if not isinstance(text, str):
            raise InputError("invalid-file", f"{where}: a marker is {describe_type(text)} and must be a text")
        marker = self._parsed.get(text)
        if marker is None:
            try:
                refuse_escapes(text)
                marker = self._parsed[text] = Marker(text)
            except (InvalidMarker, ValueError, RecursionError) as error:
                raise InputError(
                    "invalid-file",
                    f"{where}: {text[:120]!r} is no marker",
                    hint="make the lock anew with its own tool",
                ) from error
        return marker

    def holds(self, text: object, target: Target, where: str, *, extra: str = "") -> bool:
        """Return whether a marker holds on *target*; no marker (None) always does.

        :raises InputError: ``invalid-file`` where it is none, or compares what cannot be compared.
        """
        if text is None:
            return True
        marker = self.parse(text, where)
        try:
            return marker.evaluate({**target.environment, "extra": extra})
        except MemoryError:
            raise
        except Exception as error:  # packaging raises several, and the text is a stranger's
            raise InputError(
                "invalid-file",
                f"{where}: the marker {str(text)[:120]!r} cannot be evaluated",
                context=[f"{type(error).__name__}: {str(error)[:200]}"],
            ) from error


def choose_hashes(pin: ForeignPin, targets: Iterable[Target]) -> tuple[str, ...]:
    """Return the hashes of those files of *pin* that one of *targets* could take; of all where none could."""
    targets = tuple(targets)

    def fits(name: str) -> bool:
        if not name.lower().endswith(".whl"):
            return True
        tagset = "-".join(name[:-4].split("-")[-3:])
        return any(best_tag_rank(target, tagset) is not None for target in targets)

    found = {digest.lower() for name, digest in pin.files if _SHA256.fullmatch(digest) and fits(name)}
    return tuple(sorted(found or {digest.lower() for _, digest in pin.files if _SHA256.fullmatch(digest)}))


def file_name(file: Mapping[str, Any]) -> str:
    """Return the name of a file entry: ``file``, ``name`` or ``filename``, else the end of its URL or path."""
    for key in ("filename", "file", "name"):
        if isinstance(file.get(key), str):
            return str(file[key])
    for key in ("url", "path"):
        if isinstance(file.get(key), str):
            return unquote(str(file[key]).partition("#")[0].partition("?")[0].rsplit("/", 1)[-1])
    return ""


def _target_marker(some: Sequence[Target], targets: Sequence[Target]) -> Marker | None:
    """Return the marker that holds on *some* of all *targets* and on no other; None where these are all."""
    if len(some) == len(targets):
        return None
    chosen = set(some)
    systems, pythons = {t.system for t in targets}, {t.python for t in targets}
    by_system = chosen == {t for t in targets if t.system in {s.system for s in some}}
    by_python = chosen == {t for t in targets if t.python in {s.python for s in some}}
    # python_version where it is enough: an exact version would narrow what the answer holds for
    exact = len({t.environment["python_version"] for t in targets}) < len(pythons)
    variable = "python_full_version" if exact else "python_version"
    parts = dict[str, None]()
    for target in some:
        tests = []
        if len(systems) > 1 and not by_python:
            tests += [f'{key} == "{target.environment[key]}"' for key in ("sys_platform", "platform_machine")]
        if len(pythons) > 1 and not (by_system and not by_python):
            tests.append(f'{variable} == "{target.environment[variable]}"')
        parts[" and ".join(tests)] = None
    return Marker(" or ".join(parts))


def pin_requirements(
    selected: Mapping[Target, Iterable[ForeignPin]], *, direct: bool, locate: Locate | None = None
) -> tuple[list[Requirement], list[str]]:
    """Return requirements that hold each pin on the targets that have it, and notes.

    :param selected: target -> its pins, one for each project.
    :param direct: return direct references only (True) or releases of indexes only (False).
    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: as :func:`parse_user_requirement`, for direct references.
    """
    targets = tuple(selected)
    having: dict[tuple[str, str | None, str | None], list[tuple[Target, ForeignPin]]] = {}
    for target, pins in selected.items():
        for pin in pins:
            if (pin.url is not None) == direct:
                having.setdefault((pin.project, pin.version, pin.url), []).append((target, pin))
    answer: list[Requirement] = []
    unchecked: list[ForeignPin] = []
    for _, found in sorted(having.items(), key=lambda item: (item[0][0], item[1][0][1].origin)):
        pin = found[0][1]
        some = [target for target, _ in found]
        marker = _target_marker(some, targets)
        hashes = choose_hashes(pin, some)
        if pin.url is not None:
            tail = "" if marker is None else f" ; {marker}"
            answer.append(
                parse_user_requirement(f"{pin.project} @ {pin.url}{tail}", pin.origin, hashes=hashes, locate=locate)
            )
            continue
        if not hashes:
            unchecked.append(pin)
        answer.append(
            Requirement(
                project=pin.project,
                specifier=SpecifierSet(f"=={pin.version}"),
                marker=marker,
                origin=pin.origin,
                hashes=hashes,
            )
        )
    return answer, list(note_left_out("has no sha256 in the lock, so that its file is not checked", unchecked))


def note_left_out(what: str, pins: Sequence[ForeignPin]) -> Iterator[str]:
    """Yield one sentence that names the first of *pins* and counts the others; nothing where there are none."""
    if pins:
        first = pins[0]
        others = "" if len(pins) == 1 else f" (and {len(pins) - 1} more: {', '.join(p.project for p in pins[1:6])}"
        others += "" if not others else (", …)" if len(pins) > 6 else ")")
        yield f"{first.origin}: {first}{others} {what}"


def registries_of(selected: Mapping[Target, Iterable[ForeignPin]]) -> dict[str, tuple[RegistryPin, ...]]:
    """Return index URL -> the pins that were locked from it."""
    answer: dict[str, dict[str, RegistryPin]] = {}
    for target, pins in selected.items():
        for pin in pins:
            if pin.registry is not None and pin.url is None:
                checked = bool(choose_hashes(pin, [target]))
                answer.setdefault(pin.registry, {})[pin.project] = RegistryPin(
                    project=pin.project, origin=pin.origin, checked=checked
                )
    return {url: tuple(pins.values()) for url, pins in answer.items()}


def parse_name(value: object, where: str) -> NormalizedName:
    """Return the project that *value* names.

    :raises InputError: ``invalid-file``.
    """
    try:
        if not isinstance(value, str):
            raise ValueError(f"a name is {describe_type(value)} and must be a text")
        if len(value) > _LONGEST_NAME:
            raise ValueError(f"a name has {len(value)} characters")
        return normalize_project(value)
    except ValueError as error:
        raise InputError("invalid-file", f"{where}: {str(error)[:200]}", hint="make the lock anew with its tool") from (
            error
        )


def refuse_version(where: str, found: object, known: str) -> InputError:
    """Return the error for a lock of a form that mach does not read."""
    return InputError(
        "foreign-lock-version",
        f"{where}: the lock has version {str(found)[:40]}, and mach reads {known}",
        hint="take a newer mach, or export a requirements.txt or pylock.toml with the lock's own tool",
    )


def refuse_source(pin_origin: str, project: str, kind: str, shown: str) -> InputError:
    """Return the error for a pin whose source cannot be taken over."""
    return InputError(
        "foreign-source-unsupported",
        f"{pin_origin}: {project} is locked from a {kind} ({redact(shown)}), which mach does not take over",
        hint=f"leave {project} out of the lock that mach reads, or lock a release of it from an index",
    )
