"""Why there is no solution, in sentences and as values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .conflict import Demand, Fix, Trouble
from .core import find_core
from .edges import UNUSABLE, Edge
from .errors import NoSolution
from .fixes import Retry, find_fixes
from .lock_request import render_time
from .names import NormalizedName
from .reasons import describe, find_single, known_versions
from .requirement import Request
from .resolution import Failure
from .supply import Supply
from .target import Target

__all__ = ["explain"]

#: What a message shows at most; the details hold all of it.
_MOST_DEMANDS, _MOST_STEPS, _MOST_FILTERED, _MOST_FIXES = 4, 5, 2, 3
#: Of the steps that are shown, those from the beginning where some are left out.
_FIRST_STEPS = 2


def explain(
    failure: Failure,
    target: Target,
    *,
    request: Request | None = None,
    retry: Retry | None = None,
    snapshot: str | None = None,
) -> NoSolution:
    """Return the error that tells why *failure* has no solution on *target*.

    The outcomes are told apart by code: ``unknown-project``, ``no-such-version``,
    ``nothing-for-target``, ``conflict``, ``gave-up``.

    :param request: what was asked for; with *retry*, fixes are looked for.
    :param retry: solves a changed request.
    :param snapshot: the snapshot's id, where the user named one.
    """
    supply = failure.supply
    if failure.gave_up:
        return _gave_up(failure, target)
    trouble = describe(supply, find_single(supply) or find_core(failure))
    fixes = () if request is None or retry is None else find_fixes(request, trouble, target, retry)
    told = _Told(supply, target, trouble, fixes, snapshot, _overrides(request, trouble))
    project = trouble.project
    wanted = " and ".join(text for text in _demanded(trouble, project or "") if text != project)
    if trouble.code == "unknown-project":
        return _say_why(
            told,
            "unknown-project",
            f"no index has a project named {project!r}",
            "check the spelling, or name the index that has it with --extra-index-url",
        )
    if trouble.code == "no-such-version":
        return _say_why(
            told,
            "no-such-version",
            f"no known version of {project} meets {wanted or project}",
            "ask for a version that exists, or get newer facts with --refresh",
        )
    if trouble.code == "nothing-for-target":
        return _say_why(
            told,
            "nothing-for-target",
            f"{project} has nothing{' that meets ' if wanted else ''}{wanted} for {_place(target)}",
            "choose another --python, --platform or --providers, or ask for another version",
        )
    return _say_why(told, "conflict", _contradiction(told), "change or remove one of the requirements above")


@dataclass(frozen=True, slots=True)
class _Told:
    """All that an error says beside its message."""

    supply: Supply
    target: Target
    trouble: Trouble
    fixes: Sequence[Fix]
    snapshot: str | None
    overrides: Sequence[str]
    """Those that replace requirements for projects of the core."""


def _say_why(told: _Told, code: str, message: str, hint: str) -> NoSolution:
    policy = told.supply.policy
    return NoSolution(
        code,
        message,
        context=_context(told),
        hint="make one of the changes that work; each was tried on what the catalog knows" if told.fixes else hint,
        details={
            "target": {"python": told.target.python, "system": told.target.system},
            "providers": list(policy.rules_for("").providers),
            "as-of": {name: render_time(moment) for name, moment in sorted(policy.as_of.items())},
            "snapshot": told.snapshot,
            **told.trouble.to_json(),
            "overrides": list(told.overrides),
            "fixes": [fix.to_json() for fix in told.fixes],
        },
    )


def _gave_up(failure: Failure, target: Target) -> NoSolution:
    supply = failure.supply
    return NoSolution(
        "gave-up",
        f"no answer was found within {supply.policy.rounds} rounds for {_place(target)}",
        context=[
            *_last_conflict(supply, failure.causes),
            "neither a solution nor a proof that there is none was found",
        ],
        hint="state tighter versions for the projects named above, or split the request",
        details={
            "rounds": supply.policy.rounds,
            "target": {"python": target.python, "system": target.system},
            "causes": [_cause(supply, edge) for edge in failure.causes],
        },
    )


def _cause(supply: Supply, edge: Edge) -> dict[str, Any]:
    return {
        "requirement": edge.text,
        "project": edge.project,
        "origin": edge.origin,
        "asked": edge in supply.roots,
    }


def _last_conflict(supply: Supply, causes: Sequence[Edge]) -> list[str]:
    lines = []
    for edge in causes:
        if edge.key == UNUSABLE:
            line = f"{edge.origin} cannot be used: {edge.text}"
        elif edge in supply.roots:
            line = f"you asked for {edge.text} ({edge.origin})"
        else:
            line = f"{edge.origin} requires {edge.told}"
        if line not in lines:
            lines.append(line)
    return _first(lines, 10)


def _first(lines: Sequence[str], most: int, more: str = "more") -> list[str]:
    shown = list(lines[:most])
    if len(lines) > most:
        shown.append(f"and {len(lines) - most} {more}")
    return shown


def _both_ends(steps: Sequence[str]) -> list[str]:
    """Return at most five steps: how it begins, and what is nearest to the dead end."""
    if len(steps) <= _MOST_STEPS:
        return list(steps)
    left_out = f"and {len(steps) - _MOST_STEPS} steps between (--json shows them)"
    return [*steps[:_FIRST_STEPS], left_out, *steps[_FIRST_STEPS - _MOST_STEPS :]]


def _place(target: Target) -> str:
    return f"Python {target.python}, {target.system}"


def _contradiction(told: _Told) -> str:
    core = told.trouble.core
    providers = " or ".join(told.supply.policy.rules_for("").providers)
    asked = [f"{'the constraint ' if d.kind == 'constraint' else ''}{d}" for d in core]
    shown = _first(asked, _MOST_DEMANDS, "more of your requirements")
    whole = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1].removeprefix('and ')}"
    what = "cannot be had" if len(core) == 1 else "contradict each other"
    return f"{whole} {what} on {_place(told.target)}, from {providers}"


def _demanded(trouble: Trouble, project: str) -> list[str]:
    """Return what is asked of *project*, the user's own requirements first."""
    texts = dict.fromkeys(d.text for d in trouble.core if d.project == project)
    for step in trouble.steps:
        if step.on == project:
            texts.update(dict.fromkeys(step.requirements[:2]))
    return list(texts)[:3]


