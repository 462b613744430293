"""How the command line talks: help, versions, completion, what goes to which stream, colour and verbosity."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.commands import COMMANDS
from resolver import __version__
from tests.e2e.machines import ROOT, Machine

#: Every command as it is typed.
EVERY = [*COMMANDS, *(f"db {name}" for name in ("status", "snapshots", "pin", "verify", "export", "import"))]
ESCAPE = "\x1b"


@pytest.mark.parametrize("command", ["", *EVERY])
def test_every_command_has_help_with_an_example(machine: Machine, command: str) -> None:
    told = machine.mach(*command.split(), "--help")
    assert told.stderr == ""
    assert told.stdout.startswith(f"Usage: mach {command}".rstrip())
    assert max(map(len, told.stdout.splitlines())) <= 100
    assert machine.mach(*command.split(), "-h").stdout == told.stdout
    if command not in ("", "db"):
        assert "\n  Example: " in told.stdout


def test_the_help_of_mach_lists_every_command(machine: Machine) -> None:
    told = machine.mach("--help").stdout
    assert set(COMMANDS) <= set(re.findall(r"^  (\w+(?: \w+)?)  ", told, re.MULTILINE))


def test_the_version(machine: Machine) -> None:
    assert machine.process("--version").stdout == f"mach, version {__version__}\n"


@pytest.mark.parametrize(
    "words", ["nonsense", "gen --nonsense", "gen", "tree --platform", "db nonsense", "lock --max-age x a"]
)
def test_a_wrong_use_is_said_on_stderr(machine: Machine, words: str) -> None:
    told = machine.mach(*words.split(), code=2)
    assert told.stdout == ""
    assert told.stderr


@pytest.mark.parametrize("command", ["", "db", "config"])
def test_a_command_that_takes_another_one_shows_its_help(machine: Machine, command: str) -> None:
    told = machine.mach(*command.split(), code=2)
    assert told.stdout == ""
    assert told.stderr == machine.mach(*command.split(), "--help").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_mach(machine: Machine, shell: str) -> None:
    script = machine.mach("completion", shell).stdout
    assert "_MACH_COMPLETE" in script
    machine.mach("completion", "powershell", code=2)


def test_bash_reads_its_script_and_is_answered(machine: Machine) -> None:
    machine.write("script", machine.mach("completion", "bash").stdout)
    read = subprocess.run(["bash", "-n", machine.home / "script"], capture_output=True, text=True, check=True)
    assert read.stderr == ""
    answer = machine.process(_MACH_COMPLETE="bash_complete", COMP_WORDS="mach s", COMP_CWORD="1")
    assert set(answer.stdout.split()) >= {"plain,shell", "plain,serve"}
    options = machine.process(_MACH_COMPLETE="bash_complete", COMP_WORDS="mach gen --off", COMP_CWORD="2")
    assert options.stdout.split() == ["plain,--offline"]


# ---- streams


def test_quiet_leaves_warnings_and_errors(machine: Machine) -> None:
    assert machine.mach("gen", "idna", "-q").stderr == ""
    loud = machine.mach("gen", "idna==2.10", "-v").stderr
    assert "resolving for Python" in loud
    warned = machine.mach("lock", "certifi==2022.5.18", "-q", "-o", "-")
    assert warned.stderr == "warning: certifi 2022.5.18 was yanked\n"
    assert "error[unknown-project]" in machine.mach("gen", "nobody-has-this", "-q", code=1).stderr


def test_verbose_tells_details(machine: Machine) -> None:
    words = ("lock", "charset-normalizer", "--providers", "sdist,wheel", "-o", "-")
    environ = Machine(home=machine.home, index_url=machine.index_url, environ={"PIP_FIND_LINKS": "/nonexistent"})
    plain, detailed = environ.mach(*words).stderr, environ.mach(*words, "-v").stderr
    assert len(detailed.splitlines()) > len(plain.splitlines())
    assert "find-links" in detailed
    assert "find-links" not in plain


def test_stats_tell_what_the_resolution_did_with_and_without_an_answer(machine: Machine) -> None:
    solved = machine.mach("lock", "idna", "--stats").stderr
    refused = machine.mach("lock", "idna<3", "idna>=3", "--stats", code=1).stderr
    for told in (solved, refused):
        assert re.search(r"^pages +[1-9]", told, re.MULTILINE)
        assert re.search(r"^seconds resolving +[0-9]", told, re.MULTILINE)
    assert re.search(r"^rounds +[1-9]", solved, re.MULTILINE)
    assert "rounds" not in machine.mach("lock", "idna").stderr


def test_json_is_one_document_on_stdout_for_answers_and_errors(machine: Machine) -> None:
    assert machine.mach("lock", "idna", "--json").json["lock"] == "mach.lock"
    failed = machine.mach("lock", "nobody-has-this", "--json", code=1)
    assert failed.json["error"]["code"] == "unknown-project"
    assert "error[unknown-project]" in failed.stderr


def test_a_pipe_gets_plain_text(machine: Machine) -> None:
    done = machine.process("lock", "idna", "-o", "-")
    failed = machine.process("gen", "nobody-has-this", code=1, FORCE_COLOR="")
    assert ESCAPE not in done.stdout + done.stderr + failed.stdout + failed.stderr
    assert "fetching" not in done.stderr


def on_terminal(machine: Machine, *words: str, **environ: str) -> str:
    """Run ``mach`` with stderr on a terminal and return what was written there."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "api.cli", *words]
    env = {**machine.env(), "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environ}
    with subprocess.Popen(argv, cwd=machine.home, env=env, stdout=subprocess.DEVNULL, stderr=theirs):
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 4096):
                text += part
        except OSError:  # how Linux says that the other side of a terminal is closed
            pass
        finally:
            os.close(ours)
    return text.decode()


def test_a_terminal_gets_colour_unless_no_color_is_set(machine: Machine) -> None:
    colourful = on_terminal(machine, "gen", "nobody-has-this")
    assert "\x1b[31merror[unknown-project]:\x1b[0m" in colourful
    plain = on_terminal(machine, "gen", "nobody-has-this", "--offline", NO_COLOR="1")
    assert "\nerror[unknown-project]: " in plain
    assert ESCAPE not in plain


def test_a_terminal_gets_a_progress_bar_unless_it_is_unwanted(machine: Machine, tmp_path: Path) -> None:
    assert "fetching" in on_terminal(machine, "crawl", "idna", "certifi", "--rate", "20")
    (tmp_path / "other").mkdir()
    other = Machine(home=tmp_path / "other", index_url=machine.index_url)
    assert "fetching" not in on_terminal(other, "crawl", "idna", "certifi", "--rate", "20", "--no-progress")


def test_byte_code_that_was_cut_off_is_not_told_as_ctrl_c(machine: Machine, tmp_path: Path) -> None:
    environ = {"PYTHONPYCACHEPREFIX": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": ""}
    machine.process("export", code=2, **environ)
    (written,) = (tmp_path / "cache").rglob("resolver/**/export.*.pyc")
    written.write_bytes(written.read_bytes()[:20])
    told = machine.process("export", code=70, **environ).stderr
    assert "error[bug]: EOFError" in told
    assert "interrupted" not in told
