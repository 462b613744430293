"""Requests from a pyproject.toml: PEP 621 dependencies and extras, PEP 735 dependency groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from packaging.markers import Marker

from .direct import Locate
from .errors import InputError
from .names import normalize_extra, normalize_project
from .request_file import RequestFile, Selection, parse_python_range
from .requirement import Requirement
from .toml_document import TomlDocument, describe_type, parse_toml
from .user_requirement import parse_user_requirement

__all__ = ["parse_pyproject", "tool_notes"]

_MAX_REQUIREMENTS = 20_000
#: Extras that name extras of the same project: how deep, and how often.
_MAX_CHAIN = 50
_MAX_EXPANSIONS = 2_000
#: Characters of all markers that are put together from several: each is parsed again.
_MAX_MARKERS = 200_000
#: Tables of tools that add requirements which no standard knows -> what to do.
_TOOL_TABLES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("tool", "poetry", "group"), "write them into [dependency-groups] (PEP 735), or lock poetry.lock"),
    (("tool", "poetry", "dev-dependencies"), "write them into [dependency-groups] (PEP 735), or lock poetry.lock"),
    (("tool", "pdm", "dev-dependencies"), "write them into [dependency-groups] (PEP 735)"),
    (("tool", "hatch", "envs"), "write what they need into [dependency-groups] (PEP 735)"),
    (("tool", "pixi", "pypi-dependencies"), "write them into [project.dependencies]"),
)
_UV_LISTS = (
    ("dev-dependencies", "write them into [dependency-groups] (PEP 735)"),
    ("constraint-dependencies", "write them into constraints of [tool.mach]"),
    ("override-dependencies", "write them into overrides of [tool.mach]"),
    ("exclude-dependencies", "write them into excludes of [tool.mach]"),
)


class _Project:
    """One pyproject.toml while its request is taken from it."""

    def __init__(self, document: TomlDocument, locate: Locate | None) -> None:
        self.document = document
        self.locate = locate
        self.project: dict[str, Any] = document.get(dict, "project")
        name = self.project.get("name")
        self.name = normalize_project(name) if isinstance(name, str) and _is_name(name) else None
        self.dynamic = set(document.texts("project", "dynamic"))
        self.extras: dict[str, list[tuple[str, str]]] = {}
        """Normalised extra -> (text, place) of its requirements."""
        for extra in document.get(dict, "project", "optional-dependencies"):
            key = normalize_extra(extra)
            if key in self.extras:
                raise document.refuse(document.name, f"two extras are called {key} once their names are normalised")
            self.extras[key] = self._entries("project", "optional-dependencies", extra)
        self.requirements: list[Requirement] = []
        self._seen: set[tuple[str, str]] = set()
        self._markers = 0

    def _entries(self, *path: str) -> list[tuple[str, str]]:
        texts = self.document.texts(*path)
        return [(text, self.document.place(f"{'.'.join(path)}[{n}]", text)) for n, text in enumerate(texts)]

    def take(self, entries: list[tuple[str, str]], marker: Marker | None = None, chain: tuple[str, ...] = ()) -> None:
        """Add the requirements of *entries*; those on the project itself stand for its extras.

        :param marker: holds where they are asked for.
        :param chain: the extras that led to them.
        """
        for text, place in entries:
            requirement = parse_user_requirement(text, place, locate=self.locate)
            if requirement.project == self.name and requirement.url is None:
                self._take_own(requirement, marker, chain)
            else:
                self._add(requirement, marker)

    def _add(self, requirement: Requirement, marker: Marker | None) -> None:
        if marker is not None:
            requirement = replace(requirement, marker=self._both(marker, requirement))
        self.requirements.append(requirement)
        if len(self.requirements) > _MAX_REQUIREMENTS:
            raise InputError(
                "requirements-limit",
                f"{requirement.origin}: too many requirements",
                hint=f"there may be {_MAX_REQUIREMENTS}",
            )

    def _take_own(self, requirement: Requirement, marker: Marker | None, chain: tuple[str, ...]) -> None:
        """Take the extras that the project asks of itself: ``all = ["NAME[a,b]"]``."""
        both = self._both(marker, requirement)
        for extra in requirement.extras:
            if extra not in self.extras:
                raise InputError(
                    "unknown-extra",
                    f"{requirement.origin}: there is no extra {extra!r}",
                    hint=f"known: {', '.join(sorted(self.extras)) or 'none'}",
                )
            if len(chain) >= _MAX_CHAIN or len(self._seen) >= _MAX_EXPANSIONS:
                raise InputError(
                    "requirements-limit",
                    f"{requirement.origin}: extras name each other too often",
                    hint="write what they need into each of them",
                )
            # one that led here is asked for already, and under a marker that holds wherever this one does
            if extra not in chain and (extra, str(both)) not in self._seen:
                self._seen.add((extra, str(both)))
                self.take(self.extras[extra], both, (*chain, extra))

    def _both(self, marker: Marker | None, requirement: Requirement) -> Marker | None:
        if marker is None or requirement.marker is None:
            return marker or requirement.marker
        text = f"({marker}) and ({requirement.marker})"
        self._markers += len(text)
        if self._markers > _MAX_MARKERS:
            raise InputError(
                "requirements-limit",
                f"{requirement.origin}: extras name each other too often, under long markers",
                hint="write what they need into each of them",
            )
        return Marker(text)

    def take_base(self) -> None:
        """Take the project's own dependencies; refuse those that only a build or another tool knows."""
        document = self.document
        if "dependencies" in self.dynamic:
            file = document.get(dict, "tool").get("setuptools", {})
            names = _dynamic_files(file)
            raise InputError(
                "dynamic-dependencies",
                f"{document.place('project.dynamic', 'dependencies')}: the dependencies are dynamic:"
                " only a build of the project knows them",
                hint=f"name the file that they come from: -r {names[0]}"
                if names
                else "write them into [project.dependencies], or name a requirements file",
            )
        poetry = [name for name in document.names_in("tool", "poetry", "dependencies") if name.lower() != "python"]
        if poetry and "dependencies" not in self.project:
            raise InputError(
                "pyproject-unsupported",
                f"{document.name}: the dependencies stand in [tool.poetry.dependencies], which no standard describes",
                context=[f"it names {', '.join(poetry[:10])}{' …' if len(poetry) > 10 else ''}"],
                hint="lock poetry.lock (-r poetry.lock), or move them to [project.dependencies] (PEP 621)",
            )
        self.take(self._entries("project", "dependencies"))

    def take_extras(self, selection: Selection) -> None:
        """Take the selected extras that the project has."""
        if "optional-dependencies" in self.dynamic and (selection.extras or selection.all_extras):
            raise InputError(
                "dynamic-dependencies",
                f"{self.document.place('project.dynamic', 'optional-dependencies')}: the extras are dynamic:"
                " only a build of the project knows them",
                hint="write them into [project.optional-dependencies]",
            )
        for extra in self.extras if selection.all_extras else selection.extras:
            if extra in self.extras and (extra, "None") not in self._seen:
                self._seen.add((extra, "None"))
                self.take(self.extras[extra], chain=(extra,))

    def take_groups(self, selection: Selection) -> frozenset[str]:
        """Take the selected dependency groups, and return the names of all."""
        from packaging.dependency_groups import DependencyGroupInclude, DependencyGroupResolver

        document = self.document
        groups: dict[str, Any] = document.get(dict, "dependency-groups")
        try:
            resolver = DependencyGroupResolver(groups)
            known = {normalize_extra(group): group for group in groups}
            for group in selection.groups:
                if group not in known:
                    continue
                # not resolver.resolve(), which writes out every path to a group, of which there can be 2 to the 60th
                includes: dict[str, list[str]] = {}
                todo = [group]
                while todo:
                    current = todo.pop(0)
                    if current in includes:
                        continue
                    includes[current] = [
                        normalize_extra(item.include_group)
                        for item in resolver.lookup(current)
                        if isinstance(item, DependencyGroupInclude)
                    ]
                    todo += includes[current]
                TopologicalSorter(includes).prepare()  # finds cycles
                for current in includes:
                    self.take(
                        [
                            (item, document.place(f"dependency-groups.{known[current]}[{number}]", item))
                            for number, item in enumerate(groups[known[current]])
                            if isinstance(item, str)
                        ]
                    )
        except CycleError as error:
            told = f"groups include each other: {' -> '.join(error.args[1])}"
            raise self._refuse_groups(ValueError(told)) from error
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise self._refuse_groups(error) from error
        except ExceptionGroup as error:
            raise self._refuse_groups(*error.exceptions) from error
        return frozenset(known)

    def _refuse_groups(self, *errors: Exception) -> InputError:
        reasons = [str(error).splitlines()[0][:300] if str(error) else type(error).__name__ for error in errors]
        return InputError(
            "invalid-file",
            f"{self.document.name}: [dependency-groups] cannot be read",
            context=reasons[:5],
            hint="PEP 735 tells the form: lists of requirements and { include-group = NAME }",
        )


