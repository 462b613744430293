"""What the catalog knows, for people who look at it: its states, and one project with all that it offers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from db.catalog import CatalogHandle, Reader
from db.filenames import Candidate, classify
from db.snapshot import count_projects, projects_learned, resolve_snapshot, snapshots
from resolver.candidates import PROVIDER_OF_KIND
from resolver.lock_request import render_time
from resolver.names import NormalizedName

if TYPE_CHECKING:
    from db.facts import FileFact

__all__ = ["snapshot_to_json", "snapshots_to_json", "view_project"]

#: Projects that are named of what was new in a snapshot.
MOST_LEARNED = 500


def snapshots_to_json(catalog: CatalogHandle, most: int) -> dict[str, Any]:
    """Return the newest *most* states of *catalog*, and all that have names, as JSON values, the newest first."""
    found = sorted(snapshots(catalog), key=lambda snapshot: -snapshot.generation)
    shown = [snapshot for place, snapshot in enumerate(found) if place < most or snapshot.names]
    return {
        "count": len(found),
        "snapshots": [
            {
                "id": snapshot.id,
                "generation": snapshot.generation,
                "created-at": render_time(snapshot.created_at),
                "names": list(snapshot.names),
            }
            for snapshot in shown
        ],
    }


def snapshot_to_json(catalog: CatalogHandle, name: str) -> dict[str, Any]:
    """Return the snapshot called *name* (id, unambiguous prefix, name) as JSON values.

    ``learned`` are projects whose facts are new in it, at most :data:`MOST_LEARNED` of ``learned-count``, sorted.

    :raises InputError: ``unknown-snapshot``, ``ambiguous-snapshot``.
    """
    generation = resolve_snapshot(catalog, name)
    found = next(snapshot for snapshot in snapshots(catalog) if snapshot.generation == generation)
    learned = sorted({project for _, project in projects_learned(catalog, generation)})
    return {
        "id": found.id,
        "generation": generation,
        "created-at": render_time(found.created_at),
        "names": list(found.names),
        "projects": count_projects(catalog, generation),
        "learned": learned[:MOST_LEARNED],
        "learned-count": len(learned),
    }


def view_project(reader: Reader, indexes: Sequence[str], project: NormalizedName) -> dict[str, Any] | None:
    """Return what the first index that has *project* offers, as JSON values, its newest release first.

    None where the catalog does not know it, or knows that none of *indexes* has it.
    """
    for index in indexes:
        page = reader.pages(index, [project]).get(project)
        if page is None:
            return None
        if not page.absent:
            break
    else:
        return None
    usable: list[tuple[Candidate, FileFact]] = []
    unusable = []
    for file in reader.listing(index, project) or ():
        what = classify(file.filename, project, index)
        if isinstance(what, Candidate):
            usable.append((what, file))
        else:
            unusable.append({"filename": file.filename, "reason": what.reason})
    usable.sort(key=lambda pair: pair[1].filename)
    usable.sort(key=lambda pair: pair[0].version, reverse=True)
    return {
        "project": project,
        "index": index,
        "releases": [
            {"version": str(version), "artifacts": [_artifact(*pair) for pair in pairs]}
            for version, pairs in groupby(usable, key=lambda pair: pair[0].version)
        ],
        "unusable": unusable,
    }


def _artifact(candidate: Candidate, file: FileFact) -> dict[str, Any]:
    return {
        "provider": PROVIDER_OF_KIND[candidate.kind],
        "filename": file.filename,
        "url": file.url,
        "sha256": file.sha256,
        "size": file.size,
        "uploaded-at": None if file.upload_time is None else render_time(file.upload_time),
        "requires-python": file.requires_python,
        "yanked": (file.yanked_reason or True) if file.yanked else False,
    }
