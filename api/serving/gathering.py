"""What waits in a queue for one thread, taken in batches."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import TypeVar

__all__ = ["batches"]

_T = TypeVar("_T")


def batches(
    waiting: queue.Queue[_T | None] | queue.SimpleQueue[_T | None], most: int, pause: float = 0.0
) -> Iterator[list[_T]]:
    """Yield what has gathered in *waiting* whenever there is something, until None comes.

    :param most: of them at once.
    :param pause: seconds in which more may gather after the first one.
    """
    ending = False
    while not ending and (first := waiting.get()) is not None:
        together = [first]
        if pause:
            time.sleep(pause)
        while len(together) < most:
            try:
                more = waiting.get_nowait()
            except queue.Empty:
                break
            if more is None:
                ending = True
                break
            together.append(more)
        yield together
