"""The user that a sandbox runs as: mach's own, or another one where mach is root."""

from __future__ import annotations

import json
import os
import pwd
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from .sandbox_view import View

__all__ = ["give_to_sandbox", "other_user", "shown_to_its_user"]

#: Where root runs a sandbox, it runs as the first of these that no account has: the kernel exempts root's processes
#: from RLIMIT_NPROC whatever their user namespace, and files of others must not be root's to read.
_OTHER_USERS = range(64_100, 64_200)


def _mapped(kind: str, number: int) -> bool:
    """Return whether this process may become the user or the group *number* (user_namespaces(7))."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/self/{kind}_map").read_text().splitlines():
            first, _, count = (int(part) for part in line.split())
            if first <= number < first + count:
                return True
    return False


@lru_cache(maxsize=1)
def other_user() -> int | None:
    """Return the user whom root's sandboxes run as; None for others, and for a root of its user namespace alone."""
    if os.geteuid() != 0:
        return None
    for number in _OTHER_USERS:
        try:
            pwd.getpwuid(number)
        except KeyError:
            if _mapped("uid", number) and _mapped("gid", number):
                return number
    return None


def give_to_sandbox(folder: Path, *, copied: bool = False) -> None:
    """Let the sandbox's user, and nobody else, into the temporary *folder* and at all that is in it.

    :param copied: what is in it has modes of the user's own, not those of this process.
    """
    user = other_user()
    if user is not None:
        umask = re.search(r"^Umask:\s*([0-7]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
        if copied or umask is None or int(umask[1], 8) & 0o055:
            for path, folders, files in os.walk(folder):
                for place in (Path(path, name) for name in (*folders, *files)):
                    mode = place.lstat().st_mode
                    if not stat.S_ISLNK(mode):
                        place.chmod(0o755 if mode & 0o100 else 0o644)
        os.chown(folder, user, user)
    folder.chmod(0o700)


def _reaches(user: int, path: Path) -> bool:
    """Return whether *user* may look into the folder *path*, or read the file, as far as folders forbid it."""
    for place in (path, *path.parents):
        status = place.stat()
        if stat.S_ISDIR(status.st_mode) and not status.st_mode & (0o100 if status.st_uid == user else 0o001):
            return False
    return True


@contextmanager
def shown_to_its_user(view: View) -> Iterator[tuple[list[str], View]]:
    """Yield what precedes the command, and the view by which the sandbox's user reaches all that it shows.

    Root may have an interpreter that nobody else reaches, in its home for example.
    """
    user = other_user()
    closed = [] if user is None else [source for source, _ in view.folders if not _reaches(user, source)]
    if not closed:
        yield [], view
        return
    with tempfile.TemporaryDirectory(prefix="mach-shown-") as scratch:
        shown = {source: Path(scratch, str(number)) for number, source in enumerate(closed)}
        for source, place in shown.items():
            if source.is_dir():
                place.mkdir()
            else:
                place.touch()
        give_to_sandbox(Path(scratch))
        pairs = json.dumps([[str(source), str(place)] for source, place in shown.items()])
        launcher = str(Path(__file__).with_name("sandbox_launcher.py"))
        folders = tuple((shown.get(source, source), place) for source, place in view.folders)
        yield [sys.executable, "-I", "-S", launcher, str(user), pairs], replace(view, folders=folders)
