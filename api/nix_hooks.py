"""Nix as a place where build backends are asked: what this machine's Nix can do, and hooks as its builds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from resolver.errors import Unavailable
from resolver.interpreters import NEWEST_PATCHES
from resolver.lock import Nixpkgs

from .asking import this_system

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Iterable, Iterator, Mapping

    from crawler.hook_builds import HookBuild, HookBuilder, HookOutput
    from nix.fixes import Chosen, Fix
    from nix.hooks import HookNixpkgs, Question

__all__ = ["NixHooks", "Release"]

#: Project and version of an sdist.
Release = tuple[str, str | None]

_PROBE_SECONDS = 60
_PROBE_OUTPUT = 1 << 20


class NixHooks:
    """Asks build backends by Nix builds, for one command; nothing is looked for before it is needed.

    :param nixpkgs: the pinned one; None for ``<nixpkgs>`` of NIX_PATH.
    :param fixes: the user's own, after those that come with mach.
    """

    def __init__(self, nixpkgs: Nixpkgs | None = None, fixes: Sequence[Fix] = ()) -> None:
        self._nixpkgs = nixpkgs
        self._own_fixes = tuple(fixes)
        self._lock = Lock()
        self._reason: str | None = None
        self._about: HookNixpkgs | None = None
        self._interpreters: dict[str, Path] = {}
        self._builders: dict[tuple[str, bool], _Builder] = {}
        self._environments: dict[Path, Path] = {}
        #: What nixpkgs' own derivation of a project takes, by project and X.Y.
        self._gifts: dict[tuple[str, str], tuple[str, ...]] = {}
        self._roots: tempfile.TemporaryDirectory[str] | None = None
        self._numbers = count(1)

    def close(self) -> None:
        """Let Nix collect what was kept for this command."""
        if self._roots is not None:
            self._roots.cleanup()
            self._roots = None

    # ---- what there is

    def missing(self) -> str | None:
        """Return why Nix cannot ask backends here, None where it can: tried once, by a build that asks nothing.

        :raises Unavailable: ``no-temporary-space``.
        """
        with self._lock:
            if self._about is None and self._reason is None:
                try:
                    self._about = self._look()
                except Unavailable as error:
                    if error.code == "no-temporary-space":
                        raise
                    self._reason = "Nix is not installed" if error.code == "nix-not-found" else error.message
            return self._reason

    @property
    def pythons(self) -> tuple[str, ...]:
        """The X.Y that backends can be asked in; none where Nix is of no use."""
        return () if self.missing() is not None or self._about is None else self._about.pythons

    def _look(self) -> HookNixpkgs:
        import secrets
        import tempfile

        from crawler.build_environment import lay_out_driver
        from nix.hooks import Question, describe_nixpkgs, run_hook

        about = describe_nixpkgs(self._nixpkgs, tuple(NEWEST_PATCHES))
        if about.system != this_system():
            raise Unavailable("no-sandbox", f"its nixpkgs builds for {about.system}, and this is {this_system()}")
        if not about.pythons:
            raise Unavailable("no-sandbox", f"its nixpkgs has none of CPython {', '.join(NEWEST_PATCHES)}")
        # another one each time: one that was built before would tell what was true then
        request = {"step": "probe", "nonce": secrets.token_hex(16)}
        with tempfile.TemporaryDirectory(prefix="mach-probe-") as folder:
            driver = Path(folder, "driver")
            lay_out_driver(driver)
            ended = run_hook(
                Question(nixpkgs=self._nixpkgs, python=about.pythons[-1], release=("probe", "0")),
                request=json.dumps(request).encode(),
                driver=driver,
                root=self.new_root(),
                seconds=_PROBE_SECONDS,
                output=_PROBE_OUTPUT,
            )
        if ended.output is None:
            raise Unavailable("no-sandbox", "its build that tries whether there is a sandbox failed")
        return about

    def interpreter(self, python: str) -> Path:
        """Return the CPython X.Y of nixpkgs, fetched or built where it is not there.

        :raises Unavailable: ``hook-not-built``.
        """
        from nix.hooks import fetch_interpreter

        with self._lock:
            if python not in self._interpreters:
                self._interpreters[python] = fetch_interpreter(self._nixpkgs, python, self.new_root())
            return self._interpreters[python]

    # ---- what builds are given

    @cached_property
    def _fixes(self) -> tuple[Fix, ...]:
        from nix.fixes import shipped_fixes

        return (*shipped_fixes(), *self._own_fixes)

    def choose(self, releases: Iterable[Release]) -> Chosen:
        """Return what the builds of these sdists take of nixpkgs on this machine."""
        from nix.fixes import choose_for_sdists

        return choose_for_sdists(((name, version or "") for name, version in releases), this_system(), self._fixes)

    def gifts(self, releases: Iterable[Release], python: str) -> tuple[str, ...]:
        """Return what the builds of these sdists take of nixpkgs, by name, for messages; sorted.

        What fixes say is known without Nix. Of an sdist that none is for, nixpkgs itself is asked what its own
        derivation of the project takes; where it cannot be asked, that is nothing.

        :param python: X.Y, in whose set of nixpkgs that derivation is.
        """
        found: set[str] = set()
        unfixed: list[str] = []
        for name, version in releases:
            chosen = self.choose(((name, version),))
            named = set(_names_of(chosen))
            found |= named
            asks = any(entry.get("nixpkgs-inputs") for entry in _entries_of(chosen))
            unfixed += [name] if asks or not named else []
        return tuple(sorted(found.union(*(self._inherited(tuple(unfixed), python) if unfixed else ()))))

    def _inherited(self, projects: tuple[str, ...], python: str) -> Iterable[tuple[str, ...]]:
        from nix.hooks import Question, describe_gifts

        with self._lock:
            unknown = sorted({name for name in projects if (name, python) not in self._gifts})
            if unknown:
                releases = [(name, "") for name in unknown]
                question = Question(
                    nixpkgs=self._nixpkgs,
                    python=python,
                    release=releases[0],
                    closure=tuple(releases[1:]),
                    fixed=True,
                )
                try:
                    told = describe_gifts(question)
                except Unavailable as error:
                    if error.code == "no-temporary-space":
                        raise
                    told = {}
                self._gifts |= {(name, python): told.get(name, ()) for name in unknown}
            return [self._gifts[name, python] for name in projects]

    # ---- builds

    def builder(self, python: str, *, fixed: bool) -> HookBuilder:
        """Return what builds hooks in the CPython X.Y of nixpkgs.

        :param fixed: with what sdists take of nixpkgs.
        """
        with self._lock:
            return self._builders.setdefault((python, fixed), _Builder(self, self._nixpkgs, python, fixed))

    def environment(self, question: Question, folder: Path) -> Path:
        """Return a build environment in the store; it is put there once.

        :param folder: of an entered :class:`crawler.build_environment.BuildEnvironment`.
        """
        from nix.hooks import build_environment

        with self._lock:
            if folder not in self._environments:
                root = self.new_root()
                self._environments[folder] = build_environment(question, folder / "environment", root)
            return self._environments[folder]

    def new_root(self) -> Path:
        """Return a path for a link that keeps a path of the store while this command runs."""
        import tempfile

        if self._roots is None:
            self._roots = tempfile.TemporaryDirectory(prefix="mach-roots-")
        return Path(self._roots.name, str(next(self._numbers)))


@dataclass(frozen=True, slots=True, eq=False)
class _Builder:
    """A :class:`crawler.hook_builds.HookBuilder`."""

    hooks: NixHooks
    nixpkgs: Nixpkgs | None
    python: str
    fixed: bool

    def build(self, hook: HookBuild) -> HookOutput:
        """Build one hook.

        :raises Unavailable: ``no-sandbox``, ``hook-not-built``, ``nix-not-found``, ``no-temporary-space``.
        """
        from crawler.hook_builds import HookOutput
        from crawler.hook_failures import FailureClass
        from nix.hooks import Question, run_hook

        question = Question(
            nixpkgs=self.nixpkgs,
            python=self.python,
            release=_stated(hook.release),
            closure=tuple(map(_stated, hook.closure)),
            fixed=self.fixed,
            fixes=self.hooks.choose((hook.release, *hook.closure)) if self.fixed else {},
        )
        ended = run_hook(
            question,
            request=hook.request,
            driver=hook.environment.folder / "driver",
            environment=self.hooks.environment(question, hook.environment.folder),
            source=hook.source,
            root=self.hooks.new_root(),
            seconds=hook.limits.wall_seconds,
            output=hook.limits.output,
        )
        stopped = {"timeout": FailureClass.TIMEOUT, "too-much-output": FailureClass.TOO_MUCH_OUTPUT}.get(ended.how)
        return HookOutput(folder=ended.output, stopped=stopped)


def _names_of(chosen: Chosen) -> Iterator[str]:
    """Yield what fixes give, by name."""
    for entry in _entries_of(chosen):
        for names in (*entry.get("tools", ()), *entry.get("libraries", ())):
            yield names if isinstance(names, str) else names[0]
        for key in ("settings", "paths"):
            yield from (f"{name}={value}" for name, value in entry.get(key, {}).items())


def _entries_of(chosen: Chosen) -> Iterator[Mapping[str, Any]]:
    for by_release in chosen.values():
        for entries in by_release["sdist"].values():
            yield from entries


def _stated(release: Release) -> tuple[str, str]:
    name, version = release
    return name, version or ""
