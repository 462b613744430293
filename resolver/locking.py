"""From a request and a catalog to a lock, or to the facts that are missing for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from .catalog import ID, Artifact, Catalog, Page
from .composing import compose_lock
from .direct import DIRECT, LOCAL_ID, is_direct, parse_reference
from .errors import DataError, InputError, NoSolution
from .fallback import settle
from .lock import (
    Lock,
    Locked,
    LockedArtifact,
    LockedAttribute,
    LockedCheckout,
    LockedCrate,
    LockedPath,
    Nixpkgs,
    Pin,
)
from .policy import DEFAULT_ROUNDS, Policy
from .preferences import Preferences, preferences_for
from .reading import Need, Reading
from .requirement import Request, Requirement, parse_requirement
from .resolution import Failure, ResolvedPin, Solved, solve
from .statistics import Statistics
from .supply import FindPlan, Supply
from .target import Target, make_target
from .unversioned import UNVERSIONED

if TYPE_CHECKING:
    from .building import Builder, Builds, Plan
    from .crates import Crate
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
        self.artifacts: dict[int, Artifact] = {}
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

    def load_artifacts(self, pins: Iterable[ResolvedPin]) -> None:
        """Read the files of *pins* from the catalog in one batch, for :meth:`pin`."""
        ids = {pin.page.files[row][ID] for pin in pins for row in pin.rows} - {LOCAL_ID}
        self.artifacts.update(self.catalog.artifacts(ids - self.artifacts.keys()))

    def artifact(self, pin: ResolvedPin, hashes: frozenset[str] | None = None) -> LockedArtifact:
        """Return the file of an index that the lock names: the best one, or the best one whose hash was given.

        :param hashes: the hashes that the user gave for the project; None where none apply
            (mach's own tools).
        """
        files = [self.artifacts[pin.page.files[row][ID]] for row in pin.rows]
        release = f"{pin.project} {pin.version}"
        if hashes:
            allowed = [f for f in files if f.sha256 is not None and f"sha256:{f.sha256}" in hashes]
            if not allowed:
                raise NoSolution(
                    "hash-mismatch",
                    f"no file of {release} for this target has a hash that was given",
                    context=[
                        *(
                            f"given at {stated.origin}: {given}"
                            for stated in (*self.request.requirements, *self.request.constraints)
                            for given in (stated.hashes if stated.project == pin.project else ())
                        ),
                        *(f"the index has: sha256:{f.sha256} {f.filename}" for f in files),
                    ],
                    hint="find out which of the two is right before you change the hash",
                )
            files = allowed
        elif hashes is not None and self.request.require_hashes:
            raise InputError(
                "hash-missing",
                f"--require-hashes is set and {release} has no --hash",
                hint=f"add {pin.project}=={pin.version} --hash=sha256:{files[0].sha256} to the requirements",
            )
        best = files[0]
        if best.sha256 is None:
            raise DataError(
                "no-hash",
                f"the index gives no sha256 for {best.filename}",
                hint="use an index that gives hashes; mach locks nothing that it cannot check",
            )
        return LockedArtifact(filename=best.filename, url=best.url, sha256=best.sha256, size=best.size)

    def attribute(self, pin: ResolvedPin, hashes: frozenset[str] | None) -> LockedAttribute:
        """Return the attribute of nixpkgs that the lock names."""
        from .nixpkgs_index import parse_attribute_filename

        if hashes is not None and (hashes or self.request.require_hashes):
            raise InputError(
                "hash-missing",
                f"hashes are required, and {pin.project} comes from nixpkgs, which builds it: no hash is known before",
                hint=f"allow it wheels and sdists alone (--provider {pin.project}=wheel,sdist), or do without hashes",
            )
        filename = self.artifacts[pin.page.files[pin.rows[0]][ID]].filename
        name = parse_attribute_filename(filename)
        if name is None:
            raise DataError(
                "catalog-corrupt",
                f"the catalog does not name the attribute of {pin.project}: {filename!r}",
                hint="crawl the nixpkgs again with `mach crawl nixpkgs`",
            )
        return LockedAttribute(attribute=name[0], version=name[1])

    def direct_artifact(self, pin: ResolvedPin, direct: str, hashes: frozenset[str] | None) -> Locked:
        """Return what the lock names for a pin that a direct reference provides."""
        reference = parse_reference(direct)
        if reference.kind == "url":
            given = {f"sha256:{reference.sha256}"} if reference.sha256 is not None else set()
            artifact = self.artifact(pin, None if hashes is None else hashes or frozenset(given))
            # the archive of a source tree that states no version is called by what stands for one
            return replace(artifact, filename=artifact.filename.replace(f"-{UNVERSIONED}.", f"-{pin.version}."))
        source = self.request.local_sources.get(direct)
        is_tree = source is None or source.sha256 is None
        # pip's rule: no hash can be given for what is no single file
        if is_tree and hashes is not None and (hashes or self.request.require_hashes):
            raise InputError(
                "hash-missing",
                f"hashes are required, and {pin.project} comes from a source tree, for which none can be given",
                hint="name a wheel or an sdist of it, or do without --require-hashes and --hash",
            )
        if source is not None:
            if source.sha256 is not None and hashes and f"sha256:{source.sha256}" not in hashes:
                raise NoSolution(
                    "hash-mismatch",
                    f"{source.filename} does not have a hash that was given",
                    context=[*(f"given: {h}" for h in sorted(hashes)), f"the file has: sha256:{source.sha256}"],
                    hint="find out which of the two is right before you change the hash",
                )
            return LockedPath(
                path=reference.location,
                states=source.digest,
                filename=source.filename,
                sha256=source.sha256,
                editable=reference.editable,
            )
        file = self.artifacts[pin.page.files[pin.rows[0]][ID]]
        checkout = parse_reference(file.url)
        if checkout.commit is None or file.sha256 is None:
            raise DataError(
                "catalog-corrupt",
                f"the catalog does not name the commit of {pin.project}",
                hint="fetch it again with --refresh",
            )
        return LockedCheckout(
            url=checkout.location,
            commit=checkout.commit,
            nar_sha256=file.sha256,
            subdirectory=checkout.subdirectory,
        )

    def locked_crates(self, crates: Iterable[Crate]) -> tuple[LockedCrate, ...]:
        """Return *crates* with their addresses in the registry of the request."""
        from .crates import default_crates_url

        base = self.request.crates_url or default_crates_url()
        return tuple(LockedCrate.of(crate, base) for crate in crates)

    def pin(
        self, pin: ResolvedPin, *, build: str | None = None, hashes: Mapping[str, frozenset[str]] | None = None
    ) -> Pin:
        """Return *pin* as the lock has it.

        :param build: digest of its build closure.
        :param hashes: the hashes that the user gave, by project; None where none apply.
        :raises InputError: ``hash-missing``.
        :raises NoSolution: ``hash-mismatch``.
        :raises DataError: ``no-hash``, ``catalog-corrupt``.
        """
        given = None if hashes is None else hashes.get(pin.project, frozenset())
        direct = pin.page.index.removeprefix(DIRECT) if is_direct(pin.page.index) else None
        artifact: Locked
        if pin.provider == "nixpkgs":
            artifact = self.attribute(pin, given)
        elif direct is None:
            artifact = self.artifact(pin, given)
        else:
            artifact = self.direct_artifact(pin, direct, given)
        crates = None if pin.plan is None else pin.plan.crates
        return Pin(
            name=pin.project,
            version=pin.version,
            provider=pin.provider,
            extras=pin.extras,
            artifact=artifact,
            dependencies=pin.dependencies,
            build=build,
            crates=None if crates is None else self.locked_crates(crates),
            built_on=None if pin.plan is None or pin.plan.place is None else str(pin.plan.place),
            direct=direct,
            passed_over=pin.passed_over,
            fallback=pin.fallback,
        )


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
