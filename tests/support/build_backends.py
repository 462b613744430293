"""Sdists with a build backend of their own, and the reason why such a test is left out."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import pytest

from crawler.sandbox import missing_sandbox

from .dists import Dist, make_sdist

__all__ = ["in_tree_sdist", "sandboxed"]

TABLE = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["in-tree"]\n'

#: Leaves a module's tests out, by name of the reason, where no sandbox can be made.
sandboxed = pytest.mark.skipif(missing_sandbox() is not None, reason=f"no sandbox: {missing_sandbox()}")


def in_tree_sdist(code: str = "", *, requires: str | None = None, files: Mapping[str, str] | None = None) -> Dist:
    """Return the sdist of demo 1.0 with the backend *code*.

    :param requires: the body of its get_requires_for_build_wheel.
    :param files: further files.
    """
    text = textwrap.dedent(code) + "\n"
    if requires is not None:
        body = textwrap.indent(textwrap.dedent(requires), "    ")
        text += f"def get_requires_for_build_wheel(settings=None):\n{body}\n"
    everything = {"pyproject.toml": TABLE, "in-tree/backend.py": text, **(files or {})}
    return make_sdist("demo", "1.0", backend=None, files=everything)
