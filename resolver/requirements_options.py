"""The options of requirements files: which exist, what mach does with each, and how a line is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import InputError

__all__ = ["OPTIONS", "GivenOption", "Option", "redact", "split_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option and its treatment."""

    names: tuple[str, ...]
    """Spellings; the first long one is the name in messages."""
    takes_value: bool = True
    place: str = "own line"
    """``own line``, ``alone`` (nothing else on its line) or ``requirement`` (behind a requirement)."""
    refused: str | None = None
    """Why mach refuses it always; None where it is honoured."""
    hint: str | None = None
    """What to do instead, for a refused option."""
    in_pip: bool = True
    """Whether pip knows it in requirements files today; older releases did know the others."""

    @property
    def name(self) -> str:
        """The option's long name."""
        return next(name for name in self.names if name.startswith("--"))


_BUILD = "mach passes no settings to build backends yet"
_LEGACY = "pip itself has dropped it with the setup.py interface"

OPTIONS: tuple[Option, ...] = (
    Option(names=("-i", "--index-url", "--pypi-url")),
    Option(names=("--extra-index-url",)),
    Option(
        names=("--no-index",),
        takes_value=False,
        refused="without an index only --find-links would be left, which mach does not read",
        hint="remove the line; mach --offline resolves from the catalog alone",
    ),
    Option(names=("-c", "--constraint"), place="alone"),
    Option(names=("-r", "--requirement"), place="alone"),
    Option(names=("-e", "--editable"), place="alone"),
    Option(
        names=("-f", "--find-links"),
        refused="mach reads indexes, not folders or pages of links",
        hint="serve the files as an index (PEP 503) and name it with --extra-index-url",
    ),
    Option(names=("--no-binary",)),
    Option(names=("--only-binary",)),
    Option(names=("--prefer-binary",), takes_value=False),
    Option(names=("--require-hashes",), takes_value=False),
    Option(names=("--no-require-hashes",), takes_value=False),
    Option(names=("--pre",), takes_value=False),
    Option(names=("--all-releases",)),
    Option(
        names=("--only-final",),
        refused="mach takes a pre-release where nothing stable fits or a requirement names one; this would forbid it",
        hint="remove the line, and exclude pre-releases with a specifier where it matters",
    ),
    Option(names=("--trusted-host",)),
    Option(names=("--use-feature",)),
    Option(names=("--hash",), place="requirement"),
    Option(
        names=("-C", "--config-settings"),
        place="requirement",
        refused=_BUILD,
        hint="remove it, or take a wheel of this project",
    ),
    Option(names=("--global-option",), place="requirement", refused=_LEGACY, hint="remove it", in_pip=False),
    Option(names=("--build-option",), place="requirement", refused=_LEGACY, hint="remove it", in_pip=False),
    Option(names=("--install-option",), place="requirement", refused=_LEGACY, hint="remove it", in_pip=False),
    Option(
        names=("--process-dependency-links",),
        takes_value=False,
        refused="pip itself has dropped dependency links",
        hint="remove the line",
        in_pip=False,
    ),
    Option(
        names=("--allow-external", "--allow-unverified"),
        refused="pip itself has dropped externally hosted files",
        hint="remove the line",
        in_pip=False,
    ),
    Option(
        names=("--always-unzip", "-Z"),
        takes_value=False,
        refused="pip itself has dropped eggs",
        hint="remove the line",
        in_pip=False,
    ),
)

