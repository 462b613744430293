"""Which indexes, projects and URLs a fact that comes from a file may name."""

from __future__ import annotations

from urllib.parse import urlsplit

from resolver.direct import DIRECT, is_direct, parse_reference
from resolver.names import NormalizedName, normalize_project
from resolver.nixpkgs_index import TREE, is_nixpkgs_index, parse_attribute_filename, parse_nixpkgs_index

__all__ = ["check_file_address", "check_project"]


def check_project(index: str, project: str, *, allow_file_urls: bool) -> NormalizedName:
    """Return *project*; refuse an index, and a project on it, that no crawler would have written.

    :param index: a URL with a slash at its end, a direct reference, or a nixpkgs.
    :param allow_file_urls: what the operator's own indexes on this machine need.
    :raises ValueError: with a sentence.
    """
    if is_nixpkgs_index(index):
        if parse_nixpkgs_index(index) is None:
            raise ValueError(f"{index[:200]!r} does not name the Python attributes of a nixpkgs")
        if project == TREE:
            return TREE
    elif is_direct(index):
        _check_reference(index.removeprefix(DIRECT), allow_file_urls)
    else:
        _check_url(index, allow_file_urls)
        if not index.endswith("/"):
            raise ValueError("the URL of an index has no slash at its end")
    name = normalize_project(project)
    if name != project:
        raise ValueError(f"{project!r} is not the normal form of a project's name")
    return name


def check_file_address(index: str, filename: str, url: str, *, allow_file_urls: bool) -> None:
    """Refuse where a file of *index* lies in a place that mach would not fetch from.

    :raises ValueError: with a sentence.
    """
    if is_nixpkgs_index(index):
        name = parse_attribute_filename(filename)
        if name is None or url != f"{index}#{name[0]}":
            raise ValueError(f"{filename[:200]!r} is not an attribute of that nixpkgs")
    elif is_direct(index):
        _check_reference(url, allow_file_urls)
    else:
        _check_url(url, allow_file_urls)


def _check_url(url: str, allow_file_urls: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in (("http", "https", "file") if allow_file_urls else ("http", "https")):
        raise ValueError(f"{url[:200]!r} is not an http(s) URL")
    if "@" in parts.netloc or (parts.scheme != "file" and not parts.hostname):
        raise ValueError(f"{url[:200]!r} has no host, or a user's name in it")


def _check_reference(text: str, allow_file_urls: bool) -> None:
    """Refuse what is no URL or repository in normal form: local paths are facts of no catalog."""
    reference = parse_reference(text)
    local = reference.kind == "path" or reference.location.startswith("file:")
    if str(reference) != text or (local and not (allow_file_urls and reference.kind == "vcs")):
        raise ValueError(f"{text[:200]!r} is not a direct reference that a catalog keeps")
