"""Hostile build backends in Nix builds: contained, told by class, and nothing that they leave is trusted."""

from __future__ import annotations

import io
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from api.asking import this_system
from api.nix_hooks import NixHooks
from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import BuildRequires, BuiltMetadata, BuiltWheel, Step, ask_backend_of
from crawler.building import BuildJob
from crawler.hook_builds import BuildRunner
from crawler.hook_failures import HookFailure
from crawler.sandbox_limits import Limits
from crawler.unpacked_sdist import unpack_sdist
from db.facts import FileFact
from nix.fixes import read_fixes
from resolver.errors import Unavailable
from resolver.names import normalize_project
from tests.e2e.machines import HOST_PYTHON
from tests.support.build_backends import in_tree_sdist
from tests.support.dists import Dist, make_sdist
from tests.support.nix import STAND_IN, NixStore

pytestmark = pytest.mark.nix
SMALL = Limits(
    wall_seconds=20, memory=256 << 20, processes=40, output=1 << 20, file_bytes=64 << 20, files=3_000, wheel=1 << 20
)


@pytest.fixture(scope="module")
def hooks(nix_store: NixStore) -> Iterator[NixHooks]:
    with patch.dict(os.environ, nix_store.env()):
        hooks = NixHooks()
        assert hooks.missing() is None
        yield hooks
        hooks.close()


@pytest.fixture(scope="module")
def nothing(hooks: NixHooks) -> Iterator[BuildEnvironment]:
    """An environment without wheels."""
    with BuildEnvironment(hooks.interpreter(HOST_PYTHON), []) as environment:
        yield environment


def ask(
    dist: Dist,
    hooks: NixHooks,
    environment: BuildEnvironment,
    step: Step = "requires",
    limits: Limits = SMALL,
    content: io.BytesIO | None = None,
    fixed: bool = False,
):
    job = BuildJob(
        index="https://index.example/",
        project=normalize_project("demo"),
        version="1.0",
        file=FileFact(filename=dist.filename, url="", sha256=dist.sha256),
        python=HOST_PYTHON,
        system=this_system(),
        step=step,
        closure="c" * 64,
        wheels=(),
    )
    runner = BuildRunner(hooks.builder(HOST_PYTHON, fixed=fixed), job)
    with unpack_sdist(io.BytesIO(dist.content), filename=dist.filename) as source:
        return ask_backend_of(source, environment=environment, step=step, limits=limits, content=content, runner=runner)


def asked(body: str, hooks: NixHooks, environment: BuildEnvironment, limits: Limits = SMALL):
    return ask(in_tree_sdist(requires=body), hooks, environment, limits=limits)


