"""From what a user typed, or a client sent, to a request: files, arguments and options merged."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from resolver.errors import InputError
from resolver.file_kinds import check_constraint_file, file_kind
from resolver.interpreters import full_python, split_python
from resolver.lock_request import request_to_json
from resolver.nameless import names_in, with_names
from resolver.policy import PREFERENCES, RESOLUTIONS, parse_choice, parse_prerelease
from resolver.requirement import Request, Requirement, parse_override
from resolver.requirements_options import redact
from resolver.requirements_txt import RequirementsFile, parse_requirements_file, parse_requirements_text
from resolver.target import Target, make_target
from resolver.user_requirement import parse_user_requirement

from .choices import (
    Choices,
    allowed_providers,
    as_of_dates,
    build_providers,
    exact_pythons,
    excluded_projects,
    open_series,
    parse_as_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crawler.settings import IndexSettings
    from resolver.direct import Locate
    from resolver.lock import Lock
    from resolver.request_file import RequestFile

    from .local_sources import LocalSources

__all__ = ["Asked", "Choices", "ask", "parse_as_of", "this_system"]

Reader = Callable[[str, str], str]

#: More is no request that a person makes, and a search's memory grows with the square.
MOST_REQUIREMENTS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, the indexes to fetch from, and what the user should be told about both."""

    request: Request
    settings: IndexSettings
    notes: tuple[str, ...]
    details: tuple[str, ...]
    local_paths: Mapping[str, Path] = field(default_factory=dict)
    """Where the local sources of the request lie, by reference."""
    series: frozenset[str] = frozenset()
    """The X.Y of Pythons that were asked for without a patch version: the request has that of mach's table."""
    at: Callable[..., Asked] | None = field(default=None, repr=False, compare=False)
    """Makes the same of the same inputs for other ``pythons``."""

    def with_patches(self, patches: Mapping[str, str]) -> Asked:
        """Return the same with other patch versions of Pythons that were asked for without one.

        :param patches: X.Y -> X.Y.Z; what was not asked for so is left alone.
        """
        table = {full_python(name): exact for name, exact in patches.items() if name in self.series}
        pythons = tuple(sorted({table.get(p, p) for p in self.request.pythons}, key=split_python))
        if self.at is None or pythons == self.request.pythons:
            return self
        return replace(self.at(pythons=pythons), series=self.series, at=self.at)

    def to_files(self, lock: Lock) -> dict[str, str]:
        """Return the request as files, by name: ``requirements.txt``, and ``constraints.txt`` where there are any.

        :param lock: what it was resolved to, which names the folders that the request could not.
        """
        request = request_to_json(with_names(self.request, names_in(lock, self.request)))
        files = {}
        lines = list(request["requirements"])
        if request["constraints"]:
            files["constraints.txt"] = "".join(f"{line}\n" for line in request["constraints"])
            lines.insert(0, "-c constraints.txt")
        files["requirements.txt"] = "".join(f"{line}\n" for line in lines)
        return files


def this_system() -> str:
    """Return the Nix system name of the machine that mach runs on.

    :raises InputError: ``unknown-machine`` where Nix has no name for it.
    """
    machine = os.uname()
    cpu = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(machine.machine)
    kernel = {"Linux": "linux", "Darwin": "darwin"}.get(machine.sysname)
    if cpu is None or kernel is None:
        raise InputError(
            "unknown-machine",
            f"this machine ({machine.sysname} {machine.machine}) is no platform that mach knows",
            hint="name the platform, for example --platform x86_64-linux",
        )
    return f"{cpu}-{kernel}"


