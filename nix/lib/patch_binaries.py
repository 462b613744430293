"""patch_binaries.py OUT LIBRARIES LOADER: let the ELF files below OUT find the libraries of the store.

LIBRARIES are folders joined by colons. Entries are appended, never replaced: a wheel's own RPATH
may point at a sibling wheel. See ld.so(8) for what DT_RPATH and DT_RUNPATH mean.
"""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

#: Where NixOS keeps the graphics driver's libraries, which no closure can hold.
DRIVER = "/run/opengl-driver/lib"
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB, DT_RPATH, DT_RUNPATH = 0, 1, 5, 15, 29


class NotElf(Exception):
    """The file is not a dynamic ELF file that can be read."""


@dataclass
class Elf:
    """What of a dynamic ELF file matters here."""

    machine: tuple[int, int, int]
    """Class, byte order, machine."""
    interpreter: bool = False
    """It has PT_INTERP: a program."""
    needed: list[str] = field(default_factory=list)
    rpath: str | None = None
    runpath: str | None = None


def read_elf(data: mmap.mmap | bytes) -> Elf:
    """Read a dynamic ELF file.

    :raises NotElf: for anything else, broken files included.
    """
    try:
        return _read_elf(data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise NotElf(str(error)) from error


def _read_elf(data: mmap.mmap | bytes) -> Elf:
    if data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] not in (1, 2):
        raise NotElf("no ELF header")
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", data, 18)
    elf = Elf(machine=(data[4], data[5], machine))
    (start,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, 32 if wide else 28)
    size, count = struct.unpack_from(f"{order}HH", data, 54 if wide else 42)
    loads: list[tuple[int, int, int]] = []
    dynamic: tuple[int, int] | None = None
    for number in range(count):
        at = start + number * size
        (kind,) = struct.unpack_from(f"{order}I", data, at)
        if wide:
            offset, address, _, length = struct.unpack_from(f"{order}4Q", data, at + 8)
        else:
            offset, address, _, length = struct.unpack_from(f"{order}4I", data, at + 4)
        if kind == PT_LOAD:
            loads.append((address, offset, length))
        elif kind == PT_DYNAMIC:
            dynamic = (offset, length)
        elif kind == PT_INTERP:
            elf.interpreter = True
    if dynamic is None:
        raise NotElf("no dynamic section")
    entry = struct.Struct(f"{order}{'qQ' if wide else 'iI'}")
    tags: list[tuple[int, int]] = []
    for at in range(dynamic[0], dynamic[0] + dynamic[1], entry.size):
        tag, value = entry.unpack_from(data, at)
        if tag == DT_NULL:
            break
        tags.append((tag, value))
    strings = next((value for tag, value in tags if tag == DT_STRTAB), None)
    if strings is None:
        raise NotElf("no string table")
    base = next((o + strings - a for a, o, length in loads if a <= strings < a + length), None)
    if base is None:
        raise NotElf("the string table is in no segment")

    def text(offset: int) -> str:
        end = data.find(b"\0", base + offset)
        if end < 0:
            raise NotElf("a string has no end")
        return os.fsdecode(data[base + offset : end])

    for tag, value in tags:
        if tag == DT_NEEDED:
            elf.needed.append(text(value))
        elif tag == DT_RPATH:
            elf.rpath = text(value)
        elif tag == DT_RUNPATH:
            elf.runpath = text(value)
    return elf


def patch(path: Path, machine: tuple[int, int, int], libraries: list[str], loader: str) -> bool:
    """Append *libraries* to the search path of one file and return whether it was changed.

    A file with DT_RUNPATH keeps that tag. All others get (or keep) DT_RPATH, which the libraries
    they load inherit: a DT_RUNPATH, which patchelf would write, cuts off what a library without
    either tag inherits from the file that loads it.
    """
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                elf = read_elf(data)
            except NotElf:
                return False
            wants_driver = data.find(b"libcuda.so") >= 0 or data.find(b"libnvidia-ml.so") >= 0
    if elf.machine != machine or not (elf.needed or elf.interpreter):
        return False
    own = elf.runpath if elf.runpath is not None else elf.rpath
    entries = [entry for entry in (own or "").split(":") if entry]
    entries += [entry for entry in (*libraries, *([DRIVER] if wants_driver else [])) if entry not in entries]
    command = ["patchelf", "--set-rpath", ":".join(entries)]
    if elf.runpath is None:
        command.append("--force-rpath")
    if elf.interpreter:
        command += ["--set-interpreter", loader]
    mode = path.stat().st_mode
    path.chmod(mode | 0o200)
    subprocess.run([*command, os.fspath(path)], check=True)
    path.chmod(mode)
    return True


def main() -> None:
    """Run the command."""
    out, folders, loader = sys.argv[1:4]
    libraries = [folder for folder in folders.split(":") if folder]
    with Path(sys.executable).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        machine = read_elf(data).machine
    changed = 0
    for folder, children, files in os.walk(out):
        children.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if not path.is_symlink() and path.stat().st_size > 64:
                changed += patch(path, machine, libraries, loader)
    print(f"mach: {changed} binaries patched")


if __name__ == "__main__":
    main()
