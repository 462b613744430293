"""The candidates of one project on one target, in the order in which they are preferred."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from .catalog import KIND, PYTHON, RANK, TAGS, UPLOAD, WHEEL, YANKED, Page
from .names import NormalizedName
from .policy import Policy
from .ranks import VersionRanks, parse_specifiers
from .target import Target, best_tag_rank

__all__ = ["Candidate", "Pool", "requires_python_admits"]

_PROVIDER_OF_KIND = ("wheel", "sdist")


class Candidate(NamedTuple):
    """A release from one provider; with an extra, the node that carries the extra's dependencies."""

    key: str
    """``project`` or ``project[extra]``: the identity in the search."""
    project: NormalizedName
    extra: str
    """Normalised, empty for the base."""
    rank: int
    """Position of the version in :attr:`Page.versions`; -1 where the page is unknown."""
    provider: str
    row: int
    """Position of the file in :attr:`Page.files`; -1 where the page is unknown."""
    version: str

    def __str__(self) -> str:
        """Return ``project 1.0`` or ``project[extra] 1.0``."""
        return f"{self.key} {self.version}"


class Pool:
    """All files of a project that are eligible on a target under a policy, as masks over ranks.

    :ivar files: provider -> rank -> rows of :attr:`Page.files`, best first: the best wheel
        tag, then the listing's order.
    :ivar masks: provider -> mask of ranks that have an eligible, unyanked file.
    :ivar yanked: provider -> mask of ranks whose eligible files are all yanked.
    :ivar rejected: reason -> mask of ranks that lost a file to it.
    """

    __slots__ = ("_policy", "files", "masks", "page", "providers", "ranks", "rejected", "yanked")

    def __init__(self, page: Page, target: Target, policy: Policy, python_admits: Callable[[str], bool]) -> None:
        self.page = page
        self.ranks = VersionRanks(page.versions)
        self._policy = policy
        self.providers = policy.providers_of(page.project)
        self.files: dict[str, dict[int, list[int]]] = {p: {} for p in self.providers}
        self.masks: dict[str, int] = dict.fromkeys(self.providers, 0)
        self.yanked: dict[str, int] = dict.fromkeys(self.providers, 0)
        self.rejected: dict[str, int] = {}
        self._fill(target, python_admits)

    def _fill(self, target: Target, python_admits: Callable[[str], bool]) -> None:
        page, as_of = self.page, self._policy.as_of
        pythons = [python_admits(text) for text in page.pythons]
        tags = [best_tag_rank(target, text) for text in page.tags]
        wheels: dict[int, list[tuple[int, int]]] = {}
        yanked: dict[str, int] = dict.fromkeys(self.providers, 0)
        rejected = self.rejected
        for row, file in enumerate(page.files):
            provider = _PROVIDER_OF_KIND[file[KIND]]
            bit = 1 << file[RANK]
            tag = tags[file[TAGS]] if file[KIND] == WHEEL else 0
            if provider not in self.masks:
                reason = f"provider {provider} is not allowed"
            elif as_of is not None and file[UPLOAD] < 0:
                reason = "the index tells no upload time"
            elif as_of is not None and file[UPLOAD] >= as_of:
                reason = "uploaded later than the date asked for"
            elif file[PYTHON] >= 0 and not pythons[file[PYTHON]]:
                reason = f"needs another Python than {target.python}"
            elif tag is None:
                reason = f"no wheel for Python {target.python} on {target.system}"
            else:
                if file[YANKED]:
                    yanked[provider] |= bit
                else:
                    self.masks[provider] |= bit
                if file[KIND] == WHEEL:
                    wheels.setdefault(file[RANK], []).append((tag, row))
                else:
                    self.files[provider].setdefault(file[RANK], []).append(row)
                continue
            rejected[reason] = rejected.get(reason, 0) | bit
        for rank, rows in wheels.items():
            rows.sort()
            self.files["wheel"][rank] = [row for _, row in rows]
        for provider, mask in yanked.items():
            self.yanked[provider] = mask & ~self.masks[provider]

    def available(self, mask: int, yanked_allowed: int) -> int:
        """Return the ranks of *mask* that may be taken from an allowed provider.

        :param yanked_allowed: ranks that may be taken although yanked.
        """
        usable = 0
        for provider in self.providers:
            usable |= self.masks[provider] | (self.yanked[provider] & yanked_allowed)
        return usable & mask

    def ordered(self, mask: int, yanked_allowed: int, preferred: tuple[int, str] | None) -> Iterator[tuple[int, str]]:
        """Yield (rank, provider) of the ranks in *mask*, most preferred first.

        Stable releases of all providers come before pre-releases of any: a pre-release is
        taken only where nothing stable fits (unless the policy says that they count alike).

        :param preferred: an existing pin, which comes first; the caller checked that it may be taken.
        """
        if preferred is not None:
            yield preferred
        groups: tuple[int, ...] = (mask,)
        if not self._policy.prereleases:
            groups = (mask & ~self.ranks.prereleases, mask & self.ranks.prereleases)
        for group in groups:
            parts = {p: (self.masks[p] | (self.yanked[p] & yanked_allowed)) & group for p in self.providers}
            for choice in _by_version(parts) if self._policy.prefer == "newest" else _by_provider(parts):
                if choice != preferred:
                    yield choice

    def row(self, rank: int, provider: str) -> int:
        """Return the row of the file that provides *rank* from *provider*: an unyanked one where there is one."""
        rows = self.files[provider][rank]
        files = self.page.files
        return next((row for row in rows if not files[row][YANKED]), rows[0])


def _by_version(parts: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    left = 0
    for part in parts.values():
        left |= part
    while left:
        rank = left.bit_length() - 1
        left ^= 1 << rank
        for provider, part in parts.items():
            if part >> rank & 1:
                yield rank, provider


def _by_provider(parts: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    for provider, part in parts.items():
        while part:
            rank = part.bit_length() - 1
            part ^= 1 << rank
            yield rank, provider


def requires_python_admits(text: str, python: str) -> bool:
    """Return whether a Requires-Python *text* admits the version *python*.

    A text that does not parse admits everything, as in pip: old uploads have such texts.
    """
    specifiers = parse_specifiers(text)
    try:
        return specifiers is None or specifiers.contains(python, prereleases=True)
    except ValueError:  # a number with thousands of digits, which Python does not convert
        return False
