"""Existing pins that a resolution keeps where it can."""

from __future__ import annotations

from collections.abc import Container, Mapping

from .lock import Lock
from .target import Target

__all__ = ["Preferences", "preferences_for", "preferences_of"]

#: Existing pins: (system, X.Y) -> project -> (version, provider); ``("", "")`` is for every target.
Preferences = Mapping[tuple[str, str], Mapping[str, tuple[str, str]]]


def preferences_of(lock: Lock, leave_out: Container[str] = (), *, near: bool = False) -> Preferences:
    """Return the pins of *lock* as preferences.

    :param leave_out: normalised projects whose pins are not kept.
    :param near: for targets that the lock does not have as well: its first target's pins.
    """
    answer = {
        (target.system, _series(target.python)): {
            pin.name: (pin.version, pin.provider) for pin in target.pins if pin.name not in leave_out
        }
        for target in lock.targets
    }
    if near and lock.targets:
        answer["", ""] = next(iter(answer.values()))
    return answer


def preferences_for(preferences: Preferences | None, target: Target) -> Mapping[str, tuple[str, str]]:
    """Return the existing pins for one target."""
    found = preferences or {}
    return {**found.get(("", ""), {}), **found.get((target.system, _series(target.python)), {})}


def _series(python: str) -> str:
    return python.rpartition(".")[0]
