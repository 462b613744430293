"""Asking the build backend of a stranger's sdist, in a sandbox, for requirements, metadata or a wheel (PEP 517)."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from db.facts import check_text
from resolver.errors import printable, shorten

from .build_environment import BuildEnvironment
from .build_system import BuildSystem, read_build_system
from .hook_failures import (
    NEEDS_REPOSITORY,
    FailureClass,
    HookFailure,
    Refused,
    find_cause,
    find_rust_program,
    last_lines,
    tell_failure,
)
from .interpreters import Interpreter
from .sandbox import Ending, require_sandbox, run_sandboxed
from .sandbox_limits import Limits
from .unpacked_sdist import UnpackedSdist, unpack_sdist

__all__ = ["BuildRequires", "BuiltMetadata", "BuiltWheel", "Runner", "Step", "ask_backend", "ask_backend_of"]

#: ``requires`` asks get_requires_for_build_wheel, ``metadata`` prepare_metadata_for_build_wheel or build_wheel,
#: ``wheel`` build_wheel.
Step = Literal["requires", "metadata", "wheel"]

_MOST_REQUIREMENTS = 10_000
_LONGEST_REQUIREMENT = 65_536
#: What a name may have that becomes one of a file: the parts and their escapes (binary distribution format).
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequires:
    """What a backend requires besides build-system.requires (get_requires_for_build_wheel)."""

    requires: tuple[str, ...]
    """Raw strings in the backend's order; they need not parse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltMetadata:
    """The METADATA that a backend made."""

    metadata: bytes
    """As it is; whether its name and version are the sdist's is for who parses it."""
    how: Literal["prepare-metadata", "build-wheel"]
    """The hook that it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """A wheel that a backend made; its content was written to where the caller wanted it."""

    filename: str
    """A plain name, whose tags fit the interpreter of the build environment."""
    size: int
    """Bytes of the content."""
    metadata: bytes
    """The METADATA in it; whether its name and version are the sdist's is for who parses it."""


Answer = BuildRequires | BuiltMetadata | BuiltWheel | HookFailure
#: Asks one question where nothing but its answer gets out: the request for the driver, the environment, the
#: source tree, the limits, and where a wheel goes.
Runner = Callable[[Mapping[str, Any], BuildEnvironment, Path, Limits, IO[bytes] | None], Ending]


def ask_backend(
    sdist: IO[bytes] | Path,
    *,
    filename: str,
    environment: BuildEnvironment,
    step: Step,
    subdirectory: str = "",
    limits: Limits | None = None,
) -> Answer:
    """Unpack an sdist, ask its backend in a sandbox, and return its answer or why there is none.

    Nothing is left behind, whatever happens.  The answer is checked for its form (types, sizes,
    text); what it says is the publisher's.

    :param filename: the sdist's, which tells the kind of its archive.
    :param environment: an entered one with the wheels that the step needs.
    :param subdirectory: the project's folder in the source, relative.
    :raises Unavailable: ``no-sandbox``, ``sandbox-failed`` or ``no-temporary-space``.
    """
    require_sandbox()
    try:
        with unpack_sdist(sdist, filename=filename, limits=limits) as source:
            return ask_backend_of(source, environment=environment, step=step, subdirectory=subdirectory, limits=limits)
    except Refused as refused:
        return refused.failure


