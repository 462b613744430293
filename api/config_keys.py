"""The table of settings: a new one is one entry here, and one row in docs/reference/configuration.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crawler.credentials import KEYRING_PROVIDERS
from resolver.crates import parse_crates_url
from resolver.interpreters import full_python
from resolver.policy import PREFERENCES, PRERELEASE_MODES, RESOLUTIONS, parse_choice, parse_key, parse_providers
from resolver.requirement import parse_override, parse_requirement

from .asking import parse_as_of

__all__ = ["KEYS", "Key"]

Check = Callable[[str, str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting: its form, and the command line's parameter that it stands for."""

    name: str
    parameter: str
    """Name of the parameter of ``mach lock``."""
    kind: str
    """``text``, ``texts`` (one or a list), ``flag``, ``count``, ``names`` (true, or names of projects),
    ``by-project`` (one for all, or a table with ``_default`` and projects)."""
    summary: str
    default: object = None
    check: Check | None = None
    """Takes the project (``""`` but for ``by-project``) and a text; raises InputError where it is no value."""
    path: bool = False
    """Relative values are relative to the folder of the file that they stand in."""
    request: bool = False
    """Says what is asked for; counts only where the command line names nothing, and in a project's file only."""
    environment: bool = True
    """Can be set as ``MACH_…``."""

    @property
    def variable(self) -> str:
        """The environment variable: ``MACH_EXTRA_INDEX_URL``."""
        return f"MACH_{self.name.upper().replace('-', '_')}"


def _choice(known: Sequence[str], name: str) -> Check:
    return lambda _, text: parse_choice(text, known, name)


KEYS: tuple[Key, ...] = (
    Key(
        name="requirements",
        parameter="requirements",
        kind="texts",
        summary="What to resolve, as lines of a requirements file.",
        request=True,
        environment=False,
    ),
    Key(
        name="files",
        parameter="files",
        kind="texts",
        summary="Files with requirements, as after `-r`.",
        path=True,
        request=True,
        environment=False,
    ),
    Key(name="extras", parameter="extras", kind="texts", summary="Extras of the project, as `--extra`.", request=True),
    Key(
        name="all-extras",
        parameter="all_extras",
        kind="flag",
        summary="Take all extras of the project.",
        default=False,
        request=True,
    ),
    Key(name="groups", parameter="groups", kind="texts", summary="Dependency groups, as `--group`.", request=True),
    Key(
        name="constraints",
        parameter="constraints",
        kind="texts",
        summary="What binds a project only where something else asks for it, as lines of a constraints file.",
        check=lambda _, text: parse_requirement(text.partition(" --hash")[0], "constraints"),
        environment=False,
    ),
    Key(
        name="constraint-files",
        parameter="constraint_files",
        kind="texts",
        summary="Constraints files, as after `-c`.",
        path=True,
        environment=False,
    ),
    Key(
        name="overrides",
        parameter="overrides",
        kind="texts",
        summary="Requirements that replace all others for their project, as `--override`.",
        check=lambda _, text: parse_override(text, "overrides"),
        environment=False,
    ),
    Key(
        name="excludes",
        parameter="excludes",
        kind="texts",
        summary="Dependencies that are left out everywhere, as `--exclude`.",
        check=lambda _, text: parse_key(text),
    ),
    Key(
        name="python",
        parameter="pythons",
        kind="texts",
        summary="Pythons to resolve for, X.Y or X.Y.Z.",
        default="3.13",
        check=lambda _, text: full_python(text),
    ),
    Key(name="platforms", parameter="systems", kind="texts", summary="Nix systems to resolve for.", default="this one"),
    Key(
        name="providers",
        parameter="providers",
        kind="by-project",
        summary="Allowed providers in order.",
        default="wheel,sdist",
        check=lambda name, text: parse_providers([f"{name}={text}"]),
    ),
    Key(
        name="prefer",
        parameter="prefer",
        kind="text",
        summary="Which candidates come first: `provider`, `newest` or `balanced`.",
        default="provider",
        check=_choice(PREFERENCES, "prefer"),
    ),
    Key(
        name="prerelease",
        parameter="prerelease",
        kind="by-project",
        summary="`if-necessary`, `allow`, `disallow` or `explicit`.",
        default="if-necessary",
        check=_choice(PRERELEASE_MODES, "prerelease"),
    ),
    Key(
        name="resolution",
        parameter="resolution",
        kind="text",
        summary="Which versions: `highest`, `lowest` or `lowest-direct`.",
        default="highest",
        check=_choice(RESOLUTIONS, "resolution"),
    ),
    Key(
        name="as-of",
        parameter="as_of",
        kind="by-project",
        summary="Only files uploaded before this UTC date or time.",
        check=lambda _, text: parse_as_of(text),
    ),
    Key(
        name="build-providers",
        parameter="build_providers",
        kind="by-project",
        summary="Allowed providers of what sdists are built in, in order; wheels alone by default.",
        check=lambda name, text: parse_providers([f"{name}={text}"]),
    ),
    Key(
        name="build-as-of",
        parameter="build_as_of",
        kind="by-project",
        summary="What sdists are built in, as of this date or time.",
        check=lambda _, text: parse_as_of(text),
    ),
    Key(name="no-build", parameter="no_build", kind="names", summary="Take no sdists: of all, or of these projects."),
    Key(name="no-binary", parameter="no_binary", kind="names", summary="Take no wheels: of all, or of these projects."),
    Key(
        name="require-hashes",
        parameter="require_hashes",
        kind="flag",
        summary="Every requirement needs a hash that its file has.",
        default=False,
    ),
    Key(name="near", parameter="near", kind="text", summary="A lock whose versions are preferred.", path=True),
    Key(name="index-url", parameter="index_url", kind="text", summary="The index.", default="pip's configuration"),
    Key(
        name="extra-index-url", parameter="extra_index_urls", kind="texts", summary="Indexes that go before the index."
    ),
    Key(
        name="keyring-provider",
        parameter="keyring_provider",
        kind="text",
        summary="How the keyring is asked for passwords of indexes: `disabled`, `subprocess`, `import` or `auto`.",
        default="pip's configuration, or disabled",
        check=lambda _, text: parse_choice(text, KEYRING_PROVIDERS, "keyring-provider"),
    ),
    Key(
        name="crates-url",
        parameter="crates_url",
        kind="text",
        summary="Where the crates of Rust sdists are: the `dl` of a registry's config.json.",
        default="the public registry",
        check=lambda _, text: parse_crates_url(text),
    ),
    Key(
        name="nixpkgs",
        parameter="nixpkgs_source",
        kind="text",
        summary="The nixpkgs to pin: a revision, or a flake.lock or npins sources.json.",
        path=True,
    ),
    Key(
        name="nixpkgs-sha256",
        parameter="nixpkgs_sha256",
        kind="text",
        summary="Hash of that revision's unpacked archive.",
    ),
    Key(
        name="fixes",
        parameter="fixes_files",
        kind="texts",
        summary="Files that say what builds take of nixpkgs, as after `--fixes`.",
        path=True,
    ),
    Key(
        name="db",
        parameter="db",
        kind="text",
        summary="The catalog: a SQLite file or postgresql://….",
        default="in your data directory",
        path=True,
    ),
    Key(name="snapshot", parameter="snapshot", kind="text", summary="Answer from this snapshot; fetch nothing."),
    Key(name="offline", parameter="offline", kind="flag", summary="Fetch nothing.", default=False),
    Key(
        name="max-age",
        parameter="max_age",
        kind="count",
        summary="Seconds after which project pages are asked for again.",
        default=600,
    ),
)
