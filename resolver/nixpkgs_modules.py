"""What a nixpkgs tells of its Python modules: values for whoever makes facts of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ModuleIdentity", "PythonModule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleIdentity:
    """What a Python module of nixpkgs is recognised by."""

    pname: str
    """Its name without its version, as nixpkgs has it."""
    version: str
    """As nixpkgs has it, which need not be one of PEP 440."""
    urls: tuple[str, ...] = ()
    """Where its source is fetched from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonModule:
    """One Python module of a set."""

    name: str
    """The attribute."""
    identity: ModuleIdentity
    dependencies: tuple[ModuleIdentity, ...] = ()
    """The modules that it propagates."""
    extras: Mapping[str, tuple[ModuleIdentity, ...]] = field(default_factory=dict)
    """The modules that each extra adds."""
    marks: tuple[str, ...] = ()
    """Why nixpkgs refuses it by default: ``broken``, ``insecure``, ``unsupported on this system``."""