def _is_name(name: str) -> bool:
    try:
        normalize_project(name)
    except ValueError:
        return False
    return True


def _dynamic_files(setuptools: object) -> list[str]:
    """Return the files that ``[tool.setuptools.dynamic] dependencies`` names."""
    dynamic = setuptools.get("dynamic") if isinstance(setuptools, Mapping) else None
    stated = dynamic.get("dependencies") if isinstance(dynamic, Mapping) else None
    files = stated.get("file") if isinstance(stated, Mapping) else None
    files = [files] if isinstance(files, str) else files
    return [file for file in files if isinstance(file, str)] if isinstance(files, list) else []


def _sources(document: TomlDocument, requirements: tuple[Requirement, ...]) -> Iterator[str]:
    """Refuse sources of ``[tool.uv.sources]`` that replace the index; yield notes about the others.

    :raises InputError: ``source-unsupported``: to take the same name from an index instead
        could be to take a stranger's project.
    """
    asked = {requirement.project for requirement in requirements}
    for name, value in document.get(dict, "tool", "uv", "sources").items():
        stated = value if isinstance(value, list) else [value]
        kinds = {key for one in stated if isinstance(one, Mapping) for key in one} & {
            *("git", "url", "path", "workspace", "editable", "index")
        }
        if not _is_name(name) or normalize_project(name) not in asked:
            continue
        place = f"{document.name}: tool.uv.sources.{name}"
        if kinds - {"index"}:
            raise InputError(
                "source-unsupported",
                f"{place} takes {name} from a {min(kinds - {'index'})} source, which mach does not read",
                hint=f"name it as a requirement: `{name} @ URL`, or name an index with --index-url and remove the line",
            )
        yield f"{place} is left out: {name} comes from the indexes that mach is given, in their order"


