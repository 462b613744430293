"""The page that the resolver reads, derived from a project's state."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.version import Version

from resolver.catalog import EXTRACTOR, SDIST, Page

from .digest import depset_body, depset_digest, listing_digest
from .facts import BuildSystem
from .filenames import Candidate, Unusable, classify
from .state import BuildKey, FileKey, FileState, Metadata, ProjectState

__all__ = ["build_page"]


def build_page(state: ProjectState, file_ids: Mapping[FileKey, int]) -> Page:
    """Return the page of *state*, with the catalog's ids of its files.

    Every table of the page is sorted by content (tags and Requires-Python by code
    point, dependency sets by digest), so equal states give equal pages but for ids.
    What was found out about sdists by other rules than those of :data:`EXTRACTOR`, and
    metadata of sdists without a build system, counts as unknown.
    """
    usable: list[tuple[Version, FileState, Candidate]] = []
    unusable: list[tuple[str, str]] = []
    for file in state.files.values():
        if not file.live:
            continue
        what = classify(file.listing.filename, state.project, state.index)
        if isinstance(what, Unusable):
            unusable.append((file.listing.filename, what.reason))
        else:
            usable.append((what.version, file, what))
    usable.sort(key=lambda u: (u[0], u[1].listing.filename))

    tags = sorted({u[2].tags for u in usable if u[2].tags is not None})
    pythons = sorted({u[1].listing.requires_python for u in usable if u[1].listing.requires_python is not None})
    depsets: dict[str, Metadata] = {}
    depset_of: dict[FileKey, str] = {}
    built: list[tuple[int, BuildKey, str]] = []
    for row, (_, file, what) in enumerate(usable):
        if file.metadata is not None and (what.kind != SDIST or _is_current(file.metadata)):
            digest = depset_digest(depset_body(file.metadata)).hex()
            depsets[digest] = file.metadata
            depset_of[file.listing.filename, file.listing.sha256] = digest
        if file.built and what.kind == SDIST:
            for place, said in file.built.items():
                if _is_current(said):
                    digest = depset_digest(depset_body(said)).hex()
                    depsets[digest] = said
                    built.append((row, place, digest))
    tag_at = {text: i for i, text in enumerate(tags)}
    python_at = {text: i for i, text in enumerate(pythons)}
    depset_at = {digest: i for i, digest in enumerate(sorted(depsets))}

    versions: list[str] = []
    rows: list[tuple[int, ...]] = []
    last: Version | None = None
    for version, file, what in usable:
        if version != last:
            versions.append(str(version))
            last = version
        listing = file.listing
        key = (listing.filename, listing.sha256)
        rows.append(
            (
                file_ids[key],
                len(versions) - 1,
                what.kind,
                -1 if what.tags is None else tag_at[what.tags],
                -1 if listing.requires_python is None else python_at[listing.requires_python],
                -1 if listing.upload_time is None else listing.upload_time,
                int(listing.yanked),
                depset_at[depset_of[key]] if key in depset_of else -1,
            )
        )
    return Page(
        index=state.index,
        project=state.project,
        absent=state.absent,
        digest=listing_digest(state),
        versions=versions,
        tags=tags,
        pythons=pythons,
        depsets=[
            (digest, m.requires_dist, m.provides_extra, m.requires_python, m.failure, _build_values(m.build))
            for digest, m in ((digest, depsets[digest]) for digest in depset_at)
        ],
        files=rows,
        unusable=sorted(unusable),
        builds=[(row, *place, depset_at[digest]) for row, place, digest in sorted(built)],
    )


def _is_current(metadata: Metadata) -> bool:
    return metadata.build is not None and metadata.build.extractor == EXTRACTOR


def _build_values(build: BuildSystem | None) -> tuple[object, ...] | None:
    if build is None:
        return None
    values: tuple[object, ...] = (build.requires, build.backend, build.backend_path, build.extractor)
    if build.crates is None and build.version is None:
        return values
    crates = None if build.crates is None else [(crate.name, crate.version, crate.sha256) for crate in build.crates]
    return (*values, crates) if build.version is None else (*values, crates, build.version)
