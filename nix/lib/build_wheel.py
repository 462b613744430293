"""build_wheel.py INFO FOLDER: build the source in the current folder into a wheel in FOLDER/dist (PEP 517).

The build backend runs in the interpreter that INFO (a JSON file) names, that of the locked build
closure. The wheel's path is left in FOLDER/built.json, the end of what the backend wrote in
FOLDER/build.log. The exit code is 2 where the backend failed, 1 where this script has said why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

#: Where pyproject.toml names no backend (PEP 517, "Source trees").
LEGACY = "setuptools.build_meta:__legacy__"
#: Bytes of the backend's output that are kept to be looked through; errors stand at the end.
KEPT = 1 << 20
#: Seconds that are waited for the output of processes which a backend left running.
GRACE = 5
#: Tools' own variables: a build answers to its closure alone.
FOREIGN = ("PIP_", "UV_", "VIRTUAL_ENV", "CONDA_", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE")


class Refused(Exception):
    """The source is not one that can be built."""


class Output:
    """What the backend writes: passed on as it comes, and its end kept."""

    def __init__(self) -> None:
        self._end = bytearray()

    def copy(self, stream: IO[bytes]) -> None:
        """Pass on all of *stream*."""
        while data := os.read(stream.fileno(), 1 << 16):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            self._end += data
            if len(self._end) > 2 * KEPT:
                del self._end[:-KEPT]

    def run_hook(
        self, command: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        """Run one hook, without the variables that would bring in something from outside of the closure.

        :raises subprocess.CalledProcessError: where it fails.
        """
        environ = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        # where there is no sandbox, /etc/pip.conf is there to be read
        environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        # maturin would fetch Rust where it finds none
        environ |= {"MATURIN_NO_INSTALL_RUST": "1"}
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environ, **(extra_environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=self.copy, args=(process.stdout,), daemon=True)
        reader.start()
        code = process.wait()
        reader.join(GRACE)
        if code != 0:
            raise subprocess.CalledProcessError(code, command)

    def end(self) -> bytes:
        """Return the end of what was written."""
        return bytes(self._end[-KEPT:])


def read_build_system(source: Path) -> tuple[str, list[str] | None]:
    """Return the build backend of a source tree and the folders of it that the backend is imported from (PEP 518).

    :raises Refused: where it has none.
    """
    path = source / "pyproject.toml"
    if not path.is_file():
        if not (source / "setup.py").is_file():
            raise Refused("it has no build backend: there is no pyproject.toml and no setup.py")
        return LEGACY, None
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("build-system", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"its pyproject.toml cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise Refused("build-system in its pyproject.toml is not a table")
    backend, folders = table.get("build-backend", LEGACY), table.get("backend-path")
    if not isinstance(backend, str) or not backend:
        raise Refused(f"its build-backend is {backend!r}, which names no Python object")
    if folders is not None and not (isinstance(folders, list) and all(isinstance(folder, str) for folder in folders)):
        raise Refused(f"its backend-path is {folders!r}, which is no list of folders")
    return backend, folders


def main() -> int:
    """Run the command."""
    info = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    dist = folder / "dist"
    dist.mkdir()
    sys.path.insert(0, info["hooks"])
    from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller

    output = Output()
    source = Path.cwd()
    try:
        backend, folders = read_build_system(source)
        print(f"mach: building {info['filename']!r} with {backend!r}", flush=True)
        caller = BuildBackendHookCaller(
            os.fspath(source), backend, folders, runner=output.run_hook, python_executable=info["interpreter"]
        )
        answer = caller.build_wheel(os.fspath(dist))
    except BackendUnavailable as error:
        print(error.traceback, file=sys.stderr)
        print(f"mach: the build closure of {info['filename']!r} lacks {backend!r}, its backend", file=sys.stderr)
        return 1
    except (Refused, ValueError) as error:  # ValueError: a backend-path that leaves the source
        print(f"mach: cannot build {info['filename']!r}: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError:
        (folder / "build.log").write_bytes(output.end())
        return 2
    (folder / "built.json").write_text(json.dumps({"answer": answer}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
