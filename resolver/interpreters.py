"""CPython versions: which ones mach knows, exact versions, and over which patches an answer holds."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from .errors import InputError

__all__ = [
    "DEFAULT_PYTHON",
    "NEWEST_PATCHES",
    "a_year_after_release",
    "full_python",
    "nix_attribute",
    "patch_interval",
    "series",
    "split_python",
]

#: Newest patch version of every supported X.Y, the same everywhere for one release of mach.
NEWEST_PATCHES: Mapping[str, str] = MappingProxyType(
    {
        "3.10": "3.10.19",
        "3.11": "3.11.14",
        "3.12": "3.12.12",
        "3.13": "3.13.11",
        "3.14": "3.14.2",
    }
)
DEFAULT_PYTHON = "3.13"
#: When X.Y.0 was released, UTC seconds since 1970 (PEP 619, 664, 693, 719, 745).
_RELEASED = {
    "3.10": 1_633_305_600,
    "3.11": 1_666_569_600,
    "3.12": 1_696_204_800,
    "3.13": 1_728_259_200,
    "3.14": 1_759_795_200,
}
_YEAR = 365 * 86_400

#: Patch versions are below this; it bounds what :func:`patch_interval` looks at.
_PATCHES = 100
_PYTHON = re.compile(r"3\.(0|[1-9][0-9]?)(?:\.(0|[1-9][0-9]?))?")
_PATCH_VARIABLES = ("python_full_version", "implementation_version")
_MEMBERSHIP = re.compile(r"\bin\b")
_DIGITS = re.compile(r"[0-9]+")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def full_python(text: str) -> str:
    """Return the exact version that *text* names: ``3.11.9`` as it is, ``3.11`` with its newest patch.

    :raises InputError: ``invalid-python`` where *text* is neither X.Y nor X.Y.Z,
        ``unsupported-python`` where mach does not know X.Y.
    """
    known = ", ".join(NEWEST_PATCHES)
    match = _PYTHON.fullmatch(text)
    if match is None:
        raise InputError(
            "invalid-python",
            f"{_shown(text)} is not a Python version",
            hint=f"write X.Y or X.Y.Z with X.Y one of {known}",
        )
    minor, patch = match.groups()
    series = f"3.{minor}"
    if series not in NEWEST_PATCHES:
        raise InputError(
            "unsupported-python",
            f"Python {series} is not supported",
            context=[f"this release of mach knows CPython {known}"],
            hint=f"take another version, for example --python {DEFAULT_PYTHON}",
        )
    return NEWEST_PATCHES[series] if patch is None else text


def series(python: str) -> str:
    """Return the X.Y of an exact version: ``3.11.9`` -> ``3.11``."""
    return ".".join(python.split(".")[:2])


def a_year_after_release(python: str) -> int:
    """Return when X.Y.0 of an exact version had been out for a year, in UTC seconds since 1970."""
    return _RELEASED[series(python)] + _YEAR


def split_python(python: str) -> tuple[int, int, int]:
    """Return the three numbers of an exact version: ``3.11.9`` -> ``(3, 11, 9)``.

    :raises InputError: as :func:`full_python`; ``invalid-python`` as well where the patch is missing.
    """
    if full_python(python) != python:
        raise InputError(
            "invalid-python",
            f"{_shown(python)} is not an exact Python version",
            hint=f"write X.Y.Z, for example {full_python(python)}",
        )
    major, minor, patch = python.split(".")
    return int(major), int(minor), int(patch)


def nix_attribute(python: str) -> str:
    """Return the attribute of nixpkgs that holds this interpreter: ``3.11.9`` -> ``python311``.

    :raises InputError: as :func:`full_python`.
    """
    major, minor, _ = full_python(python).split(".")
    return f"python{major}{minor}"


def _points(text: str) -> list[int]:
    """Return the patches at which a version comparison in *text* can change its value, ascending.

    A comparison with a literal whose third number is z changes at z or at z + 1 and nowhere
    else (PEP 440), so every number in the text stands for both, and 0 for a number left out.
    """
    found = {0, 1}
    for digits in _DIGITS.findall(text):
        if len(digits) <= 12 and (number := int(digits)) < _PATCHES:
            found |= {number, number + 1}
    return sorted(found)


def _changes(points: Iterable[int], value: Mapping[int, bool]) -> tuple[int, ...]:
    """Return those *points* at which *value* differs from its value at the point before."""
    return tuple(after for before, after in pairwise(points) if value[before] != value[after])


@lru_cache(maxsize=16384)
def _specifier_changes(text: str, minor: int) -> tuple[int, ...]:
    # Only a literal 3.Y or 3.Y.Z tells one patch of 3.Y from another; "<=3.11" does, since 3.11.1 > 3.11.
    if not re.search(rf"(?<![0-9])0*3\.0*{minor}(?![0-9])", text):
        return ()
    points = _points(text)
    try:
        specifiers = SpecifierSet(text)
        values = {p: specifiers.contains(f"3.{minor}.{p}", prereleases=True) for p in points}
    except ValueError:  # InvalidSpecifier, or a number with thousands of digits: the same at every patch
        return ()
    return _changes(points, values)


def _marker_changes(
    marker: Marker, text: str, extra: str, environment: Mapping[str, str], minor: int
) -> tuple[int, ...]:
    # "in" compares text, where 3.11.1 is a part of 3.11.14: no rule but trying every patch.
    points = list(range(_PATCHES)) if _MEMBERSHIP.search(text) else _points(text)
    values = {}
    for patch in points:
        version = f"3.{minor}.{patch}"
        given = {**environment, **dict.fromkeys(_PATCH_VARIABLES, version), "extra": extra}
        try:
            values[patch] = marker.evaluate(given)
        except MemoryError:
            raise
        except Exception:  # a stranger's text: any failure counts as "not applicable", everywhere in mach
            values[patch] = False
    return _changes(points, values)


def patch_interval(
    python: str,
    environment: Mapping[str, str],
    *,
    markers: Mapping[tuple[str, str], Marker] | None = None,
    requires_python: Iterable[str] = (),
) -> tuple[str, str]:
    """Return the widest interval of patch versions around *python* over which nothing changes its value.

    :param python: exact version, ``3.11.9``.
    :param environment: the target's marker environment.
    :param markers: markers that were evaluated, by their text and the extra (normalised, ``""`` for none).
    :param requires_python: Requires-Python texts that were evaluated; one that cannot be read has
        the same value at every patch.
    :returns: the lowest patch version and the first one above the interval, ``("3.11.4", "3.11.12")``;
        the second is ``3.12`` where no later patch changes anything.
    :raises InputError: as :func:`split_python`.
    """
    major, minor, patch = split_python(python)
    low, high = 0, _PATCHES
    changes = [_specifier_changes(text, minor) for text in set(requires_python)]
    for (text, extra), marker in (markers or {}).items():
        # most markers are about other things, and are told so by their text
        if any(variable in text for variable in _PATCH_VARIABLES):
            changes.append(_marker_changes(marker, text, extra, environment, minor))
    for points in changes:
        place = bisect_right(points, patch)
        low = max(low, points[place - 1] if place else 0)
        high = min(high, points[place] if place < len(points) else _PATCHES)
    end = f"{major}.{minor + 1}" if high >= _PATCHES else f"{major}.{minor}.{high}"
    return f"{major}.{minor}.{low}", end
