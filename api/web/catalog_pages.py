"""The pages of what the catalog holds: its snapshots, one of them, one project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from .rendering import render_page

__all__ = ["project_page", "snapshot_page", "snapshots_page"]

#: Releases that the page of a project shows, unless all are asked for.
_MOST_RELEASES = 60


def snapshots_page(request: Request, listed: Mapping[str, Any]) -> Response:
    """Return the page of *listed*, as :func:`api.catalog_view.snapshots_to_json` gives it."""
    return render_page("snapshots.html", request=request, listed=listed)


def snapshot_page(request: Request, snapshot: Mapping[str, Any]) -> Response:
    """Return the page of one snapshot, as :func:`api.catalog_view.snapshot_to_json` gives it."""
    return render_page("snapshot.html", request=request, snapshot=snapshot)


def project_page(request: Request, project: Mapping[str, Any], snapshot: str | None, *, every: bool) -> Response:
    """Return the page of a project.

    :param project: as :func:`api.catalog_view.view_project` gives it.
    :param snapshot: the state of the catalog that was named.
    :param every: show all releases, however many there are.
    """
    releases = project["releases"]
    shown = releases if every else releases[:_MOST_RELEASES]
    return render_page(
        "project.html",
        request=request,
        project=project,
        releases=[_release(release) for release in shown],
        left=len(releases) - len(shown),
        snapshot=snapshot,
    )


def _release(release: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the row of a release says: what all its files have in common, and the files."""
    artifacts = release["artifacts"]
    dates = sorted(a["uploaded-at"] for a in artifacts if a["uploaded-at"])
    return {
        "version": release["version"],
        "artifacts": artifacts,
        "providers": sorted({a["provider"] for a in artifacts}, key=["wheel", "sdist", "nixpkgs"].index),
        "uploaded": dates[0][:10] if dates else None,
        "pythons": sorted({a["requires-python"] for a in artifacts if a["requires-python"]}),
        "yanked": [a["yanked"] for a in artifacts if a["yanked"]] if all(a["yanked"] for a in artifacts) else [],
    }
