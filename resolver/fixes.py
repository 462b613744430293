"""Changes of a request that give it a solution: each was solved before it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from .conflict import Demand, Fix, Trouble
from .interpreters import NEWEST_PATCHES
from .lock_request import render_time
from .policy import DEFAULT_PROVIDERS
from .requirement import Request, Requirement
from .resolution import Solved
from .target import Target

__all__ = ["Attempt", "Retry", "find_fixes", "loosen"]

#: Rounds that all attempts for one explanation may take together: the text does not depend on the machine.
MOST_ROUNDS = 2_000
#: Rounds of one attempt.
ATTEMPT_ROUNDS = 500
#: Fixes that are looked for.
MOST_FIXES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a changed request gives."""

    solved: Sequence[Solved]
    """One for each target; empty where there is no solution, or where that cannot be told from known facts."""
    rounds: int


#: Solves a changed request within a budget of rounds, without leaving a trace.
Retry = Callable[[Request, int], Attempt]


def find_fixes(request: Request, trouble: Trouble, target: Target, retry: Retry) -> tuple[Fix, ...]:
    """Return changes of *request* that work, the smallest first."""
    if len({r.project for r in request.requirements}) > ATTEMPT_ROUNDS:
        return ()  # each takes a round at least
    return tuple(_Search(request, trouble, target, retry).run())


def loosen(specifiers: SpecifierSet, version: str) -> SpecifierSet:
    """Return *specifiers* changed as little as makes them admit *version*.

    Those that admit it stay. Bounds move to it, an upper one to the next major version, so
    that ``<2`` becomes ``<3`` for 2.1; exact versions become this one; exclusions go.
    """
    new = []
    for specifier in specifiers:
        if specifier.contains(version, prereleases=True):
            new.append(str(specifier))
        elif specifier.operator in ("<", "<="):
            new.append(_below_next(version))
        elif specifier.operator in (">", ">="):
            new.append(f">={Version(version).public}")
        elif specifier.operator != "!=":
            new.append(_like(specifier, version))
    return SpecifierSet(",".join(dict.fromkeys(new)))


def _one_major_more(specifiers: SpecifierSet) -> SpecifierSet:
    """Return *specifiers* with each upper bound raised to the next major version: ``<2`` and ``<2.5`` to ``<3``."""
    texts = [_below_next(s.version) if s.operator in ("<", "<=") else str(s) for s in specifiers]
    return SpecifierSet(",".join(texts))


def _below_next(version: str) -> str:
    parsed = Version(version)
    epoch = f"{parsed.epoch}!" if parsed.epoch else ""
    return f"<{epoch}{parsed.major + 1}"


def _like(specifier: Specifier, version: str) -> str:
    parsed = Version(version)
    numbers = [str(n) for n in parsed.release]
    epoch = f"{parsed.epoch}!" if parsed.epoch else ""
    if specifier.operator == "~=" and len(numbers) > 1 and not parsed.is_prerelease:
        return f"~={epoch}{'.'.join(numbers)}"
    if specifier.version.endswith(".*"):
        kept = max(1, min(len(numbers), specifier.version.count(".")))
        return f"=={epoch}{'.'.join(numbers[:kept])}.*"
    return f"=={version}"


