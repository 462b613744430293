"""The fixes table: which attributes of nixpkgs and which settings a project's build takes, and how they are chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from resolver.errors import InputError
from resolver.lock import Lock, LockTarget, Pin
from resolver.toml_document import parse_toml

__all__ = ["Chosen", "Fix", "choose_fixes", "choose_for_sdists", "read_fixes", "shipped_fixes"]

PROVIDERS = ("sdist", "wheel")

_KEYS = frozenset(
    (
        *("project", "versions", "provider", "platforms", "libraries", "tools", "settings", "paths", "optional"),
        *("nixpkgs-inputs", "replaces", "reason", "link"),
    )
)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,80}(\.[A-Za-z_][A-Za-z0-9_-]{0,80}){0,5}")
_FOLDERS = re.compile(r"(/[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,80}){0,10}")
_PLATFORM = re.compile(r"[a-z0-9_*-]{1,40}")
#: A soname, or a pattern of them: ``libQt5*.so.5``.
_SONAME = re.compile(r"[A-Za-z0-9_.+*?-]{1,200}")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,80}")
#: The build sets these itself.
_TAKEN = frozenset({"HOME", "PATH", "SOURCE_DATE_EPOCH", "NIX_BUILD_TOP", "TMPDIR"})
_LONGEST = 1000

#: System -> provider -> ``NAME VERSION`` -> entries as JSON values.
Chosen = dict[str, dict[str, dict[str, list[dict[str, Any]]]]]
#: An attribute path, or several names of one thing, of which nixpkgs has at least one.
Attribute = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One entry of a table."""

    project: str
    """Normalised (PEP 503)."""
    versions: str = ""
    """A PEP 440 specifier; empty for all."""
    provider: str = "sdist"
    platforms: tuple[str, ...] = ("*",)
    """Patterns of Nix system names, ``*-linux``."""
    libraries: tuple[Attribute, ...] = ()
    """Attributes of nixpkgs: ``buildInputs`` of an sdist's build, what a wheel's binaries may load."""
    tools: tuple[Attribute, ...] = ()
    """Attributes of nixpkgs whose programs the build runs: ``nativeBuildInputs``."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the build."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that get a place in the store: an attribute of nixpkgs, and folders in it."""
    optional: tuple[str, ...] = ()
    """Patterns of the libraries that its binaries may do without: an environment that lacks them is not refused."""
    inherits: bool = False
    """``nixpkgs-inputs``: takes what nixpkgs' own derivation of the project takes, too; of a wheel its libraries."""
    replaces: bool = False
    """Entries before this one do not count for what it is for."""
    reason: str
    link: str

    def fits(self, name: str, version: str, provider: str, system: str) -> bool:
        """Tell whether this is for a release of a provider on *system*."""
        if name != self.project or provider != self.provider:
            return False
        if not any(fnmatchcase(system, pattern) for pattern in self.platforms):
            return False
        if not self.versions:
            return True
        try:
            return Version(version) in SpecifierSet(self.versions, prereleases=True)
        except InvalidVersion:
            return False

    def to_json(self) -> dict[str, Any]:
        """Return what the expression needs of it, as JSON values."""
        value: dict[str, Any] = {"reason": self.reason, "link": self.link}
        for key in ("libraries", "tools"):
            if named := getattr(self, key):
                value[key] = [one if isinstance(one, str) else list(one) for one in named]
        for key in ("settings", "paths"):
            if set_ := getattr(self, key):
                value[key] = dict(set_)
        if self.optional:
            value["optional"] = list(self.optional)
        if self.inherits:
            value["nixpkgs-inputs"] = True
        return value


@cache
def shipped_fixes() -> tuple[Fix, ...]:
    """Return the entries of the table that comes with mach."""
    return read_fixes(files("nix").joinpath("fixes.toml").read_text("utf-8"), "nix/fixes.toml")


