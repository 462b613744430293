"""check_libraries.py INFO OUT: see whether the binaries of an environment find the libraries that they load.

A library that an importable extension module or a program in ``bin`` loads, itself or through
others, and that nobody has, is an error: importing it would fail. What other files lack (plugins, libraries
that are opened by name) is a warning. INFO is a JSON file. See ld.so(8) for where libraries are looked for.
"""

# Environments have 100,000 files, and plain strings are several times faster than Path.
# ruff: noqa: PTH110, PTH114, PTH120, PTH123
from __future__ import annotations

import importlib.util
import json
import mmap
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

#: The graphics driver's, which no closure can hold: /run/opengl-driver/lib has them where there is one.
OF_THE_DRIVER = re.compile(r"lib(cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[a-z0-9-]+)\.so(\.[0-9]+)*")
#: For systems that have another C library.
OF_ANOTHER_LIBC = re.compile(r"libc\.so|libc\.musl-.*|ld-musl-.*")
#: A name that may be a binary's; no other file is opened, but for programs.
BINARY = re.compile(r"\.so(\.[0-9A-Za-z_.-]+)?$")
ORIGIN = re.compile(r"[$](ORIGIN|[{]ORIGIN[}])")
SHOWN = 10


@dataclass
class Binary:
    """An ELF file of a wheel or of what an sdist was built into, at its place in the environment."""

    project: str
    place: str
    """Its path in the environment."""
    source: str
    elf: Any


@dataclass(frozen=True, order=True)
class Missing:
    """A library that nobody has, and who loads it."""

    project: str
    library: str
    binary: str
    """What is imported or run, or the file itself."""
    through: str
    """The file that names the library."""


