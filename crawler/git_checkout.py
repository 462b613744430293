"""Fetching a commit of a git repository whose URL the user named: no hooks, no submodules, one transport."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from resolver.direct import Reference
from resolver.errors import InputError, Unavailable
from resolver.requirements_options import redact

__all__ = ["checked_out", "find_commit"]

_SECONDS = 900
_LARGEST_LIST = 64 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
#: Settings under which a checkout has the same bytes on every machine, and runs nothing of the repository's.
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.autocrlf": "false",
    "core.eol": "lf",
    "core.symlinks": "true",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "advice.detachedHead": "false",
    "init.defaultBranch": "main",
}


def find_commit(reference: Reference) -> str:
    """Return the commit that *reference* names now, asking the repository unless it is named in full.

    A tag goes before a branch of the same name, as with git; an annotated tag means its commit.

    :raises InputError: ``unknown-revision``.
    :raises Unavailable: ``git-not-found``, ``repository-unreachable``.
    """
    if reference.commit is not None:
        return reference.commit
    with tempfile.TemporaryDirectory(prefix="mach-git-") as folder:
        return _Git(reference, Path(folder)).find()


@contextmanager
def checked_out(reference: Reference, commit: str) -> Iterator[Path]:
    """Yield a temporary folder that holds *commit* of the repository, without ``.git``.

    Submodules are empty folders in it, and files of Git LFS are the pointers that git keeps, as Nix
    fetches them.

    :raises InputError: ``unknown-revision``.
    :raises Unavailable: ``git-not-found``, ``repository-unreachable``, ``no-temporary-space``.
    """
    with tempfile.TemporaryDirectory(prefix="mach-git-") as name:
        git = _Git(reference, Path(name))
        git.fetch(commit)
        yield git.check_out(commit)


class _Git:
    """git in a repository of its own, for one address."""

    def __init__(self, reference: Reference, folder: Path) -> None:
        found = shutil.which("git")
        if found is None:
            raise Unavailable(
                "git-not-found",
                "git is not on this machine, and a requirement names a git repository",
                hint="install git",
            )
        self._program = found
        self._reference = reference
        self._url = reference.location
        self._folder = folder
        self._repository = folder / "repository"

    def _run(self, *words: str, quiet: bool = False, own_settings: bool = False) -> str:
        """Run git; *own_settings* leaves the user's (proxies, credentials) out.

        :raises Unavailable: where it fails; its own words are the context.
        """
        settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        for name in ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_ASKPASS", "GIT_PROXY_COMMAND"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment |= {
            "GIT_ALLOW_PROTOCOL": self._url.partition("://")[0],
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_CEILING_DIRECTORIES": str(self._folder),
            "GIT_NO_REPLACE_OBJECTS": "1",
            "LC_ALL": "C.UTF-8",
        }
        environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        if own_settings:
            environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
        try:
            done = subprocess.run(
                [self._program, *settings, *words],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise self._unreachable([f"git gave no answer within {_SECONDS} seconds"]) from error
        if done.returncode != 0:
            raise self._unreachable(_last_lines(done.stderr))
        if len(done.stdout) > _LARGEST_LIST:
            raise self._unreachable(["its list of branches and tags is too long"])
        return done.stdout.decode("utf-8", "replace")

    def _unreachable(self, lines: Sequence[str]) -> Unavailable:
        return Unavailable(
            "repository-unreachable",
            f"git cannot fetch from {redact(self._url)}",
            context=lines,
            hint="check the address and your access to it (git asks no questions here); "
            "`git ls-remote ADDRESS` shows whether git reaches it",
        )

    def _unknown(self, revision: str) -> InputError:
        return InputError(
            "unknown-revision",
            f"{redact(self._url)} has no commit, tag or branch {revision!r}",
            hint="check what follows the @ of its address",
        )

    def find(self) -> str:
        """Return the commit that the reference's revision means."""
        revision = self._reference.revision
        lines = self._run("ls-remote", "--quiet", "--", self._url).splitlines()
        refs = {name: commit for commit, _, name in (line.partition("\t") for line in lines)}
        if not revision:
            wanted = ["HEAD"]
        else:
            wanted = [f"refs/tags/{revision}^{{}}", f"refs/tags/{revision}", f"refs/heads/{revision}"]
            wanted += [revision] if revision.startswith("refs/") else []
        for name in wanted:
            if _COMMIT.fullmatch(refs.get(name, "")):
                return refs[name]
        if _SHORT_COMMIT.fullmatch(revision):
            self._fetch_all()
            try:
                return self._run("-C", str(self._repository), "rev-parse", "--verify", f"{revision}^{{commit}}").strip()
            except Unavailable:
                pass
        raise self._unknown(revision or "HEAD")

    def _make_repository(self) -> None:
        if not self._repository.exists():
            self._run("init", "--quiet", "--template=", str(self._repository), own_settings=True)

    def _fetch_all(self) -> None:
        self._make_repository()
        self._run(
            *("-C", str(self._repository), "fetch", "--quiet", "--no-tags", "--", self._url),
            *("+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"),
        )

    def fetch(self, commit: str) -> None:
        """Fetch *commit* alone where the server gives single commits, else all branches and tags."""
        self._make_repository()
        try:
            self._run(
                "-C", str(self._repository), "fetch", "--quiet", "--no-tags", "--depth=1", "--", self._url, commit
            )
        except Unavailable:
            # old servers and plain file servers do not
            self._fetch_all()
        try:
            self._run("-C", str(self._repository), "cat-file", "-e", f"{commit}^{{commit}}")
        except Unavailable:
            raise self._unknown(commit) from None

    def check_out(self, commit: str) -> Path:
        """Write the files of *commit* and return their folder; the repository is gone then."""
        self._run(
            *("-C", str(self._repository), "checkout", "--quiet", "--force", "--detach", commit), own_settings=True
        )
        shutil.rmtree(self._repository / ".git")
        return self._repository


def _last_lines(stderr: bytes) -> list[str]:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return [redact(line) for line in lines[-4:]]
