"""What each client may take in a minute: requests, facts that are fetched, wrong tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cachetools import LRUCache

__all__ = ["Budget"]

_MINUTE = 60.0
#: Clients that are known by name at once; the one that was quiet for the longest is forgotten.
_CLIENTS = 100_000


class Budget:
    """An allowance that every client has of its own, used at once or bit by bit; it comes back evenly.

    The generic cell rate algorithm (ITU-T I.371): of each client one time is kept, at which all of its allowance
    will be back. It holds a number of clients that is bounded and takes costs that are larger than one, neither of
    which the in-memory store of the ``limits`` library does; that one also starts a thread for each entry. Safe
    to share between threads.

    :param most: a minute, for each client; 0 for no limit.
    :param clock: seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._step = _MINUTE / most if most else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._full_at: LRUCache[str, float] = LRUCache(_CLIENTS)

    def wait_for(self, client: str, count: int = 1) -> float:
        """Return the seconds until *client* may take *count*, without taking it; 0 where it may now."""
        with self._lock:
            return self._wait(client, count, self._clock())

    def spend(self, client: str, count: int = 1) -> float:
        """Take *count* of what *client* has, and return 0; where that is too little, the seconds until it is enough.

        Who has all of the allowance may take more than that at once, and waits the longer afterwards.
        """
        with self._lock:
            now = self._clock()
            wait = self._wait(client, count, now)
            if not wait:
                self._take(client, count, now)
            return wait

    def charge(self, client: str, count: int) -> None:
        """Take *count* of what *client* has, and more than that where it is too little: it waits the longer."""
        with self._lock:
            self._take(client, count, self._clock())

    def _take(self, client: str, count: int, now: float) -> None:
        if self._step:
            self._full_at[client] = max(self._full_at.get(client, now), now) + count * self._step

    def _wait(self, client: str, count: int, now: float) -> float:
        missing = max(self._full_at.get(client, now) - now, 0.0)
        # a rounding error must not refuse the last one
        wait = missing - max(_MINUTE - count * self._step, 0.0)
        return wait if self._step and wait > 1e-6 else 0.0
