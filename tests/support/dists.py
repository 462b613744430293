"""Crafted distributions: real wheels and sdists, made in memory, the same bytes every time."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import PurePosixPath
from typing import Any

from packaging.utils import canonicalize_name

from .archives import tar_gz, zip_up
from .sources import IN_TREE_BACKEND, setup_script, setuptools_project

__all__ = ["Dist", "make_sdist", "make_wheel", "wheel_from_installed"]

Content = bytes | str
Requires = Iterable[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dist:
    """One crafted file of an index."""

    filename: str
    project: str
    """Normalised (PEP 503)."""
    version: str
    content: bytes = field(repr=False)
    metadata: bytes | None = field(repr=False)
    """METADATA of a wheel, PKG-INFO of an sdist (None where it has none)."""
    requires_python: str | None = None

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blake2b(self) -> str:
        """Hexadecimal BLAKE2b-256 digest of the file, which an index's file paths are made of."""
        return hashlib.blake2b(self.content, digest_size=32).hexdigest()

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; an sdist otherwise."""
        return self.filename.endswith(".whl")


def make_wheel(
    name: str,
    version: str,
    *,
    files: Mapping[str, Content] | None = None,
    requires: Requires = (),
    extras: Iterable[str] = (),
    requires_python: str | None = None,
    tag: str = "py3-none-any",
    build: str | None = None,
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    data: Mapping[str, Content] | None = None,
    executable: Collection[str] = (),
    metadata_version: str = "2.1",
    metadata_lines: Iterable[str] = (),
    metadata_text: Content | None = None,
    metadata_name: str | None = None,
    metadata_version_field: str | None = None,
    dist_info: str | None = None,
    filename: str | None = None,
    wheel_text: str | None = None,
    record_text: str | None = None,
    wrong_record: Collection[str] = (),
    omit: Collection[str] = (),
) -> Dist:
    """Return a wheel (PyPA binary distribution format 1.0).

    :param name: as its author spells it; the file name gets the escaped form.
    :param files: path in site-packages -> content; NAME/__init__.py with __version__ by default.
    :param requires: raw Requires-Dist values, ``'PySocks>=1.5.6; extra == "socks"'``.
    :param tag: compressed tag set, as in the file name; ``-py3-none-any`` counts as purelib.
    :param build: build number, ``1`` or ``2local``.
    :param entry_points: group -> name -> ``module:function``.
    :param data: path below NAME-VERSION.data -> content: ``scripts/tool``, ``data/share/x``.
    :param executable: keys of *files* or *data* with mode 0755.
    :param metadata_lines: further header lines of METADATA.
    :param metadata_text: METADATA in place of the one made here.
    :param metadata_name: a Name in METADATA that differs from the file name's.
    :param metadata_version_field: a Version in METADATA that differs.
    :param dist_info: another name for the .dist-info folder.
    :param filename: another file name for the wheel itself.
    :param wheel_text: WHEEL in place of the one made here.
    :param record_text: RECORD in place of the one made here.
    :param wrong_record: paths that get a wrong digest in RECORD.
    :param omit: members of .dist-info to leave out: ``METADATA``, ``WHEEL``, ``RECORD``.
    """
    stem = f"{_escape(name)}-{_escape_version(version)}"
    info = dist_info or f"{stem}.dist-info"
    if files is None:
        files = {f"{_escape(name)}/__init__.py": f"__version__ = {version!r}\n"}
    if metadata_text is None:
        metadata = _render_metadata(
            metadata_name or name,
            metadata_version_field or version,
            metadata_version,
            requires,
            extras,
            requires_python,
            (),
            metadata_lines,
        )
    else:
        metadata = _encode(metadata_text)
    members = {path: _encode(content) for path, content in files.items()}
    members |= {f"{stem}.data/{path}": _encode(content) for path, content in (data or {}).items()}
    modes = {path if path in files else f"{stem}.data/{path}": 0o755 for path in executable}
    infos = {
        "METADATA": metadata,
        "WHEEL": (wheel_text if wheel_text is not None else _render_wheel(tag, build)).encode(),
    }
    if entry_points:
        infos["entry_points.txt"] = _render_entry_points(entry_points)
    members |= {f"{info}/{member}": content for member, content in infos.items() if member not in omit}
    if "RECORD" not in omit:
        record = record_text if record_text is not None else _render_record(members, f"{info}/RECORD", wrong_record)
        members[f"{info}/RECORD"] = record.encode()
    parts = [stem, *([build] if build else []), tag]
    return Dist(
        filename=filename or "-".join(parts) + ".whl",
        project=canonicalize_name(name),
        version=version,
        content=zip_up(members, modes),
        metadata=metadata,
        requires_python=requires_python,
    )


def make_sdist(
    name: str,
    version: str,
    *,
    files: Mapping[str, Content] | None = None,
    requires: Requires = (),
    extras: Mapping[str, Requires] | None = None,
    requires_python: str | None = None,
    pkg_info_version: str | None = "2.2",
    dynamic: Iterable[str] = (),
    pkg_info_text: Content | None = None,
    pkg_info_last: bool = False,
    backend: str | None = "setuptools",
    build_requires: Requires = ("setuptools",),
    setup_py: str | None = None,
    pyproject: str | None = None,
    suffix: str = ".tar.gz",
    filename: str | None = None,
    root: str | None = None,
    outside: Mapping[str, Content] | None = None,
    links: Mapping[str, str] | None = None,
    executable: Collection[str] = (),
) -> Dist:
    """Return an sdist (PEP 625 name, PEP 643 metadata) that its backend can build.

    :param files: path below the sdist's folder -> content; NAME/__init__.py by default.
    :param requires: run-time requirements, told to the backend and written to PKG-INFO.
    :param extras: extra -> requirements.
    :param pkg_info_version: Metadata-Version of PKG-INFO; below 2.2 (and without Requires-Dist,
        as old setuptools wrote it) its dependencies take a build. None: no PKG-INFO at all.
    :param dynamic: fields that PKG-INFO declares Dynamic (2.2 and newer), left out of it.
    :param pkg_info_text: PKG-INFO in place of the one made here.
    :param pkg_info_last: PKG-INFO ends the archive, as flit and hatchling do it.
    :param backend: ``setuptools`` (pyproject.toml with [project]), ``legacy`` (setup.py alone),
        ``in-tree`` (a backend of its own that needs nothing), or None (only what you give).
    :param build_requires: build-system.requires of the ``setuptools`` backend.
    :param setup_py: setup.py in place of the one made here (also beside a pyproject.toml).
    :param pyproject: pyproject.toml in place of the one made here.
    :param suffix: ``.tar.gz`` or ``.zip``.
    :param root: another name for the folder inside.
    :param outside: member name -> content, not put below the folder (``../evil``).
    :param links: path below the folder -> target of a symbolic link (.tar.gz only).
    """
    stem = f"{_escape(name)}-{_escape_version(version)}"
    root = root if root is not None else stem
    requires, grouped = list(requires), {k: list(v) for k, v in (extras or {}).items()}
    if files is None:
        files = {f"{_escape(name)}/__init__.py": f"__version__ = {version!r}\n"}
    project: dict[str, Any] = {
        "name": name,
        "version": version,
        "requires": requires,
        "extras": grouped,
        "requires_python": requires_python,
        "files": list(files),
    }
    own: dict[str, Content] = {}
    if backend == "setuptools":
        own["pyproject.toml"] = setuptools_project(**project, build_requires=list(build_requires))
    elif backend == "legacy":
        own["setup.py"] = setup_script(**project)
    elif backend == "in-tree":
        own["pyproject.toml"] = (
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["_backend"]\n'
        )
        own["_backend/backend.py"] = IN_TREE_BACKEND
    elif backend is not None:
        raise ValueError(f"no such backend: {backend!r}")
    own |= {"pyproject.toml": pyproject} if pyproject is not None else {}
    own |= {"setup.py": setup_py} if setup_py is not None else {}
    info = _pkg_info(name, version, pkg_info_version, requires, grouped, requires_python, list(dynamic), pkg_info_text)
    if backend == "in-tree":
        own["_backend/METADATA"] = _render_metadata(
            name, version, "2.1", _with_extras(requires, grouped), grouped, requires_python, (), ()
        )
    members = {f"{root}/{path}": _encode(content) for path, content in {**own, **files}.items()}
    if info is not None:
        last = {f"{root}/PKG-INFO": info}
        members = {**members, **last} if pkg_info_last else {**last, **members}
    members |= {path: _encode(content) for path, content in (outside or {}).items()}
    modes = {f"{root}/{path}": 0o755 for path in executable}
    targets = {f"{root}/{path}": target for path, target in (links or {}).items()}
    if suffix == ".zip":
        if targets:
            raise ValueError("links need .tar.gz")
        content = zip_up(members, modes)
    else:
        content = tar_gz(members, modes, targets)
    return Dist(
        filename=filename or stem + suffix,
        project=canonicalize_name(name),
        version=version,
        content=content,
        metadata=info,
        requires_python=requires_python,
    )


@lru_cache(maxsize=32)
def wheel_from_installed(name: str, *, without_binaries: bool = False) -> Dist:
    """Return the wheel from which the running environment's *name* was installed, put together again.

    Files come from its RECORD; what installing added (bytecode, scripts, INSTALLER) is left
    out. Tests are offline, and build tools such as setuptools must be the real ones.

    :param without_binaries: leave out compiled modules: for projects that run without them, on any Python.
    :raises ValueError: where it is not a pure wheel (compiled, or an editable install).
    """
    dist = distribution(name)
    wheel = dist.read_text("WHEEL")
    is_pure = wheel is not None and "Root-Is-Purelib: true" in wheel
    if wheel is None or not (is_pure or without_binaries) or dist.read_text("direct_url.json"):
        raise ValueError(f"{name} is not installed from a pure wheel")
    added = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    members: dict[str, bytes] = {}
    info = ""
    for path in dist.files or ():
        pure = PurePosixPath(path)
        in_info = pure.parts[0].endswith(".dist-info")
        info = pure.parts[0] if in_info else info
        if pure.parts[0] == ".." or pure.suffix == ".pyc" or (in_info and pure.name in added):
            continue
        if without_binaries and pure.suffix in (".so", ".pyx", ".c"):
            continue
        members[str(pure)] = dist.locate_file(path).read_bytes()  # type: ignore[attr-defined]
    ordered = dict(sorted(members.items(), key=lambda item: (item[0].startswith(info), item[0])))
    if not is_pure:
        ordered[f"{info}/WHEEL"] = _render_wheel("py3-none-any", None).encode()
        wheel = "Tag: py3-none-any"
    ordered[f"{info}/RECORD"] = _render_record(ordered, f"{info}/RECORD", ()).encode()
    tags = sorted(line.removeprefix("Tag: ") for line in wheel.splitlines() if line.startswith("Tag: "))
    interpreters = ".".join(tag.split("-")[0] for tag in tags)
    return Dist(
        filename=f"{info.removesuffix('.dist-info')}-{interpreters}-none-any.whl",
        project=canonicalize_name(dist.metadata["Name"]),
        version=dist.version,
        content=zip_up(ordered, {}),
        metadata=members[f"{info}/METADATA"],
        requires_python=dist.metadata["Requires-Python"],
    )


def _escape(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _escape_version(version: str) -> str:
    return version.replace("-", "_")


def _encode(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _with_extras(requires: Requires, extras: Mapping[str, Requires]) -> list[str]:
    lines = list(requires)
    for extra, wanted in extras.items():
        for text in wanted:
            requirement, _, marker = text.partition(";")
            condition = f'({marker.strip()}) and extra == "{extra}"' if marker else f'extra == "{extra}"'
            lines.append(f"{requirement.strip()}; {condition}")
    return lines


def _pkg_info(
    name: str,
    version: str,
    metadata_version: str | None,
    requires: list[str],
    extras: Mapping[str, list[str]],
    requires_python: str | None,
    dynamic: list[str],
    text: Content | None,
) -> bytes | None:
    if text is not None:
        return _encode(text)
    if metadata_version is None:
        return None
    major, _, minor = metadata_version.partition(".")
    static = (int(major), int(minor)) >= (2, 2)
    hidden = {field.lower() for field in dynamic}
    told = [] if not static or "requires-dist" in hidden else _with_extras(requires, extras)
    named = [] if not static or "provides-extra" in hidden else extras
    python = None if "requires-python" in hidden else requires_python
    return _render_metadata(name, version, metadata_version, told, named, python, dynamic, ())


def _render_metadata(
    name: str,
    version: str,
    metadata_version: str,
    requires: Requires,
    extras: Iterable[str],
    requires_python: str | None,
    dynamic: Iterable[str],
    lines: Iterable[str],
) -> bytes:
    headers = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    headers += [f"Dynamic: {field}" for field in dynamic]
    headers += [f"Requires-Python: {requires_python}"] if requires_python is not None else []
    headers += [f"Provides-Extra: {extra}" for extra in extras]
    headers += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join([*headers, *lines, "", f"{name}, crafted for the tests of mach.", ""]).encode()


def _render_wheel(tag: str, build: str | None) -> str:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    lines = ["Wheel-Version: 1.0", "Generator: mach-tests", f"Root-Is-Purelib: {str(platforms == ['any']).lower()}"]
    lines += [f"Tag: {p}-{a}-{t}" for p in pythons for a in abis for t in platforms]
    lines += [f"Build: {build}"] if build else []
    return "\n".join(lines) + "\n"


def _render_entry_points(groups: Mapping[str, Mapping[str, str]]) -> bytes:
    blocks = ["\n".join([f"[{group}]", *(f"{k} = {v}" for k, v in names.items())]) for group, names in groups.items()]
    return ("\n\n".join(blocks) + "\n").encode()


def _render_record(members: Mapping[str, bytes], record: str, wrong: Collection[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path, content in members.items():
        seen = content + b"changed" if path in wrong else content
        digest = base64.urlsafe_b64encode(hashlib.sha256(seen).digest()).rstrip(b"=").decode()
        writer.writerow((path, f"sha256={digest}", len(content)))
    writer.writerow((record, "", ""))
    return out.getvalue()
