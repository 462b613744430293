"""What the operator of the service decides."""

from __future__ import annotations

import os
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.filling import DEFAULT_MAX_AGE
from crawler.settings import IndexSettings, read_index_settings
from db.resolutions import MOST_RESOLUTIONS
from resolver.errors import InputError

__all__ = ["ELSEWHERE", "SETTINGS_VARIABLE", "ServiceSettings"]

#: Environment variable by which the settings reach the process that answers.
SETTINGS_VARIABLE = "MACH_SERVICE_SETTINGS"
#: What is not given, where others than this machine can ask.
ELSEWHERE = {"requests_per_minute": 600, "facts_per_minute": 10_000}


class ServiceSettings(BaseModel):
    """Settings of one service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    db: str | None = None
    """The catalog: a file or a URL; None for the user's own."""
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, gt=0)
    """Processes that resolve."""
    fill: Literal["on-demand", "queue", "off"] = "on-demand"
    """What happens to facts that the catalog lacks: fetched at once, queued for the crawler, or refused."""
    max_age: int = Field(default=DEFAULT_MAX_AGE, ge=0)
    """Seconds after which a page is asked for again, where the service fetches."""
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
    most_seconds: float = Field(default=30.0, gt=0)
    """Of a worker, for one resolution."""
    most_memory: int = Field(default=2048, gt=0)
    """MiB that a worker may take beyond what it starts with."""
    most_facts: int = Field(default=5_000, gt=0)
    """Fetched from indexes for one request."""
    most_waiting: int = Field(default=256, gt=0)
    """Requests that wait for a worker."""
    most_resolutions: int = Field(default=MOST_RESOLUTIONS, gt=0)
    """Kept in the catalog."""
    tokens: str | None = None
    """Path of a file of tokens; None where there are none."""
    require_token: bool = False
    """Whether nothing but the state of health is told without a token."""
    hosts: tuple[str, ...] | None = None
    """Names by which the service may be called; None for all."""
    requests_per_minute: int = Field(default=0, ge=0)
    """Of one client; 0 for no limit."""
    facts_per_minute: int = Field(default=0, ge=0)
    """Fetched from indexes for one client; 0 for no limit."""
    log: Literal["json", "plain"] = "json"
    """Lines for programs or for people."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.require_token and self.tokens is None:
            raise InputError(
                "no-tokens", "tokens are required, and there are none", hint="name the file of tokens: --tokens FILE"
            )
        return self

    def indexes(self) -> IndexSettings:
        """Return the operator's indexes, and how to reach them.

        :raises InputError: ``invalid-index-url``, ``no-index`` where the settings name no usable index.
        """
        return read_index_settings(
            index_url=self.index_url,
            extra_index_urls=self.extra_index_urls or None,
            keyring_provider=self.keyring_provider,
            crates_url=self.crates_url,
        )
