"""Projects that are there to be difficult: sdists, cycles, collisions, and hostile ones."""

from __future__ import annotations

from .dists import make_sdist, make_wheel
from .listings import Listing, console, list_pure

__all__ = ["HOSTILE_TEXTS", "list_collisions", "list_cycle", "list_hostile", "list_sdists"]

#: Texts made to break Nix, a shell, a terminal or a path; each leaves a visible trace where it is not inert.
HOSTILE_TEXTS = {
    "quotes": 'it\'s "quoted"',
    "antiquotation": '${builtins.abort "nix ran this"}',
    "indented-string-end": "'' + builtins.abort \"nix ran this\" + ''",
    "backslash": "back\\slash\\n\\${x}",
    "command": "$(touch /tmp/mach-was-here); `touch /tmp/mach-was-here`",
    "newline": "two\nlines",
    "carriage-return": "seen\rhidden",
    "escape-sequence": "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "bidi": "abc\u202egnp.exe",
    "dollars": "$$ $${x} ''${y} '''",
}

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


def list_sdists() -> list[Listing]:
    """Return projects that have sdists only.

    ``sdist-static`` (setuptools, PKG-INFO 2.2), ``sdist-in-tree`` (a backend of its own),
    ``sdist-compiled`` (C, needs a compiler and Python's headers), ``docopt`` (setup.py alone,
    PKG-INFO 2.1: its requirements take a build), ``sdist-dynamic`` (2.2 with Dynamic:
    Requires-Dist), ``sdist-bare`` (no PKG-INFO) and ``sdist-broken`` (its build fails).
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
            make_sdist("sdist-broken", "1.0", setup_py="raise SystemExit('this project does not build')\n"),
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


def list_hostile() -> list[Listing]:
    """Return projects that try to become Nix code, a shell word, a terminal command or a path.

    ``hostile-files``: members with the names of :data:`HOSTILE_TEXTS`, and a harmless module;
    ``hostile-metadata``: METADATA with them; ``hostile-scripts``: entry points and scripts with
    them; ``hostile-climb`` and ``hostile-root``: members outside of the wheel; ``hostile-link``:
    an sdist with links that lead out; ``hostile-page``: a page with them in file names,
    Requires-Python, yank reasons and URLs; ``hostile-name``: METADATA of another project.
    """
    texts = list(HOSTILE_TEXTS.values())
    files = {f"hostile_files/{text.replace('/', '_')}.txt": text for text in texts}
    lines = [line for text in texts for line in (f"Requires-Dist: {_folded(text)}", f"Classifier: {_folded(text)}")]
    scripts = {f"tool {text}".replace("\n", " ").replace("\r", " "): "hostile_scripts:main" for text in texts}
    plain = {"hostile_scripts.py": console("hostile", "1.0")}
    listings = [
        Listing(dist=make_wheel("hostile-files", "1.0", files={"hostile_files/__init__.py": "X = 1\n", **files})),
        Listing(dist=make_wheel("hostile-metadata", "1.0", metadata_lines=lines)),
        Listing(dist=make_wheel("hostile-scripts", "1.0", files=plain, entry_points={"console_scripts": scripts})),
        Listing(dist=make_wheel("hostile-climb", "1.0", files={"../../../hostile_climb.py": "X = 1\n"})),
        Listing(dist=make_wheel("hostile-root", "1.0", files={"/tmp/hostile_root.py": "X = 1\n"})),
        Listing(
            dist=make_sdist(
                "hostile-link", "1.0", links={"inside": "/etc", "up": "../../.."}, outside={"../hostile_link": "x"}
            )
        ),
        Listing(dist=make_wheel("hostile-name", "1.0", metadata_name="requests", metadata_version_field="99")),
        Listing(dist=make_wheel("hostile-page", "1.0")),
    ]
    for number, text in enumerate(texts):
        bare = make_wheel("hostile-page", f"2.{number}")
        named = make_wheel("hostile-page", f"3.{number}", filename=f"hostile_page-3.{number}-py3-none-any{text}.whl")
        listings += [
            Listing(dist=bare, options={"requires_python": text, "yanked": text}),
            Listing(dist=named),
        ]
    for number, url in enumerate(
        (
            "file:///etc/passwd",
            "javascript:alert(1)",
            "http://user:secret@127.0.0.1:1/x.whl",
            "../../../../x y.whl",
            "http://127.0.0.1:1/${x}'\".whl",
            "http://[::1/broken.whl",
        )
    ):
        listings.append(Listing(dist=make_wheel("hostile-page", f"4.{number}"), options={"url": url}))
    return listings


def _folded(text: str) -> str:
    """Return *text* as a header value can hold it: lines folded, as email has it."""
    return text.replace("\r", "\r ").replace("\n", "\n ")
