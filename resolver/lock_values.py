"""Single values of a lock, checked one by one; an error says where the value stands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Pep508
from packaging.utils import InvalidWheelFilename, is_normalized_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from .direct import InvalidReference, parse_reference
from .lock import Pin
from .names import normalize_extra, normalize_project

__all__ = [
    "Invalid",
    "check_closed",
    "check_filename",
    "join",
    "kind",
    "read_edges",
    "read_extra",
    "read_integer",
    "read_list",
    "read_mapping",
    "read_matching",
    "read_project",
    "read_python",
    "read_reference",
    "read_text",
    "read_url",
    "read_version",
    "shown",
]

_T = TypeVar("_T")

_SDIST_NAME = re.compile(r"[^\s/\\]+\.(?:tar\.gz|zip|tgz|tar\.bz2|tar\.xz)")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.+!~=,@-]{1,255}")


class Invalid(Exception):
    """Something in the lock is wrong: where (``targets[0].pins[3].version``), and what."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where
        self.message = message


def kind(value: object) -> str:
    """Return what *value* is in the words of JSON, for messages."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def shown(value: object) -> str:
    """Return *value* as JSON, cut where it is long, for messages."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | int | float | None) else kind(value)
    return text if len(text) <= 120 else text[:120] + "…"


def join(where: str, key: str) -> str:
    """Return the place of *key* in the object at *where*."""
    return f"{where}.{key[:120]}" if where else key[:120]


def read_mapping(value: object, where: str) -> dict[str, Any]:
    """Return *value*, which must be an object."""
    if not isinstance(value, dict):
        raise Invalid(where, f"it must be an object, and is {kind(value)}")
    return value


def read_list(value: object, where: str, read: Callable[[object, str], _T]) -> list[_T]:
    """Return the items of *value*, which must be a list, each as *read* takes it from its place."""
    if not isinstance(value, list):
        raise Invalid(where, f"it must be a list, and is {kind(value)}")
    return [read(item, f"{where}[{number}]") for number, item in enumerate(value)]


def read_text(value: object, where: str) -> str:
    """Return *value*, which must be text and not empty."""
    if not isinstance(value, str) or not value:
        raise Invalid(where, f"it must be text, and is {'empty' if value == '' else kind(value)}")
    return value


def read_integer(value: object, where: str, *, least: int) -> int:
    """Return *value*, which must be a whole number, *least* or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Invalid(where, f"{shown(value)} is not a whole number from {least}")
    return value


def read_matching(pattern: re.Pattern[str], value: object, where: str, what: str) -> str:
    """Return *value*, which must be text that is wholly of *pattern*; *what* names the form in messages."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise Invalid(where, f"{shown(value)} is not {what}")
    return value


def read_project(value: object, where: str) -> str:
    """Return *value*, which must be the normalised name of a project (PEP 503)."""
    if not isinstance(value, str) or not is_normalized_name(value):
        raise Invalid(where, f"{shown(value)} is not a normalised project name (PEP 503)")
    return value


def read_extra(value: object, where: str) -> str:
    """Return *value*, which must be the normalised name of an extra (PEP 685)."""
    if not isinstance(value, str) or not is_normalized_name(value):
        raise Invalid(where, f"{shown(value)} is not a normalised name of an extra (PEP 685)")
    return value


def read_version(value: object, where: str) -> str:
    """Return *value*, which must be a version (PEP 440)."""
    try:
        Version(read_text(value, where))
    except InvalidVersion:
        raise Invalid(where, f"{shown(value)} is not a version (PEP 440)") from None
    return str(value)


def read_python(value: object, where: str) -> str:
    """Return *value*, which must be a version of CPython: ``3.12`` or ``3.12.1``."""
    text = read_version(value, where)
    if re.fullmatch(r"[0-9]+(\.[0-9]+){1,2}((a|b|rc)[0-9]+)?", text) is None:
        raise Invalid(where, f"{shown(value)} is not a version of Python")
    return text


