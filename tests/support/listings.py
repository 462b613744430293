"""Releases as an index lists them: a file together with what its page says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .dists import Dist, make_sdist, make_wheel

__all__ = ["Listing", "console", "list_pure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A file and how the index lists it (arguments of :meth:`FakeIndex.add`)."""

    dist: Dist
    options: Mapping[str, Any] = field(default_factory=dict)


def list_pure(
    name: str,
    version: str,
    uploaded: str,
    *,
    files: Mapping[str, str | bytes] | None = None,
    requires: Iterable[str] = (),
    extras: Mapping[str, Iterable[str]] | None = None,
    requires_python: str | None = None,
    tag: str = "py3-none-any",
    scripts: Mapping[str, str] | None = None,
    yanked: bool | str = False,
    sdist: str | None = "2.1",
    legacy_name: bool = False,
) -> list[Listing]:
    """Return the wheel and the sdist of one pure release.

    :param uploaded: the day, ``2024-05-29``; the sdist comes a minute later.
    :param extras: extra -> requirements without their extra marker.
    :param sdist: Metadata-Version of its PKG-INFO, or None for no sdist.
    :param legacy_name: file names keep the project's spelling, as before PEP 625 and 427's amendment.
    """
    requires, grouped = list(requires), {k: list(v) for k, v in (extras or {}).items()}
    with_extras = requires + [
        f"{text.partition(';')[0].strip()}; {_and_extra(text, extra)}"
        for extra, wanted in grouped.items()
        for text in wanted
    ]
    if files is None:
        files = {f"{name.replace('-', '_').lower()}/__init__.py": f"__version__ = {version!r}\n"}
    kept: dict[str, Any] = {"filename": f"{name}-{version}-{tag}.whl", "dist_info": f"{name}-{version}.dist-info"}
    wheel = make_wheel(
        name,
        version,
        files=files,
        requires=with_extras,
        extras=grouped,
        requires_python=requires_python,
        tag=tag,
        entry_points={"console_scripts": scripts} if scripts else None,
        **(kept if legacy_name else {}),
    )
    moment = datetime.fromisoformat(uploaded).replace(tzinfo=UTC)
    listings = [Listing(dist=wheel, options={"upload_time": moment, "yanked": yanked})]
    if sdist is not None:
        source = make_sdist(
            name,
            version,
            files=files,
            requires=requires,
            extras=grouped,
            requires_python=requires_python,
            pkg_info_version=sdist,
            filename=f"{name}-{version}.tar.gz" if legacy_name else None,
        )
        listings.append(Listing(dist=source, options={"upload_time": moment.replace(minute=1), "yanked": yanked}))
    return listings


def console(program: str, version: str) -> str:
    """Return the code of a ``main()`` that answers --version as *program* does, and counts its arguments else."""
    return (
        "import sys\n\n"
        f"__version__ = {version!r}\n\n\n"
        "def main():\n"
        "    if sys.argv[1:] == ['--version']:\n"
        f"        print({program + ' ' + version!r})\n"
        "        return 0\n"
        "    print(len(sys.argv) - 1, 'arguments')\n"
        "    return 2\n"
    )


def _and_extra(requirement: str, extra: str) -> str:
    marker = requirement.partition(";")[2].strip()
    return f'({marker}) and extra == "{extra}"' if marker else f'extra == "{extra}"'
