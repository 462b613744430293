"""Sdists in a build closure are built first, each in its own closure and sandbox, and are kept for the next build."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from crawler import build_closures
from crawler.build_environment import BuildEnvironment
from crawler.building import BuildJob, Environments, ask_for_build
from crawler.client import Client
from crawler.sandbox_limits import Limits
from db.facts import BuiltFact, FileFact
from resolver.errors import Unavailable
from resolver.names import normalize_project
from tests.support.build_backends import TABLE, in_tree_sdist, sandboxed
from tests.support.dists import Dist, make_sdist, make_wheel
from tests.support.index import FakeIndex

pytestmark = sandboxed
PYTHON = Path(sys.executable)
SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"
#: A backend that says what the module tool says.
ASKS_TOOL = "def get_requires_for_build_wheel(settings=None):\n    import tool\n    return [tool.name()]\n"


def demo(code: str = ASKS_TOOL) -> Dist:
    return in_tree_sdist(code)


def tool(name: str = "tool", says: str = "'from-tool'", **options: object) -> Dist:
    """Return an sdist with a module of its name, whose name() is the expression *says*."""
    text = f"def name():\n    return {says}\n"
    return make_sdist(name, "1.0", backend="in-tree", files={f"{name}.py": text}, **options)  # type: ignore[arg-type]


def broken(code: str, name: str = "tool") -> Dist:
    """Return an sdist whose backend has the *code* alone."""
    return make_sdist(name, "1.0", backend=None, files={"pyproject.toml": TABLE, "in-tree/backend.py": code})


def copier(wheel: Dist, *, answer: str | None = None) -> Dist:
    """Return an sdist of tool whose backend gives *wheel*, under the name *answer*."""
    answer = wheel.filename if answer is None else answer
    code = f"""
def build_wheel(folder, settings=None, metadata=None):
    with open(folder + "/" + {wheel.filename!r}, "wb") as file:
        file.write(bytes.fromhex({wheel.content.hex()!r}))
    return {answer!r}
"""
    return broken(code)


class Building:
    """Asks for sdists of an index whose closures hold sdists."""

    def __init__(self, client: Client, index: FakeIndex, folder: Path) -> None:
        self.client, self.index, self.folder = client, index, folder

    def add(self, dist: Dist) -> FileFact:
        for known in self.index.dists(dist.project):
            if known.filename == dist.filename:
                self.index.delete(known)
        self.index.add(dist)
        url = f"{self.index.server.url}{self.index.file_path(dist)}"
        return FileFact(filename=dist.filename, url=url, sha256=dist.sha256)

    def job(self, dist: Dist, *sdists: BuildJob, step: str = "requires", wheels: tuple[Dist, ...] = ()) -> BuildJob:
        """Return the question to *dist*, in a closure of what is given."""
        return BuildJob(
            index=self.index.url, project=normalize_project(dist.project), version="1.0", file=self.add(dist),
            python=SERIES, system="x86_64-linux", step=step, closure="sha256:" + "c" * 64,  # type: ignore[arg-type]
            wheels=tuple(map(self.add, wheels)), sdists=sdists,
        )  # fmt: skip

    def nested(self, dist: Dist, *sdists: BuildJob, wheels: tuple[Dist, ...] = ()) -> BuildJob:
        return self.job(dist, *sdists, step="wheel", wheels=wheels)

    def __call__(self, job: BuildJob, **options: object) -> list[BuiltFact]:
        return ask_for_build(self.client, job, folder=self.folder, interpreter=PYTHON, **options)  # type: ignore[arg-type]

    def failure(self, *sdists: BuildJob, **options: object) -> tuple[str, str]:
        (fact,) = self(self.job(demo(), *sdists), **options)
        assert fact.failure is not None
        assert (fact.project, fact.step) == ("demo", "requires")
        return fact.source, fact.failure

    def count_builds(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Return the list that the name of every wheel is put on when it begins to be built."""
        begun: list[str] = []
        original = build_closures.ask_backend_of

        def ask(source, **options):
            begun.append(source.filename)
            return original(source, **options)

        monkeypatch.setattr(build_closures, "ask_backend_of", ask)
        return begun


