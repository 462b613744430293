"""Sdists of several build backends, built by Nix in their locked closures: what a build sees, and what it may leave."""

from __future__ import annotations

import json
import platform
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crawler.nar import hash_nar
from resolver.lock import BuildClosure, Lock, LockedCheckout
from tests.nix.locks import lock_of, write_expression
from tests.support import native
from tests.support.dists import Dist, make_sdist, make_wheel, wheel_from_installed
from tests.support.nix import NixStore
from tests.support.oddities import C_EXTENSION, C_SETUP
from tests.support.repositories import Repository, write_tree
from tests.support.sources import IN_TREE_BACKEND

pytestmark = pytest.mark.nix

SYSTEM = '[build-system]\nrequires = {requires}\nbuild-backend = "{backend}"\n'

#: A backend that packs as IN_TREE_BACKEND does, with a module more that another tool of the closure writes.
GENERATING = IN_TREE_BACKEND.replace('Path("_backend/METADATA")', 'Path("METADATA")').replace(
    "def build_wheel(",
    """def get_requires_for_build_wheel(config_settings=None):
    return ["tiny-generator"]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import subprocess

    import tiny_generator

    said = subprocess.run(["tiny-generator"], capture_output=True, text=True, check=True).stdout.strip()
    native = subprocess.run(["native-tool"], capture_output=True, text=True, check=True).stdout.strip()
    text = f"SAID = {[tiny_generator.NAME, said, native]!r}\\n"
    Path(Path("generated.txt").read_text().strip()).write_text(text)
    return pack_wheel(wheel_directory)


def pack_wheel(""",
)
#: Prints what a backend sees, as the wheel's only module.
LOOKING = IN_TREE_BACKEND.replace(
    "def build_wheel(",
    """TOOLS = ("installer", "wheel", "packaging", "pyproject_hooks", "pip")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import importlib.metadata
    import importlib.util
    import json
    import os
    import socket
    import sys

    def reaches():
        try:
            socket.create_connection(("127.0.0.1", PORT), timeout=2).close()
        except OSError:
            return False
        return True

    seen = {
        "distributions": sorted(d.name for d in importlib.metadata.distributions()),
        "modules": [m for m in TOOLS if importlib.util.find_spec(m)],
        "environ": dict(os.environ),
        "home": os.path.expanduser("~"),
        "argv": sys.executable,
        "reaches": reaches(),
        "cwd": os.getcwd(),
        "source": sorted(os.listdir()),
        "around": sorted(os.listdir("..")),
    }
    Path("seen.py").write_text(f"SEEN = {json.dumps(json.dumps(seen))}\\n")
    return pack_wheel(wheel_directory)


def pack_wheel(""",
)


def metadata(name: str, version: str = "1.0") -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def in_tree(name: str, code: str, files: Mapping[str, str] | None = None, version: str = "1.0") -> Dist:
    """Return an sdist with the backend *code* in its tree."""
    own = {"_backend/backend.py": code, "_backend/METADATA": metadata(name)}
    table = SYSTEM.format(requires="[]", backend="backend") + 'backend-path = ["_backend"]\n'
    return make_sdist(name, version, backend=None, pyproject=table, files={**own, **(files or {})})


def generator() -> Dist:
    """Return a build tool that is an sdist itself."""
    code = "NAME = 'module'\n\n\ndef main():\n    print('program')\n"
    script = (
        "from setuptools import setup\n\n"
        "setup(name='tiny-generator', version='2', py_modules=['tiny_generator'],\n"
        "      entry_points={'console_scripts': ['tiny-generator = tiny_generator:main']})\n"
    )
    return make_sdist("tiny-generator", "2", backend="legacy", setup_py=script, files={"tiny_generator.py": code})


def native_tool() -> Dist:
    """Return a wheel that brings a program of this machine, as ninja's and cmake's do."""
    program = native.executable("native-tool", text="native", host_libraries=("libz.so.1",))
    tag = f"py3-none-manylinux_2_36_{platform.machine()}"
    return make_wheel(
        "native-tool",
        "1.0",
        tag=tag,
        files={},
        data={"scripts/native-tool": program.content},
        executable=["scripts/native-tool"],
    )


def refusal(store: NixStore, folder: Path, *dists: Dist, **options: Any) -> str:
    """Return the last line that mach wrote of a build that must fail."""
    outcome = store.try_build(write_expression(folder, lock_of(store, *dists, **options)), "env")
    assert outcome.returncode == 100, outcome.stderr
    lines = [line for line in outcome.stderr.splitlines() if "mach: " in line]
    return lines[-1].partition("mach: ")[2]


