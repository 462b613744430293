"""What configuration files and the environment add to the options of a command."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .console import Console

if TYPE_CHECKING:
    from api.config import Configuration

__all__ = ["Configured", "configure", "configured_text", "read_configuration"]

_PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What does not fit into a command's options."""

    texts: dict[str, str] = field(default_factory=dict)
    """Requirements, as lines of a requirements file, by the name that messages show."""
    constraint_texts: dict[str, str] = field(default_factory=dict)
    project_file: Path | None = None
    """The configuration file, where it says what is asked for."""

    def request_files(self, named: tuple[str, ...]) -> tuple[str, ...]:
        """Return the files that the request stands in; the lock lies beside the first one.

        :param named: those that are read.
        """
        return named if self.project_file is None else (str(self.project_file), *named)

    def lock_folder(self, named: tuple[str, ...]) -> Path:
        """Return the folder of the lock that belongs to the request."""
        files = self.request_files(named)
        return Path(files[0]).parent if files else Path()


def read_configuration(folder: Path) -> Configuration:
    """Return the settings for a request whose files lie in *folder*.

    :raises InputError: ``unknown-setting``, ``invalid-configuration``, ``invalid-toml``, ``unreadable-file``.
    """
    from api.config import load_configuration

    from .files import read_text

    return load_configuration(folder, environ=os.environ, user_file=_user_file(), read=read_text)


def _is_anything_configured(folder: Path) -> bool:
    """Return whether there is any configuration: most have none, and need not wait for :mod:`api.config`."""
    from api.config_files import find_project_file

    from .files import read_text

    variables = any(name.startswith("MACH_") and name != "MACH_DB" for name in os.environ)
    return variables or _user_file().is_file() or find_project_file(folder, read_text) is not None


def _user_file() -> Path:
    if sys.platform.startswith("linux"):  # what platformdirs answers, without the time that its import takes
        return Path(os.environ.get("XDG_CONFIG_HOME", "").strip() or "~/.config").expanduser() / "mach" / "config.toml"
    import platformdirs

    return platformdirs.user_config_path("mach", appauthor=False) / "config.toml"


def configured_text(name: str) -> str | None:
    """Return what the configuration says of the setting *name* for the current folder; None where it says nothing."""
    if not _is_anything_configured(Path()):
        return None
    setting = read_configuration(Path()).get(name)
    return None if setting is None else str(setting.value)


def configure(values: dict[str, Any]) -> Configured:
    """Put what is configured into *values*, the options of the current command, where the user gave none.

    :raises InputError: as :func:`read_configuration`.
    """
    context = click.get_current_context()

    def given(parameter: str) -> bool:
        source = context.get_parameter_source(parameter)
        return source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)

    named = [file for file in values["files"] if file != "-"]
    asks = bool(values["files"] or values["requirements"] or values["editables"])
    folder = Path(named[0]).parent if named else Path()
    if not _is_anything_configured(folder):
        if not asks:
            _take_pyproject(values, [Path()])
        return Configured()
    configuration = read_configuration(folder)
    console = Console.current()
    for note in configuration.notes:
        console.warn(note)
    for (name, _), setting in sorted(configuration.settings.items()):
        parameter = setting.key.parameter
        if setting.key.request and (asks or name == "requirements"):
            continue
        if name == "constraints" or setting.key.kind == "by-project" or parameter not in values or given(parameter):
            continue
        values[parameter] = setting.value
    for parameter, key in (("providers", "providers"), ("prerelease", "prerelease"), ("as_of", "as-of")):
        # an option for one project leaves what is configured for the others
        configured = [f"{s.project}={s.value}" for s in configuration.by_project(key)]
        if parameter == "prerelease" and values["pre"]:
            configured.append("allow")
        values[parameter] = (*configured, *values[parameter])
    texts = {} if asks else _lines(configuration, "requirements")
    request_file = configuration.project_file if texts or (values["files"] and not asks) else None
    if not asks and not texts and not values["files"]:
        beside = configuration.project_file
        _take_pyproject(values, [Path()] if beside is None else [Path(), beside.parent])
    elif request_file is not None:
        console.note(f"asking for what {request_file} names")
    return Configured(texts=texts, constraint_texts=_lines(configuration, "constraints"), project_file=request_file)


def _take_pyproject(values: dict[str, Any], folders: list[Path]) -> None:
    """Ask for what the pyproject.toml in the first of *folders* that has one states."""
    for folder in folders:
        path = folder / _PYPROJECT
        if path.is_file():
            values["files"] = (str(path),)
            Console.current().note(f"asking for what {path} states")
            return


def _lines(configuration: Configuration, name: str) -> dict[str, str]:
    setting = configuration.get(name)
    if setting is None or not isinstance(setting.value, tuple) or not setting.value:
        return {}
    return {f"{setting.source}: {name}": "".join(f"{line}\n" for line in setting.value)}
