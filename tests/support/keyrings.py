"""A program ``keyring`` for tests: it answers as the real one does (version 25), and keeps its calls."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FakeKeyring", "make_keyring"]

_PROGRAM = """\
#!{python} -I
import json, pathlib, sys
folder = pathlib.Path({folder!r})
words = sys.argv[1:]
with open(folder / "calls", "a") as calls:
    calls.write(json.dumps(words) + "\\n")
# what any user of a machine sees of every process on it
for arguments in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try:
        seen = arguments.read_bytes()
    except OSError:
        continue
    with open(folder / "processes", "ab") as processes:
        processes.write(seen + b"\\n")
entries = json.loads((folder / "entries.json").read_text())
if words[0] == "set":
    entries[words[1]] = [words[2], sys.stdin.readline().strip()]
    (folder / "entries.json").write_text(json.dumps(entries))
    sys.exit(0)
options = [word for word in words if word.startswith("--")]
operation, service, *user = [word for word in words if not word.startswith("--")]
found = entries.get(service)
if operation != "get" or found is None or (user and user != [found[0]]):
    sys.exit(1)
if options:
    print(json.dumps(dict(zip(("username", "password"), found))))
else:
    print(found[1])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeKeyring:
    """The folder to put first on the PATH, and what the program was asked."""

    folder: Path

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call so far."""
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def processes(self) -> bytes:
        """The command lines of all processes that ran while it was asked."""
        return (self.folder / "processes").read_bytes()


def make_keyring(folder: Path, entries: Mapping[str, tuple[str, str]]) -> FakeKeyring:
    """Return a program ``keyring`` in *folder* that holds *entries*: service -> user and password."""
    folder.mkdir()
    (folder / "entries.json").write_text(json.dumps(entries))
    program = folder / "keyring"
    program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    return FakeKeyring(folder=folder)
