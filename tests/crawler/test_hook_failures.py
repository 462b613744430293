"""Of all that a failed backend wrote, the line that tells its cause is found."""

from __future__ import annotations

import pytest

from crawler.hook_failures import FailureClass, find_cause, find_rust_program, tell_failure

MATURIN = """\
Cargo, the Rust package manager, is not installed or is not on PATH.
This package requires Rust and Cargo to compile extensions. Install it through
the system's package manager or via https://rustup.example/

Checking for Rust toolchain....
"""
FETCHING = """\
urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>
error: setup.py could not go on
"""
TRACEBACK = 'Traceback (most recent call last):\n  File "setup.py", line 3\nValueError: no such thing\n'
CHAINED = f"{TRACEBACK}\nDuring handling of the above:\n\nTraceback (most recent call last):\ndemo.Refused: not here\n"
INSTRUCTIONS = """\
running egg_info

Error: demo-config executable not found.

demo-config is required to build demo from source.  Please add the directory
containing demo-config to the $PATH or specify the full executable path with the
option:

    python setup.py build_ext --demo-config /path/to/demo-config build ...

or with the demo-config option in 'setup.cfg'.

If you prefer to avoid building demo from source, please take its wheel.

For further information please check the 'doc/src/install.rst' file (also at
<https://docs.example/install.html>).
"""
ENDED = 'error: it needs more\n  File "x.py"\nSystemExit: 1\n'


@pytest.mark.parametrize(
    ("output", "kind", "line"),
    [
        (
            MATURIN,
            FailureClass.MISSING_COMPILER,
            "Cargo, the Rust package manager, is not installed or is not on PATH.",
        ),
        (FETCHING, FailureClass.NEEDS_NETWORK, FETCHING.splitlines()[0]),
        (TRACEBACK, None, "ValueError: no such thing"),
        (CHAINED, None, "demo.Refused: not here"),
        (INSTRUCTIONS, None, "Error: demo-config executable not found."),
        (ENDED, None, "error: it needs more"),
        ("setup.py: error: no such option\nsee --help\n", None, "setup.py: error: no such option"),
        ("one\ntwo\n", None, "two"),
        ("\x1b[31merror: in red\x1b[0m\n\n", None, "error: in red"),
        ("", None, None),
    ],
)
def test_the_line_that_tells_most_is_the_cause(output: str, kind: FailureClass | None, line: str | None):
    assert tell_failure(output.encode()) is kind
    assert find_cause(kind or FailureClass.BACKEND_FAILED, output.encode()) == line


@pytest.mark.parametrize(
    ("output", "program"),
    [
        (MATURIN, "cargo"),
        ("error: can't find Rust compiler\n\nIf you are using an outdated pip version", "rustc"),
        ("error: can't find Rust compiler\nFileNotFoundError: [Errno 2] No such file or directory: 'cargo'\n", "cargo"),
        ("Rust toolchain 1.70 is not installed", "cargo"),
        ("error: command 'gcc' failed: No such file or directory", None),
    ],
)
def test_rust_is_told_from_other_compilers(output: str, program: str | None):
    assert tell_failure(output.encode()) is FailureClass.MISSING_COMPILER
    assert find_rust_program(output.encode()) == program


@pytest.mark.parametrize(
    "output",
    [
        "LookupError: setuptools-scm was unable to detect version for /build/source.\n\nMake sure you're",
        "Error getting the version from source `vcs`: setuptools-scm was unable to detect version for '/build/source'.",
        "Versioning for this project requires either an sdist tarball, or access to an upstream git repository. It's",
        "RuntimeError: Unable to detect version control system.",
        "pdm.backend.exceptions.ConfigError: Cannot find the version from SCM or SCM isn't detected.",
        "fatal: not a git repository (or any of the parent directories): .git",
    ],
)
def test_a_version_that_stands_in_tags_alone_is_told_from_other_failures(output: str):
    assert tell_failure(output.encode()) is FailureClass.NEEDS_REPOSITORY


@pytest.mark.parametrize(
    "text", ["error" * 10_000, "a." * 20_000, " " * 40_000 + "error", "error\n" * 10_000, "\0" * 40_000]
)
def test_a_hostile_output_gives_a_short_line_that_a_terminal_can_show(text: str):
    line = find_cause(FailureClass.BACKEND_FAILED, text.encode())
    assert line is not None
    assert line.isprintable()
    assert len(line) <= 301 * len("\\x00")
