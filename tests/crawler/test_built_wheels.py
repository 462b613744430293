"""A wheel that a backend builds comes out of the sandbox over the driver's socket, whole, checked and up to a limit."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import BuiltWheel, ask_backend_of
from crawler.hook_failures import FailureClass, HookFailure
from crawler.sandbox import Ending, run_sandboxed
from crawler.sandbox_limits import Limits
from crawler.unpacked_sdist import unpack_sdist
from resolver.errors import Unavailable
from tests.support.build_backends import in_tree_sdist, sandboxed
from tests.support.dists import Dist, make_sdist

pytestmark = sandboxed
PYTHON = Path(sys.executable)


@pytest.fixture(scope="module")
def nothing() -> Iterator[BuildEnvironment]:
    """An environment without wheels."""
    with BuildEnvironment(PYTHON, []) as environment:
        yield environment


def build(dist: Dist, environment: BuildEnvironment, path: Path, **options: object):
    """Ask for the wheel of *dist*, written to *path*."""
    (path.parent / dist.filename).write_bytes(dist.content)
    with (
        unpack_sdist(path.parent / dist.filename, filename=dist.filename) as source,
        path.open("w+b") as content,
    ):
        return ask_backend_of(source, environment=environment, step="wheel", content=content, **options)  # type: ignore[arg-type]


def wheel_of(size: int, more: str = "") -> Dist:
    """Return an sdist whose wheel holds *size* random bytes; *more* is done before its name is returned."""
    return in_tree_sdist(
        f"""
        import os, random, zipfile
        def build_wheel(folder, settings=None, metadata=None):
            place = folder + "/demo-1.0-py3-none-any.whl"
            with zipfile.ZipFile(place, "w") as wheel:
                wheel.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n")
                wheel.writestr("demo.bin", random.Random(1).randbytes({size}))
            {more}
            return "demo-1.0-py3-none-any.whl"
        """
    )


@pytest.mark.parametrize("size", [0, 10, 5_000_000])
def test_a_wheel_comes_out_as_it_is(nothing: BuildEnvironment, tmp_path: Path, size: int):
    answer = build(wheel_of(size), nothing, tmp_path / "wheel")
    assert answer == BuiltWheel(
        filename="demo-1.0-py3-none-any.whl",
        size=(tmp_path / "wheel").stat().st_size,
        metadata=b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
    )
    with zipfile.ZipFile(tmp_path / "wheel") as wheel:
        assert wheel.testzip() is None
        assert len(wheel.read("demo.bin")) == size


def test_a_wheel_may_be_as_large_as_the_limit_and_no_larger(nothing: BuildEnvironment, tmp_path: Path):
    answer = build(wheel_of(1000), nothing, tmp_path / "wheel")
    assert isinstance(answer, BuiltWheel)
    assert build(wheel_of(1000), nothing, tmp_path / "wheel", limits=Limits(wheel=answer.size)) == answer
    answer = build(wheel_of(1000), nothing, tmp_path / "wheel", limits=Limits(wheel=answer.size - 1))
    assert isinstance(answer, HookFailure)
    assert (answer.kind, (tmp_path / "wheel").stat().st_size) == (FailureClass.TOO_LARGE, 0)
    assert answer.reason.startswith("its backend made a wheel larger than ")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("os.remove(place); os.symlink('/etc/passwd', place)", "its backend named a wheel that is not there"),
        ("os.remove(place); os.mkfifo(place)", "its backend named a wheel that is not there"),
        ("os.remove(place)", "its backend named a wheel that is not there"),
        ("open(place, 'w').close()", "its backend made a wheel that is broken (BadZipFile)"),
        ("zipfile.ZipFile(place, 'w').close()", "its backend made a wheel without one METADATA"),
    ],
)
def test_what_is_no_wheel(nothing: BuildEnvironment, tmp_path: Path, more: str, reason: str):
    answer = build(wheel_of(1, more), nothing, tmp_path / "wheel")
    assert isinstance(answer, HookFailure)
    assert (answer.kind, answer.reason) == (FailureClass.FALSE_RESULT, reason)


def test_a_backend_without_the_hook(nothing: BuildEnvironment, tmp_path: Path):
    answer = build(in_tree_sdist("x = 1"), nothing, tmp_path / "wheel")
    assert isinstance(answer, HookFailure)
    assert answer.kind in (FailureClass.BACKEND_FAILED, FailureClass.FALSE_RESULT)


def test_a_wheel_has_to_be_written_somewhere(nothing: BuildEnvironment, tmp_path: Path):
    path = tmp_path / "demo-1.0.tar.gz"
    path.write_bytes(make_sdist("demo", "1.0", backend="in-tree").content)
    with unpack_sdist(path, filename=path.name) as source:
        with pytest.raises(ValueError, match="written somewhere"):
            ask_backend_of(source, environment=nothing, step="wheel")
        with pytest.raises(ValueError, match="written somewhere"), path.open("rb") as content:
            ask_backend_of(source, environment=nothing, step="metadata", content=content)


# ---- whoever has the driver's socket may send anything

HANDS_OVER = """
import array, os, socket, sys
control = socket.socket(fileno=int(sys.argv[1]))
control.recv(100)
folders = [os.open(path, os.O_RDONLY) for path in ("/proc", "/build", "/dev/shm")]
control.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", folders))])
"""


def send(code: str, environment: BuildEnvironment, folder: Path, path: Path, limits: Limits) -> Ending:
    """Run *code*, which has the socket, in place of the driver; what it attaches is written to *path*."""
    command = [str(environment.interpreter.executable), "-I", "-S", "-c", HANDS_OVER + code]
    with path.open("w+b") as content:
        return run_sandboxed(command, request=b"{}\n", view=environment.view(folder), limits=limits, attachment=content)


@pytest.fixture
def folder(nothing: BuildEnvironment) -> Path:
    """An empty folder that the sandbox's user may see."""
    assert nothing._folder is not None
    return nothing._folder / "empty"


