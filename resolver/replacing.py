"""What the user's overrides and excludes make of what is required on one target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .dependencies import Dependency, MarkerJudge
from .edges import Edge
from .names import NormalizedName
from .requirement import Override, Requirement

__all__ = ["Replacing", "without_marker"]


class Replacing:
    """Overrides and excludes of one request, and which of them took effect so far.

    :param judge: evaluates the markers of overrides on the target.
    """

    __slots__ = ("_excludes", "_judge", "_left_out", "_overrides", "_used", "stated")

    def __init__(self, overrides: Sequence[Override], excludes: Iterable[NormalizedName], judge: MarkerJudge) -> None:
        self._judge = judge
        self._overrides: dict[tuple[str | None, str], list[Override]] = {}
        #: What overrides ask for on this target, whoever's requirements they replace.
        self.stated: dict[NormalizedName, list[Edge]] = {}
        for override in overrides:
            stated = override.requirement
            self._overrides.setdefault((override.parent, stated.project), []).append(override)
            if judge.holds(stated.marker):
                edge = Edge(stated.project, "", stated.specifier, str(stated), stated.origin)
                self.stated.setdefault(stated.project, []).append(edge)
        self._used: set[Override] = set()
        self._excludes = frozenset(excludes)
        self._left_out: set[NormalizedName] = set()

    def overrides_everywhere(self, project: NormalizedName) -> bool:
        """Return whether an override replaces every requirement for *project*, the user's own included."""
        return (None, project) in self._overrides

    def takes_away(self, project: NormalizedName, parent: NormalizedName) -> bool:
        """Return whether what *parent* says of *project* does not count."""
        if project in self._excludes:
            return True
        return not self._overrides.keys().isdisjoint({(parent, project), (None, project)})

    def split(
        self, dependency: Dependency, parent: NormalizedName | None, origin: str, provider: str | None = None
    ) -> Iterator[Edge]:
        """Yield an edge to the base and one to each extra's node: an extra's specifier binds the base, too.

        Overrides and excludes take effect here; an override takes its place from wherever it comes.

        :param parent: who asks; None for the user.
        :param provider: the only one that the dependency may come from; None: any.
        """
        project, extras = dependency.project, dependency.extras
        if project in self._excludes:
            self._left_out.add(project)
            return
        overrides = self._overrides.get((parent, project)) if parent else None
        overrides = overrides or self._overrides.get((None, project))
        if overrides is None:
            stated = [(extras, dependency.specifier, dependency.text, dependency.flags)]
        else:
            self._used.update(overrides)
            provider = None
            stated = [
                (
                    tuple(sorted({*extras, *o.requirement.extras})),
                    o.requirement.specifier,
                    without_marker(o.requirement),
                    None,
                )
                for o in overrides
                if self._judge.holds(o.requirement.marker)
            ]
        for some, specifier, text, flags in stated:
            for extra in ("", *some):
                yield Edge(project, extra, specifier, text, origin, provider=provider, flags=flags)

    def unused_excludes(self) -> list[NormalizedName]:
        """Return the projects to leave out that nobody asked for so far, sorted."""
        return sorted(self._excludes - self._left_out)

    def unused_overrides(self) -> list[Override]:
        """Return the overrides that replaced nothing so far."""
        return [o for overrides in self._overrides.values() for o in overrides if o not in self._used]


def without_marker(requirement: Requirement) -> str:
    """Return *requirement* in PEP 508 form, without its marker."""
    extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
    return f"{requirement.project}{extras}" + (
        str(requirement.specifier) if requirement.url is None else f" @ {requirement.url}"
    )
