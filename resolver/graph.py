"""The graph of a lock for people: the tree of what requires what, and why one project is there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import InputError, printable
from .lock import LockTarget, Pin
from .names import normalize_project

__all__ = ["Asker", "Step", "TreeRow", "Why", "list_tree", "render_tree", "render_why", "tree_to_json", "why"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """One line of a tree."""

    name: str
    version: str
    requirements: tuple[str, ...]
    """What the line above it asks for; in an inverted tree, what this one asks of the line above."""
    depth: int
    """0 for a root."""
    lasts: tuple[bool, ...]
    """For each level below the root, whether it is the last line there."""
    repeated: bool
    """Its own requirements were shown before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One pin on the way from a requirement of the user's."""

    name: str
    version: str
    requirements: tuple[str, ...]
    """By which the step before, or the user, asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A pin that requires the project, and the shortest way that leads to it from the user's requirements."""

    requirements: tuple[str, ...]
    """What it asks for."""
    path: tuple[Step, ...]
    """From a root to the asker itself, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a project is in a lock."""

    name: str
    version: str
    provider: str
    extras: tuple[str, ...]
    requested: tuple[str, ...]
    """The user's own requirements for it."""
    askers: tuple[Asker, ...]
    """Sorted by name."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "version": self.version,
            "provider": self.provider,
            "extras": list(self.extras),
            "requested": list(self.requested),
            "askers": [
                {
                    "name": asker.path[-1].name,
                    "version": asker.path[-1].version,
                    "requirements": list(asker.requirements),
                    "path": [
                        {"name": step.name, "version": step.version, "requirements": list(step.requirements)}
                        for step in asker.path
                    ],
                }
                for asker in self.askers
            ],
        }


def list_tree(target: LockTarget, *, invert: bool = False) -> list[TreeRow]:
    """Return the lines of the tree of *target*: from the user's requirements down to what they lead to.

    :param invert: from the pins that require nothing up to those that lead to them. Every pin
        stands in either tree; in a cycle that nothing else reaches, the first one by name is a root.
    """
    pins = {pin.name: pin for pin in target.pins}
    edges = _dependents(target.pins) if invert else {name: pin.dependencies for name, pin in pins.items()}
    firsts = {n: () for n, pin in pins.items() if not pin.dependencies} if invert else dict(target.roots)
    rows: list[TreeRow] = []
    shown: set[str] = set()
    for name in sorted(firsts):
        _list_below(name, firsts[name], pins, edges, shown, rows)
    for name in sorted(pins):
        if name not in shown:
            _list_below(name, (), pins, edges, shown, rows)
    return rows


def _list_below(
    root: str,
    requirements: tuple[str, ...],
    pins: Mapping[str, Pin],
    edges: Mapping[str, Mapping[str, tuple[str, ...]]],
    shown: set[str],
    rows: list[TreeRow],
) -> None:
    # a stack of our own: a chain of requirements may be longer than Python's
    todo: list[tuple[str, tuple[str, ...], tuple[bool, ...]]] = [(root, requirements, ())]
    while todo:
        name, texts, lasts = todo.pop()
        below = edges.get(name, {})
        repeated = name in shown and bool(below)
        rows.append(
            TreeRow(
                name=name,
                version=pins[name].version,
                requirements=texts,
                depth=len(lasts),
                lasts=lasts,
                repeated=repeated,
            )
        )
        if name not in shown:
            shown.add(name)
            names = sorted(below)
            todo += [(n, below[n], (*lasts, n == names[-1])) for n in reversed(names)]


def _dependents(pins: Iterable[Pin]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return project -> who requires it -> by which requirements."""
    answer: dict[str, dict[str, tuple[str, ...]]] = {}
    for pin in pins:
        for name, texts in pin.dependencies.items():
            answer.setdefault(name, {})[pin.name] = texts
    return answer


