"""link_module.py INFO OUT: lay a module of nixpkgs out below OUT as an installed wheel is; INFO is a JSON file.

Modules, byte code and data are linked file by file. Programs are made anew from the entry points, or unwrapped:
nixpkgs' own name another interpreter's environment.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

#: What scripts name as their interpreter until an environment puts its own in this place.
INTERPRETER = "/mach/environment/bin/python"
PYTHON_SHEBANG = re.compile(rb"#![^\n]*?(?:/|\s)python(?:3(?:\.\d+)?)?(?=\s)[^\n]*\n")
#: What nixpkgs puts into scripts: a line that adds the folders of everything that they were built with.
INJECTED = re.compile(rb"import sys;import site;import functools;[^\n]*site\._init_pathinfo\(\)\);?")
#: What belongs to nixpkgs' builds alone.
LEFT_OUT = ("bin", "nix-support")


def link_files(source: Path, out: Path) -> None:
    """Make OUT's folders real ones, and every file in them a link to that of *source*."""
    for folder, folders, names in os.walk(source):
        here = Path(folder)
        if here == source:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
        folders.sort()
        linked = [name for name in folders if (here / name).is_symlink()]
        for name in sorted([*names, *linked]):
            target = out / (here / name).relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(here / name)


def find_entry_points(site_packages: Path) -> list[tuple[str, str, str, str]]:
    """Return (script, module, attribute, section) of all programs that the module's metadata names."""
    from installer.utils import parse_entrypoints

    found = []
    for file in sorted(site_packages.glob("*.dist-info/entry_points.txt")):
        for script, module, attribute, section in parse_entrypoints(file.read_text("utf-8")):
            if Path(script).name != script:
                raise ValueError(f"it has a script with the name {script!r}")
            found.append((script, module, attribute, section))
    return found


def make_programs(source: Path, site_packages: Path, out: Path) -> None:
    """Write the programs of the entry points, and the module's other ones as they were before they were wrapped."""
    from installer.scripts import Script

    programs = out / "bin"
    made = set()
    for script, module, attribute, section in find_entry_points(site_packages):
        name, content = Script(script, module, attribute, section).generate(INTERPRETER, "posix")
        write_program(programs / name, content)
        made.add(name)
    if not (source / "bin").is_dir():
        return
    for program in sorted((source / "bin").iterdir()):
        if program.name in made or program.name.startswith(".") or program.is_dir():
            continue
        wrapped = program.with_name(f".{program.name}-wrapped")
        content = (wrapped if wrapped.is_file() else program).read_bytes()
        shebang = PYTHON_SHEBANG.match(content)
        if shebang is not None:
            body = INJECTED.sub(b"", content[shebang.end() :], count=1)
            write_program(programs / program.name, b"#!" + INTERPRETER.encode() + b"\n" + body)
        else:
            programs.mkdir(parents=True, exist_ok=True)
            (programs / program.name).symlink_to(wrapped if wrapped.is_file() else program)


def write_program(path: Path, content: bytes) -> None:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)


def lay_out(info: dict[str, Any], out: Path) -> None:
    """Lay the module that *info* names out below *out*."""
    sys.path.insert(0, info["installer"])
    source = Path(info["module"])
    site_packages = source / info["sitePackages"]
    if not site_packages.is_dir():
        raise ValueError(f"{source} has no {info['sitePackages']}")
    (out / info["sitePackages"]).mkdir(parents=True)
    link_files(source, out)
    make_programs(source, site_packages, out)


def main() -> int:
    """Run the command; a module that cannot be linked is one line on stderr."""
    info = json.loads(Path(sys.argv[1]).read_text())
    try:
        lay_out(info, Path(sys.argv[2]))
    except (OSError, ValueError) as error:
        print(f"mach: cannot take {info['name']} from nixpkgs: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
