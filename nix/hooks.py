"""Questions to build backends as Nix builds: the expression, what it takes, and how one of them ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from resolver.errors import Unavailable, printable, shorten
from resolver.lock import Nixpkgs

from .fixes import Chosen
from .literal import to_nix
from .runner import find_program

__all__ = [
    "Ended",
    "HookNixpkgs",
    "Question",
    "build_environment",
    "describe_gifts",
    "describe_nixpkgs",
    "fetch_interpreter",
    "run_hook",
]

_PARTS = ("mirrors", "fixes", "inherited", "project", "hook")
_SCRIPTS = ("compile_bytecode.py", "lay_out_environment.py", "patch_binaries.py")
#: For every build: where there can be no sandbox, there is no build. A daemon obeys those whom it trusts, so
#: the driver looks around as well before it asks anything.
_SANDBOXED = ("--option", "sandbox", "true", "--option", "sandbox-fallback", "false")
_LINES = 8
#: Bytes of Nix's messages that are kept of the beginning, in which the driver says that it begins, and of the end.
_KEPT = 64 << 10
#: Seconds after which Nix ends a build whose driver did not end by itself.
_GRACE = 30
_SCALE = 1 << 20
#: What ``hook_build_driver.py`` writes before anything of a stranger's runs.
_BEGINS = b"mach: the backend is asked"
_OPEN = re.compile(rb"^mach: this build is not in a sandbox: (.*)$", re.M)
_OWN_SENTENCE = re.compile(r"\bmach: (.+)")
_ERROR = re.compile(r"^\s*error: (.+)")
_SEQUENCES = re.compile(r"\x1b\[[0-9;]*m")
_TIMED_OUT = 0x65


@dataclass(frozen=True, slots=True, kw_only=True)
class HookNixpkgs:
    """What a nixpkgs is, as far as hooks go."""

    system: str
    """The Nix system that it builds for here."""
    pythons: tuple[str, ...]
    """X.Y of the CPythons that it has, of those that were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a hook's derivation is made of, besides files."""

    nixpkgs: Nixpkgs | None
    """None: ``<nixpkgs>`` of NIX_PATH."""
    python: str
    """X.Y, which that nixpkgs has."""
    release: tuple[str, str]
    """Project and version of the sdist."""
    closure: tuple[tuple[str, str], ...] = ()
    """Those of the sdists that its environment was built from."""
    fixed: bool = False
    """Whether these releases get what they take of nixpkgs: what fixes say, else what its own derivations take."""
    fixes: Chosen = field(default_factory=dict)
    """What fixes say of these releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a hook's build ended."""

    how: Literal["built", "failed", "timeout", "too-much-output"]
    output: Path | None = None
    """Its store path, where it was built; what is in it is a stranger's."""


def describe_nixpkgs(nixpkgs: Nixpkgs | None, pythons: Sequence[str]) -> HookNixpkgs:
    """Return what a nixpkgs has for hooks: a second or two of evaluation.

    :param pythons: the X.Y that are of interest.
    :raises Unavailable: ``nix-not-found``; ``hook-not-built`` where there is no such nixpkgs.
    """
    question = Question(nixpkgs=nixpkgs, python="", release=("", ""))
    with _expression(question, pythons=list(pythons)) as folder:
        words = ["--eval", "--strict", "--json", "-A", "about", str(folder / "default.nix")]
        found = json.loads(_call("nix-instantiate", *words))
    return HookNixpkgs(system=found["system"], pythons=tuple(found["pythons"]))


def describe_gifts(question: Question) -> Mapping[str, tuple[str, ...]]:
    """Return by project what the releases of *question* take of nixpkgs, by name; a second or two of evaluation.

    :raises Unavailable: ``nix-not-found``; ``hook-not-built`` where it cannot be told.
    """
    with _expression(question) as folder:
        words = ["--eval", "--strict", "--json", "-A", "gifts", str(folder / "default.nix")]
        found = json.loads(_call("nix-instantiate", *words))
    return {project: tuple(printable(name) for name in names) for project, names in found.items()}


def fetch_interpreter(nixpkgs: Nixpkgs | None, python: str, root: Path) -> Path:
    """Build, or fetch, the CPython X.Y of a nixpkgs and return the program's path.

    :param root: a link to make, which keeps it from being collected.
    :raises Unavailable: ``nix-not-found``, ``hook-not-built``.
    """
    question = Question(nixpkgs=nixpkgs, python=python, release=("", ""))
    with _expression(question) as folder:
        return _build(folder, "python", root) / "bin" / f"python{python}"


