"""A check of generated Nix text with Nix's own parser, where there is one."""

from __future__ import annotations

import shutil
import subprocess

from resolver.errors import MachError

__all__ = ["check_syntax"]


def check_syntax(text: str) -> bool:
    """Parse *text* as Nix and return True, or False where this machine has no Nix.

    Nothing is evaluated, and no store is opened. It takes about 20 ms.

    :raises MachError: ``generated-nix-invalid``, a bug of mach: the writer made text that does not
        parse; the context holds Nix's message with its position.
    """
    program = shutil.which("nix-instantiate")
    if program is None:
        return False
    done = subprocess.run(
        [program, "--parse", "--store", "dummy://", "-"], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise MachError(
            "generated-nix-invalid",
            "mach wrote Nix that does not parse; this is a bug in mach",
            context=done.stderr.decode(errors="replace").splitlines()[:20],
            hint="please report it with the lock or the requirements",
        )
    return True