def ask_backend_of(
    source: UnpackedSdist,
    *,
    environment: BuildEnvironment,
    step: Step,
    subdirectory: str = "",
    limits: Limits | None = None,
    content: IO[bytes] | None = None,
    runner: Runner | None = None,
) -> Answer:
    """Ask as :func:`ask_backend` does, of a source that is unpacked already; it stays as it is.

    :param content: where the step ``wheel`` writes the wheel, at most *limits.wheel* bytes; what
        lies there is to be used only where the answer is a :class:`BuiltWheel`.
    :param runner: by default a sandbox that bubblewrap makes.
    :raises ValueError: where that step has no *content*, or another one has.
    """
    if (step == "wheel") is (content is None):
        raise ValueError("a wheel, and nothing else, has to be written somewhere")
    limits = limits or Limits()
    try:
        project = source.project_folder(subdirectory)
        system = read_build_system(project)
    except Refused as refused:
        return refused.failure
    request = {
        "step": step,
        "subdirectory": project.relative_to(source.folder).as_posix(),
        "backend": system.backend,
        "backend_path": list(system.backend_path),
        "limits": {
            "cpu_seconds": math.ceil(limits.cpu_seconds),
            "memory": limits.memory,
            "file_bytes": limits.file_bytes,
            "processes": limits.processes,
            "answer": limits.answer,
            "wheel": limits.wheel,
        },
    }
    begin = 0 if content is None else content.tell()
    ending = (runner or _run_in_bubblewrap)(request, environment, source.folder, limits, content)
    written = 0 if content is None else content.tell() - begin
    return _judge(ending, step, system, limits, environment.interpreter, written)


def _run_in_bubblewrap(
    request: Mapping[str, Any],
    environment: BuildEnvironment,
    source: Path,
    limits: Limits,
    attachment: IO[bytes] | None,
) -> Ending:
    return run_sandboxed(
        environment.driver,
        request=json.dumps(request).encode() + b"\n",
        view=environment.view(source),
        limits=limits,
        attachment=attachment,
    )


def _judge(
    ending: Ending, step: Step, system: BuildSystem, limits: Limits, interpreter: Interpreter, written: int
) -> Answer:
    """Return what a sandbox's ending amounts to; everything in it but *stopped* may be forged."""
    detail = last_lines(ending.output)
    if ending.stopped is not None:
        reason = _EXCESSES[ending.stopped](limits)
        if step == "wheel" and ending.stopped is FailureClass.FALSE_RESULT:
            reason = f"its build backend answered far more than a wheel of {limits.wheel} bytes"
        return HookFailure(kind=ending.stopped, reason=reason, detail=detail)
    try:
        reply = _parse(ending.reply)
        if "failed" in reply:
            return _failure(reply, ending.output, system, limits)
        if step == "wheel":
            return _wheel(reply, limits, interpreter, written)
        return _requires(reply) if step == "requires" else _metadata(reply, limits)
    except _False as error:
        return HookFailure(kind=FailureClass.FALSE_RESULT, reason=printable(str(error)), detail=detail)


class _False(Exception):
    """An answer that is none; the text is a sentence."""


def _parse(data: bytes) -> Mapping[str, Any]:
    if not data:
        raise _False("its backend ended the process that had called it")
    try:
        reply = json.loads(data.decode())
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict):
        raise _False("its backend sent something else in place of its result")
    return reply


def _requires(reply: Mapping[str, Any]) -> BuildRequires:
    found = reply.get("requires")
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise _False("its backend answered requirements that are not a list of texts")
    if len(found) > _MOST_REQUIREMENTS or any(len(text) > _LONGEST_REQUIREMENT for text in found):
        raise _False("its backend answered more requirements, or longer ones, than there can be")
    try:
        return BuildRequires(requires=tuple(check_text(text) for text in found))
    except ValueError:
        raise _False("its backend answered a requirement that is no text") from None


def _metadata(reply: Mapping[str, Any], limits: Limits) -> BuiltMetadata:
    data = _decode_metadata(reply, limits)
    how = reply.get("how")
    if how not in ("prepare-metadata", "build-wheel"):
        raise _False("its backend sent something else in place of its result")
    return BuiltMetadata(metadata=data, how=how)


def _wheel(reply: Mapping[str, Any], limits: Limits, interpreter: Interpreter, written: int) -> BuiltWheel:
    filename = reply.get("wheel")
    if not isinstance(filename, str) or reply.get("size") != written or not written:
        raise _False("its backend sent something else in place of its result")
    said = repr(shorten(filename, 100))
    try:
        tags = parse_wheel_filename(filename)[3] if len(filename) <= _LONGEST_NAME else frozenset()
    except (InvalidWheelFilename, ValueError):
        tags = frozenset()
    if not tags or not _WHEEL.fullmatch(filename):
        raise _False(f"its backend answered {said}, which is not the name of a wheel")
    if tags.isdisjoint(interpreter.tags()):
        raise _False(f"its backend made {said}, a wheel for another Python or platform than the one it ran on")
    return BuiltWheel(filename=filename, size=written, metadata=_decode_metadata(reply, limits))


