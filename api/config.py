"""Settings from configuration files and the environment: how they are read, and how they are merged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolver.errors import InputError
from resolver.policy import parse_key
from resolver.request_file import nearest
from resolver.requirements_options import redact
from resolver.toml_document import describe_type, parse_toml

from .config_files import find_project_file
from .config_keys import KEYS, Key

__all__ = [
    "Configuration",
    "Layer",
    "Setting",
    "load_configuration",
    "merge",
    "read_environment",
    "read_table",
]

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")

_BY_NAME = {key.name: key for key in KEYS}

#: Value by key and project (``""`` but for ``by-project``): a text, a tuple of texts, a bool or a number.
Values = Mapping[tuple[str, str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one source says."""

    source: str
    """``mach.toml``, ``environment``."""
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value and where it comes from."""

    key: Key
    project: str = ""
    """For ``by-project``: ``_default`` or a normalised project."""
    value: object
    source: str
    """``environment MACH_PYTHON``, a file, or ``default``."""

    @property
    def name(self) -> str:
        """``python``, or ``providers.numpy``."""
        return f"{self.key.name}.{self.project}" if self.project else self.key.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All settings that are set somewhere, merged."""

    settings: Mapping[tuple[str, str], Setting]
    project_file: Path | None = None
    notes: tuple[str, ...] = ()

    def get(self, name: str) -> Setting | None:
        """Return the setting of a key that is not ``by-project``, or None where it is not set."""
        return self.settings.get((name, ""))

    def by_project(self, name: str) -> tuple[Setting, ...]:
        """Return the settings of a ``by-project`` key, ``_default`` first."""
        return tuple(s for (key, _), s in sorted(self.settings.items()) if key == name)


def merge(layers: Iterable[Layer]) -> dict[tuple[str, str], Setting]:
    """Return the settings of all *layers*, the least important layer first; a later one replaces the earlier value.

    What is ``by-project`` is replaced project by project.
    """
    answer: dict[tuple[str, str], Setting] = {}
    for layer in layers:
        for (name, project), value in layer.values.items():
            key = _BY_NAME[name]
            source = f"{layer.source} {key.variable}" if layer.source == "environment" else layer.source
            answer[name, project] = Setting(key=key, project=project, value=value, source=source)
    return answer


# ---- one source


def _refuse(place: str, message: str, hint: str | None = None) -> InputError:
    return InputError(
        "invalid-configuration",
        f"{place}: {message}",
        hint=hint or "docs/reference/configuration.md lists the settings",
    )


def _checked(key: Key, text: str, place: str, project: str = "") -> str:
    if "\0" in text or not text.strip():
        raise _refuse(place, "an empty text is no value" if "\0" not in text else "a value holds a NUL character")
    if key.check is not None:
        try:
            key.check(project, text)
        except InputError as error:
            raise InputError(
                "invalid-configuration", f"{place}: {error.message}", context=error.context, hint=error.hint
            ) from error
    return text


def _one(key: Key, value: object, place: str, project: str = "") -> str:
    from datetime import date

    if key.name == "as-of" and isinstance(value, date):  # TOML has dates and times of its own
        value = value.isoformat()
    if key.name == "providers" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = ",".join(value)
    if not isinstance(value, str):
        raise _refuse(place, f"it is {describe_type(value)} and must be a text")
    return _checked(key, value, place, project)


def _many(key: Key, value: object, place: str) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_one(key, item, f"{place}[{number}]") for number, item in enumerate(value))
    return (_one(key, value, place),)


def _placed(key: Key, value: str, folder: Path | None) -> str:
    """Return a path relative to the file that it stands in; what is no path (a revision, a URL) as it is."""
    if folder is None or not key.path or "://" in value:
        return value
    if key.name == "nixpkgs" and not ("/" in value or value.endswith((".lock", ".json"))):
        return value
    return str(folder / Path(value).expanduser())


