"""``--fixes`` and the setting ``fixes``: a user's own table goes into what the commands write and build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.machines import HOST_PYTHON, Machine
from tests.support.nix import NixStore
from tests.support.world import World

PYTHON = ("--python", HOST_PYTHON, "--platform", "x86_64-linux")
#: What an expression says where it has the entry.
REASON = 'reason = "to see it"'
TABLE = """\
[[fix]]
project = "idna"
provider = "wheel"
libraries = ["portaudio"]
reason = "to see it"
link = "https://docs.example/idna"
"""


@pytest.fixture
def machine(world: World, tmp_path: Path) -> Machine:
    machine = Machine(home=tmp_path, index_url=world.url)
    machine.write("tables/fixes.toml", TABLE)
    machine.write("requirements.txt", "idna\n")
    return machine


def test_the_commands_take_a_table(machine: Machine) -> None:
    words = ("-r", "requirements.txt", *PYTHON)
    assert REASON not in machine.mach("gen", *words).stdout
    assert '"idna 3.10" = [' in machine.mach("gen", *words, "--fixes", "tables/fixes.toml").stdout
    machine.mach("env", "python", *words, "--fixes", "tables/fixes.toml")
    assert REASON in (machine.home / "python/default.nix").read_text()


def test_the_setting_is_a_path_beside_its_file(machine: Machine) -> None:
    machine.write("mach.toml", 'fixes = "tables/fixes.toml"\n')
    machine.mach("lock", "-r", "requirements.txt", *PYTHON)
    assert REASON in machine.mach("gen", "-r", "requirements.txt", *PYTHON).stdout
    # a lock that is taken as it is
    assert REASON in machine.mach("gen", "--lock", "mach.lock").stdout
    machine.write("none.toml", "")
    assert REASON not in machine.mach("gen", "--lock", "mach.lock", "--fixes", "none.toml").stdout


@pytest.mark.parametrize(
    ("text", "code"),
    [("[[fix]]\nproject = 1\n", "fixes-invalid"), ("[[fix", "invalid-toml"), (None, "unreadable-file")],
)
def test_a_table_that_is_none_is_the_users_error(machine: Machine, text: str | None, code: str) -> None:
    if text is not None:
        machine.write("mine.toml", text)
    told = machine.mach("gen", "idna", *PYTHON, "--fixes", "mine.toml", code=2)
    assert f"error[{code}]" in told.stderr
    assert "mine.toml" in told.stderr
    assert told.stdout == ""


@pytest.mark.nix
def test_a_build_has_what_the_table_names(world: World, nix_store: NixStore, tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, index_url=world.url, environ=nix_store.env())
    machine.write("fixes.toml", TABLE.replace('"portaudio"', '"no-such-library"'))
    told = machine.process("build", "idna", *PYTHON, "--fixes", "fixes.toml", code=1)
    assert "mach: this nixpkgs has no no-such-library, which idna 3.10 takes (to see it)" in told.stderr
