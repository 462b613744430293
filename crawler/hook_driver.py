"""hook_driver.py FD: ask a build backend, inside the sandbox, and send what it answers over the socket FD.

It runs in any CPython from 3.8 on, apart from the build environment, with pyproject_hooks beside it.
"""

from __future__ import annotations

import array
import base64
import json
import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Callable, Mapping, NamedTuple, Sequence  # noqa: UP035 (Python 3.8)

SHARED = Path("/dev/shm")  # noqa: S108 (the sandbox's own)
FILE_DESCRIPTORS = 1024


class Place(NamedTuple):
    """Where a backend is asked."""

    work: Path
    """A folder that can be written to."""
    interpreter: str
    """That of the build environment."""

    @property
    def source(self) -> Path:
        """Where the backend's copy of the source tree is."""
        return self.work / "source"

    @property
    def result(self) -> Path:
        """The folder that the backend is given for what it makes."""
        return self.work / "result"


#: In a sandbox that bubblewrap makes (crawler/sandbox_view.py).
SANDBOX = Place(Path("/build"), "/mach/environment/bin/python")


class Failed(Exception):
    """The backend gave no answer that can be used: the class of failure, and a sentence."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def receive(control: socket.socket) -> dict[str, Any]:
    """Return the request, one line of JSON."""
    line = b""
    while not line.endswith(b"\n"):
        line += control.recv(1 << 16)
    request: dict[str, Any] = json.loads(line)
    return request


def hand_over(control: socket.socket) -> None:
    """Send descriptors by which the supervisor outside sees what is used in here."""
    folders = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in ("/proc", SANDBOX.work, SHARED)]
    control.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", folders))])
    for folder in folders:
        os.close(folder)


def limit(limits: Mapping[str, int]) -> None:
    """Limit this process and all that it starts; the supervisor limits their sums."""
    for name, most in (
        ("RLIMIT_CPU", limits["cpu_seconds"]),
        ("RLIMIT_DATA", limits["memory"]),
        ("RLIMIT_FSIZE", limits["file_bytes"]),
        # a little more than the supervisor admits, so that a fork bomb is seen as one
        ("RLIMIT_NPROC", limits["processes"] + 16),
        ("RLIMIT_NOFILE", FILE_DESCRIPTORS),
        ("RLIMIT_MEMLOCK", 1 << 16),
        ("RLIMIT_MSGQUEUE", 0),
        ("RLIMIT_SIGPENDING", 1024),
        ("RLIMIT_CORE", 0),
    ):
        kind = getattr(resource, name, None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
    # where memory ends nevertheless, the kernel is to take this before anything else
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def close_to_others() -> None:
    """Keep the backend, which is the same user, from reading or steering this process (prctl(2), PR_SET_DUMPABLE)."""
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


def run_hook(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
    """Run one hook in the build environment; what it writes goes to the supervisor."""
    environment = {**os.environ, **(extra_environ or {})}
    subprocess.run(list(cmd), cwd=cwd, env=environment, stdin=subprocess.DEVNULL, check=True)


def read_plain(path: Path, most: int) -> bytes:
    """Return the content of a plain file, not followed where it is a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Failed("false-result", f"its backend left no readable METADATA ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Failed("false-result", "its backend left a METADATA that is not a plain file")
        data = file.read(most + 1)
    return check_size(data, most)


def check_size(data: bytes, most: int) -> bytes:
    """Return *data*, unless it is larger than METADATA may be."""
    if len(data) > most:
        raise Failed("false-result", f"its backend left a METADATA larger than {most} bytes")
    return data


def check_name(name: object, ending: str, what: str) -> str:
    """Return the name of what a backend has made: that of one entry of the folder it was given."""
    if not isinstance(name, str) or len(name) > 255 or Path(name).name != name or not name.endswith(ending):
        said = ascii(name)[:100]
        raise Failed("false-result", f"its backend answered {said}, which is not the name of {what}")
    return name


def read_prepared(result: Path, name: object, most: int) -> bytes:
    """Return METADATA from the .dist-info folder that the backend has made (PEP 517)."""
    folder = result / check_name(name, ".dist-info", "a .dist-info folder")
    if folder.is_symlink() or not folder.is_dir():
        raise Failed("false-result", "its backend named a .dist-info folder that is not there")
    return read_plain(folder / "METADATA", most)


def read_built(result: Path, name: object, most: int) -> bytes:
    """Return METADATA from the wheel that the backend has made."""
    path = result / check_name(name, ".whl", "a wheel")
    if path.is_symlink() or not path.is_file():
        raise Failed("false-result", "its backend named a wheel that is not there")
    try:
        with zipfile.ZipFile(path) as wheel:
            found = [info for info in wheel.infolist() if re.match(r"[^/\\]+\.dist-info/METADATA\Z", info.filename)]
            if len(found) != 1:
                raise Failed("false-result", "its backend made a wheel without one METADATA")
            with wheel.open(found[0]) as member:
                return check_size(member.read(most + 1), most)
    except Failed:
        raise
    except Exception as error:  # what a broken archive raises has no common base
        raise Failed("false-result", f"its backend made a wheel that is broken ({type(error).__name__})") from None


def open_wheel(result: Path, name: str, most: int) -> IO[bytes]:
    """Return the wheel that the backend has made, opened; it is a plain file of at most *most* bytes."""
    descriptor = os.open(result / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Failed("false-result", "its backend made a wheel that is not a plain file")
    if status.st_size > most:
        raise Failed("too-large", f"its backend made a wheel larger than {most} bytes")
    return os.fdopen(descriptor, "rb")


def ask(request: dict[str, Any], place: Place, runner: Callable[..., None]) -> tuple[dict[str, Any], IO[bytes] | None]:
    """Return the backend's answer to the step of *request*, and the wheel that goes with it."""
    from pyproject_hooks import BuildBackendHookCaller, HookMissing

    result = place.result
    caller = BuildBackendHookCaller(
        str(place.source / request["subdirectory"]),
        request["backend"],
        request["backend_path"],
        runner=runner,
        python_executable=place.interpreter,
    )
    if request["step"] == "requires":
        return {"requires": caller.get_requires_for_build_wheel()}, None
    most = request["limits"]["answer"]
    result.mkdir()
    if request["step"] == "wheel":
        name = caller.build_wheel(str(result))
        data = read_built(result, name, most)
        wheel = open_wheel(result, name, request["limits"]["wheel"])
        size = os.fstat(wheel.fileno()).st_size
        return {"wheel": name, "size": size, "metadata": base64.b64encode(data).decode("ascii")}, wheel
    try:
        name = caller.prepare_metadata_for_build_wheel(str(result), _allow_fallback=False)
    except HookMissing:
        data, how = read_built(result, caller.build_wheel(str(result)), most), "build-wheel"
    else:
        data, how = read_prepared(result, name, most), "prepare-metadata"
    return {"metadata": base64.b64encode(data).decode("ascii"), "how": how}, None


def answer(
    request: dict[str, Any], place: Place, bring_source: Callable[[], object], runner: Callable[..., None]
) -> tuple[dict[str, Any], IO[bytes] | None]:
    """Return the backend's answer, or why there is none, and the wheel that goes with it.

    *bring_source* makes the backend's copy of the source tree; *runner* is what pyproject_hooks runs hooks by.
    """
    from pyproject_hooks import BackendUnavailable

    try:
        bring_source()
    except OSError as error:  # shutil.Error is one
        full = isinstance(error, shutil.Error) or error.errno in (27, 28)
        kind = "too-large" if full else "backend-failed"
        return {"failed": kind, "reason": "its source does not fit into the sandbox"}, None
    try:
        return ask(request, place, runner)
    except Failed as error:
        return {"failed": error.kind, "reason": str(error)}, None
    except BackendUnavailable as error:
        lines = (error.traceback or str(error)).strip().splitlines()[-1:]
        return {"failed": "backend-missing", "reason": "its build backend cannot be imported", "lines": lines}, None
    except subprocess.CalledProcessError as error:
        return {"failed": "backend-failed", "code": error.returncode}, None
    except Exception as error:  # a backend may leave anything in place of pyproject_hooks' own files
        return {
            "failed": "false-result",
            "reason": f"its backend left no result that can be read ({type(error).__name__})",
        }, None


def main() -> int:
    """Run the command."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    request = receive(control)
    limit(request["limits"])
    hand_over(control)
    close_to_others()
    sys.path.insert(0, str(Path(__file__).parent))
    reply, wheel = answer(
        request, SANDBOX, lambda: shutil.copytree("/mach/source", SANDBOX.source, symlinks=True), run_hook
    )
    control.sendall(json.dumps(reply).encode("ascii"))
    if wheel is not None:
        control.sendall(b"\n")
        control.sendfile(wheel, count=reply["size"])
    control.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
