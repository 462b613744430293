"""Asking the build backend of one sdist of an index for one step, in a build closure: a job, and the facts it gives."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from db.facts import BuildSystem, BuiltFact, FileFact
from resolver.direct import Reference, is_direct, parse_reference
from resolver.errors import Unavailable, printable, shorten
from resolver.names import NormalizedName

from .build_environment import BuildEnvironment
from .build_hooks import BuildRequires, BuiltMetadata, Step, ask_backend_of
from .client import Client
from .core_metadata import CoreMetadata, UnusableMetadata, parse_core_metadata
from .git_checkout import checked_out
from .hook_failures import FailureClass, HookFailure, Refused
from .kept_files import has_hash, keep_file
from .nar import hash_nar
from .sandbox import require_sandbox
from .sandbox_limits import Limits
from .sandbox_user import give_to_sandbox
from .unpacked_sdist import UnpackedSdist, unpack_sdist

__all__ = ["BuildJob", "ask_for_build"]

#: The classes whose cause is in the last line that the backend wrote.
_TELLING = frozenset(
    {
        FailureClass.BACKEND_FAILED,
        FailureClass.BACKEND_MISSING,
        FailureClass.MISSING_COMPILER,
        FailureClass.NEEDS_NETWORK,
    }
)
#: Addresses of objects, which differ from run to run.
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_LONGEST_WORDS = 200
#: What tools leave in a working tree: the build in Nix does not have it either (nix/lib/source.nix).
_LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "__pycache__", ".mypy_cache", ".ruff_cache"),
    *(".pytest_cache", ".direnv", "node_modules", "result", "result-*", "*.pyc", "*.egg-info"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """One question to one build backend."""

    index: str
    project: NormalizedName
    version: str
    """PEP 440; what its metadata must have."""
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
    """The build closure."""


def ask_for_build(
    client: Client,
    job: BuildJob,
    *,
    folder: Path,
    interpreter: Path,
    source: Path | None = None,
    limits: Limits | None = None,
) -> list[BuiltFact]:
    """Ask the build backend of *job*'s sdist in its closure, and return the facts.

    Where the step is ``requires`` and the backend adds nothing, the closure is whole, and the step
    ``metadata`` is asked in it at once: two facts. Metadata that was prepared, which is quick, is
    asked for twice: what is not the same both times cannot be locked. An sdist that gives no answer
    has a failure, a sentence that begins with "its build"; the class is in the fact's source:
    ``backend:timeout``. Those are :class:`crawler.hook_failures.FailureClass`, and ``no-hash``.

    :param folder: where downloads are kept, see :mod:`crawler.kept_files`.
    :param interpreter: a CPython of the series *job.python* on this machine.
    :param source: an sdist or a source tree of this machine to ask in place of the job's file.
    :raises Unavailable: what is no fault of the sdist: ``no-sandbox``, ``sandbox-failed``,
        ``interpreter-unusable``, ``no-temporary-space``, ``hash-mismatch``, ``index-unreachable``,
        ``index-error``, ``index-garbage``, and what :mod:`crawler.git_checkout` raises.
    :raises InputError: ``unknown-revision``.
    :raises OSError: where *source* cannot be read.
    """
    require_sandbox()
    try:
        with ExitStack() as stack:
            tree, subdirectory = stack.enter_context(_open_source(client, job, folder, source, limits))
            environment = stack.enter_context(_open_environment(client, job, folder, interpreter))
            return _ask(job, tree, subdirectory, environment, limits)
    except Refused as refused:
        return [_fail(job, job.step, refused.failure)]
    except _NoHash as error:
        return [_make_fact(job, job.step, source="backend:no-hash", failure=str(error))]


class _NoHash(Exception):
    """A file that nothing can be checked by; the text is a sentence."""

    def __init__(self, file: FileFact) -> None:
        super().__init__(f"its build takes {shorten(printable(file.filename), 200)!r}, and no sha256 is known of that")


# ---- what is asked, and in what


@contextmanager
def _open_source(
    client: Client, job: BuildJob, folder: Path, source: Path | None, limits: Limits | None
) -> Iterator[tuple[UnpackedSdist, str]]:
    """Yield the source tree and the project's folder in it, relative."""
    if source is not None and source.is_dir():
        with _copied(source) as tree:
            yield UnpackedSdist(folder=tree, filename=job.file.filename), ""
        return
    if source is None and not has_hash(job.file):
        raise _NoHash(job.file)
    if source is None and is_direct(job.index) and job.file.url.startswith("git+"):
        reference = parse_reference(job.file.url)
        with _checked_out(reference, job.file) as tree:
            yield UnpackedSdist(folder=tree, filename=job.file.filename), reference.subdirectory
        return
    path = source or keep_file(client, job.file, folder)
    with unpack_sdist(path, filename=source.name if source else job.file.filename, limits=limits) as unpacked:
        yield unpacked, ""


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    """Yield a copy of the user's own *folder*: the sandbox's user gets the copy."""
    with tempfile.TemporaryDirectory(prefix="mach-tree-") as scratch:
        copy = Path(scratch, "source")
        try:
            shutil.copytree(folder, copy, symlinks=True, ignore=_LEFT_OUT)
        except shutil.Error as error:
            raise OSError(f"{folder} cannot be copied: {error.args[0][0][2]}") from error
        give_to_sandbox(Path(scratch))
        yield copy


