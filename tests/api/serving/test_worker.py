"""What a worker process does with what one question may cost it."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT_MEMORY = """
import resource
from api.serving.worker import render_form, resolve_sent

text = "[" + "[]," * 1_000_000 + "[]]"
question = b"(" + b"]" * 1_000_000 + b"t."
with open("/proc/self/statm", encoding="ascii") as stream:
    taken = int(stream.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (8 << 20), resource.getrlimit(resource.RLIMIT_AS)[1]))
try:
    {call}
except MemoryError as error:
    assert error.__context__ is None, "what took the memory is let go"
    print("told", len(bytearray(64 << 20)))
"""


@pytest.mark.parametrize("call", ["render_form(text, 'nix', None, None)", "resolve_sent(question)"])
def test_who_ran_out_of_memory_has_enough_to_say_so(call: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_MEMORY.replace("{call}", call)], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == (f"told {64 << 20}\n", "")