def ask(
    *,
    arguments: Sequence[str] = (),
    editables: Sequence[str] = (),
    files: Sequence[str] = (),
    constraint_files: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
    constraint_texts: Mapping[str, str] | None = None,
    choices: Choices,
    read: Reader | None,
    environ: Mapping[str, str] | None = None,
    settings: IndexSettings | None = None,
    local_sources: LocalSources | None = None,
    most: int = MOST_REQUIREMENTS,
) -> Asked:
    """Return the request that these inputs make together.

    :param arguments: requirements given one by one.
    :param editables: folders given one by one, as ``-e`` takes them.
    :param files: requirements files, and those of :mod:`resolver.request_files`, read through *read*.
    :param constraint_files: files whose requirements only constrain (``-c``).
    :param texts: requirements files given as text, by the name that messages shall show.
    :param constraint_texts: constraints files given as text, likewise.
    :param read: gives the text of a path; None refuses every path (a service).
    :param environ: for ``${NAME}`` in files and for pip's configuration.
    :param settings: the only indexes that may be used, whatever the texts say (a service);
        None takes them from the options, the files and pip's configuration.
    :param local_sources: reads local paths; None refuses every direct reference (a service).
    :param most: requirements and constraints that are taken at once.
    :raises InputError: with the origin of what is wrong.
    """
    locate = local_sources
    environ = os.environ if environ is None else environ
    parsed: list[RequirementsFile] = []
    others: list[tuple[str, str]] = []
    for name in files:
        assert read is not None, "files are given where they can be read"
        if file_kind(name) != "requirements":
            others.append((name, read(name, "command line")))
        else:
            parsed.append(parse_requirements_file(name, read, environment=environ, locate=locate))
    for name, text in (texts or {}).items():
        if file_kind(name) != "requirements":
            others.append((name, text))
        else:
            parsed.append(parse_requirements_text(text, name, read=read, environment={}, locate=locate))
    for name in constraint_files:
        assert read is not None, "files are given where they can be read"
        check_constraint_file(name)
        parsed.append(parse_requirements_file(name, read, environment=environ, constraint=True, locate=locate))
    for name, text in (constraint_texts or {}).items():
        parsed.append(parse_requirements_text(text, name, read=read, environment={}, constraint=True, locate=locate))
    requirements = [parse_user_requirement(text, _name_argument(text), locate=locate) for text in arguments]
    requirements += [_read_editable(text, locate) for text in editables]
    merge = partial(
        _merge,
        requirements,
        parsed,
        others,
        files=files,
        choices=choices,
        environ=environ,
        settings=settings,
        local_sources=local_sources,
        most=most,
    )
    asked = merge(pythons=exact_pythons(choices))
    return replace(asked, series=open_series(choices), at=merge)