def test_the_first_line_is_the_reply_however_it_is_cut(nothing: BuildEnvironment, folder: Path, tmp_path: Path):
    code = """
import time
for piece in (b"re", b"ply\\n", b"one\\n", b"two"):
    control.sendall(piece)
    time.sleep(0.02)
"""
    ending = send(code, nothing, folder, tmp_path / "wheel", Limits())
    assert (ending.reply, ending.stopped) == (b"reply", None)
    assert (tmp_path / "wheel").read_bytes() == b"one\ntwo"


def test_more_than_the_limit_is_stopped_and_not_written(nothing: BuildEnvironment, folder: Path, tmp_path: Path):
    code = "control.sendall(b'{}\\n')\nwhile True:\n    control.sendall(b'x' * 10_000)\n"
    ending = send(code, nothing, folder, tmp_path / "wheel", Limits(wheel=100_000))
    assert ending.stopped is FailureClass.FALSE_RESULT
    assert (tmp_path / "wheel").stat().st_size <= 100_000


def test_a_reply_without_an_end_is_stopped(nothing: BuildEnvironment, folder: Path, tmp_path: Path):
    code = "while True:\n    control.sendall(b'x' * 10_000)\n"
    ending = send(code, nothing, folder, tmp_path / "wheel", Limits(answer=1000))
    assert ending.stopped is FailureClass.FALSE_RESULT
    assert (tmp_path / "wheel").stat().st_size == 0


def test_a_full_disk_is_no_fault_of_the_sdist(nothing: BuildEnvironment, tmp_path: Path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with pytest.raises(Unavailable) as caught:
        build_to_full(wheel_of(5_000_000), nothing, tmp_path)
    assert caught.value.code == "no-temporary-space"


def build_to_full(dist: Dist, environment: BuildEnvironment, folder: Path) -> None:
    """Ask for the wheel of *dist*, written to a device that is always full."""
    (folder / dist.filename).write_bytes(dist.content)
    with (
        unpack_sdist(folder / dist.filename, filename=dist.filename) as source,
        Path("/dev/full").open("r+b", buffering=0) as content,
    ):
        ask_backend_of(source, environment=environment, step="wheel", content=content)
