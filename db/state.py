"""What is known of one project as a value, and how a fact changes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from resolver.catalog import STEPS
from resolver.crates import check_crates
from resolver.errors import DataError
from resolver.names import NormalizedName
from resolver.unversioned import check_version

from .facts import AbsenceFact, BuildSystem, BuiltFact, FileFact, MetadataFact, PageFact, check_text

__all__ = [
    "BUILD_COLUMNS",
    "BuildKey",
    "FileKey",
    "FileState",
    "Metadata",
    "ProjectState",
    "apply_absence",
    "apply_built",
    "apply_metadata",
    "apply_page",
    "check_build_key",
    "refuse",
]

#: Identity of a file: its name, and its SHA-256 as the index states it.
FileKey = tuple[str, str | None]
#: Where a build backend said something: Python ``3.11``, Nix system, step, key of the build closure.
BuildKey = tuple[str, str, str, str]

#: Columns of ``built_link`` that hold a :data:`BuildKey`.
BUILD_COLUMNS = ("python", "system", "step", "closure")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PYTHON = re.compile(r"[0-9]+\.[0-9]+")
_SYSTEM = re.compile(r"[a-z0-9_]+(?:-[a-z0-9_]+)+")
_CLOSURE = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Core metadata of one file, or what its build backend said; or why it cannot be had (``failure``)."""

    requires_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()
    requires_python: str | None = None
    failure: str | None = None
    build: BuildSystem | None = None
    """Of sdists only; None where the metadata was learned before build systems were read."""
    source: str
    """How it was had; no part of any digest."""
    sha256: str | None = None
    """Digest of the whole file, where a download told it and the page did not."""

    def says_the_same(self, other: Metadata | None) -> bool:
        """Whether *other* states the same facts, wherever they came from."""
        return other is not None and replace(other, source=self.source) == self


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """One file: what its page says of it, or last said (``live`` false)."""

    listing: FileFact
    live: bool = True
    metadata: Metadata | None = None
    built: Mapping[BuildKey, Metadata] = field(default_factory=dict)
    """What the build backend of an sdist said; forgotten nowhere, since the file's SHA-256 is its identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectState:
    """All facts of one project on one index."""

    index: str
    project: NormalizedName
    known: bool = True
    """False before the index was first asked; the rest is empty then."""
    absent: bool = False
    files: Mapping[FileKey, FileState] = field(default_factory=dict)


def refuse(index: str, project: str, why: str) -> DataError:
    """Return the error for what no catalog can keep: *why* is a clause."""
    return DataError(
        "invalid-fact",
        f"the catalog cannot take what was learned of {project!r}: {why}",
        context=[f"index {index}"],
        hint="the index gave unusable data; nothing was stored; report it if the index is a well-known one",
    )


def _check_listing(fact: PageFact | AbsenceFact, file: FileFact) -> FileFact:
    for text in (file.filename, file.url, file.requires_python, file.yanked_reason):
        if text is not None:
            try:
                check_text(text)
            except ValueError as error:
                raise refuse(fact.index, fact.project, str(error)) from error
    for digest in (file.sha256, file.metadata_sha256):
        if digest is not None and not _SHA256.fullmatch(digest):
            raise refuse(fact.index, fact.project, f"{digest[:80]!r} is not a SHA-256 of {file.filename!r}")
    for number in (file.size, file.upload_time):
        if number is not None and not 0 <= number < 2**63:
            raise refuse(fact.index, fact.project, f"{file.filename!r} has a number out of range")
    reason = file.yanked_reason or None
    if reason != file.yanked_reason or (reason is not None and not file.yanked):
        return replace(file, yanked_reason=reason if file.yanked else None)
    return file


def apply_page(state: ProjectState, fact: PageFact) -> ProjectState:
    """Return *state* after the index answered with the page *fact*.

    A file is known again by name and SHA-256: a name that comes with another digest is
    another file, and the former one is gone.  Of two entries with one name the first
    counts.  A reason without a yank, and an empty reason, are dropped (PEP 592 lets
    indexes write them, and JSON and HTML differ in it).  Metadata is forgotten where the
    index replaced the digest of a file's sidecar by another one.

    :raises DataError: ``invalid-fact`` where the page holds what no catalog can keep.
    """
    files: dict[FileKey, FileState] = {
        key: known if not known.live else replace(known, live=False) for key, known in state.files.items()
    }
    seen: set[str] = set()
    for file in fact.files:
        if file.filename in seen:
            continue
        seen.add(file.filename)
        checked = _check_listing(fact, file)
        key = (checked.filename, checked.sha256)
        known = files.get(key)
        if known is None:
            files[key] = FileState(listing=checked)
            continue
        before, after = known.listing.metadata_sha256, checked.metadata_sha256
        patched = before is not None and after is not None and before != after
        files[key] = replace(known, listing=checked, live=True, metadata=None if patched else known.metadata)
    return ProjectState(index=state.index, project=state.project, files=files)


def apply_absence(state: ProjectState) -> ProjectState:
    """Return *state* after the index answered that it does not have the project: every file is gone."""
    files = {k: replace(f, live=False) if f.live else f for k, f in state.files.items()}
    return ProjectState(index=state.index, project=state.project, absent=True, files=files)


def apply_metadata(state: ProjectState, fact: MetadataFact) -> ProjectState:
    """Return *state* after the metadata of one file was learned.

    The file is the one that the page lists under that name now; where it lists none, the
    one it last listed.

    :raises DataError: ``unknown-file`` where no page ever listed it; ``hash-mismatch``
        where the file that was downloaded is not the one the page describes.
    """
    key = _find_file(state, fact)
    _check_metadata(fact)
    if fact.sha256 is not None:
        if not _SHA256.fullmatch(fact.sha256):
            raise refuse(fact.index, fact.project, f"{fact.sha256[:80]!r} is not a SHA-256 of {fact.filename!r}")
        if key[1] is not None and key[1] != fact.sha256:
            raise DataError(
                "hash-mismatch",
                f"{fact.filename!r} has SHA-256 {fact.sha256}, its page says {key[1]}",
                context=[f"index {fact.index}"],
                hint="the file was changed or damaged on its way; try again, else tell the index's operator",
            )
    metadata = Metadata(
        requires_dist=fact.requires_dist,
        provides_extra=fact.provides_extra,
        requires_python=fact.requires_python,
        failure=fact.failure,
        build=fact.build,
        source=fact.source,
        sha256=fact.sha256 if key[1] is None else None,
    )
    known = state.files[key]
    if metadata.says_the_same(known.metadata):
        return state
    return _with_file(state, key, replace(known, metadata=metadata))


def apply_built(state: ProjectState, fact: BuiltFact) -> ProjectState:
    """Return *state* after the build backend of one sdist said something.

    The file is found as by :func:`apply_metadata`.  What was said before in the same place
    is replaced, all else that is known of the file stays.

    :raises DataError: ``unknown-file`` where no page ever listed it; ``invalid-fact`` where
        the fact's texts or its :data:`BuildKey` are none.
    """
    key = _find_file(state, fact)
    _check_metadata(fact)
    place = (fact.python, fact.system, fact.step, fact.closure)
    try:
        check_build_key(place)
    except ValueError as error:
        raise refuse(fact.index, fact.project, f"{error} (what the backend of {fact.filename!r} said)") from error
    said = Metadata(
        requires_dist=fact.requires_dist,
        provides_extra=fact.provides_extra,
        requires_python=fact.requires_python,
        failure=fact.failure,
        build=fact.build,
        source=fact.source,
    )
    known = state.files[key]
    if said.says_the_same(known.built.get(place)):
        return state
    return _with_file(state, key, replace(known, built={**known.built, place: said}))


def check_build_key(key: BuildKey) -> BuildKey:
    """Return *key*; raise :class:`ValueError` where a part of it is not what its place takes."""
    python, system, step, closure = key
    if not _PYTHON.fullmatch(python):
        raise ValueError(f"{python[:80]!r} is not the X.Y of a Python")
    if not _SYSTEM.fullmatch(system):
        raise ValueError(f"{system[:80]!r} is not the name of a system")
    if step not in STEPS:
        raise ValueError(f"{step[:80]!r} is not a step of a build")
    if not _CLOSURE.fullmatch(closure):
        raise ValueError(f"{closure[:80]!r} is not the key of a build closure")
    return key


def _find_file(state: ProjectState, fact: MetadataFact | BuiltFact) -> FileKey:
    keys = [k for k in state.files if k[0] == fact.filename]
    live = [k for k in keys if state.files[k].live]
    if not keys or (not live and len(keys) > 1):
        raise DataError(
            "unknown-file",
            f"no page of {fact.project!r} lists the file {fact.filename!r}",
            context=[f"index {fact.index}"],
            hint="fetch the project's page again (--refresh)",
        )
    return (live or keys)[0]


def _check_metadata(fact: MetadataFact | BuiltFact) -> None:
    texts = [*fact.requires_dist, *fact.provides_extra, fact.requires_python, fact.failure, fact.source]
    if fact.build is not None:
        texts += [*fact.build.requires, fact.build.backend, *fact.build.backend_path]
        if not 0 <= fact.build.extractor < 2**63:
            raise refuse(fact.index, fact.project, f"the build system of {fact.filename!r} has a number out of range")
        try:
            check_crates(fact.build.crates or ())
            if fact.build.version is not None:
                check_version(fact.build.version)
        except ValueError as error:
            raise refuse(fact.index, fact.project, f"{error} (of {fact.filename!r})") from error
    try:
        for text in texts:
            if text is not None:
                check_text(text)
    except ValueError as error:
        raise refuse(fact.index, fact.project, f"{error} in the metadata of {fact.filename!r}") from error


def _with_file(state: ProjectState, key: FileKey, file: FileState) -> ProjectState:
    return ProjectState(index=state.index, project=state.project, absent=state.absent, files={**state.files, key: file})
