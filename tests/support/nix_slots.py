"""Folders that outlive a test run, one per run at a time: what is expensive to make stays, the rest is swept."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["claim_slot", "fingerprint", "remove_tree"]


def fingerprint(files: Iterable[str | Path]) -> str:
    """Return eight hexadecimal digits that change when one of the files is replaced (path, size, time)."""
    told = hashlib.sha256()
    for file in files:
        real = Path(file).resolve()
        found = real.stat() if real.exists() else None
        told.update(f"{file}\0{real}\0{found and (found.st_size, found.st_mtime_ns)}\n".encode())
    return told.hexdigest()[:8]


def remove_tree(folder: Path) -> None:
    """Delete a tree whose folders may be read-only, as those of a Nix store are."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)
    shutil.rmtree(folder)


@contextmanager
def claim_slot(root: Path, key: str, run: Path, *, sweep: Callable[[Path], None]) -> Iterator[Path]:
    """Hold one folder ``root/KEY-N`` that no other run uses, shared by the processes of this run.

    :param root: where the slots lie; slots of other keys that nobody uses are deleted.
    :param key: what the content rests on (:func:`fingerprint`).
    :param run: a folder that all processes of this run share and no other run.
    :param sweep: removes from a slot what should not stay; called with no other user, after a run
        and, where a run was killed, before the next one.

    A slot is in use while a process holds a shared lock on ``KEY-N.lock``.  Locks are taken and changed only
    under the lock ``claims``, because changing a lock is not atomic; the kernel drops them when a process dies.
    """
    root.mkdir(parents=True, exist_ok=True)
    note = run / "nix-slot"
    with (root / "claims").open("w") as claims:
        fcntl.flock(claims, fcntl.LOCK_EX)
        chosen = note.read_text() if note.exists() else _choose(root, key)
        with (root / f"{chosen}.lock").open("w") as lock:
            slot = root / chosen
            if not note.exists():
                fcntl.flock(lock, fcntl.LOCK_EX)
                if (slot / "in-use").exists():
                    sweep(slot)
                slot.mkdir(exist_ok=True)
                note.write_text(chosen)
                _drop_others(root, key)
            (slot / "in-use").touch()
            fcntl.flock(lock, fcntl.LOCK_SH)
            fcntl.flock(claims, fcntl.LOCK_UN)
            try:
                yield slot
            finally:
                fcntl.flock(claims, fcntl.LOCK_EX)
                if _try_lock(lock.fileno()):  # the last process of this run
                    sweep(slot)
                    (slot / "in-use").unlink(missing_ok=True)


def _choose(root: Path, key: str) -> str:
    for number in itertools.count():
        with (root / f"{key}-{number}.lock").open("w") as lock:
            if _try_lock(lock.fileno()):
                return f"{key}-{number}"
    raise AssertionError("unreachable")


def _drop_others(root: Path, key: str) -> None:
    for lock_file in root.glob("*.lock"):
        if not lock_file.name.startswith(f"{key}-"):
            with lock_file.open("w") as lock:
                if _try_lock(lock.fileno()):
                    slot = lock_file.with_suffix("")
                    if slot.exists():
                        remove_tree(slot)
                    lock_file.unlink()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
