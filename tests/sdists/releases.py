"""The releases: each has an sdist and a wheel for CPython on x86_64-linux, and is small."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "RELEASES", "Release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release, and the Python that it is asked on."""

    project: str
    """Normalised (PEP 503)."""
    version: str
    python: str
    """X.Y."""
    kind: str
    """One of :data:`KINDS`: what builds it."""

    @property
    def name(self) -> str:
        """``six 1.16.0``: its key in the results."""
        return f"{self.project} {self.version}"


#: What builds a release -> the releases, with the Python that each is asked on.
_LISTED = {
    "setup.py alone": "requests 2.31.0 3.11, six 1.16.0 3.13, flask 0.12.5 3.10, markupsafe 2.1.3 3.12",
    "setup.py that wants a C library": "psycopg2-binary 2.9.9 3.11",
    "setup.py with setup_requires": "mccabe 0.6.1 3.11, pynacl 1.5.0 3.11",
    "setuptools": "greenlet 3.0.3 3.12, cffi 1.16.0 3.11, wrapt 1.17.2 3.13, anyio 4.9.0 3.11",
    "setuptools in its own tree": "setuptools 69.5.1 3.11",
    "setuptools-scm": "python-dateutil 2.8.2 3.11, pytest 7.4.3 3.11, importlib-metadata 7.0.1 3.12",
    "pbr": "stevedore 5.1.0 3.11",
    "cython via setuptools": "msgpack 1.0.8 3.11, kiwisolver 1.4.5 3.11",
    "an in-tree backend over setuptools": "yarl 1.9.4 3.11, pyyaml 6.0.2 3.12",
    "setuptools-rust": "cryptography 41.0.7 3.11, bcrypt 4.1.2 3.11, tiktoken 0.7.0 3.11",
    "flit": "jinja2 3.1.4 3.11, jeepney 0.8.0 3.11, flit-core 3.9.0 3.11, packaging 24.0 3.13, click 8.2.1 3.11",
    "poetry": "rich 13.7.1 3.11, rich 14.0.0 3.11, zeroconf 0.131.0 3.11, poetry-core 1.9.0 3.12",
    "hatchling": "httpx 0.27.0 3.11, attrs 23.2.0 3.11, black 24.3.0 3.11, hatchling 1.21.1 3.11, urllib3 2.4.0 3.11",
    "pdm": "fastapi 0.111.1 3.11, typer 0.12.3 3.11, pdm-backend 2.1.8 3.11",
    "meson-python": "meson-python 0.15.0 3.11, siphash24 1.6 3.11, pandas 2.1.4 3.11",
    "scikit-build": "rapidfuzz 3.6.1 3.11",
    "scikit-build-core": "pyzmq 26.0.3 3.11, boost-histogram 1.4.1 3.11, lightgbm 4.3.0 3.11",
    "maturin": "orjson 3.9.10 3.11, pydantic-core 2.14.6 3.11, rpds-py 0.26.0 3.12",
}

RELEASES = tuple(
    Release(project=words[0], version=words[1], python=words[2], kind=kind)
    for kind, listed in _LISTED.items()
    for words in (entry.split() for entry in listed.split(", "))
)
KINDS = tuple(_LISTED)
