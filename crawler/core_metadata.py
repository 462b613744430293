"""METADATA and PKG-INFO (core metadata) as the few fields that a catalog keeps."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.metadata import parse_email
from packaging.version import InvalidVersion, Version

from db.facts import check_text
from resolver.names import NormalizedName, normalize_project

__all__ = ["CoreMetadata", "UnusableMetadata", "parse_core_metadata"]

#: Fields that decide what a release needs; a sdist whose PKG-INFO calls one of them dynamic takes a build (PEP 643).
DECIDING = frozenset({"requires-dist", "provides-extra", "requires-python"})
_MOST_LINES = 20_000
_LONGEST_LINE = 65_536
#: A greater major version must not be read (core metadata, "Metadata-Version").
_NEWEST_MAJOR = 2


class UnusableMetadata(Exception):
    """Metadata that says nothing usable of its file; the text is a sentence that begins with "its metadata"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """What core metadata says of whose it is, and of dependencies."""

    project: NormalizedName
    version: str
    """Normalised (PEP 440)."""
    metadata_version: Version
    requires_dist: tuple[str, ...]
    """Raw strings in the file's order."""
    provides_extra: tuple[str, ...]
    requires_python: str | None
    dynamic: frozenset[str]
    """Field names in lower case (PEP 643)."""

    @property
    def is_static(self) -> bool:
        """Whether an sdist's wheels are sure to say the same (PEP 643)."""
        return self.metadata_version >= Version("2.2") and not (self.dynamic & DECIDING)


def _headers(data: bytes) -> bytes:
    """Return *data* up to the first empty line; what follows is the description."""
    ends = [at for at in (data.find(b"\n\n"), data.find(b"\n\r\n"), data.find(b"\r\r")) if at >= 0]
    return data[: min(ends) + 1] if ends else data


def parse_core_metadata(data: bytes, *, project: NormalizedName | None, version: Version | None) -> CoreMetadata:
    """Return what the METADATA or PKG-INFO *data* says.

    :param project: whose metadata it must be; None where nothing else tells.
    :param version: the version in the file's name, which the metadata must repeat; None where
        that name gives none.
    :raises UnusableMetadata: where it is no metadata, or of something else.
    """
    try:
        raw, rest = parse_email(_headers(data))
        for field in ("name", "version", "requires-dist", "provides-extra", "requires-python", "dynamic"):
            if field in rest:
                raise UnusableMetadata(f"its metadata gives an unreadable {field.title()}")
        name, stated = raw.get("name"), raw.get("version")
        if name is None or stated is None:
            raise UnusableMetadata("its metadata gives no name and version")
        if project is not None and normalize_project(name) != project:
            raise UnusableMetadata(f"its metadata is that of {name[:100]!r}")
        if version is not None and Version(stated) != version:
            raise UnusableMetadata(f"its metadata is that of version {stated[:100]!r}")
        metadata_version = Version(raw.get("metadata_version") or "1.0")
        if metadata_version.major > _NEWEST_MAJOR:
            raise UnusableMetadata(f"its metadata is of version {str(metadata_version)[:40]}, newer than mach reads")
        requires = raw.get("requires_dist") or []
        extras = raw.get("provides_extra") or []
        python = raw.get("requires_python")
        if len(requires) + len(extras) > _MOST_LINES:
            raise UnusableMetadata(f"its metadata has more than {_MOST_LINES} requirements")
        for text in (*requires, *extras, python or ""):
            if len(check_text(text)) > _LONGEST_LINE:
                raise UnusableMetadata(f"its metadata has a line longer than {_LONGEST_LINE} characters")
        return CoreMetadata(
            project=normalize_project(name),
            version=str(Version(stated)),
            metadata_version=metadata_version,
            requires_dist=tuple(requires),
            provides_extra=tuple(extras),
            requires_python=python or None,
            dynamic=frozenset(field.lower() for field in raw.get("dynamic") or ()),
        )
    except InvalidVersion:
        raise UnusableMetadata("its metadata gives a version that is none (PEP 440)") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # the standard library's email parser fails in all these ways on crafted headers
        raise UnusableMetadata(f"its metadata does not parse ({type(error).__name__})") from error
