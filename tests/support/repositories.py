"""Source trees and git repositories for tests, and a plain file server that git reads (its "dumb" protocol)."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["DEMO", "Repository", "file_server", "write_tree"]

#: A project with a static [project] table, a module below src and a program.
DEMO = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "Demo.App"
version = "1.2"
dependencies = ["idna>=3"]
requires-python = ">=3.9"

[project.optional-dependencies]
shout = ["certifi"]

[project.scripts]
demo = "demo_app:main"
""",
    "src/demo_app/__init__.py": "import idna\n\ndef main():\n    print('hello from', __file__)\n",
}


def write_tree(folder: Path, files: Mapping[str, str]) -> Path:
    """Write *files* (path -> text) below *folder* and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


class Repository:
    """A git repository in *folder*, on the branch ``main``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        """Run git in it and return what it prints."""
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": "t@t.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z",
            "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z",
        }
        done = subprocess.run(["git", *words], cwd=self.folder, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str] = {}, *, tag: str | None = None) -> str:
        """Write *files*, commit everything and return the commit."""
        write_tree(self.folder, files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a commit")
        if tag is not None:
            self.git("tag", "--annotate", tag, "--message", tag)
        self.git("update-server-info")
        return self.git("rev-parse", "HEAD")

    @property
    def url(self) -> str:
        """Its address on this machine."""
        return f"git+file://{self.folder}"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve the files below *folder* on loopback and yield the URL, without a slash at its end."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
