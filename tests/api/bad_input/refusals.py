"""What every refusal of the command line looks like, held in one place."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.machines import Machine, Outcome

__all__ = ["check_refusal", "refuse"]

_HEAD = re.compile(r"^error\[([a-z-]+)\]: (.+)$", re.MULTILINE)


def refuse(machine: Machine, *words: str | Path, error: str, code: int, stdin: str = "") -> Outcome:
    """Run a command that must fail, and hold its outcome to :func:`check_refusal`.

    :param error: the error's code, ``unknown-project``.
    :param code: the exit code.
    """
    outcome = machine.mach(*words, code=code, stdin=stdin)
    check_refusal(outcome, error)
    return outcome


def check_refusal(outcome: Outcome, error: str) -> None:
    """Hold a failed command to what DESIGN.md promises: one message with a next step, nothing on stdout, all inert."""
    assert outcome.stdout == ""
    heads = _HEAD.findall(outcome.stderr)
    assert [found for found, _ in heads] == [error], outcome.stderr
    assert outcome.stderr.count("\nhint: ") + outcome.stderr.startswith("hint: ") == 1, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert outcome.stderr.replace("\n", "").isprintable()
    assert len(outcome.stderr) < 5_000
