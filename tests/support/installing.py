"""Installing a crafted wheel with `installer`, as builders do it."""

from __future__ import annotations

import sys
from pathlib import Path

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from .dists import Dist

__all__ = ["install_wheel"]

SCHEMES = ("purelib", "platlib", "headers", "scripts", "data")


def install_wheel(dist: Dist, folder: Path) -> Path:
    """Install *dist* below *folder* with `installer`, RECORD checked; return site-packages."""
    wheel, site = folder / dist.filename, folder / "site"
    wheel.write_bytes(dist.content)
    schemes = {scheme: str(folder / scheme) for scheme in SCHEMES} | {"purelib": str(site), "platlib": str(site)}
    with WheelFile.open(wheel) as source:
        source.validate_record()
        install(source, SchemeDictionaryDestination(schemes, sys.executable, "posix"), {})
    return site
