"""Requests from a uv.lock: the project's own requirements, and the pins of each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .direct import Locate
from .errors import InputError
from .foreign_locks import (
    ForeignPin,
    MarkerTexts,
    file_name,
    parse_name,
    pin_requirements,
    refuse_source,
    refuse_version,
    registries_of,
)
from .names import NormalizedName, normalize_extra
from .request_file import RequestFile, Selection, parse_python_range
from .requirement import Override, Requirement, parse_override
from .target import Target
from .toml_document import TomlDocument, parse_toml
from .user_requirement import parse_user_requirement

__all__ = ["parse_uv_lock"]

_LOCAL = ("editable", "virtual", "directory")
_KIND = "lock of uv"


class _Package:
    """One ``[[package]]`` table."""

    __slots__ = ("extras", "groups", "name", "origin", "source", "table", "version")

    def __init__(self, document: TomlDocument, table: Mapping[str, Any], origin: str) -> None:
        self.table, self.origin = table, origin
        self.name = parse_name(table.get("name"), origin)
        self.version: str | None = document.get(str, "version", at=table, where=origin) or None
        self.source: dict[str, Any] = document.get(dict, "source", at=table, where=origin)
        self.extras = {normalize_extra(e): e for e in document.get(dict, "optional-dependencies", at=table)}
        self.groups = {normalize_extra(g): g for g in document.get(dict, "dev-dependencies", at=table)}

    @property
    def local(self) -> str | None:
        """The folder that it is built from, where it is no release of an index."""
        return next((str(self.source[kind]) for kind in _LOCAL if kind in self.source), None)


class _UvLock:
    """One uv.lock while its request is taken from it."""

    def __init__(self, document: TomlDocument, locate: Locate | None) -> None:
        self.document = document
        self.locate = locate
        self.markers = MarkerTexts(document.name)
        tables = document.tables("package")
        origins = document.headers("[[package]]", len(tables))
        self.packages = [_Package(document, t, o) for t, o in zip(tables, origins, strict=True)]
        self.by_name: dict[NormalizedName, list[_Package]] = {}
        for package in self.packages:
            self.by_name.setdefault(package.name, []).append(package)
        self.roots = self._find_roots()

    def _find_roots(self) -> list[_Package]:
        here = [package for package in self.packages if package.local == "."]
        if here:
            return here
        members = {parse_name(n, self.document.name) for n in self.document.texts("manifest", "members")}
        return [p for p in self.packages if p.name in members and p.local is not None]

    # ---- the graph

    def _edges(self, package: _Package, key: str, *below: str) -> list[dict[str, Any]]:
        return self.document.tables(key, *below, at=package.table, where=package.origin)

    def root_edges(self, selection: Selection) -> list[tuple[_Package, dict[str, Any]]]:
        """Return the edges of the roots that are asked for."""
        answer = []
        for root in self.roots:
            edges = list(self._edges(root, "dependencies"))
            for extra in root.extras if selection.all_extras else selection.extras:
                if extra in root.extras:
                    edges += self._edges(root, "optional-dependencies", root.extras[extra])
            for group in selection.groups:
                if group in root.groups:
                    edges += self._edges(root, "dev-dependencies", root.groups[group])
            answer += [(root, edge) for edge in edges]
        return answer

    def find(self, edge: Mapping[str, Any], target: Target, where: str) -> _Package:
        """Return the package that *edge* leads to on *target*.

        :raises InputError: ``invalid-file`` where there is none, or more than one.
        """
        name = parse_name(edge.get("name"), where)
        found = self.by_name.get(name, [])
        for key in ("version", "source"):
            if key in edge:
                found = [package for package in found if package.table.get(key) == edge[key]]
        if len(found) > 1:
            found = [package for package in found if self._is_for(package, target)]
        if len(found) != 1:
            count = "no" if not found else "more than one"
            raise self.document.refuse(where, f"the lock has {count} {name} for {target.system}", "make the lock anew")
        return found[0]

    def _is_for(self, package: _Package, target: Target) -> bool:
        markers = self.document.texts("resolution-markers", at=package.table, where=package.origin)
        return not markers or any(self.markers.holds(m, target, package.origin) for m in markers)

    def select(self, edges: Sequence[tuple[str, dict[str, Any]]], target: Target) -> list[ForeignPin]:
        """Return the pins that *edges*, each with its place, lead to on *target*."""
        reached: dict[NormalizedName, _Package] = {}
        seen: set[tuple[int, str]] = set()
        todo = list(edges)
        while todo:
            where, edge = todo.pop()
            if not self.markers.holds(edge.get("marker"), target, where):
                continue
            package = self.find(edge, target, where)
            other = reached.setdefault(package.name, package)
            if other is not package:
                raise self.document.refuse(
                    package.origin, f"two releases of {package.name} are locked for {target.system}", "make it anew"
                )
            for extra in ("", *map(normalize_extra, self.document.texts("extra", at=edge, where=where))):
                if (id(package), extra) in seen:
                    continue
                seen.add((id(package), extra))
                path = ("dependencies",) if not extra else ("optional-dependencies", package.extras.get(extra, extra))
                todo += [(package.origin, edge) for edge in self._edges(package, *path)]
        return [self._pin(package) for _, package in sorted(reached.items()) if package not in self.roots]

    def _pin(self, package: _Package) -> ForeignPin:
        document, source, origin = self.document, package.source, package.origin
        url = None
        for kind in (*_LOCAL, "path"):
            if kind in source:
                raise refuse_source(origin, package.name, "path", str(source[kind]))
        if "git" in source:
            url = _git_url(document.get(str, "git", at=source, where=origin))
        elif "url" in source:
            url = document.get(str, "url", at=source, where=origin)
            below = source.get("subdirectory")
            url += f"#subdirectory={below}" if isinstance(below, str) else ""
        elif "registry" not in source:
            raise refuse_source(origin, package.name, "source", ", ".join(source) or "none")
        registry = document.get(str, "registry", at=source, where=origin) or None
        if registry is not None and not registry.startswith(("http://", "https://", "file:")):
            raise refuse_source(origin, package.name, "folder of files", registry)
        if url is None and package.version is None:
            raise document.refuse(origin, f"{package.name} has no version", "make the lock anew")
        files = document.tables("wheels", at=package.table, where=origin)
        sdist = document.get(dict, "sdist", at=package.table, where=origin)
        return ForeignPin(
            project=package.name,
            version=package.version if url is None else None,
            url=url,
            files=tuple(
                (file_name(file), file["hash"])
                for file in (*files, *([sdist] if sdist else []))
                if isinstance(file.get("hash"), str)
            ),
            registry=registry,
            origin=origin,
        )

    # ---- what the project itself asks for

    def requirements(self, selection: Selection) -> list[Requirement]:
        """Return the roots' own requirements, with the specifiers that the lock records for them."""
        answer: dict[str, Requirement] = {}
        for root, edge in self.root_edges(selection):
            name = parse_name(edge.get("name"), root.origin)
            if any(root.name == name for root in self.roots):
                continue
            if any("git" in p.source or "url" in p.source for p in self.by_name.get(name, [])):
                continue  # stands among the direct references
            extras = self.document.texts("extra", at=edge, where=root.origin)
            text = f"{name}{_bracketed(extras)}{self._specifier(root, name)}"
            marker = edge.get("marker")
            if marker is not None:
                text += f" ; {self.markers.parse(marker, root.origin)}"
            answer.setdefault(text, parse_user_requirement(text, root.origin))
        return list(answer.values())

    def _specifier(self, root: _Package, name: NormalizedName) -> str:
        """Return the specifier that all of *root*'s requirements on a project share, else nothing: the pin holds it."""
        stated = list(self.document.tables("metadata", "requires-dist", at=root.table, where=root.origin))
        for group in self.document.get(dict, "metadata", "requires-dev", at=root.table, where=root.origin):
            stated += self.document.tables("metadata", "requires-dev", group, at=root.table, where=root.origin)
        found = {str(entry.get("specifier", "")) for entry in stated if _same(entry.get("name"), name)}
        return found.pop() if len(found) == 1 else ""

    def manifest_requirements(self) -> list[Requirement]:
        """Return what a script asks for, or a lock without a project."""
        answer = []
        for entry in self.document.tables("manifest", "requirements"):
            text = self._entry_text(entry)
            if "marker" in entry:
                text += f" ; {self.markers.parse(entry['marker'], self.document.name)}"
            answer.append(
                parse_user_requirement(text, f"{self.document.name}: manifest.requirements", locate=self.locate)
            )
        return answer

    def _entry_text(self, entry: Mapping[str, Any]) -> str:
        where = f"{self.document.name}: manifest"
        extras = self.document.texts("extras", at=entry, where=where)
        specifier = self.document.get(str, "specifier", at=entry, where=where)
        return f"{parse_name(entry.get('name'), where)}{_bracketed(extras)}{specifier}"

    def overrides(self) -> tuple[Override, ...]:
        """Return the overrides that the pins were found under."""
        answer = []
        for entry in self.document.tables("manifest", "overrides"):
            text = self._entry_text(entry)
            if "marker" in entry:
                text += f" ; {self.markers.parse(entry['marker'], self.document.name)}"
            answer.append(parse_override(text, f"{self.document.name}: manifest.overrides"))
        return tuple(answer)


