"""The 38 requests of ``shared/resolver-cases/pip-cases.json``: a date, a Python version and pip 26.0's result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from resolver.names import normalize_project

__all__ = ["CASES", "Case", "identify", "read_cases"]

CASES = Path(__file__).resolve().parents[3] / "shared" / "resolver-cases" / "pip-cases.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request and what pip made of it."""

    name: str
    """Without the folder: ``boto3-urllib3-transient``."""
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    python: str
    """X.Y."""
    as_of: str
    pins: dict[str, str] | None
    """Normalised project -> version; None where pip has no result."""
    files: dict[str, str]
    """Project -> the file that pip took."""
    failure: str | None
    rounds: int
    visited: int
    """Files whose metadata pip asked for."""


def read_cases(path: Path = CASES) -> dict[str, Case]:
    """Return the cases by name, in the order of the file."""
    cases = (_read(value) for value in json.loads(path.read_bytes()))
    return {case.name: case for case in cases}


def _read(value: dict[str, Any]) -> Case:
    pip = value["pip"]
    pins, files = {}, {}
    for filename in pip["pins"] or ():
        project, version = identify(filename)
        pins[project], files[project] = version, filename
    return Case(
        name=value["name"].rpartition("/")[2],
        requirements=tuple(value["requirements"]),
        constraints=tuple(value["constraints"] or ()),
        python=value["python"],
        as_of=value["as_of"].replace(" ", "T"),
        pins=pins if pip["success"] else None,
        files=files,
        failure=pip["failure"],
        rounds=pip["rounds"],
        visited=pip["wheels_visited"] + pip["sdists_visited"],
    )


def identify(filename: str) -> tuple[str, str]:
    """Return the normalised project and the version that a wheel's or sdist's name states."""
    if filename.endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(filename)
    else:
        name, version = parse_sdist_filename(filename)
    return normalize_project(name), str(version)
