"""Texts that crafted sdists hold: a setup.py, a pyproject.toml, and a PEP 517 backend of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

__all__ = ["IN_TREE_BACKEND", "setup_script", "setuptools_project"]

#: A backend (PEP 517) that needs nothing: it packs the sdist's Python files with `_backend/METADATA`.
IN_TREE_BACKEND = '''\
"""Packs this sdist's Python files into a wheel with the standard library alone."""

import base64
import email.parser
import hashlib
import re
import zipfile
from pathlib import Path


def _metadata():
    return Path("_backend/METADATA").read_bytes()


def _digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _stem():
    message = email.parser.BytesParser().parsebytes(_metadata())
    name = re.sub(r"[-_.]+", "_", message["Name"]).lower()
    return f"{name}-{message['Version']}"


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    info = f"{_stem()}.dist-info"
    folder = Path(metadata_directory, info)
    folder.mkdir(parents=True)
    folder.joinpath("METADATA").write_bytes(_metadata())
    return info


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    stem = _stem()
    info = f"{stem}.dist-info"
    wheel = "Wheel-Version: 1.0\\nGenerator: in-tree\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    members = {
        path.as_posix(): path.read_bytes()
        for path in sorted(Path().rglob("*.py"))
        if path.parts[0] not in ("_backend", "setup.py")
    }
    members[f"{info}/METADATA"] = _metadata()
    members[f"{info}/WHEEL"] = wheel.encode()
    lines = [f"{path},sha256={_digest(content)},{len(content)}\\n" for path, content in members.items()]
    members[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\\n"]).encode()
    filename = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, filename), "w") as archive:
        for path, content in members.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), content)
    return filename
'''


def setup_script(
    *,
    name: str,
    version: str,
    requires: list[str],
    extras: Mapping[str, list[str]],
    requires_python: str | None,
    files: Iterable[str],
    build_requires: list[str] | None = None,
) -> str:
    """Return a setup.py that states all of it (``setup_requires`` for *build_requires*)."""
    packages, modules = _importable(files)
    arguments: dict[str, object] = {
        "name": name,
        "version": version,
        "packages": packages,
        "py_modules": modules,
        "install_requires": requires,
        "extras_require": dict(extras),
    }
    if requires_python is not None:
        arguments["python_requires"] = requires_python
    if build_requires:
        arguments["setup_requires"] = build_requires
    lines = "".join(f"    {key}={value!r},\n" for key, value in arguments.items())
    return f"from setuptools import setup\n\nsetup(\n{lines})\n"


def setuptools_project(
    *,
    name: str,
    version: str,
    requires: list[str],
    extras: Mapping[str, list[str]],
    requires_python: str | None,
    files: Iterable[str],
    build_requires: list[str],
) -> str:
    """Return a pyproject.toml with [project] (PEP 621) for the setuptools backend.

    TOML's basic strings and arrays of them are JSON's.
    """
    packages, modules = _importable(files)
    lines = [
        "[build-system]",
        f"requires = {json.dumps(build_requires)}",
        'build-backend = "setuptools.build_meta"',
        "",
        "[project]",
        f"name = {json.dumps(name)}",
        f"version = {json.dumps(version)}",
        f"dependencies = {json.dumps(requires)}",
        *([f"requires-python = {json.dumps(requires_python)}"] if requires_python is not None else []),
        *(["", "[project.optional-dependencies]"] if extras else []),
        *(f"{json.dumps(extra)} = {json.dumps(wanted)}" for extra, wanted in extras.items()),
        "",
        "[tool.setuptools]",
        f"packages = {json.dumps(packages)}",
        f"py-modules = {json.dumps(modules)}",
    ]
    return "\n".join(lines) + "\n"


def _importable(files: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the import packages and single modules among *files*."""
    paths = [path for path in files if path.endswith(".py") and path != "setup.py"]
    packages = sorted({path.rpartition("/")[0].replace("/", ".") for path in paths if path.endswith("/__init__.py")})
    return packages, sorted(path.removesuffix(".py") for path in paths if "/" not in path)
