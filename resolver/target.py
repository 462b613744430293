"""What is resolved for: one Python version on one platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An exact interpreter on a platform."""

    system: str
    """Nix system name: ``x86_64-linux``, ``aarch64-linux``, ``aarch64-darwin``."""
    python: str
    """Exact version: ``3.11.9``."""
    environment: Mapping[str, str]
    """The complete marker environment (PEP 508), ``extra`` left out."""
    tag_ranks: Mapping[str, int]
    """``cp311-cp311-manylinux_2_17_x86_64`` -> rank; 0 is the best."""
