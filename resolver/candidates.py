"""The candidates of one project on one target, in the order in which they are preferred."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from .catalog import KIND, PYTHON, RANK, TAGS, UPLOAD, YANKED, Page
from .names import NormalizedName
from .policy import Rules
from .ranks import VersionRanks, parse_specifiers
from .target import Target, best_tag_rank

__all__ = ["PROVIDER_OF_KIND", "Candidate", "Pool", "make_pool", "requires_python_admits"]

#: Seconds: how much older than the newest version a fresh one may be.
_YEAR = 365 * 86_400
#: Names of providers, by the kind of a file on a page.
PROVIDER_OF_KIND = ("wheel", "sdist", "nixpkgs")
#: Those whose artifacts of one version are one release.
_FILES = ("wheel", "sdist")


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
    :ivar masks: provider -> mask of ranks that it offers: those with an eligible, unyanked file, less
        what a wheel or sdist of an earlier provider offers already.
    :ivar yanked: the same for ranks whose eligible files are all yanked.
    """

    __slots__ = (
        "_python",
        "_pythons",
        "_rules",
        "_system",
        "_tags",
        "files",
        "masks",
        "page",
        "providers",
        "ranks",
        "yanked",
    )

    def __init__(self, page: Page, target: Target, rules: Rules) -> None:
        self.page = page
        self.ranks = VersionRanks(page.versions)
        self._rules = rules
        self._python, self._system = target.python, target.system
        self.providers = rules.providers
        self.files: dict[str, dict[int, list[int]]] = {p: {} for p in self.providers}
        self.masks: dict[str, int] = dict.fromkeys(self.providers, 0)
        self.yanked: dict[str, int] = dict.fromkeys(self.providers, 0)
        # The last entry of both answers for position -1: no Requires-Python, and no tags.
        self._pythons = [*(requires_python_admits(text, target.python) for text in page.pythons), True]
        self._tags = [*(best_tag_rank(target, text) for text in page.tags), 0]
        self._fill()
        if rules.prerelease == "disallow":
            self._forbid(self.ranks.prereleases)

    def _fill(self) -> None:
        """Find the eligible files; this loop runs over every file of every project, so it does nothing else."""
        pythons, tags, as_of = self._pythons, self._tags, self._rules.as_of
        eligible: tuple[list[tuple[int, int, int, int]], ...] = ([], [], [])
        for row, (_, rank, kind, tagset, python, upload, yanked, _) in enumerate(self.page.files):
            tag = tags[tagset]
            if tag is not None and pythons[python] and (as_of is None or 0 <= upload < as_of):
                eligible[kind].append((rank, tag, row, yanked))
        for provider, found in zip(PROVIDER_OF_KIND, eligible, strict=True):
            if provider in self.masks:
                self._take(provider, sorted(found))
        self._shadow()

    def _shadow(self) -> None:
        """Leave each release to the first allowed of wheel and sdist that it has.

        Both are one release with one set of requirements (their metadata differ in 0.27 % of
        releases; pip and uv read one of them as well): where a release's wheel does not fit,
        its sdist does not either, and asking would download and perhaps build it.
        """
        good = bad = 0
        for provider in self.providers:
            if provider in _FILES:
                self.masks[provider] &= ~good
                self.yanked[provider] &= ~(good | bad)
                good |= self.masks[provider]
                bad |= self.yanked[provider]

    def _take(self, provider: str, found: list[tuple[int, int, int, int]]) -> None:
        """Keep the files of one provider: (rank, tag rank, row, yanked), sorted, so that the best comes first."""
        files, good, bad = self.files[provider], 0, 0
        for rank, _, row, yanked in found:
            if rank in files:
                files[rank].append(row)
            else:
                files[rank] = [row]
            if yanked:
                bad |= 1 << rank
            else:
                good |= 1 << rank
        self.masks[provider], self.yanked[provider] = good, bad & ~good

    def _forbid(self, ranks: int) -> None:
        for provider in self.providers:
            self.masks[provider] &= ~ranks
            self.yanked[provider] &= ~ranks

    def rejected(self) -> Mapping[str, int]:
        """Return reason -> mask of the ranks that lost a file to it; only explanations ask."""
        found: dict[str, int] = {}
        for file in self.page.files:
            reason = self._reason(file)
            if reason is not None:
                found[reason] = found.get(reason, 0) | 1 << file[RANK]
        return found

    def _reason(self, file: Sequence[int]) -> str | None:
        as_of, provider = self._rules.as_of, PROVIDER_OF_KIND[file[KIND]]
        if provider not in self.masks:
            return f"provider {provider} is not allowed"
        if as_of is not None and file[UPLOAD] < 0:
            return "the index tells no upload time"
        if as_of is not None and file[UPLOAD] >= as_of:
            return "uploaded later than the date asked for"
        if not self._pythons[file[PYTHON]]:
            return f"needs another Python than {self._python}"
        if self._tags[file[TAGS]] is None:
            return f"no wheel for Python {self._python} on {self._system}"
        if self._rules.prerelease == "disallow" and self.ranks.prereleases >> file[RANK] & 1:
            return "a pre-release, which is not allowed"
        return None

    @property
    def rules(self) -> Rules:
        """What the policy says of the project."""
        return self._rules

    def uploaded_before(self, moment: int) -> int:
        """Return the ranks that have a file uploaded before *moment*, in UTC seconds since 1970."""
        mask = 0
        for file in self.page.files:
            if 0 <= file[UPLOAD] < moment:
                mask |= 1 << file[RANK]
        return mask

    def available(self, mask: int, yanked_allowed: int) -> int:
        """Return the ranks of *mask* that may be taken from an allowed provider.

        :param yanked_allowed: ranks that may be taken although yanked.
        """
        usable = 0
        for provider in self.providers:
            usable |= self.masks[provider] | (self.yanked[provider] & yanked_allowed)
        return usable & mask

    def offered(self) -> int:
        """Return the ranks that some allowed provider has unyanked."""
        offered = 0
        for mask in self.masks.values():
            offered |= mask
        return offered

    def ordered(self, mask: int, yanked_allowed: int, preferred: tuple[int, str] | None) -> Iterator[tuple[int, str]]:
        """Yield (rank, provider) of the ranks in *mask*, most preferred first.

        Stable releases of all providers come before pre-releases of any: a pre-release is
        taken only where nothing stable fits (unless the policy says that they count alike).
        What is only to be had yanked comes last: the override for one parent that names it may replace nothing.

        :param preferred: an existing pin, which comes first; the caller checked that it may be taken.
        """
        if preferred is not None:
            yield preferred
        groups: tuple[int, ...] = (mask,)
        if self._rules.prerelease != "allow":
            groups = (mask & ~self.ranks.prereleases, mask & self.ranks.prereleases)
        opened = mask & yanked_allowed
        if opened and (withdrawn := opened & ~self.offered()):
            groups = (*(group & ~withdrawn for group in groups), withdrawn)
        bands = self._bands(groups) if self._rules.prefer == "balanced" else groups
        next_rank = _lowest if self._rules.lowest else _highest
        for band in bands:
            parts = {p: (self.masks[p] | (self.yanked[p] & yanked_allowed)) & band for p in self.providers}
            order = _by_version if self._rules.prefer == "newest" else _by_provider
            for choice in order(parts, next_rank):
                if choice != preferred:
                    yield choice

    def _bands(self, groups: Sequence[int]) -> Iterator[int]:
        """Split each group: what is about as fresh as its newest version that any provider has, then the rest.

        Fresh is what shares the first number of the release (the major version, or the year of
        a calendar version), or was uploaded at most a year before.
        """
        for group in groups:
            eligible = 0
            for provider in self.providers:
                eligible |= self.masks[provider] & group
            if not eligible:
                yield group
                continue
            newest = eligible.bit_length() - 1
            major = self.ranks.major(newest)
            uploads = self._uploads()
            fresh = 0
            left = eligible
            while left:
                rank = left.bit_length() - 1
                left ^= 1 << rank
                known = rank in uploads and newest in uploads
                recent = known and uploads[newest] - uploads[rank] <= _YEAR
                if recent or self.ranks.major(rank) == major:
                    fresh |= 1 << rank
            yield fresh
            yield group & ~fresh

    def _uploads(self) -> dict[int, int]:
        """Return when each rank was first uploaded, where the index tells."""
        uploads: dict[int, int] = {}
        for file in self.page.files:
            if file[UPLOAD] >= 0:
                uploads[file[RANK]] = min(file[UPLOAD], uploads.get(file[RANK], file[UPLOAD]))
        return uploads

    def row(self, rank: int, provider: str) -> int:
        """Return the row of the file that provides *rank* from *provider*: an unyanked one where there is one."""
        rows = self.files[provider][rank]
        files = self.page.files
        if not files[rows[0]][YANKED]:
            return rows[0]
        return next((row for row in rows if not files[row][YANKED]), rows[0])


