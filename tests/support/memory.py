"""A catalog in memory, built from a few lines: for tests of the resolver alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from packaging.version import Version

from resolver.catalog import EXTRACTOR, SDIST, WHEEL, Artifact, Page
from resolver.interpreters import NEWEST_PATCHES
from resolver.target import SYSTEMS

INDEX = "https://index.example/simple/"


def closure_key(*filenames: str) -> str:
    """Return the key of the build closure with these wheels."""
    pins = []
    for filename in sorted(filenames):
        name, version, *_ = filename.split("-")
        pins.append([name.replace("_", "-"), version, filename, sha256_of(filename)])
    text = json.dumps(pins, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def sha256_of(filename: str) -> str:
    """Return the digest that a file has here."""
    return hashlib.sha256(filename.encode()).hexdigest()


def said(step: str, *, closure: str, requires=(), adds=(), failure=None, python=None, system=None) -> list[tuple]:
    """Return rows for ``builds``: what a backend said, on every Python and platform where none is named."""
    depset = [list(requires), [], None, failure, [list(adds), None, [], EXTRACTOR]]
    pythons, systems = [python] if python else NEWEST_PATCHES, [system] if system else SYSTEMS
    return [(p, s, step, closure, depset) for p in pythons for s in systems]


class MemoryCatalog:
    """Answers like any catalog; ``releases`` maps ``name`` to ``version`` to a description.

    A description is a list of Requires-Dist lines, or a mapping with ``requires``, ``extras``,
    ``python``, ``yanked``, ``sdist``, ``wheel`` (booleans), ``tags``, ``upload``, ``failure``,
    ``known`` (False: the metadata is unknown), and for an sdist ``build`` (what its build system
    requires, ``["setuptools"]``), ``crates`` (name, version, sha256) and ``builds`` (rows of
    :attr:`Page.builds` without the first column, with a dependency set at the end; by default its
    backend said on several Pythons that it requires no more, in a closure of the setuptools that is
    here unless told otherwise).
    """

    def __init__(
        self,
        releases: Mapping[str, Mapping[str, object]],
        *,
        index: str = INDEX,
        absent: Iterable[str] = (),
        tools: bool = True,
    ) -> None:
        self.index = index
        self.page_map: dict[str, Page] = {}
        self.files: dict[int, Artifact] = {}
        self.queries: list[list[str]] = []
        if tools:
            releases = {
                "installer": {"1.0": {"upload": 0}},
                "pyproject-hooks": {"1.2": {"upload": 0}},
                "setuptools": {"80.0": {"upload": 0}},
                **releases,
            }
        for name, versions in releases.items():
            self.page_map[name] = self._page(name, versions)
        for name in absent:
            self.page_map[name] = Page(index=index, project=name, absent=True, digest="absent")

    def _page(self, name: str, versions: Mapping[str, object]) -> Page:
        ordered = sorted(versions, key=Version)
        tags: list[str] = []
        pythons: list[str] = []
        depsets: list[tuple] = []
        rows = []
        builds: list[tuple] = []

        def place_of(depset: list) -> int:
            digest = sha256_of(json.dumps(depset))
            place = next((i for i, d in enumerate(depsets) if d[0] == digest), None)
            if place is None:
                place = len(depsets)
                depsets.append((digest, *depset))
            return place

        for rank, version in enumerate(ordered):
            value = versions[version]
            data = {"requires": value} if isinstance(value, list) else dict(value)
            python = data.get("python")
            if python is not None and python not in pythons:
                pythons.append(python)
            told = [list(data.get("requires", [])), list(data.get("extras", [])), None, data.get("failure")]
            system = [data.get("build", ["setuptools"]), None, [], EXTRACTOR]
            system += [data["crates"]] if "crates" in data else []
            places = {WHEEL: place_of([*told, None]), SDIST: place_of([*told, system])}
            kinds = []
            if data.get("wheel", True):
                kinds += [(WHEEL, tag) for tag in data.get("tags", ["py3-none-any"])]
            if data.get("sdist", False):
                kinds.append((SDIST, None))
            for kind, tag in kinds:
                if tag is not None and tag not in tags:
                    tags.append(tag)
                plain = name.replace("-", "_")
                filename = f"{plain}-{version}-{tag}.whl" if kind == WHEEL else f"{plain}-{version}.tar.gz"
                sha256 = sha256_of(filename)
                if kind == SDIST:
                    usual = said("requires", closure=closure_key("setuptools-80.0-py3-none-any.whl"))
                    for *key, depset in data.get("builds", usual):
                        builds.append((len(rows), *key, place_of(depset)))
                identity = len(self.files)
                self.files[identity] = Artifact(
                    filename=filename,
                    url=f"https://files.example/{filename}",
                    sha256=sha256,
                    size=100,
                    upload_time=data.get("upload"),
                )
                rows.append(
                    [
                        identity,
                        rank,
                        kind,
                        -1 if tag is None else tags.index(tag),
                        -1 if python is None else pythons.index(python),
                        data.get("upload", -1),
                        int(bool(data.get("yanked", False))),
                        places[kind] if data.get("known", True) else -1,
                    ]
                )
        listing = [name, [[*row[1:7]] for row in rows], ordered, tags, pythons]
        return Page(
            index=self.index,
            project=name,
            digest=hashlib.sha256(json.dumps(listing).encode()).hexdigest(),
            versions=ordered,
            tags=tags,
            pythons=pythons,
            depsets=depsets,
            files=rows,
            builds=builds,
        )

    def pages(self, index, projects):
        projects = list(projects)
        self.queries.append(projects)
        return {p: self.page_map[p] for p in projects if p in self.page_map} if index == self.index else {}

    def artifacts(self, file_ids):
        return {i: self.files[i] for i in file_ids}
