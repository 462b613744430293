"""sandbox_launcher.py USER FOLDERS COMMAND...: as root, show folders elsewhere, become another user, run the command.

FOLDERS is JSON, a list of pairs: a folder that only root reaches, and an empty one (or a file
and an empty file) that the other user reaches.  The mounts are private: nobody else sees them,
and they are gone with the command.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

_CLONE_NEWNS = 0x0002_0000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x4_0000


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def main() -> None:
    """Run the command."""
    user, folders, command = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(_CLONE_NEWNS), "no mount namespace")
    # first of all, or the mounts would show on the whole machine
    _check(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "no private mounts")
    for source, place in folders:
        flags = ctypes.c_ulong(_MS_BIND | _MS_REC)
        _check(libc.mount(os.fsencode(source), os.fsencode(place), None, flags, None), f"{source} cannot be shown")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    os.execv(command[0], command)  # noqa: S606 (no shell is meant)


if __name__ == "__main__":
    main()