def test_five_backends_build_without_network_and_import(nix_store: NixStore, tmp_path: Path) -> None:
    backend = make_wheel("tiny-backend", "1.0", files={"tiny_backend.py": GENERATING})
    table = SYSTEM.format(requires='["tiny-backend"]', backend="tiny_backend")
    sources = [
        make_sdist("sdist-compiled", "1.0", files={"sdist_compiled.c": C_EXTENSION}, setup_py=C_SETUP),
        make_sdist("old-style", "1.0", backend="legacy", files={"old_style.py": "X = 1\n"}),
        make_sdist("with-own", "1.0", backend="in-tree", files={"with_own.py": "X = 2\n"}),
        make_sdist(
            "with-tools",
            "1.0",
            backend=None,
            pyproject=table,
            files={"METADATA": metadata("with-tools"), "generated.txt": "with_tools.py\n"},
        ),
        generator(),
    ]
    closures = {
        "with-own": [],
        "with-tools": [backend, generator(), native_tool()],
        "tiny-generator": [wheel_from_installed("setuptools"), wheel_from_installed("wheel")],
    }
    lock = lock_of(nix_store, *sources, builds=closures)
    assert len(lock.build_closures) == 4
    env = nix_store.build(write_expression(tmp_path, lock), "env")
    code = (
        "import json, sdist_compiled, old_style, with_own, with_tools, tiny_generator\n"
        "print(json.dumps([sdist_compiled.answer(), old_style.X, with_own.X, with_tools.SAID, tiny_generator.NAME]))"
    )
    said = json.loads(nix_store.call(env / "bin/python", "-c", code).stdout)
    assert said == [42, 1, 2, ["module", "program", "native"], "module"]
    assert not any("setuptools" in path.name for path in nix_store.closure(env)), "build tools are not kept"


def test_a_build_sees_its_closure_and_nothing_else(
    nix_store: NixStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    with socket.create_server(("127.0.0.1", 0)) as server:
        looking = LOOKING.replace("PORT", str(server.getsockname()[1]))
        sdist = in_tree("seen", looking, {"setup.cfg": "[metadata]\n"})
        tool = make_wheel("tool", "1.0", files={"tool.py": ""})
        expression = write_expression(tmp_path, lock_of(nix_store, sdist, build_with=[tool]))
        # what an override adds to a build's environment does not lead tools out of the closure
        more = '[ (_: prev: { seen = prev.seen.overrideAttrs { PIP_FIND_LINKS = "/x"; VIRTUAL_ENV = "/y"; }; }) ]'
        env = nix_store.build(expression, "env", {"overrides": more})
    seen = json.loads(nix_store.call(env / "bin/python", "-c", "import seen; print(seen.SEEN)").stdout)
    assert seen["distributions"] == ["tool"]
    assert seen["modules"] == []
    assert seen["reaches"] is False
    environ = seen["environ"]
    assert {name: value for name, value in environ.items() if name.startswith(("PIP_", "UV_", "VIRTUAL_ENV"))} == {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    assert "PYTHONPATH" not in environ
    assert seen["home"].startswith(environ["NIX_BUILD_TOP"])
    assert environ["PATH"].split(":")[0] == str(Path(seen["argv"]).parent)
    assert seen["cwd"] == f"{environ['NIX_BUILD_TOP']}/source"
    assert set(seen["source"]) == {"PKG-INFO", "_backend", "pyproject.toml", "setup.cfg"}


def test_a_project_in_a_folder_of_a_repository_sees_the_tree_around_it(nix_store: NixStore, tmp_path: Path) -> None:
    looking = LOOKING.replace("PORT", "9")
    own = {"_backend/backend.py": looking, "_backend/METADATA": metadata("seen")}
    table = SYSTEM.format(requires="[]", backend="backend") + 'backend-path = ["_backend"]\n'
    inner = {f"projects/seen/{path}": text for path, text in {**own, "pyproject.toml": table}.items()}
    repository = Repository(tmp_path / "repository")
    commit = repository.commit({**inner, "projects/version.txt": "1.0"})
    tree = write_tree(tmp_path / "tree", {**inner, "projects/version.txt": "1.0"})
    lock = lock_of(nix_store, in_tree("seen", looking), build_with=[])
    checkout = LockedCheckout(
        url=f"file://{repository.folder}", commit=commit, nar_sha256=hash_nar(tree), subdirectory="projects/seen"
    )
    pin = replace(lock.targets[0].pins[0], artifact=checkout)
    lock = replace(lock, targets=(replace(lock.targets[0], pins=(pin,)),))
    env = nix_store.build(write_expression(tmp_path, lock), "env")
    seen = json.loads(nix_store.call(env / "bin/python", "-c", "import seen; print(seen.SEEN)").stdout)
    assert seen["around"] == ["seen", "version.txt"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ('_stem = lambda: "liar-2.0"', "left a wheel of 'liar' '2.0', and the lock pins 'honest 1.0'"),
        ('_stem = lambda: "honest-2.0"', "left a wheel of 'honest' '2.0', and the lock pins 'honest 1.0'"),
        (
            '_metadata = lambda: b"Name: honest\\nVersion: 1.0.post1\\n"\n_stem = lambda: "honest-1.0"',
            "left a wheel of 'honest' '1.0.post1', and the lock pins 'honest 1.0'",
        ),
        (
            "whole = build_wheel\n\n\ndef build_wheel(folder, *more):\n"
            "    Path(folder, 'b-1-py3-none-any.whl').touch()\n    return whole(folder)",
            "left 2 wheels, not one: ['b-1-py3-none-any.whl', 'honest-1.0-py3-none-any.whl']",
        ),
        (
            "whole = build_wheel\n\n\ndef build_wheel(folder, *more):\n"
            "    return Path(folder, whole(folder)).rename(Path(folder, 'honest-1.0-cp39-cp39-linux_x86_64.whl')).name",
            "left a wheel for another Python or platform, 'cp39-cp39-linux_x86_64': the lock's is Python 3.11",
        ),
        ("def build_wheel(*words):\n    return 'x.whl'", "left 0 wheels, not one: []"),
        ("def build_wheel(*words):\n    raise SystemExit(3)", "failed: its backend has said why above"),
        ("del build_wheel", "failed: its backend has said why above"),
    ],
    ids=["name", "version", "metadata", "two", "python", "none", "exit", "no hook"],
)
def test_a_backend_that_lies_or_fails_is_one_sentence(
    nix_store: NixStore, tmp_path: Path, code: str, said: str
) -> None:
    sdist = in_tree("honest", f"{IN_TREE_BACKEND}\n\n{code}\n")
    last = refusal(nix_store, tmp_path, sdist, build_with=[])
    assert last.startswith("building 'honest-1.0.tar.gz' ")
    assert said in last


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"x.py": ""}, "cannot build 'bare-1.0.tar.gz': it has no build backend"),
        ({"pyproject.toml": "[build-system"}, "cannot build 'bare-1.0.tar.gz': its pyproject.toml cannot be read"),
        (
            {"pyproject.toml": SYSTEM.format(requires="[]", backend="b") + 'backend-path = ["../x"]\n'},
            "cannot build 'bare-1.0.tar.gz': paths must be inside source tree",
        ),
        (
            {"pyproject.toml": SYSTEM.format(requires="[]", backend="absent.api")},
            "the build closure of 'bare-1.0.tar.gz' lacks 'absent.api', its backend",
        ),
    ],
    ids=["none", "broken", "outside", "absent"],
)
def test_a_source_without_a_backend_is_one_sentence(
    nix_store: NixStore, tmp_path: Path, files: Mapping[str, str], said: str
) -> None:
    sdist = make_sdist("bare", "1.0", backend=None, files=files)
    assert said in refusal(nix_store, tmp_path, sdist, build_with=[])