def _bracketed(extras: Sequence[str]) -> str:
    return f"[{','.join(extras)}]" if extras else ""


def _same(value: object, name: NormalizedName) -> bool:
    try:
        return parse_name(value, "") == name
    except InputError:
        return False


def _git_url(text: str) -> str:
    """Return ``git+URL@COMMIT`` of uv's ``URL?subdirectory=…&rev=…#COMMIT``."""
    parts = urlsplit(text)
    below = dict(parse_qsl(parts.query)).get("subdirectory")
    url = f"git+{parts._replace(query='', fragment='').geturl()}@{parts.fragment}"
    return f"{url}#subdirectory={below}" if below else url


def _check_form(document: TomlDocument, targets: Sequence[Target], markers: MarkerTexts) -> None:
    version = document.table.get("version")
    if version != 1 or isinstance(version, bool):
        raise refuse_version(document.name, version, f"version 1 of a {_KIND}")
    if document.get(list, "conflicts"):
        raise InputError(
            "foreign-lock-unsupported",
            f"{document.name}: extras or groups that exclude each other (conflicts) are not taken over",
            hint="export what you need: `uv export --extra NAME -o requirements.txt`",
        )
    supported = document.texts("supported-markers")
    for target in targets:
        if supported and not any(markers.holds(m, target, document.name) for m in supported):
            raise InputError(
                "foreign-lock-target",
                f"{document.name} is not made for Python {target.python} on {target.system}",
                context=[f"it is for {' or '.join(supported)[:300]}"],
                hint="lock for these environments as well, or take another --platform or --python",
            )


