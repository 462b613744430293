"""Projects that are there to be difficult: sdists, a cycle, collisions, old formats."""

from __future__ import annotations

from dataclasses import replace

from .dists import make_sdist
from .listings import Listing, console, list_pure

__all__ = ["list_collisions", "list_cycle", "list_old_formats", "list_sdists"]

C_EXTENSION = """\
#include <Python.h>

static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sdist_compiled", NULL, -1, methods};
PyMODINIT_FUNC PyInit_sdist_compiled(void) { return PyModule_Create(&module); }
"""

C_SETUP = """\
from setuptools import Extension, setup

setup(ext_modules=[Extension("sdist_compiled", ["sdist_compiled.c"])])
"""

_BREAKS_LATE = """\
from setuptools import setup
from setuptools.command.build_py import build_py


class Broken(build_py):
    def run(self):
        raise SystemExit("this project does not build")


setup(cmdclass={"build_py": Broken})
"""


def list_sdists() -> list[Listing]:
    """Return projects that have sdists only.

    ``sdist-static`` (setuptools, PKG-INFO 2.2), ``sdist-in-tree`` (a backend of its own),
    ``sdist-compiled`` (C, needs a compiler and Python's headers), ``docopt`` (setup.py alone,
    PKG-INFO 2.1: its requirements take a build), ``sdist-dynamic`` (2.2 with Dynamic:
    Requires-Dist), ``sdist-bare`` (no PKG-INFO) and ``sdist-broken`` (its build fails, its metadata does not).
    """
    tool = {"sdist_static.py": console("sdist-static", "1.2")}
    return [
        Listing(dist=dist)
        for dist in (
            make_sdist("sdist-static", "1.0", requires=["idna>=2"], files={"sdist_static.py": "x = 1\n"}),
            make_sdist(
                "sdist-static",
                "1.2",
                requires=["idna>=3"],
                requires_python=">=3.9",
                files=tool,
                extras={"more": ["certifi"]},
            ),
            make_sdist("sdist-in-tree", "1.0", requires=["idna>=3"], backend="in-tree", pkg_info_version="2.4"),
            make_sdist("sdist-compiled", "1.0", files={"sdist_compiled.c": C_EXTENSION}, setup_py=C_SETUP),
            make_sdist(
                "docopt",
                "0.6.2",
                backend="legacy",
                pkg_info_version="2.1",
                files={"docopt.py": "__version__ = '0.6.2'\n"},
            ),
            make_sdist("sdist-dynamic", "1.0", backend="legacy", requires=["idna"], dynamic=["Requires-Dist"]),
            make_sdist("sdist-bare", "1.0", backend="legacy", pkg_info_version=None),
            make_sdist("sdist-broken", "1.0", setup_py=_BREAKS_LATE),
        )
    ]


def list_cycle() -> list[Listing]:
    """Return ``cycle-one`` and ``cycle-two``, which require and import each other."""
    found = []
    for one, other in (("one", "two"), ("two", "one")):
        code = f"def answer():\n    import cycle_{other}\n\n    return cycle_{other}.NAME\n\n\nNAME = {one!r}\n"
        found += list_pure(
            f"cycle-{one}",
            "1.0",
            "2024-01-01",
            requires=[f"cycle-{other}"],
            files={f"cycle_{one}.py": code},
            sdist=None,
        )
    return found


def list_collisions() -> list[Listing]:
    """Return pairs of projects that install the same path.

    ``differ-left``/``differ-right`` with different bytes in ``shared_config.py``,
    ``equal-left``/``equal-right`` with equal ones, ``script-left``/``script-right`` with the
    same console script for different functions.
    """
    found = []
    for side in ("left", "right"):
        own = f"{side}_side.py"
        found += list_pure(
            f"differ-{side}",
            "1.0",
            "2024-01-01",
            sdist=None,
            files={f"differ_{own}": "", "shared_config.py": f"SIDE = {side!r}\n"},
        )
        found += list_pure(
            f"equal-{side}",
            "1.0",
            "2024-01-01",
            sdist=None,
            files={f"equal_{own}": "", "shared_equal.py": "SIDE = 'both'\n"},
        )
        found += list_pure(
            f"script-{side}",
            "1.0",
            "2024-01-01",
            sdist=None,
            scripts={"twice": f"script_{side}:main"},
            files={f"script_{side}.py": console(f"script-{side}", "1.0")},
        )
    return found


def list_old_formats() -> list[Listing]:
    """Return ``old-formats``: eggs, installers, other archives and a version that is not PEP 440's, as old pages list.

    Its last good release is 0.9 (``.tar.gz``); 0.8 is a ``.zip``.
    """
    good = make_sdist("old-formats", "0.9", backend="legacy", filename="old-formats-0.9.tar.gz")
    older = make_sdist("old-formats", "0.8", backend="legacy", suffix=".zip", filename="old-formats-0.8.zip")
    names = (
        "old_formats-0.9-py2.7.egg",
        "old-formats-0.9.win32-py2.7.exe",
        "old-formats-0.7.tar.bz2",
        "old-formats-0.9-1.noarch.rpm",
        "old-formats-2004d.tar.gz",
        "old-formats.tar.gz",
        "old_formats-0.9.whl",
    )
    return [Listing(dist=dist) for dist in (older, good, *(replace(good, filename=name) for name in names))]
