"""Requests that cannot be understood or met: what the user reads, and the exit code."""

from __future__ import annotations

import json
import os

import pytest

from resolver.errors import printable
from tests.api.bad_input.refusals import check_refusal, refuse
from tests.api.bad_input.texts import HOSTILE
from tests.e2e.machines import Machine


def test_a_requirement_that_does_not_parse_is_told_with_its_place(machine: Machine):
    machine.write("requirements.txt", "idna\n\n# a comment\nrequests >> 2\n")
    machine.write("outer.txt", "-r requirements.txt\n")
    asked = refuse(machine, "gen", "requests >> 2", error="invalid-requirement", code=2)
    assert "argument 'requests >> 2'" in asked.stderr
    for words, stdin, place in (
        (("-r", "requirements.txt"), "", "requirements.txt:4"),
        (("-r", "outer.txt"), "", "requirements.txt:4"),
        (("-r", "-"), "idna\nrequests >> 2\n", "<stdin>:2"),
        (("idna", "-c", "requirements.txt"), "", "requirements.txt:4"),
    ):
        asked = refuse(machine, "lock", *words, error="invalid-requirement", code=2, stdin=stdin)
        assert f"at {place}\n" in asked.stderr
        assert "'requests >> 2'" in asked.stderr


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_as_a_requirement_is_refused_inert(machine: Machine, name: str):
    text = HOSTILE[name]
    if "\0" not in text:  # no argument of a process can hold one
        asked = machine.mach("gen", "--offline", "--", text, code=2)
        assert "error[" in asked.stderr
        assert asked.stdout == ""
        assert asked.stderr.replace("\n", "").isprintable()
        assert len(asked.stderr) < 2_000
    (machine.home / "r.txt").write_bytes(b"idna\n" + text.encode("utf-8", "surrogatepass") + b"\n")
    # with line ends in it, it is several requirements, and an option may be one that a file may hold
    several = name in ("newline", "carriage-return", "line-separator", "option")
    asked = machine.mach("gen", "--offline", "-r", "r.txt", code=3 if several else 2)
    assert ("error[not-covered]" if several else "r.txt") in asked.stderr
    assert asked.stderr.replace("\n", "").isprintable()
    assert not list(machine.home.glob("mach-was-here*"))


def test_a_marker_with_invisible_characters_is_refused(machine: Machine):
    for text in ("\x1b[31m", "\u202e", "\x9b1m", "\u200b"):
        asked = refuse(machine, "gen", f"idna; os_name != '{text}'", error="invalid-requirement", code=2)
        assert "invisible" in asked.stderr


def test_a_password_is_not_repeated(machine: Machine):
    secret = "https://user:s3cret@index.example/x-1.0-py3-none-any.whl"
    machine.write("r.txt", f"x @ {secret}\n")
    for words in ((f"x @ {secret}",), (f"git+{secret}",), ("-r", "r.txt")):
        asked = refuse(machine, "gen", *words, error="direct-reference-unsupported", code=2)
        assert "s3cret" not in asked.stderr


def test_files_that_cannot_be_read(machine: Machine):
    machine.write("outer.txt", "idna\n-r inner/none.txt\n")
    (machine.home / "folder").mkdir()
    asked = refuse(machine, "gen", "-r", "none.txt", error="unreadable-file", code=2)
    assert "none.txt cannot be read: No such file or directory" in asked.stderr
    asked = refuse(machine, "gen", "-r", "outer.txt", error="unreadable-file", code=2)
    assert "inner/none.txt cannot be read" in asked.stderr
    assert "named at outer.txt:2" in asked.stderr
    asked = refuse(machine, "gen", "-r", "folder", error="unreadable-file", code=2)
    assert "folder cannot be read: Is a directory" in asked.stderr
    asked = refuse(machine, "gen", "-r", "\x1b[31m\u202e${x}", error="unreadable-file", code=2)
    assert r"\x1b[31m\u202e${x}" in asked.stderr


def test_files_that_are_no_text(machine: Machine):
    (machine.home / "binary.txt").write_bytes(bytes(range(128, 256)) * 10)
    (machine.home / "nul.txt").write_bytes(b"idna\nreq\0uests\n")
    asked = refuse(machine, "gen", "-r", "binary.txt", error="requirements-encoding", code=2)
    assert "binary.txt" in asked.stderr
    asked = refuse(machine, "gen", "-r", "nul.txt", error="requirements-encoding", code=2)
    assert "nul.txt:2" in asked.stderr


