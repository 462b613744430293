"""Evaluating the Python set of a nixpkgs, attribute by attribute, so that a broken one costs only itself."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from resolver.errors import DataError, printable, shorten
from resolver.nixpkgs_modules import ModuleIdentity, PythonModule

from .runner import find_program

__all__ = ["Evaluation", "Fault", "evaluate_tree"]

#: Attributes that one process evaluates; where one of them ends it, its halves are tried.
CHUNK = 500
#: Seconds for one process.
SECONDS = 600
_ERROR = re.compile(r"^\s*error: *(.*\S)", re.M)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An attribute that cannot be evaluated."""

    name: str
    reason: str
    """A clause, safe for a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a Python set has."""

    version: str
    """Of the interpreter: ``3.11.9``."""
    glibc: str | None
    """Version; None where the system has none."""
    darwin: str | None
    """Oldest macOS that it runs on; None on other systems."""
    attributes: tuple[PythonModule, ...]
    """Sorted by name."""
    faults: tuple[Fault, ...]
    """Sorted by name."""
    evaluations: int
    """Processes that it took."""


def evaluate_tree(
    tree: Path,
    *,
    system: str,
    python: str,
    jobs: int = 2,
    told: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> Evaluation:
    """Return the modules of ``PYTHON.pkgs`` in a nixpkgs.

    Nothing is built and no path of a derivation is asked for. ``tryEval`` catches ``throw`` and
    ``assert``; what it does not catch (a missing attribute, a wrong type, ``abort``, endless
    recursion) ends a process, whose attributes are then tried in halves.

    :param tree: an absolute folder.
    :param system: Nix system name; need not be this machine's.
    :param python: attribute of the interpreter, ``python311``.
    :param jobs: processes at once.
    :param told: is called with how many of how many attributes are done, and one of them.
    :raises Unavailable: ``nix-not-found``.
    :raises DataError: ``nixpkgs-not-evaluated`` where the set as a whole is not there.
    """
    with as_file(files("nix").joinpath("index_tree.nix")) as program, tempfile.TemporaryDirectory() as scratch:
        run = _Run(program, tree, system, python, Path(scratch))
        head = run.evaluate(None)
        trouble = head if isinstance(head, str) else None if head["version"] else "its interpreter has no version"
        if trouble is not None:
            raise DataError(
                "nixpkgs-not-evaluated",
                f"{tree} has no Python set {python} for {system}: {trouble}",
                hint="give the folder of a nixpkgs, and a --python that it has",
            )
        names = [name for name in head["names"] if isinstance(name, str)]
        found, faults = run.evaluate_all(names, jobs, told)
    return Evaluation(
        version=head["version"],
        glibc=head["glibc"],
        darwin=head["darwin"],
        attributes=tuple(sorted(found, key=lambda attribute: attribute.name)),
        faults=tuple(sorted(faults, key=lambda fault: fault.name)),
        evaluations=run.evaluations,
    )


class _Run:
    def __init__(self, program: Path, tree: Path, system: str, python: str, scratch: Path) -> None:
        self._command = [
            *(find_program("nix-instantiate"), "--eval", "--strict", "--json", str(program)),
            *("--argstr", "path", str(tree), "--argstr", "system", system, "--argstr", "python", python),
            *("--option", "allow-import-from-derivation", "false"),
        ]
        self._scratch = scratch
        self.evaluations = 0

    def evaluate(self, names: Sequence[str] | None) -> Any:
        """Return what the program says of *names*, or as a text why it says nothing."""
        self.evaluations += 1
        command = list(self._command)
        if names is not None:
            file = self._scratch / f"names-{self.evaluations}-{names[0].encode().hex()[:40]}.json"
            file.write_text(json.dumps(names))
            command += ["--argstr", "namesFile", str(file)]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False, cwd="/"
            )
        except subprocess.TimeoutExpired:
            return f"it takes longer than {SECONDS} seconds"
        if done.returncode != 0:
            return _reason(done.stderr.decode(errors="replace"), done.returncode)
        return json.loads(done.stdout)

    def evaluate_all(
        self, names: Sequence[str], jobs: int, told: Callable[[int, int, str], None]
    ) -> tuple[list[PythonModule], list[Fault]]:
        found: list[PythonModule] = []
        faults: list[Fault] = []
        done = 0
        with ThreadPoolExecutor(jobs) as pool:
            waiting: dict[Future[Any], Sequence[str]] = {}

            def start(chunk: Sequence[str]) -> None:
                waiting[pool.submit(self.evaluate, chunk)] = chunk

            for at in range(0, len(names), CHUNK):
                start(names[at : at + CHUNK])
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    chunk = waiting.pop(future)
                    said = future.result()
                    if isinstance(said, str) and len(chunk) > 1:
                        half = len(chunk) // 2
                        start(chunk[:half])
                        start(chunk[half:])
                        continue
                    if isinstance(said, str):
                        faults.append(Fault(name=chunk[0], reason=said))
                    else:
                        for name in chunk:
                            _sort(name, said[name], found, faults)
                    done += len(chunk)
                    told(done, len(names), chunk[-1])
        return found, faults


def _sort(name: str, value: Any, found: list[PythonModule], faults: list[Fault]) -> None:
    if value is None:
        return
    if "fault" in value:
        faults.append(Fault(name=name, reason=value["fault"]))
        return
    identity = _identity(value)
    if identity is None:
        faults.append(Fault(name=name, reason="it has no version"))
        return
    found.append(
        PythonModule(
            name=name,
            identity=identity,
            dependencies=tuple(i for i in map(_identity, value["dependencies"]) if i is not None),
            extras={
                extra: tuple(i for i in map(_identity, modules) if i is not None)
                for extra, modules in sorted(value["extras"].items())
            },
            marks=tuple(value["marks"]),
        )
    )


def _identity(value: Mapping[str, Any]) -> ModuleIdentity | None:
    if not value["pname"] or not value["version"]:
        return None
    return ModuleIdentity(pname=value["pname"], version=value["version"], urls=tuple(value["urls"]))


def _reason(stderr: str, code: int) -> str:
    """Return what Nix says last of all: the error itself, after its trace or before it, as the version has it."""
    lines = [line for line in _ERROR.findall(_COLOURS.sub("", stderr)) if line]
    if not lines:
        return "Nix was ended by a signal" if code < 0 else f"Nix ended with exit code {code}"
    return printable(shorten(lines[-1], 300))