@contextmanager
def _checked_out(reference: Reference, file: FileFact) -> Iterator[Path]:
    """Yield the commit that *reference* names, which must still be what the catalog has."""
    with checked_out(reference, reference.commit or "") as folder:
        found = hash_nar(folder)
        if found != file.sha256:
            raise Unavailable(
                "hash-mismatch",
                f"the commit of {file.filename} is not what it was",
                context=[f"the catalog has NAR sha256 {file.sha256}", f"the checkout has       {found}"],
                hint="find out who changed the repository, or what differs in this machine's git",
            )
        give_to_sandbox(folder)
        yield folder


@contextmanager
def _open_environment(client: Client, job: BuildJob, folder: Path, interpreter: Path) -> Iterator[BuildEnvironment]:
    for wheel in job.wheels:
        _check_name(wheel.filename)
        if not has_hash(wheel):
            raise _NoHash(wheel)
    kept = [(wheel.filename, keep_file(client, wheel, folder).absolute()) for wheel in job.wheels]
    with tempfile.TemporaryDirectory(prefix="mach-wheels-") as scratch:
        named = []
        for number, (filename, path) in enumerate(kept):
            # a folder for each: nothing keeps two indexes from having files of one name
            place = Path(scratch, str(number), filename)
            place.parent.mkdir()
            place.symlink_to(path)
            named.append(place)
        environment = BuildEnvironment(interpreter, named)
        if environment.interpreter.series != job.python:
            raise Unavailable(
                "interpreter-unusable",
                f"build backends cannot run in {str(interpreter)!r}: "
                f"it is Python {environment.interpreter.series}, and {job.python} is asked for",
                hint=f"name a CPython {job.python}",
            )
        with environment:
            yield environment


def _check_name(filename: str) -> None:
    """Refuse a stranger's file name that is no plain name of a wheel."""
    try:
        parse_wheel_filename(filename)
        plain = "/" not in filename and "\0" not in filename and len(filename.encode()) <= 255
    except (InvalidWheelFilename, ValueError):
        plain = False
    if not plain:
        raise Refused(
            FailureClass.UNUSABLE_WHEEL,
            f"its build requirement {shorten(filename, 200)!r} cannot be installed: that is not the name of a wheel",
        )


# ---- what was answered


def _ask(
    job: BuildJob, tree: UnpackedSdist, subdirectory: str, environment: BuildEnvironment, limits: Limits | None
) -> list[BuiltFact]:
    facts: list[BuiltFact] = []
    if job.step == "requires":
        answer = ask_backend_of(
            tree, environment=environment, step="requires", subdirectory=subdirectory, limits=limits
        )
        if isinstance(answer, HookFailure):
            return [_fail(job, "requires", answer)]
        assert isinstance(answer, BuildRequires), "that is what the step gives"
        facts.append(_make_fact(job, "requires", requires=answer.requires))
        if answer.requires:
            return facts
    return [*facts, _ask_metadata(job, tree, subdirectory, environment, limits)]


def _ask_metadata(
    job: BuildJob, tree: UnpackedSdist, subdirectory: str, environment: BuildEnvironment, limits: Limits | None
) -> BuiltFact:
    found: list[CoreMetadata] = []
    while len(found) < 2:
        answer = ask_backend_of(
            tree, environment=environment, step="metadata", subdirectory=subdirectory, limits=limits
        )
        if isinstance(answer, HookFailure):
            return _fail(job, "metadata", answer)
        assert isinstance(answer, BuiltMetadata), "that is what the step gives"
        try:
            found.append(parse_core_metadata(answer.metadata, project=job.project, version=Version(job.version)))
        except UnusableMetadata as error:
            reason = f"its build backend answered wrongly: {error}"
            return _fail(job, "metadata", HookFailure(kind=FailureClass.FALSE_RESULT, reason=reason))
        if answer.how == "build-wheel":
            break
    first, last = found[0], found[-1]
    if (first.requires_dist, first.provides_extra, first.requires_python) != (
        last.requires_dist,
        last.provides_extra,
        last.requires_python,
    ):
        reason = "its build backend answered other metadata when it was asked again"
        return _fail(job, "metadata", HookFailure(kind=FailureClass.FALSE_RESULT, reason=reason))
    return _make_fact(job, "metadata", metadata=first)


def _fail(job: BuildJob, step: Step, failure: HookFailure) -> BuiltFact:
    reason = failure.reason
    if reason.startswith("its backend "):
        reason = f"its build backend {reason.removeprefix('its backend ')}"
    elif not reason.startswith("its build "):
        reason = f"its build cannot begin: {reason}"
    if failure.kind in _TELLING and failure.detail:
        reason += f": {shorten(_ADDRESS.sub('0x…', failure.detail[-1].strip()), _LONGEST_WORDS)}"
    return _make_fact(job, step, source=f"backend:{failure.kind}", failure=printable(reason))


def _make_fact(
    job: BuildJob,
    step: Step,
    *,
    source: str = "backend",
    requires: tuple[str, ...] = (),
    metadata: CoreMetadata | None = None,
    failure: str | None = None,
) -> BuiltFact:
    return BuiltFact(
        index=job.index,
        project=job.project,
        filename=job.file.filename,
        python=job.python,
        system=job.system,
        step=step,
        closure=job.closure,
        source=source,
        requires_dist=() if metadata is None else metadata.requires_dist,
        provides_extra=() if metadata is None else metadata.provides_extra,
        requires_python=None if metadata is None else metadata.requires_python,
        build=BuildSystem(requires=requires),
        failure=failure,
    )