def _context(told: _Told) -> list[str]:
    supply, trouble, fixes = told.supply, told.trouble, told.fixes
    lines = _asked(trouble.core) if trouble.project is not None else []
    lines += _both_ends([step.text for step in trouble.steps])
    lines += _first([f"the override {text} is in force" for text in told.overrides], 2, "overrides")
    pool = None if trouble.project is None else supply.known_pool(NormalizedName(trouble.project))
    if trouble.code == "no-such-version" and pool is not None:
        lines.append(known_versions(pool))
    lines += _first(_left_out(trouble), _MOST_FILTERED, "projects with versions left out")
    if not trouble.minimal:
        lines.append("not all of this may be needed: the search for the least of it was cut short")
    lines += [f"this works: {fix.text}{_takes(fix)}" for fix in fixes[:_MOST_FIXES]]
    return lines


def _overrides(request: Request | None, trouble: Trouble) -> list[str]:
    shown = {d.project for d in trouble.core} | {step.on for step in trouble.steps}
    overrides = () if request is None else request.overrides
    return [f"{o} ({o.requirement.origin})" for o in overrides if o.requirement.project in shown]


def _asked(core: Sequence[Demand]) -> list[str]:
    said = {"requirement": "you asked for", "constraint": "you constrain"}
    return _first([f"{said[d.kind]} {d}" for d in core], _MOST_DEMANDS)


def _left_out(trouble: Trouble) -> list[str]:
    lines = []
    for project, reasons in trouble.filtered.items():
        counts = [f"{count} version{'s' if count > 1 else ''}: {why}" for why, count in reasons.items()]
        lines.append(f"left out of {project}, {'; '.join(_first(counts, 3, 'more reasons'))}")
    return lines


def _takes(fix: Fix) -> str:
    shown = [f"{project} {version}" for project, version in list(fix.takes.items())[:3]]
    return f", which takes {', '.join(shown)}" if shown else ""
