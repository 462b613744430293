"""check_imports.py INFO: import the modules of projects in the environment that runs this; INFO is a JSON file."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

#: Seconds that one import may take.
LONGEST = 300
SUFFIX = re.compile(r"(\.cpython-[^.]+|\.abi3)?\.so|\.py")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def find_modules(site_packages: Path) -> list[str]:
    """Return the names of the modules that lie directly in a folder, without those that begin with an underscore."""
    names = set()
    for path in site_packages.iterdir():
        name = path.name if path.is_dir() else SUFFIX.sub("", path.name)
        is_module = (path / "__init__.py").is_file() if path.is_dir() else name != path.name
        if is_module and IDENTIFIER.fullmatch(name) and not name.startswith("_"):
            names.add(name)
    return sorted(names)


def find_programs(site_packages: Path) -> list[tuple[str, str]]:
    """Return module and object of each console script that the projects in a folder have."""
    found = []
    for path in sorted(site_packages.glob("*.dist-info/entry_points.txt")):
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
        try:
            parser.read_string(path.read_text("utf-8"))
        except configparser.Error:
            continue  # the installer refused it, or made nothing of it
        for value in dict(parser["console_scripts"]).values() if parser.has_section("console_scripts") else ():
            module, _, name = value.partition("[")[0].strip().partition(":")
            found.append((module.strip(), name.strip()))
    return found


def fails(module: str, name: str = "") -> str:
    """Import a module in a process of its own and look up *name* in it; return how that fails, or nothing."""
    code = (
        "import functools, importlib, sys\n"
        "module = importlib.import_module(sys.argv[1])\n"
        "functools.reduce(getattr, filter(None, sys.argv[2].split('.')), module)\n"
    )
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "MPLBACKEND": "agg"}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", "-c", code, module, name],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=LONGEST,
            )
        except subprocess.TimeoutExpired:
            return f"it takes longer than {LONGEST} seconds"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode(errors="backslashreplace").strip().splitlines()
    return lines[-1] if lines else f"Python ended with {done.returncode}"


def printable(text: str) -> str:
    """Return *text* in one line that steers no terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def check(info: dict[str, Any]) -> list[str]:
    """Return one line for each import that fails.

    :param info: ``projects`` (name, version, path), ``modules`` to import besides, ``sitePackages`` below a path.
    """
    lines = []
    for project in info["projects"]:
        folder = Path(project["path"], info["sitePackages"])
        wanted = [(module, "") for module in find_modules(folder)] + find_programs(folder)
        for module, name in wanted:
            if reason := fails(module, name):
                what = f"{module}:{name}" if name else module
                lines.append(f"{project['name']} {project['version']}: {what} cannot be imported: {reason}")
    for module in info["modules"]:
        if reason := fails(module):
            lines.append(f"{module} cannot be imported: {reason}")
    return lines


def main() -> int:
    """Run the command."""
    lines = check(json.loads(Path(sys.argv[1]).read_text()))
    for line in lines:
        print(printable(f"mach: {line}"), file=sys.stderr)
    if lines:
        print("mach: leave a project out with _.NAME.doCheck = false, or all with tests = false", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
