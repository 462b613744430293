"""How much the code of a stranger may use in a sandbox, and what it has used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from .hook_failures import FailureClass
from .process_usage import read_processes

__all__ = ["Limits", "Usage", "find_excess", "read_usage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one sdist may use. Unpacking is limited on disk, everything else within one run of the sandbox."""

    wall_seconds: float = 300
    cpu_seconds: float = 600
    """Of all processes together; also of each alone."""
    memory: int = 4 << 30
    """Bytes of all processes together, besides what lies in files."""
    processes: int = 256
    """Processes and threads together."""
    output: int = 64 << 20
    """Bytes on stdout and stderr; only the last few lines are kept."""
    file_bytes: int = 4 << 30
    """Bytes of files in the sandbox, a copy of the source among them; they lie in memory."""
    files: int = 400_000
    """Files, folders and links in the sandbox."""
    answer: int = 4 << 20
    """Bytes of METADATA, or of the list of requirements, that are accepted."""
    wheel: int = 256 << 20
    """Bytes of a wheel that are accepted."""
    unpacked_bytes: int = 2 << 30
    """Bytes that the sdist unpacks to."""
    unpacked_members: int = 100_000
    """Members of the sdist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a sandbox uses at one moment."""

    processes: int
    cpu_seconds: float
    memory: int
    file_bytes: int
    files: int
    room: int
    """Bytes that still fit into the fullest of its file systems."""


def read_usage(proc: int, file_systems: Sequence[int], *, memory_limit: int) -> Usage:
    """Return what the sandbox uses whose /proc and whose writable file systems these open folders are.

    :param memory_limit: bytes; only where the cheap sum is above it are shared pages told apart.
    """
    tasks, cpu_seconds, memory = read_processes(proc, memory_limit)
    stats = [os.fstatvfs(folder) for folder in file_systems]
    return Usage(
        processes=tasks,
        cpu_seconds=cpu_seconds,
        memory=memory,
        file_bytes=sum((s.f_blocks - s.f_bfree) * s.f_frsize for s in stats),
        files=sum(s.f_files - s.f_ffree for s in stats),
        room=min((s.f_bfree * s.f_frsize for s in stats), default=0),
    )


def find_excess(usage: Usage, limits: Limits) -> FailureClass | None:
    """Return which of the *limits* is exceeded, None where none is."""
    if usage.processes > limits.processes:
        return FailureClass.TOO_MANY_PROCESSES
    if usage.memory > limits.memory:
        return FailureClass.TOO_MUCH_MEMORY
    if usage.file_bytes > limits.file_bytes or usage.room == 0:
        return FailureClass.TOO_LARGE
    if usage.files > limits.files:
        return FailureClass.TOO_MANY_FILES
    if usage.cpu_seconds > limits.cpu_seconds:
        return FailureClass.TIMEOUT
    return None
