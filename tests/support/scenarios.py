"""The cases of a public suite of resolver scenarios, as catalogs and requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from resolver.catalog import Page
from resolver.explain import explain
from resolver.interpreters import full_python
from resolver.locking import make_lock
from resolver.policy import Policy, parse_providers
from resolver.reading import Reading
from resolver.requirement import Request, parse_requirement
from resolver.resolution import Failure, solve
from resolver.statistics import Statistics
from resolver.supply import Supply
from resolver.target import Target, make_target
from tests.support.memory import INDEX, MemoryCatalog

FILE = Path(__file__).parents[1] / "cases" / "scenarios" / "cases.json"
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in json.loads(FILE.read_text())}


class ClosedCatalog(MemoryCatalog):
    """Holds all there is: what it does not know, the index does not have."""

    def pages(self, index, projects):
        projects = list(projects)
        found = dict(super().pages(index, projects))
        for project in projects:
            found.setdefault(project, Page(index=INDEX, project=project, absent=True, digest="absent"))
        return found


@dataclass(frozen=True)
class Outcome:
    """Pins by target, or the error."""

    pins: list[dict[str, str]] | None
    error: Any = None


def make_catalog(case: dict[str, Any]) -> ClosedCatalog:
    """Return the catalog of a case."""
    releases = {
        name: {version: _release(data) for version, data in versions.items()}
        for name, versions in case["packages"].items()
    }
    return ClosedCatalog(releases)


def _release(data: dict[str, Any]) -> dict[str, Any]:
    requires = list(data.get("requires") or [])
    extras = data.get("extras") or {}
    for extra, lines in extras.items():
        for line in lines:
            body, _, marker = line.partition(";")
            condition = f"({marker.strip()}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
            requires.append(f"{body}; {condition}")
    return {
        "requires": requires,
        "extras": list(extras),
        "python": data.get("requires_python") or None,
        "yanked": data.get("yanked", False),
        "sdist": data.get("sdist", True),
        "wheel": data.get("wheel", True),
        "tags": data.get("wheel_tags") or ["py3-none-any"],
    }


def make_request(case: dict[str, Any], *, systems=("x86_64-linux",), pythons: tuple[str, ...] = ()) -> Request:
    """Return the request of a case; versions go before providers, as where the suite comes from."""
    options = case["options"]
    known = {"universal", "prereleases", "python_platform", "no_binary", "no_build", "resolution", "python"}
    assert options.keys() <= known, options
    assert options.get("python_platform", "x86_64-manylinux2014") == "x86_64-manylinux2014"
    providers = ["wheel,sdist"]
    providers += [f"{name}=wheel" for name in options.get("no_build", ())]
    providers += [f"{name}=sdist" for name in options.get("no_binary", ())]
    prerelease = "allow" if options.get("prereleases") else "if-necessary"
    return Request(
        requirements=tuple(parse_requirement(text, f"requirements.txt:{n}") for n, text in enumerate(case["root"], 1)),
        pythons=pythons or (_python(case),),
        systems=systems,
        indexes=(INDEX,),
        providers=parse_providers(providers),
        prefer="newest",
        prerelease={"_default": prerelease},
        resolution=options.get("resolution", "highest"),
    )


def _python(case: dict[str, Any]) -> str:
    """Return the exact Python; where a case says 3.12 it means 3.12.0."""
    text = case["options"].get("python") or case["python"]
    if text.count(".") == 1:
        text += ".0"
    return text


def run(case: dict[str, Any], **options: Any) -> Outcome:
    """Return what mach makes of a case."""
    request, catalog = make_request(case, **options), make_catalog(case)
    if any(python.startswith("3.9.") for python in request.pythons):
        return _run_on(request, catalog, old_target("3.9.0"))
    outcome = make_lock(request, catalog)
    assert not outcome.needs
    if outcome.lock is None:
        return Outcome(None, outcome.failure)
    return Outcome([{p.name: p.version for p in target.pins} for target in outcome.lock.targets])


def old_target(python: str) -> Target:
    """Return a target for a Python that mach does not offer any more."""
    model = make_target("x86_64-linux", full_python("3.10"))
    series = python.rpartition(".")[0]
    environment = {**model.environment, "python_version": series}
    environment |= dict.fromkeys(("python_full_version", "implementation_version"), python)
    tags = [tag.replace("cp310", "cp" + series.replace(".", "")) for tag in model.tag_ranks]
    tags = [tag for tag in tags if not tag.startswith(("py310", "py310.py3"))]
    return Target(
        system="x86_64-linux",
        python=python,
        environment=environment,
        tag_ranks={tag: rank for rank, tag in enumerate(dict.fromkeys(tags))},
    )


def _run_on(request: Request, catalog: MemoryCatalog, target: Target) -> Outcome:
    supply = Supply(Reading(catalog, request.indexes), target, Policy.of(request), roots=request.requirements)
    outcome = solve(supply, Statistics())
    if isinstance(outcome, Failure):
        return Outcome(None, explain(outcome, target))
    assert outcome is not None
    return Outcome([{pin.project: pin.version for pin in outcome.pins}])


def normal(pins: dict[str, Any]) -> dict[str, Version]:
    """Return pins as comparable values; a case may state a version as a list of one."""
    return {name: Version(v if isinstance(v, str) else v[0]) for name, v in pins.items()}
