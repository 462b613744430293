"""What waits in a queue for one thread, taken in batches."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import TypeVar

__all__ = ["batches"]

_T = TypeVar("_T")


def batches(waiting: queue.Queue[_T | None] | queue.SimpleQueue[_T | None], most: int) -> Iterator[list[_T]]:
    """Yield what has gathered in *waiting* whenever there is something, until None comes.

    :param most: of them at once.
    """
    ending = False
    while not ending and (first := waiting.get()) is not None:
        together = [first]
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