@pytest.fixture
def build(client: Client, fake_index: FakeIndex, tmp_path: Path) -> Building:
    return Building(client, fake_index, tmp_path / "kept")


# ---- what is built


def test_an_sdist_in_a_closure_is_built_and_seen_by_the_backend(build: Building):
    (fact,) = build(build.job(demo(), build.nested(tool())))
    assert (fact.failure, fact.build.requires) == (None, ("from-tool",))


def test_it_is_installed_beside_wheels(build: Building):
    helper = make_wheel("helper", "3.0", files={"helper.py": "word = 'from-helper'\n"})
    code = (
        "import helper, tool\ndef get_requires_for_build_wheel(settings=None):\n    return [tool.name(), helper.word]\n"
    )
    (fact,) = build(build.job(demo(code), build.nested(tool()), wheels=(helper,)))
    assert fact.build.requires == ("from-tool", "from-helper")


def test_an_sdist_is_built_in_its_own_closure_and_not_in_the_outer_one(build: Building):
    code = """
import importlib.util, zipfile
def build_wheel(folder, settings=None, metadata=None):
    seen = [name for name in ("inner", "outer", "deep") if importlib.util.find_spec(name)]
    with zipfile.ZipFile(folder + "/tool-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tool.py", f"def name():\\n    return {' '.join(seen)!r}\\n")
        wheel.writestr("tool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tool\\nVersion: 1.0\\n")
        wheel.writestr("tool-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr("tool-1.0.dist-info/RECORD", "")
    return "tool-1.0-py3-none-any.whl"
"""
    deep = build.nested(tool("deep"))
    inner = make_wheel("inner", "1.0", files={"inner.py": ""})
    outer = make_wheel("outer", "1.0", files={"outer.py": ""})
    (fact,) = build(build.job(demo(), build.nested(broken(code), deep, wheels=(inner,)), wheels=(outer,)))
    assert fact.build.requires == ("inner deep",)


# ---- what is kept


def test_a_wheel_that_was_built_is_kept_for_later_jobs_and_runs(build: Building, monkeypatch: pytest.MonkeyPatch):
    begun = build.count_builds(monkeypatch)
    nested = build.nested(tool())
    first = build(build.job(demo(), nested))
    assert build(build.job(demo(), nested)) == first
    assert begun == ["tool-1.0.tar.gz"]
    # of other content, or in another closure, it would be another one
    for other in (build.nested(tool(says="'other'")), replace(nested, closure="sha256:" + "d" * 64)):
        begun.clear()
        build(build.job(demo(), other))
        assert begun == ["tool-1.0.tar.gz"]


@pytest.mark.parametrize("what", ["content", "record", "gone"])
def test_what_is_damaged_is_built_again(build: Building, monkeypatch: pytest.MonkeyPatch, what: str):
    begun = build.count_builds(monkeypatch)
    job = build.job(demo(), build.nested(tool()))
    first = build(job)
    (record,) = (build.folder / "built").iterdir()
    known = {job.file.sha256, job.sdists[0].file.sha256, "built"}
    (content,) = (path for path in build.folder.iterdir() if path.name not in known)
    if what == "record":
        record.write_text('{"filename": "../evil.whl", "sha256": "../../etc/passwd"}')
    elif what == "content":
        content.write_bytes(b"damaged")
    else:
        content.unlink()
    assert build(job) == first
    assert begun == ["tool-1.0.tar.gz"] * 2
    assert build(job) == first
    assert len(begun) == 2


