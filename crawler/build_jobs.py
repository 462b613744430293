"""Questions to build backends, each with the build closure that it is asked in, and the sentence where it fails."""

from __future__ import annotations

import re
from dataclasses import dataclass

from db.facts import FileFact
from resolver.errors import printable, shorten
from resolver.names import NormalizedName

from .build_hooks import Step
from .hook_failures import FailureClass, HookFailure

__all__ = ["BuildFailed", "BuildJob", "check_depth", "fail", "refuse_file"]

#: Sdists in the closures of sdists, the outermost counted: real ones have three or four.
_DEEPEST = 20
#: The classes whose cause is in a line that the backend wrote.
_TELLING = frozenset(
    {
        FailureClass.BACKEND_FAILED,
        FailureClass.BACKEND_MISSING,
        FailureClass.MISSING_COMPILER,
        FailureClass.NEEDS_NETWORK,
        FailureClass.NEEDS_REPOSITORY,
    }
)
#: Addresses of objects, which differ from run to run.
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_LONGEST_WORDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """One question to one build backend."""

    index: str
    project: NormalizedName
    version: str | None
    """PEP 440; what its metadata must have. None where only its backend can tell."""
    file: FileFact
    """The sdist; or a commit of a repository, as :func:`crawler.direct.fetch_direct` lists it."""
    python: str
    """``3.11``."""
    system: str
    """The Nix system name of this machine."""
    step: Step
    closure: str
    """Key of the build closure."""
    wheels: tuple[FileFact, ...]
    """The wheels of the build closure."""
    sdists: tuple[BuildJob, ...] = ()
    """Its sdists, jobs of the step ``wheel``; none where only wheels are allowed."""
    is_named: bool = True
    """Whether its metadata must be that of *project*, which otherwise only stands for what its backend tells."""


class BuildFailed(Exception):
    """An sdist whose backend gives no answer.

    :param kind: a :class:`crawler.hook_failures.FailureClass`, or ``no-hash``.
    :param sentence: begins with "its build"; safe for a terminal.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence

    def in_closure(self, job: BuildJob) -> BuildFailed:
        """Return the failure of what has the sdist of *job* in its build closure."""
        name = f"{job.project}-{job.version}" if job.version is not None else job.project
        sentence = f"its build cannot begin: {name}, which its build requires, cannot be built: {self.sentence}"
        return BuildFailed(self.kind, printable(shorten(sentence, 2000)))


def fail(failure: HookFailure) -> BuildFailed:
    """Return *failure* as the one of a job."""
    reason = failure.reason
    if reason.startswith("its backend "):
        reason = f"its build backend {reason.removeprefix('its backend ')}"
    elif not reason.startswith("its build "):
        reason = f"its build cannot begin: {reason}"
    if failure.kind in _TELLING and failure.cause is not None:
        reason += f": {shorten(_ADDRESS.sub('0x…', failure.cause.strip()), _LONGEST_WORDS)}"
    return BuildFailed(failure.kind, printable(reason))


def refuse_file(file: FileFact) -> BuildFailed:
    """Return the failure of a job that takes *file*, which nothing can be checked by."""
    name = shorten(printable(file.filename), 200)
    return BuildFailed("no-hash", f"its build takes {name!r}, and no sha256 is known of that")


def check_depth(job: BuildJob) -> None:
    """Do nothing where what is built for *job* is not nested too deep.

    :raises BuildFailed: where it is.
    """
    level = [job]
    for _ in range(_DEEPEST):
        level = [sdist for outer in level for sdist in outer.sdists]
        if not level:
            return
    reason = f"its build requires sdists that require sdists, and so on, more than {_DEEPEST} deep"
    raise BuildFailed(FailureClass.UNUSABLE_WHEEL, reason)
