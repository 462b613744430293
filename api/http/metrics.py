"""The figures of the service for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from .state import State

__all__ = ["make_registry"]


class _Figures(Collector):
    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        answers = self._state.answers
        questions = CounterMetricFamily("mach_questions", "Questions by how they were answered.", labels=["how"])
        for how in ("remembered", "shared", "resolved", "failed"):
            questions.add_metric([how], answers.counts[how])
        yield questions
        yield GaugeMetricFamily(
            "mach_waiting", "Questions that workers have or that wait for one.", answers.pool.waiting
        )
        yield GaugeMetricFamily("mach_workers", "Processes that resolve.", answers.pool.workers)


def make_registry(state: State) -> CollectorRegistry:
    """Return the figures of *state* as they are now."""
    registry = CollectorRegistry()
    registry.register(_Figures(state))
    return registry
