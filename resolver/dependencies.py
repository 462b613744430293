"""Requires-Dist lines turned into the dependencies that hold on one target."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508
from packaging.specifiers import SpecifierSet

from .direct import InvalidReference, parse_reference
from .edges import SpecifierFlags
from .errors import shorten
from .names import NormalizedName, normalize_extra, normalize_project
from .requirement import find_excess
from .requirements_options import redact

__all__ = ["Dependency", "MarkerJudge", "dependencies_of"]


class Dependency(NamedTuple):
    """A requirement without its marker: what holds where the marker does."""

    project: NormalizedName
    extras: tuple[str, ...]
    specifier: SpecifierSet
    text: str
    """PEP 508 without the marker, extras and specifiers sorted."""
    url: str | None = None
    """A direct reference in normal form: good only where a requirement of the user's names it as well."""
    flags: SpecifierFlags | None = None
    """Of the specifier, where they are at hand."""


class _Parsed(NamedTuple):
    dependency: Dependency | None
    marker: Marker | None
    problem: str | None


class _Decided(NamedTuple):
    """What the lines of one file state for an extra on one target, and what was evaluated to find out."""

    dependencies: tuple[Dependency, ...]
    problem: str | None
    evaluations: tuple[tuple[tuple[str, str], Marker, bool], ...]
    """((marker's text, extra), marker, verdict)."""
    raised: tuple[tuple[str, str], ...]


#: A marker that is a conjunction with ``extra == "x"``: it cannot hold without that extra.
_ONE_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']*)["']""")


@lru_cache(maxsize=1 << 16)
def _parse(line: str) -> _Parsed:
    shown = shorten(line)
    excess = find_excess(line)
    if excess is not None:
        return _Parsed(None, None, f"its requirement {shown!r} cannot be read: {excess}")
    try:
        parsed = Pep508(line)
        project = normalize_project(parsed.name)
    except (InvalidRequirement, ValueError):
        return _Parsed(None, None, f"its requirement {shown!r} does not parse")
    extras = tuple(sorted({normalize_extra(e) for e in parsed.extras}))
    brackets = f"[{','.join(extras)}]" if extras else ""
    url = None
    if parsed.url is not None:
        try:
            url = str(parse_reference(parsed.url))
        except InvalidReference as error:
            return _Parsed(None, parsed.marker, f"its requirement {redact(shown)!r} names a URL: {error}")
    text = f"{project}{brackets}{parsed.specifier}" if url is None else f"{project}{brackets} @ {url}"
    flags = SpecifierFlags(parsed.specifier)
    return _Parsed(Dependency(project, extras, parsed.specifier, text, url, flags), parsed.marker, None)


class MarkerJudge:
    """Evaluates each distinct marker once for one target, and remembers which took part.

    A marker that raises counts as not applicable and is recorded (it happens on real
    data: ``===`` on an implementation name).
    """

    __slots__ = ("_environment", "_markers", "_verdicts", "environment", "raised")

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        #: Of the target, as one value: to remember by it what holds.
        self.environment = frozenset(self._environment.items())
        self._verdicts: dict[tuple[str, str], bool] = {}
        self._markers: dict[tuple[str, str], Marker] = {}
        #: Markers that raised, with the reason.
        self.raised: dict[str, str] = {}

    def holds(self, marker: Marker | None, extra: str = "") -> bool:
        """Return whether *marker* holds on the target where *extra* was asked for."""
        if marker is None:
            return True
        text = str(marker)
        verdict = self._verdicts.get((text, extra))
        if verdict is None:
            try:
                verdict = marker.evaluate({**self._environment, "extra": extra})
            except MemoryError:  # tells of this process, and nothing of the marker
                raise
            except Exception as error:  # markers are strangers' text; any failure means "not applicable"
                self.raised[text] = f"{type(error).__name__}: {error}"
                verdict = False
            self._verdicts[text, extra] = verdict
            self._markers[text, extra] = marker
        return verdict

    def take_over(self, decided: _Decided) -> None:
        """Count what *decided* evaluated as evaluated here."""
        for key, marker, verdict in decided.evaluations:
            if key not in self._verdicts:
                self._verdicts[key] = verdict
                self._markers[key] = marker
        for text, reason in decided.raised:
            self.raised.setdefault(text, reason)

    def to_decided(self, dependencies: Sequence[Dependency], problem: str | None) -> _Decided:
        """Return what lines state, with all that was evaluated here."""
        evaluations = tuple((key, marker, self._verdicts[key]) for key, marker in self._markers.items())
        return _Decided(tuple(dependencies), problem, evaluations, tuple(self.raised.items()))

    def evaluated(self) -> dict[tuple[str, str], Marker]:
        """Return the marker of every evaluation by its text and the extra, sorted."""
        return {key: self._markers[key] for key in sorted(self._markers)}


def _cannot_hold(line: str, extra: str) -> bool:
    """Tell cheaply that the marker of *line* needs an extra other than *extra*.

    Only for conjunctions; everything else is evaluated. Most lines of large projects are
    of this form, and parsing them would cost more than the whole search.
    """
    _, semicolon, marker = line.partition(";")
    if not semicolon or " or " in marker or "(" in marker:
        return False
    found = _ONE_EXTRA.search(marker)
    return found is not None and normalize_extra(found[1]) != extra


def dependencies_of(lines: Sequence[str], extra: str, judge: MarkerJudge) -> tuple[Sequence[Dependency], str | None]:
    """Return the dependencies that *lines* state for *extra* (``""`` for none), and a problem or None.

    A service is asked about the same files again and again: what they state is found out once for each target.

    :param lines: Requires-Dist lines as the metadata has them.
    :return: the dependencies that hold, in the order of the lines; the problem is a
        sentence that makes the candidate unusable (a line that does not parse, a URL).
    """
    decided = _decide(tuple(lines), extra, judge.environment)
    judge.take_over(decided)
    return decided.dependencies, decided.problem


@lru_cache(maxsize=1 << 14)
def _decide(lines: tuple[str, ...], extra: str, environment: frozenset[tuple[str, str]]) -> _Decided:
    judge = MarkerJudge(dict(environment))
    answer: list[Dependency] = []
    for line in lines:
        if _cannot_hold(line, extra):
            continue
        parsed = _parse(line)
        if parsed.dependency is None:
            if parsed.marker is None or judge.holds(parsed.marker, extra):
                return judge.to_decided(answer, parsed.problem)
            continue
        if judge.holds(parsed.marker, extra):
            answer.append(parsed.dependency)
    return judge.to_decided(answer, None)
