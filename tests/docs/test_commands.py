"""docs/reference/commands.md says what ``--help`` says today."""

from __future__ import annotations

import os
import subprocess
import sys

from docs.generate_commands import PAGE, render
from tests.docs.error_codes import ROOT


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == render(), "run: .venv/bin/python docs/generate_commands.py"


def test_the_page_is_the_same_on_every_machine() -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "COLUMNS": "40", "XDG_DATA_HOME": "/elsewhere"}
    script = "from docs.generate_commands import render; print(render(), end='')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == render()
