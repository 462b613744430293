"""Requests from a poetry.lock: its releases, held at their versions with their hashes.

A poetry.lock does not tell what the project itself asks for, so every release that is meant for a
target is asked for.  Which ones these are, form 2.1 tells by groups and markers; older forms
only by the markers of the dependencies, which are followed from the releases that nothing requires.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .direct import Locate
from .foreign_locks import (
    ForeignPin,
    MarkerTexts,
    file_name,
    note_left_out,
    parse_name,
    pin_requirements,
    refuse_source,
    refuse_version,
    registries_of,
)
from .names import NormalizedName, normalize_extra
from .request_file import RequestFile, RequiresPython, Selection, parse_python_range
from .target import Target
from .toml_document import TomlDocument, describe_type, parse_toml

__all__ = ["parse_poetry_lock"]

_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")
_CARET = re.compile(r"([~^])\s*([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,4}))?")
#: The group of what the project always needs.
_MAIN = "main"


class _Package:
    """One ``[[package]]`` table."""

    __slots__ = ("dependencies", "groups", "name", "optional", "origin", "table", "version")

    def __init__(self, document: TomlDocument, table: Mapping[str, Any], origin: str) -> None:
        self.table, self.origin = table, origin
        self.name = parse_name(table.get("name"), origin)
        self.version: str = document.get(str, "version", at=table, where=origin)
        self.optional: bool = document.get(bool, "optional", at=table, where=origin)
        groups = document.texts("groups", at=table, where=origin)
        category = document.get(str, "category", at=table, where=origin)  # form 1
        self.groups = tuple(map(normalize_extra, groups)) or ((normalize_extra(category),) if category else (_MAIN,))
        self.dependencies: list[tuple[NormalizedName, Mapping[str, Any]]] = []
        for name, value in document.get(dict, "dependencies", at=table, where=origin).items():
            for one in value if isinstance(value, list) else [value]:
                self.dependencies.append((parse_name(name, origin), one if isinstance(one, Mapping) else {}))


class _PoetryLock:
    """One poetry.lock while its request is taken from it."""

    def __init__(self, document: TomlDocument, selection: Selection) -> None:
        self.document = document
        self.markers = MarkerTexts(document.name)
        self.form = _read_form(document)
        tables = document.tables("package")
        origins = document.headers("[[package]]", len(tables))
        self.packages = [_Package(document, t, o) for t, o in zip(tables, origins, strict=True)]
        self.extras = {
            normalize_extra(extra): [self._first_name(text) for text in document.texts("extras", extra)]
            for extra in document.get(dict, "extras")
        }
        self.groups = {group for package in self.packages for group in package.groups} - {_MAIN}
        chosen = self.extras if selection.all_extras else selection.extras
        self.chosen_extras = [extra for extra in chosen if extra in self.extras]
        self.chosen_groups = {_MAIN, *selection.groups}
        self.left_out: dict[str, ForeignPin] = {}

    def _first_name(self, text: str) -> NormalizedName:
        match = re.match(r"\s*([A-Za-z0-9._-]+)", text)
        return parse_name(match[1] if match else text, f"{self.document.name}: extras")

    def select(self, target: Target) -> list[ForeignPin]:
        """Return the pins for *target*.

        :raises InputError: ``invalid-file`` where two releases of one project remain.
        """
        packages = [p for p in self.packages if self.chosen_groups.intersection(p.groups)]
        if self.form >= (2, 1):
            packages = [p for p in packages if self._is_for(p, target)]
        else:
            packages = self._reached(packages, target)
        found: dict[NormalizedName, _Package] = {}
        for package in packages:
            other = found.setdefault(package.name, package)
            if other is not package:
                raise self.document.refuse(
                    package.origin,
                    f"two releases of {package.name} are locked for Python {target.python} on {target.system}:"
                    f" {other.version} and {package.version}",
                    "run `poetry lock` with a newer poetry (2.1), whose locks tell them apart",
                )
        return [self._pin(package) for package in found.values()]

    def _is_for(self, package: _Package, target: Target) -> bool:
        stated = package.table.get("markers")
        if isinstance(stated, Mapping):
            by_group = {normalize_extra(group): marker for group, marker in stated.items()}
            texts = [by_group.get(group) for group in self.chosen_groups.intersection(package.groups)]
        else:
            texts = [stated]
        if package.optional and all(text is None for text in texts):
            return self._in_chosen_extra(package)
        return any(
            self.markers.holds(text, target, package.origin, extra=extra)
            for text in texts
            for extra in ("", *self.chosen_extras)
        )

    def _in_chosen_extra(self, package: _Package) -> bool:
        return any(package.name in self.extras[extra] for extra in self.chosen_extras)

    def _reached(self, packages: Sequence[_Package], target: Target) -> list[_Package]:
        """Return what the markers of the dependencies reach on *target*, in forms that do not tell it."""
        by_name: dict[NormalizedName, list[_Package]] = {}
        for package in packages:
            if self._admits(package, target):
                by_name.setdefault(package.name, []).append(package)
        required = {name for package in packages for name, _ in package.dependencies if name != package.name}
        starts = [p for p in packages if p.name not in required and not p.optional]
        starts += [p for p in packages if self._in_chosen_extra(p)]
        covered = self._walk(starts, by_name, None)
        for package in packages:  # what is left requires itself in circles that nothing else enters
            if package.name not in covered and not package.optional:
                starts.append(package)
                covered |= self._walk([package], by_name, None)
        reached = self._walk([p for p in starts if p in by_name.get(p.name, ())], by_name, target)
        for package in packages:
            if package.name not in reached and not package.optional:
                self.left_out.setdefault(package.name, self._pin(package))
        return [package for package in packages if package.name in reached and package in by_name[package.name]]

    def _walk(
        self, starts: Sequence[_Package], by_name: Mapping[NormalizedName, list[_Package]], target: Target | None
    ) -> set[NormalizedName]:
        """Return the names that *starts* lead to; on every target where it is None."""
        reached = {package.name for package in starts}
        todo = list(starts)
        while todo:
            package = todo.pop()
            for name, edge in package.dependencies:
                if name in reached or name not in by_name:
                    continue
                marker = edge.get("markers")
                holds = target is None or any(
                    self.markers.holds(marker, target, package.origin, extra=extra)
                    for extra in ("", *self.chosen_extras)
                )
                if holds:
                    reached.add(name)
                    todo += by_name[name]
        return reached

    def _admits(self, package: _Package, target: Target) -> bool:
        stated = self.document.get(str, "python-versions", at=package.table, where=package.origin)
        python = _python_range(stated, package.origin)
        return python is None or python.specifier.contains(target.python, prereleases=True)

    def _pin(self, package: _Package) -> ForeignPin:
        document, origin = self.document, package.origin
        source = document.get(dict, "source", at=package.table, where=origin)
        kind = document.get(str, "type", at=source, where=origin) or "legacy"
        address = document.get(str, "url", at=source, where=origin)
        files = document.tables("files", at=package.table, where=origin)
        if not files and self.form < (2, 0):
            listed = document.get(dict, "metadata", "files").get(package.table.get("name"), [])
            files = [f for f in listed if isinstance(f, dict)] if isinstance(listed, list) else []
        url = None
        if kind == "git":
            url = f"git+{address}@{document.get(str, 'resolved_reference', at=source, where=origin)}"
            below = source.get("subdirectory")
            url += f"#subdirectory={below}" if isinstance(below, str) else ""
        elif kind == "url":
            url = address
        elif kind != "legacy":
            raise refuse_source(origin, package.name, kind, address)
        return ForeignPin(
            project=package.name,
            version=package.version if url is None else None,
            url=url,
            files=tuple((file_name(file), file["hash"]) for file in files if isinstance(file.get("hash"), str)),
            registry=address or None,
            origin=origin,
        )


def _read_form(document: TomlDocument) -> tuple[int, int]:
    stated = document.get(dict, "metadata").get("lock-version")
    match = _VERSION.fullmatch(stated) if isinstance(stated, str) else None
    form = (int(match[1]), int(match[2])) if match else (0, 0)
    if form[0] not in (1, 2):
        raise refuse_version(document.name, stated, "forms 1 and 2 of a lock of poetry")
    return form


def _python_range(text: str, where: str) -> RequiresPython | None:
    """Return the range that poetry states; None for none, and for what only poetry reads (``||``)."""
    if text.strip() in ("", "*") or "|" in text:
        return None

    def translate(match: re.Match[str]) -> str:
        numbers = [int(n) for n in match.groups()[1:] if n is not None]
        place = 0 if match[1] == "^" and numbers[0] else min(1, len(numbers) - 1)
        upper = [*numbers[:place], numbers[place] + 1]
        return f">={'.'.join(map(str, numbers))},<{'.'.join(map(str, upper))}"

    return parse_python_range(_CARET.sub(translate, text) if "~=" not in text else text, where)


def parse_poetry_lock(
    text: str, name: str, selection: Selection, targets: Sequence[Target], locate: Locate | None = None
) -> RequestFile:
    """Return what a poetry.lock asks for: every release that is meant for a target, at its version and with its hashes.

    :param name: the file's name, for messages.
    :param targets: those to take pins for.
    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: ``invalid-toml``, ``invalid-file``, ``foreign-lock-version``,
        ``foreign-source-unsupported``, ``python-not-admitted``.
    """
    document = parse_toml(text, name)
    lock = _PoetryLock(document, selection)
    stated = document.get(dict, "metadata").get("python-versions", "")
    if not isinstance(stated, str):
        raise document.refuse(name, f"metadata.python-versions is {describe_type(stated)} and must be a text")
    python = _python_range(stated, document.place("metadata.python-versions", stated))
    for target in targets:
        if python is not None:
            python.check(target)
    selected = {target: lock.select(target) for target in targets}
    references, _ = pin_requirements(selected, direct=True, locate=locate)
    requirements, notes = pin_requirements(selected, direct=False)
    if lock.form == (2, 0):
        notes.append(f"{name}: locks of form 2.0 do not tell groups apart: development releases are asked for as well")
    notes += note_left_out(
        "is left out: no dependency that holds here leads to it; ask for it by name where the project itself needs it",
        list(lock.left_out.values()),
    )
    return RequestFile(
        requirements=(*requirements, *references),
        requires_python=python,
        registries=registries_of(selected),
        extras=frozenset(lock.extras),
        groups=frozenset(lock.groups),
        notes=tuple(notes),
    )
