"""Of all that a failed backend wrote, the line that tells its cause is found."""

from __future__ import annotations

import pytest

from crawler.hook_failures import FailureClass, find_cause, tell_failure

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
    "text", ["error" * 10_000, "a." * 20_000, " " * 40_000 + "error", "error\n" * 10_000, "\0" * 40_000]
)
def test_a_hostile_output_gives_a_short_line_that_a_terminal_can_show(text: str):
    line = find_cause(FailureClass.BACKEND_FAILED, text.encode())
    assert line is not None
    assert line.isprintable()
    assert len(line) <= 301 * len("\\x00")
