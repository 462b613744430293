"""Which candidates a resolution may take and in which order it prefers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import InputError
from .names import normalize_project
from .requirement import Request

__all__ = [
    "BUILT_PROVIDERS",
    "DEFAULT_PROVIDERS",
    "DEFAULT_ROUNDS",
    "PREFERENCES",
    "PRERELEASE_MODES",
    "PROVIDERS",
    "RESOLUTIONS",
    "Policy",
    "Rules",
    "parse_choice",
    "parse_key",
    "parse_prerelease",
    "parse_providers",
]

#: Every provider that mach knows by name, in the default order.
PROVIDERS = ("conda", "wheel", "sdist", "nixpkgs")
#: Those that this version can use.
BUILT_PROVIDERS = ("wheel", "sdist", "nixpkgs")
#: The default order: what needs nothing but an index. nixpkgs takes part where a list names it, as a channel
#: of conda will: a lock that only pins nixpkgs to build with would need the catalog to know that nixpkgs.
DEFAULT_PROVIDERS = ("wheel", "sdist")
#: Search budget of each mode; a constant, since resolvelib's optimistic backjumping depends on it.
DEFAULT_ROUNDS = 20_000
#: Values of ``--prefer``.
PREFERENCES = ("provider", "newest", "balanced")
#: Values of ``--prerelease``.
PRERELEASE_MODES = ("if-necessary", "allow", "disallow", "explicit")
#: Values of ``--resolution``.
RESOLUTIONS = ("highest", "lowest", "lowest-direct")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the policy says of one project."""

    providers: tuple[str, ...]
    """Allowed ones, in order."""
    prefer: str
    prerelease: str
    """``if-necessary``, ``allow`` or ``disallow``."""
    lowest: bool
    as_of: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The constants and choices that order candidates; recorded in the lock."""

    providers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"_default": DEFAULT_PROVIDERS})
    prefer: str = "provider"
    prerelease: Mapping[str, str] = field(default_factory=lambda: {"_default": "if-necessary"})
    resolution: str = "highest"
    as_of: Mapping[str, int] = field(default_factory=dict)
    rounds: int = DEFAULT_ROUNDS
    """Budget of each search, in rounds of resolvelib: the outcome does not depend on the machine."""
    conflicts: int = 3
    """Dead ends before arc consistency."""
    rejections: int = 5
    """Candidates of one project that a pin may turn away before it counts as decided too early."""
    consistency_facts: int = 1000
    """Files whose metadata the first arc consistency may ask for beyond what the search has asked for."""
    consistency_facts_later: int = 20_000
    """The same for the later ones, where dead ends went on: 800 projects with 20 versions each are 16,000."""
    consistency_versions: int = 50
    """Of a project with more versions than this that were not asked for, all but the last consistency ask for one:
    those of boto3 and botocore alone would be 3,000 files."""

    @classmethod
    def of(cls, request: Request, *, rounds: int = DEFAULT_ROUNDS) -> Policy:
        """Return the policy that a request states."""
        return cls(
            providers=request.providers,
            prefer=request.prefer,
            prerelease=request.prerelease,
            resolution=request.resolution,
            as_of=request.as_of,
            rounds=rounds,
        )

    def rules_for(self, project: str, *, direct: bool = False, named: bool = False) -> Rules:
        """Return what holds for *project*.

        :param direct: the user asks for it.
        :param named: the user's own requirement for it names a pre-release.
        """
        mode = self.prerelease.get(project) or self.prerelease["_default"]
        if mode == "explicit":
            mode = "if-necessary" if named else "disallow"
        return Rules(
            providers=self.providers.get(project) or self.providers["_default"],
            prefer=self.prefer,
            prerelease=mode,
            lowest=self.resolution == "lowest" or (self.resolution == "lowest-direct" and direct),
            as_of=self.as_of.get(project, self.as_of.get("_default")),
        )

    def refuse_nixpkgs(self) -> None:
        """Raise where a list of providers names nixpkgs, which means one that is pinned.

        :raises InputError: ``nixpkgs-not-pinned``.
        """
        for project, providers in self.providers.items():
            if "nixpkgs" in providers:
                listed = "--providers" if project == "_default" else f"--provider {project}=…"
                raise InputError(
                    "nixpkgs-not-pinned",
                    f"{listed} names nixpkgs, and no nixpkgs is pinned",
                    hint="pin the one that the catalog knows: --nixpkgs REV --nixpkgs-sha256 HASH, or a flake.lock",
                )

    def to_json(self) -> dict[str, Any]:
        """Return what a lock records: the constants that are not part of the request."""
        return {
            "rounds": self.rounds,
            "conflicts": self.conflicts,
            "rejections": self.rejections,
            "consistency-facts": self.consistency_facts,
            "consistency-facts-later": self.consistency_facts_later,
            "consistency-versions": self.consistency_versions,
        }


def parse_choice(text: str, known: Sequence[str], option: str) -> str:
    """Return *text*, which must be one of *known*.

    :param option: for the message, ``--prefer``.
    :raises InputError: ``invalid-choice``.
    """
    if text not in known:
        raise InputError("invalid-choice", f"{text[:60]!r} is no value of {option}", hint=f"use {', '.join(known)}")
    return text


def parse_prerelease(texts: Sequence[str]) -> dict[str, str]:
    """Return pre-release modes from ``MODE`` (the default) and ``NAME=MODE`` (one project's own).

    :raises InputError: ``invalid-choice``, ``invalid-name``.
    """
    answer = {"_default": "if-necessary"}
    for text in texts:
        name, _, mode = text.rpartition("=")
        answer[parse_key(name)] = parse_choice(mode.strip(), PRERELEASE_MODES, "--prerelease")
    return answer


def parse_key(name: str) -> str:
    """Return the normalised project that the left side of ``NAME=VALUE`` names, ``_default`` where it is empty.

    :raises InputError: ``invalid-name``.
    """
    if name.strip() in ("", "_default"):
        return "_default"
    try:
        return normalize_project(name.strip())
    except ValueError as error:
        raise InputError("invalid-name", str(error), hint="write NAME=VALUE with the name of a project") from error


def parse_providers(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return provider lists from ``LIST`` (the default) and ``NAME=LIST`` (one project's own).

    A later text replaces an earlier one for the same project.

    :param texts: ``wheel,sdist`` or ``numpy=wheel``.
    :raises InputError: ``unknown-provider`` for a name that mach does not know,
        ``provider-not-built`` for one that this version cannot use yet,
        ``invalid-providers`` for an empty list, ``invalid-name`` for a bad project name.
    """
    answer: dict[str, tuple[str, ...]] = {"_default": DEFAULT_PROVIDERS}
    for text in texts:
        name, _, values = text.rpartition("=")
        key = parse_key(name)
        listed = tuple(dict.fromkeys(p.strip() for p in values.split(",") if p.strip()))
        if not listed:
            raise InputError(
                "invalid-providers", f"{text!r} names no provider", hint=f"use {', '.join(BUILT_PROVIDERS)}"
            )
        for provider in listed:
            if provider in BUILT_PROVIDERS:
                continue
            if provider in PROVIDERS or provider.startswith("conda/"):
                raise InputError(
                    "provider-not-built",
                    f"the provider {provider!r} is not built into this version of mach",
                    context=[f"in {text!r}"],
                    hint=f"use {', '.join(BUILT_PROVIDERS)}",
                )
            raise InputError(
                "unknown-provider",
                f"{provider!r} is not a provider",
                context=[f"in {text!r}"],
                hint=f"use {', '.join(BUILT_PROVIDERS)}; NAME=LIST is for one project",
            )
        answer[key] = listed
    return answer
