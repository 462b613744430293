"""The interpreter that hooks run in, as it describes itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags

from resolver.errors import Unavailable, printable

from .hook_failures import last_lines

__all__ = ["Interpreter", "describe_interpreter"]

_OLDEST = (3, 8)
_DESCRIBE = """
import json, os, sys, sysconfig
base = getattr(sys, "_base_executable", None) or sys.executable
if sys.prefix != sys.base_prefix and os.path.dirname(base).startswith(sys.prefix):
    base = os.path.join(sys.base_exec_prefix, "bin", "python%d.%d" % sys.version_info[:2])
print(json.dumps({
    "name": sys.implementation.name,
    "version": list(sys.version_info[:3]),
    "executable": os.path.realpath(base),
    "prefixes": sorted({sys.base_prefix, sys.base_exec_prefix, os.path.realpath(sysconfig.get_path("stdlib"))}),
    "threads": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython of this machine, never a virtual environment's."""

    executable: Path
    """Absolute, no link."""
    version: tuple[int, int, int]
    prefixes: tuple[Path, ...]
    """Folders that hold it and its standard library."""
    free_threaded: bool

    @property
    def series(self) -> str:
        """X.Y, as in ``python3.11``."""
        return f"{self.version[0]}.{self.version[1]}"

    def tags(self) -> Iterator[Tag]:
        """Return the tags of wheels that run in it on this machine."""
        major, minor, _ = self.version
        suffix = "t" if self.free_threaded else ""
        yield from cpython_tags((major, minor), abis=[f"cp{major}{minor}{suffix}"])
        yield from compatible_tags((major, minor), f"cp{major}{minor}")


def describe_interpreter(python: Path) -> Interpreter:
    """Return what the interpreter *python* is; asked once, it is remembered until its file changes.

    :param python: the operator's own: it is run outside of any sandbox. May be a virtual environment's.
    :raises Unavailable: ``interpreter-unusable`` where it does not run, or is no CPython 3.8 or newer.
    """
    try:
        changed = python.stat().st_mtime_ns
    except OSError as error:
        raise _unusable(python, error.strerror or "it is not there") from error
    return _describe(python, changed)


def _unusable(python: Path, reason: str) -> Unavailable:
    return Unavailable(
        "interpreter-unusable",
        f"build backends cannot run in {str(python)!r}: {reason}",
        hint="name a CPython 3.8 or newer that is installed on this machine",
    )


@lru_cache(maxsize=32)
def _describe(python: Path, changed: int) -> Interpreter:
    try:
        done = subprocess.run(
            [python, "-I", "-c", _DESCRIBE], env={}, cwd="/", capture_output=True, timeout=30, check=True
        )
        found = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        said = last_lines(error.stderr or b"")
        raise _unusable(python, said[-1] if said else f"it ended with exit code {error.returncode}") from error
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise _unusable(python, printable(str(error))) from error
    version = tuple(found["version"])
    if found["name"] != "cpython" or version < _OLDEST:
        raise _unusable(python, f"it is {found['name']} {'.'.join(map(str, version))}")
    executable = Path(found["executable"])
    if not executable.is_file():
        raise _unusable(python, f"the interpreter it was made from is gone, {str(executable)!r}")
    prefixes = {Path(prefix) for prefix in found["prefixes"]} | {executable.parent.parent}
    return Interpreter(
        executable=executable,
        version=version,
        prefixes=tuple(sorted(prefixes)),
        free_threaded=found["threads"],
    )
