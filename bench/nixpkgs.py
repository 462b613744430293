"""``python -m bench.nixpkgs``: what indexing a nixpkgs takes: time, memory, and figures for 1,000 attributes.

By default a generated tree of 10,000 attributes over the stand-in, with faults of every kind that ``tryEval`` does
and does not catch; with ``--tree PATH`` (or ``MACH_TEST_NIXPKGS``) a real one.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from api.nixpkgs_service import crawl_nixpkgs
from db.catalog import open_catalog
from tests.support.nix import open_store
from tests.support.nixpkgs_tree import FAULTS, write_generated

from .clock import machine, verdict


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=os.environ.get("MACH_TEST_NIXPKGS"))
    parser.add_argument("--python", default="3.11")
    parser.add_argument("--attributes", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = asked.tree
        if tree is None:
            tree = write_generated(Path(scratch, "nixpkgs"), asked.attributes)
            os.environ.update(open_store(Path(scratch, "store")).env())
        began = time.perf_counter()
        with open_catalog(Path(scratch, "catalog.sqlite3")) as handle:
            (done,) = crawl_nixpkgs(handle, Path(tree), systems=("x86_64-linux",), pythons=(asked.python,)).sets
        seconds = time.perf_counter() - began
        # of the largest process that has ended, in KiB; two run at once
        nix = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    count = done.releases + len(done.variants) + len(done.faults)
    print(machine())
    print(f"{count} attributes, {len(done.faults)} faults, {done.evaluations} evaluations")
    for fault in done.faults:
        print(f"  {fault.name}: {fault.reason}")
    print(f"{seconds:.1f} s, {1000 * seconds / count:.2f} s for 1,000 attributes, the catalog's writing included")
    print(f"two processes of Nix of at most {nix:.0f} MiB, and {own:.0f} MiB of Python")
    if asked.tree is None:
        print(f"faults: {verdict(len(done.faults), len(FAULTS), at_most=False)}")
        print(f"seconds: {verdict(seconds, 60, at_most=True)}; MiB: {verdict(2 * nix + own, 1000, at_most=True)}")


if __name__ == "__main__":
    main()
