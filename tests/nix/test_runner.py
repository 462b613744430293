"""Running Nix from mach: results, exit codes, and a machine without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nix.runner import NixFailed, build, find_program, shell
from resolver.errors import InputError, Unavailable
from tests.support.nix import NixStore


@pytest.fixture
def in_store(nix_store: NixStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name, value in nix_store.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


EXPRESSION = """
{ word ? "hello", pkgs ? import <nixpkgs> { } }:
let
  run = name: script: derivation {
    inherit name word; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ];
    PATH = "/usr/bin:/bin";
  };
in
{
  env = run "env" "echo $word >$out";
  broken = run "broken" "echo it is broken >&2; exit 3";
  slow = run "slow" "sleep 60";
  changing = run "changing" "date +%N >$out";
  wrong = builtins.abort "nonsense";
  fetched = derivation {
    name = "fetched"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo x >$out" ];
    outputHashAlgo = "sha256"; outputHashMode = "flat";
    outputHash = "0000000000000000000000000000000000000000000000000000";
  };
  shell = pkgs.mkShell { name = "s"; IN_SHELL = "yes"; };
}
"""


@pytest.fixture
def expression(in_store: Path) -> Path:
    path = in_store / "-odd name.nix"
    path.write_text(EXPRESSION)
    return Path(path.name)


@pytest.mark.nix
def test_build_returns_the_store_path_and_makes_the_link(expression: Path, in_store: Path) -> None:
    link = in_store / "-result"
    path = build(expression, out_link=link)
    assert path.read_text() == "hello\n"
    assert link.is_symlink()
    assert link.resolve() == path
    assert build(expression, arguments={"word": '"other"'}).read_text() == "other\n"
    assert build(expression, out_link=link, arguments={"word": '"other"'}) == link.resolve()


@pytest.mark.nix
@pytest.mark.parametrize(
    ("attribute", "options", "code", "exit_code"),
    [
        ("wrong", [], "nix-evaluation-failed", 1),
        ("missing", [], "nix-evaluation-failed", 1),
        ("broken", [], "nix-build-failed", 100),
        ("slow", ["--timeout", "1"], "nix-timed-out", 101),
        ("fetched", [], "nix-hash-mismatch", 102),
    ],
)
def test_failures_have_a_code_and_nix_own_exit_code(
    expression: Path, attribute: str, options: list[str], code: str, exit_code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NixFailed) as caught:
        build(expression, attribute=attribute, options=options)
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)
    assert capfd.readouterr().err, "Nix says on stderr what went wrong"


@pytest.mark.nix
def test_a_build_that_differs_is_told_apart(expression: Path) -> None:
    build(expression, attribute="changing")
    with pytest.raises(NixFailed) as caught:
        build(expression, attribute="changing", options=["--check"])
    assert (caught.value.code, caught.value.exit_code) == ("nix-not-deterministic", 104)


@pytest.mark.nix
def test_a_command_in_the_shell_gives_its_exit_code(expression: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert shell(expression, command="echo in shell: $IN_SHELL; exit 7") == 7
    assert "in shell: yes" in capfd.readouterr().out


@pytest.mark.nix
def test_a_pure_shell_hides_the_caller(
    expression: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "visible")
    shell(expression, command="echo it is ${SECRET_OF_MINE:-hidden}")
    shell(expression, command="echo it is ${SECRET_OF_MINE:-hidden}", pure=True)
    assert "it is visible\nit is hidden" in capfd.readouterr().out


def test_a_machine_without_nix_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Unavailable) as caught:
        find_program("nix-build-of-no-machine")
    assert caught.value.code == "nix-not-found"
    assert "install Nix" in (caught.value.hint or "")


@pytest.mark.nix
def test_a_file_that_is_not_there(in_store: Path) -> None:
    with pytest.raises(InputError) as caught:
        build(in_store / "missing.nix")
    assert caught.value.code == "file-not-found"