GONE = """
[[fix]]
project = "demo"
tools = ["no-such-thing"]
reason = "because"
link = "https://demo.example/"
"""
FLOODS = {
    # (none without an end: where Nix builds as root, as it does in containers, the kernel limits no processes)
    "fork bomb": (
        "import os, time\nfor _ in range(2_000):\n    if os.fork() == 0:\n        time.sleep(99)",
        "too-many-processes",
    ),
    "fork bomb of sessions of their own": (
        "import os, time\nfor _ in range(10):\n    os.fork() or os.setsid()\nend = time.time() + 20\n"
        "while time.time() < end:\n    pass",
        "too-many-processes",
    ),
    "threads": (
        "import threading, time\nthreading.stack_size(1 << 16)\n"
        "for _ in range(60):\n    threading.Thread(target=time.sleep, args=(99,)).start()",
        "too-many-processes",
    ),
    "endless loop": ("while True:\n    pass", "timeout"),
    "endless sleep": ("import time\ntime.sleep(10**6)", "timeout"),
    "endless sleep that stops others": (
        "import os, signal, time\nos.kill(1, signal.SIGSTOP)\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(10**6)",
        "timeout",
    ),
    "memory of many processes": (
        "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n"
        "        kept = b'x' * (30 << 20)\n        time.sleep(99)\ntime.sleep(99)",
        "too-much-memory",
    ),
    "endless memory": ("kept = []\nwhile True:\n    kept.append(b'x' * (1 << 20))", "too-much-memory"),
    "10 GB on stdout": (
        "import os\nline = b'x' * (1 << 20)\nfor _ in range(10_000):\n    os.write(1, line)",
        "too-much-output",
    ),
    "1 GB in one file": (
        "file = open('big', 'wb', buffering=0)\nfor _ in range(1_000):\n    file.write(b'x' * (1 << 20))",
        "too-large",
    ),
    "1 GB in many files": (
        "for n in range(1_000):\n    open(f'{n}', 'wb').write(b'x' * (1 << 20))",
        "too-large",
    ),
    "a million files": ("for n in range(10**6):\n    open(f'{n}', 'wb').close()", "too-many-files"),
    "a mapping of 1 TB": ("return ['x' * (1 << 40)]", "too-much-memory"),
    "a result of 50 MB": ("return ['x' * 50_000_000]", "false-result"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_stopped(name: str, hooks: NixHooks, nothing: BuildEnvironment) -> None:
    body, kind = FLOODS[name]
    start = time.monotonic()
    limits = Limits(wall_seconds=0.7) if kind == "timeout" else SMALL
    answer = asked(body, hooks, nothing, limits)
    assert isinstance(answer, HookFailure), answer
    assert answer.kind == kind, answer
    assert time.monotonic() - start < 30


def test_the_network_cannot_be_reached(hooks: NixHooks, nothing: BuildEnvironment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0mach-hook-{os.getpid()}")
        abstract.listen()
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
            try:
                socket.socket(socket.AF_UNIX).connect("\\0mach-hook-{os.getpid()}")
            except OSError as error:
                said.append(type(error).__name__)
            return said
            """
        answer = asked(body, hooks, nothing)
        assert answer == BuildRequires(requires=("ConnectionRefusedError", "OSError", "ConnectionRefusedError"))
        with pytest.raises(TimeoutError):
            server.accept()


def test_nothing_outside_can_be_written(hooks: NixHooks, nothing: BuildEnvironment, tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    python = hooks.interpreter(HOST_PYTHON)
    body = f"""
        import os, sys
        done = [path for path in ({str(tmp_path)!r}, {str(Path(__file__))!r}, "/sys/kernel") if os.path.exists(path)]
        store = os.environ["NIX_STORE"]
        for folder in ("/", "/usr", "/etc", "/dev", store, {str(python.parent)!r}, sys.prefix):
            try:
                open(folder + "/written", "w").close()
                done.append(folder)
            except OSError:
                pass
        for path in ("/etc/passwd", {str(python)!r}, __file__, "/proc/sysrq-trigger", "/proc/sys/kernel/hostname",
                     "/proc/sys/kernel/core_pattern"):
            try:
                open(path, "a").close()
                done.append(path)
            except OSError:
                pass
        for path in ({str(python)!r}, {str(python.parent)!r}, store, sys.prefix, sys.prefix + "/pyvenv.cfg"):
            try:
                os.chmod(path, 0o777)
                done.append(path)
            except OSError:
                pass
        open(os.environ["TMPDIR"] + "/written", "w").close()
        return [path for path in done if path != __file__]
        """
    before = python.stat()
    assert asked(body, hooks, nothing) == BuildRequires(requires=())
    assert python.stat() == before
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_what_bubblewraps_sandbox_refuses_is_refused(hooks: NixHooks, nothing: BuildEnvironment) -> None:
    body = """
        import ctypes, errno, os
        libc = ctypes.CDLL(None, use_errno=True)
        def refused(call, *arguments):
            failed = getattr(libc, call)(*arguments) < 0
            return f"{call} {errno.errorcode[ctypes.get_errno()] if failed else 'done'}"
        return [refused("memfd_create", b"x", 0), refused("shmget", 0, 1 << 20, 0o1600), refused("msgget", 0, 0o1600),
                refused("ptrace", 16, os.getppid(), 0, 0), refused("setuid", 0)]
        """
    said = ("memfd_create ENOSYS", "shmget ENOSYS", "msgget ENOSYS", "ptrace EPERM", "setuid EINVAL")
    assert asked(body, hooks, nothing) == BuildRequires(requires=said)


@pytest.mark.parametrize(
    "body",
    [
        # all that it may kill, and the driver, which is the first process
        "import os, signal\nfor number in (-1, 1):\n    try:\n        os.kill(number, signal.SIGKILL)\n"
        "    except OSError:\n        pass\nreturn ['still here']",
        'import os\nfor number in range(1, 20):\n    try:\n        os.write(number, b\'{"requires": ["evil"]}\')\n'
        "    except OSError:\n        pass\nreturn ['still here']",
        "import os\ntry:\n    os.open('/proc/1/fd/2', os.O_WRONLY)\n    return ['evil']\n"
        "except OSError:\n    return ['still here']",
        # a process that stays
        "import os, time\nif os.fork() == 0:\n    time.sleep(99)\nreturn ['still here']",
    ],
)
def test_the_driver_answers_whatever_a_backend_does_to_it(
    body: str, hooks: NixHooks, nothing: BuildEnvironment
) -> None:
    start = time.monotonic()
    assert asked(body, hooks, nothing) == BuildRequires(requires=("still here",))
    assert time.monotonic() - start < 15


def test_the_output_is_the_drivers_alone(hooks: NixHooks, nothing: BuildEnvironment) -> None:
    body = """
        import glob, os
        (out,) = glob.glob(os.environ["NIX_STORE"] + "/*-hook")
        reply = out + "/reply.json"
        done = []
        for deed in (lambda: os.symlink("/etc/passwd", reply), lambda: os.mkdir(reply), lambda: os.rmdir(out),
                     lambda: os.rename(out, out + "2"), lambda: os.symlink("/etc", out), lambda: os.chmod(out, 0)):
            try:
                deed()
                done.append("evil")
            except OSError as error:
                done.append(type(error).__name__)
        return done
        """
    answer = asked(body, hooks, nothing)
    assert isinstance(answer, BuildRequires), answer
    assert "evil" not in answer.requires


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("os.symlink('/etc/passwd', path)", "its backend named a wheel that is not there"),
        ("os.mkfifo(path)", "its backend named a wheel that is not there"),
        ("open(path, 'wb').write(b'x' * 1000)", "its backend made a wheel that is broken (BadZipFile)"),
    ],
)
def test_a_wheel_that_is_none(made: str, reason: str, hooks: NixHooks, nothing: BuildEnvironment) -> None:
    code = f"""
        import os
        def build_wheel(folder, settings=None, metadata=None):
            path = folder + "/demo-1.0-py3-none-any.whl"
            {made}
            return "demo-1.0-py3-none-any.whl"
        """
    content = io.BytesIO()
    answer = ask(in_tree_sdist(code), hooks, nothing, "wheel", content=content)
    assert isinstance(answer, HookFailure), answer
    assert (answer.kind, answer.reason) == ("false-result", reason)
    assert content.getvalue() == b""


def test_metadata_and_wheels_come_out_whole(hooks: NixHooks, nothing: BuildEnvironment) -> None:
    dist = make_sdist("demo", "1.0", backend="in-tree", requires=["six>=1"])
    answer = ask(dist, hooks, nothing, "metadata")
    assert isinstance(answer, BuiltMetadata)
    assert b"Requires-Dist: six>=1" in answer.metadata
    content = io.BytesIO()
    wheel = ask(dist, hooks, nothing, "wheel", content=content)
    assert isinstance(wheel, BuiltWheel)
    assert (wheel.filename, wheel.size) == ("demo-1.0-py3-none-any.whl", len(content.getvalue()))
    small = Limits(wheel=10)
    too_large = ask(dist, hooks, nothing, "wheel", limits=small, content=io.BytesIO())
    assert isinstance(too_large, HookFailure)
    assert too_large.kind == "too-large"


def test_a_hook_sees_what_it_sees_in_bubblewraps_sandbox(hooks: NixHooks, nothing: BuildEnvironment) -> None:
    from crawler.sandbox import missing_sandbox

    body = """
        import os, sys, time
        names = ("HOME", "LANG", "LC_ALL", "MATURIN_NO_INSTALL_RUST", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "TMPDIR",
                 "TZ", "PYTHONPATH", "TMP", "CI", "out", "NIX_BUILD_TOP2")
        said = [f"{name}={os.environ.get(name)}" for name in names]
        said += [os.getcwd(), str(sys.flags.ignore_environment), str(int(os.stat("pyproject.toml").st_mtime))]
        import shutil
        tools = ("sh", "gcc", "cmake", "cargo", "patchelf")
        return said + [f"{tool} {shutil.which(tool) is not None}" for tool in tools]
        """
    answer = asked(body, hooks, nothing)
    assert isinstance(answer, BuildRequires)
    assert answer.requires[-3:] == ("cmake False", "cargo False", "patchelf False")
    if missing_sandbox() is None:
        import sys

        with BuildEnvironment(Path(sys.executable), []) as environment:
            dist = in_tree_sdist(requires=body)
            with unpack_sdist(io.BytesIO(dist.content), filename=dist.filename) as source:
                alike = ask_backend_of(source, environment=environment, step="requires", limits=SMALL)
        assert answer == alike


def disobedient(folder: Path) -> str:
    """Return a PATH with a nix-store that builds without a sandbox, whatever it is told, as some daemons do."""
    folder.mkdir()
    program = folder / "nix-store"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("nix-store")} "$@" --option sandbox false\n')
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_where_nix_does_not_build_in_a_sandbox_nothing_is_asked(
    nix_store: NixStore, nothing: BuildEnvironment, tmp_path: Path
) -> None:
    with patch.dict(os.environ, {**nix_store.env(), "PATH": disobedient(tmp_path / "bin")}):
        hooks = NixHooks()
        assert hooks.missing() is not None
        assert f"Nix did not build in a sandbox (all of {nix_store.store} is seen)" in str(hooks.missing())
        assert hooks.pythons == ()
        # each build looks around by itself
        marker = tmp_path / "ran"
        with pytest.raises(Unavailable, match="did not build in a sandbox") as caught:
            asked(f"open({str(marker)!r}, 'w')", hooks, nothing)
        assert caught.value.code == "no-sandbox"
        assert not marker.exists()
        hooks.close()


def test_a_sandbox_that_is_switched_off_is_switched_on(nix_store: NixStore) -> None:
    config = nix_store.env()["NIX_CONFIG"].replace("sandbox = true", "sandbox = false")
    with patch.dict(os.environ, {**nix_store.env(), "NIX_CONFIG": config}):
        hooks = NixHooks()
        assert hooks.missing() is None
        hooks.close()


@pytest.mark.parametrize(
    ("nixpkgs", "reason"),
    [
        (None, "file 'nixpkgs' was not found in the Nix search path"),
        ('{ ... }: throw "mach: none of this"', "none of this"),
        (
            f'{{ ... }}: {{ lib = import {STAND_IN}/lib.nix; stdenv.hostPlatform.system = "x86_64-freebsd"; }}',
            "its nixpkgs builds for x86_64-freebsd",
        ),
    ],
)
def test_a_nixpkgs_that_is_of_no_use(nixpkgs: str | None, reason: str, nix_store: NixStore, tmp_path: Path) -> None:
    place = tmp_path / "nixpkgs"
    place.mkdir()
    if nixpkgs is not None:
        (place / "default.nix").write_text(nixpkgs)
    path = f"nixpkgs={place}" if nixpkgs is not None else "elsewhere=/"
    with patch.dict(os.environ, {**nix_store.env(), "NIX_PATH": path}):
        assert reason in str(NixHooks().missing())


def test_what_cannot_be_prepared_is_no_failure_of_the_sdist(
    hooks: NixHooks, nothing: BuildEnvironment, nix_store: NixStore
) -> None:
    gone = read_fixes(GONE, "mine.toml")
    with patch.dict(os.environ, nix_store.env()):
        picky = NixHooks(fixes=gone)
        dist = in_tree_sdist(requires="return []")
        with pytest.raises(Unavailable, match=r"this nixpkgs has no no-such-thing, which demo 1.0 takes") as caught:
            ask(dist, picky, nothing, fixed=True)
        assert caught.value.code == "hook-not-built"
        picky.close()
