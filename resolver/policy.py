"""Which candidates a resolution may take and in which order it prefers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import InputError
from .names import normalize_project

__all__ = [
    "BUILT_PROVIDERS",
    "DEFAULT_PROVIDERS",
    "DEFAULT_ROUNDS",
    "PREFERENCES",
    "PROVIDERS",
    "Policy",
    "parse_providers",
]

#: Every provider that mach knows by name, in the default order.
PROVIDERS = ("conda", "wheel", "sdist", "nixpkgs")
#: Those that this version can use.
BUILT_PROVIDERS = ("wheel", "sdist")
#: The default order: what of :data:`PROVIDERS` is built.
DEFAULT_PROVIDERS = tuple(p for p in PROVIDERS if p in BUILT_PROVIDERS)
#: Search budget of each mode; a constant, since resolvelib's optimistic backjumping depends on it.
DEFAULT_ROUNDS = 20_000
#: Values of ``--prefer``.
PREFERENCES = ("provider", "newest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The constants and choices that order candidates; recorded in the lock."""

    providers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"_default": DEFAULT_PROVIDERS})
    prefer: str = "provider"
    prereleases: bool = False
    as_of: int | None = None
    rounds: int = DEFAULT_ROUNDS
    """Budget of each search, in rounds of resolvelib: the outcome does not depend on the machine."""
    conflicts: int = 3
    """Dead ends before arc consistency."""
    rejections: int = 5
    """Candidates of one project that a pin may turn away before it counts as decided too early."""
    consistency_facts: int = 1000
    """Files whose metadata arc consistency may ask for beyond what the search has asked for."""

    def providers_of(self, project: str) -> tuple[str, ...]:
        """Return the providers that *project* may come from, in order."""
        return self.providers.get(project) or self.providers["_default"]

    def to_json(self) -> dict[str, Any]:
        """Return what a lock records: the constants that are not part of the request."""
        return {
            "rounds": self.rounds,
            "conflicts": self.conflicts,
            "rejections": self.rejections,
            "consistency-facts": self.consistency_facts,
        }


def parse_providers(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return provider lists from ``LIST`` (the default) and ``NAME=LIST`` (one project's own).

    A later text replaces an earlier one for the same project.

    :param texts: ``wheel,sdist`` or ``numpy=wheel``.
    :raises InputError: ``unknown-provider`` for a name that mach does not know,
        ``provider-not-built`` for one that this version cannot use yet,
        ``invalid-providers`` for an empty list or a bad project name.
    """
    answer: dict[str, tuple[str, ...]] = {"_default": DEFAULT_PROVIDERS}
    for text in texts:
        name, equals, values = text.rpartition("=")
        key = "_default"
        if equals and name.strip() != "_default":
            try:
                key = normalize_project(name.strip())
            except ValueError as error:
                raise InputError("invalid-providers", f"{text!r}: {error}", hint="write NAME=wheel,sdist") from error
        listed = tuple(dict.fromkeys(p.strip() for p in values.split(",") if p.strip()))
        if not listed:
            raise InputError(
                "invalid-providers", f"{text!r} names no provider", hint=f"the providers are {', '.join(PROVIDERS)}"
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
                hint=f"the providers are {', '.join(PROVIDERS)}",
            )
        answer[key] = listed
    return answer
