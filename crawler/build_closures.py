"""Build closures as environments: entered once for all jobs that share one, the sdists in them built before."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import NamedTuple, Self

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from db.facts import FileFact
from resolver.catalog import EXTRACTOR
from resolver.errors import Unavailable, shorten

from .build_environment import BuildEnvironment
from .build_hooks import BuiltWheel, ask_backend_of
from .build_jobs import BuildFailed, BuildJob, fail, refuse_file
from .build_sources import open_source
from .client import Client
from .core_metadata import UnusableMetadata, parse_core_metadata
from .hook_builds import BuildRunner, HookBuilder
from .hook_failures import FailureClass, HookFailure, Refused
from .kept_files import has_hash, keep_file
from .kept_wheels import KeptWheel, find_wheel, keep_wheel, open_draft
from .sandbox_limits import Limits

__all__ = ["Environments"]

#: Environments that nobody uses and that are there for the next one: each lies on disk, some 10 MB or far more.
_MOST_IDLE = 6


class _Key(NamedTuple):
    """What an environment is made of; the sdists make it that no environment waits for itself."""

    interpreter: Path
    python: str
    closure: str
    wheels: tuple[FileFact, ...]
    sdists: tuple[BuildJob, ...]
    builder: HookBuilder | None


@dataclass(slots=True)
class _Shared:
    """One environment, or why there is none, and how many use it or wait for it."""

    making: Lock = field(default_factory=Lock)
    environment: BuildEnvironment | None = None
    failure: BuildFailed | None = None
    users: int = 0


class Environments:
    """Environments of build closures, one for all jobs that share a closure; a context manager for threads.

    Sdists in a closure are built first, each in its own closure and sandbox. Their wheels are
    kept in *folder*, for later runs as well.

    :param client: downloads what is not kept.
    :param folder: where downloads are kept, see :mod:`crawler.kept_files`.
    :param limits: of the builds of sdists in closures.
    """

    def __init__(self, client: Client, folder: Path, *, limits: Limits | None = None) -> None:
        self._client = client
        self._folder = folder
        self._limits = limits
        self._lock = Lock()
        #: The one that was used last comes last.
        self._shared: OrderedDict[_Key, _Shared] = OrderedDict()
        self._building: dict[str, Lock] = {}
        self._scratch = ExitStack()
        self._scratches: dict[HookBuilder, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            left = list(self._shared.values())
            self._shared.clear()
        with self._scratch:
            _close(left)

    @contextmanager
    def open(self, job: BuildJob, interpreter: Path, builder: HookBuilder | None = None) -> Iterator[BuildEnvironment]:
        """Yield the environment of *job*'s closure, entered; it is closed when it is needed no more.

        :param interpreter: a CPython of the series *job.python* on this machine.
        :param builder: builds the closure's sdists; by default bubblewrap makes sandboxes for that.
        :raises BuildFailed: where a file of the closure is unusable, or an sdist in it cannot be built.
        :raises Unavailable: ``interpreter-unusable``, ``no-temporary-space``, ``sandbox-failed``, and
            what fetching raises.
        """
        key = _Key(interpreter, job.python, job.closure, job.wheels, job.sdists, builder)
        with self._lock:
            shared = self._shared.setdefault(key, _Shared())
            self._shared.move_to_end(key)
            shared.users += 1
        try:
            with shared.making:
                environment = self._enter(shared, job, interpreter, builder)
            yield environment
        finally:
            with self._lock:
                shared.users -= 1
                idle = self._take_idle()
            _close(idle)

    def _take_idle(self) -> list[_Shared]:
        """Take away, and return, those that were used longest ago of all that nobody uses."""
        idle = [key for key, shared in self._shared.items() if not shared.users and shared.environment is not None]
        return [self._shared.pop(key) for key in idle[: max(0, len(idle) - _MOST_IDLE)]]

    def _enter(
        self, shared: _Shared, job: BuildJob, interpreter: Path, builder: HookBuilder | None
    ) -> BuildEnvironment:
        if shared.failure is not None:
            raise BuildFailed(shared.failure.kind, shared.failure.sentence)
        if shared.environment is None:
            try:
                shared.environment = self._make(job, interpreter, builder)
            except BuildFailed as failure:
                shared.failure = failure
                raise
        return shared.environment

    def _make(self, job: BuildJob, interpreter: Path, builder: HookBuilder | None) -> BuildEnvironment:
        try:
            for wheel in job.wheels:
                _check_name(wheel.filename)
                if not has_hash(wheel):
                    raise refuse_file(wheel)
            wheels = [(wheel.filename, keep_file(self._client, wheel, self._folder)) for wheel in job.wheels]
            for sdist in job.sdists:
                built = self._build(sdist, interpreter, builder)
                wheels.append((built.filename, built.path))
            return _enter_environment(job, interpreter, wheels)
        except Refused as refused:
            raise fail(refused.failure) from refused

    # ---- sdists in closures

    def _build(self, job: BuildJob, interpreter: Path, builder: HookBuilder | None) -> KeptWheel:
        """Return the wheel of an sdist that stands in a closure, built where it is not kept."""
        try:
            if not has_hash(job.file):
                raise refuse_file(job.file)
            key = _name_build(job)
            folder = self._folder_for(builder)
            with self._lock:
                building = self._building.setdefault(f"{folder}/{key}", Lock())
            with building:
                return find_wheel(folder, key) or self._build_now(job, folder / key, interpreter, builder)
        except Refused as refused:
            raise fail(refused.failure).in_closure(job) from refused
        except BuildFailed as failure:
            raise failure.in_closure(job) from failure

    def _folder_for(self, builder: HookBuilder | None) -> Path:
        """Return where built wheels are kept; those that Nix built may name what its store has today alone."""
        if builder is None:
            return self._folder
        with self._lock:
            if builder not in self._scratches:
                name = self._scratch.enter_context(tempfile.TemporaryDirectory(prefix="mach-wheels-"))
                self._scratches[builder] = Path(name)
            return self._scratches[builder]

    def _build_now(self, job: BuildJob, place: Path, interpreter: Path, builder: HookBuilder | None) -> KeptWheel:
        with ExitStack() as stack:
            tree, folder = stack.enter_context(open_source(self._client, job, self._folder, limits=self._limits))
            environment = stack.enter_context(self.open(job, interpreter, builder))
            content = stack.enter_context(open_draft(place.parent))
            answer = ask_backend_of(
                tree,
                environment=environment,
                step="wheel",
                subdirectory=folder,
                limits=self._limits,
                content=content,
                runner=None if builder is None else BuildRunner(builder, job),
            )
            if isinstance(answer, HookFailure):
                raise fail(answer)
            assert isinstance(answer, BuiltWheel), "that is what the step gives"
            _check_wheel(job, answer)
            return keep_wheel(place.parent, place.name, answer.filename, content)


def _close(ended: Sequence[_Shared]) -> None:
    with ExitStack() as stack:
        for shared in ended:
            if shared.environment is not None:
                stack.push(shared.environment)


def _enter_environment(job: BuildJob, interpreter: Path, wheels: Sequence[tuple[str, Path]]) -> BuildEnvironment:
    with tempfile.TemporaryDirectory(prefix="mach-wheels-") as scratch:
        named = []
        for number, (filename, path) in enumerate(wheels):
            # a folder for each: nothing keeps two indexes from having files of one name
            place = Path(scratch, str(number), filename)
            place.parent.mkdir()
            place.symlink_to(path.absolute())
            named.append(place)
        environment = BuildEnvironment(interpreter, named)
        if environment.interpreter.series != job.python:
            raise Unavailable(
                "interpreter-unusable",
                f"build backends cannot run in {str(interpreter)!r}: "
                f"it is Python {environment.interpreter.series}, and {job.python} is asked for",
                hint=f"name a CPython {job.python}",
            )
        return environment.__enter__()


def _name_build(job: BuildJob) -> str:
    """Return the key that a built wheel is kept under: all that it is made of."""
    text = json.dumps(_describe(job), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _describe(job: BuildJob) -> list[object]:
    wheels = sorted([wheel.filename, wheel.sha256 or ""] for wheel in job.wheels)
    sdists = [_describe(sdist) for sdist in job.sdists]
    return [EXTRACTOR, job.file.sha256, job.version, job.python, job.system, job.closure, wheels, sdists]


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


def _check_wheel(job: BuildJob, wheel: BuiltWheel) -> None:
    """Refuse a wheel that is not the one of *job*'s release, by its name or by its metadata.

    :raises BuildFailed: ``false-result``.
    """
    project, version, *_ = parse_wheel_filename(wheel.filename)
    reason = (
        f"its build backend made {shorten(wheel.filename, 200)!r}, which is not a wheel of {job.project} {job.version}"
    )
    if project == job.project and job.version is not None and version == Version(job.version):
        try:
            parse_core_metadata(wheel.metadata, project=job.project, version=version)
            return
        except UnusableMetadata as error:
            reason = f"its build backend answered wrongly: {error}"
    raise fail(HookFailure(kind=FailureClass.FALSE_RESULT, reason=reason))
