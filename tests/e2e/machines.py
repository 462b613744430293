"""A person's machine for the tests: a home, a catalog and an index of its own, on which ``mach`` runs for real."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from api.cli import main
from api.cli.console import Console
from tests.support.compiled import host_minor, missing_compiler

__all__ = ["HOST_PYTHON", "ROOT", "Machine", "Outcome"]

ROOT = Path(__file__).resolve().parents[2]

#: X.Y of the interpreter that the stand-in nixpkgs has; this process's own where there is none.
HOST_PYTHON = f"3.{host_minor()}" if missing_compiler() is None else f"3.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command answered: its exit code and both streams."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Stdout as one JSON document."""
        return json.loads(self.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Everything that a command may see of the world.

    :ivar home: the person's folder; commands run in it, and below it lies the default catalog.
    :ivar index_url: what pip's configuration names as the index.
    :ivar environ: further environment variables (those of a Nix store, for example).
    """

    home: Path
    index_url: str
    environ: Mapping[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """Return the whole environment of a command."""
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            **self.environ,
            # those of a Nix store have a HOME, too, in which every machine would find the others' catalog
            "HOME": str(self.home),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": self.index_url,
        }

    def write(self, name: str, text: str) -> Path:
        """Write a file below the home and return its path."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, name: str) -> str:
        """Return the text of a file below the home, bytes for bytes."""
        return (self.home / name).read_bytes().decode()

    def mach(self, *words: str | Path, code: int = 0, stdin: str = "") -> Outcome:
        """Run the command line in this process, which saves its start, and return the outcome.

        :param code: the exit code that is expected.
        """
        stdout, stderr = io.BytesIO(), io.BytesIO()
        out, err = _stream(stdout), _stream(stderr)
        argv = ["mach", *map(str, words)]
        with self._entered(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            source = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
            with patch.object(sys, "argv", argv), patch.object(sys, "stdin", source):
                found = _exit_code()
        out.flush()
        err.flush()
        outcome = Outcome(code=found, stdout=stdout.getvalue().decode(), stderr=stderr.getvalue().decode())
        return _expect(outcome, code, argv)

    def process(self, *words: str | Path, code: int = 0, stdin: str = "", **environ: str) -> Outcome:
        """Run the command line as a process of its own and return the outcome.

        :param environ: further environment variables.
        """
        argv = [sys.executable, "-m", "api.cli", *map(str, words)]
        done = subprocess.run(
            argv,
            cwd=self.home,
            env={**self.env(), "PYTHONPATH": str(ROOT), **environ},
            input=stdin.encode(),
            capture_output=True,
            timeout=300,
        )
        outcome = Outcome(code=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode())
        return _expect(outcome, code, argv)

    @contextlib.contextmanager
    def serve(self, *words: str | Path) -> Iterator[str]:
        """Run ``mach serve`` as a process on a free port and yield its URL."""
        argv = [sys.executable, "-m", "api.cli", "serve", "--port", "0", *map(str, words)]
        environ = {**self.env(), "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(argv, cwd=self.home, env=environ, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            try:
                said = []
                for line in server.stderr:
                    said.append(line)
                    if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                        # who does not read on stops a server that writes on
                        threading.Thread(target=server.stderr.read, daemon=True).start()
                        yield found[1]
                        break
                else:
                    raise AssertionError("the service ended:\n" + "".join(said))
            finally:
                server.terminate()
                assert server.wait(60) in (0, -15), "the service ends when it is told to"

    @contextlib.contextmanager
    def _entered(self) -> Iterator[None]:
        with patch.dict(os.environ, self.env(), clear=True), contextlib.chdir(self.home):
            # what main() sets up for a process of its own is put back
            Console._current, threshold = None, gc.get_threshold()
            try:
                yield
            finally:
                Console._current = None
                gc.set_threshold(*threshold)


def _stream(target: io.BytesIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)


def _exit_code() -> int:
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    raise AssertionError("main() ends with an exit code")


def _expect(outcome: Outcome, code: int, argv: list[str]) -> Outcome:
    assert outcome.code == code, f"exit code {outcome.code} from: {' '.join(argv)}\n{outcome.stderr}"
    return outcome
