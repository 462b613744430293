"""What the operator of the service decides."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ServiceSettings"]


class ServiceSettings(BaseModel):
    """Settings of one server process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    db: str | None = None
    """The catalog: a file or a URL; None for the user's own."""
    offline: bool = False
    """Never fetch: requests that the catalog does not cover are refused."""
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    keyring_provider: str | None = None
    """How the operator's keyring is asked; None for what pip's configuration says."""
    crates_url: str | None = None
    """Where crates are; None for the public registry."""
    largest_body: int = Field(default=1_000_000, gt=0)
    """Bytes of a request's body."""
    most_requirements: int = Field(default=2_000, gt=0)
    most_targets: int = Field(default=6, gt=0)
