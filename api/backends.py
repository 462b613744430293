"""Asking build backends for a resolution: the interpreters of this machine, and the facts that runs need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from db.catalog import CatalogHandle, Reader
from resolver.catalog import BuildNeed
from resolver.direct import DIRECT, LOCAL_ID, LocalBuild
from resolver.errors import MachError
from resolver.nameless import stand_in_name
from resolver.names import NormalizedName
from resolver.reading import Need
from resolver.requirement import Request

from .hook_ways import HookWays
from .nix_hooks import NixHooks

if TYPE_CHECKING:
    from crawler.building import BuildJob, Environments
    from crawler.client import Client
    from crawler.hook_builds import HookBuilder
    from db.facts import BuiltFact, FileFact
    from resolver.building import Builder

__all__ = ["Backends", "kept_files"]

#: Backends that are asked at once: each is mostly one process that computes.
_AT_ONCE = 2


class Backends:
    """Asks build backends on this machine, for one command.

    What the backends of an index's sdists say are facts of the catalog. What those of the
    user's own folders and files say belongs to the request, as these do, and is kept here.

    :param paths: where the local sources of the request lie, by reference.
    :param connect: gives the client that downloads; called only where something is downloaded.
    :param detail: takes a line that only a curious user wants.
    :param nix: what may ask by Nix builds; closed by the caller.
    """

    def __init__(
        self,
        handle: CatalogHandle,
        connect: Callable[[], Client],
        paths: Mapping[str, Path],
        detail: Callable[[str], None],
        nix: NixHooks,
    ) -> None:
        self._handle = handle
        self._detail = detail
        self._connect = connect
        self._paths = paths
        self._ways = HookWays(nix, lambda: self.interpreters)
        self._said: dict[str, list[LocalBuild]] = defaultdict(list)

    @cached_property
    def interpreters(self) -> Mapping[str, Path]:
        """The CPythons of this machine by X.Y: the one that mach runs in, those in PATH, and pyenv's and uv's."""
        from .interpreters import find_interpreters

        return find_interpreters(self._detail)

    def find_builder(self) -> Builder | None:
        """Return this machine as one that can ask build backends."""
        from resolver.building import Builder

        from .asking import this_system

        return Builder(system=this_system(), pythons=self._ways.pythons)

    def renew(self, reader: Reader) -> Reader:
        """Return *reader* without the failures of backends that this machine may do better."""
        return self._ways.forget_curable(self._handle, reader)

    def complete(self, request: Request) -> Request:
        """Return *request* with what the backends of its local sources said so far."""
        if not self._said:
            return request
        sources = {
            reference: replace(source, builds=tuple(self._said[reference])) if reference in self._said else source
            for reference, source in request.local_sources.items()
        }
        return replace(request, local_sources=sources)

    def told_names(self) -> Mapping[str, NormalizedName]:
        """Return the names of local sources that only their backends could tell, by reference."""
        return {
            reference: build.project
            for reference, builds in self._said.items()
            for build in builds
            if build.project is not None and build.failure is None
        }

    def can_do_without_network(self, needs: Sequence[Need], reader: Reader) -> bool:
        """Return whether all of *needs* are about the user's own sources, and everything that takes is kept here."""
        builds = [need for need in needs if isinstance(need, BuildNeed) and need.file_id == LOCAL_ID]
        if len(builds) != len(needs):
            return False
        files = reader.file_facts({number for need in builds for number in _closure_files(need)})
        return all((kept_files() / str(file.sha256)).is_file() for file in files.values())

    def ask(
        self, needs: Iterable[BuildNeed], request: Request, reader: Reader, told: Callable[[int, int, str], None]
    ) -> int:
        """Ask what is needed, publish what was said, and return how many facts that are.

        What arrived is kept whatever else fails.

        :param told: is called with how many of how many are done, and the last project.
        :raises Unavailable: ``no-sandbox``, ``build-needs-nix`` and their kin; what fetching sdists and wheels raises.
        """
        from concurrent.futures import ThreadPoolExecutor, as_completed

        from crawler.building import Environments
        from db.writer import publish

        jobs = [self._job(need, request, reader) for need in needs]
        count, failed = 0, None
        with (
            Environments(self._connect(), kept_files()) as environments,
            ThreadPoolExecutor(_AT_ONCE) as pool,
        ):
            running = {pool.submit(self._ask, job, environments): job for job in jobs}
            for done, future in enumerate(as_completed(running), 1):
                job = running[future]
                told(done, len(jobs), job.project)
                try:
                    facts = future.result()
                except MachError as error:
                    failed = failed or error
                    continue
                count += len(facts)
                if job.index.removeprefix(DIRECT) in self._paths:
                    self._said[job.index.removeprefix(DIRECT)] += map(_as_local, facts)
                else:
                    publish(self._handle, facts)
        if failed is not None:
            raise failed
        return count

    def _job(self, need: BuildNeed, request: Request, reader: Reader) -> BuildJob:
        from db.facts import FileFact

        numbers = _closure_files(need)
        if need.file_id == LOCAL_ID:
            files = reader.file_facts(numbers)
            reference = need.index.removeprefix(DIRECT)
            source = request.local_sources[reference]
            release = "-".join(filter(None, (source.project, source.version)))
            file = FileFact(filename=source.filename or release or reference, url="", sha256=None)
            return replace(_make_job(need, file, files), is_named=need.project != stand_in_name(reference))
        files = reader.file_facts({*numbers, need.file_id})
        return _make_job(need, files[need.file_id], files)

    def _ask(self, job: BuildJob, environments: Environments) -> list[BuiltFact]:
        from crawler.building import ask_for_build

        def ask(interpreter: Path, builder: HookBuilder | None) -> list[BuiltFact]:
            return ask_for_build(
                self._connect(),
                job,
                folder=kept_files(),
                interpreter=interpreter,
                source=self._paths.get(job.index.removeprefix(DIRECT)),
                environments=environments,
                builder=builder,
            )

        return self._ways.ask(job, ask)


def _closure_files(need: BuildNeed) -> set[int]:
    """Return the ids of all files that building *need*'s closure takes: its wheels, its sdists, and so on in theirs."""
    found = set(need.wheels)
    for sdist in need.sdists:
        found |= {sdist.file_id, *_closure_files(sdist)}
    return found


def _make_job(need: BuildNeed, file: FileFact, files: Mapping[int, FileFact]) -> BuildJob:
    from crawler.building import BuildJob

    return BuildJob(
        index=need.index,
        project=need.project,
        version=need.version,
        file=file,
        python=need.python,
        system=need.system,
        step="requires" if need.step == "requires" else "wheel" if need.step == "wheel" else "metadata",
        closure=need.closure,
        wheels=tuple(files[number] for number in need.wheels),
        sdists=tuple(_make_job(sdist, files[sdist.file_id], files) for sdist in need.sdists),
    )


def kept_files() -> Path:
    """Return the folder that files of indexes are kept in for builds (:mod:`crawler.kept_files`); it need not exist."""
    import platformdirs

    return platformdirs.user_cache_path("mach", appauthor=False) / "files"


def _as_local(fact: BuiltFact) -> LocalBuild:
    """Return what a backend said of a local source; only where it failed is a name in it that stands for another."""
    return LocalBuild(
        python=fact.python,
        system=fact.system,
        step=fact.step,
        closure=fact.closure,
        project=fact.project if fact.step == "metadata" else None,
        version=fact.build.version,
        requires_dist=fact.requires_dist,
        provides_extra=fact.provides_extra,
        requires_python=fact.requires_python,
        requires=fact.build.requires,
        failure=fact.failure,
    )