@lru_cache(maxsize=2048)
def make_pool(page: Page, target: Target, rules: Rules) -> Pool:
    """Return the pool of *page*; the same object for the same page, target and rules.

    A pool only remembers what follows from these three, so that a service computes it once.
    """
    return Pool(page, target, rules)


def _highest(mask: int) -> int:
    return mask.bit_length() - 1


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _by_version(parts: Mapping[str, int], next_rank: Callable[[int], int]) -> Iterator[tuple[int, str]]:
    left = 0
    for part in parts.values():
        left |= part
    while left:
        rank = next_rank(left)
        left ^= 1 << rank
        for provider, part in parts.items():
            if part >> rank & 1:
                yield rank, provider


def _by_provider(parts: Mapping[str, int], next_rank: Callable[[int], int]) -> Iterator[tuple[int, str]]:
    for provider, part in parts.items():
        while part:
            rank = next_rank(part)
            part ^= 1 << rank
            yield rank, provider


@lru_cache(maxsize=1 << 14)
def requires_python_admits(text: str, python: str) -> bool:
    """Return whether a Requires-Python *text* admits the version *python*.

    A text that does not parse admits everything, as in pip: old uploads have such texts.
    """
    specifiers = parse_specifiers(text)
    try:
        return specifiers is None or specifiers.contains(python, prereleases=True)
    except ValueError:  # a number with thousands of digits, which Python does not convert
        return False
