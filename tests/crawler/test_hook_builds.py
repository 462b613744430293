"""What a Nix build of a hook leaves is read as a stranger's: any folder at all is an answer, a failure, or nothing."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import BuildRequires, Step, ask_backend_of
from crawler.build_jobs import BuildJob
from crawler.hook_builds import BuildRunner, HookBuild, HookOutput
from crawler.hook_failures import FailureClass, HookFailure
from crawler.sandbox_limits import Limits
from crawler.unpacked_sdist import unpack_sdist
from db.facts import FileFact
from resolver.names import normalize_project
from tests.e2e.machines import HOST_PYTHON
from tests.support.build_backends import in_tree_sdist

LIMITS = Limits(answer=1 << 20, wheel=1 << 20)
GOOD = json.dumps({"requires": ["six"], "output": ""})


class Store:
    """Where builds that were made by hand lie."""

    def __init__(self, output: HookOutput) -> None:
        self.output = output
        self.hooks: list[HookBuild] = []

    def build(self, hook: HookBuild) -> HookOutput:
        self.hooks.append(hook)
        return self.output


@pytest.fixture(scope="module")
def environment() -> Iterator[BuildEnvironment]:
    with BuildEnvironment(Path(sys.executable), []) as environment:
        yield environment


def job(project: str = "demo", sdists: tuple[BuildJob, ...] = ()) -> BuildJob:
    return BuildJob(
        index="https://index.example/",
        project=normalize_project(project),
        version="1.0",
        file=FileFact(filename=f"{project}-1.0.tar.gz", url="", sha256=None),
        python=HOST_PYTHON,
        system="x86_64-linux",
        step="requires",
        closure="c" * 64,
        wheels=(),
        sdists=sdists,
    )


def ask(store: Store, environment: BuildEnvironment, step: Step = "requires", content: io.BytesIO | None = None):
    dist = in_tree_sdist(requires="return []")
    runner = BuildRunner(store, job(sdists=(job("inner", (job("innermost"),)),)))
    with unpack_sdist(io.BytesIO(dist.content), filename=dist.filename) as source:
        return ask_backend_of(source, environment=environment, step=step, limits=LIMITS, content=content, runner=runner)


def made(folder: Path, *, reply: object = None, make: Callable[[Path], object] | None = None) -> HookOutput:
    folder.mkdir()
    if make is not None:
        make(folder / "reply.json")
    elif reply is not None:
        (folder / "reply.json").write_text(reply if isinstance(reply, str) else json.dumps(reply))
    return HookOutput(folder=folder)


def test_an_answer(environment: BuildEnvironment, tmp_path: Path) -> None:
    store = Store(made(tmp_path / "out", reply=GOOD))
    assert ask(store, environment) == BuildRequires(requires=("six",))
    (hook,) = store.hooks
    assert hook.release == ("demo", "1.0")
    assert hook.closure == (("inner", "1.0"), ("innermost", "1.0"))
    request = json.loads(hook.request)
    assert (request["step"], request["backend"], request["attempt"]) == ("requires", "backend", 1)
    assert request["environment"]["SOURCE_DATE_EPOCH"] == "315532800"
    assert "PATH" not in request["environment"]
    assert {"gcc", "pkg-config"} < set(request["tools"])
    assert not {"cmake", "ninja", "patchelf", "cargo"} & set(request["tools"])


def test_no_two_questions_are_one(environment: BuildEnvironment, tmp_path: Path) -> None:
    store = Store(made(tmp_path / "out", reply=GOOD))
    runner = BuildRunner(store, job())
    for _ in range(2):
        runner({"limits": {}}, environment, tmp_path, LIMITS, None)
    first, second = (hook.request for hook in store.hooks)
    assert first != second


def link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    "make",
    [link_to("/etc/passwd"), link_to("../good/reply.json"), Path.mkdir, os.mkfifo],
    ids=["link", "link to a good one", "folder", "pipe"],
)
def test_a_reply_that_is_no_file_is_none(make: Callable[[Path], object], environment: BuildEnvironment, tmp_path: Path):
    made(tmp_path / "good", reply=GOOD)
    answer = ask(Store(made(tmp_path / "out", make=make)), environment)
    assert isinstance(answer, HookFailure)
    assert (answer.kind, answer.reason) == ("false-result", "its backend ended the process that had called it")


def test_an_output_that_is_no_folder_is_none(environment: BuildEnvironment, tmp_path: Path) -> None:
    made(tmp_path / "good", reply=GOOD)
    (tmp_path / "link").symlink_to("good")
    (tmp_path / "file").write_text(GOOD)
    for name in ("link", "file", "absent"):
        answer = ask(Store(HookOutput(folder=tmp_path / name)), environment)
        assert isinstance(answer, HookFailure)
        assert answer.kind == "false-result"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("", "false-result"),
        ("{", "false-result"),
        ("[]", "false-result"),
        ("[" * 100_000, "false-result"),
        ("{}", "false-result"),
        ("\ud800".encode("utf-16", "surrogatepass").decode("latin-1"), "false-result"),
        ({"requires": "six", "output": ""}, "false-result"),
        ({"requires": ["six"], "output": 1, "stopped": "nonsense"}, None),
        ({"requires": ["six"], "output": "", "stopped": ["timeout"]}, None),
        ({"stopped": "unusable-wheel", "output": ""}, "false-result"),
        ({"stopped": "too-large", "output": ""}, "too-large"),
        ({"stopped": "too-many-processes", "output": "no base64"}, "false-result"),
        ({"failed": "backend-failed", "code": 1, "output": ""}, "backend-failed"),
        ({"failed": "no-sandbox", "output": ""}, "false-result"),
        ("x" * (4 << 20), "false-result"),
    ],
)
def test_any_reply_is_judged(reply: object, kind: str | None, environment: BuildEnvironment, tmp_path: Path) -> None:
    answer = ask(Store(made(tmp_path / "out", reply=reply)), environment)
    if kind is None:
        assert answer == BuildRequires(requires=("six",))
    else:
        assert isinstance(answer, HookFailure)
        assert answer.kind == kind


def test_what_the_backend_wrote_is_told_without_terminal_controls(
    environment: BuildEnvironment, tmp_path: Path
) -> None:
    output = base64.b64encode(b"\x1b[31merror: no luck\x1b[0m\n").decode()
    answer = ask(
        Store(made(tmp_path / "out", reply={"failed": "backend-failed", "code": 1, "output": output})), environment
    )
    assert isinstance(answer, HookFailure)
    assert answer.detail == ("error: no luck",)


def test_limits_that_nix_saw_are_told(environment: BuildEnvironment) -> None:
    answer = ask(Store(HookOutput(folder=None, stopped=FailureClass.TIMEOUT)), environment)
    assert isinstance(answer, HookFailure)
    assert answer.kind == "timeout"


@pytest.mark.parametrize("size", [0, 10, (1 << 20) + 1])
def test_a_wheel_is_what_lies_there_and_no_more_than_may_be(
    size: int, environment: BuildEnvironment, tmp_path: Path
) -> None:
    name = "demo-1.0-py3-none-any.whl"
    reply = {"wheel": name, "size": 10, "metadata": base64.b64encode(b"Name: demo\n").decode(), "output": ""}
    output = made(tmp_path / "out", reply=reply)
    (tmp_path / "out/wheel").write_bytes(b"x" * size)
    content = io.BytesIO()
    answer = ask(Store(output), environment, "wheel", content)
    if size == 10:
        assert content.getvalue() == b"x" * 10
        assert not isinstance(answer, HookFailure)
    else:
        assert isinstance(answer, HookFailure)
        assert answer.kind == "false-result"
    (tmp_path / "out/wheel").unlink()
    (tmp_path / "out/wheel").symlink_to("/etc/passwd")
    empty = io.BytesIO()
    answer = ask(Store(output), environment, "wheel", empty)
    assert isinstance(answer, HookFailure)
    assert empty.getvalue() == b""
