"""Twins of real pure projects: their names, versions and requirements, with a few lines of real code.

Requirements, Requires-Python, extras, yanks and entry points have the shape of the real
projects' metadata; upload times are days of the real releases' months.
"""

from __future__ import annotations

from .listings import Listing, console, list_pure

__all__ = ["list_twins"]


def list_twins() -> list[Listing]:
    """Return all pure twins."""
    return [*_requests(), *_requests_needs(), *_httpie(), *_httpie_needs(), *_black_needs()]


REQUESTS = '''\
"""HTTP for humans, the few lines of it that tests need."""

import urllib.request

import certifi
import charset_normalizer
import idna
import urllib3

__version__ = {version!r}


class Response:
    def __init__(self, status_code, content, headers):
        self.status_code, self.content, self.headers = status_code, content, headers

    @property
    def text(self):
        return charset_normalizer.from_bytes(self.content)


def get(url):
    with urllib.request.urlopen(url) as answer:
        return Response(answer.status, answer.read(), dict(answer.headers))
'''

DETECT = '''\
"""Guesses the character set of bytes."""

__version__ = {version!r}


def from_bytes(content):
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
'''

HTTPIE = '''\
"""A command-line HTTP client, the few lines of it that tests need."""

import sys

import defusedxml
import multidict
import pygments
import requests
import requests_toolbelt
import rich
import socks

__version__ = {version!r}


def main():
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(__version__)
        return 0
    if len(arguments) != 1:
        print("usage: http URL", file=sys.stderr)
        return 2
    answer = requests.get(arguments[0])
    print(rich.render(answer.text))
    return 0 if answer.status_code < 400 else 4
'''


def _requests() -> list[Listing]:
    needs = ["charset_normalizer<4,>=2", "idna<4,>=2.5", "urllib3<3,>=1.21.1", "certifi>=2017.4.17"]
    older = ["charset-normalizer (<4,>=2)", "idna (<4,>=2.5)", "urllib3 (<1.27,>=1.21.1)", "certifi (>=2017.4.17)"]
    extras = {"security": [], "socks": ["PySocks!=1.5.7,>=1.5.6"], "use-chardet-on-py3": ["chardet<6,>=3.0.2"]}
    chardet = {**extras, "use-chardet-on-py3": ["chardet<8,>=3.0.2"]}
    why = "Yanked due to conflicts with CVE-2024-35195 mitigation"
    table: list[tuple[str, str, list[str], dict[str, list[str]], str, bool | str]] = [
        ("2.28.2", "2023-01-12", older, {"use_chardet_on_py3": ["chardet (<6,>=3.0.2)"]}, ">=3.7, <4", False),
        ("2.31.0", "2023-05-22", needs, extras, ">=3.7", False),
        ("2.32.0", "2024-05-20", needs, extras, ">=3.8", why),
        ("2.32.1", "2024-05-20", needs, extras, ">=3.8", why),
        ("2.32.3", "2024-05-29", needs, extras, ">=3.8", False),
        ("2.32.5", "2025-08-18", needs, chardet, ">=3.9", False),
    ]
    return [
        listing
        for version, day, requires, offered, python, yanked in table
        for listing in list_pure(
            "requests",
            version,
            day,
            files={"requests/__init__.py": REQUESTS.format(version=version)},
            requires=requires,
            extras=offered,
            requires_python=python,
            yanked=yanked,
        )
    ]


