"""Facts to write in tests as one would say them."""

from __future__ import annotations

import hashlib
from typing import Any

from db.facts import AbsenceFact, FileFact, MetadataFact, PageFact
from resolver.names import normalize_project

INDEX = "https://index.example/simple/"


def file(filename: str, *, content: str = "", **more: Any) -> FileFact:
    """A file whose URL has the layout of the public index's file host."""
    blake = hashlib.blake2b((filename + content).encode(), digest_size=32).hexdigest()
    values: dict[str, Any] = {
        "filename": filename,
        "url": f"https://files.index.example/packages/{blake[:2]}/{blake[2:4]}/{blake[4:]}/{filename}",
        "sha256": hashlib.sha256((filename + content).encode()).hexdigest(),
        "size": 1000,
        "upload_time": 1_700_000_000,
    }
    return FileFact(**{**values, **more})


def page(project: str, *files: FileFact | str, index: str = INDEX, checked_at: int = 1, **more: Any) -> PageFact:
    return PageFact(
        index=index,
        project=normalize_project(project),
        files=tuple(file(f) if isinstance(f, str) else f for f in files),
        checked_at=checked_at,
        **more,
    )


def absence(project: str, *, index: str = INDEX, checked_at: int = 1) -> AbsenceFact:
    return AbsenceFact(index=index, project=normalize_project(project), checked_at=checked_at)


def metadata(project: str, filename: str, *requires: str, index: str = INDEX, **more: Any) -> MetadataFact:
    values: dict[str, Any] = {"source": "sidecar", "requires_dist": requires}
    return MetadataFact(index=index, project=normalize_project(project), filename=filename, **{**values, **more})