def test_files_that_name_themselves(machine: Machine):
    machine.write("a.txt", "-r sub/b.txt\n")
    machine.write("sub/b.txt", "-c ../a.txt\n")
    asked = refuse(machine, "gen", "-r", "a.txt", error="requirements-cycle", code=2)
    assert "sub/b.txt:1" in asked.stderr
    assert "a.txt -> sub/b.txt -> a.txt" in asked.stderr


def test_standard_input_that_is_empty_or_closed(machine: Machine):
    refuse(machine, "gen", "-r", "-", error="empty-request", code=2)
    refuse(machine, "gen", error="empty-request", code=2)


def test_an_unknown_project_and_a_version_that_does_not_exist(machine: Machine):
    machine.write("r.txt", "idna\nno-such-thing>=1\n")
    asked = refuse(machine, "gen", "-r", "r.txt", error="unknown-project", code=1)
    assert "'no-such-thing'" in asked.stderr
    assert "r.txt:2" in asked.stderr
    asked = refuse(machine, "gen", "requests==99", error="no-such-version", code=1)
    assert "requests==99" in asked.stderr
    assert "2.32.5" in asked.stderr, "the newest that there is"


def test_a_wrong_hash_names_both_values(machine: Machine):
    wrong = "sha256:" + "0" * 64
    machine.write("r.txt", f"idna==3.7 --hash={wrong}\n")
    asked = refuse(machine, "lock", "-r", "r.txt", error="hash-mismatch", code=1)
    assert wrong in asked.stderr.replace("sha256: ", "sha256:")
    assert "r.txt:1" in asked.stderr
    assert not (machine.home / "mach.lock").exists()
    machine.write("r.txt", "idna --hash=sha256:12\n")
    asked = refuse(machine, "lock", "-r", "r.txt", error="invalid-hash", code=2)
    assert "r.txt:1" in asked.stderr


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (("--platform", "vax"), "unknown-platform", "x86_64-linux"),
        (("--platform", "x86_64-darwin"), "platform-gone", "26.05"),
        (("--python", "abc"), "invalid-python", "3.12"),
        (("--python", "3.9"), "unsupported-python", "3.12"),
        (("--providers", "foo"), "unknown-provider", "wheel"),
        (("--providers", ""), "invalid-providers", "wheel"),
        (("--providers", "conda"), "provider-not-built", "wheel"),
        (("--providers", "a b=wheel"), "invalid-name", "a b"),
        (("--prefer", "oldest"), "invalid-choice", "newest"),
        (("--as-of", "yesterday"), "invalid-date", "2024-05-01"),
        (("--as-of", "0001-01-01T00:00:00+14:00"), "invalid-date", "2024-05-01"),
        (("--as-of", "9999-12-31T23:59:59-14:00"), "invalid-date", "2024-05-01"),
        (("--index-url", "foo"), "invalid-index-url", "https://"),
        (("--index-url", "ftp://x/"), "invalid-index-url", "http"),
        (("--nixpkgs", "abc"), "invalid-nixpkgs", "--nixpkgs-sha256"),
        (("--nixpkgs", "./none.lock"), "unreadable-file", "none.lock"),
        (("--db", "mysql://x"), "invalid-catalog-url", "postgresql://"),
        (("--db", "postgresql://u:s3cret@[::x"), "invalid-catalog-url", "postgresql://"),
        (("--snapshot", "zzz"), "unknown-snapshot", "mach db snapshots"),
        (("--max-age", "soon"), "usage", "--max-age"),
        (("--nope",), "usage", "--nope"),
        (("--offline", "--refresh"), "usage", "--refresh"),
        (("--snapshot", "x", "--refresh"), "usage", "--snapshot"),
    ],
)
def test_option_values_that_cannot_be(machine: Machine, words: tuple[str, ...], error: str, said: str):
    asked = refuse(machine, "gen", "idna", *words, error=error, code=2)
    assert said in asked.stderr
    assert "s3cret" not in asked.stderr
    known_late = ("unknown-snapshot", "invalid-catalog-url")
    assert "resolving for" not in asked.stderr or error in known_late, "it is refused before any work"


