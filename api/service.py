"""The use cases: what the command line and HTTP do alike, on values, without printing or exiting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from db.catalog import CatalogHandle, Reader, open_catalog
from resolver.errors import InputError
from resolver.interpreters import series
from resolver.lock import Lock, LockTarget, Nixpkgs, render_lock
from resolver.locking import Locking, make_lock
from resolver.names import NormalizedName
from resolver.preferences import Preferences, preferences_of
from resolver.requirement import Request
from resolver.statistics import Statistics

from .asking import Asked
from .filling import DEFAULT_MAX_AGE, Filling
from .nix_hooks import NixHooks
from .notices import Notices
from .patch_versions import crawled_patches, known_sets, locked_patches, note_targets, warn_of_interpreters

if TYPE_CHECKING:
    from crawler.settings import IndexSettings
    from nix.fixes import Fix

    from .foresight import Foresight

__all__ = [
    "CatalogChoices",
    "Locked",
    "Upgrade",
    "lock_request",
    "places_of",
    "problems_of",
    "problems_of_asked",
    "render_folder",
    "render_nix",
    "target_of",
    "targets_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogChoices:
    """Which catalog to use, which state of it, and whether it may be filled."""

    db: str | None = None
    """File or URL; None for the user's own."""
    snapshot: str | None = None
    """Snapshot id, unambiguous prefix or name; nothing is fetched then."""
    offline: bool = False
    max_age: int = DEFAULT_MAX_AGE
    """Seconds; 0 revalidates every page that is read (``--refresh``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """Which pins of an existing lock are not kept."""

    everything: bool = False
    projects: frozenset[str] = frozenset()
    """Normalised names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A lock and how it came about."""

    lock: Lock
    reused: bool
    """The existing lock satisfies the request and was taken as it is."""
    statistics: Statistics = field(default_factory=Statistics)
    folder: str = "."
    """Of the lock: where its relative paths start."""
    settings: IndexSettings | None = field(default=None, repr=False)
    """How the indexes of the request are reached; None where a lock was named."""

    @property
    def text(self) -> str:
        """The text of ``mach.lock``."""
        return render_lock(self.lock)


def lock_request(
    asked: Asked,
    catalog: CatalogChoices,
    notices: Notices,
    *,
    old: Lock | None = None,
    upgrade: Upgrade | None = None,
    near: Lock | None = None,
    nixpkgs: Nixpkgs | None = None,
    fixes: Sequence[Fix] = (),
    statistics: Statistics | None = None,
) -> Locked:
    """Return a lock for what was asked.

    An *old* lock that satisfies the request is returned as it is, without a catalog;
    else its pins are preferences, so that little moves; so are those of *near*, for every target.

    :param nixpkgs: pinned; build backends that take something of nixpkgs get it from there.
    :param fixes: the user's own, after those that come with mach.
    :param statistics: counted up, also where there is no answer; by default a new value.
    :raises NoSolution: with the reason.
    :raises DataError: ``not-covered`` and what is wrong with a catalog.
    :raises Unavailable: where an index or a database cannot be used.
    """
    for note in asked.notes:
        notices.warn(note)
    for line in asked.details:
        notices.detail(line)
    if asked.request.as_of:
        notices.note("--as-of goes by upload times; yanks and deletions count as this catalog knows them now")
    nixpkgs = nixpkgs or (old.nixpkgs if old is not None else None)
    locked = locked_patches(old, nixpkgs, asked.request)
    kept = asked.with_patches(locked)
    if old is not None and _still_good(old, kept.request, catalog, upgrade, nixpkgs):
        note_targets(kept.request, notices, locked=kept is not asked)
        return Locked(lock=old, reused=True)
    with open_catalog(catalog.db, create=not _offline(catalog), readonly=_offline(catalog)) as handle:
        generation, snapshot = find_snapshot(handle, catalog.snapshot)
        sets = known_sets(asked.request, handle.reader(generation), nixpkgs)
        if upgrade is not None and upgrade.everything:
            locked = {}
        asked = asked.with_patches(locked | crawled_patches(sets, asked.series, notices))
        request = asked.request
        note_targets(request, notices, sets=sets)
        filling = Filling(
            handle=handle,
            settings=lambda: asked.settings,
            notices=notices,
            offline=_offline(catalog),
            max_age=catalog.max_age,
            generation=generation,
            statistics=Statistics() if statistics is None else statistics,
            local_paths=asked.local_paths,
            nix=NixHooks(nixpkgs, fixes),
        )
        upgrade = upgrade or Upgrade()
        preferences: dict[tuple[str, str], Mapping[str, tuple[str, str]]] = {}
        if near is not None:
            preferences.update(preferences_of(near, near=True))
        if old is not None and not upgrade.everything:
            preferences.update(preferences_of(old, upgrade.projects))
        try:
            outcome = resolve_with(filling, request, snapshot=snapshot, nixpkgs=nixpkgs, preferences=preferences)
        finally:
            filling.close()
    if outcome.failure is not None:
        raise outcome.failure
    assert outcome.lock is not None, "a run without needs and failure has a lock"
    for warning in outcome.warnings:
        notices.warn(warning)
    warn_of_interpreters(outcome.lock, sets, notices)
    return Locked(lock=outcome.lock, reused=False, statistics=outcome.statistics)


def resolve_with(
    filling: Filling,
    request: Request,
    *,
    snapshot: str | None = None,
    nixpkgs: Nixpkgs | None = None,
    preferences: Preferences | None = None,
) -> Locking:
    """Return what *request* is resolved to on the catalog of *filling*: a lock, or why there is none.

    :param snapshot: id of the state that *filling* reads, where the user pinned it.
    :raises DataError: ``not-covered`` and what is wrong with a catalog.
    :raises Unavailable: where an index or a database cannot be used.
    """

    def resolve(preferences: Preferences | None) -> Locking:
        def attempt(request: Request, reader: Reader) -> Locking:
            return make_lock(
                request,
                reader,
                preferences=preferences,
                nixpkgs=nixpkgs,
                snapshot=snapshot,
                statistics=filling.statistics,
                find_builder=filling.find_builder,
            )

        return filling.run(attempt, request, lambda: _foresight(request, filling.handle))

    outcome = resolve(preferences)
    if preferences and outcome.lock is not None:
        # its own pins as preferences: so that the facts in the lock are those that anyone
        # who has the lock reads, whatever lock came before it
        outcome = resolve(preferences_of(outcome.lock))
    filling.statistics.pages = len(outcome.reading.pages_asked())
    filling.statistics.metadata = len(outcome.reading.metadata_asked())
    if outcome.failure is not None:
        from .spelling import name_nearest

        failure = name_nearest(outcome.failure, filling.handle.reader(filling.generation), request.indexes)
        return replace(outcome, failure=failure)
    return outcome


def _offline(catalog: CatalogChoices) -> bool:
    return catalog.offline or catalog.snapshot is not None


def _still_good(
    old: Lock, request: Request, catalog: CatalogChoices, upgrade: Upgrade | None, nixpkgs: Nixpkgs | None
) -> bool:
    if catalog.snapshot is not None or old.nixpkgs != nixpkgs:
        return False
    if upgrade is not None and (upgrade.everything or upgrade.projects):
        return False
    return not problems_of(old, request)


def problems_of_asked(lock: Lock, asked: Asked, nixpkgs: Nixpkgs | None) -> list[str]:
    """Return why *lock* does not satisfy what was asked, by the two alone, as :func:`problems_of` does.

    :param nixpkgs: the one that is asked for; None for the lock's.
    """
    patches = locked_patches(lock, nixpkgs or lock.nixpkgs, asked.request)
    return problems_of(lock, asked.with_patches(patches).request)


def problems_of(lock: Lock, request: Request) -> list[str]:
    """Return why *lock* does not satisfy *request*, one sentence each; empty where it does."""
    from resolver.check import check_lock
    from resolver.nameless import names_in, with_names

    return check_lock(lock, with_names(request, names_in(lock, request)))


def find_snapshot(handle: CatalogHandle, name: str | None) -> tuple[int | None, str | None]:
    """Return generation and id of the snapshot called *name*; None twice where none is asked for.

    :raises InputError: ``unknown-snapshot``, ``ambiguous-snapshot``.
    """
    if name is None:
        return None, None
    from db.snapshot import resolve_snapshot, snapshot_id

    generation = resolve_snapshot(handle, name)
    return generation, snapshot_id(handle, generation)


def _foresight(request: Request, handle: CatalogHandle) -> Foresight:
    """Return the guess at what comes next, which leaves out what the catalog knows already."""
    from .foresight import Foresight

    index = request.indexes[0]
    # what a direct reference provides is nothing to ask an index about
    directs = {r.project for r in (*request.requirements, *request.constraints) if r.url is not None}

    def known(projects: Iterable[NormalizedName]) -> Iterable[NormalizedName]:
        return {*handle.freshness(index, projects), *directs}

    return Foresight(request, known)


def render_nix(lock: Lock, *, check: bool = False, root: str = ".", fixes: Sequence[Fix] = ()) -> str:
    """Return the self-contained Nix expression of *lock*.

    :param check: have Nix's own parser read it, where this machine has Nix.
    :param root: the folder of the lock, absolute or relative to the file that the text is written to.
    :param fixes: the user's own, after those that come with mach.
    :raises DataError: ``lock-invalid``.
    :raises MachError: ``generated-nix-invalid``, a bug of mach.
    """
    from nix.expression import render_expression

    text = render_expression(lock, root=root, fixes=fixes)
    if check:
        from nix.check import check_syntax

        check_syntax(text)
    return text


def render_folder(lock: Lock, *, fixes: Sequence[Fix] = ()) -> dict[str, str]:
    """Return the files that build the ``mach.lock`` beside them: ``default.nix`` and ``shell.nix``.

    :param fixes: the user's own, after those that come with mach.
    """
    from nix.expression import render_directory

    return dict(render_directory(lock, fixes=fixes))


def targets_of(lock: Lock, system: str | None = None, python: str | None = None) -> tuple[LockTarget, ...]:
    """Return the targets of *lock* that fit, in the order of the lock: at least one.

    :param system: Nix system name; None for any.
    :param python: X.Y or X.Y.Z; None for any.
    :raises InputError: ``not-in-lock`` where none fits.
    """
    known = [(target.system, target.python) for target in lock.targets]
    fitting = places_of(known, system, python)
    return tuple(lock.targets[place] for place in fitting)


def target_of(lock: Lock, system: str | None = None, python: str | None = None) -> LockTarget:
    """Return the first target of *lock* that fits, as :func:`targets_of` finds them.

    :raises InputError: ``not-in-lock`` where none fits.
    """
    return targets_of(lock, system, python)[0]


def places_of(known: Sequence[tuple[str, str]], system: str | None, python: str | None) -> list[int]:
    """Return which of the *known* targets fit, by their place: at least one.

    :param known: (system, exact Python) of each target.
    :param system: Nix system name; None for any.
    :param python: X.Y or X.Y.Z; None for any.
    :raises InputError: ``not-in-lock`` where none fits.
    """
    fitting = [
        place
        for place, (its_system, its_python) in enumerate(known)
        if system in (None, its_system) and python in (None, its_python, series(its_python))
    ]
    if not fitting:
        asked = [] if system is None else [f"for {system}"]
        asked += [] if python is None else [f"with Python {python}"]
        raise InputError(
            "not-in-lock",
            f"the lock has no target {' '.join(asked)}".rstrip(),
            context=[f"it has {', '.join(f'{s} with Python {p}' for s, p in known) or 'none'}"],
            hint="name one that it has, or lock again for that platform and that Python",
        )
    return fitting