class _Search:
    def __init__(self, request: Request, trouble: Trouble, target: Target, retry: Retry) -> None:
        self._request = request
        self._trouble = trouble
        self._target = target
        self._retry = retry
        self._rounds = 0
        self._shown = dict.fromkeys(
            [d.project for d in trouble.core] + [s.on for s in trouble.steps if s.on] + list(trouble.filtered)
        )

    def run(self) -> Iterator[Fix]:
        found = 0
        for fix in self._all():
            if fix is not None:
                found += 1
                yield fix
            if found == MOST_FIXES:
                return

    def _all(self) -> Iterator[Fix | None]:
        relaxed = set()
        for demand in self._trouble.core:
            fix = self._relax(demand) or self._without_extras(demand)
            if fix is not None:
                relaxed.add(demand)
            yield fix
        yield from self._yanked()
        yield from self._overrides()
        yield from self._options()
        for demand in self._trouble.core:
            if demand not in relaxed:
                yield self._drop(demand)

    def _solve(self, request: Request) -> Mapping[str, str] | None:
        """Return the versions that the failing target gets, or None where it cannot be told to work."""
        left = MOST_ROUNDS - self._rounds
        if left <= 0:
            return None
        attempt = self._retry(request, min(left, ATTEMPT_ROUNDS))
        self._rounds += attempt.rounds
        if not attempt.solved:
            return None
        return {str(pin.project): pin.version for solved in attempt.solved for pin in solved.pins}

    def _takes(self, versions: Mapping[str, str]) -> dict[str, str]:
        return {project: versions[project] for project in self._shown if project in versions}

    # ---- the user's requirements

    def _stated(self, demand: Demand) -> Sequence[Requirement]:
        return self._request.constraints if demand.kind == "constraint" else self._request.requirements

    def _with(self, demand: Demand, changed: Callable[[Requirement], Requirement | None]) -> Request:
        """Return the request with *demand* changed, or without it where *changed* gives None."""
        new = []
        for requirement in self._stated(demand):
            if (requirement.project, requirement.origin) == (demand.project, demand.origin) and (
                demand.text in (str(requirement), _plain(requirement))
            ):
                after = changed(requirement)
                if after is not None:
                    new.append(after)
            else:
                new.append(requirement)
        if demand.kind == "constraint":
            return replace(self._request, constraints=tuple(new))
        return replace(self._request, requirements=tuple(new))

    def _relax(self, demand: Demand) -> Fix | None:
        stated = self._find(demand)
        if stated is None or not stated.specifier or stated.hashes:
            return None
        versions = self._solve(self._stating(demand, SpecifierSet()))
        if versions is None or demand.project not in versions:
            return None
        far = loosen(stated.specifier, versions[demand.project])
        for new in dict.fromkeys((_one_major_more(stated.specifier), far)):
            found = self._solve(self._stating(demand, new)) if new and new != stated.specifier else None
            if found is not None:
                return self._change(demand, replace(stated, specifier=new), found)
        return self._change(demand, replace(stated, specifier=SpecifierSet()), versions)

    def _without_extras(self, demand: Demand) -> Fix | None:
        stated = self._find(demand)
        if stated is None or not stated.extras:
            return None
        versions = self._solve(self._with(demand, lambda requirement: replace(requirement, extras=())))
        return None if versions is None else self._change(demand, replace(stated, extras=()), versions)

    def _stating(self, demand: Demand, specifier: SpecifierSet) -> Request:
        """Return the request with another specifier in *demand*."""

        def state(requirement: Requirement) -> Requirement:
            return replace(requirement, specifier=specifier)

        return self._with(demand, state)

    def _find(self, demand: Demand) -> Requirement | None:
        return next((r for r in self._stated(demand) if demand.text in (str(r), _plain(r))), None)

    def _yanked(self) -> Iterator[Fix | None]:
        """Name a yanked version exactly where only yanked ones are left of what the user asks for."""
        for demand in self._trouble.core:
            stated = self._find(demand)
            if stated is None or demand.kind != "requirement" or demand.project not in self._trouble.yanked:
                continue
            exact = SpecifierSet(f"=={self._trouble.yanked[demand.project]}")
            versions = self._solve(self._stating(demand, exact))
            if versions is not None:
                yield self._change(demand, replace(stated, specifier=exact), versions, ", although it was yanked")

    def _change(self, demand: Demand, after: Requirement, versions: Mapping[str, str], more: str = "") -> Fix:
        return Fix(
            kind="relax",
            text=f"{_plain(after)} instead of {demand.text} ({demand.origin}){more}",
            origin=demand.origin,
            before=demand.text,
            after=_plain(after),
            takes=self._takes(versions),
        )

    def _overrides(self) -> Iterator[Fix | None]:
        for override in self._request.overrides:
            if override.requirement.project in self._shown:
                rest = tuple(o for o in self._request.overrides if o != override)
                versions = self._solve(replace(self._request, overrides=rest))
                if versions is not None:
                    yield Fix(
                        kind="drop",
                        text=f"without the override {override} ({override.requirement.origin})",
                        origin=override.requirement.origin,
                        before=str(override),
                        takes=self._takes(versions),
                    )

    def _drop(self, demand: Demand) -> Fix | None:
        request = self._with(demand, lambda _: None)
        if not request.requirements:
            return None
        versions = self._solve(request)
        if versions is None:
            return None
        return Fix(
            kind="drop",
            text=f"without {demand.text} ({demand.origin})",
            origin=demand.origin,
            before=demand.text,
            takes=self._takes(versions),
        )

    # ---- options

    def _options(self) -> Iterator[Fix | None]:
        reasons = {(project, why) for project, found in self._trouble.filtered.items() for why in found}
        for project in self._blamed(reasons, "a pre-release"):
            yield self._option(
                replace(self._request, prerelease={**self._request.prerelease, project: "allow"}),
                f"--prerelease {project}=allow",
            )
        for project in self._blamed(reasons, "provider "):
            yield self._option(
                replace(self._request, providers={**self._request.providers, project: DEFAULT_PROVIDERS}),
                f"--providers {project}={','.join(DEFAULT_PROVIDERS)}",
            )
        # where only an sdist that cannot be used is left, another Python may have a wheel
        unusable = any(not step.on for step in self._trouble.steps)
        if unusable or self._blamed(reasons, "needs another Python") or self._blamed(reasons, "no wheel for Python"):
            yield self._another_python()
        dated = [*self._blamed(reasons, "uploaded later"), *self._blamed(reasons, "the index tells no upload")]
        if dated and self._request.as_of:
            moment = self._request.as_of.get("_default", 0) or max(self._request.as_of.values())
            yield self._option(replace(self._request, as_of={}), "", f"without --as-of {render_time(moment)}")

    @staticmethod
    def _blamed(reasons: Iterable[tuple[str, str]], start: str) -> list[str]:
        return sorted({project for project, why in reasons if why.startswith(start)})

    def _another_python(self) -> Fix | None:
        """Return the nearest other Python that works: another patch, then newer ones, then older ones."""
        known = list(NEWEST_PATCHES)
        now = self._target.python
        series = now.rpartition(".")[0]
        place = known.index(series) if series in known else -1
        others = [*known[place + 1 :], *reversed(known[: max(place, 0)])]
        patch = [NEWEST_PATCHES[series]] if place >= 0 and NEWEST_PATCHES[series] != now else []
        for other in [*patch, *others]:
            exact = NEWEST_PATCHES.get(other, other)
            pythons = {exact if p == now else p for p in self._request.pythons}
            request = replace(self._request, pythons=tuple(sorted(pythons, key=Version)))
            fix = self._option(request, f"--python {other}", f"--python {other} instead of {now}")
            if fix is not None:
                return fix
        return None

    def _option(self, request: Request, option: str, text: str | None = None) -> Fix | None:
        versions = self._solve(request)
        if versions is None:
            return None
        return Fix(kind="option", text=text or option, after=option, takes=self._takes(versions))


def _plain(requirement: Requirement) -> str:
    """Return a requirement without its marker, as messages show it."""
    return str(replace(requirement, marker=None))
