"""Which of its providers each project may come from in one search."""

from __future__ import annotations

from collections.abc import Mapping

from .candidates import Pool
from .names import NormalizedName
from .supply import Supply

__all__ = ["Limits"]


class Limits:
    """A level for each project: how many of its providers, in order, a search may use.

    :param levels: levels that were raised or set; other projects start at :meth:`best`.
    :param free: projects in no need of a limit; with *only*, everything else is free.
    :ivar met: projects that the search came across and that were limited.
    """

    def __init__(
        self,
        supply: Supply,
        levels: Mapping[NormalizedName, int] | None = None,
        *,
        only: frozenset[NormalizedName] | None = None,
    ) -> None:
        self._supply = supply
        self.levels = dict(levels or {})
        self._only = only
        self.met: set[NormalizedName] = set()

    def best(self, pool: Pool) -> int:
        """Return the level at which the first provider with an eligible candidate is the last one allowed.

        Eligible is what the user's own requirements and constraints admit; stable releases
        of any provider count before pre-releases of any, and these before yanked ones.
        """
        supply = self._supply
        own = [edge for edge in supply.roots if edge.project == pool.page.project]
        admitted, yanked = supply.admitted(pool, own), supply.yanked(pool)
        usable = pool.available(admitted, yanked)
        usable = usable & pool.offered() or usable
        usable = usable & ~pool.ranks.prereleases or usable
        for level, provider in enumerate(pool.providers, 1):
            if (pool.masks[provider] | (pool.yanked[provider] & yanked)) & usable:
                return level
        return len(pool.providers)

    def allowed(self, pool: Pool) -> tuple[str, ...]:
        """Return the providers that the project of *pool* may come from, in order."""
        project = pool.page.project
        if self._only is not None and project not in self._only:
            return pool.providers
        level = self.levels.get(project)
        if level is None:
            level = self.levels[project] = self.best(pool)
        if level < len(pool.providers):
            self.met.add(project)
        return pool.providers[:level]
