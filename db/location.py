"""Where a catalog is: a file or a PostgreSQL database, from what the user wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from resolver.errors import InputError

__all__ = ["Location", "default_location", "parse_location"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_POSTGRES = {"postgresql", "postgres", "postgresql+psycopg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A catalog's place; exactly one of the two is set."""

    file: Path | None = None
    url: str | None = None
    """As libpq reads it: ``postgresql://…``, password included."""

    def __str__(self) -> str:
        """Return the place for people: the file, or the URL without its password."""
        if self.url is None:
            return str(self.file)
        shown = re.sub(r"^(postgresql://[^/@:?#]*):[^/?#]*@", r"\1@", self.url)
        return re.sub(r"([?&]password=)[^&]*", r"\1…", shown)


def default_location() -> Location:
    """Return the embedded catalog in the user's data directory (XDG or the platform's own)."""
    import platformdirs

    return Location(file=Path(platformdirs.user_data_dir("mach", appauthor=False)) / "catalog.sqlite3")


def parse_location(text: str | None) -> Location:
    """Return the place that *text* names: a path, ``sqlite:///PATH``, or ``postgresql://…``.

    None and the empty text name :func:`default_location`.

    :raises InputError: ``invalid-catalog-url`` for any other scheme.
    """
    if not text:
        return default_location()
    match = _SCHEME.match(text)
    if match is None:
        return Location(file=Path(text).expanduser())
    scheme = match[1].lower()
    if scheme == "sqlite" and text[match.end() :].startswith("/") and len(text) > match.end() + 1:
        return Location(file=Path(unquote(text[match.end() + 1 :])).expanduser())
    if scheme in _POSTGRES:
        return Location(url="postgresql://" + text[match.end() :])
    raise InputError(
        "invalid-catalog-url",
        f"{scheme}:// does not name a catalog",
        hint="give a file, sqlite:///FILE, or postgresql://USER@HOST/DATABASE",
    )
