"""Folders and repositories that leave version or name to their build backend: asked in the sandbox, or refused."""

from __future__ import annotations

import json
import tarfile
from typing import Any

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.build_backends import TABLE, sandboxed
from tests.support.repositories import DEMO, Repository, file_server, write_tree

pytestmark = sandboxed
PYTHON = ("--python", HOST_PYTHON, "--platform", "x86_64-linux")

#: The version is an attribute of the project, as setuptools' own page on dynamic metadata has it.
ATTRIBUTE = {
    "pyproject.toml": DEMO["pyproject.toml"].replace('version = "1.2"', 'dynamic = ["version"]')
    + '\n[tool.setuptools.dynamic]\nversion = {attr = "demo_app.told.__version__"}\n',
    "src/demo_app/__init__.py": "",
    "src/demo_app/told.py": "__version__ = '3.4.0'\n",
}
SCRIPT = {"setup.py": "from setuptools import setup\nsetup(name='duo', version='1.0', install_requires=['idna'])\n"}


def backend(metadata: str) -> dict[str, str]:
    """Return a source tree without a name whose own backend gives METADATA, an expression of Python."""
    return {
        "pyproject.toml": TABLE,
        "in-tree/backend.py": (
            "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
            "    import os, random, sys\n"
            "    os.mkdir(folder + '/x.dist-info')\n"
            "    with open(folder + '/x.dist-info/METADATA', 'w') as file:\n"
            f"        file.write({metadata})\n"
            "    return 'x.dist-info'\n"
        ),
    }


def pins(machine: Machine, name: str = "mach.lock") -> dict[str, Any]:
    (target,) = json.loads(machine.read(name))["targets"]
    return {pin["name"]: pin for pin in target["pins"]}


def test_the_version_of_a_folder_is_the_one_that_its_backend_tells(machine: Machine) -> None:
    tree = write_tree(machine.home / "lib", ATTRIBUTE)
    machine.mach("lock", "./lib", *PYTHON)
    assert {name: pin["version"] for name, pin in pins(machine).items()} == {"demo-app": "3.4.0", "idna": "3.10"}
    (tree / "src/demo_app/told.py").write_text("__version__ = '3.5.0'\n")
    machine.mach("lock", "./lib", *PYTHON, "--upgrade", "--offline")
    assert pins(machine)["demo-app"]["version"] == "3.5.0", "what was kept is enough to ask again"


def test_a_folder_that_only_its_backend_can_name(machine: Machine) -> None:
    write_tree(machine.home / "folder", SCRIPT)
    machine.write("requirements.txt", "-e ./folder\n")
    request = ("-r", "requirements.txt", *PYTHON)
    machine.mach("lock", *request)
    pin = pins(machine)["duo"]
    assert (pin["version"], pin["artifact"]["path"], pin["artifact"]["editable"]) == ("1.0", "./folder", True)
    assert pin["dependencies"] == {"idna": ["idna"]}
    assert json.loads(machine.read("mach.lock"))["request"]["requirements"] == ["duo @ ./folder#editable=true"]
    assert json.loads(machine.mach("lock", *request, "--json").stdout)["reused"] is True
    machine.mach("lock", *request, "--check")
    machine.mach("env", "env", "./folder", *PYTHON)
    assert machine.read("env/requirements.txt") == "duo @ ../folder\n"


def test_a_folder_that_nobody_else_may_read_is_asked_like_any_other(machine: Machine) -> None:
    tree = write_tree(machine.home / "closed", SCRIPT)
    for path in tree.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    tree.chmod(0o700)
    machine.mach("lock", "./closed", *PYTHON)
    assert pins(machine)["duo"]["version"] == "1.0"


def test_an_edit_of_what_the_backend_reads_first_makes_the_lock_old(machine: Machine) -> None:
    tree = write_tree(machine.home / "folder", SCRIPT)
    machine.mach("lock", "duo @ ./folder", *PYTHON)
    (tree / "setup.py").write_text(SCRIPT["setup.py"].replace("1.0", "2.0"))
    asked = machine.mach("lock", "duo @ ./folder", *PYTHON, "--check", code=1)
    assert "what ./folder states of duo has changed since it was locked" in asked.stderr
    asked = machine.mach("lock", "./folder", *PYTHON, "--check", code=1)
    assert "lock-outdated" in asked.stderr
    machine.mach("lock", "./folder", *PYTHON)
    assert pins(machine)["duo"]["version"] == "2.0"


