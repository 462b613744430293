"""From pins that a search found to the pins of a lock: each with what it names, and checked against given hashes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from .catalog import ID, Artifact, Catalog
from .direct import DIRECT, LOCAL_ID, is_direct, parse_reference
from .errors import DataError, InputError, NoSolution
from .lock import (
    Locked,
    LockedArtifact,
    LockedAttribute,
    LockedCheckout,
    LockedCrate,
    LockedPath,
    Pin,
)
from .requirement import Request
from .resolution import ResolvedPin
from .unversioned import UNVERSIONED

if TYPE_CHECKING:
    from .crates import Crate

__all__ = ["LockedPins"]


class LockedPins:
    """Pins as a lock of one request has them, from one state of a catalog."""

    def __init__(self, request: Request, catalog: Catalog) -> None:
        self._request = request
        self._catalog = catalog
        self._artifacts: dict[int, Artifact] = {}

    def load_artifacts(self, pins: Iterable[ResolvedPin]) -> None:
        """Read the files of *pins* from the catalog in one batch, for :meth:`pin`."""
        ids = {pin.page.files[row][ID] for pin in pins for row in pin.rows} - {LOCAL_ID}
        self._artifacts.update(self._catalog.artifacts(ids - self._artifacts.keys()))

    def artifact(self, pin: ResolvedPin, hashes: frozenset[str] | None = None) -> LockedArtifact:
        """Return the file of an index that the lock names: the best one, or the best one whose hash was given.

        :param hashes: the hashes that the user gave for the project; None where none apply
            (mach's own tools).
        """
        files = [self._artifacts[pin.page.files[row][ID]] for row in pin.rows]
        release = f"{pin.project} {pin.version}"
        if hashes:
            allowed = [f for f in files if f.sha256 is not None and f"sha256:{f.sha256}" in hashes]
            if not allowed:
                raise NoSolution(
                    "hash-mismatch",
                    f"no file of {release} for this target has a hash that was given",
                    context=[
                        *(
                            f"given at {stated.origin}: {given}"
                            for stated in (*self._request.requirements, *self._request.constraints)
                            for given in (stated.hashes if stated.project == pin.project else ())
                        ),
                        *(f"the index has: sha256:{f.sha256} {f.filename}" for f in files),
                    ],
                    hint="find out which of the two is right before you change the hash",
                )
            files = allowed
        elif hashes is not None and self._request.require_hashes:
            raise InputError(
                "hash-missing",
                f"--require-hashes is set and {release} has no --hash",
                hint=f"add {pin.project}=={pin.version} --hash=sha256:{files[0].sha256} to the requirements",
            )
        best = files[0]
        if best.sha256 is None:
            raise DataError(
                "no-hash",
                f"the index gives no sha256 for {best.filename}",
                hint="use an index that gives hashes; mach locks nothing that it cannot check",
            )
        return LockedArtifact(filename=best.filename, url=best.url, sha256=best.sha256, size=best.size)

    def _attribute(self, pin: ResolvedPin, hashes: frozenset[str] | None) -> LockedAttribute:
        """Return the attribute of nixpkgs that the lock names."""
        from .nixpkgs_index import parse_attribute_filename

        if hashes is not None and (hashes or self._request.require_hashes):
            raise InputError(
                "hash-missing",
                f"hashes are required, and {pin.project} comes from nixpkgs, which builds it: no hash is known before",
                hint=f"allow it wheels and sdists alone (--provider {pin.project}=wheel,sdist), or do without hashes",
            )
        filename = self._artifacts[pin.page.files[pin.rows[0]][ID]].filename
        name = parse_attribute_filename(filename)
        if name is None:
            raise DataError(
                "catalog-corrupt",
                f"the catalog does not name the attribute of {pin.project}: {filename!r}",
                hint="crawl the nixpkgs again with `mach crawl nixpkgs`",
            )
        return LockedAttribute(attribute=name[0], version=name[1])

    def _direct_artifact(self, pin: ResolvedPin, direct: str, hashes: frozenset[str] | None) -> Locked:
        """Return what the lock names for a pin that a direct reference provides."""
        reference = parse_reference(direct)
        if reference.kind == "url":
            given = {f"sha256:{reference.sha256}"} if reference.sha256 is not None else set()
            artifact = self.artifact(pin, None if hashes is None else hashes or frozenset(given))
            # the archive of a source tree that states no version is called by what stands for one
            return replace(artifact, filename=artifact.filename.replace(f"-{UNVERSIONED}.", f"-{pin.version}."))
        source = self._request.local_sources.get(direct)
        is_tree = source is None or source.sha256 is None
        # pip's rule: no hash can be given for what is no single file
        if is_tree and hashes is not None and (hashes or self._request.require_hashes):
            raise InputError(
                "hash-missing",
                f"hashes are required, and {pin.project} comes from a source tree, for which none can be given",
                hint="name a wheel or an sdist of it, or do without --require-hashes and --hash",
            )
        if source is not None:
            if source.sha256 is not None and hashes and f"sha256:{source.sha256}" not in hashes:
                raise NoSolution(
                    "hash-mismatch",
                    f"{source.filename} does not have a hash that was given",
                    context=[*(f"given: {h}" for h in sorted(hashes)), f"the file has: sha256:{source.sha256}"],
                    hint="find out which of the two is right before you change the hash",
                )
            return LockedPath(
                path=reference.location,
                states=source.digest,
                filename=source.filename,
                sha256=source.sha256,
                editable=reference.editable,
            )
        file = self._artifacts[pin.page.files[pin.rows[0]][ID]]
        checkout = parse_reference(file.url)
        if checkout.commit is None or file.sha256 is None:
            raise DataError(
                "catalog-corrupt",
                f"the catalog does not name the commit of {pin.project}",
                hint="fetch it again with --refresh",
            )
        return LockedCheckout(
            url=checkout.location,
            commit=checkout.commit,
            nar_sha256=file.sha256,
            subdirectory=checkout.subdirectory,
        )

    def _crates(self, crates: Iterable[Crate]) -> tuple[LockedCrate, ...]:
        """Return *crates* with their addresses in the registry of the request."""
        from .crates import default_crates_url

        base = self._request.crates_url or default_crates_url()
        return tuple(LockedCrate.of(crate, base) for crate in crates)

    def pin(
        self, pin: ResolvedPin, *, build: str | None = None, hashes: Mapping[str, frozenset[str]] | None = None
    ) -> Pin:
        """Return *pin* as the lock has it.

        :param build: digest of its build closure.
        :param hashes: the hashes that the user gave, by project; None where none apply.
        :raises InputError: ``hash-missing``.
        :raises NoSolution: ``hash-mismatch``.
        :raises DataError: ``no-hash``, ``catalog-corrupt``.
        """
        given = None if hashes is None else hashes.get(pin.project, frozenset())
        direct = pin.page.index.removeprefix(DIRECT) if is_direct(pin.page.index) else None
        artifact: Locked
        if pin.provider == "nixpkgs":
            artifact = self._attribute(pin, given)
        elif direct is None:
            artifact = self.artifact(pin, given)
        else:
            artifact = self._direct_artifact(pin, direct, given)
        crates = None if pin.plan is None else pin.plan.crates
        return Pin(
            name=pin.project,
            version=pin.version,
            provider=pin.provider,
            extras=pin.extras,
            artifact=artifact,
            dependencies=pin.dependencies,
            build=build,
            crates=None if crates is None else self._crates(crates),
            built_on=None if pin.plan is None or pin.plan.place is None else str(pin.plan.place),
            direct=direct,
            passed_over=pin.passed_over,
            fallback=pin.fallback,
        )
