"""Facts reduced to what a replay of recorded resolutions can choose from, without archives and host names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from packaging.version import Version

from db.facts import FileFact
from db.filenames import Candidate, classify
from db.state import FileKey, FileState, ProjectState
from resolver.candidates import requires_python_admits
from resolver.lock import Lock
from resolver.locking import Locking
from resolver.names import NormalizedName
from resolver.target import Target, best_tag_rank

__all__ = ["FILES", "INDEX", "Wanted", "reduce_state"]

#: Where the reduced facts say they come from; nothing is ever fetched there.
INDEX = "https://index.example/simple/"
FILES = "https://files.example/"
#: Versions of a project, from the newest, of which files for other platforms and Pythons are kept as well,
#: so that a replay has to tell them apart.
_WHOLE = 3


@dataclass(slots=True)
class Wanted:
    """What the recorded resolutions read and chose."""

    pages: set[NormalizedName] = field(default_factory=set)
    metadata: dict[NormalizedName, set[str]] = field(default_factory=dict)
    """Project -> names of files whose metadata was asked for."""
    chosen: set[str] = field(default_factory=set)
    """Names of files that a lock holds; only they keep their hash."""

    def add(self, run: Locking, filenames: Mapping[int, str]) -> None:
        """Take note of what *run* read and locked.

        :param filenames: names of the files whose metadata the run asked for, by id.
        """
        assert run.lock is not None, "only runs that came to an end are recorded"
        self.pages.update(project for _, project in run.reading.pages_asked())
        for _, project, number in run.reading.metadata_asked():
            self.metadata.setdefault(project, set()).add(filenames[number])
        self.chosen.update(_files_of(run.lock))


def _files_of(lock: Lock) -> Iterable[str]:
    for target in lock.targets:
        yield from (pin.artifact.filename for pin in target.pins)
    yield from (artifact.filename for artifact in lock.tools.values())
    for closure in lock.build_closures.values():
        yield from (pin.artifact.filename for pin in closure.pins)


def reduce_state(state: ProjectState, target: Target, wanted: Wanted) -> ProjectState:
    """Return *state* without what cannot be chosen on *target* and without what nobody asked for.

    Left out are files that were gone, files that no candidate can be made of, and, but for
    the newest versions, files for other platforms and Pythons; of each file its size, upload
    time, sidecar and reason of a yank; the hash of every file that no lock holds; the metadata
    of every file that was not asked for.
    """
    live: list[tuple[FileState, Candidate]] = []
    for file in state.files.values():
        what = classify(file.listing.filename, state.project, state.index)
        if file.live and isinstance(what, Candidate):
            live.append((file, what))
    newest = set(sorted({what.version for _, what in live})[-_WHOLE:])
    asked = wanted.metadata.get(state.project, set())
    files: dict[FileKey, FileState] = {}
    for file, what in live:
        name = file.listing.filename
        if name in asked or name in wanted.chosen or _may_be_chosen(file.listing, what, target, newest):
            metadata = file.metadata if name in asked else None
            listing = _reduce_listing(file.listing, name in wanted.chosen)
            if metadata is not None and name not in wanted.chosen:
                metadata = replace(metadata, sha256=None)
            files[name, listing.sha256] = FileState(listing=listing, metadata=metadata)
    return ProjectState(index=INDEX, project=state.project, absent=state.absent, files=files)


def _may_be_chosen(listing: FileFact, what: Candidate, target: Target, whole: Collection[Version]) -> bool:
    if what.version in whole:
        return True
    if what.tags is not None and best_tag_rank(target, what.tags) is None:
        return False
    return listing.requires_python is None or requires_python_admits(listing.requires_python, target.python)


def _reduce_listing(listing: FileFact, chosen: bool) -> FileFact:
    return FileFact(
        filename=listing.filename,
        url=FILES + listing.filename,
        sha256=listing.sha256 if chosen else None,
        requires_python=listing.requires_python,
        yanked=listing.yanked,
    )
