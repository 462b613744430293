"""The figures of the service for Prometheus."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from .state import State

__all__ = ["Meter", "make_registry"]

#: Upper bounds in seconds: an answer from memory takes milliseconds, a search up to the limit of a worker.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Meter:
    """What is counted of requests from the start of the process on.

    :ivar registry: holds the durations.
    :ivar refused: requests that were sent away at the door, by the code of the problem.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.refused: Counter[str] = Counter()
        self._seconds = Histogram(
            "mach_request_seconds",
            "Time from a request to the end of its answer.",
            ["method", "path", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def observe(self, method: str, path: str | None, status: int, seconds: float) -> None:
        """Count one request.

        :param path: template of its route; None where it has none.
        :param status: 0 where the client went away before there was one.
        """
        self._seconds.labels(method, path or "", status).observe(seconds)


class _Figures(Collector):
    def __init__(self, state: State, meter: Meter) -> None:
        self._state = state
        self._meter = meter

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        answers, pool = self._state.answers, self._state.answers.pool
        questions = CounterMetricFamily("mach_questions", "Questions by how they were answered.", labels=["how"])
        for how in ("remembered", "shared", "resolved", "failed"):
            questions.add_metric([how], answers.counts[how])
        yield questions
        refused = CounterMetricFamily(
            "mach_refused", "Requests that were sent away before they were read, by code.", labels=["code"]
        )
        for code in ("rate-limited", "invalid-token", "token-required", "wrong-host", "cross-site"):
            refused.add_metric([code], self._meter.refused[code])
        yield refused
        replaced = CounterMetricFamily(
            "mach_workers_replaced", "Processes that took too long or too much memory, or died.", labels=["reason"]
        )
        for reason in ("overrun", "too-large", "died"):
            replaced.add_metric([reason], pool.replaced[reason])
        yield replaced
        yield GaugeMetricFamily("mach_waiting", "Questions that workers have or that wait for one.", pool.waiting)
        yield GaugeMetricFamily("mach_workers", "Processes that resolve.", pool.workers)
        newest = self._state.catalog.newest()
        if newest is not None:
            number, at = newest
            yield GaugeMetricFamily("mach_generation", "The newest state of the catalog.", number)
            yield GaugeMetricFamily(
                "mach_generation_age_seconds", "Since the catalog learned something.", max(0.0, time.time() - at)
            )


def make_registry(state: State, meter: Meter) -> CollectorRegistry:
    """Return the figures of *state* as they are now; those of *meter* stand in its own registry."""
    registry = CollectorRegistry()
    registry.register(_Figures(state, meter))
    return registry
