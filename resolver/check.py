"""Whether a lock still answers a request: from the two alone, without a catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from packaging.version import Version

from .dependencies import MarkerJudge
from .direct import parse_reference
from .lock import Lock, LockedAttribute, LockedCheckout, LockedPath, LockTarget, Pin
from .lock_request import request_to_json
from .requirement import Request, Requirement, parse_requirement
from .target import make_target

__all__ = ["check_graph", "check_lock"]


def check_lock(lock: Lock, request: Request) -> list[str]:
    """Return why *lock* does not answer *request*, a sentence each; an empty list where it does.

    Every requirement that holds on a target is met there, with its extras and hashes; every
    edge between pins is met; nothing is locked that nobody asks for. Indexes and
    ``--prefer`` are no part of it: they say how to find an answer, and this one was found.
    """
    problems = _check_targets(lock, request)
    as_asked = lock.request.get("digest") == request_to_json(request)["digest"]
    if not as_asked:
        problems += _check_options(lock, request)
    for target in lock.targets:
        if target.system not in request.systems:
            continue
        python = _wanted_python(target, request)
        judge = MarkerJudge(make_target(target.system, python).environment)
        roots = _effective(request, judge)
        constraints = [c for c in request.constraints if judge.holds(c.marker)]
        shown = f"{target.system}: " if len(request.pythons) < 2 else f"{target.system}, Python {target.python}: "
        found = [*_check_demands(target, roots), *_check_pins(target, request, roots, constraints)]
        problems += [shown + problem for problem in found]
    return problems + _check_closures(lock)


def check_graph(lock: Lock) -> list[str]:
    """Return where the graph of *lock* contradicts itself, by the requirements that it records itself."""
    problems = []
    for target in lock.targets:
        roots = [parse_requirement(text, "the lock's roots") for texts in target.roots.values() for text in texts]
        problems += [f"{target.system}: {problem}" for problem in _check_demands(target, roots)]
    return problems + _check_closures(lock)


def _wanted_python(target: LockTarget, request: Request) -> str:
    """Return which of the request's versions *target* answers for; its own where it answers for none."""
    return next((python for python in request.pythons if _covers(target, python)), target.python)


def _check_targets(lock: Lock, request: Request) -> list[str]:
    problems = []
    answering: list[LockTarget] = []
    for system in request.systems:
        there = [target for target in lock.targets if target.system == system]
        if not there:
            problems.append(f"it has no target {system}")
            continue
        for python in request.pythons:
            found = [target for target in there if _covers(target, python)]
            answering += found
            if not found:
                held = ", ".join(f"{t.python} and holds from {' to below '.join(t.python_interval)}" for t in there)
                problems.append(f"{system}: it was resolved for Python {held}, not for {python}")
    for target in lock.targets:
        if target.system not in request.systems:
            problems.append(f"the target {target.system} is not asked for")
        elif len(lock.targets) > len(request.systems) and target not in answering:
            problems.append(f"the target {target.system} with Python {target.python} is not asked for")
    return problems


def _covers(target: LockTarget, python: str) -> bool:
    low, high = target.python_interval
    return Version(low) <= Version(python) < Version(high)


#: Options of a request that bind the answer, by their name in a lock, and how they are given.
_BINDING = {
    "prerelease": "--prerelease",
    "resolution": "--resolution",
    "overrides": "--override",
    "excludes": "--exclude",
}


_UNSET = request_to_json(Request(requirements=()))


def _check_options(lock: Lock, request: Request) -> list[str]:
    """Return what options of *request* the lock was not made with and cannot be shown to meet."""
    recorded, wanted = lock.request, request_to_json(request)
    problems = [
        f"it was resolved with other values of {option}"
        for name, option in _BINDING.items()
        if recorded.get(name, _UNSET[name]) != wanted[name]
    ]
    had = recorded.get("as-of")
    for name, moment in wanted["as-of"].items():
        before = had.get(name, had.get("_default")) if isinstance(had, Mapping) else None
        if not isinstance(before, str) or before > moment:
            made = f"as of {before}" if before else "without --as-of"
            whose = "" if name == "_default" else f" for {name}"
            problems.append(f"it was resolved {made}{whose}, and {moment} is asked for")
    return problems


def _effective(request: Request, judge: MarkerJudge) -> list[Requirement]:
    """Return the user's requirements that hold, after overrides replaced theirs."""
    answer: dict[Requirement, None] = {}
    for requirement in request.requirements:
        if not judge.holds(requirement.marker):
            continue
        overrides = [o.requirement for o in request.overrides if o.parent is None]
        replacing = [o for o in overrides if o.project == requirement.project]
        if not replacing:
            answer[requirement] = None
        for override in replacing:
            if judge.holds(override.marker):
                extras = tuple(sorted({*requirement.extras, *override.extras}))
                answer[replace(override, extras=extras, hashes=requirement.hashes)] = None
    return list(answer)


