"""Pages and artifacts that one process has read already, with the generations for which they are known to hold."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from resolver.catalog import Artifact, Page
from resolver.names import NormalizedName

__all__ = ["HeldArtifacts", "HeldPages"]

#: Bytes that a decoded page takes for each byte of its compressed body, about.
_SIZE_OF_A_BYTE = 36
#: States of one project that are held at once: the newest, and those of snapshots that are asked for.
_MOST_STATES = 4

_Place = tuple[str, NormalizedName]


class _State:
    """One state of a project, which holds from *first* on and was seen last at *until*."""

    __slots__ = ("first", "page", "size", "until")

    def __init__(self, page: Page | None, first: int, until: int, size: int) -> None:
        self.page = page
        self.first = first
        self.until = until
        self.size = size


class HeldPages:
    """Pages by index, project and generation, the last used ones; safe to share between threads.

    A published generation never changes, so what a project was at one needs no question at the
    next time. That the catalog does not know a project is held as well.

    :param most: bytes of memory, about.
    :ivar turn: counts how often everything was let go: what was asked before that is not held afterwards.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self.turn = 0
        self._states: OrderedDict[_Place, list[_State]] = OrderedDict()
        self._guard = threading.Lock()

    def look_up(
        self, index: str, projects: Iterable[NormalizedName], generation: int
    ) -> tuple[dict[NormalizedName, Page], list[NormalizedName], list[NormalizedName]]:
        """Return the pages at *generation*, projects of which another state is held, and those of which none is."""
        found: dict[NormalizedName, Page] = {}
        doubtful: list[NormalizedName] = []
        unheld: list[NormalizedName] = []
        with self._guard:
            for project in projects:
                states = self._states.get((index, project))
                if states is None:
                    unheld.append(project)
                    continue
                self._states.move_to_end((index, project))
                for state in states:
                    if state.first <= generation <= state.until:
                        if state.page is not None:
                            found[project] = state.page
                        break
                else:
                    doubtful.append(project)
        return found, doubtful, unheld

    def others_in_doubt(
        self, index: str, projects: Iterable[NormalizedName], generation: int, most: int
    ) -> list[NormalizedName]:
        """Return further projects whose newest state may have changed until *generation*, the last used first.

        :param projects: left out.
        """
        names = set(projects)
        found: list[NormalizedName] = []
        with self._guard:
            for place in reversed(self._states):
                if len(found) >= most:
                    break
                in_doubt = all(state.until < generation for state in self._states[place])
                if in_doubt and place[0] == index and place[1] not in names:
                    found.append(place[1])
        return found

    def confirm(
        self,
        index: str,
        seen: Mapping[NormalizedName, int],
        asked: Iterable[NormalizedName],
        generation: int,
        turn: int,
    ) -> dict[NormalizedName, Page]:
        """Note which states the catalog has at *generation*, and return the pages of those that are held.

        Projects whose state at *generation* is not held are let go.

        :param seen: the generation since which each known project's state holds.
        :param asked: projects that were asked about; those that are not in *seen* are unknown.
        :param turn: :attr:`turn` when they were asked about.
        """
        found: dict[NormalizedName, Page] = {}
        with self._guard:
            if turn != self.turn:
                return found
            for project in asked:
                first = seen.get(project, 0)
                states = self._states.get((index, project), [])
                for state in states:
                    if state.first == first and (state.page is None) == (project not in seen):
                        state.until = max(state.until, generation)
                        if state.page is not None:
                            found[project] = state.page
                        break
                else:
                    self._size -= sum(state.size for state in states)
                    self._states.pop((index, project), None)
        return found

    def hold(
        self, index: str, project: NormalizedName, page: Page | None, first: int, until: int, size: int, turn: int
    ) -> None:
        """Hold a state of a project.

        :param page: None where the catalog did not know the project up to *until*.
        :param first: the generation since which it holds.
        :param size: bytes of the page's compressed body.
        :param turn: :attr:`turn` when the catalog was asked.
        """
        state = _State(page, first, until, 1_000 + size * _SIZE_OF_A_BYTE)
        with self._guard:
            if turn != self.turn:
                return
            states = self._states.setdefault((index, project), [])
            for known in list(states):
                # nothing is older than that a project is unknown: there is one such state
                if known.first == first and (known.page is None) == (page is None):
                    state.until = max(state.until, known.until)
                    self._drop(states, known)
            if len(states) >= _MOST_STATES:
                self._drop(states, states[0])
            states.append(state)
            self._size += state.size
            self._states.move_to_end((index, project))
            while self._size > self._most:
                _, old = self._states.popitem(last=False)
                self._size -= sum(known.size for known in old)

    def _drop(self, states: list[_State], state: _State) -> None:
        states.remove(state)
        self._size -= state.size

    def clear(self) -> None:
        """Let go of everything."""
        with self._guard:
            self._states.clear()
            self._size = 0
            self.turn += 1


class HeldArtifacts:
    """Artifacts by generation and file id, the last used ones; safe to share between threads.

    :param most: how many.
    :ivar turn: as of :class:`HeldPages`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.turn = 0
        self._found: OrderedDict[tuple[int, int], Artifact | None] = OrderedDict()
        self._guard = threading.Lock()

    def look_up(self, generation: int, file_ids: Iterable[int]) -> tuple[dict[int, Artifact], list[int]]:
        """Return the artifacts that are held, and the ids of which nothing is."""
        found: dict[int, Artifact] = {}
        missing: list[int] = []
        with self._guard:
            for number in file_ids:
                try:
                    artifact = self._found[generation, number]
                except KeyError:
                    missing.append(number)
                    continue
                self._found.move_to_end((generation, number))
                if artifact is not None:
                    found[number] = artifact
        return found, missing

    def hold(self, generation: int, file_ids: Iterable[int], found: Mapping[int, Artifact], turn: int) -> None:
        """Hold what *generation* says of *file_ids*: those that are not in *found* are not listed then.

        :param turn: :attr:`turn` when the catalog was asked.
        """
        with self._guard:
            if turn != self.turn:
                return
            for number in file_ids:
                self._found[generation, number] = found.get(number)
            while len(self._found) > self._most:
                self._found.popitem(last=False)

    def clear(self) -> None:
        """Let go of everything."""
        with self._guard:
            self._found.clear()
            self.turn += 1
