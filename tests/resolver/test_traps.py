"""Two real traps in small: a search that keeps its first decision ends with releases of ten years ago."""

from __future__ import annotations

from resolver.locking import Locking, make_lock
from tests.resolver.test_locking import ask
from tests.support.memory import MemoryCatalog

NEWEST = 300


def lock(releases, *roots: str) -> tuple[dict[str, str], Locking]:
    run = make_lock(ask(*roots, prefer="newest"), MemoryCatalog(releases))
    assert run.lock is not None
    return {pin.name: pin.version for pin in run.lock.targets[0].pins}, run


def numbered(require) -> dict[str, list[str]]:
    return {str(number): [require(number)] for number in range(1, NEWEST + 1)}


def test_what_is_pinned_early_and_fits_no_recent_version_is_decided_last():
    # app, as selenium, wants urllib3, newest; every botocore wants an old one; an ancient boto3 wants nothing
    releases = {
        "app": {"1": ["urllib3[socks]>=1.26,<3"]},
        "urllib3": {"1.26": {"extras": ["socks"]}, "2.0": {"extras": ["socks"]}},
        "boto3": {"0": []} | numbered(lambda n: f"botocore=={n}"),
        "botocore": numbered(lambda _: "urllib3<1.27"),
    }
    pins, run = lock(releases, "app", "boto3")
    assert pins == {"app": "1", "urllib3": "1.26", "boto3": str(NEWEST), "botocore": str(NEWEST)}
    assert run.statistics.restarts > 0
    assert run.statistics.rounds < 60


def test_who_contradicts_through_a_third_project_is_decided_last():
    # boto3 and aiobotocore want different versions of botocore; an ancient s3fs wants no aiobotocore
    releases = {
        "s3fs": {"0": []} | {str(n): [f"aiobotocore=={n}"] for n in range(1, 31)},
        "aiobotocore": {str(n): [f"botocore>={8 * n},<{8 * n + 1}"] for n in range(1, 31)},
        "boto3": numbered(lambda n: f"botocore>={n},<{n + 1}"),
        "botocore": {str(number): [] for number in range(1, NEWEST + 1)},
    }
    pins, run = lock(releases, "s3fs", "boto3>=1")
    assert pins == {"s3fs": "30", "aiobotocore": "30", "boto3": "240", "botocore": "240"}
    assert run.statistics.rounds < 100