def build_environment(question: Question, environment: Path, root: Path) -> Path:
    """Put a build environment into the store and return its path: binaries find their libraries in there.

    :param environment: a virtual environment, whose scripts begin with ``#!/mach/environment/bin/``.
    :param root: a link to make, which keeps it from being collected.
    :raises Unavailable: ``nix-not-found``, ``hook-not-built``, ``no-temporary-space``.
    """
    with _expression(question) as folder:
        _pack(environment, folder / "environment.tar", mtime=0)
        return _build(folder, "environment", root)


def run_hook(
    question: Question,
    *,
    request: bytes,
    driver: Path,
    environment: Path | None = None,
    source: Path | None = None,
    root: Path,
    seconds: float,
    output: int,
) -> Ended:
    """Ask one question as a build, in a sandbox, and return how that ended.

    :param request: JSON for the *driver*, a folder with ``hook_build_driver.py``.
    :param environment: what :func:`build_environment` returned; None to find out whether there is a sandbox.
    :param source: a source tree, whose times and modes are kept; None likewise.
    :param root: a link to make, which keeps the output from being collected.
    :param seconds: after which the driver stops by itself, on the clock.
    :param output: bytes that the build may write to its log.
    :raises Unavailable: ``no-sandbox`` where the build would not have been in one; ``nix-not-found``,
        ``hook-not-built``, ``no-temporary-space``.
    """
    probe = environment is None or source is None
    with _expression(question, probe=probe, environment=None if probe else str(environment)) as folder:
        (folder / "request.json").write_bytes(request)
        shutil.copytree(driver, folder / "driver")
        if source is not None:
            _pack(source, folder / "source.tar", name="source")
        file = str(folder / "default.nix")
        drvs = _call("nix-instantiate", file, "-A", "inputs", "-A", "hook", "--add-root", str(folder / "drv"))
        inputs, hook = (Path(line).resolve() for line in drvs.splitlines())
        # with the user's own settings: what they take is as long as it takes
        _call("nix-store", "--realise", str(inputs), "--add-root", str(folder / "inputs"), *_SANDBOXED)
        return _supervise(hook, root, seconds=seconds, most=output)


# ---- the expression

_BODY = """\
let
  parts = {{
{parts}  }};
in
parts.hook {{ inherit parts; scripts = {scripts}; given = {given}; files = ./.; }}
"""


@contextlib.contextmanager
def _expression(question: Question, **more: Any) -> Iterator[Path]:
    """Yield a new folder with the expression of *question* as ``default.nix``."""
    library = files("nix.lib")
    parts = "".join(f"    {name} =\n{library.joinpath(f'{name}.nix').read_text('utf-8')};\n" for name in _PARTS)
    scripts = {name: library.joinpath(name).read_text("utf-8") for name in _SCRIPTS}
    nixpkgs = question.nixpkgs
    given: dict[str, Any] = {
        "nixpkgs": None if nixpkgs is None else {"rev": nixpkgs.rev, "sha256": nixpkgs.sha256},
        "python": question.python,
        "pythons": [],
        "release": _release(question.release),
        "closure": [_release(release) for release in question.closure],
        "fixed": question.fixed,
        "fixes": question.fixes,
        "probe": False,
        "environment": None,
        **more,
    }
    try:
        with tempfile.TemporaryDirectory(prefix="mach-hook-") as name:
            folder = Path(name)
            text = _BODY.format(parts=parts, scripts=to_nix(scripts), given=to_nix(given))
            (folder / "default.nix").write_text(text, encoding="utf-8")
            yield folder
    except OSError as error:
        raise _no_room(error) from error


def _release(release: tuple[str, str]) -> Mapping[str, str]:
    name, version = release
    return {"name": name, "version": version}


def _pack(tree: Path, archive: Path, *, name: str = "", mtime: int | None = None) -> None:
    """Make an archive of *tree* that depends on nothing but what is in it.

    :param name: the folder in the archive.
    :param mtime: of everything in it; None keeps times.
    """

    def make_anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        member.mtime = int(member.mtime) if mtime is None else mtime
        return member

    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(tree, arcname=name or ".", filter=make_anonymous)


