"""Runs mach and uv on one case as whole processes against a recording on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resolver.names import normalize_project

from .cases import Case

__all__ = ["Outcome", "python_for", "run_mach", "run_uv"]

_ROOT = Path(__file__).resolve().parents[2]
#: Versions that mach does not know any more, and what stands in for them, for uv as well.
_STANDS_IN = {"3.9": "3.10"}
_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one process answered."""

    code: str
    """``solved``, or mach's error code, ``failed`` for uv."""
    seconds: float
    pins: Mapping[str, str] | None = None
    message: str = ""
    statistics: Mapping[str, int] = field(default_factory=dict)


def python_for(case: Case) -> str:
    """Return the exact version that a case is resolved for."""
    from resolver.interpreters import full_python

    return full_python(_STANDS_IN.get(case.python, case.python))


def _environment() -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_", "MACH_"))}
    return plain | {"PIP_CONFIG_FILE": os.devnull}


def _run(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path
) -> tuple[subprocess.CompletedProcess[str], float]:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=dict(environment), cwd=cwd, timeout=_SECONDS)
    return done, time.perf_counter() - start


def _write(case: Case, folder: Path) -> list[str]:
    """Write the request into *folder* and return the options that read it."""
    (folder / "requirements.in").write_text("".join(f"{line}\n" for line in case.requirements))
    (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in case.constraints))
    return ["-c", "constraints.txt"] if case.constraints else []


def run_mach(case: Case, folder: Path, index: str, *, without: Sequence[str] = (), offline: bool = False) -> Outcome:
    """Lock a case with the catalog in *folder*.

    :param folder: is this case's own: request, catalog and lock lie in it.
    :param without: projects that are left out wherever a release asks for them.
    """
    options = _write(case, folder)
    for project in without:
        options += ["--exclude", project]
    if offline:
        options.append("--offline")
    (folder / "mach.lock").unlink(missing_ok=True)
    command = [sys.executable, "-m", "api.cli", "lock", "-r", str(folder / "requirements.in")]
    command += [str(folder / o) if o == "constraints.txt" else o for o in options]
    command += ["--python", python_for(case), "--platform", "x86_64-linux", "--prefer", "newest", "--as-of", case.as_of]
    command += [
        "--index-url",
        index,
        "--db",
        str(folder / "catalog.sqlite3"),
        "-o",
        str(folder / "mach.lock"),
        "--json",
    ]
    done, seconds = _run(command, _environment(), _ROOT)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return Outcome(code="crashed", seconds=seconds, message=done.stderr[-3000:])
    if "error" in answer:
        error = answer["error"]
        lines = [error["message"], *error.get("context", ())]
        return Outcome(code=error["code"], seconds=seconds, message="\n".join(map(str, lines))[:3000])
    (target,) = json.loads((folder / "mach.lock").read_text())["targets"]
    pins = {pin["name"]: pin["version"] for pin in target["pins"]}
    return Outcome(code="solved", seconds=seconds, pins=pins, statistics=answer["statistics"])


def run_uv(case: Case, folder: Path, index: str, *, without: Sequence[str] = ()) -> Outcome:
    """Compile a case with uv and an empty cache; nothing is built, as in mach.

    :param folder: is this case's own.
    :param without: as for :func:`run_mach`.
    """
    options = _write(case, folder)
    (folder / "excludes.txt").write_text("".join(f"{name}\n" for name in without))
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "requirements.in", *options, "--no-config"]
    command += [
        "--quiet",
        "--no-header",
        "--no-annotate",
        "--no-build",
        "--no-python-downloads",
        "--python",
        sys.executable,
    ]
    command += ["--python-version", python_for(case), "--exclude-newer", f"{case.as_of}Z"]
    command += ["--excludes", "excludes.txt", "--default-index", index, "--cache-dir", str(folder / "uv")]
    patience = {"UV_HTTP_TIMEOUT": "300", "UV_CONCURRENT_DOWNLOADS": "4"}
    try:
        done, seconds = _run(command, _environment() | patience, folder)
    except subprocess.TimeoutExpired:
        return Outcome(code="timeout", seconds=_SECONDS)
    if done.returncode:
        return Outcome(code="failed", seconds=seconds, message=done.stderr[-3000:])
    lines = [line.partition("==") for line in done.stdout.splitlines() if "==" in line]
    pins = {normalize_project(name.partition("[")[0]): version.strip() for name, _, version in lines}
    return Outcome(code="solved", seconds=seconds, pins=pins)
