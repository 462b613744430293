"""What the command line shows on stderr: notes, warnings, errors and progress."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from api.notices import Notices
from resolver.errors import EXIT_CODES, MachError, Unavailable, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Console", "discard_output"]

#: What to do about errors of the system, by number.
_HINTS = {
    errno.ENOSPC: "make room on the disk and run the command again",
    errno.EDQUOT: "make room in your quota and run the command again",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or write elsewhere",
    errno.EACCES: "check the permissions of that file",
    errno.EROFS: "name a place that can be written to",
    errno.EBADF: "standard output is closed: redirect it to a file, or open it",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOMEM: "free memory and run the command again",
}

_RED, _YELLOW, _CYAN, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[0m"


class Console:
    """Writes to stderr; colour and progress only where it is a terminal, and NO_COLOR is not set."""

    _current: Console | None = None

    def __init__(self) -> None:
        self.verbosity = 0
        """-1 quiet, 0 plain, 1 and more: details."""
        self.json = False
        self.show_progress = True
        self.show_stats = False
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._terminal = terminal
        self._colour = terminal and not os.environ.get("NO_COLOR")
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    @classmethod
    def current(cls) -> Console:
        """Return the console of this process."""
        if cls._current is None:
            cls._current = cls()
        return cls._current

    def line(self, text: str) -> None:
        """Write one line."""
        self.end_progress()
        # where nobody reads or the disk is full, the work goes on: its result and exit code matter more
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:
            discard_output(sys.stderr)

    def _painted(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colour else text

    def note(self, text: str) -> None:
        """Tell what was done or chosen, unless ``-q``."""
        if self.verbosity >= 0:
            self.line(printable(text))

    def detail(self, text: str) -> None:
        """Tell a detail, with ``-v``."""
        if self.verbosity >= 1:
            self.line(printable(text))

    def warn(self, text: str) -> None:
        """Tell what the user may want to change."""
        self.line(f"{self._painted(_YELLOW, 'warning:')} {printable(text)}")

    def error(self, error: MachError) -> None:
        """Show an error: for people on stderr, and with ``--json`` as one document on stdout as well."""
        head = self._painted(_RED, f"error[{error.code}]:")
        lines = [f"{head} {error.message}", *(f"  {line}" for line in error.context)]
        if error.hint is not None:
            lines.append(f"{self._painted(_CYAN, 'hint:')} {error.hint}")
        self.line("\n".join(lines))
        self._error_document(error.to_json())

    def _error_document(self, value: dict[str, object]) -> None:
        if self.json:
            try:
                self.result({"error": value})
            except OSError as error:  # it has been told to people already
                self.line(f"the error cannot be written to standard output: {error.strerror}")

    def system_error(self, error: OSError) -> int:
        """Show what the operating system refused, and return the exit code."""
        place = f"{str(error.filename)[:300]}: " if error.filename else ""
        if self.verbosity >= 2:
            self._trace(error)
        self.error(
            Unavailable(
                "system-error",
                f"{place}{error.strerror or error}",
                hint=_HINTS.get(error.errno or 0, "see to it and run the command again; -vv shows where it happened"),
            )
        )
        return EXIT_CODES[Unavailable]

    def bug(self, error: BaseException) -> None:
        """Show that mach itself is wrong, with what a report needs."""
        message = printable(f"{type(error).__name__}: {error}")
        self.line(f"{self._painted(_RED, 'error[bug]:')} {message}")
        self.line("This is a bug in mach. Please report it with the command and these lines:")
        self._trace(error)
        self._error_document({"code": "bug", "message": message, "context": [], "hint": "report it, please"})

    def _trace(self, error: BaseException) -> None:
        import traceback

        for part in traceback.format_exception(error):
            self.line("\n".join(printable(line) for line in part.splitlines()))

    # ---- progress

    def _advance(self, done: int, total: int, what: str) -> None:
        if self.verbosity < 0 or not (self._terminal and self.show_progress):
            return
        if self._progress is None:
            from rich.console import Console as RichConsole
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("fetching"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=RichConsole(stderr=True, no_color=not self._colour),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("", total=total)
        assert self._task is not None
        self._progress.update(self._task, completed=done, total=total, description=printable(what)[:40])

    def end_progress(self) -> None:
        """Take the progress bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def notices(self) -> Notices:
        """Return this console as what use cases talk to."""
        return Notices(detail=self.detail, note=self.note, warn=self.warn, progress=self._advance)

    def result(self, value: Any) -> None:
        """Write a JSON document to stdout, in ASCII: what strangers wrote must not steer a terminal.

        :raises OSError: where stdout takes nothing; no other document is tried then.
        """
        try:
            print(json.dumps(value, indent=2, sort_keys=True), flush=True)
        except OSError:
            self.json = False
            discard_output(sys.stdout)
            raise


def discard_output(stream: TextIO) -> None:
    """Let *stream*, which takes nothing, end in nothing, so that Python does not complain of it again at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)
