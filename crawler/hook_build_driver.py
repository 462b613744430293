"""hook_build_driver.py REQUEST SOURCE ENVIRONMENT TOOLS OUT: ask a build backend, inside a Nix build.

REQUEST is the one that hook_driver.py takes, as a file; SOURCE an archive of the source tree; TOOLS
folders of programs, joined by colons. OUT becomes a folder with reply.json, and the wheel where one was
made. It runs in any CPython from 3.8 on, with pyproject_hooks, hook_driver and process_usage beside it.

Nix limits nothing but time and output, so the limits are watched from in here: on Linux this is the first
process of the build, which none of the others can stop, and with whose end the kernel ends them all.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Mapping, Sequence  # noqa: UP035 (Python 3.8)

sys.path.insert(0, str(Path(__file__).parent))

# they lie beside it where it runs, and not in a package of mach
from hook_driver import Place, answer, close_to_others, limit  # type: ignore[import-not-found]  # as said above
from process_usage import read_processes  # type: ignore[import-not-found]  # as said above

#: Seconds between two looks at what is used.
TICK = 0.05
#: Bytes at the end of the output that go into the reply.
TAIL = 64 << 10
#: The lines by which the log tells how far a build came; nothing of a stranger's has run before them.
BEGINS, OPEN = "mach: the backend is asked", "mach: this build is not in a sandbox"
#: Without packets being sent, this tells whether there is a way to other machines (RFC 5737).
ELSEWHERE = ("192.0.2.1", 9)


class Stopped(BaseException):
    """A limit was exceeded; no handler for what backends do wrong may take it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def find_opening(store: Path) -> str | None:
    """Return in what this build is open to the machine, None where it is in a sandbox.

    *store*: Nix's; in a sandbox it holds what the build takes alone, which is never a derivation.
    """
    with suppress(OSError):
        if any(path.suffix == ".drv" for path in store.iterdir()):
            return f"all of {store} is seen"
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(ELSEWHERE)
        return "there is a network"
    if sys.platform == "linux" and os.getpid() != 1:
        return "the machine's processes are seen"
    return None


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
                if error.errno == 36:  # no build makes paths that are too long for the system
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

    def __init__(self, limits: Mapping[str, Any], files: Files, environment: Mapping[str, str]) -> None:
        self.limits = limits
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


def make_environment(request: Mapping[str, Any], work: Path, path: Sequence[Path]) -> dict[str, str]:
    """Return the variables of hooks: those of stdenv's compilers and inputs, and mach's own over them."""
    dropped = ("TMP", "TEMP", "TEMPDIR", "SHLVL", "PWD", "OLDPWD", "TERM", "NIX_LOG_FD")
    kept = {
        name: value
        for name, value in os.environ.items()
        # the attributes of the derivation begin with small letters
        if name[:1].isupper() and name not in dropped and not name.startswith("PYTHON")
    }
    for name, value in request["environment"].items():
        kept[name] = f"{work}{value[6:]}" if value.startswith("/build/") else value
    kept["PATH"] = os.pathsep.join(map(str, path))
    return kept


def lay_out_tools(folder: Path, names: Sequence[str], path: str) -> None:
    """Make *folder* one of links to those programs of *path* that hooks may count on everywhere."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name, path=path)
        if found is not None:
            (folder / name).symlink_to(found)


def unpack(archive: str, folder: Path) -> None:
    """Unpack the source tree, which mach has packed; nothing of it is trusted, and all of it is in the sandbox."""
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "fully_trusted_filter"):
            tar.extraction_filter = staticmethod(tarfile.fully_trusted_filter)
        tar.extractall(folder)  # noqa: S202 (as above)


def write_reply(out: int, reply: Mapping[str, Any], wheel: IO[bytes] | None) -> None:
    """Write what was answered into the open folder *out*."""

    def create(name: str) -> IO[bytes]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        return os.fdopen(os.open(name, flags, 0o644, dir_fd=out), "wb")

    if wheel is not None:
        with wheel, create("wheel") as target:
            shutil.copyfileobj(wheel, target)
    with create("reply.json") as target:
        target.write(json.dumps(reply).encode("ascii"))


def main() -> int:
    """Run the command."""
    named, source, environment, tools, out = sys.argv[1:6]
    work, store = Path(os.environ["NIX_BUILD_TOP"]), Path(os.environ["NIX_STORE"])
    opening = find_opening(store)
    if opening is not None:
        print(f"{OPEN}: {opening}", file=sys.stderr, flush=True)
        return 9
    print(BEGINS, file=sys.stderr, flush=True)
    Path(out).mkdir()
    folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    request = json.loads(Path(named).read_text())
    if request["step"] == "probe":
        write_reply(folder, {}, None)
        return 0
    limits = request["limits"]
    limit(limits)
    close_to_others()
    lay_out_tools(work / "tools", request["tools"], os.environ["PATH"])
    for name in ("home", "tmp"):
        (work / name).mkdir()
    given = [Path(one) for one in tools.split(os.pathsep) if one]
    variables = make_environment(request, work, [Path(environment, "bin"), *given, work / "tools"])
    writable = [work, Path("/tmp"), Path("/dev/shm")]  # noqa: S108 (the sandbox's own)
    files = Files(writable, store, (limits["file_bytes"], limits["files"]))
    watch = Watch(limits, files, variables)
    wheel = None
    # pyproject_hooks makes folders for what hooks are asked and say
    os.environ["TMPDIR"] = str(work / "tmp")
    try:
        place = Place(work, f"{environment}/bin/python")
        reply, wheel = answer(request, place, lambda: unpack(source, work), watch.run)
    except Stopped as stopped:
        reply = {"stopped": stopped.kind}
    reply["output"] = base64.b64encode(bytes(watch.tail)).decode("ascii")
    write_reply(folder, reply, wheel)
    return 0


if __name__ == "__main__":
    code = main()
    # threads and files of Python's own are nothing to wait for
    sys.stderr.flush()
    os._exit(code)