def parse_uv_lock(
    text: str, name: str, selection: Selection, targets: Sequence[Target], locate: Locate | None = None
) -> RequestFile:
    """Return what a uv.lock asks for: the project's requirements, held at the lock's pins with its hashes.

    The project is the one in the lock's own folder, else all members of the workspace.

    :param name: the file's name, for messages.
    :param targets: those to take pins for.
    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: ``invalid-toml``, ``invalid-file``, ``foreign-lock-version``, ``foreign-lock-unsupported``,
        ``foreign-lock-target``, ``foreign-source-unsupported``, ``python-not-admitted``.
    """
    document = parse_toml(text, name)
    lock = _UvLock(document, locate)
    _check_form(document, targets, lock.markers)
    stated = document.get(str, "requires-python")
    python = parse_python_range(stated, document.place("requires-python", stated)) if stated else None
    for target in targets:
        if python is not None:
            python.check(target)
    if lock.roots:
        requirements = lock.requirements(selection)
        edges = [(root.origin, edge) for root, edge in lock.root_edges(selection)]
    else:
        requirements = lock.manifest_requirements()
        edges = _manifest_edges(lock, requirements)
    selected = {target: lock.select(edges, target) for target in targets}
    references, _ = pin_requirements(selected, direct=True, locate=locate)
    constraints, notes = pin_requirements(selected, direct=False)
    if not lock.roots and not requirements:
        requirements, constraints = constraints, []
    return RequestFile(
        requirements=(*requirements, *references),
        constraints=tuple(constraints),
        overrides=lock.overrides(),
        requires_python=python,
        registries=registries_of(selected),
        extras=frozenset(extra for root in lock.roots for extra in root.extras),
        groups=frozenset(group for root in lock.roots for group in root.groups),
        notes=tuple(notes),
    )


def _manifest_edges(lock: _UvLock, requirements: Sequence[Requirement]) -> list[tuple[str, dict[str, Any]]]:
    """Return edges to what a script asks for, or to every package where the lock does not tell."""
    name = lock.document.name
    if not requirements:
        return [(p.origin, {**p.table, "marker": _any_marker(lock, p)}) for p in lock.packages]
    return [
        (name, {"name": r.project, "extra": list(r.extras), **({"marker": str(r.marker)} if r.marker else {})})
        for r in requirements
    ]


def _any_marker(lock: _UvLock, package: _Package) -> str | None:
    """Return the marker of a package that only some environments have."""
    stated = lock.document.texts("resolution-markers", at=package.table, where=package.origin)
    return " or ".join(f"({lock.markers.parse(text, package.origin)})" for text in stated) or None
