"""Why a build backend gave no answer: the classes of failure, and how a backend's last words tell some of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from resolver.errors import printable, shorten

__all__ = [
    "NEEDS_REPOSITORY",
    "FailureClass",
    "HookFailure",
    "Refused",
    "find_cause",
    "find_rust_program",
    "last_lines",
    "tell_failure",
]

#: What a source tree says that leaves its version to the tags of its repository; what follows "its build backend".
NEEDS_REPOSITORY = (
    "takes its version from the history of a repository, and what is built is the files alone, without .git"
)

_LINES = 8
_LONGEST_LINE = 300
#: Bytes at the end of an output that a cause is looked for in.
_SEARCHED = 16_384
#: How programs begin a line that says what went wrong: ``error: …``, ``setup.py: error: …``, ``ValueError: …``.
_ERROR = re.compile(r"^\s*(?:fatal |[\w.]+: |[\w.]*)(?:error|exception)\b.{0,40}?: ?\S", re.I)
#: The last line of a traceback, but for one that only says that the program ended.
_RAISED = re.compile(r"^(?!SystemExit\b)[^\W\d][\w.]*: \S")
#: Colours and other sequences that programs write to terminals (ECMA-48), left out of what is kept.
_SEQUENCES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])")


class FailureClass(StrEnum):
    """The class of a failure: stable across releases, and explained in docs/explanation/sandbox.md."""

    NO_BACKEND = "no-backend"
    INVALID_BUILD_SYSTEM = "invalid-build-system"
    BACKEND_MISSING = "backend-missing"
    BACKEND_FAILED = "backend-failed"
    NEEDS_NETWORK = "needs-network"
    NEEDS_REPOSITORY = "needs-repository"
    MISSING_COMPILER = "missing-compiler"
    TIMEOUT = "timeout"
    TOO_MUCH_MEMORY = "too-much-memory"
    TOO_MANY_PROCESSES = "too-many-processes"
    TOO_MUCH_OUTPUT = "too-much-output"
    TOO_LARGE = "too-large"
    TOO_MANY_FILES = "too-many-files"
    UNSAFE_ARCHIVE = "unsafe-archive"
    BROKEN_ARCHIVE = "broken-archive"
    UNUSABLE_WHEEL = "unusable-wheel"
    FALSE_RESULT = "false-result"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFailure:
    """Why an sdist's backend gave no answer."""

    kind: FailureClass
    reason: str
    """One sentence without its full stop that begins with "its" (the sdist's); safe for a terminal."""
    detail: tuple[str, ...] = ()
    """The last lines that the backend wrote, at most eight; safe for a terminal."""
    cause: str | None = None
    """The line that tells most of why it failed, where it wrote one; safe for a terminal."""


class Refused(Exception):
    """An sdist or a wheel that is not handed to a sandbox, with the *failure* to record."""

    def __init__(self, kind: FailureClass, reason: str) -> None:
        super().__init__(reason)
        self.failure = HookFailure(kind=kind, reason=printable(shorten(reason, 500)))


def last_lines(output: bytes) -> tuple[str, ...]:
    """Return the last lines of what a program wrote, at most eight, without terminal controls."""
    return tuple(map(_shown, _lines(output)[-_LINES:]))


def _lines(output: bytes) -> list[str]:
    text = _SEQUENCES.sub("", output.decode(errors="replace")).replace("\r", "\n").replace("\t", "    ")
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def _shown(line: str) -> str:
    return printable(shorten(line, _LONGEST_LINE))


