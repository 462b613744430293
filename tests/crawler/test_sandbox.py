"""Hostile build backends are contained, recorded as what they are, and leave nothing behind."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crawler import sandbox
from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import BuildRequires, ask_backend
from crawler.hook_failures import FailureClass, HookFailure
from crawler.sandbox_limits import Limits
from tests.support.build_backends import in_tree_sdist, sandboxed

PYTHON = Path(sys.executable)
ROOT = Path(__file__).parents[2]
SMALL = Limits(
    wall_seconds=20,
    memory=256 << 20,
    processes=40,
    output=1 << 20,
    file_bytes=64 << 20,
    files=3_000,
)


@pytest.fixture(scope="module")
def nothing() -> Iterator[BuildEnvironment]:
    """An environment without wheels."""
    with BuildEnvironment(PYTHON, []) as environment:
        yield environment


def ask(body: str, environment: BuildEnvironment, limits: Limits = SMALL):
    dist = in_tree_sdist(requires=body)
    return ask_backend(
        io.BytesIO(dist.content), filename=dist.filename, environment=environment, step="requires", limits=limits
    )


def command_of(process: str) -> bytes:
    try:
        return Path("/proc", process, "cmdline").read_bytes()
    except OSError:
        return b""


def sandboxes_of(tree: Path) -> list[str]:
    """Return the processes of this machine whose command names the folder of one test."""
    names = (path.name for path in Path("/proc").iterdir())
    return [name for name in names if name.isdigit() and os.fsencode(tree) in command_of(name)]


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for temporary files; at the end of the test neither a file, a mount nor a process is left of it."""
    tmp_path_factory.getbasetemp()  # pytest's own folders are elsewhere
    with tempfile.TemporaryDirectory(prefix="mach-scratch-") as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []
        assert sandboxes_of(Path(folder)) == []
        assert folder not in Path("/proc/self/mountinfo").read_text()
        monkeypatch.undo()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


FLOODS = {
    "fork bomb": (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        "too-many-processes",
    ),
    "fork bomb that gives up": ("import os\nwhile True:\n    os.fork()", "too-many-processes"),
    "fork bomb of a session of its own": (
        "import os\nwhile True:\n    try:\n        os.fork() or os.setsid()\n    except OSError:\n        pass",
        "too-many-processes",
    ),
    "threads": (
        "import threading, time\nthreading.stack_size(1 << 16)\n"
        "for _ in range(60):\n    threading.Thread(target=time.sleep, args=(99,)).start()",
        "too-many-processes",
    ),
    "endless loop": ("while True:\n    pass", "timeout"),
    "endless sleep": ("import time\ntime.sleep(10**6)", "timeout"),
    "endless memory": ("kept = []\nwhile True:\n    kept.append(b'x' * (1 << 20))", "too-much-memory"),
    "memory of many processes": (
        "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n"
        "        kept = b'x' * (30 << 20)\n        time.sleep(99)\ntime.sleep(99)",
        "too-much-memory",
    ),
    "10 GB on stdout": (
        "import os\nline = b'x' * (1 << 20)\nfor _ in range(10_000):\n    os.write(1, line)",
        "too-much-output",
    ),
    "10 GB on stderr": (
        "import os\nline = b'x' * (1 << 20)\nfor _ in range(10_000):\n    os.write(2, line)",
        "too-much-output",
    ),
    "10 GB in one file": (
        "file = open('big', 'wb', buffering=0)\nfor _ in range(10_000):\n    file.write(b'x' * (1 << 20))",
        "too-large",
    ),
    "10 GB in many files": (
        "for n in range(10_000):\n    open(f'/tmp/{n}', 'wb').write(b'x' * (1 << 20))",
        "too-large",
    ),
    "10 GB in shared memory": (
        "file = open('/dev/shm/big', 'wb', buffering=0)\nfor _ in range(10_000):\n    file.write(b'x' * (1 << 20))",
        "too-large",
    ),
    "a million files": ("for n in range(10**6):\n    open(f'/tmp/{n}', 'wb').close()", "too-many-files"),
    "a million folders in each other": (
        "import os\nfor n in range(10**6):\n    os.mkdir('d')\n    os.chdir('d')",
        "too-many-files",
    ),
    "a mapping of 1 TB": ("return ['x' * (1 << 40)]", "too-much-memory"),
    "a result of 50 MB": ("return ['x' * 50_000_000]", "false-result"),
}


@sandboxed
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_stopped(name: str, nothing: BuildEnvironment, scratch: Path):
    body, kind = FLOODS[name]
    limits = SMALL if kind != "timeout" else Limits(wall_seconds=0.7)
    before = descriptors()
    start = time.monotonic()
    answer = ask(body, nothing, limits)
    assert isinstance(answer, HookFailure), answer
    assert answer.kind == kind
    assert time.monotonic() - start < 15
    assert descriptors() == before


