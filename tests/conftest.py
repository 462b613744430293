"""Fixtures that every test may ask for, and the named reason for tests that this machine cannot run."""

from __future__ import annotations

import gc
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.support.index import fake_index
from tests.support.nix import missing_tools, nix_store
from tests.support.world import world

__all__ = ["fake_index", "nix_store", "world"]

# how long an example takes is a matter of what else the machine does
settings.register_profile("mach", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mach")


def pytest_configure() -> None:
    """Hear interrupts: a shell's background jobs are deaf to them, and so would be what tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what uses the Nix store, so that no such test escapes the reason below."""
    if "nix_store" in getattr(item, "fixturenames", ()):
        item.add_marker("nix")


def pytest_collection_finish() -> None:
    """Have garbage collected seldom, and without a look at all tests each time: that took a twentieth of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out tests marked ``nix`` where their programs are missing, and say which."""
    if item.get_closest_marker("nix") and missing_tools():
        pytest.skip(f"not found: {', '.join(missing_tools())}")
