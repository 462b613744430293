"""Watching what hooks use inside a Nix build, and stopping them at a limit: Nix itself limits time and output alone.

It imports nothing of mach: the driver takes it along into any CPython from 3.8 on.
"""

from __future__ import annotations

import errno
import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Mapping, Sequence  # noqa: UP035 (Python 3.8)

# it lies beside it where it runs, and not in a package of mach
from process_usage import read_processes  # type: ignore[import-not-found]  # as said above

#: Seconds between two looks at what is used.
TICK = 0.05
#: Bytes at the end of the output that go into the reply.
TAIL = 64 << 10


class Stopped(BaseException):
    """A limit was exceeded; no handler for what backends do wrong may take it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Files:
    """What lies in the folders that a build can write to.

    Looking at every file takes its time, so it is done where the file system has become fuller by more
    than a limit, whoever did that, and now and then.
    """

    def __init__(self, folders: Sequence[Path], store: Path, most: tuple[int, int]) -> None:
        self.folders = [folder for folder in folders if folder.is_dir()]
        self.store = store
        self.there = set(self.store_names())
        self.most = most
        self.begin = self.fill()
        self.next_look = time.monotonic() + 2

    def store_names(self) -> list[str]:
        """Return what is in the store, where that can be told."""
        with suppress(OSError):
            return [path.name for path in self.store.iterdir()]
        return []

    def fill(self) -> tuple[int, int]:
        """Return the bytes and the files of the file systems that the folders are on."""
        found = {}
        for folder in self.folders:
            with suppress(OSError):
                found[folder.stat().st_dev] = os.statvfs(folder)
        used = [((s.f_blocks - s.f_bfree) * s.f_frsize, s.f_files - s.f_ffree) for s in found.values()]
        return sum(u[0] for u in used), sum(u[1] for u in used)

    def walk(self) -> Iterator[os.stat_result]:
        """Yield the status of every file, folder and link."""
        new = [self.store / name for name in self.store_names() if name not in self.there]
        waiting = [os.fspath(path) for path in (*self.folders, *new)]
        while waiting:
            try:
                entries = list(os.scandir(waiting.pop()))
            except NotADirectoryError:
                continue
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:  # no build makes paths that are too long for the system
                    raise Stopped("too-many-files") from None
                continue
            for entry in entries:
                # it may be gone by now
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)

    def look(self) -> None:
        """Stop where there is more than may be."""
        start, fill = time.monotonic(), self.fill()
        grown = any(fill[i] - self.begin[i] > self.most[i] for i in (0, 1))
        if not grown and start < self.next_look:
            return
        size = 0
        for count, status in enumerate(self.walk(), 1):
            size += status.st_blocks * 512
            if size > self.most[0]:
                raise Stopped("too-large")
            if count > self.most[1]:
                raise Stopped("too-many-files")
        end = time.monotonic()
        self.next_look = end + max(2.0, 20 * (end - start))
        if grown:
            # others fill it, or it is being emptied
            self.begin = self.fill()


class Watch:
    """Runs hooks, and stops at a limit of what they all use together."""

    def __init__(
        self, limits: Mapping[str, Any], files: Files, environment: Mapping[str, str], as_root: bool = False
    ) -> None:
        self.limits = limits
        self.as_root = as_root
        self.files = files
        self.environment = environment
        # elsewhere it would be that of the whole machine, or there is none
        self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY) if os.getpid() == 1 else None
        self.deadline = time.monotonic() + limits["wall_seconds"]
        self.written = 0
        self.tail = bytearray()
        self.next_look = 0.0

    def look(self) -> None:
        """Stop where a limit is exceeded."""
        self.next_look = time.monotonic() + TICK
        if time.monotonic() > self.deadline:
            raise Stopped("timeout")
        if self.proc is not None:
            # at once: of a fork bomb there are more before the last one was looked at
            running = os.listdir(self.proc)  # noqa: PTH208 (it is open, and has no path)
            if sum(name.isdigit() for name in running) > self.limits["processes"]:
                raise Stopped("too-many-processes")
            usage = read_processes(self.proc, self.limits["memory"])
            if usage.tasks > self.limits["processes"]:
                raise Stopped("too-many-processes")
            if usage.memory > self.limits["memory"]:
                raise Stopped("too-much-memory")
            if usage.cpu_seconds > self.limits["cpu_seconds"]:
                raise Stopped("timeout")
        self.files.look()

    def take(self, output: int) -> bool:
        """Keep the end of what was written; return whether more may follow."""
        try:
            data = os.read(output, 1 << 16)
        except BlockingIOError:
            return True
        self.written += len(data)
        self.tail += data
        del self.tail[:-TAIL]
        if self.written > self.limits["output"]:
            raise Stopped("too-much-output")
        return data != b""

    def run(self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        """Run one hook, as pyproject_hooks asks for it."""
        environment = {**self.environment, **(extra_environ or {})}
        process = subprocess.Popen(
            list(cmd), cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        if self.as_root:
            # without a limit of processes, none that a hook starts may keep this one from looking (sched(7))
            os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
        assert process.stdout is not None
        output = process.stdout.fileno()
        os.set_blocking(output, False)
        with process.stdout, selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while process.poll() is None:
                if not selector.get_map():
                    time.sleep(TICK)
                elif selector.select(TICK) and not self.take(output):
                    selector.unregister(output)
                self.bury(process.pid)
                if time.monotonic() >= self.next_look:
                    self.look()
            # what runs on may hold the pipe open, and is not waited for
            while selector.get_map() and selector.select(0):
                if not self.take(output):
                    break
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, cmd)

    def bury(self, hook: int) -> None:
        """Wait for ended processes whose parents are gone: the first process of a system inherits them."""
        with suppress(ChildProcessError):
            while self.proc is not None:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None or ended.si_pid == hook:
                    return
                os.waitpid(ended.si_pid, 0)
