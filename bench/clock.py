"""Times of whole processes, taken in turns so that a busy machine slows all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FLOOR", "Command", "Times", "machine", "measure", "peak_memory", "plain_environment", "verdict"]

#: What any Python program with mach's light dependencies pays: F in the aims.
FLOOR = "import sqlite3, packaging, resolvelib, click"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One process to time."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Times:
    """Wall-clock times of one command, in milliseconds."""

    values: tuple[float, ...]

    @property
    def best(self) -> float:
        """The shortest time: what the work costs when nothing else runs."""
        return min(self.values)

    @property
    def median(self) -> float:
        """The time in the middle."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{self.best:8.0f} {self.median:8.0f}"


def _run(command: Command) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command.arguments, env=dict(command.environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    took = (time.perf_counter() - start) * 1000
    if done.returncode:
        raise RuntimeError(f"{command.name} failed with {done.returncode}:\n{done.stderr[-3000:]}")
    return took


def measure(commands: Sequence[Command], runs: int) -> dict[str, Times]:
    """Run every command once to warm up and then *runs* times in turns; return times by name.

    :raises RuntimeError: where a command fails: a time of a failure means nothing.
    """
    found: dict[str, list[float]] = {command.name: [] for command in commands}
    for number in range(runs + 1):
        for command in commands:
            took = _run(command)
            if number:
                found[command.name].append(took)
    return {name: Times(tuple(values)) for name, values in found.items()}


#: Runs a command from a small process: what a large one had in memory would count as its child's.
_WAIT = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, 1, 0)])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_memory(command: Command) -> float:
    """Return the most that a process had in memory, in MiB.

    :raises RuntimeError: where it fails.
    """
    small = [sys.executable, "-I", "-S", "-c", _WAIT, *command.arguments]
    done = subprocess.run(small, env=dict(command.environment), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command.name} failed with {done.returncode}:\n{done.stderr[-3000:]}")
    return int(done.stdout) / 1024  # Linux counts KiB


def plain_environment() -> dict[str, str]:
    """Return this environment with this checkout's modules first, without what slows interpreters down.

    Sandboxes set PYTHONDONTWRITEBYTECODE, which has every start compile all of mach.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


def machine() -> str:
    """Return one line on the machine: processor, cores, load."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"


def verdict(value: float, aim: float, *, at_most: bool) -> str:
    """Return in words whether *value* meets its aim."""
    return "as aimed" if (value <= aim if at_most else value >= aim) else "not as aimed"
