"""Running Nix: finding its programs, building an attribute, opening a shell, and what its exit codes mean."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from resolver.errors import InputError, Unavailable

__all__ = ["NixFailed", "build", "find_program", "shell"]

#: Where installers put Nix when the shell's profile was not read.
_USUAL_FOLDERS = ("/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin", "~/.nix-profile/bin")

#: Bits of Nix's exit code (manual, "nix-store --realise"): 100 = 0x64 a build failed, 101 in time, 102 a hash, 104.
_TIMED_OUT, _HASH_MISMATCH, _NOT_DETERMINISTIC = 0x01, 0x02, 0x08


class NixFailed(Unavailable):
    """A Nix command failed and has said why on stderr.

    :ivar exit_code: Nix's own, to be passed on.
    """

    def __init__(self, code: str, message: str, *, exit_code: int, hint: str | None = None) -> None:
        super().__init__(code, message, hint=hint, details={"exit_code": exit_code})
        self.exit_code = exit_code


def find_program(name: str) -> str:
    """Return the absolute path of one of Nix's programs, ``nix-build``.

    :raises Unavailable: ``nix-not-found``, with what to install.
    """
    path = os.environ.get("PATH", os.defpath)
    usual = os.pathsep.join(str(Path(folder).expanduser()) for folder in _USUAL_FOLDERS)
    found = shutil.which(name, path=path) or shutil.which(name, path=usual)
    if found is None:
        raise Unavailable(
            "nix-not-found",
            f"{name} is not on this machine, and this command needs Nix",
            hint="install Nix (Debian: apt install nix-bin; elsewhere: the installer of nixos.org); "
            "mach gen and mach lock work without it",
        )
    return str(Path(found).absolute())


def build(
    expression: Path,
    *,
    attribute: str = "env",
    out_link: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Path:
    """Build one attribute of the file *expression* and return its store path.

    Nix's progress goes to stderr as it happens.

    :param out_link: a symbolic link to make, which also protects the result from garbage collection;
        none is made otherwise.
    :param arguments: argument of the expression's function -> Nix expression (``--arg``).
    :param options: further words for nix-build, ``--check``.
    :raises Unavailable: ``nix-not-found``.
    :raises NixFailed: ``nix-evaluation-failed``, ``nix-build-failed``, ``nix-hash-mismatch``,
        ``nix-timed-out``, ``nix-not-deterministic``; with Nix's exit code.
    """
    link = ["--no-out-link"] if out_link is None else ["--out-link", str(_absolute(out_link))]
    command = [
        find_program("nix-build"),
        str(_existing(expression)),
        "-A",
        attribute,
        *link,
        *_words(arguments),
        *options,
    ]
    with _interrupts_left_to_child():
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, errors="surrogateescape")
    if done.returncode != 0:
        raise _failed(done.returncode)
    *_, path = done.stdout.splitlines()
    # with --out-link the link's path is printed
    return Path(path).resolve()


def shell(
    expression: Path,
    *,
    attribute: str = "shell",
    pure: bool = False,
    command: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> int:
    """Open the shell of the file *expression*, or run one command in it, and return its exit code.

    :param pure: leave out the caller's environment, as far as nix-shell does.
    :param command: text for the shell, as the user wrote it.
    :param arguments: argument of the expression's function -> Nix expression (``--arg``).
    :raises Unavailable: ``nix-not-found``.
    """
    words = [find_program("nix-shell"), str(_existing(expression)), "-A", attribute, *_words(arguments)]
    words += ["--pure"] if pure else []
    words += ["--run", command] if command is not None else []
    with _interrupts_left_to_child():
        return _shell_code(subprocess.run(words).returncode)


def _words(arguments: Mapping[str, str] | None) -> list[str]:
    return [word for name, value in (arguments or {}).items() for word in ("--arg", name, value)]


def _absolute(path: Path) -> Path:
    # a relative one may begin with a dash, and resolving would follow an old out-link
    return Path(os.path.abspath(path))  # noqa: PTH100


def _existing(expression: Path) -> Path:
    path = _absolute(expression)
    if not path.exists():
        raise InputError("file-not-found", f"there is no {expression}", hint="make it with mach gen -o FILE")
    return path


def _shell_code(code: int) -> int:
    """Return an exit code as shells have it: a signal counts as 128 and its number."""
    return 128 - code if code < 0 else code


def _failed(code: int) -> NixFailed:
    if code < 0:
        return NixFailed(
            "nix-interrupted",
            f"Nix was ended by {signal.Signals(-code).name}",
            exit_code=128 - code,
            hint="run the command again: what was finished is kept",
        )
    if code & 0x60 != 0x60:
        # Nix 2.8 says 1 as well where a dependency could not be fetched
        return NixFailed(
            "nix-evaluation-failed",
            "Nix could not evaluate the expression, or could not get a file that it needs",
            exit_code=code,
            hint="Nix's own lines above say which; where an attribute is missing, pin another nixpkgs with --nixpkgs",
        )
    if code & _HASH_MISMATCH:
        return NixFailed(
            "nix-hash-mismatch",
            "a file that Nix fetched is not the one in the lock",
            exit_code=code,
            hint="the hashes are above; where the file was really replaced, lock again with --upgrade-package NAME",
        )
    if code & _TIMED_OUT:
        return NixFailed(
            "nix-timed-out", "a build took too long", exit_code=code, hint="raise `timeout` in nix.conf, or build again"
        )
    if code & _NOT_DETERMINISTIC:
        return NixFailed(
            "nix-not-deterministic",
            "a second build gave other bytes",
            exit_code=code,
            hint="`nix-build --check --keep-failed` keeps both results, to be compared",
        )
    return NixFailed(
        "nix-build-failed",
        "a build failed; its last lines are above",
        exit_code=code,
        hint="`nix-store --read-log` with the .drv named above shows all of its lines",
    )


@contextlib.contextmanager
def _interrupts_left_to_child() -> Iterator[None]:
    """Let Ctrl-C end Nix, which cleans up after itself, before it ends this process."""
    try:
        old = signal.signal(signal.SIGINT, lambda *_: None)
    except ValueError:  # not the main thread, which no Ctrl-C reaches
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