def test_the_version_of_a_commit_is_a_fact(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> None:
    repository = Repository(machine.home / "repository")
    repository.commit({f"sub/{name}": text for name, text in ATTRIBUTE.items()})
    with file_server(repository.folder) as url:
        request = (f"demo-app @ git+{url}/.git@main#subdirectory=sub", *PYTHON)
        machine.mach("lock", *request)
    pin = pins(machine)["demo-app"]
    assert (pin["version"], pin["artifact"]["type"]) == ("3.4.0", "vcs")
    first = machine.read("mach.lock")
    machine.mach("lock", *request, "--offline", "-o", "again.lock")
    assert machine.read("again.lock") == first
    machine.mach("db", "export", "--lock", "mach.lock", "facts.mach")
    machine.mach("db", "verify")
    elsewhere = Machine(home=tmp_path_factory.mktemp("elsewhere"), index_url=machine.index_url)
    elsewhere.mach("db", "import", machine.home / "facts.mach")
    elsewhere.mach("lock", *request, "--offline")
    assert elsewhere.read("mach.lock") == first
    elsewhere.mach("db", "verify", "--lock", "mach.lock")


def test_an_archive_at_a_url_whose_name_states_nothing(machine: Machine) -> None:
    (machine.home / "site").mkdir()
    with tarfile.open(machine.home / "site/main.tar.gz", "w:gz") as archive:
        archive.add(write_tree(machine.home / "app-main", ATTRIBUTE), "app-main")
    with file_server(machine.home / "site") as url:
        machine.mach("lock", f"demo-app @ {url}/main.tar.gz", *PYTHON)
        pin = pins(machine)["demo-app"]
        assert (pin["version"], pin["artifact"]["filename"]) == ("3.4.0", "demo_app-3.4.0.tar.gz")
        assert (pin["artifact"]["url"], pin["direct"]) == (f"{url}/main.tar.gz", f"{url}/main.tar.gz")
        asked = machine.mach("lock", f"{url}/main.tar.gz", *PYTHON, code=2)
        assert "write NAME @ URL" in asked.stderr
    machine.mach("lock", f"demo-app @ {url}/main.tar.gz", *PYTHON, "--check")


def test_each_python_is_told_its_own_version(machine: Machine) -> None:
    text = "'Metadata-Version: 2.1\\nName: trio\\nVersion: 1.' + str(sys.version_info[1])"
    write_tree(machine.home / "trio", backend(text))
    machine.mach("lock", "./trio", *PYTHON)
    assert pins(machine)["trio"]["version"] == f"1.{HOST_PYTHON.partition('.')[2]}"


def test_a_name_that_the_requirement_states_has_to_be_the_one_that_is_told(machine: Machine) -> None:
    write_tree(machine.home / "folder", SCRIPT)
    repository = Repository(machine.home / "repository")
    repository.commit(SCRIPT)
    for text, place in (("other @ ./folder", "./folder"), (f"other @ {repository.url}@main", str(repository.folder))):
        asked = machine.mach("lock", text, *PYTHON, code=1)
        assert "version-not-told" in asked.stderr
        assert f"{place} cannot be used: its build backend answered wrongly: its metadata is that of 'duo'" in (
            asked.stderr
        )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            {"setup.py": "raise LookupError('setuptools-scm was unable to detect version for /build/source.')"},
            "takes its version from the history of a repository, and what is built is the files alone, without .git",
        ),
        (
            {"setup.py": "from setuptools import setup\nsetup(name='duo', version='0+unknown')\n"},
            "takes its version from the history of a repository, and what is built is the files alone, without .git",
        ),
        ({"setup.py": "raise SystemExit('not today')"}, "failed: not today"),
        ({"pyproject.toml": "[tool.other]\n"}, "its metadata names no project"),
        (backend("'Metadata-Version: 2.1\\nName: duo\\n'"), "its metadata gives no name and version"),
        (backend("'Metadata-Version: 2.1\\nName: duo\\nVersion: new'"), "its metadata gives a version that is none"),
        (
            backend("f'Metadata-Version: 2.1\\nName: duo\\nVersion: {random.randrange(10**9)}'"),
            "answered other metadata when it was asked again",
        ),
        (
            {"pyproject.toml": TABLE.replace("requires = []", 'requires = ["no-such-project"]')},
            "what its build requires cannot be had",
        ),
    ],
    ids=["scm", "versioneer", "fails", "unnamed", "no version", "bad version", "changing", "closure"],
)
def test_what_tells_no_version_is_refused_in_one_sentence(machine: Machine, files: dict[str, str], reason: str) -> None:
    write_tree(machine.home / "folder", files)
    asked = machine.mach("lock", "./folder", *PYTHON, code=1)
    error = next(line for line in asked.stderr.splitlines() if line.startswith("error"))
    assert error.startswith("error[version-not-told]: ./folder cannot be used: ")
    assert reason in error
    assert "asked for at argument './folder'" in asked.stderr
    assert "hint: state name and version in [project] of its pyproject.toml" in asked.stderr
    assert "unnamed-" not in asked.stderr, "what stands for a name is nobody's business"


def test_git_is_not_part_of_what_the_backend_sees(machine: Machine) -> None:
    repository = Repository(machine.home / "folder")
    script = (
        "import os\nfrom setuptools import setup\nsetup(name='duo', version='2' if os.path.exists('.git') else '1')\n"
    )
    repository.commit({"setup.py": script})
    machine.mach("lock", "./folder", *PYTHON)
    assert pins(machine)["duo"]["version"] == "1"
    machine.mach("lock", f"duo @ {repository.url}@main", *PYTHON)
    assert pins(machine)["duo"]["version"] == "1"