def read_table(table: Mapping[str, Any], source: str, *, folder: Path | None = None, user: bool = False) -> Layer:
    """Return what a table of settings says.

    :param table: ``[tool.mach]``, or a whole mach.toml.
    :param source: for messages, ``mach.toml``.
    :param folder: what relative paths are relative to; None leaves them as they are.
    :param user: it is the user's own file, which may not say what a project asks for.
    :raises InputError: ``unknown-setting``, ``invalid-configuration``, with the place.
    """
    values: dict[tuple[str, str], object] = {}
    for name, value in table.items():
        key = _BY_NAME.get(name)
        place = f"{source}: {redact(name)}"
        if key is None:
            raise InputError(
                "unknown-setting",
                f"{source}: there is no setting {redact(name)!r}",
                hint=nearest(name.lower().replace("_", "-")[:80], _BY_NAME),
            )
        if user and key.request:
            raise _refuse(place, "what a project asks for belongs into its own mach.toml")
        if key.kind == "by-project":
            for project, item in (value if isinstance(value, dict) else {"_default": value}).items():
                below = f"{place}.{redact(project)}" if isinstance(value, dict) else place
                normalised = _project(project, below)
                values[name, normalised] = _one(key, item, below, normalised)
        elif key.kind in ("flag", "count"):
            values[name, ""] = _typed(key, value, place)
        elif key.kind == "names" and isinstance(value, bool):
            values[name, ""] = (":all:",) if value else ()
        elif key.kind == "text":
            values[name, ""] = _placed(key, _one(key, value, place), folder)
        else:
            values[name, ""] = tuple(_placed(key, text, folder) for text in _many(key, value, place))
    return Layer(source=source, values=values)


def _project(name: str, place: str) -> str:
    try:
        return parse_key(name)
    except InputError as error:
        raise _refuse(place, error.message, "write the name of a project, or _default") from error


def _typed(key: Key, value: object, place: str) -> object:
    wanted, words = (bool, "true or false") if key.kind == "flag" else (int, "a whole number of seconds")
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise _refuse(place, f"it is {describe_type(value)} and must be {words}")
    if wanted is int and not 0 <= value < 2**31:
        raise _refuse(place, "it must be 0 or more, and less than 2147483648")
    return value


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Return what ``MACH_…`` variables say; lists are separated by spaces, names of projects by commas as well.

    Variables that mach does not know are left alone, an empty one counts as not set.

    :raises InputError: ``invalid-configuration``.
    """
    values: dict[tuple[str, str], object] = {}
    for key in KEYS:
        text = environ.get(key.variable, "").strip() if key.environment else ""
        if not text:
            continue
        place = f"environment {key.variable}"
        if key.kind == "flag" or (key.kind == "names" and text.lower() in (*_YES, *_NO)):
            if text.lower() not in (*_YES, *_NO):
                raise _refuse(place, f"{text[:40]!r} is neither yes nor no", "write 1 or 0")
            yes = text.lower() in _YES
            values[key.name, ""] = yes if key.kind == "flag" else ((":all:",) if yes else ())
        elif key.kind == "count":
            if not re.fullmatch(r"[0-9]{1,10}", text):
                raise _refuse(place, f"{text[:40]!r} is no number", "write a number of seconds")
            values[key.name, ""] = _typed(key, int(text), place)
        elif key.kind == "by-project":
            for word in text.split():
                name, _, one = word.rpartition("=")
                project = _project(name or "_default", place)
                values[key.name, project] = _checked(key, one, place, project)
        elif key.kind == "text":
            values[key.name, ""] = _checked(key, text, place)
        else:
            words = text.split() if "url" in key.name else re.split(r"[\s,]+", text)
            values[key.name, ""] = tuple(_checked(key, word, place) for word in words if word)
    return Layer(source="environment", values=values)


# ---- all sources


def load_configuration(
    folder: Path, *, environ: Mapping[str, str], user_file: Path | None, read: Callable[[Path], str]
) -> Configuration:
    """Return the settings for a request whose files lie in *folder*.

    Precedence: environment, the project's file, the user's file. Options of the command line go before all.

    :param user_file: the user's own file; None for none.
    :param read: gives the text of a file.
    :raises InputError: ``unknown-setting``, ``invalid-configuration``, ``invalid-toml``, ``unreadable-file``.
    """
    layers = []
    if user_file is not None and user_file.is_file():
        table = parse_toml(read(user_file), str(user_file)).table
        layers.append(read_table(table, str(user_file), folder=user_file.parent, user=True))
    found = find_project_file(folder, read)
    if found is not None:
        path, table, _ = found
        layers.append(read_table(table, str(path), folder=path.parent))
    layers.append(read_environment(environ))
    return Configuration(
        settings=merge(layers),
        project_file=None if found is None else found[0],
        notes=() if found is None else found[2],
    )