def render_tree(target: LockTarget, *, invert: bool = False) -> str:
    """Return the tree of *target* as text; ``(*)`` marks a pin whose own lines stand further up."""
    lines = [f"{target.system}, Python {target.python}"]
    repeated = False
    for row in list_tree(target, invert=invert):
        indent = "".join("    " if last else "│   " for last in row.lasts[:-1])
        branch = ("└── " if row.lasts[-1] else "├── ") if row.lasts else ""
        stated = f"  {', '.join(row.requirements)}" if row.requirements else ""
        mark = " (*)" if row.repeated else ""
        repeated |= row.repeated
        lines.append(printable(f"{indent}{branch}{row.name} {row.version}{stated}{mark}"))
    if repeated:
        lines.append("(*) shown above")
    return "\n".join(lines) + "\n"


def tree_to_json(target: LockTarget) -> dict[str, Any]:
    """Return the graph of *target* as plain JSON values: the roots, and each pin with its edges."""
    return {
        "system": target.system,
        "python": target.python,
        "roots": {name: list(texts) for name, texts in sorted(target.roots.items())},
        "pins": [
            {
                "name": pin.name,
                "version": pin.version,
                "provider": pin.provider,
                "extras": list(pin.extras),
                "dependencies": {name: list(texts) for name, texts in sorted(pin.dependencies.items())},
            }
            for pin in target.pins
        ],
    }


def why(target: LockTarget, name: str) -> Why:
    """Return why the project *name*, in any spelling, is in *target*.

    :raises InputError: ``not-in-lock``, with the nearest names.
    """
    pins = {pin.name: pin for pin in target.pins}
    pin = _find(pins, name, target)
    paths = _shortest_paths(target, pins)
    dependents = _dependents(target.pins).get(pin.name, {})
    return Why(
        name=pin.name,
        version=pin.version,
        provider=pin.provider,
        extras=pin.extras,
        requested=tuple(target.roots.get(pin.name, ())),
        askers=tuple(
            Asker(requirements=texts, path=paths[asker])
            for asker, texts in sorted(dependents.items())
            if asker in paths
        ),
    )


def _find(pins: Mapping[str, Pin], name: str, target: LockTarget) -> Pin:
    try:
        project = str(normalize_project(name))
    except ValueError:
        project = name[:200].lower()
    if project in pins:
        return pins[project]
    near = difflib.get_close_matches(project, pins, n=3, cutoff=0.6)
    raise InputError(
        "not-in-lock",
        f"{project!r} is not in the lock for {target.system} with Python {target.python}",
        hint=f"did you mean {' or '.join(near)}?" if near else "mach tree shows everything that is",
        details={"near": near},
    )


def _shortest_paths(target: LockTarget, pins: Mapping[str, Pin]) -> dict[str, tuple[Step, ...]]:
    """Return for each pin that the roots reach one shortest way to it, the first by name among equals."""
    paths: dict[str, tuple[Step, ...]] = {}
    todo: list[tuple[str, tuple[str, ...], tuple[Step, ...]]] = [
        (name, tuple(target.roots[name]), ()) for name in sorted(target.roots)
    ]
    for name, texts, before in todo:  # it grows while it is walked: breadth first
        if name in paths or name not in pins:
            continue
        paths[name] = (*before, Step(name=name, version=pins[name].version, requirements=tuple(texts)))
        todo += [(n, tuple(t), paths[name]) for n, t in sorted(pins[name].dependencies.items())]
    return paths


def render_why(answer: Why) -> str:
    """Return *answer* as text: who asks for it, and how the user's requirements lead there."""
    extras = f"[{','.join(answer.extras)}]" if answer.extras else ""
    lines = [f"{answer.name}{extras} {answer.version} ({answer.provider})"]
    if answer.requested:
        lines.append(f"  you ask for {', '.join(answer.requested)}")
    for asker in answer.askers:
        last = asker.path[-1]
        lines.append(f"  {last.name} {last.version} asks for {', '.join(asker.requirements)}")
        lines.append(f"    {_way(asker.path)}")
    return "".join(printable(line) + "\n" for line in lines)


def _way(path: Sequence[Step]) -> str:
    first, *rest = path
    steps = [f"you ask for {', '.join(first.requirements)}", f"{first.name} {first.version}"]
    steps += [f"{step.name} {step.version}" for step in rest]
    return " → ".join(steps)