def test_nothing_but_what_is_kept_is_left_of_a_build(build: Building):
    nested = build.nested(tool())
    build(build.job(demo(), nested))
    build.failure(build.nested(broken("", "bad")))
    names = [path.name for path in build.folder.iterdir()]
    assert all(name == "built" or len(name) == 64 for name in names)
    assert [len(path.name) for path in (build.folder / "built").iterdir()] == [64]


def test_jobs_at_once_build_it_once_and_share_environments(build: Building, monkeypatch: pytest.MonkeyPatch):
    begun = build.count_builds(monkeypatch)
    entered: list[BuildEnvironment] = []
    original = BuildEnvironment.__enter__

    def enter(self: BuildEnvironment) -> BuildEnvironment:
        entered.append(self)
        return original(self)

    monkeypatch.setattr(BuildEnvironment, "__enter__", enter)
    nested = build.nested(tool())
    jobs = [build.job(demo(), nested) for _ in range(4)]
    with Environments(build.client, build.folder) as environments, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda job: build(job, environments=environments), jobs))
    assert [fact.build.requires for (fact,) in found] == [("from-tool",)] * 4
    assert begun == ["tool-1.0.tar.gz"]
    assert len(entered) == 2
    for environment in entered:
        with pytest.raises(RuntimeError, match="is not there"):
            environment.view(Path("/"))


def test_processes_share_a_folder(build: Building, monkeypatch: pytest.MonkeyPatch):
    begun = build.count_builds(monkeypatch)
    job = build.job(demo(), build.nested(tool()))
    with ThreadPoolExecutor(2) as pool:
        # each with environments and locks of its own, as processes have
        first, second = pool.map(build, [job, job])
    assert first == second
    assert 1 <= len(begun) <= 2
    assert len(list((build.folder / "built").iterdir())) == 1


def test_environments_that_nobody_uses_are_closed(build: Building, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build_closures, "_MOST_IDLE", 1)
    jobs = [replace(build.job(demo()), closure=letter) for letter in "abc"]
    with Environments(build.client, build.folder) as environments:
        opened = []
        for job in jobs:
            with environments.open(job, PYTHON) as environment:
                opened.append(environment)
        with environments.open(jobs[2], PYTHON) as again:
            assert again is opened[2]
        with environments.open(jobs[0], PYTHON) as again:
            assert again is not opened[0]
        for gone in opened[:2]:
            with pytest.raises(RuntimeError):
                gone.view(Path("/"))


# ---- failures

PREFIX = "its build cannot begin: tool-1.0, which its build requires, cannot be built: "


@pytest.mark.parametrize(
    ("dist", "source", "sentence"),
    [
        (
            broken("def build_wheel(*args):\n    raise ValueError('boom')\n"),
            "backend:backend-failed",
            "its build backend 'backend' failed: ValueError: boom",
        ),
        (
            make_sdist("tool", "1.0", backend=None),
            "backend:no-backend",
            "its build cannot begin: its source has no build backend: there is no pyproject.toml and no setup.py",
        ),
        (
            make_sdist("tool", "1.0", outside={"../evil": "x"}),
            "backend:unsafe-archive",
            "its build cannot begin: its archive holds a file with the path '../evil'",
        ),
        (
            copier(make_wheel("other", "1.0")),
            "backend:false-result",
            "its build backend made 'other-1.0-py3-none-any.whl', which is not a wheel of tool 1.0",
        ),
        (
            copier(make_wheel("tool", "2.0")),
            "backend:false-result",
            "its build backend made 'tool-2.0-py3-none-any.whl', which is not a wheel of tool 1.0",
        ),
        (
            copier(replace(make_wheel("other", "1.0"), filename="tool-1.0-py3-none-any.whl")),
            "backend:false-result",
            "its build backend answered wrongly: its metadata is that of 'other'",
        ),
        (
            copier(make_wheel("tool", "1.0", tag="cp27-cp27m-win32")),
            "backend:false-result",
            "its build backend made 'tool-1.0-cp27-cp27m-win32.whl', a wheel for another Python or platform "
            "than the one it ran on",
        ),
        (
            copier(make_wheel("tool", "1.0"), answer="../tool-1.0-py3-none-any.whl"),
            "backend:false-result",
            "its build backend answered '../tool-1.0-py3-none-any.whl', which is not the name of a wheel",
        ),
        (
            copier(replace(make_wheel("tool", "1.0"), filename="tool.whl")),
            "backend:false-result",
            "its build backend answered 'tool.whl', which is not the name of a wheel",
        ),
        (
            copier(replace(make_wheel("tool", "1.0"), filename="tool-1.0-py3-none-a\ny.any.whl")),
            "backend:false-result",
            "its build backend answered 'tool-1.0-py3-none-a\\ny.any.whl', which is not the name of a wheel",
        ),
    ],
    ids=range(10),
)  # fmt: skip
def test_an_sdist_in_a_closure_that_cannot_be_built(build: Building, dist: Dist, source: str, sentence: str):
    assert build.failure(build.nested(dist)) == (source, PREFIX + sentence)