def read_fixes(text: str, name: str) -> tuple[Fix, ...]:
    """Return the entries of a table of fixes, in its order.

    :param text: TOML.
    :param name: the file it came from, for messages.
    :raises InputError: ``invalid-toml``; ``fixes-invalid``, which says where and what.
    """
    document = parse_toml(text, name).table
    entries = document.get("fix", [])
    if set(document) - {"fix"} or not isinstance(entries, list):
        raise _invalid(name, "it holds [[fix]] tables and nothing else")
    return tuple(_Reader(f"{name}: fix {number}").read(entry) for number, entry in enumerate(entries, 1))


class _Reader:
    """Checks one entry; data of a user's file becomes neither code nor a word of a shell."""

    def __init__(self, place: str) -> None:
        self._place = place

    def read(self, entry: object) -> Fix:
        if not isinstance(entry, dict):
            raise _invalid(self._place, "it is not a table")
        if unknown := sorted(set(entry) - _KEYS):
            raise _invalid(self._place, f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
        project = self._text(entry, "project", _NAME, "a normalised name, scikit-learn")
        self._place += f" ({project})"
        fix = Fix(
            project=project,
            versions=self._versions(entry),
            provider=self._text(entry, "provider", re.compile("|".join(PROVIDERS)), "sdist or wheel", "sdist"),
            platforms=tuple(self._each(entry, "platforms", _PLATFORM, "a pattern of systems, *-linux")) or ("*",),
            libraries=tuple(self._attributes(entry, "libraries")),
            tools=tuple(self._attributes(entry, "tools")),
            settings=self._variables(entry, "settings"),
            paths=self._variables(entry, "paths"),
            optional=tuple(self._each(entry, "optional", _SONAME, "a library's name or pattern, libtbb.so.*")),
            inherits=self._flag(entry, "nixpkgs-inputs"),
            replaces=self._flag(entry, "replaces"),
            reason=self._text(entry, "reason", re.compile(r"[^\x00-\x1f\x7f]+"), "one line of text"),
            link=self._text(entry, "link", re.compile(r"https?://[!-~]+"), "an http(s) URL"),
        )
        for path in fix.paths.values():
            attribute, slash, folders = path.partition("/")
            if not _ATTRIBUTE.fullmatch(attribute) or not _FOLDERS.fullmatch(slash + folders):
                raise self._wrong("paths", path, "an attribute of nixpkgs and folders in it, proj.dev/include")
        if fix.provider == "wheel" and (fix.tools or fix.settings or fix.paths):
            raise _invalid(
                self._place, "a wheel is not built: its fixes have libraries, optional and nixpkgs-inputs alone"
            )
        given = (fix.libraries, fix.tools, fix.settings, fix.paths, fix.optional, fix.inherits, fix.replaces)
        if not any(given):
            keys = "libraries, tools, settings, paths, optional, nixpkgs-inputs, replaces"
            raise _invalid(self._place, f"it fixes nothing: give one of {keys}")
        return fix

    def _wrong(self, key: str, value: object, wanted: str) -> InputError:
        return _invalid(self._place, f"{key}: {str(value)[:80]!r} is not {wanted}")

    def _text(
        self, entry: Mapping[str, object], key: str, form: re.Pattern[str], wanted: str, default: str | None = None
    ) -> str:
        value = entry.get(key, default)
        if value is None:
            raise _invalid(self._place, f"{key} is missing: {wanted}")
        if not isinstance(value, str) or len(value) > _LONGEST or not form.fullmatch(value):
            raise self._wrong(key, value, wanted)
        return value

    def _each(self, entry: Mapping[str, object], key: str, form: re.Pattern[str], wanted: str) -> Iterator[str]:
        values = entry.get(key, [])
        if not isinstance(values, list):
            raise self._wrong(key, values, "a list")
        for value in values:
            yield self._text({key: value}, key, form, wanted)

    def _attributes(self, entry: Mapping[str, object], key: str) -> Iterator[Attribute]:
        wanted = "an attribute of nixpkgs, or a list of names for it"
        values = entry.get(key, [])
        if not isinstance(values, list):
            raise self._wrong(key, values, "a list")
        for value in values:
            if isinstance(value, list) and value:
                yield tuple(self._each({key: value}, key, _ATTRIBUTE, wanted))
            else:
                yield self._text({key: value}, key, _ATTRIBUTE, wanted)

    def _variables(self, entry: Mapping[str, object], key: str) -> dict[str, str]:
        values = entry.get(key, {})
        if not isinstance(values, dict):
            raise self._wrong(key, values, "a table")
        for name, value in values.items():
            if not _VARIABLE.fullmatch(name) or name in _TAKEN:
                raise self._wrong(key, name, "the name of an environment variable that a build may set")
            if not isinstance(value, str) or "\0" in value or len(value) > _LONGEST:
                raise self._wrong(f"{key}.{name}", value, "a text")
        return dict(values)

    def _flag(self, entry: Mapping[str, object], key: str) -> bool:
        value = entry.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def _versions(self, entry: Mapping[str, object]) -> str:
        text = self._text(entry, "versions", re.compile(r"[!-~ ]*"), "a specifier (PEP 440), >=2.0", "")
        try:
            SpecifierSet(text)
        except InvalidSpecifier as error:
            raise self._wrong("versions", text, "a specifier (PEP 440), >=2.0") from error
        return text


def _invalid(place: str, reason: str) -> InputError:
    return InputError("fixes-invalid", f"{place}: {reason}", hint="docs/how-to/fix-a-build.md shows what an entry is")


def choose_fixes(lock: Lock, fixes: Sequence[Fix], *, keep_unfixed: bool = False) -> Chosen:
    """Return the fixes that the pins of *lock* take, those of its build closures included.

    :param fixes: in order; of those that fit a pin, all count, or those from the last one that replaces others.
    :param keep_unfixed: list pins of the fixes' projects that no fix fits, too, without entries.
    """
    projects = {(fix.project, fix.provider) for fix in fixes}
    chosen: Chosen = {}
    for target in lock.targets:
        for pin in _pins(lock, target):
            if (pin.name, pin.provider) not in projects:
                continue
            fitting = _fitting(fixes, pin.name, pin.version, pin.provider, target.system)
            entries = [fix.to_json() for fix in fitting]
            if entries or keep_unfixed:
                by_release = chosen.setdefault(target.system, {}).setdefault(pin.provider, {})
                by_release[f"{pin.name} {pin.version}"] = entries
    return chosen


def choose_for_sdists(releases: Iterable[tuple[str, str]], system: str, fixes: Sequence[Fix]) -> Chosen:
    """Return the fixes that builds of the sdists of these releases take, as :func:`choose_fixes` does.

    :param releases: projects and versions.
    """
    chosen: Chosen = {}
    for name, version in releases:
        if entries := [fix.to_json() for fix in _fitting(fixes, name, version, "sdist", system)]:
            chosen.setdefault(system, {}).setdefault("sdist", {})[f"{name} {version}"] = entries
    return chosen


def _fitting(fixes: Sequence[Fix], name: str, version: str, provider: str, system: str) -> list[Fix]:
    """Return those of *fixes* that count for a release, in order."""
    fitting: list[Fix] = []
    for fix in fixes:
        if fix.fits(name, version, provider, system):
            fitting = [fix] if fix.replaces else [*fitting, fix]
    return fitting


def _pins(lock: Lock, target: LockTarget) -> Iterator[Pin]:
    """Return the pins of a target, and of every closure that something of it is built in."""
    seen: set[str] = set()
    waiting: list[Iterable[Pin]] = [target.pins]
    while waiting:
        for pin in waiting.pop():
            yield pin
            if pin.build is not None and pin.build not in seen:
                seen.add(pin.build)
                closure = lock.build_closures.get(pin.build)
                waiting += [closure.pins] if closure is not None else []
