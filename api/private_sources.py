"""Files of private indexes, fetched with the passwords that mach finds and put into the Nix store before a build."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.errors import MachError
from resolver.lock import Lock, LockedArtifact
from resolver.sources import Source, sources_of

from .notices import Notices

if TYPE_CHECKING:
    from crawler.settings import IndexSettings

__all__ = ["fetch_private_sources"]

#: Seconds that one file may take.
_SECONDS_A_FILE = 7200.0
#: Files that are fetched at once.
_AT_ONCE = 4


def fetch_private_sources(lock: Lock, settings: IndexSettings, notices: Notices, *, system: str) -> int:
    """Put those files of *lock* into the Nix store that only a password opens; return how many were fetched.

    Nix finds them there and fetches nothing. It knows neither pip's configuration nor the keyring, and the
    password is told to nobody but the server. Files that are there already are not fetched.

    :param settings: the indexes and where their passwords are.
    :param system: what is built for; other targets of the lock are left out.
    :raises Unavailable: where a file cannot be had, or Nix not be used.
    """
    from crawler.credentials import CredentialSources

    credentials = CredentialSources.of(settings)
    # a closure is for any target; sources of other ones are left out
    targets = tuple(target for target in lock.targets if target.system == system)
    private = {
        (source.name, origin.filename): source
        for source in sources_of(replace(lock, targets=targets))
        for origin in source.origins
        if isinstance(origin, LockedArtifact) and credentials.is_private(origin.url)
    }
    if not private:
        return 0
    from crawler.archive_fetch import Fetching
    from crawler.archive_folder import ArchiveFolder
    from crawler.client import Client, Limits, Manners
    from nix.store import add_file, find_missing

    missing = find_missing(private)
    if not missing:
        return 0
    notices.note(f"fetching {len(missing)} file{'s' if len(missing) > 1 else ''} from private indexes")
    names: dict[Source, list[str]] = {}
    for key in missing:
        names.setdefault(private[key], []).append(key[1])
    with (
        tempfile.TemporaryDirectory(prefix="mach-") as name,
        Client(settings, Manners.interactive(), Limits(seconds=_SECONDS_A_FILE)) as client,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        place = ArchiveFolder(Path(name))
        fetching = Fetching(place, client, root=Path())

        def fetch(source: Source) -> str:
            try:
                fetching.save(source)
            except MachError as error:
                # what an archive makes of it speaks of archives
                raise error.__cause__ if isinstance(error.__cause__, MachError) else error from None
            for filename in names[source]:
                add_file(place.path / source.name, filename)
            (place.path / source.name).unlink()
            return source.label

        for done, label in enumerate(pool.map(fetch, names), 1):
            notices.progress(done, len(names), label)
    return len(missing)
