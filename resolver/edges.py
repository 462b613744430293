"""One requirement in the search, and what its specifier says about the order of decisions."""

from __future__ import annotations

from packaging.specifiers import SpecifierSet

from .names import NormalizedName

__all__ = ["UNUSABLE", "Edge", "SpecifierFlags"]

#: Identity of the node that has no candidates: requiring it makes a candidate unusable.
UNUSABLE = "<unusable>"


class Edge:
    """What is asked of one node, and by whom."""

    __slots__ = ("_flags", "exact", "extra", "key", "mask", "origin", "project", "provider", "specifier", "text")

    def __init__(
        self,
        project: NormalizedName,
        extra: str,
        specifier: SpecifierSet,
        text: str,
        origin: str,
        exact: tuple[int, str] | None = None,
        provider: str | None = None,
        flags: SpecifierFlags | None = None,
    ) -> None:
        self.project = project
        self.extra = extra
        self.key = f"{project}[{extra}]" if extra else str(project)
        self.specifier = specifier
        self.text = text
        self.origin = origin
        #: (rank, provider) that alone satisfies the edge: from an extra's node to its base.
        self.exact = exact
        #: The only provider that satisfies the edge; None where every one does.
        self.provider = exact[1] if exact is not None else provider
        #: Mask of the ranks that satisfy the specifier; -1 until the project's page is known.
        self.mask = -1
        self._flags = flags

    @property
    def flags(self) -> SpecifierFlags:
        """What the specifier says about the order of decisions."""
        flags = self._flags
        if flags is None:
            flags = self._flags = SpecifierFlags(self.specifier)
        return flags

    @property
    def told(self) -> str:
        """What is asked for, for people."""
        return f"{self.text} from nixpkgs" if self.provider == "nixpkgs" and self.exact is None else self.text

    def __repr__(self) -> str:
        return f"Edge({self.text!r} from {self.origin!r})"


class SpecifierFlags:
    """What a specifier set says about the order in which projects are decided, and how it is written."""

    __slots__ = ("bounded", "pinned", "stated", "text")

    def __init__(self, specifiers: SpecifierSet) -> None:
        self.text = str(specifiers)
        self.stated = len(specifiers) > 0
        self.pinned = any(
            s.operator == "===" or (s.operator == "==" and not s.version.endswith(".*")) for s in specifiers
        )
        self.bounded = any(
            s.operator in ("<", "<=", "~=") or (s.operator == "==" and s.version.endswith(".*")) for s in specifiers
        )
