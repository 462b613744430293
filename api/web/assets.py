"""The stylesheet, the script and the pictures of the pages, under names that change with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

__all__ = ["Asset", "asset_path", "assets"]

_FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Asset:
    """One file.

    :ivar path: where it is served: ``/assets/style.0123456789ab.css``.
    :ivar media_type: with its charset.
    :ivar content: its bytes.
    """

    __slots__ = ("content", "media_type", "name", "path")

    def __init__(self, file: Path) -> None:
        self.content = file.read_bytes()
        digest = hashlib.sha256(self.content).hexdigest()[:12]
        self.name = f"{file.stem}.{digest}{file.suffix}"
        self.path = f"/assets/{self.name}"
        self.media_type = f"{_MEDIA_TYPES[file.suffix]}; charset=utf-8"


@cache
def _by_file() -> Mapping[str, Asset]:
    return MappingProxyType(
        {file.name: Asset(file) for file in sorted(_FOLDER.iterdir()) if file.suffix in _MEDIA_TYPES}
    )


def assets() -> Mapping[str, Asset]:
    """Return the assets by the last part of their paths; files are read once."""
    return {asset.name: asset for asset in _by_file().values()}


def asset_path(file: str) -> str:
    """Return where the file called *file* is served."""
    return _by_file()[file].path
