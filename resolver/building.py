"""Building sdists: the closure that each is built in, and what its build backend says there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

from .catalog import ID, RANK, TAKES_A_BUILD, UPLOAD, BuildNeed, Catalog, Page
from .crates import NO_CARGO_LOCK, RUST_BACKENDS, Crate, read_crates
from .errors import InputError, NoSolution, shorten
from .interpreters import NEWEST_PATCHES, a_year_after_release, series
from .names import NormalizedName
from .policy import Policy
from .reading import Reading
from .requirement import Request, Requirement, parse_requirement
from .resolution import Failure, Solved, solve
from .statistics import Statistics
from .supply import Supply
from .target import SYSTEMS, Target, make_target
from .unversioned import TAKES_A_VERSION, UNVERSIONED

__all__ = ["Builder", "Builds", "Place", "Plan"]


class Place(NamedTuple):
    """Where a build backend runs, or ran."""

    python: str
    """``3.11``."""
    system: str
    """Nix system name."""

    def __str__(self) -> str:
        """Return ``Python 3.11 on x86_64-linux``."""
        return f"Python {self.python} on {self.system}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """The machine that can ask build backends, where there is one."""

    system: str
    pythons: tuple[str, ...]
    """The X.Y that it has."""

    def place_for(self, target: Target) -> Place:
        """Return where it asks for *target*: on the target's own Python, or else on the nearest one that it has."""
        wanted = series(target.python)
        pythons = self.pythons or (wanted,)
        return Place(min(pythons, key=lambda python: (_distance(python, wanted), python)), self.system)


