"""build_wheel.py INFO DIST: build the source in the current folder into a wheel in DIST (PEP 517).

The build backend runs in the interpreter that INFO names, that of the locked build closure; the
wheel's path is left in ../built.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Where pyproject.toml is missing or names no backend (PEP 517, "Source trees").
LEGACY = "setuptools.build_meta:__legacy__"


def read_build_system(source: Path) -> dict[str, object]:
    """Return the [build-system] table of a source tree (PEP 518), empty where there is none."""
    path = source / "pyproject.toml"
    if not path.is_file():
        return {}
    table = tomllib.loads(path.read_text(encoding="utf-8")).get("build-system", {})
    if not isinstance(table, dict):
        raise ValueError("build-system is not a table")
    return table


def run_hook(command: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
    """Run one hook with its output going to the build log."""
    subprocess.run(command, cwd=cwd, env={**os.environ, **(extra_environ or {})}, check=True)


def main() -> int:
    """Run the command; a backend that fails has said why already."""
    info = json.loads(Path(sys.argv[1]).read_text())
    dist = Path(sys.argv[2])
    dist.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, info["hooks"])
    from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller

    source = Path.cwd()
    try:
        system = read_build_system(source)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        print(f"mach: cannot read pyproject.toml of {info['filename']!r}: {error}", file=sys.stderr)
        return 1
    backend = system.get("build-backend", LEGACY)
    print(f"mach: building {info['filename']!r} with {backend!r}", flush=True)
    caller = BuildBackendHookCaller(
        os.fspath(source), backend, system.get("backend-path"), runner=run_hook, python_executable=info["interpreter"]
    )
    try:
        name = caller.build_wheel(os.fspath(dist))
    except BackendUnavailable as error:
        print(f"mach: the build closure of {info['filename']!r} lacks {backend!r}:\n{error.traceback}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"mach: building {info['filename']!r} failed, exit code {error.returncode}", file=sys.stderr)
        return 1
    if Path(name).name != name or not (dist / name).is_file():
        print(f"mach: the backend of {info['filename']!r} answered {name!r}, which is no wheel", file=sys.stderr)
        return 1
    Path("../built.json").write_text(json.dumps({"path": os.fspath(dist / name), "filename": name}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
