"""Carrying facts from one catalog to another: those of a snapshot, and those of a lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.settings import IndexSettings
from db.catalog import CatalogHandle, Reader
from resolver.errors import DataError, LockOutdated
from resolver.lock import Lock, render_lock
from resolver.lock_request import request_from_json
from resolver.locking import Locking, make_lock
from resolver.preferences import Preferences, preferences_of
from resolver.requirement import Request

from .filling import Filling
from .local_sources import with_local_sources
from .notices import Notices

if TYPE_CHECKING:
    from resolver.building import Builder

__all__ = ["export_lock_facts", "pull", "verify_lock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What pulling a snapshot brought."""

    snapshot: str
    """Its id."""
    is_state: bool
    """The catalog has the snapshot as a state of its own, which can be named; else it holds other facts as well."""
    learned: int
    """Projects that the catalog learned something of; 0 where it had the snapshot already."""


def pull(
    handle: CatalogHandle,
    settings: IndexSettings,
    notices: Notices,
    *,
    snapshot: str,
    name: str | None = None,
    replace_listings: bool = False,
    token: str | None = None,
) -> Pulled:
    """Fetch a snapshot from a service of mach and add its facts to the catalog, all or none.

    :param settings: with the service's URL as the only index.
    :param snapshot: id, prefix or name that the service knows, or ``newest``.
    :param name: to give to the snapshot here.
    :param replace_listings: as :func:`db.transfer.import_file` takes it.
    :param token: what the service wants to be shown.
    :raises InputError: ``unknown-snapshot``, and what :func:`db.transfer.import_file` raises.
    :raises Unavailable: ``service-unusable``; where the service or the catalog cannot be used.
    """
    import tempfile

    from crawler.client import Client
    from crawler.pulling import pull_snapshot
    from db.snapshot import pin, snapshots
    from db.transfer import import_file

    def is_state(identity: str) -> bool:
        return any(state.id == identity for state in snapshots(handle))

    learned = 0
    with tempfile.TemporaryDirectory(prefix="mach-pull-") as folder, Client(settings) as client:
        file = Path(folder) / "facts.mach"
        identity, is_new = pull_snapshot(
            client,
            settings.indexes[0],
            snapshot,
            file,
            known=is_state,
            token=token,
            progress=lambda done, total: notices.progress(done, total, "bytes"),
        )
        if is_new:
            learned = import_file(handle, file, replace_listings=replace_listings).learned
    there = is_state(identity)
    if name is not None and there:
        pin(handle, name, identity, replace=True)
    return Pulled(snapshot=identity, is_state=there, learned=learned)


def _repeat(
    preferences: Preferences,
    lock: Lock,
    find_builder: Callable[[], Builder | None],
    before_crawl: bool,
    request: Request,
    reader: Reader,
) -> Locking:
    return make_lock(
        request,
        reader,
        preferences=preferences,
        nixpkgs=lock.nixpkgs,
        # by which name the facts were found changes none of them
        snapshot=lock.snapshot,
        find_builder=find_builder,
        before_crawl=before_crawl,
    )


def _made_again(handle: CatalogHandle, lock: Lock, generation: int | None, folder: Path, notices: Notices) -> Locking:
    """Return the resolution that reads the facts that *lock* names.

    It is tried afresh and with the lock's own pins as preferences, with the targets that a crawled nixpkgs says and
    those from before: a lock does not say which it came from, and one of these reads what its digest names.

    :param folder: where the lock lies: local paths in it start there.
    :raises DataError: ``facts-moved`` where this state of the catalog gives none.
    """
    request, paths = with_local_sources(request_from_json(lock.request), folder)
    crawls = (False,) if lock.nixpkgs is None else (False, True)
    for preferences, before_crawl in product(({}, preferences_of(lock)), crawls):
        filling = Filling(
            handle=handle,
            settings=lambda: IndexSettings(indexes=()),
            notices=notices,
            offline=True,
            generation=generation,
            local_paths=paths,
        )
        try:
            run = filling.run(partial(_repeat, preferences, lock, filling.find_builder, before_crawl), request)
        except DataError:
            continue  # facts are missing: it is not that state
        finally:
            filling.close()
        if run.lock is not None and run.lock.facts == lock.facts:
            return run
    raise DataError(
        "facts-moved",
        "this state of the catalog does not hold the facts that the lock was made from",
        context=[f"the lock names {lock.facts}"],
        hint="name the state with --snapshot; or lock again with `mach lock --upgrade`, and take that lock's facts",
    )


def export_lock_facts(
    handle: CatalogHandle,
    lock: Lock,
    file: Path,
    generation: int | None = None,
    *,
    folder: Path,
    notices: Notices,
) -> None:
    """Write to *file* exactly the facts that *lock* was made from; the resolution is repeated to find them.

    :param folder: where the lock lies: local paths in it start there.
    :raises DataError: ``facts-moved`` where this state of the catalog does not hold them.
    """
    from db.transfer import export_facts

    run = _made_again(handle, lock, generation, folder, notices)
    files = handle.reader(generation).file_facts(number for _, _, number in run.reading.metadata_asked())
    export_facts(
        handle,
        file,
        pages=run.reading.pages_asked(),
        metadata=[(i, p, files[number].filename) for i, p, number in run.reading.metadata_asked()],
        generation=generation,
    )


def verify_lock(
    handle: CatalogHandle,
    lock: Lock,
    text: str,
    generation: int | None = None,
    *,
    folder: Path,
    notices: Notices,
) -> None:
    """Make *lock* again from its own request and the facts that it names, and compare it byte for byte.

    :param text: of the lock, as it lies in its file.
    :param folder: where the lock lies: local paths in it start there.
    :raises DataError: ``facts-moved`` where this state of the catalog does not hold its facts.
    :raises LockOutdated: ``lock-not-repeated``, with the lines that differ.
    """
    made = _made_again(handle, lock, generation, folder, notices).lock
    assert made is not None, "what was found has a lock"
    again = render_lock(made)
    if again == text:
        return
    import difflib

    lines = list(difflib.unified_diff(text.splitlines(), again.splitlines(), "the lock", "made again", "", "", 0, ""))
    raise LockOutdated(
        "lock-not-repeated",
        "the lock is not what its request gives on the facts that it names",
        context=[*lines[:20], *([f"and {len(lines) - 20} more lines"] if len(lines) > 20 else [])],
        hint="somebody changed the lock, or another version of mach wrote it: take it from where it was written, "
        "or write it anew with `mach lock --upgrade`",
        details={"difference": lines},
    )
