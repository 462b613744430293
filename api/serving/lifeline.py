"""Ending with the process that started this one, also where that was killed."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.connection import wait

__all__ = ["SECONDS_TO_END", "end_with_parent"]

#: Seconds in which a service that is told to end may finish what it has begun; composed services have 30.
SECONDS_TO_END = 20


def end_with_parent(end: Callable[[], object]) -> None:
    """Have *end* called, in a thread, once the process that started this one is gone; nothing where none did."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        end()

    threading.Thread(target=watch, daemon=True, name="lifeline").start()