def _distance(python: str, wanted: str) -> int:
    return abs(int(python.partition(".")[2]) - int(wanted.partition(".")[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one sdist is built for one target, and what that says of it."""

    metadata: Sequence[Any]
    """As an entry of :attr:`Page.depsets`; its failure says why the sdist cannot be used."""
    closure: Solved | None = None
    """The build closure on the target; None only where the sdist cannot be used."""
    place: Place | None = None
    """Where the backend was asked, where that is not the target's own Python and platform."""
    crates: tuple[Crate, ...] | None = None
    """What its Rust parts are built with; None where it has none."""
    is_late: bool = False
    """Nothing of the sdist's time can build it, but something newer can."""


_AROUND = "its build takes itself: "
#: Chain of the projects whose sdists are being planned, the outermost first.
_Chain = tuple[NormalizedName, ...]


class Builds:
    """Plans of sdists, made once for each run.

    A build closure is resolved on its own, as the rules of the request's dates and indexes have
    it but for the user's own choices: wheels only (unless told otherwise), the newest of everything, as of the later of
    the sdist's upload and a year after the first release of the Python that it is built on (or,
    where that has nothing, the newest), and never after the date that the user asks for. What a
    backend says is looked up under the closure that it says it in, so that another closure never
    gets an old answer.

    :param find_builder: finds where backends can be asked, None for nowhere; called where one has to be asked.
    """

    def __init__(
        self,
        reading: Reading,
        catalog: Catalog,
        policy: Policy,
        *,
        request: Request,
        find_builder: Callable[[], Builder | None] = lambda: None,
    ) -> None:
        self._reading = reading
        self._catalog = catalog
        self._policy = policy
        self._find_builder = cache(find_builder)
        self._build_as_of = request.build_as_of
        self._providers = request.build_providers
        self._plans: dict[tuple[str, str, int, Target], Plan] = {}
        self._closures: dict[tuple[tuple[str, ...], int | None, Target, _Chain], Solved | str | None] = {}

    def plan(self, page: Page, row: int, target: Target, chain: _Chain = ()) -> Plan | None:
        """Ask how the sdist in *row* of *page* is built for *target*.

        :param chain: projects whose build asks for this one.
        :return: the plan, or None where facts are missing (the needs are recorded).
        """
        key = (page.index, page.project, row, target)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._make(page, row, target, chain)
            if plan is not None and not chain:
                self._plans[key] = plan
        return plan

    def _plan_in(self, chain: _Chain, page: Page, row: int, target: Target) -> Plan | None:
        return self.plan(page, row, target, chain)

    def _make(self, page: Page, row: int, target: Target, chain: _Chain) -> Plan | None:
        depset: Any = self._reading.depset(page, row)
        if depset is None:
            return None
        failure, build = depset[4], depset[5]
        if failure not in (None, TAKES_A_BUILD, TAKES_A_VERSION):
            return Plan(metadata=depset)
        try:
            if page.project in chain:
                around = " → ".join((*chain[chain.index(page.project) :], page.project))
                raise _Unusable(_AROUND + around)
            stated = _parse(build[0], f"the build of {_release(page, row)}")
            return self._ask(page, row, target, (*chain, page.project), stated)
        except _Unusable as unusable:
            return Plan(metadata=(*depset[:4], str(unusable), build))

    def _ask(self, page: Page, row: int, target: Target, chain: _Chain, stated: Sequence[Requirement]) -> Plan | None:
        own = Place(series(target.python), target.system)
        for place in self._places(page, row, own):
            closure = self._close(page, row, stated, _at(place), chain)
            if closure is None:
                return None
            added = self._reading.built(page, row, place, "requires", self._key(closure))
            if added is None:
                continue
            if added[4] is not None:
                raise _Unusable(added[4])
            return self._go_on(page, row, target, chain, stated, place, added)
        builder = self._find_builder()
        place = own if builder is None else builder.place_for(target)
        closure = self._close(page, row, stated, _at(place), chain)
        if closure is not None:
            self._need(page, row, place, "requires", closure)
        return None

    def _go_on(
        self,
        page: Page,
        row: int,
        target: Target,
        chain: _Chain,
        stated: Sequence[Requirement],
        place: Place,
        added: Any,
    ) -> Plan | None:
        """Return the plan once it is known what the backend requires besides what is *stated*."""
        depset: Any = self._reading.depset(page, row)
        more = _parse(added[5][0], f"the build backend of {_release(page, row)}")
        requirements = (*stated, *more)
        crates = read_crates(depset[5])
        if crates is None and any(requirement.project in RUST_BACKENDS for requirement in requirements):
            raise _Unusable(NO_CARGO_LOCK)
        if depset[4] in (TAKES_A_BUILD, TAKES_A_VERSION):
            closure = self._close(page, row, requirements, _at(place), chain)
            if closure is None:
                return None
            depset = self._reading.built(page, row, place, "metadata", self._key(closure))
            if depset is None:
                self._need(page, row, place, "metadata", closure)
                return None
            if depset[4] is not None:
                raise _Unusable(depset[4])
        closure = self._close(page, row, requirements, target, chain)
        if closure is None:
            return None
        elsewhere = place != Place(series(target.python), target.system)
        is_late = self._is_late(page, row, requirements, target, chain)
        return Plan(
            metadata=depset, closure=closure, place=place if elsewhere else None, crates=crates, is_late=is_late
        )

    def _places(self, page: Page, row: int, own: Place) -> list[Place]:
        """Return where the backend of an sdist was asked: the target's own Python and platform first."""
        known = {Place(b[1], b[2]) for b in page.builds if b[0] == row and b[1] in NEWEST_PATCHES and b[2] in SYSTEMS}
        return sorted(
            known, key=lambda p: (_distance(p.python, own.python), p.system != own.system, p.python, p.system)
        )

    # ---- closures

    def _close(
        self, page: Page, row: int, requirements: Sequence[Requirement], target: Target, chain: _Chain
    ) -> Solved | None:
        """Return the build closure of *requirements* on *target*, or None where facts are missing.

        :raises _Unusable: where there is none.
        """
        moments = self._moments(page, row, target)
        found: Solved | str | None = None
        for moment in moments:
            found = self._close_at(requirements, moment, target, chain)
            if not isinstance(found, str):
                return found
        raise _Unusable(found)

    def _is_late(
        self, page: Page, row: int, requirements: Sequence[Requirement], target: Target, chain: _Chain
    ) -> bool:
        """Return whether the build closure had to be of a later time than the sdist's."""
        first = self._moments(page, row, target)[0]
        return isinstance(self._close_at(requirements, first, target, chain), str)

    def _close_at(
        self, requirements: Sequence[Requirement], moment: int | None, target: Target, chain: _Chain
    ) -> Solved | str | None:
        """Return the build closure as of *moment*; a sentence where there is none, None where facts are missing."""
        key = (tuple(sorted({str(r) for r in requirements})), moment, target, chain)
        found = self._closures.get(key)
        if found is None:
            found = self._closures[key] = self._solve(requirements, moment, target, chain)
        return found

    def _solve(
        self, requirements: Sequence[Requirement], moment: int | None, target: Target, chain: _Chain
    ) -> Solved | str | None:
        policy = Policy(
            providers={"_default": ("wheel",), **self._providers},
            prefer="newest",
            as_of={} if moment is None else {"_default": moment},
            rounds=self._policy.rounds,
        )
        supply = Supply(self._reading, target, policy, roots=requirements, find_plan=partial(self._plan_in, chain))
        outcome = solve(supply, Statistics())
        if isinstance(outcome, Failure):
            from .explain import explain  # a long way of imports that only failures go

            return _tell(explain(outcome, target))
        return outcome

    def _moments(self, page: Page, row: int, target: Target) -> list[int | None]:
        """Return the times, in UTC seconds since 1970, before which everything in a build closure was uploaded.

        The second one counts where the first has no closure: on an index of one's own, files
        may be newer than what is built with them.
        """
        chosen = self._build_as_of.get(page.project, self._build_as_of.get("_default"))
        if chosen is not None:
            return [chosen]
        cap = self._policy.as_of.get("_default")
        upload: int = page.files[row][UPLOAD]
        if upload < 0:
            return [cap]
        moment = max(upload + 1, a_year_after_release(target.python))
        return [moment, cap] if cap is None or moment < cap else [cap]

    def _key(self, closure: Solved) -> str:
        """Return the name of a closure: ``sha256:…`` over its releases and their files."""
        ids = {pin.project: pin.page.files[pin.rows[0]][ID] for pin in closure.pins}
        files = self._catalog.artifacts(ids.values())
        pins: list[list[str | None]] = []
        for pin in closure.pins:
            file = files[ids[pin.project]]
            pins.append([pin.project, pin.version, file.filename, file.sha256])
            if pin.plan is not None and pin.plan.closure is not None:
                pins[-1].append(self._key(pin.plan.closure))
        text = json.dumps(pins, separators=(",", ":"), ensure_ascii=True)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def _need(self, page: Page, row: int, place: Place, step: str, closure: Solved) -> None:
        self._reading.needs[self._describe(page, row, place, step, closure)] = None

    def _describe(self, page: Page, row: int, place: Place, step: str, closure: Solved) -> BuildNeed:
        depset: Any = self._reading.depset(page, row)
        return BuildNeed(
            page.index,
            page.project,
            page.files[row][ID],
            None if depset[4] == TAKES_A_VERSION else page.versions[page.files[row][RANK]],
            *place,
            step=step,
            closure=self._key(closure),
            wheels=tuple(pin.page.files[pin.rows[0]][ID] for pin in closure.pins if pin.provider == "wheel"),
            sdists=tuple(
                self._describe(pin.page, pin.rows[0], place, "wheel", pin.plan.closure)
                for pin in closure.pins
                if pin.plan is not None and pin.plan.closure is not None
            ),
        )


class _Unusable(Exception):
    """An sdist that cannot be built; the text is a clause or a sentence that says why."""


def _tell(error: NoSolution) -> str:
    """Return why there is no build closure; of closures in closures, the innermost reason tells most."""
    around = next((line.partition(_AROUND)[2] for line in error.context if _AROUND in line), None)
    if around is not None:
        return _AROUND + around
    inner = next((line for line in error.context if " cannot be used: " in line), None)
    return f"what its build requires cannot be had: {error.message}" + (f": {inner}" if inner else "")


def _release(page: Page, row: int) -> str:
    """Return what messages call the sdist in *row*."""
    version = page.versions[page.files[row][RANK]]
    return str(page.project) if version == UNVERSIONED else f"{page.project} {version}"


def _at(place: Place) -> Target:
    return make_target(place.system, NEWEST_PATCHES[place.python])


def _parse(texts: Sequence[str], origin: str) -> list[Requirement]:
    requirements = []
    for text in texts:
        try:
            requirement = parse_requirement(text, origin)
        except InputError as error:
            raise _Unusable(f"its build requirement {shorten(text)!r} does not parse") from error
        if requirement.url is not None:
            raise _Unusable(f"its build requirement {shorten(text)!r} names a URL, which mach does not fetch")
        requirements.append(requirement)
    return requirements