def _requests_needs() -> list[Listing]:
    old_pythons = "!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,!=3.5.*,>=2.7"
    urllib3_old = {
        "brotli": ['brotli>=1.0.9; platform_python_implementation == "CPython"'],
        "socks": ["PySocks!=1.5.7,<2.0,>=1.5.6"],
    }
    urllib3_new = {"h2": ["h2<5,>=4"], "socks": ["pysocks!=1.5.7,<2.0,>=1.5.6"]}
    found = []
    for version, day in (("2.1.1", "2022-08-19"), ("3.3.2", "2023-11-01")):
        found += list_pure(
            "charset-normalizer",
            version,
            day,
            requires_python=">=3.6.0",
            extras={"unicode-backport": ["unicodedata2"]},
            files={"charset_normalizer/__init__.py": DETECT.format(version=version)},
            scripts={"normalizer": "charset_normalizer:main"} if version < "3" else None,
        )
    for version, day, python, tag in (
        ("2.10", "2020-06-27", ">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*", "py2.py3-none-any"),
        ("3.4", "2022-09-14", ">=3.5", "py3-none-any"),
        ("3.7", "2024-04-11", ">=3.5", "py3-none-any"),
        ("3.10", "2024-09-15", ">=3.6", "py3-none-any"),
    ):
        found += list_pure("idna", version, day, requires_python=python, tag=tag)
    found += list_pure(
        "urllib3", "1.26.20", "2024-08-29", requires_python=old_pythons, extras=urllib3_old, tag="py2.py3-none-any"
    )
    found += list_pure("urllib3", "2.0.0a1", "2022-11-15", requires_python=">=3.7", extras=urllib3_new, sdist=None)
    found += list_pure("urllib3", "2.0.7", "2023-10-17", requires_python=">=3.7", extras=urllib3_new)
    found += list_pure("urllib3", "2.2.3", "2024-09-12", requires_python=">=3.8", extras=urllib3_new)
    found += list_pure("urllib3", "2.5.0", "2025-06-18", requires_python=">=3.9", extras=urllib3_new, sdist="2.4")
    for version, day, python, yanked in (
        ("2022.5.18", "2022-05-18", ">=3.6", True),
        ("2023.7.22", "2023-07-22", ">=3.6", False),
        ("2024.8.30", "2024-08-30", ">=3.6", False),
        ("2025.4.26", "2025-04-26", ">=3.6", False),
    ):
        found += list_pure(
            "certifi",
            version,
            day,
            requires_python=python,
            yanked=yanked,
            files={"certifi/__init__.py": f"__version__ = {version!r}\n", "certifi/cacert.pem": "# no certificates\n"},
        )
    found += list_pure(
        "PySocks",
        "1.7.1",
        "2019-09-20",
        requires_python=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*",
        files={"socks.py": "__version__ = '1.7.1'\n", "sockshandler.py": ""},
        legacy_name=True,
    )
    detectors: list[tuple[str, str, str | None]] = [("3.0.4", "2017-06-08", None), ("5.2.0", "2023-08-01", ">=3.7")]
    for version, day, requires_python in detectors:
        found += list_pure(
            "chardet",
            version,
            day,
            requires_python=requires_python,
            files={"chardet/__init__.py": console("chardet", version)},
            scripts={"chardetect": "chardet:main"},
        )
    return found


def _httpie() -> list[Listing]:
    requires = [
        "pip",
        "charset-normalizer>=2.0.0",
        "defusedxml>=0.6.0",
        "requests[socks]>=2.22.0",
        "Pygments>=2.5.2",
        "requests-toolbelt>=0.9.1",
        "multidict>=4.7.0",
        "setuptools",
        "rich>=9.10.0",
        'colorama>=0.2.4; sys_platform == "win32"',
        'importlib-metadata>=1.4.0; python_version < "3.8"',
    ]
    scripts = {"http": "httpie:main", "https": "httpie:main", "httpie": "httpie.manager:main"}
    return [
        listing
        for version, day in (("3.2.2", "2023-05-19"), ("3.2.4", "2024-11-01"))
        for listing in list_pure(
            "httpie",
            version,
            day,
            requires=requires,
            requires_python=">=3.7",
            scripts=scripts,
            extras={"test": ["pytest", "responses", "pytest-httpbin>=0.0.6"]},
            files={
                "httpie/__init__.py": HTTPIE.format(version=version),
                "httpie/manager.py": console("httpie", version),
            },
        )
    ]


