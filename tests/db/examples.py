"""Facts to write in tests as one would say them."""

from __future__ import annotations

import hashlib
from typing import Any

from db.facts import AbsenceFact, BuildSystem, BuiltFact, FileFact, MetadataFact, PageFact
from resolver.names import normalize_project

INDEX = "https://index.example/simple/"
SYSTEM = BuildSystem(requires=("setuptools>=61",), backend="setuptools.build_meta")
CLOSURE = "sha256:" + "0" * 64


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
    """Metadata of a wheel, or of an sdist with the build system :data:`SYSTEM`."""
    values: dict[str, Any] = {"source": "sidecar", "requires_dist": requires}
    if not filename.endswith(".whl"):
        values["build"] = SYSTEM
    return MetadataFact(index=index, project=normalize_project(project), filename=filename, **{**values, **more})


def built(project: str, filename: str, step: str, *requires: str, index: str = INDEX, **more: Any) -> BuiltFact:
    """What a build backend said: requirements that it added, or those of the metadata."""
    values: dict[str, Any] = {
        "python": "3.11",
        "system": "x86_64-linux",
        "closure": CLOSURE,
        "requires_dist": requires if step == "metadata" else (),
        "build": BuildSystem(requires=requires if step == "requires" else ()),
    }
    return BuiltFact(
        index=index, project=normalize_project(project), filename=filename, step=step, **{**values, **more}
    )
