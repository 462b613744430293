"""What is resolved for: one Python version on one platform, with its markers and wheel tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from packaging.tags import compatible_tags, cpython_tags, mac_platforms

from .errors import InputError
from .interpreters import split_python

__all__ = [
    "DEFAULT_GLIBC",
    "DEFAULT_MACOS",
    "SYSTEMS",
    "Target",
    "best_tag_rank",
    "make_target",
    "required_glibc",
]

#: glibc of the oldest nixpkgs that mach supports (23.11): what is chosen for it runs with any newer one.
DEFAULT_GLIBC = (2, 38)
#: Oldest macOS that the chosen wheels must run on.
DEFAULT_MACOS = (13, 0)
#: Nix system names that a target can be made for without more ado.
SYSTEMS = ("aarch64-darwin", "aarch64-linux", "x86_64-linux")
_GONE = "x86_64-darwin"

_MACHINES = {
    "x86_64-linux": "x86_64",
    "aarch64-linux": "aarch64",
    "aarch64-darwin": "arm64",
    _GONE: "x86_64",
}
#: Aliases of PEP 513, 571 and 599 by glibc minor version (PEP 600).
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
#: Oldest glibc minor version for which manylinux tags exist (PEP 600, PEP 599).
_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_MANYLINUX = re.compile(r"manylinux_2_([0-9]{1,3})_.*")
_MEMO_SIZE = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An exact interpreter on a platform."""

    system: str
    """Nix system name: ``x86_64-linux``, ``aarch64-linux``, ``aarch64-darwin``."""
    python: str
    """Exact version: ``3.11.9``."""
    environment: Mapping[str, str]
    """The complete marker environment (PEP 508), ``extra`` left out."""
    tag_ranks: Mapping[str, int]
    """``cp311-cp311-manylinux_2_17_x86_64`` -> rank; 0 is the best."""
    _ranks: dict[str, int | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Answers of :func:`best_tag_rank` so far."""

    def __hash__(self) -> int:
        return hash((self.system, self.python))


def _environment(system: str, machine: str, python: str, major: int, minor: int) -> Mapping[str, str]:
    linux = system.endswith("-linux")
    return MappingProxyType(
        {
            "implementation_name": "cpython",
            "implementation_version": python,
            "os_name": "posix",
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            # The kernel's release and build text belong to one machine, not to a platform: always
            # empty, as PEP 508 has it for what cannot be determined, so that all machines agree.
            "platform_release": "",
            "platform_system": "Linux" if linux else "Darwin",
            "platform_version": "",
            "python_full_version": python,
            "python_version": f"{major}.{minor}",
            "sys_platform": "linux" if linux else "darwin",
        }
    )


def _linux_platforms(machine: str, glibc: tuple[int, int]) -> Iterator[str]:
    """Yield the platform tags of glibc Linux (PEP 600), best first.

    ``linux_*`` comes last: such a wheel does not say which glibc it needs. musllinux tags are
    left out, since nixpkgs' default interpreters are linked to glibc.
    """
    for minor in range(glibc[1], _OLDEST_GLIBC[machine] - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{machine}"
    yield f"linux_{machine}"


def _platform_tags(system: str, glibc: tuple[int, int], macos: tuple[int, int]) -> list[str]:
    machine = _MACHINES[system]
    if system.endswith("-darwin"):
        return list(mac_platforms(macos, machine))
    return list(_linux_platforms(machine, glibc))


def _check_system(system: str, allow_gone: bool) -> None:
    if system in SYSTEMS or (system == _GONE and allow_gone):
        return
    if system == _GONE:
        raise InputError(
            "platform-gone",
            f"{_GONE} is not supported",
            context=["nixpkgs dropped this platform after its release 26.05"],
            hint=f"take one of {', '.join(SYSTEMS)}",
        )
    raise InputError(
        "unknown-platform",
        f"{system[:60]!r} is not a platform that mach knows",
        context=[f"known: {', '.join(SYSTEMS)}"],
        hint="platforms have Nix system names, for example --platform x86_64-linux",
    )


@lru_cache(maxsize=64)
def make_target(
    system: str,
    python: str,
    *,
    glibc: tuple[int, int] = DEFAULT_GLIBC,
    macos: tuple[int, int] = DEFAULT_MACOS,
    allow_gone: bool = False,
) -> Target:
    """Return the target for a platform and an exact CPython; never looks at the running machine.

    The interpreter is the default build: free-threaded (``cp313t``) and debug (``cp313d``) ABIs
    are not compatible with it.

    :param system: Nix system name, one of :data:`SYSTEMS`.
    :param python: exact version, ``3.11.9``.
    :param glibc: newest glibc that a wheel may ask for, ``(2, N)``; Linux only.
    :param macos: oldest macOS that wheels must run on, ``(major, minor)``; macOS only.
    :param allow_gone: take ``x86_64-darwin`` as well, for a nixpkgs that still has it.
    :raises InputError: ``unknown-platform``, ``platform-gone``, ``unsupported-python``,
        ``invalid-python``, ``invalid-glibc`` or ``invalid-macos``.
    """
    _check_system(system, allow_gone)
    major, minor, _ = split_python(python)
    machine = _MACHINES[system]
    if not (glibc[0] == 2 and 17 <= glibc[1] < 1000):
        raise InputError(
            "invalid-glibc",
            f"glibc {glibc[0]}.{glibc[1]} cannot be resolved for",
            hint="give 2.17 or a newer 2.N",
        )
    if not (11 <= macos[0] < 1000 and 0 <= macos[1] < 1000):
        raise InputError(
            "invalid-macos",
            f"macOS {macos[0]}.{macos[1]} cannot be resolved for",
            hint="give 11.0 or newer",
        )
    platforms = _platform_tags(system, glibc, macos)
    interpreter = f"cp{major}{minor}"
    ranks: dict[str, int] = {}
    for tag in cpython_tags((major, minor), [interpreter], platforms):
        ranks.setdefault(str(tag), len(ranks))
    for tag in compatible_tags((major, minor), interpreter, platforms):
        ranks.setdefault(str(tag), len(ranks))
    return Target(
        system=system,
        python=python,
        environment=_environment(system, machine, python, major, minor),
        tag_ranks=MappingProxyType(ranks),
    )


def _accepted(target: Target, tagset: str) -> Iterator[str]:
    """Yield those tags of a compressed tag set (PEP 425) that *target* accepts."""
    parts = tagset.lower().split("-")
    if len(parts) != 3:
        return
    pythons, abis, platforms = (part.split(".") for part in parts)
    known = target.tag_ranks
    if len(pythons) * len(abis) * len(platforms) > len(known):
        # A stranger's file name can stand for millions of tags.
        wanted = set(pythons), set(abis), set(platforms)
        for tag in known:
            if all(part in some for part, some in zip(tag.split("-"), wanted, strict=True)):
                yield tag
        return
    for python in pythons:
        for abi in abis:
            for platform in platforms:
                tag = f"{python}-{abi}-{platform}"
                if tag in known:
                    yield tag


def best_tag_rank(target: Target, tagset: str) -> int | None:
    """Return the best rank among the tags of a wheel, or None where *target* accepts none of them.

    :param tagset: compressed tag set as in a file name, ``py2.py3-none-any``; one that is
        malformed is not accepted.
    """
    memo = target._ranks
    try:
        return memo[tagset]
    except KeyError:
        pass
    if len(memo) >= _MEMO_SIZE:
        memo.clear()
    rank = memo[tagset] = min((target.tag_ranks[tag] for tag in _accepted(target, tagset)), default=None)
    return rank


def required_glibc(tagset: str, target: Target) -> str | None:
    """Return the lowest glibc under which *target* accepts a wheel by its manylinux tags, ``2.17``.

    None where the wheel asks for none: a pure wheel, one for macOS or for plain ``linux_*``, or
    one that *target* does not accept at all.

    :param tagset: compressed tag set as in a file name.
    """
    minors = []
    for tag in _accepted(target, tagset):
        platform = tag.rsplit("-", 1)[1]
        if platform == "any":
            return None
        if match := _MANYLINUX.fullmatch(platform):
            minors.append(int(match[1]))
        elif platform.startswith("manylinux"):
            name = platform.split("_", 1)[0]
            minors.append(next(minor for minor, alias in _LEGACY.items() if alias == name))
    return f"2.{min(minors)}" if minors else None
