"""What a sandbox sees of this machine: programs and libraries of the system, tools by name, an /etc of its own."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

__all__ = [
    "ENVIRONMENT",
    "FULL_NAMES",
    "INSIDE",
    "WORK",
    "View",
    "is_taken",
    "lay_out_etc",
    "lay_out_tools",
    "tool_names",
    "view_system",
]

#: Where mach's own folders are in a sandbox, all read-only.
INSIDE = Path("/mach")
#: The only folder that can be written to, besides /dev/shm; /tmp is a link into it.
WORK = Path("/build")

#: The whole environment of whatever runs in a sandbox.
ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "HOME": f"{WORK}/home",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        # where maturin finds no cargo it asks for something that fetches Rust; Nix has it for the build
        "MATURIN_NO_INSTALL_RUST": "1",
        "PATH": f"{INSIDE}/environment/bin:{INSIDE}/tools",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "SOURCE_DATE_EPOCH": "315532800",
        "TMPDIR": f"{WORK}/tmp",  # noqa: S108 (in the sandbox)
        "TZ": "UTC",
    }
)

#: Programs that builds expect of a machine. What is a Python project as well (cmake, ninja, meson, swig, cython)
#: or brings a language of its own (cargo, go, node) is left out: a backend that finds one asks for fewer
#: requirements, and its answer would depend on what happens to be installed here.
_TOOLS = """
    awk basename bash cat chgrp chmod chown cmp comm cp cut date dd diff dirname echo egrep env expr false fgrep file
    find gawk grep gunzip gzip head hostname id install join ln ls md5sum mkdir mkfifo mktemp mv nproc od paste patch
    perl printf pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort split stat sum tail tar tee test touch
    tr true tsort tty uname uniq unlink wc which whoami xargs xz yes bzip2 m4 make gmake pkg-config pkgconf
    """
_COMPILERS = """
    addr2line ar as c++ c++filt c89 c99 cc clang clang++ cpp dlltool f77 f95 flex bison g++ gcc gcc-ar gcc-nm gcc-ranlib
    gfortran ld ld.bfd ld.gold ld.lld lld nm objcopy objdump ranlib readelf size strings strip
    """
#: Debian's Python calls its compiler by the machine's full name: x86_64-linux-gnu-gcc.
FULL_NAMES = rf".*-linux-gnu.*-(?:{'|'.join(map(re.escape, _COMPILERS.split()))})"
_SEARCHED = ("/usr/bin", "/bin", "/run/current-system/sw/bin")
_NIX_STORE = Path("/nix/store")
_ROOTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
#: Where those who run a machine put things of their own.
_HIDDEN = ("/usr/local", "/usr/src", "/usr/games")
#: Where an interpreter cannot be, as the sandbox has something else there.
_TAKEN = ("/tmp", "/build", "/mach", "/proc", "/dev", "/etc", "/sys")  # noqa: S108 (no file is made there)

_USERS = "root:x:0:0:root:/build/home:/bin/sh\nbuild:x:1000:1000:build:/build/home:/bin/sh\n"
_GROUPS = "root:x:0:\nbuild:x:1000:\n"
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The read-only part of a sandbox's file system."""

    folders: tuple[tuple[Path, Path], ...]
    """Folders and files of this machine and where each is seen, later ones over earlier ones."""
    links: tuple[tuple[str, Path], ...]
    """Symbolic links: target and place."""


def _find_tool(name: str) -> Path | None:
    found = shutil.which(name, path=os.pathsep.join(_SEARCHED))
    if found is None:
        return None
    path = Path(found)
    # what lies in a profile is a link into the store, which alone is seen inside
    return path.resolve() if found.startswith("/run/") else path


def tool_names() -> list[str]:
    """Return the names of the programs that hooks find, where the machine has them."""
    return f"{_TOOLS} {_COMPILERS}".split()


def lay_out_tools(folder: Path) -> None:
    """Make *folder* one of links to the system's compilers and small programs."""
    folder.mkdir()
    for name in tool_names():
        path = _find_tool(name)
        if path is not None:
            (folder / name).symlink_to(path)
    full = re.compile(FULL_NAMES, re.DOTALL)
    for path in Path("/usr/bin").iterdir():
        if full.fullmatch(path.name) and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)


def lay_out_etc(folder: Path) -> None:
    """Make *folder* an /etc that knows one user and no network; :func:`view_system` puts more into empty places."""
    folder.mkdir()
    for name, text in (("passwd", _USERS), ("group", _GROUPS), ("hosts", _HOSTS)):
        (folder / name).write_text(text)
    for name in ("alternatives", "ld.so.cache"):
        path = Path("/etc", name)
        if path.is_dir():
            (folder / name).mkdir()
        elif path.is_file():
            (folder / name).touch()


def is_taken(path: Path) -> bool:
    """Return whether the sandbox has something of its own at *path*."""
    return path == Path("/") or any(path.is_relative_to(taken) for taken in _TAKEN)


def view_system(*, etc: Path, empty: Path, prefixes: Sequence[Path]) -> View:
    """Return what is seen of this machine: programs, libraries and headers, read-only.

    :param etc: what :func:`lay_out_etc` has made.
    :param empty: an empty folder, seen where this machine has files of its own.
    :param prefixes: folders that an interpreter needs.
    """
    folders: list[tuple[Path, Path]] = [(Path("/usr"), Path("/usr"))]
    links: list[tuple[str, Path]] = []
    hidden = [Path(path) for path in _HIDDEN if Path(path).is_dir() and not Path(path).is_symlink()]
    folders += [(empty, path) for path in hidden]
    for name in _ROOTS:
        path = Path("/", name)
        if path.is_symlink():
            links.append((str(path.readlink()), path))
        elif path.is_dir():
            folders.append((path, path))
    folders.append((etc, Path("/etc")))
    folders += [(Path("/etc", place.name), Path("/etc", place.name)) for place in _places(etc)]
    if _NIX_STORE.is_dir() and (_uses_store(prefixes) or any(_uses_store([Path(p)]) for p in _tool_paths())):
        folders.append((_NIX_STORE, _NIX_STORE))
    for prefix in prefixes:
        seen = any(prefix.is_relative_to(place) for _, place in folders if place not in hidden)
        if not seen or any(prefix.is_relative_to(path) for path in hidden):
            folders.append((prefix, prefix))
    return View(folders=tuple(folders), links=tuple(links))


def _places(etc: Path) -> Iterator[Path]:
    return (path for path in sorted(etc.iterdir()) if path.name in ("alternatives", "ld.so.cache"))


def _uses_store(paths: Sequence[Path]) -> bool:
    return any(path.is_relative_to(_NIX_STORE) for path in paths)


def _tool_paths() -> Iterator[Path]:
    return (path for name in ("sh", "cc") if (path := _find_tool(name)) is not None)