def _httpie_needs() -> list[Listing]:
    rich = "import pygments\nimport markdown_it\n\n__version__ = {!r}\n\n\ndef render(text):\n    return text\n"
    pip = "raise ImportError('the twin of pip is only there to be required')\n"
    found = []
    for version, day in (("13.7.1", "2024-02-28"), ("13.9.4", "2024-11-01")):
        found += list_pure(
            "rich",
            version,
            day,
            requires_python=">=3.8.0",
            files={"rich/__init__.py": rich.format(version)},
            requires=[
                'typing-extensions<5.0,>=4.0.0; python_version < "3.11"',
                "pygments<3.0.0,>=2.13.0",
                "markdown-it-py>=2.2.0",
            ],
            extras={"jupyter": ["ipywidgets<9,>=7.5.1"]},
        )
    for version, day in (("2.18.0", "2024-05-04"), ("2.19.1", "2025-01-06")):
        found += list_pure(
            "Pygments",
            version,
            day,
            requires_python=">=3.8",
            extras={"windows-terminal": ["colorama>=0.4.6"]},
            files={"pygments/__init__.py": console("Pygments", version)},
            scripts={"pygmentize": "pygments:main"},
        )
    found += list_pure(
        "markdown-it-py",
        "3.0.0",
        "2023-06-03",
        requires=["mdurl~=0.1"],
        requires_python=">=3.8",
        sdist="2.1",
        extras={"linkify": ["linkify-it-py>=1,<3"], "plugins": ["mdit-py-plugins"]},
        files={"markdown_it/__init__.py": "import mdurl\n\n" + console("markdown-it-py", "3.0.0")},
        scripts={"markdown-it": "markdown_it:main"},
    )
    found += list_pure("mdurl", "0.1.2", "2022-08-14", requires_python=">=3.7")
    found += list_pure(
        "defusedxml",
        "0.7.1",
        "2021-03-08",
        tag="py2.py3-none-any",
        requires_python=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*, !=3.4.*",
    )
    found += list_pure(
        "requests-toolbelt",
        "1.0.0",
        "2023-05-01",
        requires=["requests<3.0.0,>=2.0.1"],
        requires_python=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*",
        tag="py2.py3-none-any",
        files={"requests_toolbelt/__init__.py": "import requests\n\n__version__ = '1.0.0'\n"},
    )
    found += list_pure("pip", "24.3.1", "2024-10-27", requires_python=">=3.8", files={"pip/__init__.py": pip})
    found += list_pure(
        "colorama",
        "0.4.6",
        "2022-10-25",
        tag="py2.py3-none-any",
        requires_python="!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,!=3.5.*,!=3.6.*,>=2.7",
    )
    return found


def _black_needs() -> list[Listing]:
    found = []
    for version, day in (("8.1.7", "2023-08-17"), ("8.1.8", "2024-12-21")):
        found += list_pure(
            "click",
            version,
            day,
            requires_python=">=3.7",
            requires=['colorama; platform_system == "Windows"', 'importlib-metadata; python_version < "3.8"'],
        )
    found += list_pure(
        "mypy-extensions",
        "1.0.0",
        "2023-02-04",
        requires_python=">=3.5",
        files={"mypy_extensions.py": "__version__ = '1.0.0'\n"},
    )
    found += list_pure("packaging", "24.2", "2024-11-08", requires_python=">=3.8", sdist="2.3")
    found += list_pure("pathspec", "0.12.1", "2023-12-10", requires_python=">=3.8")
    found += list_pure(
        "platformdirs",
        "4.3.6",
        "2024-09-17",
        requires_python=">=3.8",
        sdist="2.3",
        extras={"docs": ["furo>=2024.8.6"], "type": ["mypy>=1.11.2"]},
    )
    found += list_pure("pytokens", "0.1.10", "2025-05-30", requires_python=">=3.8", sdist="2.4")
    found += list_pure("tomli", "2.0.2", "2024-10-02", requires_python=">=3.8", sdist="2.1")
    found += list_pure(
        "typing-extensions",
        "4.12.2",
        "2024-06-07",
        requires_python=">=3.8",
        files={"typing_extensions.py": "__version__ = '4.12.2'\n"},
    )
    return found