def _check_demands(target: LockTarget, roots: Sequence[Requirement]) -> list[str]:
    """Walk from *roots* over the edges of *target*; return what is not met, and what nothing leads to."""
    pins = {pin.name: pin for pin in target.pins}
    problems: list[str] = []
    extras: dict[str, set[str]] = {}
    demands = list(roots)
    reached: set[str] = set()
    for number, demand in enumerate(demands):  # it grows while it is walked
        pin = pins.get(demand.project)
        if pin is None:
            problems.append(f"{_stated(demand)} is not locked at all")
            continue
        extras.setdefault(pin.name, set()).update(demand.extras)
        problems += _check_demand(pin, demand, exactly=number < len(roots))
        if pin.name not in reached:
            reached.add(pin.name)
            origin = f"{pin.name} {pin.version}"
            demands += [parse_requirement(text, origin) for texts in pin.dependencies.values() for text in texts]
    for pin in target.pins:
        if pin.name not in reached:
            problems.append(f"{pin.name} {pin.version} is locked and nothing asks for it any more")
            continue
        asked = extras[pin.name]
        for extra in sorted(asked - set(pin.extras)):
            problems.append(f"{pin.name} {pin.version} is locked without the extra {extra!r}, which is asked for")
        for extra in sorted(set(pin.extras) - asked):
            problems.append(f"{pin.name} {pin.version} is locked with the extra {extra!r}, which nothing asks for")
    return problems


def _check_demand(pin: Pin, demand: Requirement, *, exactly: bool = True) -> list[str]:
    """Return why *pin* does not meet *demand*.

    :param exactly: a URL that it names must be the reference that was locked, hash included: the user's own.
    """
    if demand.url is not None:
        if pin.direct is not None and (demand.url == pin.direct or not exactly):
            return []
        place = "an index" if pin.direct is None else pin.direct
        return [f"{_stated(demand)} names a URL, and {pin.name} {pin.version} is locked from {place}"]
    # whether a pre-release may be taken was decided when it was; here only the version counts
    if demand.specifier.contains(pin.version, prereleases=True):
        return []
    return [f"{pin.name} {pin.version} is locked and does not satisfy {_stated(demand)}"]


def _check_pins(
    target: LockTarget, request: Request, roots: Sequence[Requirement], constraints: Iterable[Requirement]
) -> list[str]:
    """Return what the request's constraints, hashes and providers refuse among the pins of *target*."""
    problems = []
    bound: dict[str, list[Requirement]] = {}
    for constraint in constraints:
        bound.setdefault(constraint.project, []).append(replace(constraint, extras=()))
    hashes = _given_hashes([*roots, *(c for some in bound.values() for c in some)])
    for pin in target.pins:
        for constraint in bound.get(pin.name, ()):
            problems += _check_demand(pin, constraint)
        allowed = request.providers.get(pin.name) or request.providers.get("_default")
        if pin.direct is None and allowed and pin.provider not in allowed:
            problems.append(
                f"{pin.name} {pin.version} is locked from the provider {pin.provider}, which is not allowed"
            )
        if pin.direct is not None:
            problems += _check_direct(pin, request, [*roots, *bound.get(pin.name, ())])
        given = hashes.get(pin.name)
        if given is None and request.require_hashes:
            problems.append(f"{pin.name} {pin.version} has no --hash, and --require-hashes is set")
        elif given is not None:
            filename, sha256 = _file(pin)
            if f"sha256:{sha256}" not in given:
                problems.append(f"{filename} has none of the hashes that are given for {pin.name}")
    return problems


def _file(pin: Pin) -> tuple[str, str | None]:
    """Return the name and the hash of the file that *pin* is; a source tree and what nixpkgs builds have none."""
    if isinstance(pin.artifact, LockedCheckout):
        return pin.artifact.url, None
    if isinstance(pin.artifact, LockedAttribute):
        return f"{pin.name} of nixpkgs", None
    return pin.artifact.filename or pin.name, pin.artifact.sha256


def _check_direct(pin: Pin, request: Request, stated: Iterable[Requirement]) -> list[str]:
    """Return why a pin that a direct reference provides is not what the request's references say."""
    if not any(demand.project == pin.name and demand.url is not None for demand in stated):
        return [f"{pin.name} {pin.version} is locked from {pin.direct}, which nothing names any more"]
    source = request.local_sources.get(pin.direct or "")
    if source is not None and isinstance(pin.artifact, LockedPath) and source.digest != pin.artifact.states:
        return [f"what {pin.artifact.path} states of {pin.name} has changed since it was locked"]
    return []


def _given_hashes(requirements: Iterable[Requirement]) -> Mapping[str, frozenset[str]]:
    """Return the hashes given for each project; several lines narrow each other."""
    answer: dict[str, frozenset[str]] = {}
    for requirement in requirements:
        hashes = requirement.hashes
        if requirement.url is not None and (sha256 := parse_reference(requirement.url).sha256) is not None:
            hashes = (*hashes, f"sha256:{sha256}")
        if hashes:
            given = frozenset(hashes)
            answer[requirement.project] = answer.get(requirement.project, given) & given
    return answer


def _check_closures(lock: Lock) -> list[str]:
    used: set[str] = set()
    due = {pin.build for target in lock.targets for pin in target.pins if pin.build is not None}
    while due:
        used |= due
        held = [lock.build_closures[digest] for digest in due if digest in lock.build_closures]
        due = {pin.build for closure in held for pin in closure.pins if pin.build is not None} - used
    return [
        f"the build closure {digest} is locked and no sdist needs it"
        for digest in lock.build_closures
        if digest not in used
    ]


def _stated(demand: Requirement) -> str:
    return f"{replace(demand, marker=None)} ({demand.origin})"
