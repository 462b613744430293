"""Versions of one project in ascending order, and specifiers as bit masks over their ranks."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import Version

__all__ = ["VersionRanks", "parse_specifiers"]

_Key = tuple[int, tuple[int, ...]]

#: A version of digits and dots alone is a final release.
_PLAIN = re.compile(r"[0-9.]+")


def parse_specifiers(text: str) -> SpecifierSet | None:
    """Return the specifier set that *text* states, or None where it does not parse (PEP 440)."""
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return None


def _trim(release: Sequence[int]) -> tuple[int, ...]:
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return tuple(release[:end])


#: Specifiers that one project's ranks remember.
MOST_MASKS = 10_000


class VersionRanks:
    """The versions of a project, ascending; a version's position is its rank.

    A set of versions is an integer whose bit *r* stands for rank *r*, so that
    intersections cost next to nothing. Masks are found by bisection over the release
    segments; only versions whose release equals the specifier's are compared one by one,
    with ``packaging``, since pre-, post-, dev- and local versions make ``<`` and ``>``
    jump there (PEP 440).

    Most versions of a long history are never looked at, so each is parsed only when it is.
    """

    __slots__ = ("_keys", "_masks", "_ranks", "_set_masks", "_texts", "_versions", "all", "prereleases")

    def __init__(self, texts: Sequence[str]) -> None:
        """Take PEP 440 versions in ascending order; a text that is none is found when it is looked at."""
        self._texts = texts
        self._ranks = range(len(texts))
        self._versions: dict[int, Version] = {}
        self._keys: dict[int, _Key] = {}
        #: Mask of all versions.
        self.all = (1 << len(texts)) - 1
        #: Mask of pre-releases and development releases.
        self.prereleases = 0
        for rank, text in enumerate(texts):
            if not _PLAIN.fullmatch(text) and self._version(rank).is_prerelease:
                self.prereleases |= 1 << rank
        self._masks: dict[str, int] = {}
        self._set_masks: dict[str, int] = {}

    def _version(self, rank: int) -> Version:
        found = self._versions.get(rank)
        if found is None:
            found = self._versions[rank] = Version(self._texts[rank])
        return found

    def _key(self, rank: int) -> _Key:
        found = self._keys.get(rank)
        if found is None:
            version = self._version(rank)
            found = self._keys[rank] = (version.epoch, _trim(version.release))
        return found

    def major(self, rank: int) -> tuple[int, int]:
        """Return the epoch and the first number of the release of a rank."""
        epoch, release = self._key(rank)
        return epoch, release[0]

    def mask(self, specifiers: SpecifierSet, text: str) -> int:
        """Return the mask of the versions that all of *specifiers* admit, pre-releases included.

        :param text: how they are written.
        """
        found = self._set_masks.get(text)
        if found is None:
            found = self.all
            for specifier in specifiers:
                found &= self._mask_of(specifier)
            if len(self._set_masks) < MOST_MASKS:  # strangers write specifiers, and a service lives long
                self._set_masks[text] = found
        return found

    def _mask_of(self, specifier: Specifier) -> int:
        text = str(specifier)
        found = self._masks.get(text)
        if found is None:
            found = self._compute(specifier)
            if len(self._masks) < MOST_MASKS:
                self._masks[text] = found
        return found

    def _compute(self, specifier: Specifier) -> int:
        operator, text = specifier.operator, specifier.version
        if operator == "===":
            return self._admitted(specifier, 0, len(self._texts))
        if operator == "==":
            return self._equal(specifier, text)
        if operator == "!=":
            return self.all ^ self._equal(Specifier("==" + text), text)
        version = Version(text)
        low, high = self._region((version.epoch, _trim(version.release)))
        if operator == "~=":
            prefix = self._prefix((version.epoch, version.release[:-1]))
            return prefix & (self._admitted(specifier, low, high) | self._above(high))
        if operator in (">", ">="):
            return self._admitted(specifier, low, high) | self._above(high)
        return self._admitted(specifier, low, high) | ((1 << low) - 1)

    def _equal(self, specifier: Specifier, text: str) -> int:
        if text.endswith(".*"):
            version = Version(text[:-2])
            return self._prefix((version.epoch, version.release))
        version = Version(text)
        return self._admitted(specifier, *self._region((version.epoch, _trim(version.release))))

    def _region(self, key: _Key) -> tuple[int, int]:
        return self._first(key), bisect_right(self._ranks, key, key=self._key)

    def _first(self, key: _Key) -> int:
        return bisect_left(self._ranks, key, key=self._key)

    def _prefix(self, key: _Key) -> int:
        epoch, release = key
        low = self._first((epoch, _trim(release)))
        high = self._first((epoch, (*release[:-1], release[-1] + 1)))
        return ((1 << high) - 1) & ~((1 << low) - 1)

    def _above(self, rank: int) -> int:
        return self.all & ~((1 << rank) - 1)

    def _admitted(self, specifier: Specifier, low: int, high: int) -> int:
        mask = 0
        for rank in range(low, high):
            if specifier.contains(self._version(rank), prereleases=True):
                mask |= 1 << rank
        return mask
