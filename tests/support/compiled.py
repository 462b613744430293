"""Twins of compiled projects: wheels for many platforms, the one for this machine with real ELF files."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from . import native
from .dists import make_sdist, make_wheel
from .listings import Listing, console
from .native import NativeFile

__all__ = ["MACHINE", "host_minor", "list_compiled", "list_siblings", "missing_compiler", "platform_tags"]

MACHINE = platform.machine()

#: Platform tag -> how an extension module ends there, after ``.cpython-3XX`` (Windows: ``.cp3XX``).
PLATFORMS = {
    "manylinux_2_17_x86_64.manylinux2014_x86_64": "-x86_64-linux-gnu.so",
    "manylinux_2_17_aarch64.manylinux2014_aarch64": "-aarch64-linux-gnu.so",
    "musllinux_1_2_x86_64": "-x86_64-linux-musl.so",
    "macosx_11_0_arm64": "-darwin.so",
    "win_amd64": "-win_amd64.pyd",
}

#: site-packages path without suffix -> its real file for this machine.
Extensions = Mapping[str, Callable[[], NativeFile]]


def missing_compiler() -> str | None:
    """Return why nothing can be compiled here, or None where it can."""
    if shutil.which("gcc") is None:
        return "no gcc on this machine"
    if MACHINE not in ("x86_64", "aarch64"):
        return f"no compiled twins for {MACHINE}"
    try:
        native.host_python()
    except FileNotFoundError as error:
        return str(error)
    return None


def host_minor() -> int:
    """Return the minor version of the Python for which native files are compiled: 11."""
    return int(native.host_python().rpartition(".")[2])


def platform_tags(pythons: Iterable[int], platforms: Iterable[str] = tuple(PLATFORMS)) -> list[tuple[int, str, str]]:
    """Return (minor, platform, whole tag) of the wheels that a project of these *pythons* has."""
    return [(minor, where, f"cp3{minor}-cp3{minor}-{where}") for minor in pythons for where in platforms]


def list_platform_wheels(
    name: str,
    version: str,
    uploaded: str,
    *,
    files: Mapping[str, str],
    extensions: Extensions,
    libraries: Extensions | None = None,
    pythons: Iterable[int] = (10, 11, 12, 13, 14),
    platforms: Iterable[str] = tuple(PLATFORMS),
    **options: Any,
) -> list[Listing]:
    """Return the platform wheels of one release; further *options* are :func:`make_wheel`'s.

    The wheel for this machine and Python holds compiled files; in the others their place is
    taken by a text that no machine loads.

    :param extensions: site-packages path without suffix -> extension module.
    :param libraries: site-packages folder -> bundled library, for Linux wheels.
    """
    listings = []
    moment = datetime.fromisoformat(uploaded).replace(tzinfo=UTC)
    for minor, where, tag in platform_tags(pythons, platforms):
        real = minor == host_minor() and where.startswith("manylinux") and MACHINE in where
        members: dict[str, str | bytes] = dict(files)
        stem = f".cp3{minor}" if where.startswith("win") else f".cpython-3{minor}"
        ending = where if where in PLATFORMS else next(p for p in PLATFORMS if p.split("_")[0] == where.split("_")[0])
        for path, compile_file in extensions.items():
            suffix = native.extension_suffix() if real else stem + _ending(where, ending)
            members[path + suffix] = compile_file().content if real else f"compiled for {tag}\n"
        for folder, compile_file in (libraries or {}).items() if "linux" in where else ():
            library = compile_file()
            members[f"{folder}/{library.filename}"] = library.content if real else f"compiled for {tag}\n"
        dist = make_wheel(name, version, files=members, tag=tag, **options)
        listings.append(Listing(dist=dist, options={"upload_time": moment}))
    return listings


def list_compiled() -> list[Listing]:
    """Return the twins of numpy, black, multidict and charset-normalizer 3.4."""
    return [*_numpy(), *_black(), *_multidict(), *_charset_normalizer()]


NUMPY = '''\
"""Arrays, the few lines of them that tests need."""

from numpy._core import _multiarray_umath

__version__ = {version!r}


def show_libraries():
    """Return what the extension module and its bundled library say of themselves."""
    return _multiarray_umath.text()


def arange(stop):
    return list(range(stop))


def main():
    print(show_libraries())
    return 0
'''

BLACK = '''\
"""A code formatter, the few lines of it that tests need."""

import platform
import sys

import click
import mypy_extensions
import packaging.version
import pathspec
import platformdirs

from black import linegen

__version__ = {version!r}
COMPILED = not linegen.__file__.endswith(".py")


def patched_main():
    if sys.argv[1:] == ["--version"]:
        print(f"black, {{__version__}} (compiled: {{'yes' if COMPILED else 'no'}})")
        print(f"Python ({{platform.python_implementation()}}) {{platform.python_version()}}")
        return 0
    sys.stdout.write(sys.stdin.read().rstrip() + "\\n")
    return 0
'''


def _numpy() -> list[Listing]:
    listings: list[Listing] = []
    newer_linux = {"manylinux_2_27_x86_64.manylinux_2_28_x86_64", "manylinux_2_27_aarch64.manylinux_2_28_aarch64"}
    others = [where for where in PLATFORMS if not where.startswith("manylinux")]
    for version, day, python, pythons, platforms in (
        ("1.26.4", "2024-02-05", ">=3.9", (10, 11, 12), tuple(PLATFORMS)),
        ("2.1.3", "2024-11-02", ">=3.10", (10, 11, 12, 13), tuple(PLATFORMS)),
        ("2.3.0", "2025-06-07", ">=3.11", (11, 12, 13, 14), (*sorted(newer_linux), *others)),
        ("2.4.0rc1", "2025-12-03", ">=3.11", (11, 12, 13, 14), (*sorted(newer_linux), *others)),
    ):

        def openblas(version: str = version) -> NativeFile:
            return native.shared_library("scipy_openblas64_-99b71e71", text=f"openblas-of-{version}")

        def umath(version: str = version) -> NativeFile:
            return native.extension_module(
                "_multiarray_umath",
                text=f"numpy-{version}",
                needs=(native.shared_library("scipy_openblas64_-99b71e71", text=f"openblas-of-{version}"),),
                host_libraries=("libstdc++.so.6",),
                rpath=("$ORIGIN/../../numpy.libs",),
                rpath_tag="DT_RPATH",  # as auditwheel writes it
            )

        listings += list_platform_wheels(
            "numpy",
            version,
            day,
            requires_python=python,
            pythons=pythons,
            platforms=platforms,
            files={"numpy/__init__.py": NUMPY.format(version=version), "numpy/_core/__init__.py": ""},
            extensions={"numpy/_core/_multiarray_umath": umath},
            libraries={"numpy.libs": openblas},
            entry_points={"console_scripts": {"f2py": "numpy:main", "numpy-config": "numpy:main"}},
        )
        pyproject = '[build-system]\nbuild-backend = "mesonpy"\nrequires = ["meson-python>=0.15.0", "Cython>=3.0.6"]\n'
        sdist = make_sdist(
            "numpy",
            version,
            files={"numpy/__init__.py": ""},
            requires_python=python,
            backend=None,
            pyproject=pyproject,
            pkg_info_version="2.1",
            pkg_info_last=True,
        )
        moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
        listings.append(Listing(dist=sdist, options={"upload_time": moment}))
    free = make_wheel(
        "numpy", "2.3.0", tag="cp313-cp313t-manylinux_2_27_x86_64.manylinux_2_28_x86_64", requires_python=">=3.11"
    )
    listings.append(Listing(dist=free, options={"upload_time": datetime(2025, 6, 7, tzinfo=UTC)}))
    return listings


def _black() -> list[Listing]:
    old = [
        "click>=8.0.0",
        "mypy-extensions>=0.4.3",
        "packaging>=22.0",
        "pathspec>=0.9.0",
        "platformdirs>=2",
        'tomli>=1.1.0; python_version < "3.11"',
        'typing-extensions>=4.0.1; python_version < "3.11"',
    ]
    extras = {
        "colorama": ['colorama>=0.4.3; extra == "colorama"'],
        "d": ['aiohttp>=3.10; extra == "d"'],
        "jupyter": ['ipython>=7.8.0; extra == "jupyter"', 'tokenize-rt>=3.2.0; extra == "jupyter"'],
        "uvloop": ['uvloop>=0.15.2; extra == "uvloop"'],
    }
    listings: list[Listing] = []
    for version, day, requires in (
        ("23.12.1", "2023-12-22", old),
        ("24.10.0", "2024-10-07", old),
        ("25.9.0", "2025-09-19", [*old, "pytokens>=0.1.10"]),
    ):
        shared: dict[str, Any] = {
            "files": {"black/__init__.py": BLACK.format(version=version)},
            "requires": [*requires, *(line for lines in extras.values() for line in lines)],
            "extras": extras,
            "requires_python": ">=3.9" if version > "24" else ">=3.8",
            "entry_points": {"console_scripts": {"black": "black:patched_main", "blackd": "blackd:patched_main [d]"}},
        }

        def linegen(version: str = version) -> NativeFile:
            return native.extension_module("linegen", text=f"linegen-of-{version}")

        def mypyc(version: str = version) -> NativeFile:
            return native.extension_module("f0cd23745efe32ce681__mypyc", text=f"mypyc-of-{version}")

        listings += list_platform_wheels(
            "black",
            version,
            day,
            pythons=(10, 11, 12, 13),
            **shared,
            extensions={"black/linegen": linegen, "f0cd23745efe32ce681__mypyc": mypyc},
        )
        pure = {**shared, "files": {**shared["files"], "black/linegen.py": "def text():\n    return 'pure'\n"}}
        moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
        listings.append(Listing(dist=make_wheel("black", version, **pure), options={"upload_time": moment}))
    early = make_wheel("black", "25.1.0a1", requires=old, requires_python=">=3.9")
    listings.append(Listing(dist=early, options={"upload_time": datetime(2025, 1, 2, tzinfo=UTC)}))
    return listings


def _multidict() -> list[Listing]:
    shared: dict[str, Any] = {
        "files": {
            "multidict/__init__.py": (
                "try:\n    from multidict._multidict import text\nexcept ImportError:\n"
                "    def text():\n        return 'pure'\n"
            )
        },
        "requires": ['typing-extensions>=4.1.0; python_version < "3.11"'],
        "requires_python": ">=3.8",
    }

    def compiled() -> NativeFile:
        return native.extension_module("_multidict", text="multidict-6.1.0")

    found = list_platform_wheels(
        "multidict",
        "6.1.0",
        "2024-09-09",
        extensions={"multidict/_multidict": compiled},
        pythons=(10, 11, 12, 13),
        **shared,
    )
    moment = datetime(2024, 9, 9, tzinfo=UTC)
    found.append(Listing(dist=make_wheel("multidict", "6.1.0", **shared), options={"upload_time": moment}))
    return found


def _charset_normalizer() -> list[Listing]:
    detect = (
        "from charset_normalizer.md import text\n\n__version__ = '3.4.0'\n\n\n"
        "def from_bytes(content):\n    return content.decode('utf-8', 'replace')\n"
    )
    shared: dict[str, Any] = {"requires_python": ">=3.7.0"}
    module = {
        "charset_normalizer/cli.py": console("Charset-Normalizer", "3.4.0"),
        "charset_normalizer/__init__.py": detect,
    }
    shared["entry_points"] = {"console_scripts": {"normalizer": "charset_normalizer.cli:main"}}

    def compiled() -> NativeFile:
        return native.extension_module("md", text="md-3.4.0")

    found = list_platform_wheels(
        "charset-normalizer",
        "3.4.0",
        "2024-10-09",
        files=module,
        extensions={"charset_normalizer/md": compiled},
        **shared,
    )
    pure = {**module, "charset_normalizer/md.py": "def text():\n    return 'pure'\n"}
    moment = datetime(2024, 10, 9, tzinfo=UTC)
    dist = make_wheel("charset-normalizer", "3.4.0", files=pure, **shared)
    found.append(Listing(dist=dist, options={"upload_time": moment}))
    return found


def list_siblings() -> list[Listing]:
    """Return wheels whose compiled parts load a library out of another wheel, as torch does.

    ``sibling-provider`` holds ``libsibling.so.1``. ``sibling-runpath`` (DT_RUNPATH) needs it
    directly. ``sibling-rpath`` (DT_RPATH) needs its own ``libmiddle.so``, which has no path of
    its own and needs ``libsibling.so.1``: it loads only while the tag stays DT_RPATH, which
    dependencies inherit. ``native-program`` is a program in a wheel's scripts that needs zlib.
    """
    provided = native.shared_library("sibling", text="from-the-sibling", version="1")
    middle = native.shared_library("middle", text="through-the-middle", needs=(provided,))
    there = "$ORIGIN/../sibling_provider/lib"
    runpath = native.extension_module("_native", text="runpath", needs=(provided,), rpath=(there,))
    rpath = native.extension_module(
        "_native", text="rpath", needs=(middle,), rpath=("$ORIGIN/lib", there), rpath_tag="DT_RPATH"
    )
    program = native.executable("native-program", text="native-program 1.0", host_libraries=("libz.so.1",))
    tag = next(tag for _, _, tag in platform_tags([host_minor()], [p for p in PLATFORMS if MACHINE in p]))
    code = "from ._native import text\n"
    return [
        Listing(dist=dist)
        for dist in (
            make_wheel(
                "sibling-provider",
                "1.0",
                tag=tag,
                files={
                    "sibling_provider/__init__.py": "",
                    f"sibling_provider/lib/{provided.filename}": provided.content,
                },
            ),
            make_wheel(
                "sibling-runpath",
                "1.0",
                tag=tag,
                requires=["sibling-provider"],
                files={"sibling_runpath/__init__.py": code, f"sibling_runpath/{runpath.filename}": runpath.content},
            ),
            make_wheel(
                "sibling-rpath",
                "1.0",
                tag=tag,
                requires=["sibling-provider"],
                files={
                    "sibling_rpath/__init__.py": code,
                    f"sibling_rpath/{rpath.filename}": rpath.content,
                    f"sibling_rpath/lib/{middle.filename}": middle.content,
                },
            ),
            make_wheel(
                "native-program",
                "1.0",
                tag=tag,
                files={"native_program.py": ""},
                data={"scripts/native-program": program.content},
                executable=["scripts/native-program"],
            ),
        )
    ]


def _ending(where: str, known: str) -> str:
    if where.startswith("manylinux") and where not in PLATFORMS:
        return f"-{'aarch64' if 'aarch64' in where else 'x86_64'}-linux-gnu.so"
    return PLATFORMS[known]
