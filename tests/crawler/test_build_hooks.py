"""A build backend is asked in a sandbox, and gives its answer or the reason why not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler import build_environment
from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import BuildRequires, BuiltMetadata, Step, ask_backend, ask_backend_of
from crawler.core_metadata import parse_core_metadata
from crawler.hook_failures import FailureClass, HookFailure, Refused
from crawler.sandbox_limits import Limits
from crawler.unpacked_sdist import unpack_sdist
from resolver.names import normalize_project
from tests.support.build_backends import in_tree_sdist, sandboxed
from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed

pytestmark = sandboxed
PYTHON = Path(sys.executable)
FORK_BOMB = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
DEMO = normalize_project("demo")


@pytest.fixture(scope="module")
def nothing() -> Iterator[BuildEnvironment]:
    """An environment without wheels."""
    with BuildEnvironment(PYTHON, []) as environment:
        yield environment


@pytest.fixture(scope="module")
def setuptools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuildEnvironment]:
    """An environment with the setuptools that is installed here."""
    wheel = save(wheel_from_installed("setuptools"), tmp_path_factory.mktemp("wheels"))
    with BuildEnvironment(PYTHON, [wheel]) as environment:
        yield environment


def save(dist: Dist, folder: Path) -> Path:
    path = folder / dist.filename
    path.write_bytes(dist.content)
    return path


def ask(dist: Dist, environment: BuildEnvironment, step: Step = "metadata", **options: object):
    return ask_backend(io.BytesIO(dist.content), filename=dist.filename, environment=environment, step=step, **options)  # type: ignore[arg-type]


def asked(body: str, environment: BuildEnvironment, **options: object):
    """Ask a backend whose get_requires_for_build_wheel has this *body*."""
    return ask(in_tree_sdist(requires=body), environment, "requires", **options)


def test_the_metadata_of_an_in_tree_backend(nothing: BuildEnvironment):
    dist = make_sdist("demo", "1.0", backend="in-tree", requires=["six>=1"])
    answer = ask(dist, nothing)
    assert isinstance(answer, BuiltMetadata)
    assert answer.how == "prepare-metadata"
    assert parse_core_metadata(answer.metadata, project=DEMO, version=None).requires_dist == ("six>=1",)


def test_a_backend_without_the_optional_hooks(nothing: BuildEnvironment):
    dist = in_tree_sdist(
        """
        import zipfile
        def build_wheel(folder, settings=None, metadata=None):
            with zipfile.ZipFile(folder + "/demo-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n")
            return "demo-1.0-py3-none-any.whl"
        """
    )
    assert ask(dist, nothing, "requires") == BuildRequires(requires=())
    assert ask(dist, nothing) == BuiltMetadata(
        metadata=b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", how="build-wheel"
    )


def test_requirements_are_the_backends_own_strings(nothing: BuildEnvironment):
    assert asked("return ['b >= 1', 'a', 'no requirement at all', 'é']", nothing) == BuildRequires(
        requires=("b >= 1", "a", "no requirement at all", "é")
    )


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_setuptools(setuptools: BuildEnvironment, suffix: str):
    dist = make_sdist("demo", "1.0", requires=["six"], extras={"x": ["tomli"]}, suffix=suffix)
    assert ask(dist, setuptools, "requires") == BuildRequires(requires=())
    answer = ask(dist, setuptools)
    assert isinstance(answer, BuiltMetadata)
    metadata = parse_core_metadata(answer.metadata, project=DEMO, version=None)
    assert metadata.requires_dist == ("six", 'tomli; extra == "x"')
    assert metadata.provides_extra == ("x",)


def test_setup_py_alone_with_dynamic_requirements(setuptools: BuildEnvironment):
    script = "from setuptools import setup\nsetup(name='demo', version='1.0', setup_requires=['cffi>=1'])\n"
    dist = make_sdist("demo", "1.0", backend="legacy", setup_py=script, pkg_info_version=None)
    assert ask(dist, setuptools, "requires") == BuildRequires(requires=("cffi>=1",))


def test_an_extension_in_c_is_compiled_with_the_systems_compiler(setuptools: BuildEnvironment):
    backend = """
        from setuptools.build_meta import build_wheel, get_requires_for_build_wheel
        """
    script = (
        "from setuptools import Extension, setup\n"
        "setup(name='demo', version='1.0', ext_modules=[Extension('demo', ['demo.c'])])\n"
    )
    source = (
        "#include <Python.h>\n"
        'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "demo"};\n'
        "PyMODINIT_FUNC PyInit_demo(void) { return PyModule_Create(&module); }\n"
    )
    answer = ask(in_tree_sdist(backend, files={"setup.py": script, "demo.c": source}), setuptools)
    assert isinstance(answer, BuiltMetadata), answer
    assert answer.how == "build-wheel"


def test_a_compiler_that_is_missing_is_told(setuptools: BuildEnvironment):
    backend = """
        import os
        os.environ["CC"] = "no-such-gcc"
        from setuptools.build_meta import build_wheel
        """
    script = (
        "from setuptools import Extension, setup\n"
        "setup(name='demo', version='1.0', ext_modules=[Extension('demo', ['demo.c'])])\n"
    )
    answer = ask(in_tree_sdist(backend, files={"setup.py": script, "demo.c": ""}), setuptools)
    assert isinstance(answer, HookFailure)
    assert answer.kind is FailureClass.MISSING_COMPILER
    assert answer.reason == "its build backend 'backend' needs a compiler that this machine does not have"


def test_the_project_may_be_in_a_subdirectory_and_sees_the_tree_around_it(nothing: BuildEnvironment):
    backend = "def get_requires_for_build_wheel(settings=None):\n    return [open('../../outer').read()]\n"
    table = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["in-tree"]\n'
    files = {"sub/demo/pyproject.toml": table, "sub/demo/in-tree/backend.py": backend, "outer": "six"}
    inner = make_sdist("demo", "1.0", backend=None, files=files)
    assert ask(inner, nothing, "requires", subdirectory="sub/demo") == BuildRequires(requires=("six",))
    for elsewhere in ("sub/other", "../demo", "/etc"):
        answer = ask(inner, nothing, "requires", subdirectory=elsewhere)
        assert isinstance(answer, HookFailure)
        assert answer.kind is FailureClass.NO_BACKEND


def test_one_unpacked_source_serves_several_questions(nothing: BuildEnvironment):
    dist = make_sdist("demo", "1.0", backend="in-tree")
    with unpack_sdist(io.BytesIO(dist.content), filename=dist.filename) as source:
        before = sorted(source.folder.rglob("*"))
        first, second = (ask_backend_of(source, environment=nothing, step="metadata") for _ in range(2))
        assert isinstance(first, BuiltMetadata)
        assert first == second
        assert sorted(source.folder.rglob("*")) == before
    assert not source.folder.exists()


def test_programs_of_wheels_can_be_run(tmp_path: Path):
    wheel = make_wheel(
        "tool",
        "1.0",
        files={"tool.py": "def main():\n    print('tool ran', __file__)\n"},
        entry_points={"console_scripts": {"tool": "tool:main"}},
        data={"scripts/other": "#!python\nimport tool\ntool.main()\n", "scripts/shell": "#!/bin/sh\necho shell ran\n"},
    )
    body = """
        import subprocess
        return [subprocess.run([name], capture_output=True, text=True, check=True).stdout.strip()
                for name in ("tool", "other", "shell")]
        """
    with BuildEnvironment(PYTHON, [save(wheel, tmp_path)]) as environment:
        answer = asked(body, environment)
    place = f"/mach/environment/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/tool.py"
    assert answer == BuildRequires(requires=(f"tool ran {place}",) * 2 + ("shell ran",))


def test_nothing_of_this_machine_is_seen(nothing: BuildEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MACH_SECRET", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHASHSEED", "3")
    (tmp_path / "secret").write_text("secret")
    body = f"""
        import json, os, sys
        return [json.dumps({{
            "environ": sorted(os.environ), "path": sys.path, "root": sorted(os.listdir("/")),
            "etc": sorted(os.listdir("/etc")), "secret": os.path.exists({str(tmp_path)!r}),
            "user": os.getuid(), "groups": os.getgroups(), "hash": os.environ["PYTHONHASHSEED"],
            "seeded": sys.flags.hash_randomization, "home": os.listdir(os.path.expanduser("~")),
            "modules": [name for name in ("pip", "setuptools", "click", "crawler") if find(name)],
            "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
            "capabilities": [line for line in open("/proc/self/status") if line.startswith("Cap")],
        }})]
        """
    dist = in_tree_sdist("from importlib.util import find_spec as find", requires=body)
    answer = ask(dist, nothing, "requires")
    assert isinstance(answer, BuildRequires), answer
    seen = json.loads(answer.requires[0])
    ours = {"HOME", "LANG", "LC_ALL", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONNOUSERSITE"}
    hooks = {
        "MATURIN_NO_INSTALL_RUST",
        "SOURCE_DATE_EPOCH",
        "TMPDIR",
        "TZ",
        "_PYPROJECT_HOOKS_BACKEND_PATH_JSON",
        "_PYPROJECT_HOOKS_BUILD_BACKEND",
    }
    assert set(seen["environ"]) <= ours | hooks
    assert (seen["hash"], seen["seeded"]) == ("0", 0)
    assert seen["modules"] == []
    assert not any("dist-packages" in entry or str(tmp_path) in entry for entry in seen["path"])
    own = {"bin", "build", "dev", "etc", "lib", "lib32", "lib64", "libx32", "mach", "nix", "proc", "sbin", "tmp", "usr"}
    assert set(seen["root"]) <= own | {Path(sys.base_prefix).parts[1]}
    assert set(seen["etc"]) <= {"alternatives", "group", "hosts", "ld.so.cache", "passwd"}
    assert not seen["secret"]
    assert (seen["user"], seen["home"]) == (1000, [])
    assert seen["processes"] <= 4
    assert all(line.split()[1] == "0" * 16 for line in seen["capabilities"])


def test_an_answer_does_not_depend_on_build_tools_that_are_installed_here(nothing: BuildEnvironment):
    body = """
        import shutil
        return [name for name in ("cmake", "ninja", "meson", "cython", "cargo", "pip", "git", "cc", "sh")
                if shutil.which(name)]
        """
    assert asked(body, nothing) == BuildRequires(requires=("cc", "sh"))


@pytest.mark.parametrize(
    ("body", "kind", "sentence"),
    [
        ("return 'a b'", "false-result", "its backend answered requirements that are not a list of texts"),
        ("return [1]", "false-result", "its backend answered requirements that are not a list of texts"),
        ("return ['a\\0']", "false-result", "its backend answered a requirement that is no text"),
        ("return ['\\ud800']", "false-result", "its backend answered a requirement that is no text"),
        ("return ['a'] * 20_000", "false-result", "its backend answered more requirements"),
        ("return {1}", "backend-failed", "its build backend 'backend' failed"),
        ("raise SystemExit(0)", "false-result", "its backend left no result that can be read"),
        ("raise ValueError('\\x1b[31mred\\x07')", "backend-failed", "its build backend 'backend' failed"),
        ("import nowhere", "backend-failed", "its build backend 'backend' failed"),
        (
            "import urllib.request as r; r.urlopen('http://index.example/')",
            "needs-network",
            "its build backend 'backend' wants to fetch something, and there is no network",
        ),
    ],
)
def test_backends_that_fail(nothing: BuildEnvironment, body: str, kind: str, sentence: str):
    answer = asked(body, nothing)
    assert isinstance(answer, HookFailure)
    assert (answer.kind, answer.reason[: len(sentence)]) == (kind, sentence)
    assert len(answer.detail) <= 8
    assert "".join(answer.detail).isprintable()


def test_the_last_lines_of_a_backend_are_kept_without_controls(nothing: BuildEnvironment):
    answer = asked("print('x' * 100_000); raise ValueError('\\x1b[31mred\\x1b[0m \\x9b bell\\x07')", nothing)
    assert isinstance(answer, HookFailure)
    assert answer.detail[-1] == "ValueError: red \\x9b bell\\x07"


def test_a_backend_that_its_requirements_lack(nothing: BuildEnvironment):
    answer = ask(make_sdist("demo", "1.0"), nothing)
    assert isinstance(answer, HookFailure)
    assert answer.kind is FailureClass.BACKEND_MISSING
    assert answer.reason == ("its build backend 'setuptools.build_meta' cannot be imported from its build requirements")
    assert answer.detail == ("ModuleNotFoundError: No module named 'setuptools'",)


def test_a_source_without_a_backend(nothing: BuildEnvironment):
    answer = ask(make_sdist("demo", "1.0", backend=None), nothing)
    assert isinstance(answer, HookFailure)
    assert answer.kind is FailureClass.NO_BACKEND
    assert answer.reason == "its source has no build backend: there is no pyproject.toml and no setup.py"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return '../../etc'", "'../../etc', which is not the name of"),
        ("return 7", "7, which is not the name of"),
        ("return 'absent.dist-info'", "named a .dist-info folder that is not there"),
        ("import os; os.symlink('/etc', folder + '/x.dist-info'); return 'x.dist-info'", "that is not there"),
        ("import os; os.mkdir(folder + '/x.dist-info'); return 'x.dist-info'", "left no readable METADATA"),
        (
            "import os; os.mkdir(folder + '/x.dist-info'); os.symlink('/etc/passwd', folder + '/x.dist-info/METADATA');"
            " return 'x.dist-info'",
            "left no readable METADATA",
        ),
        (
            "import os; os.mkdir(folder + '/x.dist-info'); os.mkfifo(folder + '/x.dist-info/METADATA');"
            " return 'x.dist-info'",
            "not a plain file",
        ),
        (
            "import os; os.mkdir(folder + '/x.dist-info');"
            " open(folder + '/x.dist-info/METADATA', 'wb').write(b'\\xff'); return 'x.dist-info'",
            "not UTF-8",
        ),
        (
            "import os; os.mkdir(folder + '/x.dist-info');"
            " open(folder + '/x.dist-info/METADATA', 'wb').write(b'x' * 5_000_000); return 'x.dist-info'",
            "larger than 4194304 bytes",
        ),
    ],
)
def test_false_metadata(nothing: BuildEnvironment, body: str, reason: str):
    answer = ask(in_tree_sdist(f"def prepare_metadata_for_build_wheel(folder, settings=None):\n    {body}\n"), nothing)
    assert isinstance(answer, HookFailure)
    assert answer.kind is FailureClass.FALSE_RESULT
    assert reason in answer.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return '../x.whl'", "not the name of a wheel"),
        ("return 'x.whl'", "a wheel that is not there"),
        ("open(folder + '/x.whl', 'wb').write(b'PK'); return 'x.whl'", "a wheel that is broken"),
        ("import zipfile; zipfile.ZipFile(folder + '/x.whl', 'w').close(); return 'x.whl'", "without one METADATA"),
    ],
)
def test_false_wheels(nothing: BuildEnvironment, body: str, reason: str):
    answer = ask(in_tree_sdist(f"def build_wheel(folder, settings=None, metadata=None):\n    {body}\n"), nothing)
    assert isinstance(answer, HookFailure)
    assert answer.kind is FailureClass.FALSE_RESULT
    assert reason in answer.reason


def test_a_wheel_for_another_python_is_refused(tmp_path: Path):
    wheel = make_wheel("tool", "1.0", tag="cp38-cp38-linux_x86_64")
    with pytest.raises(Refused) as caught, BuildEnvironment(PYTHON, [save(wheel, tmp_path)]):
        pass
    assert caught.value.failure.kind is FailureClass.UNUSABLE_WHEEL
    assert "'tool-1.0-cp38-cp38-linux_x86_64.whl' cannot be installed: it was built for another Python" in str(
        caught.value
    )


@pytest.mark.parametrize(
    "files", [{"../evil.py": ""}, {"/evil.py": ""}, {"tool-1.0.data/data/../../evil": ""}, {"a/../../b": ""}]
)
def test_a_wheel_that_leaves_the_environment_is_refused(tmp_path: Path, files: dict[str, str]):
    wheel = make_wheel("tool", "1.0", files=files)
    with pytest.raises(Refused, match="a file with the path"), BuildEnvironment(PYTHON, [save(wheel, tmp_path)]):
        pass


def test_a_wheel_cannot_put_itself_in_the_place_of_the_interpreter(tmp_path: Path):
    data = {"data/bin/python": "#!/bin/sh\nexit 1\n", "data/pyvenv.cfg": "home = /evil\n", "scripts/python3": "#!x\n"}
    before = Path(sys.executable).resolve().read_bytes()
    with BuildEnvironment(PYTHON, [save(make_wheel("tool", "1.0", data=data), tmp_path)]) as environment:
        answer = asked("import sys; return [sys.prefix]", environment)
    assert answer == BuildRequires(requires=("/mach/environment",))
    assert Path(sys.executable).resolve().read_bytes() == before


def test_a_wheel_whose_pth_file_is_code_runs_in_the_sandbox_alone(tmp_path: Path):
    (tmp_path / "made").mkdir()
    code = f"import os; os.path.isdir({str(tmp_path)!r}) and open({str(tmp_path / 'made' / 'it')!r}, 'w')\n"
    wheel = make_wheel("tool", "1.0", files={"tool.pth": code})
    with BuildEnvironment(PYTHON, [save(wheel, tmp_path)]) as environment:
        assert asked("return []", environment) == BuildRequires(requires=())
    assert not list((tmp_path / "made").iterdir())


def test_the_environments_folder_is_gone_when_its_wheels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[Path] = []
    original = build_environment.tempfile.mkdtemp

    def remember(**options: str) -> str:
        made.append(Path(original(**options)))
        return str(made[-1])

    monkeypatch.setattr(build_environment.tempfile, "mkdtemp", remember)
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"PK")
    with (
        pytest.raises(Refused, match="it is broken"),
        BuildEnvironment(PYTHON, [tmp_path / "broken-1.0-py3-none-any.whl"]),
    ):
        pass
    assert made
    assert not any(path.exists() for path in made)


def test_an_interpreter_of_the_system_as_well(tmp_path: Path):
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("there is no /usr/bin/python3")
    with BuildEnvironment(python, []) as environment:
        answer = asked("import sys; return [sys.base_prefix, sys.prefix]", environment)
    assert answer == BuildRequires(requires=("/usr", "/mach/environment"))


def test_a_user_without_rights_has_the_same_sandbox(tmp_path: Path):
    python = Path("/usr/bin/python3")
    root = Path(__file__).parents[2]
    libraries = Path(build_environment.installer.__file__).parents[1]
    if os.geteuid() != 0 or subprocess.run([python, "-c", "import sys; assert sys.version_info >= (3, 11)"]).returncode:
        pytest.skip("root is needed to become another user, and a python3 that this user may run")
    if not all(folder.stat().st_mode & 0o001 for place in (root, libraries) for folder in (place, *place.parents)):
        pytest.skip("the checkout or its libraries are where only root gets")
    script = (
        "import io, sys\nfrom pathlib import Path\n"
        "from crawler.build_environment import BuildEnvironment\nfrom crawler.build_hooks import ask_backend\n"
        "from crawler.sandbox_limits import Limits\n"
        "with BuildEnvironment(Path(sys.executable), []) as environment:\n"
        "    print(ask_backend(io.BytesIO(sys.stdin.buffer.read()), filename='demo-1.0.tar.gz', step='requires',\n"
        "                      environment=environment, limits=Limits(processes=30)))\n"
    )
    bomb = in_tree_sdist(
        requires="import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    )
    done = subprocess.run(
        [python, "-B", "-c", script],
        input=bomb.content,
        capture_output=True,
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join([str(root), str(libraries)]), "PATH": os.defpath},
        user=54321,
        group=54321,
        extra_groups=[],
        timeout=60,
    )
    assert b"TOO_MANY_PROCESSES" in done.stdout, done.stderr


def test_limits_are_what_the_caller_says(nothing: BuildEnvironment):
    answer = asked("return ['x' * 2000]", nothing, limits=Limits(answer=100))
    assert answer == BuildRequires(requires=("x" * 2000,))
    answer = asked("return ['x' * 60_000] * 50", nothing, limits=Limits(answer=100))
    assert isinstance(answer, HookFailure)
    assert answer.reason == "its build backend answered far more than 100 bytes"
