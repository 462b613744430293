"""Asking the build backend of one sdist of an index for one step, in a build closure: a job, and the facts it gives."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from db.facts import BuildSystem, BuiltFact

from .build_closures import Environments
from .build_environment import BuildEnvironment
from .build_hooks import BuildRequires, BuiltMetadata, Runner, Step, ask_backend_of
from .build_jobs import BuildFailed, BuildJob, check_depth, fail
from .build_sources import open_source
from .client import Client
from .core_metadata import CoreMetadata, UnusableMetadata, parse_core_metadata
from .hook_builds import BuildRunner, HookBuilder
from .hook_failures import NEEDS_REPOSITORY, FailureClass, HookFailure, Refused
from .sandbox import require_sandbox
from .sandbox_limits import Limits
from .unpacked_sdist import UnpackedSdist

__all__ = ["BuildJob", "Environments", "ask_for_build"]

#: They answer their starting_version, 0.0.1, where they find neither tags nor a PKG-INFO; others of the kind fail.
_INVENTORS = frozenset({"setuptools-git-versioning"})


def ask_for_build(
    client: Client,
    job: BuildJob,
    *,
    folder: Path,
    interpreter: Path,
    source: Path | None = None,
    limits: Limits | None = None,
    environments: Environments | None = None,
    builder: HookBuilder | None = None,
) -> list[BuiltFact]:
    """Ask the build backend of *job*'s sdist in its closure, and return the facts.

    Where the step is ``requires`` and the backend adds nothing, the closure is whole, and the step
    ``metadata`` is asked in it at once: two facts. Metadata that was prepared, which is quick, is
    asked for twice: what is not the same both times cannot be locked. An sdist that gives no answer
    has a failure, a sentence that begins with "its build"; the class is in the fact's source:
    ``backend:timeout``. Those are :class:`crawler.hook_failures.FailureClass`, and ``no-hash``.
    Sdists in the closure are built first; one that cannot be built fails the job, by its own class.

    :param folder: where downloads, and wheels that were built, are kept, see
        :mod:`crawler.kept_files` and :mod:`crawler.kept_wheels`.
    :param interpreter: a CPython of the series *job.python* on this machine.
    :param source: an sdist or a source tree of this machine to ask in place of the job's file.
    :param environments: shared with other jobs; by default the job has its own.
    :param builder: asks by Nix builds, in *interpreter*, which is Nix's then; by default bubblewrap makes sandboxes.
    :raises ValueError: where the step is ``wheel``, which gives no facts.
    :raises Unavailable: what is no fault of the sdist: ``no-sandbox``, ``sandbox-failed``,
        ``interpreter-unusable``, ``no-temporary-space``, ``hash-mismatch``, ``index-unreachable``,
        ``index-error``, ``index-garbage``, and what :mod:`crawler.git_checkout` raises.
    :raises InputError: ``unknown-revision``.
    :raises OSError: where *source* cannot be read.
    """
    if job.step == "wheel":
        raise ValueError("wheels are built for the closures of other jobs alone")
    if builder is None:
        require_sandbox()
    runner = None if builder is None else BuildRunner(builder, job)
    try:
        check_depth(job)
        with ExitStack() as stack:
            if environments is None:
                environments = stack.enter_context(Environments(client, folder, limits=limits))
            opened = open_source(client, job, folder, source=source, limits=limits)
            tree, subdirectory = stack.enter_context(opened)
            environment = stack.enter_context(environments.open(job, interpreter, builder))
            return _ask(job, tree, subdirectory, environment, limits, runner)
    except Refused as refused:
        return [_fail(job, job.step, fail(refused.failure))]
    except BuildFailed as failure:
        return [_fail(job, job.step, failure)]


def _ask(
    job: BuildJob,
    tree: UnpackedSdist,
    subdirectory: str,
    environment: BuildEnvironment,
    limits: Limits | None,
    runner: Runner | None,
) -> list[BuiltFact]:
    facts: list[BuiltFact] = []
    if job.version is None and _invents_versions(job) and not (tree.project_folder(subdirectory) / "PKG-INFO").exists():
        raise Refused(FailureClass.NEEDS_REPOSITORY, f"its build {NEEDS_REPOSITORY}")
    if job.step == "requires":
        answer = ask_backend_of(
            tree, environment=environment, step="requires", subdirectory=subdirectory, limits=limits, runner=runner
        )
        if isinstance(answer, HookFailure):
            return [_fail(job, "requires", fail(answer))]
        assert isinstance(answer, BuildRequires), "that is what the step gives"
        facts.append(_make_fact(job, "requires", requires=answer.requires))
        if answer.requires:
            return facts
    return [*facts, _ask_metadata(job, tree, subdirectory, environment, limits, runner)]


def _invents_versions(job: BuildJob) -> bool:
    """Return whether something in the closure gives a source without its repository a version of its own making."""
    projects = {parse_wheel_filename(wheel.filename)[0] for wheel in job.wheels} | {
        sdist.project for sdist in job.sdists
    }
    return not _INVENTORS.isdisjoint(projects)


def _ask_metadata(
    job: BuildJob,
    tree: UnpackedSdist,
    subdirectory: str,
    environment: BuildEnvironment,
    limits: Limits | None,
    runner: Runner | None,
) -> BuiltFact:
    found: list[CoreMetadata] = []
    while len(found) < 2:
        answer = ask_backend_of(
            tree, environment=environment, step="metadata", subdirectory=subdirectory, limits=limits, runner=runner
        )
        if isinstance(answer, HookFailure):
            return _fail(job, "metadata", fail(answer))
        assert isinstance(answer, BuiltMetadata), "that is what the step gives"
        try:
            found.append(_read(job, answer.metadata))
        except UnusableMetadata as error:
            reason = f"its build backend answered wrongly: {error}"
            return _fail(job, "metadata", fail(HookFailure(kind=FailureClass.FALSE_RESULT, reason=reason)))
        except Refused as refused:
            return _fail(job, "metadata", fail(refused.failure))
        if answer.how == "build-wheel":
            break
    first, last = found[0], found[-1]
    if _decides(first) != _decides(last):
        reason = "its build backend answered other metadata when it was asked again"
        return _fail(job, "metadata", fail(HookFailure(kind=FailureClass.FALSE_RESULT, reason=reason)))
    return _make_fact(job, "metadata", metadata=first)


def _read(job: BuildJob, data: bytes) -> CoreMetadata:
    """Return what a backend's METADATA says, which has to be that of *job* as far as the source says whose it is.

    :raises UnusableMetadata: where it is not.
    :raises Refused: ``needs-repository`` where the version in it says that there is none to be told.
    """
    metadata = parse_core_metadata(
        data,
        project=job.project if job.is_named else None,
        version=None if job.version is None else Version(job.version),
    )
    if job.version is None and (Version(metadata.version).local or "").startswith("unknown"):
        # what versioneer and its kin call the version of a tree without its repository
        raise Refused(FailureClass.NEEDS_REPOSITORY, f"its build backend {NEEDS_REPOSITORY}")
    if not job.is_named and metadata.project == "unknown":
        # setuptools' word; no project of that name is meant
        raise UnusableMetadata("its metadata names no project")
    return metadata


def _decides(metadata: CoreMetadata) -> tuple[object, ...]:
    """Return what of *metadata* a lock follows from."""
    told = (metadata.project, metadata.version)
    return (*told, metadata.requires_dist, metadata.provides_extra, metadata.requires_python)


def _fail(job: BuildJob, step: Step, failure: BuildFailed) -> BuiltFact:
    return _make_fact(job, step, source=f"backend:{failure.kind}", failure=failure.sentence)


def _make_fact(
    job: BuildJob,
    step: Step,
    *,
    source: str = "backend",
    requires: tuple[str, ...] = (),
    metadata: CoreMetadata | None = None,
    failure: str | None = None,
) -> BuiltFact:
    told = None if job.version is not None or metadata is None else metadata.version
    return BuiltFact(
        index=job.index,
        project=job.project if metadata is None else metadata.project,
        filename=job.file.filename,
        python=job.python,
        system=job.system,
        step=step,
        closure=job.closure,
        source=source,
        requires_dist=() if metadata is None else metadata.requires_dist,
        provides_extra=() if metadata is None else metadata.provides_extra,
        requires_python=None if metadata is None else metadata.requires_python,
        build=BuildSystem(requires=requires, version=told),
        failure=failure,
    )