@sandboxed
def test_time_of_the_processor_is_limited_over_all_processes(nothing: BuildEnvironment, scratch: Path):
    body = """
        import os, time
        for _ in range(4):
            if os.fork() == 0:
                while True:
                    pass
        time.sleep(99)
        """
    answer = ask(body, nothing, Limits(wall_seconds=30, cpu_seconds=1))
    assert isinstance(answer, HookFailure)
    assert answer.kind is FailureClass.TIMEOUT
    assert answer.reason == "its build backend did not end within 30 seconds or 1 seconds of the processor"


@sandboxed
def test_the_network_cannot_be_reached(nothing: BuildEnvironment, scratch: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        body = f"""
            import socket
            said = []
            for host in ("127.0.0.1", "192.0.2.1"):
                try:
                    socket.create_connection((host, {port}), timeout=1)
                except OSError as error:
                    said.append(type(error).__name__)
            return said
            """
        assert ask(body, nothing) == BuildRequires(requires=("ConnectionRefusedError", "OSError"))
        with pytest.raises(TimeoutError):
            server.accept()
        # it is there for everyone else
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        server.accept()[0].close()


@sandboxed
def test_sockets_of_this_machine_cannot_be_reached(nothing: BuildEnvironment, scratch: Path, tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind(str(tmp_path / "socket"))
        abstract.bind(f"\0mach-test-{os.getpid()}")
        for server in (named, abstract):
            server.listen()
        body = f"""
            import socket
            said = []
            for address in ({str(tmp_path / "socket")!r}, "\\0mach-test-{os.getpid()}"):
                try:
                    socket.socket(socket.AF_UNIX).connect(address)
                except OSError as error:
                    said.append(type(error).__name__)
            return said
            """
        assert ask(body, nothing) == BuildRequires(requires=("FileNotFoundError", "ConnectionRefusedError"))


@sandboxed
def test_nothing_outside_can_be_written(nothing: BuildEnvironment, scratch: Path, tmp_path: Path):
    body = f"""
        import os
        kept = []
        for folder in ("/", "/usr", "/usr/bin", "/usr/local", "/etc", "/dev", "/mach", "/mach/environment",
                       "/mach/tools", "/mach/source", "/mach/driver", "/bin", "/lib", {str(tmp_path)!r},
                       {str(Path.home())!r}, {sys.base_prefix!r}, "/proc", "/proc/sys/kernel", "/var", "/run", "/sys"):
            try:
                open(folder + "/written", "w").close()
                kept.append(folder)
            except OSError:
                pass
        for path in ("/etc/passwd", "/mach/driver/hook_driver.py", "/mach/source/pyproject.toml", "/proc/sysrq-trigger",
                     "/proc/sys/kernel/hostname", {sys.base_prefix!r} + "/bin/python3"):
            try:
                open(path, "a").close()
                kept.append(path)
            except OSError:
                pass
        return kept
        """
    assert ask(body, nothing) == BuildRequires(requires=())
    assert list(tmp_path.iterdir()) == []


@sandboxed
def test_namespaces_mounts_and_hidden_memory_are_refused(nothing: BuildEnvironment, scratch: Path):
    body = """
        import ctypes, errno, os
        libc = ctypes.CDLL(None, use_errno=True)
        def refused(call, *arguments):
            failed = getattr(libc, call)(*arguments) < 0
            return f"{call} {errno.errorcode[ctypes.get_errno()] if failed else 'done'}"
        return [
            refused("unshare", 0x10000000), refused("unshare", 0x00020000),
            refused("mount", b"none", b"/tmp", b"tmpfs", 0, None), refused("umount2", b"/usr", 2),
            refused("memfd_create", b"x", 0), refused("shmget", 0, 1 << 20, 0o1600), refused("msgget", 0, 0o1600),
            refused("ptrace", 16, os.getppid(), 0, 0), refused("setuid", 0), refused("sethostname", b"x", 1),
        ]
        """
    assert ask(body, nothing) == BuildRequires(
        requires=(
            "unshare ENOSPC",
            "unshare EPERM",
            "mount EPERM",
            "umount2 EPERM",
            "memfd_create ENOSYS",
            "shmget ENOSYS",
            "msgget ENOSYS",
            "ptrace EPERM",
            "setuid EINVAL",
            "sethostname EPERM",
        )
    )


@sandboxed
def test_what_a_backend_prints_is_no_result(nothing: BuildEnvironment, scratch: Path):
    body = """
        import json, os
        for text in ('{"requires": ["evil"]}', '{"return_val": ["evil"]}'):
            for descriptor in range(1, 20):
                try:
                    os.write(descriptor, text.encode())
                except OSError:
                    pass
        return ["true"]
        """
    assert ask(body, nothing) == BuildRequires(requires=("true",))


@sandboxed
def test_a_backend_cannot_take_the_drivers_socket(nothing: BuildEnvironment, scratch: Path):
    body = """
        import os
        said = []
        for process in ("1", str(os.getppid())):
            try:
                said += [os.readlink(f"/proc/{process}/fd/{number}") for number in os.listdir(f"/proc/{process}/fd")]
            except OSError as error:
                said.append(type(error).__name__)
        return [text for text in said if text.startswith("socket")] + said[-1:]
        """
    assert ask(body, nothing) == BuildRequires(requires=("PermissionError",))


#: What is done to pyproject_hooks' own result file, whose folder is the hook's second argument.
FALSE_FILES = {
    "race": ("if os.fork() == 0:\n    while True:\n        open(result, 'w').write('{}')", "false-result"),
    "pipe": ("os.mkfifo(result)\nos._exit(0)", "timeout"),
    "link": ("os.symlink('/etc/passwd', result)\nos._exit(0)", "false-result"),
    "deep": ("open(result, 'w').write('[' * 100_000)\nos._exit(0)", "false-result"),
    "large": ("os.truncate(os.open(result, os.O_CREAT | os.O_RDWR), 60 << 20)\nos._exit(0)", "false-result"),
    "type": ("open(result, 'w').write('{\"return_val\": {}}')\nos._exit(0)", "false-result"),
    "none": ("os._exit(0)", "false-result"),
    "killed driver": ("os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(9)", "false-result"),
    "stopped driver": ("os.kill(os.getppid(), signal.SIGSTOP)", "timeout"),
}


@sandboxed
@pytest.mark.parametrize("name", FALSE_FILES)
def test_results_that_are_none(name: str, nothing: BuildEnvironment, scratch: Path):
    body, kind = FALSE_FILES[name]
    answer = ask(
        f"import os, signal, sys, time\nresult = sys.argv[2] + '/output.json'\n{body}",
        nothing,
        replace(SMALL, wall_seconds=2),
    )
    assert isinstance(answer, HookFailure)
    assert answer.kind == kind


@sandboxed
def test_a_process_that_stays_behind_is_ended(nothing: BuildEnvironment, scratch: Path):
    body = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(10**6)\nreturn ['a']"
    assert ask(body, nothing) == BuildRequires(requires=("a",))


PROGRAM = """
import io, sys
from pathlib import Path
from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import ask_backend
with BuildEnvironment(Path(sys.executable), []) as environment:
    try:
        ask_backend(io.BytesIO(sys.stdin.buffer.read()), filename="demo-1.0.tar.gz", environment=environment,
                    step="requires")
    except KeyboardInterrupt:
        print("interrupted")
"""


@sandboxed
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_nothing_runs_on_when_mach_is_stopped(number: signal.Signals, scratch: Path):
    body = "import os, time\nos.fork()\ntime.sleep(10**6)"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
    ) as process:
        assert process.stdin is not None
        process.stdin.write(in_tree_sdist(requires=body).content)
        process.stdin.close()
        deadline = time.monotonic() + 90
        # bwrap outside, its first process inside
        while len(sandboxes_of(scratch)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        said = process.stdout.read() if process.stdout else b""
        process.wait(timeout=20)
    while sandboxes_of(scratch) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sandboxes_of(scratch) == []
    if number is signal.SIGINT:
        assert said == b"interrupted\n"
    else:
        # what cannot be caught leaves folders, and nothing else
        for folder in scratch.iterdir():
            assert folder.name.startswith("mach-")
            subprocess.run(["rm", "-r", str(folder)], check=True)


@sandboxed
def test_an_error_while_it_is_supervised_ends_the_sandbox(
    nothing: BuildEnvironment, scratch: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sandbox, "read_usage", fail)
    before = descriptors()
    with pytest.raises(ZeroDivisionError):
        ask("import time\ntime.sleep(10**6)", nothing)
    assert descriptors() == before


@sandboxed
def test_several_sandboxes_at_once_have_limits_of_their_own(nothing: BuildEnvironment, scratch: Path):
    body = """
        import os, time
        for _ in range(20):
            if os.fork() == 0:
                time.sleep(0.5)
                os._exit(0)
        os.wait()
        return ["a"]
        """
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(body, nothing))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [BuildRequires(requires=("a",))] * 3