def _merge(
    stated: Sequence[Requirement],
    parsed: Sequence[RequirementsFile],
    others: Sequence[tuple[str, str]],
    *,
    files: Sequence[str],
    choices: Choices,
    environ: Mapping[str, str],
    settings: IndexSettings | None,
    local_sources: LocalSources | None,
    most: int,
    pythons: tuple[str, ...],
) -> Asked:
    """Return the request of inputs that were read, for exact Pythons.

    :param stated: the arguments.
    :param others: names and texts of request files that are not requirements files.
    """
    requirements = [*stated, *(requirement for file in parsed for requirement in file.requirements)]
    constraints = [constraint for file in parsed for constraint in file.constraints]
    systems = tuple(sorted(set(choices.systems or (this_system(),))))
    # refuses what mach does not know; it is kept for the resolution
    targets = [make_target(system, python) for system in systems for python in pythons]
    sources = _sources(others, choices, targets, local_sources)
    for source in sources:
        requirements += source.requirements
        constraints += source.constraints
    if not requirements:
        raise InputError(
            "empty-request",
            "nothing is asked for: there is no requirement",
            context=[f"read: {name}" for name in files],
            hint="name a project (`mach gen requests`) or a file (`mach gen -r requirements.txt`)",
        )
    count = len(requirements) + len(constraints)
    if count > most:
        raise InputError(
            "too-many-requirements",
            f"there are {count} requirements and constraints; at most {most} are resolved at once",
            hint="split the request, or leave out what other requirements lead to anyway",
        )
    notes = [note for file in parsed for note in file.notes]
    notes += [note for source in sources for note in source.notes]
    if settings is None:
        settings = _settings(choices, parsed, environ)
    elif any(file.index_url or file.extra_index_urls for file in parsed):
        raise InputError(
            "index-not-allowed",
            "the requirements name an index of their own",
            hint="remove --index-url and --extra-index-url: this service asks its operator's indexes only",
        )
    notes += _registry_notes(sources, settings)
    pre = choices.pre or any(file.pre for file in parsed)
    request = Request(
        requirements=tuple(requirements),
        constraints=tuple(constraints),
        indexes=settings.indexes,
        pythons=pythons,
        systems=systems,
        providers=allowed_providers(choices, parsed, requirements),
        prefer=parse_choice(choices.prefer, PREFERENCES, "--prefer"),
        prerelease=parse_prerelease(("allow", *choices.prerelease) if pre else choices.prerelease),
        resolution=parse_choice(choices.resolution, RESOLUTIONS, "--resolution"),
        as_of=as_of_dates(choices.as_of),
        build_as_of=as_of_dates(choices.build_as_of),
        build_providers=build_providers(choices.build_providers),
        crates_url=settings.crates,
        overrides=(
            *(parse_override(text, f"--override {text[:60]!r}") for text in choices.overrides),
            *(override for source in sources for override in source.overrides),
        ),
        excludes=excluded_projects(choices, requirements),
        require_hashes=choices.require_hashes or any(file.require_hashes for file in parsed),
        local_sources={} if local_sources is None else local_sources.found,
    )
    return Asked(
        request=request,
        settings=settings,
        notes=tuple(dict.fromkeys(notes)),
        details=settings.left_out,
        local_paths={} if local_sources is None else local_sources.paths,
    )


def _name_argument(text: str) -> str:
    """Return the origin of a requirement given as an argument: short, and without a password."""
    shown = redact(text)
    return f"argument {shown if len(shown) <= 60 else shown[:60] + '…'!r}"


def _read_editable(text: str, locate: LocalSources | None) -> Requirement:
    requirement = parse_user_requirement(text, _name_argument(f"-e {text}"), locate=locate, editable=True)
    if requirement.url is not None and requirement.url.startswith("git+"):
        raise InputError(
            "direct-reference-unsupported",
            f"{redact(text)!r} is editable, and only a folder can be",
            hint="leave out the -e, or clone it and name its folder",
        )
    return requirement


def _sources(
    files: Sequence[tuple[str, str]], choices: Choices, targets: Sequence[Target], locate: Locate | None
) -> tuple[RequestFile, ...]:
    """Return what request files of other kinds ask for; their readers are imported only where there are any."""
    if not (files or choices.extras or choices.all_extras or choices.groups):
        return ()
    from resolver.request_file import Selection
    from resolver.request_files import read_request_files

    selection = Selection.of(choices.extras, choices.groups, all_extras=choices.all_extras)
    return read_request_files(files, selection, targets, locate)


def _registry_notes(sources: Sequence[RequestFile], settings: IndexSettings) -> list[str]:
    if not sources:
        return []
    from resolver.request_file import check_registries

    return list(check_registries(sources, settings.indexes))


def _settings(choices: Choices, files: Sequence[RequirementsFile], environ: Mapping[str, str]) -> IndexSettings:
    """Return the indexes: options go before files, and both before pip's configuration."""
    from crawler.settings import read_index_settings

    index_url = choices.index_url
    for file in files:
        index_url = index_url or file.index_url
    extra = [*choices.extra_index_urls]
    for file in files:
        extra += [url for url in file.extra_index_urls if url not in extra]
    return read_index_settings(
        index_url=index_url,
        extra_index_urls=extra or None,
        keyring_provider=choices.keyring_provider,
        crates_url=choices.crates_url,
        environ=environ,
    )
