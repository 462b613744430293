"""How far a Nix build is apart from the machine: looked at, and made more, before anything of a stranger's runs in it.

It imports nothing of mach: the driver takes it along into any CPython from 3.8 on.
"""

from __future__ import annotations

import base64
import ctypes
import os
import re
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Sequence  # noqa: UP035 (Python 3.8)

#: Without packets being sent, this tells whether there is a way to other machines (RFC 5737).
ELSEWHERE = ("192.0.2.1", 9)
#: Of mount(2), unshare(2) and prctl(2).
CLONE_NEWNS, CLONE_NEWUSER = 0x0002_0000, 0x1000_0000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16_384, 1 << 18
MOUNT_FLAGS = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21}
PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 24, 38, 2
TEMPORARY = Path("/tmp")  # noqa: S108 (no file is made here)
#: File systems that are the build's own, and whose files are terminals and shared memory.
OWN = (Path("/dev/pts"), Path("/dev/shm"))  # noqa: S108 (no file is made here)


def find_opening(store: Path) -> str | None:
    """Return in what this build is open to the machine, None where it is in a sandbox.

    *store*: Nix's; in a sandbox it holds what the build takes alone, which is never a derivation.
    """
    with suppress(OSError):
        if any(path.suffix == ".drv" for path in store.iterdir()):
            return f"all of {store} is seen"
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(ELSEWHERE)
        return "there is a network"
    if sys.platform == "linux" and os.getpid() != 1:
        return "the machine's processes are seen"
    return None


def is_root() -> bool:
    """Return whether the build is root's, where Nix has no users for builds: RLIMIT_NPROC is not for root."""
    with suppress(OSError, IndexError):
        return Path("/proc/self/uid_map").read_text().split()[1] == "0"
    return False


def filter_calls(programs: Sequence[str]) -> None:
    """Answer system calls as BPF *programs* say, in this process and all that it starts (prctl(2), PR_SET_SECCOMP)."""
    library = ctypes.CDLL(None, use_errno=True)
    for program in map(base64.b64decode, programs):
        data = ctypes.create_string_buffer(program, len(program))
        code = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(data))
        filter_ = ctypes.create_string_buffer(code, len(code))
        for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0)):
            if library.prctl(*call) != 0:
                raise OSError(ctypes.get_errno(), "no filter of system calls")


def owns_inputs() -> bool:
    """Return whether what the build takes of the store is its user's own: who owns a file may change it."""
    return Path(__file__).stat().st_uid == os.getuid()


def seal(work: Path, temporary: Path) -> bool:
    """Let this process, and all that it starts, write below *work* alone; return whether that could be done.

    Nix shows a build its inputs and /proc as they are. Where it builds as the user whom the store belongs to, or
    as root, those could be changed: so all is read-only in a mount namespace of this process's own
    (user_namespaces(7)). *temporary* is what is seen as /tmp, where no mount is below that.
    """
    if sys.platform != "linux":
        return False
    user, group = os.getuid(), os.getgid()
    library = ctypes.CDLL(None, use_errno=True)
    try:
        check(library.unshare(CLONE_NEWUSER | CLONE_NEWNS))
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(text)
        check(library.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None))
        mounts = [line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        places = [Path(re.sub(r"\\([0-7]{3})", lambda escape: chr(int(escape[1], 8)), fields[4])) for fields in mounts]
        # what lies below would be hidden: a store that somebody has there
        if not any(TEMPORARY in place.parents for place in places):
            check(library.mount(os.fsencode(temporary), bytes(TEMPORARY), None, ctypes.c_ulong(MS_BIND), None))
        for place, fields in zip(places, mounts):  # noqa: B905 (Python 3.8)
            if place != work and place not in OWN:
                close_mount(library, place, fields[5])
        os.chdir(work)
        # they would be enough to open all of that again, for a root of this namespace
        for capability in range(64):
            library.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    except OSError:
        return False
    return True


def close_mount(library: Any, place: Path, options: str) -> None:
    """Make the mount at *place* read-only, and keep the *options* that it has."""
    kept = sum(MOUNT_FLAGS.get(option, 0) for option in options.split(","))
    flags = ctypes.c_ulong(MS_REMOUNT | MS_BIND | MS_RDONLY | kept)
    check(library.mount(b"none", bytes(place), None, flags, None))


def check(result: int) -> None:
    """Raise where a system call failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
