"""The library for Nix users in tests: questions to it, many of them in one evaluation, and builds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolver.lock import Lock, render_lock
from tests.support.nix import NixOutcome, NixStore

__all__ = ["ROOT", "Library"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A folder with a mach.lock, in which expressions know ``mach``, ``pkgs``, ``lock`` and ``here`` (the folder)."""

    store: NixStore
    folder: Path
    builds: bool = False
    """Whether evaluation builds: requirements are resolved by a derivation."""

    def write(self, lock: Lock, name: str = "mach.lock") -> None:
        """Put a lock into the folder; ``lock`` means mach.lock."""
        (self.folder / name).write_text(render_lock(lock))

    def _file(self, expression: str) -> Path:
        path = self.folder / "question.nix"
        path.write_text(
            "let pkgs = import <nixpkgs> { };\n"
            f"  mach = import {ROOT}/default.nix {{ inherit pkgs; }};\n"
            "  inherit (pkgs) lib;\n"
            "  here = ./.;\n"
            "  lock = ./mach.lock;\n"
            f"in\n{expression}\n"
        )
        return path

    def ask(self, expression: str) -> Any:
        """Return the value of an expression as JSON; all of it is evaluated at once."""
        mode = ["--read-write-mode"] if self.builds else []
        outcome = self.store.call("nix-instantiate", "--eval", "--strict", "--json", *mode, self._file(expression))
        return json.loads(outcome.stdout)

    def ask_each(self, expressions: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of several expressions, evaluated in one go."""
        bound = "".join(f"  {json.dumps(name)} = {text};\n" for name, text in expressions.items())
        value: dict[str, Any] = self.ask(f"{{\n{bound}}}")
        return value

    def refusal(self, expression: str) -> str:
        """Return the sentence with which evaluating an expression ends."""
        outcome = self.store.run("nix-instantiate", "--eval", "--strict", "--json", self._file(expression))
        assert outcome.returncode == 1, outcome.stdout
        (sentence,) = re.findall(r"^error: mach: (.*)$", outcome.stderr, re.MULTILINE) or [outcome.stderr]
        return str(sentence)

    def said(self, expression: str) -> str:
        """Return what evaluating an expression writes to stderr."""
        return self.store.call("nix-instantiate", "--eval", self._file(expression)).stderr

    def try_build(self, expression: str) -> NixOutcome:
        """Build the derivation that an expression is; return the outcome."""
        return self.store.run("nix-build", "--no-out-link", self._file(expression))

    def build(self, expression: str) -> Path:
        """Build the derivation that an expression is; return its output."""
        outcome = self.store.call("nix-build", "--no-out-link", self._file(expression))
        (path,) = outcome.paths
        return path

    def in_shell(self, expression: str, command: str) -> str:
        """Run a command in the shell that an expression is; return what it prints."""
        return self.store.call("nix-shell", self._file(expression), "--run", command).stdout.strip()

    def run(self, *command: str | Path) -> str:
        """Run a program of an output; return what it prints."""
        return self.store.call(*command).stdout.strip()