OPTIONS = "--platform --python --providers --prefer --as-of --index-url --extra-index-url --nixpkgs --nixpkgs-sha256"
OPTIONS += " --snapshot --max-age -r -c --lock"


@pytest.mark.parametrize("option", OPTIONS.split())
def test_hostile_values_of_options_end_as_text(machine: Machine, option: str):
    for text in HOSTILE.values():
        if "\0" in text:
            continue
        words = [option, text] if option == "--lock" else [option, text, "idna"]
        asked = machine.mach("gen", *words, code=2)
        assert asked.stdout == ""
        assert asked.stderr.count("error[") == 1
        assert asked.stderr.replace("\n", "").isprintable()
    assert not list(machine.home.glob("mach-was-here*"))


@pytest.mark.parametrize(
    "words",
    [
        ("idna",),
        ("-r", "r.txt"),
        ("-c", "r.txt"),
        ("--python", "3.12"),
        ("--platform", "x86_64-linux"),
        ("--prefer", "provider"),
        ("--pre",),
        ("--index-url", "http://127.0.0.1:1/"),
        ("--nixpkgs", "x"),
        ("--snapshot", "x"),
        ("--refresh",),
    ],
)
def test_what_a_lock_would_not_heed_is_refused_beside_it(machine: Machine, words: tuple[str, ...]):
    machine.write("r.txt", "idna\n")
    for command in ("gen", "build", "shell"):
        asked = refuse(machine, command, "--lock", "mach.lock", *words, error="usage", code=2)
        assert "--lock and " in asked.stderr


def test_commands_that_do_not_exist(machine: Machine):
    for words in (("resolve",), ("db", "drop"), ("\x1b[31m",)):
        asked = refuse(machine, *words, error="usage", code=2)
        assert "--help" in asked.stderr


def test_with_json_there_is_one_document_whatever_goes_wrong(machine: Machine):
    machine.write("broken.lock", "{")
    for words, error, code in (
        (("lock", "idna >> 1", "--json"), "invalid-requirement", 2),
        (("lock", "no-such-thing", "--json"), "unknown-project", 1),
        (("lock", "--json", "--nope"), "usage", 2),
        (("tree", "--lock", "broken.lock", "--json"), "lock-invalid", 3),
        (("db", "status", "--db", str(machine.home), "--json"), "catalog-unwritable", 3),
        (("why", "\u202e", "--lock", "none", "--json"), "no-lock", 2),
    ):
        asked = machine.mach(*words, code=code)
        told = asked.json["error"]
        assert told["code"] == error
        assert told["hint"]
        assert asked.stdout.replace("\n", "").isprintable()
        check_refusal(type(asked)(code=code, stdout="", stderr=asked.stderr), error)


def test_a_terminal_in_another_encoding_gets_the_same_bytes(machine: Machine):
    machine.mach("lock", "idna", "-o", "x.lock")
    expected = machine.process("gen", "--lock", "x.lock").stdout
    assert machine.process("gen", "--lock", "x.lock", LC_ALL="POSIX", PYTHONIOENCODING="ascii").stdout == expected
    asked = machine.process("gen", "é >> 1", code=2, LC_ALL="POSIX", PYTHONIOENCODING="ascii")
    check_refusal(asked, "invalid-requirement")


def test_a_name_to_upgrade_that_is_not_locked_is_said(machine: Machine):
    machine.write("r.txt", "idna\n")
    machine.mach("lock", "-r", "r.txt")
    asked = machine.mach("lock", "-r", "r.txt", "--upgrade-package", "idma")
    assert "warning: --upgrade-package idma changes nothing" in asked.stderr
    refuse(machine, "lock", "-r", "r.txt", "--upgrade-package", "a b", error="invalid-name", code=2)
    refuse(machine, "lock", "-r", "r.txt", "--check", "--upgrade", error="usage", code=2)


def test_printable_covers_every_character_that_steers():
    for text in HOSTILE.values():
        assert printable(text).isprintable()
    assert os.linesep == "\n"
    assert json.loads(json.dumps(printable("\ud800"))) == "\\ud800"
