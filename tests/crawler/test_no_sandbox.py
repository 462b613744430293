"""Without a sandbox, or an interpreter for it, nothing of a stranger is run, and the error says what to install."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler import sandbox
from crawler.build_environment import BuildEnvironment
from crawler.build_hooks import ask_backend
from crawler.sandbox import missing_sandbox, require_sandbox
from resolver.errors import Unavailable
from tests.support.build_backends import in_tree_sdist, sandboxed


@pytest.fixture
def forgetful() -> Iterator[None]:
    """What was found out about sandboxes is forgotten before and after the test."""
    sandbox._try_sandbox.cache_clear()
    yield
    sandbox._try_sandbox.cache_clear()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user reaches, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="mach-scratch-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/bin/sh\necho bubblewrap 0.6.1\n", "bubblewrap 0.6.1 is too old"),
        (
            '#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.9.0 && exit\n'
            "echo 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n",
            "bubblewrap cannot make a sandbox",
        ),
        ("#!/no/such/interpreter\n", "bubblewrap cannot be used"),
    ],
)
@pytest.mark.usefixtures("forgetful")
def test_a_bubblewrap_that_is_of_no_use(text: str, reason: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    program = folder / "bwrap"
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert (missing_sandbox() or "").startswith(reason)
    with pytest.raises(Unavailable, match=reason) as caught:
        require_sandbox()
    assert caught.value.code == "no-sandbox"
    assert "install bubblewrap" in (caught.value.hint or "")


@pytest.mark.usefixtures("forgetful")
def test_without_bubblewrap_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    marker = tmp_path / "ran"
    sdist = in_tree_sdist(requires=f"open({str(marker)!r}, 'w')")
    with (
        BuildEnvironment(Path(sys.executable), []) as environment,
        pytest.raises(Unavailable, match="bubblewrap is not installed") as caught,
    ):
        ask_backend(io.BytesIO(sdist.content), filename=sdist.filename, environment=environment, step="requires")
    assert caught.value.code == "no-sandbox"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/bin/sh\nexit 3\n", "it ended with exit code 3"),
        ("#!/bin/sh\necho broken >&2\nexit 3\n", "broken"),
        ("#!/bin/sh\necho no JSON\n", "Expecting value"),
        ("#!/no/such/interpreter\n", "No such file"),
    ],
)
def test_an_interpreter_that_is_none(text: str, reason: str, tmp_path: Path):
    python = tmp_path / "python"
    python.write_text(text)
    python.chmod(0o755)
    with pytest.raises(Unavailable, match=reason) as caught:
        BuildEnvironment(python, [])
    assert caught.value.code == "interpreter-unusable"
    with pytest.raises(Unavailable, match="No such file"):
        BuildEnvironment(tmp_path / "absent", [])


@sandboxed
def test_a_sandbox_that_does_not_start_is_no_failure_of_the_sdist(monkeypatch: pytest.MonkeyPatch):
    sdist = in_tree_sdist(requires="return []")
    with BuildEnvironment(Path(sys.executable), []) as environment:
        monkeypatch.setattr(BuildEnvironment, "driver", ["/no/such/program"])
        with pytest.raises(Unavailable) as caught:
            ask_backend(io.BytesIO(sdist.content), filename=sdist.filename, environment=environment, step="requires")
    assert caught.value.code == "sandbox-failed"
    assert any("/no/such/program" in line for line in caught.value.context)
