"""compose_environment.py INFO OUT: lay projects side by side in OUT, as links to files in real folders.

A library whose RPATH is $ORIGIN/../../other loads through links to files, and does not through
links to folders. INFO is a JSON file; with "module", OUT is a module of nixpkgs' Python set, not an environment.
"""

# Environments have 100,000 files, and plain strings are several times faster than Path.
# ruff: noqa: PTH101, PTH103, PTH113, PTH114, PTH115, PTH118, PTH120, PTH123, PTH211
from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

#: The first line of a Python script, install_wheel.py's placeholder included.
PYTHON_SHEBANG = re.compile(rb"#![^\n]*?(?:/|\s)python(?:3(?:\.\d+)?)?(?=\s)([^\n]*)\n")
#: Linux takes 127 bytes everywhere (255 since 5.1).
LONGEST_SHEBANG = 127
SHOWN = 20

#: Path in the environment -> (project, path in the store) of everything that has it.
Files = dict[str, list[tuple[str, str]]]


class Refused(Exception):
    """The projects do not fit into one environment."""


def find_files(projects: list[dict[str, str]]) -> tuple[Files, Files]:
    """Return all files but byte code, and the byte code, by their paths in the environment."""
    files: Files = defaultdict(list)
    bytecode: Files = defaultdict(list)
    for project in sorted(projects, key=lambda project: project["name"]):
        root = project["path"]
        for folder, folders, names in os.walk(root):
            folders.sort()
            # a link to a folder is one entry, like a file
            linked = [name for name in folders if os.path.islink(f"{folder}/{name}")]
            into = bytecode if folder.endswith("/__pycache__") else files
            for name in sorted([*names, *linked]):
                source = f"{folder}/{name}"
                into[source[len(root) + 1 :]].append((project["name"], source))
    return files, bytecode


def same(one: str, other: str) -> bool:
    """Tell whether two entries are the same: links with equal targets, or files with equal bytes."""
    if os.path.islink(one) or os.path.islink(other):
        return os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
    return filecmp.cmp(one, other, shallow=False)


def quote_nix(text: str) -> str:
    """Return *text* as a Nix string that is safe to print; a character that Nix cannot escape is shown as \\x…"""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    for raw, escape in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(raw, escape)
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text) + '"'


def choose(
    files: Files, collisions: dict[str, str], reserved: set[str], labels: dict[str, str], *, ignore: bool = False
) -> Files:
    """Return *files* with one owner each; equal files count as one.

    :param collisions: path -> the project whose file is taken.
    :param ignore: where nothing decides, take the file of the first project by name.
    :param reserved: paths that the environment makes itself.
    :param labels: project -> what messages call it.
    :raises Refused: for files that differ, naming both sides and the setting that decides.
    """
    chosen: Files = {}
    clashes: list[tuple[str, list[str]]] = []
    for path, owners in sorted(files.items()):
        if path in reserved:
            raise Refused(f"{labels[owners[0][0]]} replaces {path} of the environment itself")
        differing = [owners[0]]
        differing += [owner for owner in owners[1:] if not any(same(owner[1], other[1]) for other in differing)]
        decided = [owner for owner in owners if owner[0] == collisions.get(path)]
        if len(differing) > 1 and not decided and not ignore:
            clashes.append((path, [name for name, _ in differing]))
        chosen[path] = decided or owners[:1]
    dropped: set[str] = set()
    for path in sorted(chosen):
        above = path
        while above := os.path.dirname(above):
            if above not in chosen or above in dropped:
                continue
            file, inside = chosen[above][0][0], chosen[path][0][0]
            taken = collisions.get(above) or (min(file, inside) if ignore else None)
            if taken == file:
                dropped.add(path)
            elif taken == inside:
                dropped.add(above)
            else:
                clashes.append((above, [file, inside]))
    if clashes:
        raise Refused(describe(list(dict.fromkeys((path, *names) for path, names in clashes)), labels))
    return {path: owners for path, owners in chosen.items() if path not in dropped}


def fits(path: str, owner: str, chosen: Files) -> bool:
    """Tell whether a file of byte code is of the source that was taken.

    Byte code is never checked against its source, so both must come from the same project.
    """
    folder, name = os.path.split(path)
    taken = chosen.get(os.path.join(os.path.dirname(folder), name.rsplit(".", 2)[0] + ".py"))
    return taken is not None and taken[0][0] == owner


