"""A build backend is asked through an index, in wheels that are fetched and checked, and its answer becomes facts."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from crawler.building import BuildJob, ask_for_build
from crawler.client import Client
from crawler.direct import fetch_direct
from crawler.metadata import fetch_metadata
from crawler.sandbox_limits import Limits
from db.facts import BuildSystem, BuiltFact, FileFact, MetadataFact, PageFact
from resolver.catalog import TAKES_A_BUILD
from resolver.direct import DIRECT
from resolver.errors import Unavailable
from resolver.names import normalize_project
from tests.support.build_backends import TABLE, in_tree_sdist, sandboxed
from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed
from tests.support.index import FakeIndex
from tests.support.repositories import Repository, write_tree

pytestmark = sandboxed
PYTHON = Path(sys.executable)
SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n{}"


def backend(text: str, **options: object) -> Dist:
    """Return an sdist whose backend prepares the METADATA that the expression *text* has."""
    code = f"""
        def prepare_metadata_for_build_wheel(folder, settings=None):
            import os, random
            os.mkdir(folder + "/demo.dist-info")
            with open(folder + "/demo.dist-info/METADATA", "w") as file:
                file.write({text})
            return "demo.dist-info"
        """
    return in_tree_sdist(code, **options)  # type: ignore[arg-type]


class Asking:
    """Asks for what lies on an index, and keeps downloads in one folder."""

    def __init__(self, client: Client, index: FakeIndex, folder: Path) -> None:
        self.client, self.index, self.folder = client, index, folder

    def add(self, dist: Dist) -> FileFact:
        for known in self.index.dists(dist.project):
            if known.filename == dist.filename:
                self.index.delete(known)
        self.index.add(dist)
        url = f"{self.index.server.url}{self.index.file_path(dist)}"
        return FileFact(filename=dist.filename, url=url, sha256=dist.sha256)

    def job(self, file: FileFact, step: str = "requires", wheels: tuple[FileFact, ...] = (), **more: str) -> BuildJob:
        values = {"project": normalize_project("demo"), "version": "1.0", "python": SERIES, **more}
        return BuildJob(
            index=self.index.url, file=file, system="x86_64-linux", step=step, closure="c" * 64, wheels=wheels, **values  # type: ignore[arg-type]
        )  # fmt: skip

    def __call__(self, job: BuildJob, **options: object) -> list[BuiltFact]:
        return ask_for_build(self.client, job, folder=self.folder, interpreter=PYTHON, **options)  # type: ignore[arg-type]

    def failure(self, dist: Dist, step: str = "requires", **options: object) -> tuple[str, str]:
        """Return source and sentence of the one failure that the sdist gives."""
        (fact,) = self(self.job(self.add(dist), step), **options)
        assert fact.failure is not None
        assert (fact.requires_dist, fact.build) == ((), BuildSystem(requires=()))
        assert fact.step == step
        return fact.source, fact.failure


@pytest.fixture
def ask(client: Client, fake_index: FakeIndex, tmp_path: Path) -> Asking:
    return Asking(client, fake_index, tmp_path / "kept")


# ---- what is answered


def test_where_nothing_is_added_both_steps_are_answered_at_once(ask: Asking):
    dist = make_sdist(
        "demo", "1.0", backend="in-tree", requires=["six>=1"], extras={"x": ["tomli"]}, requires_python=">=3.8"
    )
    requires, metadata = ask(ask.job(ask.add(dist)))
    shared = {
        "index": ask.index.url, "project": "demo", "filename": "demo-1.0.tar.gz", "python": SERIES,
        "system": "x86_64-linux", "closure": "c" * 64, "build": BuildSystem(requires=()),
    }  # fmt: skip
    assert requires == BuiltFact(step="requires", **shared)
    assert metadata == BuiltFact(
        step="metadata", requires_dist=("six>=1", 'tomli; extra == "x"'), provides_extra=("x",),
        requires_python=">=3.8", **shared,
    )  # fmt: skip


def test_where_something_is_added_its_closure_has_to_be_resolved_first(ask: Asking):
    dist = backend("1 / 0", requires="return ['b>=1', 'no requirement']")
    (fact,) = ask(ask.job(ask.add(dist)))
    assert (fact.step, fact.failure, fact.build.requires) == ("requires", None, ("b>=1", "no requirement"))


def test_metadata_alone(ask: Asking):
    dist = backend(repr(METADATA.format("Demo", "1", "Requires-Dist: six\n")), requires="1 / 0")
    (fact,) = ask(ask.job(ask.add(dist), "metadata"))
    assert (fact.step, fact.failure, fact.requires_dist) == ("metadata", None, ("six",))


def test_a_closure_of_wheels_is_fetched_checked_and_seen_by_the_backend(ask: Asking):
    tool = ask.add(make_wheel("tool", "3.0", files={"tool.py": "def name():\n    return 'from-tool'\n"}))
    setuptools = ask.add(wheel_from_installed("setuptools"))
    script = "import setuptools, tool\nsetuptools.setup(name='demo', version='1.0', install_requires=[tool.name()])\n"
    sdist = ask.add(make_sdist("demo", "1.0", backend="legacy", setup_py=script, pkg_info_version=None))
    job = ask.job(sdist, wheels=(setuptools, tool))
    requires, metadata = ask(job)
    assert (requires.build.requires, metadata.requires_dist) == ((), ("from-tool",))
    assert sorted(path.name for path in ask.folder.iterdir()) == sorted(
        f.sha256 or "" for f in (tool, setuptools, sdist)
    )


# ---- what is kept


def test_what_is_kept_is_not_fetched_again_unless_it_is_damaged(ask: Asking):
    dist = make_sdist("demo", "1.0", backend="in-tree")
    job = ask.job(ask.add(dist), "metadata")
    before = ask(job)
    assert ask(job) == before
    assert ask.index.count(dist) == 1
    kept = ask.folder / dist.sha256
    kept.write_bytes(b"damaged")
    assert ask(job) == before
    assert ask.index.count(dist) == 2
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == dist.sha256


@pytest.mark.parametrize("has_hash", [True, False], ids=["hash", "no hash"])
def test_what_was_read_for_its_metadata_is_not_fetched_again(ask: Asking, has_hash: bool):
    dist = make_sdist("demo", "1.0", backend="in-tree")
    file = ask.add(dist)
    listed = file if has_hash else replace(file, sha256=None)
    stated = fetch_metadata(ask.client, listed, ask.index.url, normalize_project("demo"), keep=ask.folder)
    assert stated.sha256 == (None if has_hash else dist.sha256)
    assert ask(ask.job(file))[0].failure is None
    assert ask.index.count(dist) == 1
    assert [path.name for path in ask.folder.iterdir()] == [dist.sha256]


def test_only_sdists_that_can_be_built_are_kept(ask: Asking):
    for dist in (make_wheel("demo", "1.0"), make_sdist("demo", "1.0", backend=None)):
        fetch_metadata(ask.client, ask.add(dist), ask.index.url, normalize_project("demo"), whole=True, keep=ask.folder)
    assert not ask.folder.exists()


def test_where_nothing_can_be_kept_metadata_is_read_all_the_same(ask: Asking, tmp_path: Path):
    (tmp_path / "taken").write_text("a file where the home should have a folder")
    dist = make_sdist("demo", "1.0", requires=["six"])
    for folder in (tmp_path / "taken/kept", Path("/proc/kept")):
        fact = fetch_metadata(ask.client, ask.add(dist), ask.index.url, normalize_project("demo"), keep=folder)
        assert fact.requires_dist == ("six",)


def test_a_link_among_what_is_kept_is_replaced(ask: Asking, tmp_path: Path):
    dist = make_sdist("demo", "1.0", backend="in-tree")
    other = tmp_path / "other"
    other.write_bytes(dist.content)
    ask.folder.mkdir()
    (ask.folder / dist.sha256).symlink_to(other)
    ask(ask.job(ask.add(dist), "metadata"))
    assert not (ask.folder / dist.sha256).is_symlink()


def test_two_at_once_share_what_is_kept(ask: Asking):
    wheel = ask.add(make_wheel("tool", "1.0"))
    job = ask.job(ask.add(make_sdist("demo", "1.0", backend="in-tree")), wheels=(wheel,))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, [job, replace(job, closure="d" * 64)])
    assert [fact.failure for fact in (*first, *second)] == [None] * 4
    assert [replace(fact, closure=job.closure) for fact in second] == first
    assert len(list(ask.folder.iterdir())) == 2


# ---- failures of the sdist


@pytest.mark.parametrize(
    ("body", "source", "sentence"),
    [
        ("raise ValueError('boom')", "backend:backend-failed", "its build backend 'backend' failed: ValueError: boom"),
        (
            "raise ValueError(object())",
            "backend:backend-failed",
            "its build backend 'backend' failed: ValueError: <object object at 0x…>",
        ),
        (
            "return 'text'",
            "backend:false-result",
            "its build backend answered requirements that are not a list of texts",
        ),
        (
            "import socket; socket.create_connection(('index.example', 443))",
            "backend:needs-network",
            "its build backend 'backend' wants to fetch something, and there is no network: ",
        ),
        (
            "raise SystemExit('error: command \\'gcc\\' failed: No such file or directory')",
            "backend:missing-compiler",
            "its build backend 'backend' needs a compiler that this machine does not have: error: command 'gcc' failed",
        ),
        (
            "raise SystemExit(__import__('subprocess').run(['cargo', '--version']))",
            "backend:missing-compiler",
            "its build backend 'backend' looked for cargo, and Rust is not offered to backends that are asked what an "
            "sdist requires (take a wheel of it, or another release): FileNotFoundError: ",
        ),
        (
            "raise LookupError('setuptools-scm was unable to detect version for /build/source.')",
            "backend:needs-repository",
            "its build backend 'backend' takes its version from the history of a repository, and what is built is the "
            "files alone, without .git: LookupError: ",
        ),
    ],
    ids=["raises", "raises an object", "no list", "network", "gcc", "cargo", "scm"],
)
def test_a_backend_that_fails_is_recorded_with_its_class(ask: Asking, body: str, source: str, sentence: str):
    found = ask.failure(in_tree_sdist(requires=body))
    assert found[0] == source
    assert found[1].startswith(sentence)
    # the same failure is the same fact
    assert ask.failure(in_tree_sdist(requires=body)) == found


def test_a_backend_that_takes_too_long(ask: Asking):
    found = ask.failure(in_tree_sdist(requires="while True: pass"), limits=Limits(wall_seconds=1))
    assert found[0] == "backend:timeout"
    assert found[1].startswith("its build backend did not end within 1 seconds")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (METADATA.format("other", "1.0", ""), "its metadata is that of 'other'"),
        (METADATA.format("demo", "2.0", ""), "its metadata is that of version '2.0'"),
        (METADATA.format("demo", "UNKNOWN", ""), "its metadata gives a version that is none (PEP 440)"),
        ("", "its metadata gives no name and version"),
    ],
)
def test_a_backend_that_lies(ask: Asking, text: str, sentence: str):
    found = ask.failure(backend(repr(text)), "metadata")
    assert found == ("backend:false-result", f"its build backend answered wrongly: {sentence}")


def test_a_backend_that_lies_after_an_honest_answer(ask: Asking):
    honest, lie = ask(ask.job(ask.add(backend(repr(METADATA.format("other", "1.0", ""))))))
    assert (honest.step, honest.failure) == ("requires", None)
    assert (lie.step, lie.source) == ("metadata", "backend:false-result")


def test_metadata_that_differs_between_two_runs(ask: Asking):
    text = METADATA.format("demo", "1.0", "Requires-Dist: six>=%d\n")
    found = ask.failure(backend(f"{text!r} % random.getrandbits(64)"), "metadata")
    assert found == ("backend:false-result", "its build backend answered other metadata when it was asked again")


def test_no_backend(ask: Asking):
    found = ask.failure(make_sdist("demo", "1.0", backend=None))
    assert found == (
        "backend:no-backend",
        "its build cannot begin: its source has no build backend: there is no pyproject.toml and no setup.py",
    )


def test_a_backend_that_is_not_in_the_closure(ask: Asking):
    source, sentence = ask.failure(make_sdist("demo", "1.0", backend="legacy"))
    assert source == "backend:backend-missing"
    assert sentence.startswith(
        "its build backend 'setuptools.build_meta:__legacy__' cannot be imported from its build requirements"
    )


def test_an_unsafe_archive(ask: Asking):
    found = ask.failure(make_sdist("demo", "1.0", outside={"../evil": "x"}))
    assert found == (
        "backend:unsafe-archive",
        "its build cannot begin: its archive holds a file with the path '../evil'",
    )


def test_a_wheel_for_another_python(ask: Asking):
    wheel = ask.add(make_wheel("tool", "1.0", tag="cp27-cp27m-win32"))
    (fact,) = ask(ask.job(ask.add(make_sdist("demo", "1.0", backend="in-tree")), wheels=(wheel,)))
    assert fact.source == "backend:unusable-wheel"
    assert fact.failure == (
        "its build requirement 'tool-1.0-cp27-cp27m-win32.whl' cannot be installed: "
        f"it was built for another Python or platform than CPython {SERIES} here"
    )


@pytest.mark.parametrize(
    "filename", ["tool-1.0-py3-none-any/../../x.whl", "tool.whl", "x" * 300 + "-1-py3-none-any.whl"]
)
def test_a_wheel_whose_name_is_a_path_is_not_put_there(ask: Asking, filename: str):
    wheel = replace(ask.add(make_wheel("tool", "1.0")), filename=filename)
    (fact,) = ask(ask.job(ask.add(make_sdist("demo", "1.0", backend="in-tree")), wheels=(wheel,)))
    assert fact.source == "backend:unusable-wheel"
    assert (fact.failure or "").endswith("that is not the name of a wheel")


@pytest.mark.parametrize("which", ["sdist", "wheel"])
@pytest.mark.parametrize("sha256", [None, "", "../../etc/passwd"])
def test_a_file_without_a_hash_is_not_used(ask: Asking, which: str, sha256: str | None):
    sdist, wheel = ask.add(make_sdist("demo", "1.0", backend="in-tree")), ask.add(make_wheel("tool", "1.0"))
    if which == "sdist":
        sdist = replace(sdist, sha256=sha256)
    else:
        wheel = replace(wheel, sha256=sha256)
    (fact,) = ask(ask.job(sdist, wheels=(wheel,)))
    name = (sdist if which == "sdist" else wheel).filename
    assert (fact.source, fact.failure) == (
        "backend:no-hash",
        f"its build takes {name!r}, and no sha256 is known of that",
    )


# ---- failures of the machine and of the index, which are no facts


def test_a_file_that_is_not_what_the_index_says(ask: Asking):
    dist = make_sdist("demo", "1.0", backend="in-tree")
    job = ask.job(replace(ask.add(dist), sha256="0" * 64))
    with pytest.raises(Unavailable) as caught:
        ask(job)
    assert caught.value.code == "hash-mismatch"
    assert dist.sha256 in str(caught.value)
    assert list(ask.folder.iterdir()) == []


def test_an_index_that_does_not_answer(ask: Asking):
    dist = make_sdist("demo", "1.0", backend="in-tree")
    job = ask.job(ask.add(dist))
    ask.index.behave(dist, status=503)
    with pytest.raises(Unavailable) as caught:
        ask(job)
    assert caught.value.code in ("index-error", "index-unreachable")
    ask.index.recover()
    assert len(ask(job)) == 2


def test_another_python_than_the_one_that_is_asked_for(ask: Asking):
    job = ask.job(ask.add(make_sdist("demo", "1.0", backend="in-tree")), python="3.8")
    with pytest.raises(Unavailable, match=r"it is Python 3\.\d+, and 3\.8 is asked for") as caught:
        ask(job)
    assert caught.value.code == "interpreter-unusable"


def test_a_folder_that_cannot_be_written(ask: Asking):
    ask.folder.write_text("a file")
    with pytest.raises(Unavailable) as caught:
        ask(ask.job(ask.add(make_sdist("demo", "1.0", backend="in-tree"))))
    assert caught.value.code == "no-temporary-space"


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that every user may look into, as they usually are."""
    folder = Path(tempfile.mkdtemp(prefix="mach-test-"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_nothing_is_left_behind(ask: Asking, scratch: Path):
    wheel = ask.add(make_wheel("tool", "1.0"))
    ask(ask.job(ask.add(make_sdist("demo", "1.0", backend="in-tree")), wheels=(wheel,)))
    ask(ask.job(ask.add(in_tree_sdist(requires="raise ValueError")), wheels=(wheel,)))
    assert list(scratch.iterdir()) == []


# ---- sources that no index has

TREE = {
    "pyproject.toml": TABLE + '[project]\nname = "demo"\nversion = "1.0"\ndynamic = ["dependencies"]\n',
    "in-tree/backend.py": (
        "import os\n"
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        "    os.mkdir(folder + '/demo.dist-info')\n"
        "    with open(folder + '/demo.dist-info/METADATA', 'w') as file:\n"
        f"        file.write({METADATA.format('demo', '1.0', 'Requires-Dist: idna' + chr(10))!r})\n"
        "    return 'demo.dist-info'\n"
    ),
}


def test_a_tree_and_an_sdist_of_this_machine(ask: Asking, tmp_path: Path):
    tree = write_tree(tmp_path / "tree", TREE)
    modes = {path: path.stat().st_mode for path in tree.rglob("*")}
    unknown = FileFact(filename="demo-1.0.tar.gz", url="file:///nowhere", sha256=None)
    _, metadata = ask(ask.job(unknown), source=tree)
    assert metadata.requires_dist == ("idna",)
    assert {path: path.stat().st_mode for path in tree.rglob("*")} == modes
    sdist = make_sdist("demo", "1.0", backend="in-tree", requires=["six"])
    (tmp_path / sdist.filename).write_bytes(sdist.content)
    _, metadata = ask(ask.job(unknown), source=tmp_path / sdist.filename)
    assert metadata.requires_dist == ("six",)


def test_a_tool_that_would_invent_a_version_is_not_asked_for_one(ask: Asking, tmp_path: Path):
    tree = write_tree(tmp_path / "tree", TREE)
    tool = ask.add(make_wheel("setuptools-git-versioning", "1.13.5"))
    unknown = FileFact(filename="demo", url="", sha256=None)
    job = replace(ask.job(unknown, wheels=(tool,)), version=None)
    (fact,) = ask(job, source=tree)
    assert (fact.source, fact.failure) == (
        "backend:needs-repository",
        "its build takes its version from the history of a repository, and what is built is the files alone, without "
        ".git",
    )
    # an sdist has its version in PKG-INFO, where the tool finds it, and others are not asked for one
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    assert ask(job, source=tree)[-1].build.version == "1.0"
    assert ask(replace(job, version="1.0"), source=tree)[-1].build.version is None


def test_a_commit_of_a_repository(ask: Asking, tmp_path: Path):
    repository = Repository(tmp_path / "repository")
    repository.commit({f"sub/{name}": text for name, text in TREE.items()})
    index = f"{DIRECT}{repository.url}@main#subdirectory=sub"
    page, stated = fetch_direct(ask.client, index, normalize_project("demo"), now=7)
    assert isinstance(page, PageFact)
    assert isinstance(stated, MetadataFact)
    assert (stated.failure, stated.requires_dist) == (TAKES_A_BUILD, ())
    assert stated.build == BuildSystem(requires=(), backend="backend", backend_path=("in-tree",))
    (file,) = page.files
    requires, metadata = ask(replace(ask.job(file), index=index))
    assert (requires.failure, metadata.failure, metadata.requires_dist) == (None, None, ("idna",))
    with pytest.raises(Unavailable) as caught:
        ask(replace(ask.job(replace(file, sha256="0" * 64)), index=index))
    assert caught.value.code == "hash-mismatch"
    # an index cannot have a repository fetched
    with pytest.raises(Unavailable) as caught:
        ask(ask.job(file))
    assert caught.value.code == "index-unreachable"
