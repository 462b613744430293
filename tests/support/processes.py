"""The processes of this machine, as Linux shows them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["children", "command"]


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
