"""compile_bytecode.py DIR: byte code beside every source, without time stamps, paths relative to DIR.

Must run with PYTHONHASHSEED=0, hence without -I: older Pythons write sets in hash order.
"""

# ruff: noqa: E402
import sys

# without -I the script's own folder comes first: the whole store
sys.path[:] = [entry for entry in sys.path if entry.rstrip("/") != __file__.rpartition("/")[0]]

import os
import py_compile
import warnings
from importlib.util import cache_from_source
from pathlib import Path


def compile_tree(root: Path) -> int:
    """Compile every source below *root*, in order of path, and return how many could not be compiled.

    One process and one order: what marshal writes depends on what the process compiled before.
    """
    failures = 0
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            source = Path(folder, name)
            if source.suffix != ".py" or source.is_symlink():
                continue
            try:
                py_compile.compile(
                    str(source),
                    cfile=cache_from_source(str(source), optimization=""),
                    dfile=str(source.relative_to(root)),
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
            except (py_compile.PyCompileError, ValueError, RecursionError, MemoryError):
                failures += 1  # templates and sources for other Pythons, which nobody imports here
    return failures


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if failed := compile_tree(Path(sys.argv[1])):
        print(f"mach: {failed} files are not for this Python and were not compiled", file=sys.stderr)
