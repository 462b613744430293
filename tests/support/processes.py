"""The processes of this machine, as Linux shows them."""

from __future__ import annotations

import signal
from pathlib import Path

__all__ = ["INTERRUPTED", "children", "command"]

#: What a mach returns that Ctrl-C interrupted; a shell shows 130 for both. An interrupt that passes through the code of
#: a string (a dataclass that is made while a module is imported) has CPython end by the signal itself, though it was
#: handled (3.11, `run_eval_code_obj`).
INTERRUPTED = (130, -signal.SIGINT)


def children(parent: int) -> list[int]:
    """Return the ids of the processes that *parent* started and that still run, oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # the name before may hold anything, brackets and spaces too
            state, above, *_ = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(above) == parent and state != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def command(pid: int) -> str:
    """Return how a process was started, empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