def test_a_missing_compiler_is_named(nix_store: NixStore, tmp_path: Path) -> None:
    # a machine's programs without any compiler
    folder = nix_store.files / "no-compiler"
    folder.mkdir()
    for program in Path("/usr/bin").iterdir():
        if "gcc" not in program.name and not program.name.endswith(("cc", "clang")):
            (folder / program.name).symlink_to(program)
    sdist = make_sdist("sdist-compiled", "1.0", files={"sdist_compiled.c": C_EXTENSION}, setup_py=C_SETUP)
    override = (
        f'[ (_: prev: {{ sdist-compiled = prev.sdist-compiled.overrideAttrs {{ preBuild = "PATH={folder}"; }}; }}) ]'
    )
    expression = write_expression(tmp_path, lock_of(nix_store, sdist))
    outcome = nix_store.try_build(expression, "env", {"overrides": override})
    assert "mach: building 'sdist_compiled-1.0.tar.gz' failed: the compiler" in outcome.stderr
    assert "is missing: give pkgs a stdenv that has one" in outcome.stderr


def test_a_forged_lock_whose_closures_build_each_other_is_refused_by_name(nix_store: NixStore, tmp_path: Path) -> None:
    lock = lock_of(nix_store, generator(), builds={"tiny-generator": [wheel_from_installed("setuptools")]})
    (digest,) = lock.build_closures
    tool = replace(lock.targets[0].pins[0], name="tool", build=digest)
    forged: Lock = replace(lock, build_closures={digest: BuildClosure(pins=(tool,))})
    outcome = nix_store.try_build(write_expression(tmp_path, forged), "env")
    assert outcome.returncode == 1
    assert "infinite recursion" not in outcome.stderr
    assert f'the build closure "{digest}" of the lock takes itself to be built, by tool 2' in outcome.stderr


def test_sdists_give_the_same_bytes_again(nix_store: NixStore, tmp_path: Path) -> None:
    backend = make_wheel("tiny-backend", "1.0", files={"tiny_backend.py": GENERATING})
    table = SYSTEM.format(requires='["tiny-backend"]', backend="tiny_backend")
    files = {"METADATA": metadata("again"), "generated.txt": "again.py\n"}
    sdist = make_sdist("again", "1.0", backend=None, pyproject=table, files=files)
    builds = {"again": [backend, generator(), native_tool()], "tiny-generator": [wheel_from_installed("setuptools")]}
    drv = nix_store.instantiate(write_expression(tmp_path, lock_of(nix_store, sdist, builds=builds)), "packages.again")
    checked = nix_store.check_derivations(drv, names=["python3.11-again", "python3.11-tiny-generator"])
    assert set(checked) == {"python3.11-again-1.0", "python3.11-tiny-generator-2"}