def test_a_failure_far_inside_names_the_way_there(build: Building):
    inner = build.nested(broken("def build_wheel(*args):\n    raise ValueError('boom')\n", "inner"))
    assert build.failure(build.nested(tool(), inner)) == (
        "backend:backend-failed",
        f"{PREFIX}its build cannot begin: inner-1.0, which its build requires, cannot be built: "
        "its build backend 'backend' failed: ValueError: boom",
    )


def test_a_failure_is_found_once_for_all_that_share_a_closure(build: Building, monkeypatch: pytest.MonkeyPatch):
    begun = build.count_builds(monkeypatch)
    nested = build.nested(broken("def build_wheel(*args):\n    raise ValueError('boom')\n"))
    with Environments(build.client, build.folder) as environments:
        first = build.failure(nested, environments=environments)
        assert build.failure(nested, environments=environments) == first
    assert begun == ["tool-1.0.tar.gz"]


@pytest.mark.parametrize("sha256", [None, "../../etc/passwd"])
def test_an_sdist_without_a_hash_is_not_built(build: Building, sha256: str | None):
    nested = build.nested(tool())
    nested = replace(nested, file=replace(nested.file, sha256=sha256))
    assert build.failure(nested) == (
        "backend:no-hash",
        f"{PREFIX}its build takes 'tool-1.0.tar.gz', and no sha256 is known of that",
    )


def test_a_wheel_that_is_too_large(build: Building):
    source, sentence = build.failure(build.nested(tool()), limits=Limits(wheel=300))
    assert (source, sentence) == ("backend:too-large", f"{PREFIX}its build backend made a wheel larger than 300 bytes")


def test_builds_that_are_nested_without_end(build: Building):
    job = build.nested(tool())
    for _ in range(19):
        job = replace(job, sdists=(job,))
    assert build.failure(job) == (
        "backend:unusable-wheel",
        "its build requires sdists that require sdists, and so on, more than 20 deep",
    )


def test_an_index_that_does_not_have_the_sdist_any_more_is_no_fact(build: Building):
    job = build.job(demo(), build.nested(dist := tool()))
    build.index.behave(dist, status=503)
    with Environments(build.client, build.folder) as environments:
        with pytest.raises(Unavailable):
            build(job, environments=environments)
        build.index.recover()
        (fact,) = build(job, environments=environments)
    assert fact.build.requires == ("from-tool",)


def test_a_folder_that_cannot_keep_what_was_built(build: Building):
    build.folder.mkdir()
    (build.folder / "built").write_text("a file")
    with pytest.raises(Unavailable) as caught:
        build(build.job(demo(), build.nested(tool())))
    assert caught.value.code == "no-temporary-space"


def test_a_wheel_is_no_question_of_its_own(build: Building):
    with pytest.raises(ValueError, match="closures of other jobs"):
        build(build.nested(tool()))