def _no_room(error: OSError) -> Unavailable:
    return Unavailable(
        "no-temporary-space",
        f"what a Nix build takes cannot be written: {error.strerror}",
        hint="free space in the folder for temporary files, or name another one with TMPDIR",
    )


# ---- running Nix


def _build(folder: Path, attribute: str, root: Path) -> Path:
    file = str(folder / "default.nix")
    printed = _call("nix-build", file, "-A", attribute, "--out-link", str(root), *_SANDBOXED)
    return Path(printed.splitlines()[-1]).resolve()


def _call(program: str, *words: str) -> str:
    """Run one of Nix's programs and return its stdout.

    :raises Unavailable: ``nix-not-found``; ``hook-not-built`` with what it said.
    """
    done = subprocess.run([find_program(program), *words], stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        raise _refused(done.stderr)
    return done.stdout.decode()


def _refused(stderr: bytes) -> Unavailable:
    lines = [line.rstrip() for line in _SEQUENCES.sub("", stderr.decode(errors="replace")).splitlines() if line.strip()]
    own = [found[1] for line in lines if (found := _OWN_SENTENCE.search(line))]
    errors = [found[1] for line in lines if (found := _ERROR.match(line))]
    reason = (own or errors or lines or ["it said nothing"])[-1]
    return Unavailable(
        "hook-not-built",
        f"Nix cannot prepare the build in which an sdist's build backend is asked: {printable(shorten(reason, 500))}",
        context=[printable(shorten(line, 300)) for line in lines[-_LINES:]],
        hint="see whether nix-build works here, and which nixpkgs NIX_PATH or --nixpkgs name",
    )


@dataclass(slots=True)
class _Said:
    """What Nix and the build wrote to stderr: the beginning, the end and the size."""

    most: int
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    size: int = 0

    def take(self, data: bytes) -> None:
        self.size += len(data)
        self.head += data[: max(0, _KEPT - len(self.head))]
        self.tail += data
        del self.tail[:-_KEPT]

    @property
    def is_too_much(self) -> bool:
        return self.size > self.most + _SCALE


def _supervise(hook: Path, root: Path, *, seconds: float, most: int) -> Ended:
    """Build the derivation *hook*, all of whose inputs are there."""
    limits = {
        "timeout": str(int(seconds) + _GRACE),
        "max-silent-time": "0",
        "max-build-log-size": str(most),
        # here and nowhere else
        "builders": "",
        "max-jobs": "1",
        "keep-failed": "false",
        "post-build-hook": "",
    }
    options = [word for name, value in limits.items() for word in ("--option", name, value)]
    words = ["--realise", str(hook), "--add-root", str(root), *_SANDBOXED, *options]
    process = subprocess.Popen(
        [find_program("nix-store"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said = _Said(most)
    try:
        in_time = _read_all(process, said, time.monotonic() + seconds + 2 * _GRACE)
    finally:
        code = _end(process)
    if found := _OPEN.search(bytes(said.head)):
        raise _open(found[1])
    if code == 0 and in_time:
        return Ended(how="built", output=root.resolve())
    if _BEGINS not in said.head:
        raise _refused(bytes(said.tail))
    if said.is_too_much or b"after writing more than" in said.tail[-2000:]:
        return Ended(how="too-much-output")
    return Ended(how="timeout" if not in_time or code == _TIMED_OUT else "failed")


def _read_all(process: subprocess.Popen[bytes], said: _Said, deadline: float) -> bool:
    """Read what *process* writes until it ends or goes too far; return whether that was in time."""
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map() and not said.is_too_much:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in selector.select(left):
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    said.take(data)
    return True


def _end(process: subprocess.Popen[bytes]) -> int:
    """Let Nix end by itself, which ends the build, or end it; return its exit code."""
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    for patience, number in ((5, signal.SIGTERM), (20, signal.SIGKILL)):
        try:
            return process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
    return process.wait()


def _open(reason: bytes) -> Unavailable:
    said = printable(shorten(reason.decode(errors="replace"), 200))
    return Unavailable(
        "no-sandbox",
        f"an sdist's build backend cannot be run: Nix did not build in a sandbox ({said})",
        hint="set `sandbox = true` in nix.conf, or install bubblewrap; hooks of strangers are never run without one",
    )
