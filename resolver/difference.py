"""What differs between two locks: pins by target, and the request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import printable
from .lock import Lock, lock_to_json

__all__ = ["Change", "Difference", "TargetDifference", "compare_locks", "render_difference"]

_Json = Mapping[str, Any]

#: What can differ of a pin, the most telling first.
_ASPECTS = ("version", "provider", "extras", "artifact", "build", "crates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One project that is not the same in both."""

    name: str
    kind: str
    """``added``, ``removed`` or ``changed``."""
    aspects: tuple[str, ...]
    """Which of version, provider, extras, artifact, build and crates differ; empty unless changed."""
    before: Mapping[str, Any] | None
    """Version, provider, extras and artifact; None where it was added."""
    after: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "aspects": list(self.aspects),
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDifference:
    """The difference on one target."""

    system: str
    python: str
    """``3.11.9``, or ``3.11.9 -> 3.11.14``."""
    kind: str
    """``added``, ``removed`` or ``changed``: whether the target is in one of the locks only."""
    changes: tuple[Change, ...]
    """Sorted by name."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "system": self.system,
            "python": self.python,
            "kind": self.kind,
            "changes": [change.to_json() for change in self.changes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs."""

    request: Mapping[str, tuple[Any, Any]]
    """Field of the request -> before and after; lists hold only what is not in both."""
    others: Mapping[str, tuple[Any, Any]]
    """``nixpkgs``, ``snapshot`` and ``tools`` -> before and after."""
    targets: tuple[TargetDifference, ...]
    """Those that differ."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs that this compares."""
        return not (self.request or self.others or self.targets)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""

        def pairs(values: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
            return {name: {"before": before, "after": after} for name, (before, after) in values.items()}

        return {
            "equal": self.is_empty,
            "request": pairs(self.request),
            **pairs(self.others),
            "targets": [target.to_json() for target in self.targets],
        }


def compare_locks(before: Lock, after: Lock) -> Difference:
    """Return what differs from *before* to *after*.

    Targets belong together by platform and X.Y of their Python.
    """
    old, new = lock_to_json(before), lock_to_json(after)
    others = {key: (old[key], new[key]) for key in ("nixpkgs", "snapshot", "tools") if old[key] != new[key]}
    return Difference(
        request=_compare_requests(before.request, after.request),
        others=others,
        targets=tuple(_compare_targets(old["targets"], new["targets"])),
    )


def _compare_requests(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    answer: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*before, *after} - {"digest"}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list) and key != "indexes":
            old, new = [v for v in old if v not in new], [v for v in new if v not in old]
        answer[key] = (old, new)
    return answer


def _compare_targets(before: Sequence[_Json], after: Sequence[_Json]) -> list[TargetDifference]:
    old, new = ({(t["system"], t["python"].rpartition(".")[0]): t for t in targets} for targets in (before, after))
    answer = []
    for key in sorted({*old, *new}):
        there = [targets[key] for targets in (old, new) if key in targets]
        changes = _compare_pins(*({p["name"]: p for p in ts[key]["pins"]} if key in ts else {} for ts in (old, new)))
        pythons = dict.fromkeys(target["python"] for target in there)
        kind = "changed" if len(there) == 2 else "added" if key in new else "removed"
        if changes or len(pythons) > 1 or kind != "changed":
            answer.append(
                TargetDifference(system=key[0], python=" -> ".join(pythons), kind=kind, changes=tuple(changes))
            )
    return answer


def _compare_pins(before: Mapping[str, _Json], after: Mapping[str, _Json]) -> list[Change]:
    changes = []
    for name in sorted({*before, *after}):
        one, two = (_shown(pins[name]) if name in pins else None for pins in (before, after))
        if one is None or two is None:
            kind = "added" if one is None else "removed"
            changes.append(Change(name=name, kind=kind, aspects=(), before=one, after=two))
            continue
        aspects = tuple(aspect for aspect in _ASPECTS if one[aspect] != two[aspect])
        if aspects:
            changes.append(Change(name=name, kind="changed", aspects=aspects, before=one, after=two))
    return changes


def _shown(pin: _Json) -> dict[str, Any]:
    return {"extras": [], "build": None, "crates": None} | {aspect: pin[aspect] for aspect in _ASPECTS if aspect in pin}


def render_difference(difference: Difference) -> str:
    """Return *difference* as text, one line for each thing that differs; empty where nothing does."""
    lines = []
    for key, (before, after) in difference.request.items():
        if isinstance(before, list) and isinstance(after, list):
            lines += [f"request: - {key} {value}" for value in before]
            lines += [f"request: + {key} {value}" for value in after]
        else:
            lines.append(f"request: {key} {_text(before)} -> {_text(after)}")
    for key, (before, after) in difference.others.items():
        lines.append(f"{key}: {_text(before)} -> {_text(after)}" if key != "tools" else "tools: other builders")
    for target in difference.targets:
        note = "" if target.kind == "changed" else f", {target.kind}"
        lines.append(f"{target.system}, Python {target.python}{note}")
        lines += [f"  {_line(change)}" for change in target.changes]
    return "".join(printable(line) + "\n" for line in lines)


def _line(change: Change) -> str:
    before, after = change.before, change.after
    if before is None:
        assert after is not None
        return f"+ {change.name} {after['version']} ({after['provider']})"
    if after is None:
        return f"- {change.name} {before['version']} ({before['provider']})"
    said = []
    if "version" in change.aspects:
        said.append(f"{before['version']} -> {after['version']}")
    if "provider" in change.aspects:
        said.append(f"{before['provider']} -> {after['provider']}")
    if "extras" in change.aspects:
        said.append(f"[{','.join(before['extras'])}] -> [{','.join(after['extras'])}]")
    if not said:
        what = "other crates" if change.aspects == ("crates",) else "another build closure"
        if "artifact" in change.aspects:
            what = "another file"
        if "artifact" in change.aspects and before["artifact"].get("filename") == after["artifact"].get("filename"):
            what = "the same file from elsewhere"
            if before["artifact"].get("sha256") != after["artifact"].get("sha256"):
                what = "another hash for the same file name"
        said.append(f"{after['version']}: {what}")
    return f"~ {change.name} {', '.join(said)}"


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or "none"
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
