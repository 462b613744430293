"""Hooks run as Nix builds: what such a build is made of, and how its output, which a stranger made, is read."""

from __future__ import annotations

import base64
import binascii
import errno
import json
import os
import platform
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any, Protocol

from resolver.catalog import EXTRACTOR
from resolver.errors import Unavailable

from .build_environment import BuildEnvironment
from .build_jobs import BuildJob
from .hook_failures import FailureClass
from .sandbox import Ending
from .sandbox_limits import Limits
from .sandbox_view import ENVIRONMENT, FULL_NAMES, tool_names
from .syscall_filter import ARCHITECTURES, make_filter, make_session_filter

__all__ = ["BuildRunner", "HookBuild", "HookBuilder", "HookOutput"]

#: Limits that the driver inside watches.
_WATCHED = frozenset(
    {
        FailureClass.TIMEOUT,
        FailureClass.TOO_MUCH_MEMORY,
        FailureClass.TOO_MANY_PROCESSES,
        FailureClass.TOO_MUCH_OUTPUT,
        FailureClass.TOO_LARGE,
        FailureClass.TOO_MANY_FILES,
    }
)
_TAIL = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HookBuild:
    """What one question to a build backend is made of, as a Nix build."""

    request: bytes
    """JSON, as ``hook_build_driver.py`` takes it."""
    source: Path
    """The unpacked source tree."""
    environment: BuildEnvironment
    """Entered."""
    release: tuple[str, str | None]
    """Project and version of the sdist."""
    closure: tuple[tuple[str, str | None], ...]
    """Those of the sdists that its environment was built from."""
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOutput:
    """How a Nix build ended."""

    folder: Path | None
    """Its output in the store, untrusted; None where there is none."""
    stopped: FailureClass | None = None
    """Which limit it went beyond, where Nix stopped it."""


class HookBuilder(Protocol):
    """Builds hooks with one nixpkgs, in Nix's own sandbox, without network."""

    def build(self, hook: HookBuild) -> HookOutput:
        """Build one hook; it has to see its own inputs alone, or not to run at all.

        :raises Unavailable: where that is not to be had here, or something is missing that is none of the sdist's.
        """


class BuildRunner:
    """Runs the hooks of one job as Nix builds: no two of them are one, though they are asked the same."""

    def __init__(self, builder: HookBuilder, job: BuildJob) -> None:
        self._builder = builder
        self._release = (job.project, job.version)
        self._closure = tuple(sorted(set(_releases_in(job)), key=str))
        self._attempts = count(1)

    def __call__(
        self,
        request: Mapping[str, Any],
        environment: BuildEnvironment,
        source: Path,
        limits: Limits,
        attachment: IO[bytes] | None,
    ) -> Ending:
        """Ask one question and return how that ended, as :func:`crawler.sandbox.run_sandboxed` does.

        :raises Unavailable: as :meth:`HookBuilder.build` says; ``no-temporary-space``.
        """
        asked = {
            **request,
            "limits": {
                **request["limits"],
                "wall_seconds": limits.wall_seconds,
                "output": limits.output,
                "files": limits.files,
            },
            "environment": {name: value for name, value in ENVIRONMENT.items() if name != "PATH"},
            "tools": tool_names(),
            "tool_pattern": FULL_NAMES,
            "filters": _make_filters(),
            "extractor": EXTRACTOR,
            "attempt": next(self._attempts),
        }
        output = self._builder.build(
            HookBuild(
                request=json.dumps(asked, sort_keys=True).encode("ascii"),
                source=source,
                environment=environment,
                release=self._release,
                closure=self._closure,
                limits=limits,
            )
        )
        if output.folder is None:
            return Ending(reply=b"", output=b"", stopped=output.stopped)
        return _read_output(output.folder, limits, attachment)


def _make_filters() -> list[str]:
    """Return the filters of system calls, and the one for a build as root; none where none is known."""
    machine = os.uname().machine
    if platform.system() != "Linux" or machine not in ARCHITECTURES:
        return []
    return [base64.b64encode(make(machine)).decode("ascii") for make in (make_filter, make_session_filter)]


def _releases_in(job: BuildJob) -> Iterator[tuple[str, str | None]]:
    for sdist in job.sdists:
        yield sdist.project, sdist.version
        yield from _releases_in(sdist)


def _read_output(folder: Path, limits: Limits, attachment: IO[bytes] | None) -> Ending:
    """Return what a build left in *folder*: anything at all, as far as it was the backend that left it."""
    nothing = Ending(reply=b"", output=b"", stopped=None)
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return nothing
    try:
        reply = _read_reply(opened, 2 * limits.answer + (1 << 20))
        if reply is None:
            return nothing
        output, stopped = _told(reply)
        if attachment is not None and stopped is None and not _copy_wheel(opened, attachment, limits.wheel):
            stopped = FailureClass.FALSE_RESULT
        return Ending(reply=reply, output=output, stopped=stopped)
    except _TooLarge:
        return Ending(reply=b"", output=b"", stopped=FailureClass.FALSE_RESULT)
    finally:
        os.close(opened)


class _TooLarge(Exception):
    """A file is larger than it may be."""


@contextmanager
def _open_plain(folder: int, name: str) -> Iterator[IO[bytes] | None]:
    """Yield a plain file of an open folder, and None where there is none: a link is not followed."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        yield None
        return
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        yield None
        return
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _read_reply(folder: int, most: int) -> bytes | None:
    with _open_plain(folder, "reply.json") as file:
        if file is None:
            return None
        data = file.read(most + 1)
    if len(data) > most:
        raise _TooLarge
    return data


def _told(reply: bytes) -> tuple[bytes, FailureClass | None]:
    """Return what the driver tells besides the answer: the end of the output, and the limit that was exceeded."""
    try:
        value = json.loads(reply.decode())
        output = base64.b64decode(value["output"], validate=True)[-_TAIL:]
    except (ValueError, RecursionError, KeyError, TypeError, binascii.Error):
        return b"", None
    with suppress(ValueError, TypeError):
        if (stopped := FailureClass(value.get("stopped"))) in _WATCHED:
            return output, stopped
    return output, None


def _copy_wheel(folder: int, attachment: IO[bytes], most: int) -> bool:
    """Copy the wheel, where there is one; return whether it is no larger than it may be."""
    with _open_plain(folder, "wheel") as file:
        if file is None:
            return True
        room = most
        while data := file.read(1 << 20):
            room -= len(data)
            if room < 0:
                return False
            try:
                attachment.write(data)
            except OSError as error:
                raise Unavailable(
                    "no-temporary-space",
                    f"what a build backend has made cannot be kept: {os.strerror(error.errno or errno.EIO)}",
                    hint="free space where mach keeps files",
                ) from error
    return True
