"""``python -m api.cli``: the same as the command ``mach``."""

from . import main

main()
