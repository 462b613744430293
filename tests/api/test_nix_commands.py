"""``mach env``, ``mach build`` and ``mach shell``: what Nix makes of what they write."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.nix import NixStore
from tests.support.world import World

pytestmark = pytest.mark.nix

PYTHON = ("--python", HOST_PYTHON)


@pytest.fixture
def nix_machine(world: World, nix_store: NixStore, tmp_path: Path) -> Machine:
    """A machine with Nix."""
    return Machine(home=tmp_path, index_url=world.url, environ=nix_store.env())


def test_a_folder_holds_all_that_building_takes(nix_machine: Machine, nix_store: NixStore) -> None:
    nix_machine.write("requirements.txt", "idna<3.10  # here\n")
    told = nix_machine.mach("env", "python", "-r", "requirements.txt", *PYTHON)
    assert told.stdout == ""
    folder = nix_machine.home / "python"
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(texts) == {"default.nix", "shell.nix", "mach.lock", "requirements.txt"}
    for name in ("default.nix", "shell.nix"):
        nix_store.call("nix-instantiate", "--parse", folder / name)
    # moved elsewhere it is the same environment as the single file's
    moved = nix_machine.home / "moved"
    folder.rename(moved)
    nix_machine.mach("gen", "--lock", "moved/mach.lock", "-o", "single.nix")
    single = nix_machine.home / "single.nix"
    for file, attribute in (("default.nix", "env"), ("default.nix", "shell"), ("shell.nix", None)):
        assert nix_store.instantiate(moved / file, attribute) == nix_store.instantiate(single, attribute or "shell")
    # again, from its own requirements, nothing moves
    nix_machine.mach("env", "moved", "-r", "moved/requirements.txt", *PYTHON)
    assert {path.name: path.read_text() for path in moved.iterdir()} == texts
    again = nix_machine.mach("env", "moved", "-r", "requirements.txt", *PYTHON, "--offline")
    assert {path.name: path.read_text() for path in moved.iterdir()} == texts
    assert again.stdout == ""


def test_a_folder_and_a_file_are_shells_for_nix_shell(nix_machine: Machine, nix_store: NixStore) -> None:
    nix_machine.mach("env", "python", "idna", *PYTHON)
    nix_machine.mach("gen", "--lock", "python/mach.lock", "-o", "single.nix")
    folder = nix_machine.home / "python"
    places: list[tuple[Path, list[str | Path]]] = [
        (folder, []),  # where it looks for shell.nix
        (nix_machine.home, [folder]),
        (nix_machine.home, [folder / "default.nix"]),
        (nix_machine.home, [folder, "-A", "shell"]),
        (nix_machine.home, ["single.nix"]),
    ]
    question = "python -c 'import idna, sys; print(sys.prefix)'"
    env = str(nix_store.build(folder, "env"))
    for cwd, words in places:
        told = nix_store.run("nix-shell", *words, "--run", question, cwd=cwd)
        assert told.stdout.strip() == env, (words, told.stderr)


def test_build_makes_the_link_that_is_asked_for_and_passes_on_nix_exit_code(nix_machine: Machine) -> None:
    built = nix_machine.process("build", "idna", *PYTHON, "-o", "my-python")
    env = Path(built.stdout.strip())
    assert (nix_machine.home / "my-python").resolve() == env
    only = nix_machine.process("build", "idna", *PYTHON, "-o", "one", "--attr", "packages.idna").stdout.strip()
    assert re.fullmatch(r".*-idna-3\.10", only)
    # differ-left and differ-right have one path and different content: refused by Nix, with its own exit code
    nix_machine.process("build", "differ-left", "differ-right", *PYTHON, code=100)
    nix_machine.process("build", "idna", *PYTHON, "--attr", "nonsense", code=1)
    assert not (nix_machine.home / "result").exists()


def test_shell_runs_a_command_with_the_environment(nix_machine: Machine) -> None:
    nix_machine.mach("lock", "idna", *PYTHON)
    code = "import idna, sys; print(idna.__name__, sys.prefix)"
    told = nix_machine.process("shell", "--lock", "mach.lock", "--run", f"python -c '{code}'")
    name, prefix = told.stdout.split()[-2:]
    assert name == "idna"
    assert prefix.startswith(nix_machine.environ["NIX_STORE_DIR"])
    show = "echo secret is ${MY_SECRET:-hidden}; exit 7"
    for words, seen in (([], "visible"), (["--pure"], "hidden")):
        told = nix_machine.process("shell", "idna", *PYTHON, *words, "--run", show, code=7, MY_SECRET="visible")
        assert f"secret is {seen}" in told.stdout


def test_without_nix_it_is_said_what_to_install(nix_machine: Machine, tmp_path: Path) -> None:
    empty = Machine(home=tmp_path, index_url=nix_machine.index_url, environ={"PATH": str(Path(sys.executable).parent)})
    for command in ("build", "shell"):
        told = empty.mach(command, "idna", code=3)
        assert "error[nix-not-found]" in told.stderr
        assert "install Nix" in told.stderr
