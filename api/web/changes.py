"""A fix that an explanation proposes, made in the request that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from resolver.errors import InputError
from resolver.interpreters import full_python
from resolver.requirement import parse_requirement

__all__ = ["change_request", "fixes_of"]


def fixes_of(problem: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the fixes in a problem (:meth:`resolver.conflict.Fix.to_json`); empty where it has none."""
    found = (problem.get("details") or {}).get("fixes") or []
    return list(found)


def change_request(request: Mapping[str, Any], problem: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return *request* with a fix made.

    :param request: normalised, as locks have it.
    :param problem: why it has no solution.
    :param number: which of the problem's fixes, from 0.
    :raises InputError: ``not-found`` where there is no such fix.
    """
    fixes = fixes_of(problem)
    if not 0 <= number < len(fixes):
        raise InputError("not-found", f"there is no change number {number} here", hint="choose one that the page shows")
    fix, changed = fixes[number], dict(request)
    before, after = fix.get("from") or "", fix.get("to") or ""
    if fix["kind"] == "option":
        _set_option(changed, after, problem["details"]["target"]["python"])
    elif before in changed["overrides"]:
        changed["overrides"] = [text for text in changed["overrides"] if text != before]
    else:
        # the constraint where the explanation says so, else the requirement
        kinds = {d["kind"] for d in problem["details"]["core"] if (d["requirement"], d["origin"]) == _place(fix)}
        member = "constraints" if kinds == {"constraint"} else "requirements"
        changed[member] = [new for text in changed[member] if (new := _changed(text, before, after))]
    return changed


def _place(fix: Mapping[str, Any]) -> tuple[str, str]:
    return fix.get("from") or "", fix.get("origin") or ""


def _changed(text: str, before: str, after: str) -> str:
    """Return a line of the request, changed where it is the one that is meant; empty where it is dropped."""
    plain, *hashes = text.split(" --hash=")
    stated = parse_requirement(plain, "the request")
    if before not in (str(stated), str(replace(stated, marker=None))):
        return text
    if not after:
        return ""
    # a fix is told without the marker, which stays
    new = replace(parse_requirement(after, "the change"), marker=stated.marker)
    return "".join([str(new), *(f" --hash={digest}" for digest in hashes)])


def _set_option(changed: dict[str, Any], option: str, python: str) -> None:
    """Set what a fix of kind ``option`` proposes; an empty one takes the date away."""
    name, _, value = option.partition(" ")
    project, _, setting = value.partition("=")
    if name == "--prerelease":
        changed["prerelease"] = {**changed["prerelease"], project: setting}
    elif name == "--providers":
        changed["providers"] = {**changed["providers"], project: setting.split(",")}
    elif name == "--python":
        changed["pythons"] = sorted({full_python(value) if p == python else p for p in changed["pythons"]})
    else:
        changed["as-of"] = {}
