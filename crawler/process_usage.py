"""What processes use, as their /proc tells it: for the supervisor of a sandbox and for a driver inside a Nix build.

It imports nothing of mach: the driver takes it along into any CPython from 3.8 on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessUsage(NamedTuple):
    """What all processes of one /proc use together."""

    tasks: int
    """Processes and threads."""
    cpu_seconds: float
    memory: int
    """Bytes."""


def read_processes(proc: int, memory_limit: int) -> ProcessUsage:
    """Return what the processes of the open folder *proc*, a /proc, use.

    :param memory_limit: bytes; only where the cheap sum is above it are shared pages told apart.
    """
    tasks, ticks, pages = 0, 0, 0
    for name in _processes(proc):
        # a process that ends while it is looked at is gone, or has no pages any more
        with suppress(OSError, ValueError, IndexError):
            fields = _read_numbers(proc, name)
            tasks += int(fields[17])
            ticks += sum(int(field) for field in fields[11:15])
            pages += int(fields[21])
    memory = pages * _PAGE
    if memory > memory_limit:
        memory = 0
        for name in _processes(proc):
            with suppress(OSError, ValueError, IndexError):
                memory += _read_share(proc, name)
    return ProcessUsage(tasks, ticks / _TICKS, memory)


def _processes(proc: int) -> Iterator[str]:
    return (name for name in os.listdir(proc) if name.isdigit())


def _read_numbers(proc: int, name: str) -> list[str]:
    """Return the fields of /proc/PID/stat after the name of the program, which may hold anything."""
    with open(f"{name}/stat", "rb", buffering=0, opener=lambda path, flags: os.open(path, flags, dir_fd=proc)) as file:
        return file.read(4096).rpartition(b")")[2].decode("ascii", "replace").split()


def _read_share(proc: int, name: str) -> int:
    """Return the bytes of a process, pages that it shares with others counted by their share."""
    path = f"{name}/smaps_rollup"
    with open(path, "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=proc)) as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
    return 0
