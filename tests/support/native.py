"""Small real ELF files for crafted wheels: extension modules, shared libraries and programs, compiled by gcc."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "Dynamic",
    "NativeFile",
    "executable",
    "extension_module",
    "extension_suffix",
    "host_python",
    "read_dynamic",
    "shared_library",
]

RpathTag = Literal["DT_RPATH", "DT_RUNPATH"]

#: Reproducible output: no build id, no symbol table with file names; only what is asked for, and all of it.
FLAGS = ("-O1", "-fPIC", "-s", "-Wall", "-Werror", "-Wl,--build-id=none", "-Wl,--no-as-needed")

BODY = """
#include <string.h>
{declarations}
const char *{symbol}(void) {{
  static char all[4096];
  strcpy(all, {own});
  {calls}
  return all;
}}
"""
MODULE = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
static PyObject *text(PyObject *self, PyObject *none) {{ return PyUnicode_FromString({symbol}()); }}
static PyMethodDef methods[] = {{{{"text", text, METH_NOARGS, "What this module and its libraries say."}}, {{0}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, methods, NULL, NULL, NULL, NULL}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""
PROGRAM = """
#include <stdio.h>
int main(void) {{ puts({symbol}()); return 0; }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeFile:
    """One compiled file: its name, its bytes, and the C function that returns its text."""

    filename: str
    content: bytes
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic:
    """What the dynamic section of an ELF file says; a path that is not there is ``None``."""

    soname: str | None
    needed: tuple[str, ...]
    rpath: str | None
    runpath: str | None
    interpreter: str | None


@functools.cache
def host_python() -> str:
    """Return the interpreter that the stand-in nixpkgs offers as ``python3`` (the first with headers)."""
    for minor in range(10, 15):
        python = Path(f"/usr/bin/python3.{minor}")
        if python.exists() and Path(f"/usr/include/python3.{minor}/Python.h").exists():
            return str(python)
    raise FileNotFoundError("no /usr/bin/python3.X with headers (Debian: python3-dev)")


@functools.cache
def _sysconfig(python: str) -> tuple[str, str]:
    code = "import sysconfig as s; print(s.get_config_var('EXT_SUFFIX'), s.get_path('include'), sep='\\n')"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    suffix, include = done.stdout.splitlines()
    return suffix, include


def extension_suffix(python: str | None = None) -> str:
    """Return how extension modules of an interpreter end: ``.cpython-311-x86_64-linux-gnu.so``."""
    return _sysconfig(python or host_python())[0]


@functools.cache
def shared_library(
    name: str,
    *,
    text: str = "",
    needs: tuple[NativeFile, ...] = (),
    host_libraries: tuple[str, ...] = (),
    rpath: tuple[str, ...] = (),
    rpath_tag: RpathTag = "DT_RUNPATH",
    version: str = "",
) -> NativeFile:
    """Compile ``libNAME.so`` (``libNAME.so.VERSION``), whose soname is its file name.

    Its function returns ``text`` (``NAME`` by default) followed by the texts of ``needs``, separated by spaces, so
    that a result shows which files were really loaded.  ``needs`` and ``host_libraries`` (sonames such as
    ``libz.so.1``) become DT_NEEDED, ``rpath`` the given tag, verbatim (``$ORIGIN/../other``).
    """
    filename = f"lib{name}.so" + (f".{version}" if version else "")
    source, symbol = _source(name, text, needs)
    return _compile(
        filename, symbol, source, ["-shared", f"-Wl,-soname,{filename}"], needs, host_libraries, rpath, rpath_tag
    )


@functools.cache
def extension_module(
    name: str,
    *,
    text: str = "",
    needs: tuple[NativeFile, ...] = (),
    host_libraries: tuple[str, ...] = (),
    rpath: tuple[str, ...] = (),
    rpath_tag: RpathTag = "DT_RUNPATH",
    python: str | None = None,
) -> NativeFile:
    """Compile the extension module ``NAME`` (no parents' names) for an interpreter, with a function ``text()``.

    The other parameters are those of :func:`shared_library`.
    """
    suffix, include = _sysconfig(python or host_python())
    source, symbol = _source(name, text, needs)
    source += MODULE.format(name=name, symbol=symbol)
    return _compile(name + suffix, symbol, source, ["-shared", f"-I{include}"], needs, host_libraries, rpath, rpath_tag)


@functools.cache
def executable(
    name: str,
    *,
    text: str = "",
    needs: tuple[NativeFile, ...] = (),
    host_libraries: tuple[str, ...] = (),
    rpath: tuple[str, ...] = (),
    rpath_tag: RpathTag = "DT_RUNPATH",
) -> NativeFile:
    """Compile a program that prints the text; it asks for the ELF interpreter of the host.

    The other parameters are those of :func:`shared_library`.
    """
    source, symbol = _source(name, text, needs)
    source += PROGRAM.format(symbol=symbol)
    return _compile(name, symbol, source, [], needs, host_libraries, rpath, rpath_tag)


def read_dynamic(file: Path | bytes) -> Dynamic:
    """Read the dynamic section and the ELF interpreter of a file, given by path or content."""
    if isinstance(file, bytes):
        with tempfile.NamedTemporaryFile() as temporary:
            temporary.write(file)
            temporary.flush()
            return read_dynamic(Path(temporary.name))
    shown = subprocess.run(["readelf", "-dlW", file], capture_output=True, text=True, check=True).stdout

    def entries(tag: str) -> list[str]:
        return re.findall(rf"\({tag}\)[^\[\n]*\[(.*)\]", shown)

    interpreter = re.search(r"program interpreter: (.*)\]", shown)
    return Dynamic(
        soname=next(iter(entries("SONAME")), None),
        needed=tuple(entries("NEEDED")),
        rpath=next(iter(entries("RPATH")), None),
        runpath=next(iter(entries("RUNPATH")), None),
        interpreter=interpreter[1] if interpreter else None,
    )


def _literal(text: str) -> str:
    return '"' + "".join(f"\\{byte:03o}" for byte in text.encode()) + '"'


def _source(name: str, text: str, needs: tuple[NativeFile, ...]) -> tuple[str, str]:
    symbol = re.sub(r"[^A-Za-z0-9]", "_", name) + "_text"
    source = BODY.format(
        symbol=symbol,
        own=_literal(text or name),
        declarations="\n".join(f"const char *{need.symbol}(void);" for need in needs),
        calls="\n  ".join(f'strcat(all, " "); strcat(all, {need.symbol}());' for need in needs),
    )
    return source, symbol


def _compile(
    filename: str,
    symbol: str,
    source: str,
    flags: list[str],
    needs: tuple[NativeFile, ...],
    host_libraries: tuple[str, ...],
    rpath: tuple[str, ...],
    rpath_tag: RpathTag,
) -> NativeFile:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source.c").write_text(source)
        (folder / "needs").mkdir()
        for need in needs:
            (folder / "needs" / need.filename).write_bytes(need.content)
        tags = "--disable-new-dtags" if rpath_tag == "DT_RPATH" else "--enable-new-dtags"
        command = [
            *("gcc", *FLAGS, *flags, "source.c", "-o", "compiled"),
            *(f"needs/{need.filename}" for need in needs),
            *(_host_library(soname) for soname in host_libraries),
            # what a needed library itself needs is looked for when it is loaded, not here
            "-Wl,--allow-shlib-undefined",
            *([f"-Wl,{tags},-rpath,{':'.join(rpath)}"] if rpath else []),
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.stderr.write(done.stderr)
            done.check_returncode()
        return NativeFile(filename=filename, content=(folder / "compiled").read_bytes(), symbol=symbol)


def _host_library(soname: str) -> str:
    found = subprocess.run(["gcc", f"-print-file-name={soname}"], capture_output=True, text=True, check=True)
    path = found.stdout.strip()
    if "/" not in path:  # gcc echoes the name of a file that it does not find
        raise FileNotFoundError(f"no {soname} on this machine")
    return path
