"""What a source tree states without being built: its build system, and [project] (PEP 621) or PKG-INFO (PEP 643)."""

from __future__ import annotations

import stat
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508
from packaging.version import InvalidVersion, Version

from db.facts import BuildSystem, check_text
from resolver.names import NormalizedName, normalize_project

from . import build_system as tables
from .build_system import read_build_system
from .cargo_lock import UnusableCargoLock
from .core_metadata import CoreMetadata, UnusableMetadata, parse_core_metadata
from .hook_failures import FailureClass, Refused
from .rust_source import find_crates, look_in_tree

__all__ = ["SourceMetadata", "parse_pyproject", "read_tree", "to_build_system"]

_LARGEST = 4 << 20
#: Keys of [project] that decide what a release needs.
_DECIDING = frozenset({"dependencies", "optional-dependencies", "requires-python"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMetadata:
    """What a source tree states."""

    project: NormalizedName | None
    """None where only its build backend can tell."""
    version: str | None
    """Normalised (PEP 440); None where only its build backend can tell, as with all else then."""
    requires_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()
    requires_python: str | None = None
    takes_a_build: bool = False
    """Whether it states at most name and version: its build backend tells what it requires."""
    is_whole: bool = False
    """Whether a [project] has all keys that tell what it requires; those left out state that there is nothing."""


def read_tree(folder: Path) -> tuple[SourceMetadata, BuildSystem]:
    """Return what the source tree in *folder* states, and how it is built; nothing in it is run.

    :raises UnusableMetadata: where it is no Python project, or its build system is none.
    :raises OSError: where it cannot be read.
    """
    try:
        build = to_build_system(read_build_system(folder))
    except Refused as refused:
        if refused.failure.kind is FailureClass.NO_BACKEND:
            raise UnusableMetadata(
                "it holds no Python project: there is no pyproject.toml and no setup.py"
            ) from refused
        raise UnusableMetadata(refused.failure.reason) from refused
    data = _read(folder / "pyproject.toml")
    try:
        paths = look_in_tree(folder, build.requires)
        crates = find_crates(data, build.requires, paths, lambda path: _read_lock(folder / path))
    except UnusableCargoLock as error:
        raise UnusableMetadata(str(error)) from error
    build = replace(build, crates=crates)
    found = None if data is None else parse_pyproject(data)
    if found is None or found.takes_a_build:
        info = _read(folder / "PKG-INFO")
        if info is not None:
            found = _from_pkg_info(info) or found
    return found or SourceMetadata(project=None, version=None, takes_a_build=True), build


def to_build_system(found: tables.BuildSystem) -> BuildSystem:
    """Return a build system as a fact has it: without a backend where that is setuptools of old."""
    backend = None if found.backend == tables.LEGACY_BACKEND else found.backend
    return BuildSystem(requires=found.requires, backend=backend, backend_path=found.backend_path)


def _read(path: Path) -> bytes | None:
    """Return the content of a plain file: a link in a stranger's tree may lead anywhere."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise UnusableMetadata(f"its {path.name} is not a plain file")
    except FileNotFoundError:
        return None
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise UnusableMetadata(f"its {path.name} is larger than {_LARGEST} bytes")
    return data


def _read_lock(path: Path) -> bytes:
    data = _read(path)
    if data is None:
        raise UnusableMetadata(f"its {path.name} went while it was read")
    return data


def parse_pyproject(data: bytes, *, version: Version | None = None) -> SourceMetadata | None:
    """Return what the [project] table states; None where there is none, or no version at all.

    What it states stands, whatever else is dynamic (PEP 621): a version that only the backend
    knows leaves the dependencies as they are.

    :param version: the sdist's, as its file name has it, which counts where it is dynamic; None for a source tree.
    :raises UnusableMetadata: where it is broken.
    """
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise UnusableMetadata(f"its pyproject.toml does not parse ({type(error).__name__})") from error
    table = document.get("project")
    if table is None:
        return None
    try:
        if not isinstance(table, dict):
            raise TypeError("project is not a table")
        dynamic = _texts(table.get("dynamic", []))
        if "version" in table and "version" not in dynamic:
            version = Version(_text(table["version"]))
        elif "version" not in dynamic:
            return None
        elif version is None:
            return SourceMetadata(project=_name(table.get("name")), version=None, takes_a_build=True)
        project, stated = _name(table.get("name")), str(version)
        if _DECIDING & set(dynamic) or _is_poetrys(document, table):
            return SourceMetadata(project=project, version=stated, takes_a_build=True)
        extras = table.get("optional-dependencies", {})
        if not isinstance(extras, dict):
            raise TypeError("project.optional-dependencies is not a table")
        requires = [_requirement(text, None) for text in _texts(table.get("dependencies", []))]
        for extra, texts in extras.items():
            requires += [_requirement(text, _name(extra)) for text in _texts(texts)]
        python = table.get("requires-python")
        return SourceMetadata(
            project=project,
            version=stated,
            requires_dist=tuple(requires),
            provides_extra=tuple(_name(extra) for extra in extras),
            requires_python=None if python is None else _text(python),
            is_whole=table.keys() >= _DECIDING,
        )
    except (TypeError, InvalidVersion, InvalidRequirement, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UnusableMetadata(f"its pyproject.toml has a [project] that does not parse: {reason}") from error


def _is_poetrys(document: dict[str, Any], table: dict[str, Any]) -> bool:
    """Return whether the dependencies are in [tool.poetry], which its backend adds to a [project] without any."""
    tool = document.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    return "dependencies" not in table and isinstance(poetry, dict) and "dependencies" in poetry


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > 65_536:
        raise TypeError("a text is missing in project")
    return check_text(value)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > 20_000:
        raise TypeError("a list is missing in project")
    return [_text(item) for item in value]


def _name(value: Any) -> NormalizedName:
    return normalize_project(_text(value))


def _requirement(text: str, extra: str | None) -> str:
    """Return a Requires-Dist line: the requirement, under the marker of its extra (PEP 621)."""
    parsed = Pep508(text)
    if extra is None:
        return str(parsed)
    marker = f"({parsed.marker}) and " if parsed.marker is not None else ""
    parsed.marker = None
    return f'{parsed} ; {marker}extra == "{extra}"'


def _from_pkg_info(data: bytes) -> SourceMetadata | None:
    name = version = ""
    for line in data.decode("utf-8", "replace").split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        if key.lower() == "name":
            name = value.strip()
        elif key.lower() == "version":
            version = value.strip()
    try:
        project, stated = normalize_project(name), str(Version(version))
    except ValueError as error:
        raise UnusableMetadata("its PKG-INFO gives no name and version") from error
    metadata: CoreMetadata = parse_core_metadata(data, project=project, version=None)
    if not metadata.is_static:
        return None
    return SourceMetadata(
        project=project,
        version=stated,
        requires_dist=metadata.requires_dist,
        provides_extra=metadata.provides_extra,
        requires_python=metadata.requires_python,
    )
