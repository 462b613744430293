"""What the service was asked, as values that go from process to process."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from resolver.lock import RESOLVER_VERSION, Nixpkgs
from resolver.lock_request import request_to_json
from resolver.requirement import Request

__all__ = ["Question"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request, and the state of the catalog on which it shall be resolved."""

    request: Request
    generation: int
    """The newest when the request was accepted, or that of the snapshot that was named."""
    snapshot: str | None = None
    """Id of the snapshot, where one was named; 64 hexadecimal digits."""
    nixpkgs: Nixpkgs | None = None
    builds: bool = False
    """Whether build backends of sdists may be asked for it."""
    fill: bool = False
    """Whether what is missing may be fetched."""
    client: str = ""
    """Who pays for what is fetched (:attr:`api.http.clients.Client.key`); no part of what is asked."""

    key: str = field(init=False)
    """What two requests that mean the same have in common, whatever the state of the catalog: 64 digits."""

    def __post_init__(self) -> None:
        nixpkgs = None if self.nixpkgs is None else [self.nixpkgs.rev, self.nixpkgs.sha256]
        value = [request_to_json(self.request)["digest"], self.snapshot, nixpkgs, RESOLVER_VERSION]
        object.__setattr__(self, "key", hashlib.sha256(json.dumps(value).encode()).hexdigest())