def _decode_metadata(reply: Mapping[str, Any], limits: Limits) -> bytes:
    try:
        data = base64.b64decode(reply["metadata"], validate=True)
        data.decode()
    except (KeyError, TypeError, binascii.Error, ValueError):
        raise _False("its backend left a METADATA that is not UTF-8") from None
    if len(data) > limits.answer:
        raise _False(f"its backend left a METADATA larger than {limits.answer} bytes")
    return data


#: The classes that the driver tells by itself.
_TOLD = (
    FailureClass.BACKEND_FAILED,
    FailureClass.BACKEND_MISSING,
    FailureClass.FALSE_RESULT,
    FailureClass.TOO_LARGE,
)
_SIGNALS = {
    -signal.SIGXCPU: FailureClass.TIMEOUT,
    -signal.SIGXFSZ: FailureClass.TOO_LARGE,
}
_REASONS = {
    FailureClass.BACKEND_FAILED: "its build backend {} failed",
    FailureClass.NEEDS_NETWORK: "its build backend {} wants to fetch something, and there is no network",
    FailureClass.MISSING_COMPILER: "its build backend {} needs a compiler that this machine does not have",
    FailureClass.NEEDS_REPOSITORY: "its build backend {} " + NEEDS_REPOSITORY,
}
_NO_RUST = (
    "its build backend {} looked for {}, and Rust is not offered to backends that are asked what an sdist requires "
    "(take a wheel of it, or another release)"
)
_EXCESSES = {
    FailureClass.TIMEOUT: lambda limits: (
        f"its build backend did not end within {limits.wall_seconds:g} seconds"
        f" or {limits.cpu_seconds:g} seconds of the processor"
    ),
    FailureClass.TOO_MUCH_MEMORY: lambda limits: f"its build backend used more than {limits.memory} bytes of memory",
    FailureClass.TOO_MANY_PROCESSES: lambda limits: f"its build backend ran more than {limits.processes} processes",
    FailureClass.TOO_MUCH_OUTPUT: lambda limits: f"its build backend printed more than {limits.output} bytes",
    FailureClass.TOO_LARGE: lambda limits: f"its build backend wrote more than {limits.file_bytes} bytes of files",
    FailureClass.TOO_MANY_FILES: lambda limits: f"its build backend made more than {limits.files} files",
    FailureClass.FALSE_RESULT: lambda limits: f"its build backend answered far more than {limits.answer} bytes",
}


def _failure(reply: Mapping[str, Any], output: bytes, system: BuildSystem, limits: Limits) -> HookFailure:
    kind, reason, lines = reply["failed"], reply.get("reason"), reply.get("lines", [])
    if kind not in _TOLD or not isinstance(reason, str | None) or not isinstance(lines, list):
        raise _False("its backend sent something else in place of its result")
    kind = FailureClass(kind)
    said = output
    if kind is FailureClass.BACKEND_FAILED:
        code = reply.get("code")
        told = _SIGNALS.get(code) if isinstance(code, int) else None
        kind = told or tell_failure(output) or kind
        backend = repr(shorten(system.backend, 100))
        rust = find_rust_program(output) if kind is FailureClass.MISSING_COMPILER else None
        if rust is not None:
            reason = _NO_RUST.format(backend, rust)
        else:
            reason = _EXCESSES[kind](limits) if kind in _EXCESSES else _REASONS[kind].format(backend)
    elif kind is FailureClass.BACKEND_MISSING:
        reason = f"its build backend {shorten(system.backend, 100)!r} cannot be imported from its build requirements"
        said = "\n".join(str(line) for line in lines[:8]).encode(errors="replace")
    return HookFailure(
        kind=kind,
        reason=printable(shorten(reason or kind, 500)),
        detail=last_lines(said),
        cause=find_cause(kind, said),
    )
