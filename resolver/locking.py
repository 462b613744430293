"""From a request and a catalog to a lock, or to the facts that are missing for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from .catalog import Catalog, Page
from .composing import compose_lock
from .errors import NoSolution
from .fallback import settle
from .lock import Lock, Nixpkgs
from .locked_pins import LockedPins
from .policy import DEFAULT_ROUNDS, Policy
from .preferences import Preferences, preferences_for
from .reading import Need, Reading
from .requirement import Request, Requirement, parse_requirement
from .resolution import Failure, Solved, solve
from .statistics import Statistics
from .supply import FindPlan, Supply
from .target import Target, make_target

if TYPE_CHECKING:
    from .building import Builder, Builds, Plan
    from .fixes import Attempt

__all__ = ["Locking", "Run", "make_lock"]

_TOOLS_ORIGIN = "the builders of mach"
#: What the builders run: in every lock, so that an override can build from source as well.
_INSTALLER = parse_requirement("installer>=0.7", _TOOLS_ORIGIN)
_HOOKS = parse_requirement("pyproject-hooks>=1", _TOOLS_ORIGIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locking:
    """What came out of one run: a lock, the facts that it lacks, or why there is no answer."""

    lock: Lock | None = None
    failure: NoSolution | None = None
    """Why there is no answer; never set together with needs."""
    needs: tuple[Need, ...] = ()
    """In the order of asking; empty where there is a lock."""
    reading: Reading
    warnings: tuple[str, ...] = ()
    statistics: Statistics = field(default_factory=Statistics)


class Run:
    """One run over one state of a catalog."""

    def __init__(
        self,
        request: Request,
        catalog: Catalog,
        policy: Policy,
        find_builder: Callable[[], Builder | None],
        nixpkgs: Nixpkgs | None = None,
    ) -> None:
        self.request = request
        self.catalog = catalog
        self.policy = policy
        nix_hash = None if nixpkgs is None else nixpkgs.sha256
        self.reading = Reading(catalog, request.indexes, request.local_sources, nix_hash)
        # mach's own tools are neither the user's choice of providers nor bound to a date
        self.tool_policy = Policy(providers={"_default": ("wheel",)}, prefer="newest", rounds=policy.rounds)
        self.pins = LockedPins(request, catalog)
        self.find_plan = _planning(self.reading, catalog, policy, request, find_builder)

    def solve_tool(self, target: Target, root: Requirement) -> Solved | None:
        """Return the solution for one of the builders' tools; None where facts are missing.

        :raises NoSolution: ``tool-not-found``.
        """
        outcome = solve(Supply(self.reading, target, self.tool_policy, roots=[root]), Statistics())
        if isinstance(outcome, Failure):
            from .explain import explain

            error = explain(outcome, target)
            raise NoSolution(
                "tool-not-found",
                f"no usable wheel of {root} for mach's builders was found",
                context=[error.message, *error.context],
                hint="add an index that has it with --extra-index-url",
            )
        return outcome


def _planning(
    reading: Reading,
    catalog: Catalog,
    policy: Policy,
    request: Request,
    find_builder: Callable[[], Builder | None],
) -> FindPlan:
    """Return what finds how sdists are built in one run; most runs meet none."""
    builds: Builds | None = None

    def find_plan(page: Page, row: int, target: Target) -> Plan | None:
        nonlocal builds
        if builds is None:
            from .building import Builds

            builds = Builds(reading, catalog, policy, find_builder=find_builder, request=request)
        return builds.plan(page, row, target)

    return find_plan


def make_lock(
    request: Request,
    catalog: Catalog,
    *,
    preferences: Preferences | None = None,
    nixpkgs: Nixpkgs | None = None,
    snapshot: str | None = None,
    rounds: int = DEFAULT_ROUNDS,
    statistics: Statistics | None = None,
    find_builder: Callable[[], Builder | None] = lambda: None,
    before_crawl: bool = False,
) -> Locking:
    """Resolve *request* against one state of a catalog.

    Targets are resolved one by one, sorted; earlier pins are preferences for the next.

    :param preferences: existing pins by target.
    :param nixpkgs: the pinned nixpkgs, recorded in the lock.
    :param snapshot: the snapshot's id, recorded in the lock; only where the user pinned one.
    :param rounds: search budget for each target and mode.
    :param statistics: counted up; by default a new value.
    :param find_builder: finds the machine that can ask build backends, where there is one; called once one is wanted.
    :param before_crawl: with the targets of a lock that was made before the pinned nixpkgs was crawled.
    :raises InputError: ``unknown-platform`` and its kin, ``hash-missing``, ``nixpkgs-not-pinned``.
    :raises DataError: ``no-hash``.
    """
    policy = Policy.of(request, rounds=rounds)
    if nixpkgs is None:
        policy.refuse_nixpkgs()
    run = Run(request, catalog, policy, find_builder, nixpkgs)
    targets = _targets(request, None if before_crawl else run.reading)
    solved: list[tuple[Target, Solved]] = []
    failed: tuple[Failure, Target] | None = None
    earlier: dict[str, tuple[str, str]] = {}
    statistics = statistics if statistics is not None else Statistics()
    for target in targets:
        preferred = {**earlier, **preferences_for(preferences, target)}
        outcome = settle(_supply(run.reading, target, policy, request, preferred, run.find_plan), statistics)
        if isinstance(outcome, Failure):
            failed = failed or (outcome, target)
        elif outcome is not None:
            solved.append((target, outcome))
            earlier = {p.project: (p.version, p.provider) for p in outcome.pins} | earlier
    if failed is not None and not run.reading.needs:
        from .explain import explain  # a long way of imports that only failures go

        failure = explain(*failed, request=request, retry=partial(_retry, run), snapshot=snapshot)
        return Locking(failure=failure, reading=run.reading, statistics=statistics)
    tools = _solve_tools(run, targets)
    if run.reading.needs:
        return Locking(needs=tuple(run.reading.needs), reading=run.reading)
    lock = compose_lock(run, solved, tools, nixpkgs, snapshot)
    return Locking(
        lock=lock,
        reading=run.reading,
        warnings=tuple(dict.fromkeys(w for _, s in solved for w in s.warnings)),
        statistics=statistics,
    )


def _supply(
    reading: Reading,
    target: Target,
    policy: Policy,
    request: Request,
    preferred: Mapping[str, tuple[str, str]],
    find_plan: FindPlan,
) -> Supply:
    return Supply(
        reading,
        target,
        policy,
        roots=request.requirements,
        constraints=request.constraints,
        overrides=request.overrides,
        excludes=request.excludes,
        preferences=preferred,
        find_plan=find_plan,
    )


def _targets(request: Request, reading: Reading | None) -> list[Target]:
    """Return what is resolved for; of a pinned nixpkgs that is known, with its glibc and oldest macOS."""
    places = [(system, python) for system in sorted(set(request.systems)) for python in request.pythons]
    if reading is not None and reading.has_nixpkgs:
        from .nixpkgs_set import target_in

        return [target_in(reading.nixpkgs_set(*place), *place) for place in places]
    return [make_target(*place) for place in places]


def _retry(run: Run, request: Request, rounds: int) -> Attempt:
    """Solve a changed request on the facts that the catalog has, for an explanation.

    It reads through a reading of its own, and what is missing for it is not asked for: no lock and no need comes of it.
    """
    from .fixes import Attempt

    policy = Policy.of(request, rounds=rounds)
    statistics = Statistics()
    solved = []
    earlier: dict[str, tuple[str, str]] = {}
    for target in _targets(request, run.reading.afresh()):
        # where arc consistency would take facts that are missing, it does without
        for some in (policy, replace(policy, consistency_facts=0, consistency_facts_later=0)):
            reading = run.reading.afresh()
            find_plan = _planning(reading, run.catalog, some, request, lambda: None)
            outcome = solve(_supply(reading, target, some, request, earlier, find_plan), statistics)
            if not reading.needs:
                break
        if not isinstance(outcome, Solved):
            return Attempt(solved=(), rounds=statistics.rounds)
        solved.append(outcome)
        earlier = {p.project: (p.version, p.provider) for p in outcome.pins} | earlier
    return Attempt(solved=tuple(solved), rounds=statistics.rounds)


def _solve_tools(run: Run, targets: Sequence[Target]) -> Mapping[str, Solved]:
    """Return solutions for what the builders run, by tool."""
    tools: dict[str, Solved] = {}
    for root in (_INSTALLER, _HOOKS):
        tool = run.solve_tool(targets[0], root)
        if tool is not None:
            tools[root.project] = tool
    return tools
