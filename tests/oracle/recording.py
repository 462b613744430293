"""What was recorded on one day: facts, and the pins of mach, uv and pip; its files under ``tests/cases/oracle``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resolver.lock import Lock

from .resolvers import Pins, Setting, pins_of

__all__ = ["FACTS", "PINS", "Difference", "Recording", "SetRecord", "differences", "read_reasons", "read_recording"]

_FOLDER = Path(__file__).resolve().parents[1] / "cases" / "oracle"
FACTS = _FOLDER / "facts.jsonl.gz"
PINS = _FOLDER / "pins.json"
REASONS = _FOLDER / "reasons.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRecord:
    """The answers to one request set."""

    requirements: tuple[str, ...]
    newest: Pins
    """mach's pins under ``--prefer newest``."""
    default: Pins
    """mach's pins in the default provider order."""
    providers: Mapping[str, str]
    """Provider of each pin of :attr:`default`."""
    passed_over: Mapping[str, str]
    """What the lock says was passed over for a pin of :attr:`default`, ``2.4.0 (sdist)``."""
    uv: Pins
    pip: Pins


def make_set_record(requirements: tuple[str, ...], newest: Lock, default: Lock, uv: Pins, pip: Pins) -> SetRecord:
    """Return the answers as a record."""
    (target,) = default.targets
    return SetRecord(
        requirements=requirements,
        newest=pins_of(newest),
        default=pins_of(default),
        providers={pin.name: pin.provider for pin in target.pins},
        passed_over={pin.name: pin.passed_over for pin in target.pins if pin.passed_over is not None},
        uv=uv,
        pip=pip,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Everything that was recorded, apart from the facts."""

    setting: Setting
    """As the facts are carried: the index is a made-up one."""
    day: str
    """UTC, ``2026-11-21``."""
    tools: Mapping[str, str]
    """``uv`` and ``pip`` -> version."""
    sets: Mapping[str, SetRecord]


def write_recording(recording: Recording) -> None:
    """Write the pins; equal recordings give equal bytes."""
    PINS.write_text(json.dumps(asdict(recording), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_recording() -> Recording:
    """Return the recording that is kept in the repository."""
    value: dict[str, Any] = json.loads(PINS.read_bytes())
    sets = {
        name: SetRecord(**{**record, "requirements": tuple(record["requirements"])})
        for name, record in value["sets"].items()
    }
    return Recording(setting=Setting(**value["setting"]), day=value["day"], tools=value["tools"], sets=sets)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Difference:
    """One project that two answers pin differently; None where an answer does not have it."""

    between: str
    """``uv``, ``pip``, or ``default`` for the default provider order; the other side is ``--prefer newest``."""
    set: str
    project: str
    newest: str | None
    other: str | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What a reason is written for."""
        return self.between, self.set, self.project


def compare(between: str, name: str, newest: Pins, other: Pins) -> Iterator[Difference]:
    """Yield the projects that *other* pins differently than *newest*, by name."""
    for project in sorted(newest.keys() | other.keys()):
        mine, theirs = newest.get(project), other.get(project)
        if mine != theirs:
            yield Difference(between=between, set=name, project=project, newest=mine, other=theirs)


def differences(recording: Recording) -> list[Difference]:
    """Return every difference between ``--prefer newest`` and uv, pip, and the default provider order."""
    found: list[Difference] = []
    for name, record in recording.sets.items():
        for between, other in (("uv", record.uv), ("pip", record.pip), ("default", record.default)):
            found += compare(between, name, record.newest, other)
    return sorted(found, key=lambda d: d.key)


def read_reasons() -> dict[tuple[str, str, str], str]:
    """Return the reasons that were written down, by (between, set, project)."""
    entries = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("difference", [])
    return {(e["between"], e["set"], e["project"]): e["reason"] for e in entries}
