"""Runs mach, ``uv pip compile`` and ``pip install --dry-run`` on the same request, index and interpreter."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.asking import Asked, Choices, ask, this_system
from api.notices import Notices
from api.service import CatalogChoices, lock_request
from crawler.settings import IndexSettings, read_index_settings
from resolver.lock import Lock
from resolver.names import normalize_project

__all__ = [
    "Pins",
    "Setting",
    "ask_for",
    "lock_with_mach",
    "pins_of",
    "pip_command",
    "run_pip",
    "run_uv",
    "tool_environment",
    "uv_command",
]

#: Normalised project -> version.
Pins = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all three are given alike: interpreter, platform and one index."""

    python: str
    """Exact version of the interpreter that runs this, which pip resolves for and cannot be told otherwise."""
    system: str
    index: str

    @classmethod
    def here(cls) -> Setting:
        """Return the setting of this interpreter and of the main index of pip's configuration."""
        return cls(
            python=platform.python_version(),
            system=this_system(),
            index=read_index_settings().indexes[-1],
        )


def ask_for(requirements: Sequence[str], setting: Setting, prefer: str) -> Asked:
    """Return *requirements* as the command line would ask for them under *setting*."""
    choices = Choices(pythons=(setting.python,), systems=(setting.system,), prefer=prefer, index_url=setting.index)
    return ask(arguments=requirements, choices=choices, read=None)


def lock_with_mach(
    requirements: Sequence[str], setting: Setting, db: Path, *, prefer: str, offline: bool = False
) -> Lock:
    """Return mach's lock from the catalog in *db*, which is filled on the way unless *offline*."""
    catalog = CatalogChoices(db=str(db), offline=offline)
    return lock_request(ask_for(requirements, setting, prefer), catalog, Notices()).lock


def pins_of(lock: Lock) -> dict[str, str]:
    """Return the pins of a lock with one target."""
    (target,) = lock.targets
    return {pin.name: pin.version for pin in target.pins}


def uv_command(setting: Setting, requirements: Path, cache: Path, *, offline: bool = False) -> list[str]:
    """Return the command line of ``uv pip compile`` without any configuration of the machine."""
    command = ["uv", "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate"]
    command[0] = str(Path(sys.executable).with_name("uv"))
    command += ["--python", sys.executable, "--no-python-downloads", "--cache-dir", str(cache)]
    command += ["--default-index", setting.index]
    return [*command, *(["--offline"] if offline else []), str(requirements)]


def pip_command(setting: Setting, requirements: Path, cache: Path, report: Path) -> list[str]:
    """Return the command line of ``pip install --dry-run`` that ignores configuration and installed projects."""
    settings: IndexSettings = read_index_settings()
    command = [sys.executable, "-I", "-m", "pip", "install", "--isolated", "--disable-pip-version-check", "--quiet"]
    command += ["--dry-run", "--ignore-installed", "--report", str(report), "--cache-dir", str(cache)]
    command += ["--index-url", setting.index]
    for option, value in (("--cert", settings.cert), ("--proxy", settings.proxy)):
        if value is not None:
            command += [option, value]
    return [*command, "--requirement", str(requirements)]


def tool_environment() -> dict[str, str]:
    """Return the environment for uv and pip: this one without their options, with the configured certificates."""
    settings = read_index_settings()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_"))}
    if settings.cert is not None:
        environment["SSL_CERT_FILE"] = settings.cert
    if settings.proxy is not None:
        environment["ALL_PROXY"] = settings.proxy
    return environment


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=tool_environment(), timeout=900)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def run_uv(requirements: Sequence[str], setting: Setting, cache: Path) -> dict[str, str]:
    """Return the pins of ``uv pip compile``.

    :raises RuntimeError: where uv fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.in"
        file.write_text("".join(f"{line}\n" for line in requirements))
        pins: dict[str, str] = {}
        for line in _run(uv_command(setting, file, cache)).splitlines():
            name, equals, version = line.partition("==")
            if not equals or ";" in version:
                raise RuntimeError(f"uv's output has a line that is no pin: {line!r}")
            pins[normalize_project(name)] = version.strip()
        return pins


def run_pip(requirements: Sequence[str], setting: Setting, cache: Path) -> dict[str, str]:
    """Return the pins of ``pip install --dry-run --ignore-installed --report``.

    :raises RuntimeError: where pip fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, report = Path(folder) / "requirements.txt", Path(folder) / "report.json"
        file.write_text("".join(f"{line}\n" for line in requirements))
        _run(pip_command(setting, file, cache, report))
        installs = json.loads(report.read_bytes())["install"]
        return {normalize_project(i["metadata"]["name"]): i["metadata"]["version"] for i in installs}
