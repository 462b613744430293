"""Catalogs of request sets: what an ordinary client asked the index for is recorded, and mach's crawler reads that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from crawler.settings import read_index_settings
from resolver.errors import Unavailable
from tests.oracle.resolvers import Setting, lock_with_mach
from tests.pipcases.cases import Case, identify
from tests.pipcases.recorded import Recorded
from tests.pipcases.recording import Recording
from tests.pipcases.tools import Outcome, run_uv

__all__ = ["fill_catalog"]

#: What a lock's builders run, and so is locked with every request.
_TOOLS = ("installer", "pyproject-hooks", "setuptools")
#: Wheels that uv is asked for because mach needs them, at most.
_MOST_COVERED = 200


def fill_catalog(sets: Mapping[str, Sequence[str]], setting: Setting, folder: Path, db: Path) -> str:
    """Fill *db* with what locking *sets* needs and return the index's URL as the catalog knows it.

    uv resolves every set through a relay on loopback that keeps the answers (``tests.pipcases``): nothing
    is asked of the index that uv did not ask for, at most eight requests a second, and nothing twice. mach fills
    its catalog from the recording, whose URL on loopback stands for the index from then on. A catalog that is there
    already is left as it is.

    :param folder: keeps the recording.
    :raises RuntimeError: where uv has no answer, or asks for too little.
    """
    known = db.with_suffix(".index")
    if known.exists():
        return known.read_text()
    settings = read_index_settings()
    recorded = Recorded(folder / "answers.sqlite3")
    cases = [_case(name, requirements, setting) for name, requirements in {**sets, "tools": _TOOLS}.items()]
    with Recording(recorded, setting.index, relaying=True, cert=settings.cert) as relay:
        for case in cases:
            outcome = _ask_uv(case, folder, relay)
            if outcome.code != "solved":
                raise RuntimeError(f"uv has no answer to {case.name}: {outcome.message}")
    wanted: set[tuple[str, str]] = set()
    while True:
        with Recording(recorded, setting.index, relaying=False) as replay:
            try:
                for case in cases[:-1]:
                    lock_with_mach(case.requirements, replace(setting, index=replay.index), db, prefer="newest")
            except Unavailable as error:
                new = _missing_wheels(replay) - wanted
                wanted |= new
                if not new or len(wanted) > _MOST_COVERED:
                    raise RuntimeError(f"{case.name}: mach needs what uv did not ask for: {error}") from error
            else:
                known.write_text(replay.index)
                break
        # afresh: pages offer the metadata of a wheel only once it is recorded
        for part in db.parent.glob(f"{db.name}*"):
            part.unlink()
        with Recording(recorded, setting.index, relaying=True, cert=settings.cert) as relay:
            for project, version in sorted(new):  # asked for even where what it requires cannot be met
                _ask_uv(_case("more", (f"{project}=={version}",), setting), folder, relay)
    recorded.close()
    return known.read_text()


def _case(name: str, requirements: Sequence[str], setting: Setting) -> Case:
    return Case(
        name=name,
        requirements=tuple(requirements),
        constraints=(),
        python=setting.python,
        as_of=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
        pins=None,
        files={},
        failure=None,
        rounds=0,
        visited=0,
    )


def _ask_uv(case: Case, folder: Path, relay: Recording) -> Outcome:
    place = folder / "relayed"
    place.mkdir(exist_ok=True)
    return run_uv(case, place, relay.index)


def _missing_wheels(replay: Recording) -> set[tuple[str, str]]:
    """Return project and version of the wheels that were asked for and are not recorded."""
    return {identify(path.rpartition("/")[2]) for path in replay.missing if path.endswith(".whl")}
