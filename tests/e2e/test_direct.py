"""Direct references end to end: a URL, a repository, a path and a working tree, built and run by Nix."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.dists import make_sdist, make_wheel
from tests.support.nix import NixStore
from tests.support.repositories import DEMO, Repository, file_server, write_tree
from tests.support.world import World

pytestmark = pytest.mark.nix

Build = Callable[..., Path]


@pytest.fixture
def machine(world: World, nix_store: NixStore, tmp_path: Path) -> Machine:
    """A new machine with the world's index."""
    return Machine(home=tmp_path / "home", index_url=world.url, environ=nix_store.env())


@pytest.fixture
def build(machine: Machine) -> Build:
    """Return what locks one request and builds its environment; the lock is mach.lock."""
    machine.home.mkdir()

    def make(*words: str) -> Path:
        machine.mach("lock", *words, "--python", HOST_PYTHON)
        return Path(machine.process("build", "--lock", "mach.lock").stdout.strip())

    return make


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL that it is served at."""
    folder = tmp_path / "site"
    folder.mkdir()
    with file_server(folder) as url:
        yield folder, url


def run(command: Path, *words: str) -> str:
    done = subprocess.run([command, *words], env={"HOME": "/homeless"}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def pin(machine: Machine, name: str) -> dict[str, object]:
    (target,) = json.loads(machine.read("mach.lock"))["targets"]
    (found,) = [pin for pin in target["pins"] if pin["name"] == name]
    return found


def test_a_wheel_and_an_sdist_at_urls(build: Build, machine: Machine, site: tuple[Path, str]) -> None:
    folder, url = site
    wheel = make_wheel("solo", "2.0", requires=["idna"], files={"solo.py": "answer = 42\n"})
    sdist = make_sdist("duo", "1.0", files={"duo/__init__.py": "answer = 43\n"})
    for dist in (wheel, sdist):
        (folder / dist.filename).write_bytes(dist.content)
    env = build(f"solo @ {url}/{wheel.filename}", f"{url}/{sdist.filename}#sha256={sdist.sha256}")
    assert run(env / "bin/python", "-c", "import solo, duo, idna; print(solo.answer, duo.answer)") == "42 43"
    assert pin(machine, "solo")["artifact"] == {
        "type": "url",
        "url": f"{url}/{wheel.filename}",
        "sha256": wheel.sha256,
        "filename": wheel.filename,
    }


def test_a_commit_of_a_repository(build: Build, machine: Machine, site: tuple[Path, str]) -> None:
    folder, url = site
    repository = Repository(folder / "repository")
    first = repository.commit({f"projects/demo/{name}": text for name, text in DEMO.items()}, tag="v1")
    repository.commit({"projects/demo/src/demo_app/__init__.py": "broken"})
    env = build(f"demo-app @ git+{url}/repository/.git@v1#subdirectory=projects/demo")
    assert run(env / "bin/demo").startswith("hello from /")
    artifact = pin(machine, "demo-app")["artifact"]
    assert isinstance(artifact, dict)
    assert (artifact["type"], artifact["commit"], artifact["subdirectory"]) == ("vcs", first, "projects/demo")


def test_a_repository_of_this_machine(build: Build, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.commit(DEMO)
    env = build(f"demo-app @ {repository.url}@main")
    assert run(env / "bin/demo").startswith("hello from /")


def test_a_folder_and_a_wheel_beside_the_lock(build: Build, machine: Machine) -> None:
    write_tree(machine.home / "my lib", DEMO)
    wheel = make_wheel("solo", "2.0", files={"solo.py": "answer = 42\n"})
    (machine.home / wheel.filename).write_bytes(wheel.content)
    env = build("./my lib[shout]", f"./{wheel.filename}")
    assert run(env / "bin/python", "-c", "import demo_app, certifi, solo; print(solo.answer)") == "42"
    # wherever the expression lies, it finds the folders
    machine.mach("gen", "--lock", "mach.lock", "-o", machine.home.parent / "python.nix")
    machine.mach("env", "folder/env", "./my lib[shout]", f"./{wheel.filename}", "--python", HOST_PYTHON)
    for expression in (machine.home.parent / "python.nix", machine.home / "folder/env"):
        again = subprocess.run(
            ["nix-build", "--no-out-link", expression, "-A", "env"], env=machine.env(), capture_output=True, text=True
        )
        assert again.stdout.strip() == str(env), again.stderr


def test_versions_and_names_that_only_a_build_backend_tells(
    build: Build, machine: Machine, site: tuple[Path, str]
) -> None:
    folder, url = site
    dynamic = DEMO["pyproject.toml"].replace('version = "1.2"', 'dynamic = ["version"]')
    table = '\n[tool.setuptools.dynamic]\nversion = {attr = "demo_app.told.__version__"}\n'
    told = {"pyproject.toml": dynamic + table, "src/demo_app/told.py": "__version__ = '3.4'\n"}
    repository = Repository(folder / "repository")
    repository.commit(DEMO | told)
    script = {"setup.py": "from setuptools import setup\nsetup(name='duo', version='5.0', py_modules=['duo'])\n"}
    tree = write_tree(machine.home / "folder", script | {"duo.py": "answer = 42\n"})
    with tarfile.open(folder / "v7.tar.gz", "w:gz") as archive:
        text = script["setup.py"].replace("5.0", "7.0").replace("duo", "trio")
        archive.add(write_tree(machine.home / "trio", {"setup.py": text, "trio.py": ""}), "trio-7")
    env = build(f"demo-app @ git+{url}/repository/.git@main", "./folder", f"trio @ {url}/v7.tar.gz")
    code = "import importlib.metadata as m, duo, trio; print(*map(m.version, ('demo-app', 'duo', 'trio')), duo.answer)"
    assert run(env / "bin/python", "-c", code) == "3.4 5.0 7.0 42"
    assert (pin(machine, "demo-app")["version"], pin(machine, "duo")["version"]) == ("3.4", "5.0")
    # the lock holds no other version than the one that is built
    (tree / "setup.py").write_text(script["setup.py"].replace("5.0", "6.0"))
    failed = machine.process("build", "--lock", "mach.lock", code=100)
    assert "a wheel of 'duo' '6.0', and the lock pins 'duo 5.0'; if its source has changed, lock it again" in (
        failed.stderr
    )


def test_a_version_that_stands_in_tags_alone_may_be_given_by_a_fix(machine: Machine, site: tuple[Path, str]) -> None:
    """The script stands for setuptools-scm, which reads the same variable where it finds no repository."""
    folder, url = site
    script = (
        "import os\nfrom setuptools import setup\nversion = os.environ.get('SETUPTOOLS_SCM_PRETEND_VERSION')\n"
        "if not version:\n    raise LookupError('setuptools-scm was unable to detect version for /build/source.')\n"
        "setup(name='duo', version=version, py_modules=['duo'])\n"
    )
    Repository(folder / "repository").commit({"setup.py": script, "duo.py": "answer = 42\n"}, tag="v4.2")
    request = (f"duo @ git+{url}/repository/.git@v4.2", "--python", HOST_PYTHON)
    machine.home.mkdir()
    refused = machine.mach("lock", *request, code=1)
    assert "takes its version from the history of a repository" in refused.stderr
    fix = '[[fix]]\nproject = "duo"\nsettings = {SETUPTOOLS_SCM_PRETEND_VERSION = "4.2"}\n'
    fixes = machine.write("mine.toml", f'{fix}reason = "its tag"\nlink = "https://duo.example/"\n')
    machine.mach("lock", *request, "--fixes", fixes)
    assert pin(machine, "duo")["version"] == "4.2"
    env = Path(machine.process("build", "--lock", "mach.lock", "--fixes", fixes).stdout.strip())
    code = "import importlib.metadata as m, duo; print(m.version('duo'), duo.answer)"
    assert run(env / "bin/python", "-c", code) == "4.2 42"


def test_a_working_tree_without_a_pyproject_is_built_but_not_imported_in_place(build: Build, machine: Machine) -> None:
    script = "from setuptools import setup\nsetup(name='duo', version='5.0', py_modules=['duo'])\n"
    write_tree(machine.home / "folder", {"setup.py": script, "duo.py": "answer = 42\n"})
    env = build("-r", str(machine.write("requirements.txt", "-e ./folder\n")))
    assert run(env / "bin/python", "-c", "import duo; print(duo.answer)") == "42"
    refused = machine.process("shell", "--lock", "mach.lock", "--run", "true", code=1)
    assert '"./folder" cannot be imported from where it is' in refused.stderr
    assert "lock it without -e" in refused.stderr


def test_a_shell_imports_a_working_tree_as_it_is(build: Build, machine: Machine) -> None:
    tree = write_tree(machine.home / "demo", DEMO)
    env = build("-e", "./demo")
    assert run(env / "bin/demo") == f"hello from {env}/lib/python{HOST_PYTHON}/site-packages/demo_app/__init__.py"

    def shell(command: str) -> str:
        return machine.process("shell", "--lock", "mach.lock", "--run", command).stdout.strip()

    assert shell("demo") == f"hello from {tree}/src/demo_app/__init__.py"
    code = "import importlib.metadata as m; print(m.version('demo-app'), m.requires('demo-app'))"
    assert shell(f'python -c "{code}"') == "1.2 ['idna>=3', 'certifi ; extra == \"shout\"']"
    (tree / "src/demo_app/__init__.py").write_text("def main():\n    print('edited')\n")
    assert shell("demo") == "edited"
