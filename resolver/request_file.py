"""What a file other than a requirements.txt asks for: values that all kinds of files share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .errors import InputError
from .names import NormalizedName, normalize_extra
from .requirement import Override, Requirement
from .requirements_options import redact
from .target import Target

__all__ = [
    "RegistryPin",
    "RequestFile",
    "RequiresPython",
    "Selection",
    "check_registries",
    "check_selection",
    "nearest",
    "parse_python_range",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which parts of a project are asked for, apart from what it always needs."""

    extras: tuple[str, ...] = ()
    """Normalised (PEP 685)."""
    all_extras: bool = False
    groups: tuple[str, ...] = ()
    """Dependency groups (PEP 735), normalised."""

    @classmethod
    def of(cls, extras: Iterable[str] = (), groups: Iterable[str] = (), *, all_extras: bool = False) -> Selection:
        """Return the selection of names as a user writes them."""
        return cls(
            extras=tuple(dict.fromkeys(normalize_extra(e) for e in extras)),
            all_extras=all_extras,
            groups=tuple(dict.fromkeys(normalize_extra(g) for g in groups)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiresPython:
    """A range of Python versions that a file states."""

    specifier: SpecifierSet
    origin: str
    """``pyproject.toml:6``."""

    def check(self, target: Target) -> None:
        """Refuse a *target* whose Python is outside.

        :raises InputError: ``python-not-admitted``.
        """
        if not self.specifier.contains(target.python, prereleases=True):
            raise InputError(
                "python-not-admitted",
                f"{self.origin}: requires-python is {self.specifier}, and the target is Python {target.python}",
                hint="take a Python that fits with --python, or change requires-python",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryPin:
    """A release that a foreign lock has from a certain index."""

    project: NormalizedName
    origin: str
    """``uv.lock:120``."""
    checked: bool
    """The lock has hashes for it, so that it cannot be taken for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFile:
    """What one file asks for, with origins."""

    requirements: tuple[Requirement, ...] = ()
    constraints: tuple[Requirement, ...] = ()
    """For a foreign lock: its pins with their hashes."""
    overrides: tuple[Override, ...] = ()
    requires_python: RequiresPython | None = None
    registries: Mapping[str, tuple[RegistryPin, ...]] = field(default_factory=dict)
    """Index URL, as a foreign lock names it -> what was locked from it."""
    extras: frozenset[str] = frozenset()
    """Extras that the file knows, normalised."""
    groups: frozenset[str] = frozenset()
    """Dependency groups that the file knows, normalised."""
    notes: tuple[str, ...] = ()
    """Sentences for stderr: what was left out."""


def parse_python_range(text: str, origin: str) -> RequiresPython:
    """Return the range that *text* states.

    :raises InputError: ``invalid-requires-python``.
    """
    try:
        return RequiresPython(specifier=SpecifierSet(text), origin=origin)
    except (InvalidSpecifier, ValueError) as error:
        raise InputError(
            "invalid-requires-python",
            f"{origin}: {text[:80]!r} is no range of Python versions",
            hint="write it as in PEP 440: >=3.11, or ==3.12.*",
        ) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the hint for a *name* that is not among *known*: the nearest ones, or all."""
    import difflib  # only for those who err

    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(names)}" if names else "none is known"


def check_registries(files: Iterable[RequestFile], indexes: Iterable[str]) -> Iterator[str]:
    """Yield a note for each index that releases were locked from and that is not asked.

    :param indexes: the request's, as its identities.
    :raises InputError: ``foreign-registry`` where no hash tells that the same release is taken.
    """
    asked = {_bare(index) for index in indexes}
    for file in files:
        for url, pins in file.registries.items():
            if _bare(url) in asked:
                continue
            shown = redact(url)
            for pin in pins:
                if not pin.checked:
                    raise InputError(
                        "foreign-registry",
                        f"{pin.origin}: {pin.project} is locked from {shown}, which is not among the indexes asked,"
                        " and the lock has no sha256 for it",
                        hint=f"name that index: --extra-index-url {shown}",
                    )
            first = pins[0]
            others = f" and {len(pins) - 1} more are" if len(pins) > 1 else " is"
            yield (
                f"{first.origin}: {first.project}{others} locked from {shown}, which is not among the indexes asked;"
                " files with the same hashes are taken from those"
            )


def _bare(url: str) -> str:
    return re.sub(r"(?<=//)[^/@]*@", "", url).rstrip("/").lower()


def check_selection(selection: Selection, files: Iterable[RequestFile], read: Iterable[str]) -> None:
    """Refuse extras and groups that no file knows.

    :param read: names of the files, for messages.
    :raises InputError: ``unknown-extra``, ``unknown-group``.
    """
    files, shown = tuple(files), ", ".join(read) or "the request names no project"
    if selection.all_extras and not files:
        raise InputError(
            "unknown-extra", f"{shown}, so that there are no extras", hint="name a pyproject.toml or a lock with -r"
        )
    extras = {extra for file in files for extra in file.extras}
    groups = {group for file in files for group in file.groups}
    for extra in selection.extras:
        if extra not in extras:
            raise InputError("unknown-extra", f"{shown}: there is no extra {extra!r}", hint=nearest(extra, extras))
    for group in selection.groups:
        if group not in groups:
            raise InputError(
                "unknown-group", f"{shown}: there is no dependency group {group!r}", hint=nearest(group, groups)
            )
