"""The forms that an answer can have: a lock, and what can be written from one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from api.service import render_nix, target_of, targets_of
from resolver.export import to_pylock, to_requirements
from resolver.graph import render_tree
from resolver.graph_forms import graph_to_json, render_dot
from resolver.lock import Lock, render_lock

__all__ = ["FORMS", "Form", "render"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of an answer."""

    media_type: str
    suffix: str
    """Of the path of a permanent link that gives this form, and of files."""
    render: Callable[[Lock, str | None, str | None], str]
    """Takes the lock, a system and a Python, of which None is any."""
    by_target: bool = True
    """Whether it can be about one target alone."""


def _lock(lock: Lock, _: str | None, __: str | None) -> str:
    return render_lock(lock)


def _nix(lock: Lock, _: str | None, __: str | None) -> str:
    return render_nix(lock)


def _pylock(lock: Lock, system: str | None, python: str | None) -> str:
    return to_pylock(targets_of(lock, system, python))


def _requirements(lock: Lock, system: str | None, python: str | None) -> str:
    return to_requirements(target_of(lock, system, python), hashes=True)


def _tree(lock: Lock, system: str | None, python: str | None) -> str:
    return render_tree(target_of(lock, system, python))


def _graph(lock: Lock, system: str | None, python: str | None) -> str:
    targets = targets_of(lock, system, python)
    return json.dumps({"targets": [graph_to_json(target) for target in targets]}, indent=1) + "\n"


def _dot(lock: Lock, system: str | None, python: str | None) -> str:
    return render_dot(target_of(lock, system, python))


def _svg(lock: Lock, system: str | None, python: str | None) -> str:
    from api.web.drawing import draw

    return draw(target_of(lock, system, python))


#: By name, as ``?format=`` has it. The first is given where a client likes several as much.
FORMS: Mapping[str, Form] = {
    "lock": Form(media_type="application/json", suffix=".lock", render=_lock, by_target=False),
    "nix": Form(media_type="text/x-nix", suffix=".nix", render=_nix, by_target=False),
    "pylock": Form(media_type="application/toml", suffix=".pylock.toml", render=_pylock),
    "requirements": Form(media_type="text/plain", suffix=".txt", render=_requirements),
    "tree": Form(media_type="text/plain", suffix=".tree", render=_tree),
    "graph": Form(media_type="application/json", suffix=".json", render=_graph),
    "dot": Form(media_type="text/vnd.graphviz", suffix=".dot", render=_dot),
    "svg": Form(media_type="image/svg+xml", suffix=".svg", render=_svg),
}


def render(lock: Lock, form: str, system: str | None = None, python: str | None = None) -> bytes:
    """Return *lock* in a form of :data:`FORMS`, in UTF-8.

    :param system: one of the lock's, for forms about targets; None for any.
    :param python: X.Y or X.Y.Z, likewise. Of the targets that fit, a form is about all where it holds several, else
        about the first.
    :raises InputError: ``not-in-lock``.
    """
    return FORMS[form].render(lock, system, python).encode()
