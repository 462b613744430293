"""Requests from a pylock.toml (PEP 751): its releases, held at their versions with their hashes."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.pylock import (
    Package,
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)

from .direct import Locate
from .errors import InputError
from .foreign_locks import ForeignPin, pin_requirements, refuse_source, refuse_version, registries_of
from .names import NormalizedName, normalize_extra
from .request_file import RequestFile, RequiresPython, Selection
from .target import Target
from .toml_document import TomlDocument, parse_toml

__all__ = ["parse_pylock"]


def _read(document: TomlDocument) -> Pylock:
    """Return the validated lock.

    :raises InputError: ``foreign-lock-version``, ``invalid-file``.
    """
    try:
        return Pylock.from_dict(document.table)
    except PylockUnsupportedVersionError as error:
        raise refuse_version(document.name, document.table.get("lock-version"), "version 1 of pylock.toml") from error
    except (PylockValidationError, ValueError, RecursionError) as error:
        raise InputError(
            "invalid-file",
            f"{document.name} is no pylock.toml",
            context=[str(error)[:300]],
            hint="PEP 751 tells the form; make the lock anew with its own tool",
        ) from error


class _Lock:
    """One pylock.toml while its request is taken from it."""

    def __init__(self, document: TomlDocument, selection: Selection) -> None:
        self.document = document
        self.lock = _read(document)
        self.origins = document.headers("[[packages]]", len(self.lock.packages))
        self.known_extras = {normalize_extra(e): e for e in self.lock.extras or ()}
        self.known_groups = {
            normalize_extra(g): g for g in (*(self.lock.dependency_groups or ()), *(self.lock.default_groups or ()))
        }
        chosen = self.known_extras if selection.all_extras else selection.extras
        self.extras = frozenset(self.known_extras[e] for e in chosen if e in self.known_extras)
        named = {self.known_groups[g] for g in selection.groups if g in self.known_groups}
        self.groups = frozenset(named | set(self.lock.default_groups or ()))
        self.notes: dict[str, None] = {}

    def select(self, target: Target) -> list[ForeignPin]:
        """Return the pins for *target* (PEP 751, "Installation").

        :raises InputError: ``foreign-lock-target``, ``python-not-admitted``, ``invalid-file``.
        """
        environments = self.lock.environments or []
        try:
            if environments and not any(m.evaluate(dict(target.environment)) for m in environments):
                raise InputError(
                    "foreign-lock-target",
                    f"{self.document.name} is not made for Python {target.python} on {target.system}",
                    context=[f"it is for {' or '.join(map(str, environments))[:300]}"],
                    hint="lock for this environment as well, or take another --platform or --python",
                )
            return self._select(target)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # a marker of a stranger that compares what cannot be compared
            raise InputError(
                "invalid-file",
                f"{self.document.name}: a marker cannot be evaluated",
                context=[f"{type(error).__name__}: {str(error)[:200]}"],
                hint="make the lock anew with its own tool",
            ) from error

    def _select(self, target: Target) -> list[ForeignPin]:
        environment = {**target.environment, "extras": self.extras, "dependency_groups": self.groups}
        found: dict[NormalizedName, ForeignPin] = {}
        for package, origin in zip(self.lock.packages, self.origins, strict=True):
            # the text is PEP 751's own: packaging's type knows texts alone, its code sets as well
            if package.marker and not package.marker.evaluate(environment, context="lock_file"):  # type: ignore[arg-type]
                continue
            if package.requires_python:
                RequiresPython(specifier=package.requires_python, origin=f"{origin}: {package.name}").check(target)
            if package.name in found:
                raise self.document.refuse(
                    origin,
                    f"two releases of {package.name} are locked for Python {target.python} on {target.system}",
                    "PEP 751 does not allow that; make the lock anew",
                )
            pin = self._pin(package, origin)
            if pin is not None:
                found[package.name] = pin
        return list(found.values())

    def _pin(self, package: Package, origin: str) -> ForeignPin | None:
        if package.directory is not None:
            if package.directory.path.rstrip("/") not in (".", ""):
                raise refuse_source(origin, package.name, "directory", package.directory.path)
            self.notes[f"{origin}: {package.name} is the project itself and not a part of the environment"] = None
            return None
        if package.vcs is not None:
            vcs = package.vcs
            if vcs.url is None:
                raise refuse_source(origin, package.name, f"{vcs.type} folder", vcs.path or "")
            below = f"#subdirectory={vcs.subdirectory}" if vcs.subdirectory else ""
            url = f"{vcs.type}+{vcs.url}@{vcs.commit_id}{below}"
            return ForeignPin(project=package.name, url=url, origin=origin)
        if package.archive is not None:
            archive = package.archive
            if archive.url is None:
                raise refuse_source(origin, package.name, "file", archive.path or "")
            below = f"#subdirectory={archive.subdirectory}" if archive.subdirectory else ""
            files = tuple(("", f"sha256:{d}") for a, d in archive.hashes.items() if a == "sha256")
            return ForeignPin(project=package.name, url=f"{archive.url}{below}", files=files, origin=origin)
        if package.version is None:
            raise self.document.refuse(origin, f"{package.name} has no version", "lock a release of it from an index")
        listed: list[PackageWheel | PackageSdist] = [
            *(package.wheels or ()),
            *([package.sdist] if package.sdist is not None else []),
        ]
        if any(file.url is None for file in listed):
            raise refuse_source(origin, package.name, "file", str(next(f.path for f in listed if f.url is None)))
        return ForeignPin(
            project=package.name,
            version=str(package.version),
            files=tuple((f.filename, f"sha256:{f.hashes['sha256']}") for f in listed if "sha256" in f.hashes),
            registry=package.index,
            origin=origin,
        )


def parse_pylock(
    text: str, name: str, selection: Selection, targets: Sequence[Target], locate: Locate | None = None
) -> RequestFile:
    """Return what a pylock.toml asks for: every release that is meant for a target, at its version and with its hashes.

    :param name: the file's name, for messages.
    :param selection: extras and groups; the lock's default groups are always taken.
    :param targets: those to take pins for.
    :param locate: finds what local paths hold; None refuses every direct reference.
    :raises InputError: ``invalid-toml``, ``invalid-file``, ``foreign-lock-version``, ``foreign-lock-target``,
        ``foreign-source-unsupported``, ``python-not-admitted``.
    """
    document = parse_toml(text, name)
    lock = _Lock(document, selection)
    stated = lock.lock.requires_python
    python = None
    if stated is not None:
        python = RequiresPython(specifier=stated, origin=document.place("requires-python", str(stated)))
    for target in targets:
        if python is not None:
            python.check(target)
    selected = {target: lock.select(target) for target in targets}
    references, _ = pin_requirements(selected, direct=True, locate=locate)
    requirements, notes = pin_requirements(selected, direct=False)
    return RequestFile(
        requirements=(*requirements, *references),
        requires_python=python,
        registries=registries_of(selected),
        extras=frozenset(lock.known_extras),
        groups=frozenset(lock.known_groups),
        notes=(*lock.notes, *notes),
    )
