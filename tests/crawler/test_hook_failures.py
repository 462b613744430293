"""Of the last lines that a failed backend wrote, the one that tells its cause is shown."""

from __future__ import annotations

import pytest

from crawler.hook_failures import FailureClass, HookFailure, last_lines, tell_failure, telling_line

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
        ("", None, None),
    ],
    ids=["cargo", "network", "traceback", "silent"],
)
def test_the_line_that_names_the_class_is_told(output: str, kind: FailureClass | None, line: str | None):
    assert tell_failure(output.encode()) is kind
    failure = HookFailure(
        kind=kind or FailureClass.BACKEND_FAILED, reason="its backend failed", detail=last_lines(output.encode())
    )
    assert telling_line(failure) == line
