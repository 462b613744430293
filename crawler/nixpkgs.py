"""From the modules of a nixpkgs to facts: which project each is, and which of nixpkgs' own it was built with."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from packaging.version import InvalidVersion, Version

from db.facts import Fact, FileFact, MetadataFact, PageFact
from resolver.errors import printable, shorten
from resolver.names import NormalizedName, normalize_extra, normalize_project
from resolver.nixpkgs_index import TREE, attribute_filename
from resolver.nixpkgs_modules import ModuleIdentity, PythonModule

__all__ = ["IndexedSet", "index_set", "project_of"]

#: Where sources of releases lie on an index: ``…/source/r/requests/requests-2.32.3.tar.gz``, by mirror or by host.
_RELEASE_URL = re.compile(
    r"(?:mirror://pypi|/packages/(?:source|[a-z0-9.]{1,20}))/[A-Za-z0-9_]/(?P<name>[A-Za-z0-9._-]+)/[^/]+"
)
_EXTRA = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedSet:
    """The facts of one Python set, and what of it is no candidate."""

    facts: tuple[Fact, ...]
    projects: int
    releases: int
    variants: tuple[str, ...]
    """Attributes left out because another one is the same version of the same project."""
    unusable: tuple[tuple[str, str], ...]
    """(attribute, reason) of what is listed and cannot be taken."""


@cache
def _aliases() -> Mapping[str, str]:
    text = files("crawler").joinpath("nixpkgs_aliases.toml").read_text("utf-8")
    return {str(name): str(project) for name, project in tomllib.loads(text)["attributes"].items()}


def project_of(attribute: str | None, identity: ModuleIdentity) -> NormalizedName | None:
    """Return the project that a module is: by the reviewed table, its source's URL, its pname, then its attribute.

    :param attribute: None where it is only known as somebody's dependency.
    """
    alias = _aliases().get(attribute or identity.pname) or _aliases().get(identity.pname)
    if alias is not None:
        return normalize_project(alias)
    candidates = [found["name"] for url in identity.urls if (found := _RELEASE_URL.search(url))]
    candidates += [identity.pname, *([attribute] if attribute is not None else [])]
    for name in candidates:
        try:
            return normalize_project(name)
        except ValueError:
            continue
    return None


def index_set(
    modules: Iterable[PythonModule],
    *,
    index: str,
    interpreter: str,
    version: str,
    glibc: str | None,
    darwin: str | None,
    committed_at: int | None,
    now: int,
) -> IndexedSet:
    """Return the facts of a Python set: a page for each project, the metadata of each release, and a page of the set.

    A release's requirements are the very modules that it propagates, ``urllib3==2.2.1``: what nixpkgs
    has built was built with them, whatever the release says of itself.

    :param index: the identity of the set (:func:`resolver.nixpkgs_index.index_of_nixpkgs`).
    :param interpreter: its attribute, ``python311``, and *version* of it.
    :param glibc: its version as nixpkgs has it (``2.40-66``); *darwin* the oldest macOS.
    :param committed_at: when the nixpkgs was committed, in UTC seconds since 1970: what ``--as-of`` compares.
    :param now: UTC seconds since 1970.
    """
    listed: dict[NormalizedName, dict[str, PythonModule]] = {}
    variants: list[str] = []
    unusable: list[tuple[str, str]] = []
    for module in sorted(modules, key=lambda m: m.name):
        project = project_of(module.name, module.identity)
        if project is None:
            unusable.append((module.name, f"{printable(shorten(module.identity.pname, 80))!r} names no project"))
            continue
        try:
            attribute_filename(module.name, module.identity.version)
        except ValueError:
            unusable.append((module.name, f"{printable(shorten(module.identity.version, 80))!r} is no version"))
            continue
        versions = listed.setdefault(project, {})
        key = _canonical(module.identity.version)
        other = versions.get(key)
        if other is None:
            versions[key] = module
        elif _rank(module, project) < _rank(other, project):
            versions[key] = module
            variants.append(other.name)
        else:
            variants.append(module.name)
    facts: list[Fact] = [_tree_page(index, interpreter, version, glibc, darwin, committed_at, now)]
    for project, versions in sorted(listed.items()):
        found = [_list_module(index, m, committed_at) for m in versions.values()]
        facts.append(PageFact(index=index, project=project, files=tuple(found), checked_at=now))
        for module, file in zip(versions.values(), found, strict=True):
            metadata = _metadata(index, project, module, file, listed)
            facts.append(metadata)
            if metadata.failure is not None:
                unusable.append((module.name, metadata.failure))
    return IndexedSet(
        facts=tuple(facts),
        projects=len(listed),
        releases=sum(map(len, listed.values())),
        variants=tuple(sorted(variants)),
        unusable=tuple(sorted(unusable)),
    )


def _canonical(version: str) -> str:
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


def _rank(module: PythonModule, project: str) -> tuple[bool, int, str]:
    """The attribute that is called like the project goes before others, and short ones before long ones."""
    return normalize_extra(module.name) != project, len(module.name), module.name


def _list_module(index: str, module: PythonModule, committed_at: int | None) -> FileFact:
    return FileFact(
        filename=attribute_filename(module.name, module.identity.version),
        url=f"{index}#{module.name}",
        sha256=None,
        upload_time=committed_at,
        yanked=bool(module.marks),
        yanked_reason=f"nixpkgs marks it as {' and '.join(module.marks)}" if module.marks else None,
    )


def _tree_page(
    index: str,
    interpreter: str,
    version: str,
    glibc: str | None,
    darwin: str | None,
    committed_at: int | None,
    now: int,
) -> PageFact:
    told = [(interpreter, version)]
    for name, text in (("glibc", glibc), ("darwin", darwin)):
        numbers = _NUMBERS.match(text or "")
        if numbers is not None:
            told.append((name, numbers[0]))
    return PageFact(
        index=index,
        project=TREE,
        files=tuple(
            FileFact(
                filename=attribute_filename(name, text), url=f"{index}#{name}", sha256=None, upload_time=committed_at
            )
            for name, text in told
        ),
        checked_at=now,
    )


def _metadata(
    index: str,
    project: NormalizedName,
    module: PythonModule,
    file: FileFact,
    listed: Mapping[NormalizedName, Mapping[str, PythonModule]],
) -> MetadataFact:
    lines, failure = _requirements(module.dependencies, listed)
    extras: list[str] = []
    for extra, modules in sorted(module.extras.items()):
        name = normalize_extra(extra)
        if not _EXTRA.fullmatch(name):
            continue
        more, trouble = _requirements(modules, listed)
        if trouble is None:
            extras.append(name)
            lines += [f'{line}; extra == "{name}"' for line in more]
    return MetadataFact(
        index=index,
        project=project,
        filename=file.filename,
        source="nixpkgs",
        requires_dist=() if failure is not None else tuple(lines),
        provides_extra=() if failure is not None else tuple(dict.fromkeys(extras)),
        failure=failure,
    )


def _requirements(
    identities: Iterable[ModuleIdentity], listed: Mapping[NormalizedName, Mapping[str, PythonModule]]
) -> tuple[list[str], str | None]:
    """Return a line for each module, and why the set cannot give one of them."""
    lines: dict[str, None] = {}
    for identity in identities:
        project = project_of(None, identity)
        version = _canonical(identity.version)
        said = printable(shorten(f"{identity.pname} {identity.version}", 120))
        if project is None or version not in listed.get(project, {}):
            return [], f"it was built with {said}, which is no attribute of the same set"
        try:
            lines[f"{project}=={Version(version)}"] = None
        except InvalidVersion:
            return [], f"it was built with {said}, whose version is not one of PEP 440"
    return sorted(lines), None
