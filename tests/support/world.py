"""A small, realistic universe of projects on a fake index: twins of real ones, and difficult ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from .compiled import list_compiled, list_siblings, missing_compiler
from .dists import Dist, wheel_from_installed
from .hostile import list_hostile
from .index import FakeIndex, IndexServer
from .listings import Listing
from .oddities import list_collisions, list_cycle, list_old_formats, list_sdists
from .twins import list_twins

__all__ = ["COMPILED", "TOOLS", "World", "build_world", "world"]

#: Real build tools, put together again from this environment.
TOOLS = ("installer", "pyproject-hooks", "setuptools", "wheel", "packaging")

#: Projects that take a compiler to make.
COMPILED = frozenset(
    {"numpy", "black", "multidict", "sibling-provider", "sibling-rpath", "sibling-runpath", "native-program"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The universe as it was built; tests that change it build their own."""

    index: FakeIndex
    left_out: Mapping[str, str]
    """Project -> why this machine cannot make it."""

    @property
    def url(self) -> str:
        """What --index-url takes."""
        return self.index.url

    def dist(self, filename: str) -> Dist:
        """Return the file called *filename*."""
        for project in self.index.projects:
            for dist in self.index.dists(project):
                if dist.filename == filename:
                    return dist
        raise KeyError(filename)

    def release(self, project: str, version: str) -> tuple[Dist, ...]:
        """Return the files of one release."""
        found = tuple(dist for dist in self.index.dists(project) if dist.version == version)
        if not found:
            raise KeyError(f"{project} {version}")
        return found

    def require(self, *projects: str) -> None:
        """Leave the calling test out, by name and reason, where one of *projects* could not be made."""
        for project in projects:
            if project in self.left_out:
                pytest.skip(f"{project} is left out: {self.left_out[project]}")


def build_world(index: FakeIndex) -> World:
    """Publish the universe on *index*.

    Twins: requests, httpie, black, numpy and what they need; sdists, a cycle, sibling wheels,
    collisions and hostile projects (see the modules ``twins``, ``compiled``, ``oddities``, ``hostile``); and
    the real :data:`TOOLS`. What takes a compiler is in :attr:`World.left_out` where there is none.
    """
    listings: list[Listing] = [
        *list_twins(),
        *list_sdists(),
        *list_cycle(),
        *list_collisions(),
        *list_old_formats(),
        *list_hostile(),
    ]
    listings += [Listing(dist=wheel_from_installed(tool)) for tool in TOOLS]
    reason = missing_compiler()
    if reason is None:
        listings += [*list_compiled(), *list_siblings()]
    for listing in listings:
        index.add(listing.dist, **listing.options)
    return World(index=index, left_out={} if reason is None else dict.fromkeys(sorted(COMPILED), reason))


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The universe on a server of its own, shared by all tests of a process: read it, never change it."""
    with IndexServer() as server:
        yield build_world(server.index())
