"""The options that make a request, and what they make together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .console import Console
from .fixing import fixes_option, take_fixes
from .options import LOCK_NAME, apply_options, keyring_option, make_catalog_choices, read_lock_or_refuse

if TYPE_CHECKING:
    from api.asking import Asked
    from api.service import CatalogChoices
    from nix.fixes import Fix
    from resolver.lock import Lock, Nixpkgs

__all__ = ["RESOLVING", "Asking", "asking_options"]

#: Parameters that say what to resolve and from what.
RESOLVING = frozenset(
    {
        *("requirements", "editables", "files", "constraint_files", "index_url", "extra_index_urls"),
        *("extras", "all_extras", "groups"),
        *("pythons", "systems", "providers", "provider", "prefer", "prerelease", "pre", "resolution", "as_of"),
        *("build_as_of", "build_providers"),
        *("overrides", "excludes", "no_build", "no_binary", "require_hashes", "near"),
        *("nixpkgs_source", "nixpkgs_sha256", "snapshot", "refresh"),
    }
)

F = TypeVar("F", bound=Callable[..., Any])


def _stats(_: click.Context, __: click.Parameter, value: bool) -> bool:
    Console.current().show_stats = value
    return value


def asking_options(function: F) -> F:
    """Add everything that makes a request: requirements, ``-r``, indexes, targets, providers, nixpkgs."""
    options: list[Any] = [
        click.argument("requirements", nargs=-1, metavar="[REQUIREMENT]..."),
        click.option(
            "-r",
            "--requirement",
            "files",
            multiple=True,
            metavar="FILE",
            help="Read a requirements file, pyproject.toml, script.py, uv.lock, poetry.lock or pylock.toml; "
            "- is a requirements file on standard input. Repeatable.",
        ),
        click.option(
            "-e",
            "--editable",
            "editables",
            multiple=True,
            metavar="FOLDER",
            help="Ask for the project of this folder; shells import it from where it lies. Repeatable.",
        ),
        click.option("--extra", "extras", multiple=True, metavar="NAME", help="Take this extra of the project, too."),
        click.option("--all-extras", is_flag=True, help="Take all extras of the project."),
        click.option("--group", "groups", multiple=True, metavar="NAME", help="Take this dependency group, too."),
        click.option(
            "-c", "--constraint", "constraint_files", multiple=True, metavar="FILE", help="Read a constraints file."
        ),
        click.option(
            "--python",
            "pythons",
            multiple=True,
            metavar="X.Y[.Z]",
            help="Python to resolve for; repeatable.  [default: 3.13]",
        ),
        click.option(
            "--platform",
            "systems",
            multiple=True,
            metavar="SYSTEM",
            help="Nix system to resolve for, x86_64-linux; repeatable.  [default: this machine's]",
        ),
        click.option(
            "--providers",
            multiple=True,
            metavar="LIST",
            help="Providers in order, `wheel,sdist`; `numpy=wheel` for one project. Repeatable.",
        ),
        click.option("--provider", "provider", multiple=True, metavar="NAME=LIST", help="Providers of one project."),
        click.option(
            "--prefer",
            metavar="WHAT",
            default="provider",
            show_default=True,
            help="`provider`: earlier providers before newer versions; `newest`: the other way round; "
            "`balanced`: earlier providers where they are about as fresh.",
        ),
        click.option(
            "--prerelease",
            multiple=True,
            metavar="MODE",
            help="`if-necessary` (the default), `allow`, `disallow`, `explicit`; NAME=MODE for one project.",
        ),
        click.option("--pre", is_flag=True, help="The same as --prerelease allow."),
        click.option(
            "--resolution",
            metavar="WHICH",
            default="highest",
            show_default=True,
            help="`highest`, `lowest`, or `lowest-direct`: the lowest of what you ask for yourself.",
        ),
        click.option(
            "--as-of",
            multiple=True,
            metavar="DATE",
            help="Only files uploaded before this UTC date or time; NAME=DATE for one project.",
        ),
        click.option(
            "--build-providers",
            multiple=True,
            metavar="LIST",
            help="Build sdists in what these provide (wheel by default): wheel,sdist; NAME=LIST for one project.",
        ),
        click.option(
            "--build-as-of",
            multiple=True,
            metavar="DATE",
            help="Build sdists in what was uploaded before this UTC date or time; NAME=DATE for one sdist.",
        ),
        click.option(
            "--override",
            "overrides",
            multiple=True,
            metavar="REQUIREMENT",
            help="Replaces every requirement for its project; PARENT:REQUIREMENT those of one project.",
        ),
        click.option("--exclude", "excludes", multiple=True, metavar="NAME", help="Leave a dependency out everywhere."),
        click.option(
            "--no-build",
            multiple=True,
            is_flag=False,
            flag_value=":all:",
            metavar="[NAME]",
            help="Take no sdist, of NAME or of anything.",
        ),
        click.option(
            "--no-binary",
            multiple=True,
            is_flag=False,
            flag_value=":all:",
            metavar="[NAME]",
            help="Take no wheel, of NAME or of anything.",
        ),
        click.option("--require-hashes", is_flag=True, help="Every requirement needs a --hash that its file has."),
        click.option(
            "--stats",
            is_flag=True,
            expose_value=False,
            callback=_stats,
            help="Tell what the resolution did, in numbers.",
        ),
        click.option("--near", metavar="LOCK", help="Prefer the versions of this lock, whatever its platform."),
        click.option("--index-url", "-i", metavar="URL", help="The index.  [default: pip's configuration]"),
        click.option(
            "--extra-index-url", "extra_index_urls", multiple=True, metavar="URL", help="An index that goes before it."
        ),
        keyring_option(),
        click.option(
            "--crates-url",
            metavar="URL",
            help="Where the crates of Rust sdists are: the `dl` of a registry.  [default: the public one]",
        ),
        click.option(
            "--nixpkgs",
            "nixpkgs_source",
            metavar="REV|FILE",
            help="Pin nixpkgs: a revision, or a flake.lock or npins sources.json that pins one.",
        ),
        click.option("--nixpkgs-sha256", metavar="HASH", help="Hash of that revision's unpacked archive."),
        fixes_option(),
    ]
    decorate: Callable[[F], F] = apply_options(options)
    return decorate(function)


@dataclass(slots=True, kw_only=True)
class Asking:
    """The options of :func:`asking_options` and of the catalog, taken apart."""

    asked: Asked
    catalog: CatalogChoices
    nixpkgs: Nixpkgs | None
    fixes: tuple[Fix, ...]
    near: Lock | None
    files: tuple[str, ...]
    lock_path: Path
    """Where the lock lies that belongs to the request: beside the first file, else in the current folder."""

    @classmethod
    def take(cls, values: dict[str, Any], *, folder: Path | None = None) -> Asking:
        """Take the options out of *values*; files are read here.

        :param folder: where the lock will lie; by default beside the first file.
        """
        from api.asking import Choices, ask
        from api.local_sources import LocalSources

        from .configuring import configure
        from .files import STDIN, make_reader, read_nixpkgs

        configured = configure(values)
        catalog = make_catalog_choices(values)
        files: tuple[str, ...] = values.pop("files")
        named = tuple(file for file in files if file != "-")
        read = make_reader()
        beside = configured.lock_folder(named)
        asked = ask(
            arguments=values.pop("requirements"),
            editables=values.pop("editables"),
            files=named,
            texts={**configured.texts, **({STDIN: read("-", "command line")} if "-" in files else {})},
            constraint_files=values.pop("constraint_files"),
            constraint_texts=configured.constraint_texts,
            choices=Choices(
                pythons=values.pop("pythons"),
                systems=values.pop("systems"),
                providers=(*values.pop("providers"), *values.pop("provider")),
                prefer=values.pop("prefer"),
                prerelease=values.pop("prerelease"),
                pre=values.pop("pre"),
                resolution=values.pop("resolution"),
                as_of=values.pop("as_of"),
                build_as_of=values.pop("build_as_of"),
                build_providers=values.pop("build_providers"),
                overrides=values.pop("overrides"),
                excludes=values.pop("excludes"),
                no_build=values.pop("no_build"),
                no_binary=values.pop("no_binary"),
                require_hashes=values.pop("require_hashes"),
                index_url=values.pop("index_url"),
                extra_index_urls=values.pop("extra_index_urls"),
                keyring_provider=values.pop("keyring_provider"),
                crates_url=values.pop("crates_url"),
                extras=values.pop("extras"),
                all_extras=values.pop("all_extras"),
                groups=values.pop("groups"),
            ),
            read=read,
            local_sources=LocalSources(beside if folder is None else folder),
        )
        nixpkgs = read_nixpkgs(values.pop("nixpkgs_source"), values.pop("nixpkgs_sha256"))
        near = values.pop("near")
        return cls(
            asked=asked,
            catalog=catalog,
            nixpkgs=nixpkgs,
            fixes=take_fixes(values),
            near=None if near is None else read_lock_or_refuse(near),
            files=configured.request_files(named),
            lock_path=beside / LOCK_NAME,
        )