def read_url(value: object, where: str) -> str:
    """Return *value*, which must be an absolute http, https or file URL without user name and fragment."""
    text = read_text(value, where)
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  it raises where the port is no number
    except ValueError as error:
        raise Invalid(where, f"{shown(text)} is not a URL: {error}") from None
    if not text.isprintable() or re.search(r"[\s\\\"<>`{}|^]", text):
        raise Invalid(where, f"{shown(text)} is not a URL: it holds characters that no URL has")
    if parts.scheme not in ("http", "https", "file"):
        raise Invalid(where, f"{shown(text)} is neither http, https nor file")
    if "@" in parts.netloc:
        raise Invalid(where, "the URL holds a user name or password")
    if "#" in text:
        raise Invalid(where, f"{shown(text)} has a fragment")
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise Invalid(where, f"{shown(text)} is not the URL of an absolute path on this machine")
    elif not parts.hostname:
        raise Invalid(where, f"{shown(text)} names no host")
    return text


def read_reference(value: object, where: str) -> str:
    """Return *value*, which must be a direct reference in normal form."""
    text = read_text(value, where)
    try:
        reference = parse_reference(text)
    except InvalidReference as error:
        raise Invalid(where, f"{shown(text)} is not a direct reference: {error}") from None
    if str(reference) != text:
        raise Invalid(where, f"{shown(text)} is not a direct reference in normal form, {shown(str(reference))}")
    return text


def check_filename(filename: str, name: str, version: str | None, provider: str, where: str) -> None:
    """Refuse a file name that is not a plain name of a file of this release, as PEP 427 and PEP 625 spell it."""
    if not filename.isprintable() or filename.startswith((".", "-")) or not _SAFE_NAME.fullmatch(filename):
        raise Invalid(where, f"{shown(filename)} is not a plain file name")
    if provider == "sdist":
        if _SDIST_NAME.fullmatch(filename) is None or not normalize_extra(filename).startswith(f"{name}-"):
            raise Invalid(where, f"{shown(filename)} is not a source distribution of {name}")
        return
    try:
        project, found, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion):
        raise Invalid(where, f"{shown(filename)} is not the name of a wheel") from None
    if project != name or (version is not None and found != Version(version)):
        raise Invalid(where, f"{shown(filename)} is not a wheel of {name} {version or ''}".rstrip())


def read_edges(value: object, where: str) -> dict[str, tuple[str, ...]]:
    """Return a mapping of projects to requirements (PEP 508, without markers) for just these projects."""
    return {
        read_project(name, join(where, name)): _requirements(name, texts, join(where, name))
        for name, texts in read_mapping(value, where).items()
    }


def _requirements(name: str, value: object, where: str) -> tuple[str, ...]:
    texts = read_list(value, where, read_text)
    if not texts:
        raise Invalid(where, "it states no requirement")
    for number, text in enumerate(texts):
        project, has_marker = _project_of(text)
        if project is None:
            raise Invalid(f"{where}[{number}]", f"{shown(text)} is not a requirement (PEP 508)")
        if project != name:
            raise Invalid(f"{where}[{number}]", f"{shown(text)} is not a requirement for {name}")
        if has_marker:
            raise Invalid(f"{where}[{number}]", f"{shown(text)} has a marker; a lock holds only what applies")
    return tuple(texts)


@lru_cache(maxsize=16384)
def _project_of(text: str) -> tuple[str | None, bool]:
    """Return the project of a requirement (None where *text* is none), and whether it has a marker."""
    try:
        requirement = Pep508(text)
        return normalize_project(requirement.name), requirement.marker is not None
    except (InvalidRequirement, ValueError):
        return None, False


def check_closed(edges: Mapping[str, tuple[str, ...]], pins: Sequence[Pin], where: str) -> None:
    """Refuse an edge to a project that none of *pins* provides."""
    pinned = {pin.name for pin in pins}
    for name in edges:
        if name not in pinned:
            raise Invalid(f"{where}.{name}", "no pin of this target has that name")
