"""Which way a build backend is asked: in a sandbox of bubblewrap's or by a Nix build, alone or with nixpkgs' tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.catalog import CatalogHandle, Reader
from resolver.catalog import RANK, Page
from resolver.errors import Unavailable, shorten
from resolver.names import NormalizedName
from resolver.unversioned import UNVERSIONED

from .asking import this_system
from .nix_hooks import NixHooks, Release

if TYPE_CHECKING:
    from crawler.building import BuildJob
    from crawler.hook_builds import HookBuilder
    from db.facts import BuiltFact

__all__ = ["HookWays"]

#: Asks the backend of a job in an interpreter, by Nix builds or in a sandbox.
Ask = Callable[[Path, "HookBuilder | None"], "list[BuiltFact]"]

#: The failures that tools or libraries may cure, as they begin.
_CURABLE = re.compile(
    r"(?:its build cannot begin: .+?, which its build requires, cannot be built: )*"
    r"its build backend (?:'.*?'|\".*?\") "
    r"(?:failed|wants to fetch something|needs a compiler|looked for|takes its version from)"
)
_INNER = re.compile(r"its build cannot begin: (\S+)-([^-\s]+), which its build requires, cannot be built: ")
_GIVEN, _GIVEN_END = " (nixpkgs gave it ", ")"
_LONGEST = 300


class HookWays:
    """Asks build backends, each in the way that this machine has and the sdist takes.

    A backend is first asked alone, so that what it says is the same on every machine. Where it fails
    in a way that tools may cure, Nix asks it again with what fixes for its project name, or, where there
    are none, with what nixpkgs' own derivation of the project takes.

    :param nix: of this command.
    :param interpreters: the CPythons of this machine by X.Y, for sandboxes of bubblewrap's.
    """

    def __init__(self, nix: NixHooks, interpreters: Callable[[], Mapping[str, Path]]) -> None:
        self._nix = nix
        self._interpreters = interpreters
        #: Projects and versions that were asked in this command.
        self._asked: set[tuple[str, Release]] = set()

    @cached_property
    def _by_nix(self) -> bool:
        """Whether sdists without fixes are asked by Nix builds, too."""
        from crawler.sandbox import missing_sandbox

        return missing_sandbox() is not None and self._nix.missing() is None

    @property
    def pythons(self) -> tuple[str, ...]:
        """The X.Y that backends can be asked in."""
        return tuple(sorted(self._nix.pythons if self._by_nix else self._interpreters()))

    def ask(self, job: BuildJob, ask: Ask) -> list[BuiltFact]:
        """Ask the backend of *job* and return the facts.

        :raises Unavailable: ``no-sandbox``, ``no-interpreter``; ``build-needs-nix`` where it fails alone and this
            machine's Nix cannot give what fixes name; what *ask* raises.
        """
        releases = tuple(_releases(job))
        self._asked.add((job.index, releases[0]))
        facts = self._ask_alone(job, ask)
        failed = next((fact for fact in facts if _is_curable(fact.failure)), None)
        gifts = () if failed is None else self._nix.gifts(releases, job.python)
        if failed is None or not gifts:
            return facts
        reason = self._nix.missing()
        if reason is None and job.python not in self._nix.pythons:
            reason = f"its nixpkgs has no CPython {job.python}"
        if reason is not None:
            raise Unavailable(
                "build-needs-nix",
                f"the build backend of {job.file.filename} fails without what nixpkgs gives it "
                f"({_list(gifts)}), and Nix cannot give it here: {reason}",
                context=[str(failed.failure)],
                hint="install Nix, with a sandbox and a nixpkgs in NIX_PATH or by --nixpkgs; or take no sdist of it "
                f"(--no-build {job.project})",
            )
        answered = ask(self._nix.interpreter(job.python), self._nix.builder(job.python, fixed=True))
        return [
            fact if fact.failure is None else replace(fact, failure=f"{fact.failure}{_GIVEN}{_list(gifts)}{_GIVEN_END}")
            for fact in answered
        ]

    def _ask_alone(self, job: BuildJob, ask: Ask) -> list[BuiltFact]:
        from crawler.sandbox import NO_SANDBOX_HINT, missing_sandbox

        if self._by_nix and job.python in self._nix.pythons:
            return ask(self._nix.interpreter(job.python), self._nix.builder(job.python, fixed=False))
        reason = missing_sandbox()
        if reason is not None:
            raise Unavailable(
                "no-sandbox",
                f"an sdist's build backend cannot be run: {reason}; and by Nix it cannot, either: "
                f"{self._nix.missing() or f'its nixpkgs has no CPython {job.python}'}",
                hint=NO_SANDBOX_HINT,
            )
        interpreter = self._interpreters().get(job.python)
        if interpreter is None:
            raise Unavailable(
                "no-interpreter",
                f"no Python was found to ask the build backend of {job.file.filename} in",
                hint=f"install CPython {job.python} as python{job.python}, or run mach in a CPython",
            )
        return ask(interpreter, None)

    def forget_curable(self, handle: CatalogHandle, reader: Reader) -> Reader:
        """Return *reader* without failures that fixes may cure which were not there, or not given, when they were.

        What is asked again in this command is known from then on, whatever comes of it.
        """
        return _Forgetful(handle, reader.generation, self._may_be_cured)

    def _may_be_cured(self, page: Page, build: Sequence[Any]) -> bool:
        row, python, system, *_, position = build
        failure = page.depsets[position][4]
        if not _is_curable(failure) or system != this_system():
            return False
        version = page.versions[page.files[row][RANK]]
        release = (page.project, None if version == UNVERSIONED else version)
        inner = [(name, version) for name, version in _INNER.findall(failure)]
        gifts = () if (page.index, release) in self._asked else self._nix.gifts((release, *inner), python)
        _, given, names = failure.rpartition(_GIVEN)
        told = f"{names.removesuffix(_GIVEN_END)}, " if given else ""
        return any(f"{_list((gift,))}, " not in told for gift in gifts) and python in self._nix.pythons


class _Forgetful(Reader):
    """A reader that leaves out what backends said, where *forget* says so."""

    __slots__ = ("_forget",)

    def __init__(self, handle: CatalogHandle, generation: int, forget: Callable[[Page, Sequence[Any]], bool]) -> None:
        super().__init__(handle, generation)
        self._forget = forget

    def pages(self, index: str, projects: Iterable[NormalizedName]) -> Mapping[NormalizedName, Page]:
        """Return the known pages of *projects* on *index*."""
        found = dict(super().pages(index, projects))
        for project, page in found.items():
            builds = [build for build in page.builds if not self._forget(page, build)]
            if len(builds) < len(page.builds):
                found[project] = copy(page)
                found[project].builds = builds
        return found


def _releases(job: BuildJob) -> Iterator[Release]:
    """Yield the sdist of *job*, and those in its build closure."""
    yield job.project, job.version
    for sdist in job.sdists:
        yield from _releases(sdist)


def _is_curable(failure: str | None) -> bool:
    return failure is not None and _CURABLE.match(failure) is not None


def _list(gifts: Iterable[str]) -> str:
    return ", ".join(shorten(gift, _LONGEST) for gift in gifts)
