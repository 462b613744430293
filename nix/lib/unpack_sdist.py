"""unpack_sdist.py INFO DEST: make what INFO (a JSON file) names, a source archive or tree, the folder DEST.

Crates that INFO names become a directory source of cargo, in the folder ``cargo`` beside DEST.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

#: 1980-01-02, in seconds since 1970, so that it is 1980 in every time zone.
EARLIEST = 315_619_200


class Refused(Exception):
    """The archive is not an sdist that may be unpacked."""


def check_member(name: str) -> None:
    """Refuse a path that leaves the folder it is unpacked to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise Refused(f"it holds a file with the path {name!r}")


def printable(text: str) -> str:
    """Return *text* in one line that steers no terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack a tar archive of any compression, with Python's filter for data (PEP 706)."""
    with tarfile.open(archive) as opened:
        members = opened.getmembers()
        for member in members:
            check_member(member.name)
            if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
                raise Refused(f"it holds a special file, {member.name!r}")
            if member.issym() or member.islnk():
                parent = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
                _check_link(member.name, parent, member.linkname)
        if hasattr(tarfile, "data_filter"):
            opened.extractall(folder, members=members, filter="data")
        else:  # patch releases from before PEP 706: the checks above are the same
            for member in members:
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            opened.extractall(folder, members=members)  # noqa: S202


def _check_link(name: str, parent: PurePosixPath, target: str) -> None:
    depth = len(parent.parts)
    if PurePosixPath(target).is_absolute():
        depth = -1
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            break
    if depth < 0:
        raise Refused(f"it holds a link that leaves it, {name!r} to {target!r}")


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack a zip archive, with the mode bits that it records."""
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            check_member(member.filename)
            path = Path(opened.extract(member, folder))
            if not member.is_dir() and (member.external_attr >> 16) & 0o100:
                path.chmod(0o755)


def copy_tree(source: Path, tree: Path) -> None:
    """Copy a source tree of the store, writable."""
    shutil.copytree(source, tree, symlinks=True)
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)


def find_project(tree: Path, subdirectory: str) -> Path:
    """Return the project's folder in a source tree.

    :raises Refused: where it is not in it.
    """
    place = tree
    for part in PurePosixPath(subdirectory).parts:
        place = place / part
        if part in ("..", "/") or place.is_symlink() or not place.is_dir():
            raise Refused(f"it has no folder {subdirectory!r}")
    return place


def make_times_valid(tree: Path) -> None:
    """Give files that are older the first time that a zip archive, and so a wheel, can hold (as the store's are)."""
    for path in tree.rglob("*"):
        if path.lstat().st_mtime < EARLIEST:
            os.utime(path, (EARLIEST, EARLIEST), follow_symlinks=False)


def unpack_archive(info: dict[str, Any], tree: Path, *, top: str | None = None) -> None:
    """Unpack the sdist (or the crate) and make its only folder *tree*.

    :param top: the name that the folder has to have.
    :raises Refused: where it has more than one folder at its top, or members that leave it.
    """
    scratch = tree.with_name(tree.name + ".unpacked")
    scratch.mkdir()
    archive = Path(info["sdist"])
    (unpack_zip if info["filename"].endswith(".zip") else unpack_tar)(archive, scratch)
    tops = sorted(scratch.iterdir())
    if len(tops) != 1 or not tops[0].is_dir() or tops[0].is_symlink() or top not in (None, tops[0].name):
        raise Refused(f"at its top there is not exactly one folder: {[found.name for found in tops][:5]!r}")
    tops[0].rename(tree)
    scratch.rmdir()


def unpack(info: dict[str, Any], folder: Path) -> None:
    """Unpack or copy the source, and make *folder* the project's folder in it.

    A backend sees the whole tree around a subdirectory, as it does with pip: *folder* is then a link.

    :raises Refused: where it has more than one folder at its top, members that leave it, or no such subdirectory.
    """
    tree = folder.with_name(folder.name + ".tree")
    if Path(info["sdist"]).is_dir():
        copy_tree(Path(info["sdist"]), tree)
    else:
        unpack_archive(info, tree)
    make_times_valid(tree)
    place = find_project(tree, info.get("subdirectory", ""))
    if place == tree:
        tree.rename(folder)
    else:
        folder.symlink_to(place.relative_to(folder.parent))


def vendor(crates: list[dict[str, str]], home: Path) -> None:
    """Unpack crates below *home*, and have cargo take nothing else (Cargo Book, "Source Replacement").

    :param crates: name, version, sha256 (as in Cargo.lock) and the path of each archive.
    :raises Refused: where a name is no name, or an archive holds anything but its one folder.
    """
    folder = home / "crates"
    folder.mkdir(parents=True)
    for crate in crates:
        label = f"{crate['name']}-{crate['version']}"
        if not re.fullmatch(r"[A-Za-z0-9_-]+-[0-9][0-9A-Za-z.+-]*", label) or (folder / label).exists():
            raise Refused(f"the crate {label!r} has no plain name, or is there twice")
        try:
            unpack_archive({"sdist": crate["path"], "filename": f"{label}.crate"}, folder / label, top=label)
        except (Refused, tarfile.TarError, EOFError) as error:
            raise Refused(f"the crate {label!r}: {error}") from error
        # no checksums of single files: the archive's own was checked when it was fetched
        checksum = json.dumps({"files": {}, "package": crate["sha256"]})
        (folder / label / ".cargo-checksum.json").write_text(checksum)
    lines = [
        "[source.crates-io]",
        'replace-with = "locked"',
        "",
        "[source.locked]",
        f"directory = {json.dumps(os.fspath(folder.absolute()))}",
        "",
        "[net]",
        "offline = true",
    ]
    (home / "config.toml").write_text("\n".join(lines) + "\n")


def main() -> int:
    """Run the command; an archive that cannot be unpacked is one line on stderr."""
    info = json.loads(Path(sys.argv[1]).read_text())
    try:
        unpack(info, Path(sys.argv[2]))
        if info.get("crates") is not None:
            vendor(info["crates"], Path(sys.argv[2]).with_name("cargo"))
    except (Refused, tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        print(f"mach: cannot unpack {info['filename']!r}: {printable(str(error))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
