"""What answers that are JSON documents look like, for the OpenAPI document; tests hold the answers against it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Difference", "Health", "Project", "Readiness", "Snapshot", "Snapshots", "Versions"]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=_dashed)


class Health(_Document):
    """The process answers."""

    status: Literal["ok"]
    version: str


class Readiness(_Document):
    """The catalog can be read."""

    status: Literal["ready"]
    generation: int = Field(ge=0)
    workers: int = Field(ge=1)


class Versions(_Document):
    """What answers depend on."""

    mach: str
    resolver_version: int
    lock_version: str
    schema_version: int


class _State(_Document):
    id: str = Field(pattern="^[0-9a-f]{64}$")
    generation: int = Field(ge=1)
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    names: list[str]


class Snapshots(_Document):
    """States of the catalog, the newest first."""

    count: int = Field(ge=0)
    snapshots: list[_State]


class Snapshot(_State):
    """One state of the catalog, and what was new in it."""

    projects: int = Field(ge=0)
    learned: list[str]
    learned_count: int = Field(ge=0)


class _Artifact(_Document):
    provider: str
    filename: str
    url: str
    sha256: str | None
    size: int | None
    uploaded_at: str | None
    requires_python: str | None
    yanked: bool | str
    """False, true, or why."""


class _Release(_Document):
    version: str
    artifacts: list[_Artifact]


class _Unusable(_Document):
    filename: str
    reason: str


class Project(_Document):
    """What the first index that has a project offers, the newest release first."""

    project: str
    index: str
    releases: list[_Release]
    unusable: list[_Unusable]


class _Change(_Document):
    name: str
    kind: Literal["added", "removed", "changed"]
    aspects: list[str]
    before: Any
    after: Any


class _Target(_Document):
    system: str
    python: str
    kind: Literal["added", "removed", "changed"]
    changes: list[_Change]


class _Pair(_Document):
    before: Any
    after: Any


class Difference(_Document):
    """What differs between two locks; what does not is left out."""

    equal: bool
    request: dict[str, _Pair]
    nixpkgs: _Pair | None = None
    snapshot: _Pair | None = None
    tools: _Pair | None = None
    targets: list[_Target]
