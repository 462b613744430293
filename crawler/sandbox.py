"""Running one command of a stranger in a bubblewrap sandbox: no network, hard limits, and nothing left of it."""

from __future__ import annotations

import json
import os
import platform
import re
import select
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from resolver.errors import Unavailable

from .hook_failures import FailureClass, last_lines
from .sandbox_limits import Limits, find_excess, read_usage
from .sandbox_user import other_user, shown_to_its_user
from .sandbox_view import ENVIRONMENT, WORK, View
from .syscall_filter import ARCHITECTURES, make_filter

__all__ = ["NO_SANDBOX_HINT", "Ending", "missing_sandbox", "require_sandbox", "run_sandboxed"]

#: Seconds between two looks at what a sandbox uses: what it may use above a limit before it is stopped.
_TICK = 0.05
_TAIL = 64 << 10
#: Bytes of shared memory in /dev/shm, which semaphores need.
_SHARED = 64 << 20
#: bubblewrap 0.8.0 (2023) is the first that has --size and --disable-userns.
_OLDEST = (0, 8, 0)
#: Linux 5.14 (2021) is the first that counts processes by user namespace, so that a sandbox's limit is its own.
_OLDEST_LINUX = (5, 14)
#: The two ways to a sandbox.
NO_SANDBOX_HINT = (
    "install bubblewrap 0.8.0 or newer (its program is bwrap) on Linux 5.14 or newer, with user namespaces allowed; "
    "or Nix, with `sandbox = true` in nix.conf and a nixpkgs in NIX_PATH or by --nixpkgs; "
    "hooks of strangers are never run without a sandbox"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a sandbox ended."""

    reply: bytes
    """What the command sent over its socket after it had handed over the folders; untrusted.

    Where an attachment was taken, only what came before it.
    """
    output: bytes
    """The last 64 KiB of stdout and stderr; untrusted."""
    stopped: FailureClass | None
    """Which limit it went beyond, where it was stopped."""


def _bwrap() -> list[str]:
    """Return the command that makes the namespaces, as far as it is the same for every sandbox."""
    flags = "--unshare-all --unshare-user --disable-userns --die-with-parent --new-session --clearenv --cap-drop ALL"
    return [shutil.which("bwrap") or "bwrap", *flags.split(), "--uid", "1000", "--gid", "1000", "--hostname", "mach"]


def _user_options() -> dict[str, Any]:
    user = other_user()
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def missing_sandbox() -> str | None:
    """Return why no sandbox can be made here, None where one can: tried once in a process, some 20 ms."""
    return _try_sandbox(shutil.which("bwrap"))


@lru_cache(maxsize=8)
def _try_sandbox(program: str | None) -> str | None:
    if platform.system() != "Linux":
        return f"sandboxes need Linux, and this is {platform.system() or 'something else'}"
    release = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    if release < _OLDEST_LINUX:
        return f"Linux {os.uname().release} is too old"
    if os.uname().machine not in ARCHITECTURES:
        return f"no filter of system calls is known for {os.uname().machine}"
    if program is None:
        return "bubblewrap is not installed: there is no program bwrap"
    if os.geteuid() == 0 and other_user() is None and Path("/proc/self/uid_map").read_text().split()[1:2] == ["0"]:
        return "root cannot become another user here, and the kernel limits root's processes by nothing"
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        numbers = tuple(int(number) for number in re.findall(r"\d+", asked)[:3])
        if numbers < _OLDEST:
            return f"bubblewrap {'.'.join(map(str, numbers))} is too old"
        command = [*_bwrap(), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "/bin/sh", "-c", ":"]
        tried = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False, **_user_options()
        )
        os.close(os.pidfd_open(os.getpid()))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"bubblewrap cannot be used ({error})"
    if tried.returncode != 0:
        said = last_lines(tried.stderr)
        return f"bubblewrap cannot make a sandbox ({said[-1] if said else f'exit code {tried.returncode}'})"
    return None


def require_sandbox() -> None:
    """Do nothing where a sandbox can be made.

    :raises Unavailable: ``no-sandbox``, with the reason.
    """
    reason = missing_sandbox()
    if reason is not None:
        raise Unavailable("no-sandbox", f"an sdist's build backend cannot be run: {reason}", hint=NO_SANDBOX_HINT)


def _arguments(view: View, limits: Limits, command: Sequence[str], *, information: int, filter_: int) -> list[str]:
    arguments = [*_bwrap(), "--info-fd", str(information), "--seccomp", str(filter_)]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    for source, place in view.folders:
        arguments += ["--ro-bind", str(source), str(place)]
    for target, place in view.links:
        arguments += ["--symlink", target, str(place)]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    arguments += ["--perms", "1777", "--size", str(_SHARED), "--tmpfs", "/dev/shm"]  # noqa: S108 (in the sandbox)
    # a little more than may be used, so that going beyond the limit is seen
    arguments += ["--perms", "0755", "--size", str(limits.file_bytes + (16 << 20)), "--tmpfs", str(WORK)]
    # folders of the sandbox, all of them
    arguments += ["--dir", f"{WORK}/tmp", "--dir", f"{WORK}/home", "--symlink", f"{WORK}/tmp", "/tmp"]  # noqa: S108
    # the roots of both are file systems in memory, without a size
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(WORK), "--", *command]


@dataclass(slots=True)
class _Run:
    """A sandbox that is running, and what has come out of it."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    output: int
    information: int
    limits: Limits
    child: int | None = None
    """A descriptor of the first process inside: when it is killed, the kernel kills all others."""
    folders: list[int] = field(default_factory=list)
    """Descriptors of /proc and of the writable file systems inside, once they have been handed over."""
    attachment: IO[bytes] | None = None
    """Where what follows the first line of the reply goes; None: that is the reply's."""
    room: int = 0
    """Bytes that the attachment may still have."""
    attached: bool = False
    reply: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    written: int = 0
    said: bytearray = field(default_factory=bytearray)
    stopped: FailureClass | None = None

    def take_output(self) -> bool:
        """Keep the end of what was written; return whether more may follow."""
        data = _read(self.output)
        if data:
            self.written += len(data)
            self.tail += data
            del self.tail[:-_TAIL]
            if self.written > self.limits.output:
                self.stopped = self.stopped or FailureClass.TOO_MUCH_OUTPUT
        return data != b""

    def take_information(self) -> bool:
        """Learn which process is the first one inside; return whether more may follow."""
        data = _read(self.information)
        self.said += data or b""
        if self.child is None and b"}" in self.said:
            with suppress(ProcessLookupError):
                self.child = os.pidfd_open(int(json.loads(self.said)["child-pid"]))
        return data != b""

    def take_reply(self) -> bool:
        """Take the folders, then the reply; return whether more may follow."""
        try:
            if not self.folders:
                _, self.folders, _, _ = socket.recv_fds(self.control, 1, 3)
                return len(self.folders) == 3
            # descriptors that come with it are closed by the kernel
            data = self.control.recv(1 << 16)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        line, more = (b"", data) if self.attached else self._split(data)
        self.reply += line
        self.room -= len(more)
        if len(self.reply) > 2 * self.limits.answer + (1 << 20) or self.room < 0:
            self.stopped = self.stopped or FailureClass.FALSE_RESULT
        elif more and self.attachment is not None:
            _write(self.attachment, more)
        return data != b""

    def _split(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what is the reply's own, and what is the attachment's."""
        if self.attachment is None:
            return data, b""
        line, end, more = data.partition(b"\n")
        self.attached = end != b""
        return line, more

    def look(self) -> None:
        """Stop the run where a limit is exceeded."""
        if self.folders and self.stopped is None:
            usage = read_usage(self.folders[0], self.folders[1:], memory_limit=self.limits.memory)
            self.stopped = find_excess(usage, self.limits)

    def supervise(self) -> None:
        """Return when the command has ended or a limit was exceeded."""
        deadline = time.monotonic() + self.limits.wall_seconds
        next_look = time.monotonic() + _TICK
        ended = os.pidfd_open(self.process.pid)
        sources = {self.output: self.take_output, self.information: self.take_information}
        sources[self.control.fileno()] = self.take_reply
        try:
            with selectors.DefaultSelector() as selector:
                for source in (ended, *sources):
                    selector.register(source, selectors.EVENT_READ)
                while self.stopped is None:
                    ready = {key.fd for key, _ in selector.select(max(0.0, next_look - time.monotonic()))}
                    for source in ready & sources.keys():
                        if not sources[source]():
                            selector.unregister(source)
                    if ended in ready:
                        self._drain()
                        return
                    now = time.monotonic()
                    if now >= next_look:
                        self.look()
                        next_look = time.monotonic() + _TICK
                    if now >= deadline:
                        self.stopped = self.stopped or FailureClass.TIMEOUT
        finally:
            os.close(ended)

    def _drain(self) -> None:
        """Take what lies in the pipes still; what runs on inside may hold them open, and is not waited for."""
        while self.stopped is None and _is_ready(self.output, 0) and self.take_output():
            pass
        while self.stopped is None and _is_ready(self.control.fileno(), 0) and self.take_reply():
            pass

    def end(self) -> None:
        """Kill everything inside and wait until it is gone."""
        if self.child is None and self.process.poll() is None:
            # it has only just begun, and says at once which process is the first one inside
            while self.child is None and _is_ready(self.information, 5) and self.take_information():
                pass
        if self.child is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.child, signal.SIGKILL)
            # it counts as ended once all the others are
            _is_ready(self.child, 30)
            os.close(self.child)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for folder in self.folders:
            os.close(folder)


def _write(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise Unavailable(
            "no-temporary-space",
            f"what a build backend has made cannot be kept: {error.strerror}",
            hint="free space where mach keeps files",
        ) from error


def _is_ready(descriptor: int, seconds: float) -> bool:
    """Wait at most *seconds* until *descriptor* can be read; return whether it can."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _read(descriptor: int) -> bytes | None:
    """Return what can be read now, b"" at the end, None where there is nothing yet."""
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return None


def run_sandboxed(
    command: Sequence[str], *, request: bytes, view: View, limits: Limits, attachment: IO[bytes] | None = None
) -> Ending:
    """Run *command* in a sandbox of its own, and return when nothing of it is left.

    The last argument of the command will be the number of a socket. The command reads *request*
    from it, sends one byte along with descriptors of ``/proc``, ``/build`` and ``/dev/shm``
    before any stranger's code runs, and whatever it sends then is the reply.

    :param request: at most 64 KiB.
    :param attachment: takes what follows the first line of the reply, at most *limits.wheel* bytes.
    :raises Unavailable: ``no-sandbox``; ``sandbox-failed`` where the command itself did not start;
        ``no-temporary-space`` where *attachment* cannot be written.
    """
    require_sandbox()
    with ExitStack() as stack:
        launcher, view = stack.enter_context(shown_to_its_user(view))
        control, inside = socket.socketpair()
        stack.enter_context(control)
        stack.enter_context(inside)
        pipes = [os.pipe() for _ in range(3)]
        (output, output_end), (information, information_end), (filter_, filter_end) = pipes
        opened = {descriptor for pipe in pipes for descriptor in pipe}

        def close(*descriptors: int) -> None:
            for descriptor in descriptors:
                opened.remove(descriptor)
                os.close(descriptor)

        stack.callback(lambda: close(*opened))
        os.write(filter_end, make_filter(os.uname().machine))
        close(filter_end)
        control.sendall(request)
        for descriptor in (output, information, control.fileno()):
            os.set_blocking(descriptor, False)
        arguments = _arguments(
            view, limits, [*command, str(inside.fileno())], information=information_end, filter_=filter_
        )
        process = subprocess.Popen(
            [*launcher, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output_end,
            stderr=output_end,
            pass_fds=(information_end, filter_, inside.fileno()),
            cwd="/",
            env={"PATH": os.defpath},
            start_new_session=True,
            **({} if launcher else _user_options()),
        )
        run = _Run(
            process=process,
            control=control,
            output=output,
            information=information,
            limits=limits,
            attachment=attachment,
            room=limits.wheel,
        )
        try:
            close(output_end, information_end, filter_)
            inside.close()
            run.supervise()
        finally:
            run.end()
        if not run.folders and run.stopped is None:
            raise Unavailable(
                "sandbox-failed",
                "the sandbox of an sdist's build backend did not start",
                context=last_lines(bytes(run.tail)),
                hint="see that the interpreter and the folder for temporary files (TMPDIR) can be read by every user",
            )
        return Ending(reply=bytes(run.reply), output=bytes(run.tail), stopped=run.stopped)
