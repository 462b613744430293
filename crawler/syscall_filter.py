"""A seccomp filter, as BPF, without the system calls that hold memory out of sight or reach deep into the kernel."""

from __future__ import annotations

import errno
import struct

__all__ = ["ARCHITECTURES", "make_filter", "make_session_filter"]

#: Memory of these belongs to no process and no file system with a size: nothing that supervises could count it.
_UNCOUNTED = ("memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open")
#: Doors to the kernel that no build goes through.
_DEEP = (
    "add_key",
    "bpf",
    "io_uring_setup",
    "keyctl",
    "perf_event_open",
    "request_key",
    "userfaultfd",
)
_X86_64 = {
    "shmget": 29,
    "semget": 64,
    "msgget": 68,
    "setsid": 112,
    "mq_open": 240,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "perf_event_open": 298,
    "memfd_create": 319,
    "bpf": 321,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "memfd_secret": 447,
}
#: The table that newer architectures share (asm-generic/unistd.h).
_GENERIC = {
    "setsid": 157,
    "mq_open": 180,
    "msgget": 186,
    "semget": 190,
    "shmget": 194,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "perf_event_open": 241,
    "memfd_create": 279,
    "bpf": 280,
    "userfaultfd": 282,
    "io_uring_setup": 425,
    "memfd_secret": 447,
}
#: Machine, as ``os.uname()`` says it -> AUDIT_ARCH value and the numbers of its system calls.
ARCHITECTURES = {
    "x86_64": (0xC000003E, _X86_64),
    "aarch64": (0xC00000B7, _GENERIC),
    "riscv64": (0xC00000F3, _GENERIC),
}

_LOAD, _JUMP_EQUAL, _JUMP_FROM, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ANSWER = 0x7FFF0000, 0x00050000
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET = 0, 4
#: On x86_64 the numbers of the x32 ABI begin here; other tables end far below.
_X32 = 0x40000000


def make_filter(machine: str) -> bytes:
    """Return the filter for *machine*: each call that it refuses answers ENOSYS, as on a kernel without it.

    System calls of other architectures (32-bit programs) are refused as a whole: their numbers differ.

    :raises KeyError: where *machine* is not in :data:`ARCHITECTURES`.
    """
    return _make(machine, (*_UNCOUNTED, *_DEEP), errno.ENOSYS)


def make_session_filter(machine: str) -> bytes:
    """Return a filter that lets ``setsid`` succeed and do nothing, besides that of :func:`make_filter`.

    The kernel gives each session its share of the processor, so that a fork bomb of sessions would
    leave next to nothing to who has to stop it (sched(7), "The autogroup feature").

    :raises KeyError: as :func:`make_filter`.
    """
    return _make(machine, ("setsid",), 0)


def _make(machine: str, names: tuple[str, ...], answer: int) -> bytes:
    """Return a filter by which the system calls *names* do nothing but answer the error number *answer*."""
    architecture, numbers = ARCHITECTURES[machine]
    refused = sorted(numbers[name] for name in names)
    # a jump counts from the next instruction; the last three are "allow", "answer" and "there is no such call"
    last = len(refused) + 4
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_JUMP_EQUAL, 0, last, architecture),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_JUMP_FROM, last - 2, 0, _X32),
    ]
    program += [(_JUMP_EQUAL, len(refused) - at, 0, number) for at, number in enumerate(refused)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ANSWER | answer), (_RETURN, 0, 0, _ANSWER | errno.ENOSYS)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
