"""One reading of a catalog: what a resolution asked for, what it lacks, and the digest of both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .catalog import ID, METADATA, BuildNeed, Catalog, MetadataNeed, Page, PageNeed
from .direct import DIRECT, LocalSource, make_local_page
from .names import NormalizedName
from .target import Target

if TYPE_CHECKING:
    from .nixpkgs_set import NixpkgsSet

__all__ = ["Need", "Reading"]

#: A fact that was asked for and is unknown.
Need = PageNeed | MetadataNeed | BuildNeed


class Reading:
    """Reads pages from a catalog and keeps account of every fact that was asked for.

    A fact influences a run only if the run asked for it: pages loaded ahead leave no
    trace until :meth:`page` is called for them, and metadata that is present stays
    invisible until :meth:`depset` is called for its file.

    :param catalog: one state of a catalog.
    :param indexes: index URLs in order of precedence; a project comes from the first
        that has it.
    :param nix_hash: the hash of the nixpkgs that is pinned, as a lock has it; None where none is.
    :param local_sources: what local paths hold, by reference; read with the request, not from the catalog.
    """

    __slots__ = (
        "_built",
        "_catalog",
        "_found",
        "_loaded",
        "_local",
        "_metadata",
        "_nix_hash",
        "_nixpkgs",
        "_pages",
        "_sets",
        "indexes",
        "needs",
    )

    def __init__(
        self,
        catalog: Catalog,
        indexes: Sequence[str],
        local_sources: Mapping[str, LocalSource] | None = None,
        nix_hash: str | None = None,
    ) -> None:
        self._catalog = catalog
        self._local = {DIRECT + reference: source for reference, source in (local_sources or {}).items()}
        self.indexes = tuple(indexes)
        self._nix_hash = nix_hash
        self._nixpkgs: dict[tuple[str, NormalizedName], Page | None] = {}
        self._sets: dict[str, NixpkgsSet] = {}
        self._loaded: dict[tuple[str, NormalizedName], Page | None] = {}
        self._found: dict[NormalizedName, Page | None] = {}
        self._pages: dict[tuple[str, NormalizedName], str] = {}
        self._metadata: dict[tuple[str, NormalizedName, int], str] = {}
        self._built: dict[tuple[str, NormalizedName, int, str, str, str, str], str] = {}
        #: Facts that were asked for and are unknown, in the order of asking.
        self.needs: dict[Need, None] = {}

    @property
    def has_nixpkgs(self) -> bool:
        """Whether a nixpkgs is pinned."""
        return self._nix_hash is not None

    def afresh(self) -> Reading:
        """Return a reading of the same state that has asked for nothing; loaded pages are shared."""
        other = Reading(self._catalog, self.indexes, nix_hash=self._nix_hash)
        other._local = self._local
        other._loaded = self._loaded
        other._sets = self._sets
        return other

    def load(self, projects: Iterable[NormalizedName]) -> None:
        """Load the pages of *projects* in one batch for each index, without asking for them."""
        wanted = set(projects)
        for index in self.indexes:
            missing = [p for p in wanted if (index, p) not in self._loaded]
            if missing:
                answer = self._catalog.pages(index, missing)
                for project in missing:
                    self._loaded[index, project] = answer.get(project)
            wanted = {p for p in wanted if (page := self._loaded[index, p]) is not None and page.absent}
            if not wanted:
                break

    def page(self, project: NormalizedName) -> Page | None:
        """Ask for *project*: its page on the first index that has it.

        Returns an absent page where every index answered that it has no such project, and
        None where that is unknown (the need is recorded then).
        """
        try:
            return self._found[project]
        except KeyError:
            pass
        self.load((project,))
        page: Page | None = None
        for index in self.indexes:
            page = self._loaded.get((index, project))
            if page is None:
                self.needs[PageNeed(index, project)] = None
                break
            self._pages[index, project] = page.digest
            if not page.absent:
                break
        self._found[project] = page
        return page

    def nixpkgs_set(self, system: str, python: str) -> NixpkgsSet | None:
        """Ask what the pinned nixpkgs is for a platform and a Python; None where none is pinned or it is not known.

        Nothing is needed for it: what is not known of a nixpkgs is not in the answer.
        """
        if self._nix_hash is None:
            return None
        from .nixpkgs_index import TREE, index_of_nixpkgs
        from .nixpkgs_set import read_set

        index = index_of_nixpkgs(self._nix_hash, system, python)
        if (index, TREE) not in self._loaded:
            self._loaded[index, TREE] = self._catalog.pages(index, (TREE,)).get(TREE)
        page = self._loaded[index, TREE]
        if page is None:
            return None
        self._pages[index, TREE] = page.digest
        if index not in self._sets:
            artifacts = self._catalog.artifacts([file[ID] for file in page.files])
            self._sets[index] = read_set([artifact.filename for artifact in artifacts.values()], python)
        return self._sets[index]

    def nixpkgs(self, project: NormalizedName, target: Target) -> Page | None:
        """Ask for what the pinned nixpkgs has of *project* on *target*: its page, an absent one where it has none.

        Returns None where nothing is known of that nixpkgs for the target (the need is recorded then).

        :raises ValueError: where the request pins no nixpkgs.
        """
        from .nixpkgs_index import TREE, index_of_nixpkgs

        if self._nix_hash is None:
            raise ValueError("the request pins no nixpkgs")
        index = index_of_nixpkgs(self._nix_hash, target.system, target.python)
        if (index, project) in self._nixpkgs:
            return self._nixpkgs[index, project]
        missing = [name for name in (TREE, project) if (index, name) not in self._loaded]
        known = self._catalog.pages(index, missing)
        self._loaded |= {(index, name): known.get(name) for name in missing}
        tree, page = self._loaded[index, TREE], self._loaded[index, project]
        if tree is None:
            self.needs[PageNeed(index, TREE)] = None
        else:
            self._pages[index, TREE] = tree.digest
            if page is None:
                page = Page(index=index, project=project, absent=True)
            else:
                self._pages[index, project] = page.digest
        self._nixpkgs[index, project] = page
        return page

    def direct(self, reference: str, project: NormalizedName) -> Page | None:
        """Ask for what a direct *reference*, in normal form, says of *project*.

        Returns None where it is unknown (the need is recorded then).
        """
        index = DIRECT + reference
        page: Page | None
        if (source := self._local.get(index)) is not None:
            page = make_local_page(reference, source, project)
        else:
            page = self._catalog.pages(index, (project,)).get(project)
        self._loaded[index, project] = page
        if page is None:
            self.needs[PageNeed(index, project)] = None
        else:
            self._pages[index, project] = page.digest
        return page

    def depset(self, page: Page, row: int) -> Sequence[object] | None:
        """Ask for the metadata of the file in *row* of *page*.

        Returns an entry of :attr:`Page.depsets`, or None where it is unknown (the need is
        recorded then).
        """
        file = page.files[row]
        position = file[METADATA]
        if position < 0:
            self.needs[MetadataNeed(page.index, page.project, file[ID])] = None
            return None
        depset = page.depsets[position]
        self._metadata[page.index, page.project, row] = depset[0]
        return depset

    def built(self, page: Page, row: int, place: tuple[str, str], step: str, closure: str) -> Sequence[object] | None:
        """Ask what the build backend of the sdist in *row* of *page* said.

        :param place: Python and system that it ran on.
        :param closure: key of the build closure that it ran in.
        :return: an entry of :attr:`Page.depsets`, or None where it is unknown (no need is recorded).
        """
        for at, python, system, known_step, key, position in page.builds:
            if (at, python, system, known_step, key) == (row, *place, step, closure):
                depset = page.depsets[position]
                self._built[page.index, page.project, row, python, system, step, closure] = depset[0]
                return depset
        return None

    def pages_asked(self) -> list[tuple[str, NormalizedName]]:
        """Return (index, project) of every page of the catalog that was asked for and is known, sorted."""
        return sorted(key for key in self._pages if key[0] not in self._local)

    def metadata_asked(self) -> list[tuple[str, NormalizedName, int]]:
        """Return (index, project, file id) of every file whose metadata was asked for and is known, sorted."""
        answer = []
        for index, project, row in self._metadata:
            if index in self._local:
                continue
            page = self._loaded[index, project]
            assert page is not None
            answer.append((index, project, page.files[row][ID]))
        return sorted(answer)

    def digest(self) -> str:
        """Return ``sha256:…`` over exactly the facts that were asked for.

        A file is named by its place on the listing, whose digest takes part: no local id
        and no order of asking shows in the result.
        """
        lines = [f"page {index} {project} {digest}" for (index, project), digest in self._pages.items()]
        lines += [
            f"metadata {index} {project} {row} {digest}" for (index, project, row), digest in self._metadata.items()
        ]
        lines += [f"built {' '.join(map(str, key))} {digest}" for key, digest in self._built.items()]
        return "sha256:" + hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