def load_script(name: str, path: str) -> ModuleType:
    """Return another script of this library as a module."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


@cache
def is_there(path: str) -> bool:
    """Tell whether a path exists; links are followed."""
    return os.path.exists(path)


class Environment:
    """The binaries of an environment, and where they look for libraries."""

    def __init__(self, info: dict[str, Any], out: str, reader: ModuleType) -> None:
        self.out, self.reader = out, reader
        self.site_packages = info["sitePackages"]
        tag = "".join(info["pythonVersion"].split(".")[:2])
        self.extension = re.compile(rf"(.+?)(\.cpython-{tag}-[^.]+|\.abi3)?\.so")
        interpreter = self._read(os.path.realpath(info["interpreter"]))
        self.machine = interpreter.machine if interpreter else None
        #: The loader knows these folders by itself; what the interpreter has loaded is there for all.
        self.folders = [os.path.dirname(info["loader"])]
        self.loaded = set(interpreter.needed if interpreter else ())
        self.binaries: dict[str, Binary] = {}
        #: File name -> places in the environment.
        self.named: dict[str, list[str]] = {}
        for project in sorted(info["projects"], key=lambda project: project["name"]):
            self._add(project["name"], project["path"])

    def _read(self, path: str) -> Any:
        try:
            with open(path, "rb") as file:
                if file.read(4) != b"\x7fELF":
                    return None
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    return self.reader.read_elf(data)
        except (OSError, ValueError, self.reader.NotElf):
            return None

    def _add(self, project: str, root: str) -> None:
        for folder, _, names in os.walk(root):
            inside = folder[len(root) + 1 :]
            for name in names:
                if not BINARY.search(name) and inside != "bin":
                    continue
                source, place = f"{folder}/{name}", f"{inside}/{name}" if inside else name
                if os.path.realpath(f"{self.out}/{place}") != os.path.realpath(source):
                    continue  # another project's file was taken
                self.named.setdefault(name, []).append(place)
                # what is linked from elsewhere, nixpkgs, was checked there
                elf = None if os.path.islink(source) else self._read(source)
                if elf is not None and elf.machine == self.machine:
                    self.binaries[place] = Binary(project=project, place=place, source=source, elf=elf)

    def search_path(self, binary: Binary) -> list[str]:
        """Return the folders that an ELF file says to look in."""
        origin = os.path.dirname(f"{self.out}/{binary.place}")
        own = binary.elf.runpath if binary.elf.runpath is not None else binary.elf.rpath
        entries = [entry for entry in (own or "").split(":") if entry]
        return [ORIGIN.sub(lambda _: origin, entry) for entry in entries]

    def find(self, name: str, folders: Sequence[str]) -> tuple[bool, str | None]:
        """Return whether somebody has a library, and its place if that is in the environment.

        A file of the environment counts wherever it lies: Python code loads many before the modules that need them.
        """
        for folder in (*folders, *self.folders) if "/" not in name else ("",):
            path = f"{folder}/{name}" if folder else name
            if is_there(path):
                path = os.path.normpath(path)
                inside = path.startswith(f"{self.out}/")
                return True, path[len(self.out) + 1 :] if inside else None
        if name in self.named:
            return True, self.named[name][0]
        return name in self.loaded or OF_THE_DRIVER.fullmatch(name) is not None, None

    def walk(self, binary: Binary) -> Iterator[tuple[Binary, str]]:
        """Yield what is missing for *binary* and all that it loads: who names it, and the library."""
        seen, waiting = {binary.place}, [(binary, list[str]())]
        while waiting:
            one, inherited = waiting.pop()
            folders = [*self.search_path(one), *inherited]
            for name in one.elf.needed:
                found, place = self.find(name, folders)
                if not found:
                    yield one, name
                elif place in self.binaries and place not in seen:
                    seen.add(place)
                    waiting.append((self.binaries[place], [] if one.elf.runpath is not None else folders))

    def is_used(self, binary: Binary) -> bool:
        """Tell whether Python imports the file by its name, or it is a program that users run."""
        folder, name = os.path.split(binary.place)
        if folder == "bin":
            return bool(binary.elf.interpreter)
        if not f"{folder}/".startswith(f"{self.site_packages}/"):
            return False
        packages = [part for part in folder[len(self.site_packages) + 1 :].split("/") if part]
        match = self.extension.fullmatch(name)
        if match is None or not all(part.isidentifier() for part in (*packages, match[1])):
            return False
        kind = "PyInit_" if match[1].isascii() else "PyInitU_"  # PEP 489
        wanted = f"\0{kind}{match[1]}\0" if match[1].isascii() else f"\0{kind}"
        with open(binary.source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(wanted.encode()) >= 0


def check(environment: Environment, optional: dict[str, list[str]]) -> tuple[list[Missing], list[Missing]]:
    """Return what is missing for files that are imported or run, and what other files name that is missing.

    :param optional: project -> patterns of libraries that its files may do without.
    """
    used: dict[tuple[str, str], Missing] = {}
    others: dict[tuple[str, str], Missing] = {}
    for place in sorted(environment.binaries):
        binary = environment.binaries[place]
        for through, library in environment.walk(binary):
            # where several lie on the way, each may say that it does without
            patterns = [*optional.get(binary.project, ()), *optional.get(through.project, ())]
            if OF_ANOTHER_LIBC.fullmatch(library) or any(fnmatchcase(library, pattern) for pattern in patterns):
                continue
            key = (through.project, library)
            missing = Missing(project=through.project, library=library, binary=binary.place, through=through.place)
            if key not in used and environment.is_used(binary):
                used[key] = missing
            elif through is binary:
                others.setdefault(key, missing)
    return sorted(used.values()), sorted(missing for key, missing in others.items() if key not in used)


def printable(text: str) -> str:
    """Return *text* in one line that steers no terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def describe(
    missing: Sequence[Missing], project: dict[str, Any], site_packages: str, attributes: dict[str, Any]
) -> str:
    """Return the sentence about the libraries that one project's files lack.

    :param attributes: library -> the attribute of nixpkgs that has it, or None.
    """

    def short(place: str) -> str:
        return f"'{printable(place.removeprefix(f'{site_packages}/'))}'"

    def where(one: Missing) -> str:
        through = "" if one.through == one.binary else f" through {short(one.through)}"
        return f"'{printable(one.library)}' (loaded by {short(one.binary)}{through})"

    lacks = ", ".join(map(where, missing[:SHOWN])) + (f" and {len(missing) - SHOWN} more" if missing[SHOWN:] else "")
    several = len(missing) > 1
    sentence = (
        f"{project['name']} {printable(project['version'])} lacks the {'libraries' if several else 'library'} {lacks}, "
        "which neither nixpkgs' libraries for wheels nor a project of this environment has"
    )
    if project.get("provider") not in ("wheel", "sdist"):
        return sentence
    kind = 'provider = "wheel", ' if project["provider"] == "wheel" else ""
    known = sorted({f'"{attribute}"' for attribute in attributes.values() if attribute})
    unknown = [] if all(attributes.values()) else ["the attribute of nixpkgs that has it"]
    names = sorted({f'"{one.library}"' for one in missing if re.fullmatch(r"[A-Za-z0-9_.+-]+", one.library)})
    without = f", or says that its modules may do without, {kind}optional = [{', '.join(names)}]" if names else ""
    return (
        f"{sentence}: a fixes entry for {project['name']} brings {'them' if several else 'it'}, "
        f"{kind}libraries = [{', '.join(known + unknown)}]{without} (mach gen --fixes FILE)"
    )


def group(missing: Sequence[Missing]) -> dict[str, list[Missing]]:
    """Return what is missing by project."""
    groups: dict[str, list[Missing]] = {}
    for one in missing:
        groups.setdefault(one.project, []).append(one)
    return groups


def report(info: dict[str, Any], out: str) -> bool:
    """Print what is missing, and return whether the environment is as it should be."""
    reader, table = (load_script(name, info["scripts"][name]) for name in ("patch_binaries", "explain_failure"))
    projects = {project["name"]: project for project in info["projects"]}
    optional = {name: project.get("optional", []) for name, project in projects.items()}
    used, others = check(Environment(info, out, reader), optional)
    for name, lacking in group(others).items():
        libraries = ", ".join(f"'{printable(one.library)}'" for one in lacking[:SHOWN])
        more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        place = printable(lacking[0].binary.removeprefix(f"{info['sitePackages']}/"))
        print(
            f"mach: warning: {name} {printable(projects[name]['version'])} has files, '{place}' for one, that load "
            f"what nobody has: {libraries}{more}; Python does not import them by name",
            file=sys.stderr,
        )
    for name, lacking in group(used).items():
        attributes = {one.library: table.find_attribute(one.library) for one in lacking}
        print(f"mach: {describe(lacking, projects[name], info['sitePackages'], attributes)}", file=sys.stderr)
    return not used


def main() -> int:
    """Run the command."""
    info = json.loads(Path(sys.argv[1]).read_text())
    return 0 if report(info, sys.argv[2]) else 1


if __name__ == "__main__":
    sys.exit(main())
