"""Asks for every release again: ``.venv/bin/python -m tests.sdists.run [PROJECT...]`` (``--table``: only the page).

Run by hand from the checkout, with the index reachable, bubblewrap, and CPython 3.10 to 3.13 where mach looks for
interpreters (PATH, pyenv, uv). For each release, one after the other, in one catalog that is empty at first, it

1. locks ``PROJECT==VERSION --no-binary PROJECT``: mach reads the sdist, resolves its build closure, and asks its
   build backend in the sandbox;
2. locks the same release with ``--no-build PROJECT``, which reads the METADATA of its wheel;
3. locks the sdist again without network, which has to give the same bytes;
4. compares what the catalog has learned of both files, and build-system.requires with what tomllib reads in the
   sdist; writes ``results.json`` beside this file and the table of ``docs/explanation/sdists.md``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .asking import ask_for_release
from .releases import RELEASES
from .results import differences_of, read_results, write_page, write_results

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask for the releases of the projects that are named, or for all."""
    parser = argparse.ArgumentParser(prog="python -m tests.sdists.run", description="Ask for real sdists again.")
    parser.add_argument("projects", nargs="*", metavar="PROJECT")
    parser.add_argument("--table", action="store_true", help="only write the table again")
    options = parser.parse_args(arguments)
    known = {release.name for release in RELEASES}
    results = {name: result for name, result in read_results().items() if name in known}
    if options.table:
        write_page(results)
        return 0
    unknown = set(options.projects) - {release.project for release in RELEASES}
    if unknown:
        parser.error(f"no such release: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="mach-sdists-") as folder:
        for release in RELEASES:
            if options.projects and release.project not in options.projects:
                continue
            result = results[release.name] = ask_for_release(release, Path(folder, "catalog.sqlite3"))
            said = result["failure"]["class"] if "failure" in result else differences_of(result) or "equal"
            print(
                f"{release.name:30} {result['seconds']:6.1f} s  {result['metadata-from'] or '-':10} {said}", flush=True
            )
            write_results(results)
            write_page(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
