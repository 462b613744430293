"""patch_binaries.py OUT LIBRARIES LOADER: let the ELF files below OUT find the libraries of the store.

LIBRARIES are folders joined by colons. Entries are appended, never replaced: a wheel's own RPATH
may point at a sibling wheel. See ld.so(8) for what DT_RPATH and DT_RUNPATH mean.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

#: Where NixOS keeps the graphics driver's libraries, which no closure can hold.
DRIVER = "/run/opengl-driver/lib"
#: What an interpreter has always loaded; a file that needs no more is left as it was.
ALWAYS_LOADED = re.compile(r"(libc|libm)\.so\.6|ld-linux.*\.so\.[0-9]+")
PT_LOAD, PT_DYNAMIC, PT_INTERP, PF_X, SHF_EXECINSTR = 1, 2, 3, 1, 4
DT_NULL, DT_NEEDED, DT_STRTAB, DT_RPATH, DT_RUNPATH = 0, 1, 5, 15, 29


class Damaged(Exception):
    """patchelf wrote a file that would not run."""


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


@dataclass
class _Layout:
    """How to read the tables of one file."""

    order: str
    wide: bool
    segments: list[tuple[int, int, int, int, int]]
    """Type, flags, offset, address, length in the file."""


def _read_layout(data: mmap.mmap | bytes) -> _Layout:
    if data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] not in (1, 2):
        raise NotElf("no ELF header")
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    (start,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, 32 if wide else 28)
    size, count = struct.unpack_from(f"{order}HH", data, 54 if wide else 42)
    segments = []
    for at in range(start, start + size * count, size or 1):
        if wide:
            kind, flags, offset, address, _, length = struct.unpack_from(f"{order}2I4Q", data, at)
        else:
            kind, offset, address, _, length, _, flags = struct.unpack_from(f"{order}7I", data, at)
        segments.append((kind, flags, offset, address, length))
    return _Layout(order=order, wide=wide, segments=segments)


def _read_elf(data: mmap.mmap | bytes) -> Elf:
    layout = _read_layout(data)
    wide, order = layout.wide, layout.order
    (machine,) = struct.unpack_from(f"{order}H", data, 18)
    elf = Elf(machine=(data[4], data[5], machine))
    loads = [(address, offset, length) for kind, _, offset, address, length in layout.segments if kind == PT_LOAD]
    elf.interpreter = any(kind == PT_INTERP for kind, *_ in layout.segments)
    dynamics = [(offset, length) for kind, _, offset, _, length in layout.segments if kind == PT_DYNAMIC]
    dynamic = dynamics[0] if dynamics else None
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


def find_code(data: mmap.mmap) -> list[tuple[int, int, int]]:
    """Return (address, offset, length) of every section with machine code."""
    layout = _read_layout(data)
    (start,) = struct.unpack_from(f"{layout.order}{'Q' if layout.wide else 'I'}", data, 40 if layout.wide else 32)
    size, count = struct.unpack_from(f"{layout.order}HH", data, 58 if layout.wide else 46)
    word = "Q" if layout.wide else "I"
    sections = [struct.unpack_from(f"{layout.order}2I4{word}", data, start + size * n) for n in range(count)]
    return [(address, offset, length) for _, kind, flags, address, offset, length in sections if flags & SHF_EXECINSTR]


def check_code(before: Path, after: Path) -> None:
    """Compare the machine code of a file with that of its patched copy.

    patchelf before 0.19 makes room for a program header by moving the sections that follow it;
    where a linker put code first, it moves ``.init``, and the library crashes when it is loaded.

    :raises Damaged: where code is not at its address any more.
    """
    with (
        before.open("rb") as one,
        after.open("rb") as two,
        mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ) as old,
        mmap.mmap(two.fileno(), 0, access=mmap.ACCESS_READ) as new,
    ):
        loads = [segment for segment in _read_layout(new).segments if segment[0] == PT_LOAD and segment[1] & PF_X]
        for address, offset, length in find_code(old):
            moved = next((o - a for _, _, o, a, size in loads if a <= address and address + length <= a + size), None)
            if moved is None:
                raise Damaged(f"the code at {address:#x} is in no executable segment")
            for at in range(0, length, 1 << 24):
                end = min(at + (1 << 24), length)
                if old[offset + at : offset + end] != new[address + moved + at : address + moved + end]:
                    raise Damaged(f"the code at {address:#x} was overwritten")


def patch(path: Path, machine: tuple[int, int, int], libraries: list[str], loader: str) -> bool:
    """Append *libraries* to the search path of one file and return whether it was changed.

    A file with DT_RUNPATH keeps that tag. All others get (or keep) DT_RPATH, which the libraries
    they load inherit: a DT_RUNPATH, which patchelf would write, cuts off what a library without
    either tag inherits from the file that loads it.

    :raises Damaged: see :func:`check_code`.
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
            loads_later = data.find(b"\0dlopen") >= 0
    needs = [name for name in elf.needed if not ALWAYS_LOADED.fullmatch(name)]
    if elf.machine != machine or not (needs or loads_later or elf.interpreter):
        return False
    own = elf.runpath if elf.runpath is not None else elf.rpath
    entries = [entry for entry in (own or "").split(":") if entry]
    entries += [entry for entry in (*libraries, *([DRIVER] if wants_driver else [])) if entry not in entries]
    command = ["patchelf", "--set-rpath", ":".join(entries)]
    if elf.runpath is None:
        command.append("--force-rpath")
    if elf.interpreter:
        command += ["--set-interpreter", loader]
    patched = path.with_name(".mach-patched")
    subprocess.run([*command, "--output", os.fspath(patched), os.fspath(path)], check=True)
    check_code(path, patched)
    patched.chmod(path.stat().st_mode)
    patched.replace(path)
    return True


def main() -> int:
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
            if path.is_symlink() or path.stat().st_size < 64:
                continue
            try:
                changed += patch(path, machine, libraries, loader)
            except (Damaged, subprocess.CalledProcessError) as error:
                shown = os.fspath(path.relative_to(out))
                print(f"mach: patchelf cannot give {shown!r} a search path: {error}", file=sys.stderr)
                print("mach: a newer patchelf (0.19) may, put first in nativeBuildInputs by overrides", file=sys.stderr)
                return 1
    print(f"mach: {changed} binaries patched")
    return 0


if __name__ == "__main__":
    sys.exit(main())
