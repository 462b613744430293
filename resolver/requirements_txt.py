"""Requirements files in pip's grammar: the requirements, constraints and options that they state.

Line syntax is in :mod:`resolver.requirements_lines`, options in
:mod:`resolver.requirements_options`; ``docs/reference/requirements-file.md`` has the table of
what is honoured and what is refused.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .direct import Locate
from .errors import InputError, printable
from .file_kinds import file_kind
from .names import normalize_project
from .requirement import Requirement
from .requirements_lines import decode_requirements, logical_lines
from .requirements_options import GivenOption, redact, split_line
from .user_requirement import parse_user_requirement

__all__ = [
    "Reader",
    "RequirementsFile",
    "decode_requirements",
    "parse_requirements_file",
    "parse_requirements_text",
]

#: Takes the path of a file and the origin that names it (``requirements.txt:3``, or ``command
#: line``) and returns its text; raises InputError where it cannot be read.
Reader = Callable[[str, str], str]

MAX_FILES = 256
MAX_DEPTH = 32
MAX_REQUIREMENTS = 20_000

_URL = re.compile(r"file:|[A-Za-z][A-Za-z0-9+.-]*://", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STRONG_HASHES = ("sha256", "sha384", "sha512")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
#: Features of pip's own machinery: they change how pip works, not what is resolved.
_PIP_FEATURES = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementsFile:
    """What a requirements file states, nested files included."""

    requirements: tuple[Requirement, ...] = ()
    """In the order of their lines."""
    constraints: tuple[Requirement, ...] = ()
    """From files named with ``-c``: no extras, no URL."""
    index_url: str | None = None
    """The last ``--index-url``, as it was written; it may hold userinfo."""
    extra_index_urls: tuple[str, ...] = ()
    """In the order of their lines, without repeats; they may hold userinfo."""
    pre: bool = False
    """``--pre`` or ``--all-releases :all:``."""
    prefer_binary: bool = False
    only_binary: tuple[str, ...] = ()
    """Normalised projects and ``:all:``, sorted; a project's own entry, here or in
    :attr:`no_binary`, goes before ``:all:``. See :meth:`allows_wheels` and :meth:`allows_sdists`."""
    no_binary: tuple[str, ...] = ()
    """As :attr:`only_binary`; no project is in both."""
    require_hashes: bool = False
    """``--require-hashes``, or any ``--hash`` without ``--no-require-hashes``."""
    trusted_hosts: tuple[str, ...] = ()
    """``HOST`` or ``HOST:PORT``, in the order of their lines, without repeats."""
    notes: tuple[str, ...] = ()
    """Sentences for stderr: what was honoured without effect, or differs from pip."""

    def _allows(self, project: str, only: tuple[str, ...], other: tuple[str, ...]) -> bool:
        if project in only or project in other:
            return project not in other
        return ":all:" not in other

    def allows_wheels(self, project: str) -> bool:
        """Return whether ``--no-binary`` lets a normalised *project* come from a wheel."""
        return self._allows(project, self.only_binary, self.no_binary)

    def allows_sdists(self, project: str) -> bool:
        """Return whether ``--only-binary`` lets a normalised *project* come from an sdist."""
        return self._allows(project, self.no_binary, self.only_binary)


class _Reading:
    """State of reading one file and all that it names; the fields are those of :class:`RequirementsFile`."""

    def __init__(self, read: Reader | None, environment: Mapping[str, str], locate: Locate | None) -> None:
        self.read = read
        self.locate = locate
        self.environment = environment
        self.requirements: list[Requirement] = []
        self.constraints: list[Requirement] = []
        self.index_url: str | None = None
        self.index_origin = ""
        self.extra_index_urls: dict[str, None] = {}
        self.pre = False
        self.prefer_binary = False
        self.only_binary: set[str] = set()
        self.no_binary: set[str] = set()
        self.require_hashes = False
        self.no_require_hashes = False
        self.trusted_hosts: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self.seen: set[tuple[str, bool]] = set()
        """Nested files that were read, each with whether it was read for constraints."""


def parse_requirements_file(
    name: str,
    read: Reader,
    *,
    environment: Mapping[str, str] | None = None,
    constraint: bool = False,
    locate: Locate | None = None,
) -> RequirementsFile:
    """Return what the requirements file *name* and the files that it names state.

    :param name: its path, as messages shall show it.
    :param read: gives the text of a path; nested paths are relative to the file that names them.
    :param environment: values for ``${NAME}``; a name that is not in it stays as it is, as with pip.
    :param constraint: its own requirements are constraints (``-c`` on the command line).
    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: every refusal, with file and line.
    """
    text = read(name, "command line")
    return parse_requirements_text(text, name, read=read, environment=environment, constraint=constraint, locate=locate)


def parse_requirements_text(
    text: str,
    name: str = "-",
    *,
    read: Reader | None = None,
    environment: Mapping[str, str] | None = None,
    constraint: bool = False,
    locate: Locate | None = None,
) -> RequirementsFile:
    """Return what *text* states: standard input, the body of a request, or a file that is read already.

    :param name: for origins, ``requirements.txt:4``, and as the place that nested paths are relative to.
    :param read: as for :func:`parse_requirements_file`; None refuses every nested file by name.
    :param environment: as for :func:`parse_requirements_file`.
    :param constraint: as for :func:`parse_requirements_file`.
    :param locate: as for :func:`parse_requirements_file`.
    :raises InputError: every refusal, with file and line.
    """
    reading = _Reading(read, environment or {}, locate)
    _read_file(reading, text, name, constraint=constraint, chain=(posixpath.normpath(name),))
    return RequirementsFile(
        requirements=tuple(reading.requirements),
        constraints=tuple(reading.constraints),
        index_url=reading.index_url,
        extra_index_urls=tuple(reading.extra_index_urls),
        pre=reading.pre,
        prefer_binary=reading.prefer_binary,
        only_binary=tuple(sorted(reading.only_binary)),
        no_binary=tuple(sorted(reading.no_binary)),
        require_hashes=_requires_hashes(reading),
        trusted_hosts=tuple(reading.trusted_hosts),
        notes=tuple(printable(note) for note in reading.notes),
    )


def _requires_hashes(reading: _Reading) -> bool:
    if reading.require_hashes and reading.no_require_hashes:
        raise InputError(
            "invalid-option",
            "--require-hashes and --no-require-hashes are both given",
            hint="remove one of them",
        )
    hashed = any(stated.hashes for stated in (*reading.requirements, *reading.constraints))
    return reading.require_hashes or (hashed and not reading.no_require_hashes)


def _read_file(reading: _Reading, text: str, name: str, *, constraint: bool, chain: tuple[str, ...]) -> None:
    for number, line in logical_lines(text, name, reading.environment):
        origin = f"{name}:{number}"
        body, options = split_line(line, origin)
        if body:
            _add_requirement(reading, body, options, origin, constraint)
            continue
        if len([given for given in options if given.option.name == "--index-url"]) > 1:
            raise InputError(
                "invalid-option",
                f"{origin}: option --index-url is given twice on one line",
                hint="keep one; others can be named with --extra-index-url",
            )
        for given in options:
            if given.option.name == "--editable":
                _add_requirement(reading, given.value, (), origin, constraint, editable=True)
            elif given.option.name in ("--requirement", "--constraint"):
                _read_nested(reading, given.value, origin, constraint=given.option.name == "--constraint", chain=chain)
            else:
                _apply_option(reading, given, origin)


def _read_nested(reading: _Reading, path: str, origin: str, *, constraint: bool, chain: tuple[str, ...]) -> None:
    if reading.read is None:
        raise InputError(
            "nested-file-refused",
            f"{origin}: {redact(path)!r} is not read here",
            hint="put the lines of that file in its place",
        )
    if _URL.match(path):
        raise InputError(
            "nested-url-unsupported",
            f"{origin}: {redact(path)!r} is a URL, and mach reads requirements from files only",
            hint="download it and name the file",
        )
    name = posixpath.normpath(posixpath.join(posixpath.dirname(chain[-1]), path))
    if file_kind(name) != "requirements":
        raise InputError(
            "nested-file-refused",
            f"{origin}: {redact(path)!r} is no requirements file",
            hint=f"name it on the command line: -r {redact(name)}",
        )
    if name in chain:
        shown = chain[chain.index(name) :]
        raise InputError(
            "requirements-cycle",
            f"{origin}: {name} names itself: {' -> '.join([*shown, name])}",
            hint="remove one of these -r or -c lines",
        )
    if (name, constraint) in reading.seen:
        return  # said once is enough; pip reads it again, to the same end
    reading.seen.add((name, constraint))
    if len(chain) >= MAX_DEPTH or len(reading.seen) >= MAX_FILES:
        raise InputError(
            "requirements-limit",
            f"{origin}: too many nested requirements files",
            hint=f"there may be {MAX_FILES} files, nested {MAX_DEPTH} deep",
        )
    _read_file(reading, reading.read(name, origin), name, constraint=constraint, chain=(*chain, name))


def _add_requirement(
    reading: _Reading,
    body: str,
    options: tuple[GivenOption, ...],
    origin: str,
    constraint: bool,
    *,
    editable: bool = False,
) -> None:
    hashes = _parse_hashes(reading, [given.value for given in options], origin)
    requirement = parse_user_requirement(body, origin, hashes=hashes, locate=reading.locate, editable=editable)
    if constraint and requirement.extras:
        raise InputError(
            "constraint-unsupported",
            f"{origin}: a constraint cannot have extras: {redact(body)!r}",
            hint="keep name and versions here, and put the extra into a requirement",
        )
    if editable and requirement.url is not None and requirement.url.startswith("git+"):
        reading.notes[
            f"{origin}: -e changes nothing for a repository: {requirement.project} is built from its commit; "
            "to work on it, clone it and name its folder"
        ] = None
    (reading.constraints if constraint else reading.requirements).append(requirement)
    if len(reading.constraints) + len(reading.requirements) > MAX_REQUIREMENTS:
        raise InputError(
            "requirements-limit",
            f"{origin}: too many requirements",
            hint=f"there may be {MAX_REQUIREMENTS}",
        )


def _parse_hashes(reading: _Reading, values: list[str], origin: str) -> tuple[str, ...]:
    """Return the sha256 digests among *values* (``ALGORITHM:DIGEST``), sorted, without repeats."""
    found, others = set[str](), set[str]()
    for value in values:
        algorithm, colon, digest = value.partition(":")
        digest = digest.lower()
        if not colon or algorithm not in _STRONG_HASHES or (algorithm == "sha256" and not _SHA256.fullmatch(digest)):
            raise InputError(
                "invalid-hash",
                f"{origin}: {redact(value)!r} is not a hash",
                hint="write --hash=sha256: and 64 hexadecimal digits",
            )
        if algorithm == "sha256":
            found.add(f"sha256:{digest}")
        else:
            others.add(algorithm)
    if others and not found:
        raise InputError(
            "hash-unsupported",
            f"{origin}: mach checks sha256 and cannot check {', '.join(sorted(others))}",
            hint="add --hash=sha256:… for the same files",
        )
    if others:
        reading.notes[f"{origin}: {', '.join(sorted(others))} is not checked, only sha256"] = None
    return tuple(sorted(found))


def _apply_option(reading: _Reading, given: GivenOption, origin: str) -> None:
    """Put one option that stands on its own line into *reading*."""
    name, value = given.option.name, given.value
    if name == "--index-url":
        url = _check_url(value, name, origin)
        if reading.index_url not in (None, url):
            reading.notes[f"{origin}: --index-url replaces the one of {reading.index_origin}"] = None
        reading.index_url, reading.index_origin = url, origin
    elif name == "--extra-index-url":
        reading.extra_index_urls[_check_url(value, name, origin)] = None
    elif name == "--pre":
        reading.pre = True
    elif name == "--all-releases":
        if value != ":all:":
            raise InputError(
                "option-unsupported",
                f"{origin}: option {name} is supported with the value :all: only",
                context=["pre-releases are allowed for all projects or none"],
                hint="name a pre-release in the project's specifier instead, as in NAME>=2.0a1",
            )
        reading.pre = True
    elif name == "--prefer-binary":
        reading.prefer_binary = True
        reading.notes[f"{origin}: --prefer-binary changes nothing: wheels are preferred unless providers say else"] = (
            None
        )
    elif name == "--only-binary":
        _apply_format(value, reading.only_binary, reading.no_binary, name, origin)
    elif name == "--no-binary":
        _apply_format(value, reading.no_binary, reading.only_binary, name, origin)
    elif name == "--require-hashes":
        reading.require_hashes = True
    elif name == "--no-require-hashes":
        reading.no_require_hashes = True
    elif name == "--trusted-host":
        if not _HOST.fullmatch(value):
            raise _invalid_value(value, name, origin, "write HOST or HOST:PORT")
        reading.trusted_hosts[value] = None
    elif name == "--use-feature":
        if len(value) > 80 or not _PIP_FEATURES.fullmatch(value):
            raise _invalid_value(value, name, origin, "write one of pip's feature names, or remove the line")
        reading.notes[f"{origin}: --use-feature={value} changes nothing: it is a switch inside pip"] = None
    else:  # an option that the table lists and nothing honours is a bug, never dropped
        raise AssertionError(f"option {name} has no treatment")


def _invalid_value(value: str, name: str, origin: str, hint: str) -> InputError:
    return InputError("invalid-option", f"{origin}: {redact(value)!r} is no value for {name}", hint=hint)


def _check_url(value: str, name: str, origin: str) -> str:
    """Return *value* where it is a URL of an index: http, https, or file (the service decides on those)."""
    from urllib.parse import urlsplit  # 2 ms, and most files name no index

    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _invalid_value(value, name, origin, "write the URL of an index (PEP 503)") from None
    if not (valid or (parts.scheme == "file" and parts.path)) or not value.isprintable() or " " in value:
        raise _invalid_value(value, name, origin, "write the URL of an index (PEP 503), http, https or file")
    return value


def _apply_format(value: str, target: set[str], other: set[str], name: str, origin: str) -> None:
    """Apply a value of ``--only-binary`` or ``--no-binary`` as pip does (``FormatControl``).

    Names add to the earlier ones and leave the other set; ``:all:`` replaces all before it and
    empties the other set, ``:none:`` empties this one.
    """
    entries = value.split(",")
    while ":all:" in entries:
        other.clear()
        target.clear()
        target.add(":all:")
        del entries[: entries.index(":all:") + 1]
        if ":none:" not in entries:
            return
    for entry in entries:
        if entry == ":none:":
            target.clear()
            continue
        try:
            project = normalize_project(entry)
        except ValueError as error:
            raise _invalid_value(
                entry, name, origin, "write project names, :all: or :none:, with commas between"
            ) from error
        other.discard(project)
        target.add(project)