_BY_NAME = {name: option for option in OPTIONS for name in option.names}
#: Only these can be abbreviated, as with pip (optparse).
_LONG = sorted(name for option in OPTIONS if option.in_pip for name in option.names if name.startswith("--"))
_QUOTING = re.compile(r"[\"'\\]")
_SHELL_SPACE = re.compile(r"[ \t\r\n]+")
_USERINFO = re.compile(r"(?<=//)[^/\s]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenOption:
    """An option as it stands on a line."""

    option: Option
    value: str
    """Empty for an option without a value."""


def redact(text: str) -> str:
    """Return *text* shortened for a message, without the userinfo of URLs in it."""
    shown = _USERINFO.sub("", text)
    return shown if len(shown) <= 200 else shown[:200] + "…"


def _refuse(origin: str, message: str, hint: str, *, code: str = "invalid-option") -> InputError:
    return InputError(code, f"{origin}: {message}", hint=hint)


def _find_long(name: str, origin: str) -> Option:
    """Return the option that *name* spells, in full or as an unambiguous beginning (pip: optparse)."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    matches = [known for known in _LONG if known.startswith(name)]
    if len(matches) == 1:
        return _BY_NAME[matches[0]]
    if matches:
        raise _refuse(origin, f"option {redact(name)} is ambiguous", f"write one of {', '.join(matches)}")
    raise _refuse(
        origin,
        f"option {redact(name)} is not known in requirements files",
        "docs/reference/requirements-file.md lists those that are",
        code="unknown-option",
    )


def _split_words(text: str, origin: str) -> list[str]:
    """Return the words of *text* as a shell splits them (pip: shlex)."""
    if not _QUOTING.search(text):
        return [word for word in _SHELL_SPACE.split(text) if word]
    import shlex  # rarely needed, and this is on the hot path of every command

    try:
        return shlex.split(text)
    except ValueError as error:
        raise _refuse(
            origin, f"quotes do not match in {redact(text)!r}", "close every quote and end no line with a backslash"
        ) from error


def _parse_words(words: Iterable[str], origin: str) -> list[GivenOption]:
    given = list[GivenOption]()
    rest = iter(words)
    for word in rest:
        attached: str | None
        if word.startswith("--") and word != "--":
            name, equals, tail = word.partition("=")
            option, attached = _find_long(name, origin), tail if equals else None
        elif word.startswith("-") and word not in ("-", "--"):
            name, attached = word[:2], word[2:] or None
            if name not in _BY_NAME:
                raise _refuse(
                    origin,
                    f"option {redact(name)} is not known in requirements files",
                    "docs/reference/requirements-file.md lists those that are",
                    code="unknown-option",
                )
            option = _BY_NAME[name]
        else:
            raise _refuse(
                origin,
                f"{redact(word)!r} stands behind options and means nothing there",
                "write the requirement first, or on a line of its own",
            )
        if not option.takes_value:
            if attached is not None:
                raise _refuse(origin, f"option {option.name} takes no value", f"write {option.name} alone")
            given.append(GivenOption(option=option, value=""))
            continue
        value = attached if attached is not None else next(rest, "")
        if not value or (attached is None and value.startswith("-")):
            raise _refuse(origin, f"option {option.name} needs a value", f"write {option.name}=VALUE")
        given.append(GivenOption(option=option, value=value))
    return given


def split_line(line: str, origin: str) -> tuple[str, tuple[GivenOption, ...]]:
    """Return the requirement on a logical line (``""`` for none) and the options on it.

    As with pip, options begin at the first word that follows a space and starts with ``-``, and
    are split as by a shell; abbreviated long options and ``-ivalue`` are taken.

    :param origin: ``requirements.txt:4``.
    :raises InputError: ``unknown-option``, ``invalid-option`` (no value, a value too many, ambiguous,
        text behind options), ``option-unsupported`` (refused by name), ``option-misplaced`` (on a
        line where pip would ignore it).
    """
    words = line.split(" ")
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    requirement = " ".join(words[:first])
    options = tuple(_parse_words(_split_words(" ".join(words[first:]), origin), origin))
    for given in options:
        option = given.option
        if option.refused is not None:
            raise InputError(
                "option-unsupported",
                f"{origin}: option {option.name} is not supported",
                context=[option.refused],
                hint=option.hint,
            )
        if requirement and option.place != "requirement":
            raise _refuse(
                origin,
                f"option {option.name} stands behind a requirement, where pip ignores it",
                "write it on a line of its own",
                code="option-misplaced",
            )
        if not requirement and option.place == "requirement":
            raise _refuse(
                origin,
                f"option {option.name} belongs to no requirement",
                f"write NAME==VERSION {option.name}=…, continued with a backslash where lines break",
                code="option-misplaced",
            )
        if option.place == "alone" and len(options) > 1:
            raise _refuse(
                origin,
                f"option {option.name} shares its line with other options, of which pip ignores some",
                "write each on a line of its own",
                code="option-misplaced",
            )
    return requirement, options