def find_whole(bytecode: Files, chosen: Files) -> dict[str, str]:
    """Return the folders of byte code that one project has and all of which fits: path -> folder in the store.

    One link in place of many, half of all that an environment has. No library lies in them, so none
    looks for another one from there.
    """
    folders: dict[str, set[str]] = defaultdict(set)
    broken = set()
    for path, owners in bytecode.items():
        folder = os.path.dirname(path)
        folders[folder].update(os.path.dirname(source) for _, source in owners)
        if len(folders[folder]) > 1 or not fits(path, owners[0][0], chosen):
            broken.add(folder)
    for path in chosen:
        if "__pycache__" in path:  # what is no byte code: beside it, or in its place
            parts = path.split("/")
            broken.update("/".join(parts[: n + 1]) for n, part in enumerate(parts) if part == "__pycache__")
    return {folder: source for folder, (source, *_) in sorted(folders.items()) if folder not in broken}


def describe(clashes: list[tuple[str, ...]], labels: dict[str, str]) -> str:
    """Return the message for paths that several projects have with different content."""
    lines = ["projects have files with the same path and different content:"]
    for path, *names in clashes[:SHOWN]:
        lines.append(f"  {quote_nix(path)[1:-1]}: {' and '.join(labels[name] for name in names)}")
    if len(clashes) > SHOWN:
        lines.append(f"  and {len(clashes) - SHOWN} more")
    lines += ["say which one wins with this argument of the expression (here: the first of each):", "  collisions = {"]
    lines += [f"    {quote_nix(path)} = {quote_nix(names[0])};" for path, *names in clashes[:SHOWN]]
    return "\n".join([*lines, "  };"])


def shebang(interpreter: str, arguments: bytes = b"") -> bytes:
    """Return the first line (or lines) of a Python script that *interpreter* runs."""
    simple = b" ".join([b"#!" + os.fsencode(interpreter), *([arguments] if arguments else [])]) + b"\n"
    if len(simple) <= LONGEST_SHEBANG and " " not in interpreter:
        return simple
    # a shell script and a Python string at once, as pip and installer write it
    command = b" ".join([b'"' + os.fsencode(interpreter) + b'"', *([arguments] if arguments else [])])
    three = b"'" * 3  # spelled so that Nix can hold this script as it stands
    return b"#!/bin/sh\n" + three + b"exec' " + command + b' "$0" "$@"\n' + b"' " + three + b"\n"


def place(source: str, out: str, path: str, interpreter: str, *, copy: bool) -> None:
    """Put one file into the environment: Python scripts of bin/ with its interpreter, all others as they are."""
    target = f"{out}/{path}"
    make_folder(os.path.dirname(target))
    if os.path.dirname(path) == "bin" and os.path.isfile(source):
        with open(source, "rb") as file:
            start = file.readline(512)
            match = PYTHON_SHEBANG.fullmatch(start)
            if match:
                with open(target, "wb") as written:
                    written.write(shebang(interpreter, _plain(match[1])) + file.read())
                os.chmod(target, 0o755)  # noqa: S103  (a program)
                return
    if copy and os.path.isfile(source):
        shutil.copy(source, target)
    else:
        os.symlink(source, target)


@cache
def make_folder(path: str) -> None:
    """Make a folder and those above it, once."""
    os.makedirs(path, exist_ok=True)


def _plain(arguments: bytes) -> bytes:
    """Return a shebang's arguments if they are plain options, else nothing: they may end up in a shell."""
    arguments = arguments.strip()
    return arguments if re.fullmatch(rb"-[A-Za-z]+", arguments) else b""


def compose(info: dict[str, Any], out: str) -> None:
    """Make the environment.

    :raises Refused: where projects' files collide.
    """
    labels = {
        project["name"]: quote_nix(f"{project['name']} {project['version']}")[1:-1] for project in info["projects"]
    }
    executable = info["executable"]
    is_module = info.get("module", False)
    reserved = set() if is_module else {"pyvenv.cfg", "bin/python", "bin/python3", f"bin/{executable}"}
    files, bytecode = find_files(info["projects"])
    chosen = choose(files, info["collisions"], reserved, labels, ignore=info.get("ignoreCollisions", False))
    for folder in (info["sitePackages"],) if is_module else ("bin", info["sitePackages"]):
        make_folder(f"{out}/{folder}")
    interpreter = info["interpreter"] if is_module else f"{out}/bin/{executable}"
    for path, ((_, source), *_) in chosen.items():
        place(source, out, path, interpreter, copy=info["copy"])
    whole = {} if info["copy"] else find_whole(bytecode, chosen)
    for path, source in whole.items():
        place(source, out, path, interpreter, copy=False)
    for path, owners in sorted(bytecode.items()):
        if os.path.dirname(path) in whole:
            continue
        for owner, source in owners:
            if fits(path, owner, chosen):
                place(source, out, path, interpreter, copy=info["copy"])
    if is_module:
        return
    home = os.path.dirname(info["interpreter"])
    Path(out, "pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = false\nversion = {info['pythonVersion']}\n"
    )


def main() -> int:
    """Run the command."""
    info = json.loads(Path(sys.argv[1]).read_text())
    try:
        compose(info, sys.argv[2])
    except Refused as error:
        print(f"mach: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
