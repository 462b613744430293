"""Crawling a nixpkgs: its Python sets become facts of the catalog."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.catalog import CatalogHandle

if TYPE_CHECKING:
    from nix.tree import Fault

__all__ = ["CrawledNixpkgs", "CrawledSet", "crawl_nixpkgs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawledSet:
    """What one Python set of a nixpkgs gave."""

    system: str
    python: str
    """Version of the interpreter, ``3.11.9``."""
    glibc: str | None
    projects: int
    releases: int
    variants: tuple[str, ...]
    """Attributes left out because another one is the same version of the same project."""
    unusable: tuple[tuple[str, str], ...]
    """(attribute, reason) of what is listed and cannot be taken."""
    faults: tuple[Fault, ...]
    """Attributes that cannot be evaluated."""
    evaluations: int
    """Processes of Nix that it took."""
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "system": self.system,
            "python": self.python,
            "glibc": self.glibc,
            "projects": self.projects,
            "releases": self.releases,
            "variants": list(self.variants),
            "unusable": [{"attribute": name, "reason": reason} for name, reason in self.unusable],
            "faults": [{"attribute": fault.name, "reason": fault.reason} for fault in self.faults],
            "evaluations": self.evaluations,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawledNixpkgs:
    """A nixpkgs that the catalog knows now."""

    sha256: str
    """SRI hash of the tree: what ``--nixpkgs-sha256`` takes."""
    rev: str | None
    """Its commit, where git knows one: what ``--nixpkgs`` takes."""
    generation: int
    sets: tuple[CrawledSet, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "rev": self.rev,
            "sha256": self.sha256,
            "generation": self.generation,
            "sets": [one.to_json() for one in self.sets],
        }


def crawl_nixpkgs(
    handle: CatalogHandle,
    path: Path,
    *,
    systems: Sequence[str],
    pythons: Sequence[str],
    jobs: int = 2,
    told: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> CrawledNixpkgs:
    """Evaluate Python sets of the nixpkgs at *path* and publish what they have, each set at once.

    :param systems: Nix system names.
    :param pythons: ``3.11`` or ``3.11.9``; the set is that of the series.
    :param jobs: processes of Nix at once.
    :param told: is called with how many of how many attributes of a set are done, and one of them.
    :raises InputError: ``no-nixpkgs``, ``git-failed``.
    :raises Unavailable: ``nix-not-found``.
    :raises DataError: ``nixpkgs-not-evaluated``.
    """
    from crawler.nixpkgs import index_set
    from crawler.nixpkgs_tree import open_nixpkgs
    from db.writer import publish
    from nix.tree import evaluate_tree
    from resolver.interpreters import nix_attribute
    from resolver.nixpkgs_index import index_of_nixpkgs

    sets: list[CrawledSet] = []
    generation = handle.generation()
    with open_nixpkgs(path) as tree:
        for system in systems:
            for python in pythons:
                began = time.perf_counter()
                attribute = nix_attribute(python)
                found = evaluate_tree(tree.folder, system=system, python=attribute, jobs=jobs, told=told)
                indexed = index_set(
                    found.attributes,
                    index=index_of_nixpkgs(tree.sha256, system, python),
                    interpreter=attribute,
                    version=found.version,
                    glibc=found.glibc,
                    darwin=found.darwin,
                    committed_at=tree.committed_at,
                    now=int(time.time()),
                )
                generation = publish(handle, indexed.facts)
                sets.append(
                    CrawledSet(
                        system=system,
                        python=found.version,
                        glibc=found.glibc,
                        projects=indexed.projects,
                        releases=indexed.releases,
                        variants=indexed.variants,
                        unusable=indexed.unusable,
                        faults=found.faults,
                        evaluations=found.evaluations,
                        seconds=time.perf_counter() - began,
                    )
                )
        return CrawledNixpkgs(sha256=tree.sha256, rev=tree.rev, generation=generation, sets=tuple(sets))