#: The compilers of C, C++ and Fortran as builds name them: gcc, x86_64-linux-gnu-g++-12, /usr/bin/cc, f95.
_COMPILER = r"'?\"?(?:[\w./+-]*[-/])?(?:gcc|g\+\+|cc|c\+\+|c99|clang|clang\+\+|gfortran|f77|f95|cl)(?:-[\d.]+)?'?\"?"
#: What maturin, setuptools-rust and Python itself write where a program of Rust is not found.
_NO_RUST = re.compile(
    r"(?P<maturin>Rust toolchain|Cargo).{0,200} is not (?:installed|on PATH)"
    r"|can't find (?P<compiler>Rust compiler)|No such file or directory: '?(?P<program>cargo|rustc|rustup)\b",
    re.I,
)
#: What backends, compilers and Python itself write where one of these is the cause; the last match wins.
_SIGNS: tuple[tuple[FailureClass, re.Pattern[str]], ...] = (
    (
        FailureClass.NEEDS_NETWORK,
        re.compile(
            r"Temporary failure in name resolution|Name or service not known|Network is unreachable"
            r"|Could not resolve host|Failed to establish a new connection|nodename nor servname"
            r"|Could not fetch URL|Couldn't find index page|No matching distribution found for"
            r"|Unable to access '?https?://|\[Errno (?:-2|-3|101)\]",
            re.I,
        ),
    ),
    (
        FailureClass.MISSING_COMPILER,
        re.compile(
            rf"unable to execute {_COMPILER}:|error: command {_COMPILER} failed: No such file"
            rf"|No such file or directory: {_COMPILER}(?:\s|$)|{_COMPILER}: (?:command )?not found"
            r"|Unknown compiler\(s\)|No CMAKE_\w+_COMPILER could be found|CMAKE_\w+_COMPILER not set"
            r"|no acceptable C compiler found",
            re.I,
        ),
    ),
    (FailureClass.MISSING_COMPILER, _NO_RUST),
    (
        # of setuptools-scm (and hatch-vcs, which asks it), pbr, dunamai, versioningit, pdm-backend and git
        FailureClass.NEEDS_REPOSITORY,
        re.compile(
            r"setuptools[-_]scm was unable to detect version for|Unable to detect version control system"
            r"|requires either an sdist tarball, or access to an upstream git repository"
            r"|versioningit could not find a version|Cannot find the version from SCM|not a git repository",
            re.I,
        ),
    ),
    (FailureClass.TOO_MUCH_MEMORY, re.compile(r"^\s*MemoryError\b|Cannot allocate memory|std::bad_alloc", re.M)),
    (FailureClass.TOO_LARGE, re.compile(r"No space left on device|File too large|\[Errno (?:28|27)\]")),
    (
        FailureClass.TOO_MANY_PROCESSES,
        re.compile(r"BlockingIOError: \[Errno 11\]|can't start new thread|fork: .*Resource temporarily unavailable"),
    ),
)


def tell_failure(output: bytes) -> FailureClass | None:
    """Return the cause that the end of a failed backend's *output* names, None where it names none.

    The text is the backend's own: a false one changes the class of its failure and nothing else.
    """
    text = output[-_SEARCHED:].decode(errors="replace")
    found = [(match.start(), kind) for kind, sign in _SIGNS for match in sign.finditer(text)]
    return max(found)[1] if found else None


def find_rust_program(output: bytes) -> str | None:
    """Return which program of Rust a failed backend looked for last, ``cargo`` or ``rustc``; None where it did not."""
    found = list(_NO_RUST.finditer(output[-_SEARCHED:].decode(errors="replace")))
    if not found:
        return None
    return str(found[-1]["program"] or ("rustc" if found[-1]["compiler"] else "cargo")).lower()


def find_cause(kind: FailureClass, output: bytes) -> str | None:
    """Return the line of a failed backend's *output* that tells most, safe for a terminal; None where it wrote none.

    That is the last one that names the class; where none does, the last one of all if it is what an
    exception leaves; else the last one that calls itself an error: long instructions may follow it.
    """
    lines = _lines(output[-_SEARCHED:])
    if not lines:
        return None
    signs = [sign for told, sign in _SIGNS if told is kind]
    named = [line for line in lines if any(sign.search(line) for sign in signs)]
    if not named and not _RAISED.match(lines[-1]):
        named = [line for line in lines if _ERROR.match(line)]
    return _shown((named or lines)[-1])