def tool_notes(document: TomlDocument, requirements: tuple[Requirement, ...]) -> Iterator[str]:
    """Yield what of other tools' tables in *document* is left out, one sentence each.

    :raises InputError: ``source-unsupported``.
    """
    yield from _sources(document, requirements)
    uv = document.get(dict, "tool").get("uv")
    if isinstance(uv, Mapping):
        if uv.get("index") or uv.get("index-url") or uv.get("extra-index-url"):
            yield f"{document.name}: the indexes of [tool.uv] are left out; name them with --index-url"
        for key, advice in _UV_LISTS:
            if uv.get(key):
                yield f"{document.name}: tool.uv.{key} is left out; {advice}"
    for path, advice in _TOOL_TABLES:
        if names := list(document.names_in(*path)):
            yield f"{document.name}: {'.'.join(path)} ({', '.join(names[:5])}) is left out; {advice}"


def parse_pyproject(text: str, name: str, selection: Selection, locate: Locate | None = None) -> RequestFile:
    """Return what a pyproject.toml asks for: its dependencies, and the selected extras and groups.

    :param name: the file's name, for messages.
    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: ``invalid-toml``, ``invalid-file``, ``pyproject-unsupported``, ``dynamic-dependencies``,
        ``source-unsupported``, ``unknown-extra``, ``invalid-requirement`` and their kin, with the place.
    """
    document = parse_toml(text, name)
    stated = {"project", "dependency-groups"} & document.table.keys()
    if not stated and not list(document.names_in("tool", "poetry")):
        raise InputError(
            "invalid-file",
            f"{name} has neither [project] nor [dependency-groups]",
            hint="name a pyproject.toml that states dependencies (PEP 621, PEP 735), or a requirements file",
        )
    project = _Project(document, locate)
    project.take_base()
    project.take_extras(selection)
    groups = project.take_groups(selection)
    requirements = tuple(project.requirements)
    python = project.project.get("requires-python")
    if python is not None and not isinstance(python, str):
        raise document.refuse(name, f"project.requires-python is {describe_type(python)} and must be a text")
    place = document.place("project.requires-python", python)
    return RequestFile(
        requirements=requirements,
        requires_python=None if python is None else parse_python_range(python, place),
        extras=frozenset(project.extras),
        groups=groups,
        notes=tuple(tool_notes(document, requirements)),
    )
