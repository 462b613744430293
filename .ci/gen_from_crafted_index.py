"""Runs an installed mach against a crafted index on loopback: gen_from_crafted_index.py MACH FOLDER."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.dists import make_wheel
from tests.support.index import IndexServer


def main(mach: str, folder: str) -> int:
    """Return 0 where ``mach gen`` writes an expression and a lock for a project of the crafted index."""
    work = Path(folder) / "gen"
    work.mkdir()
    (work / "requirements.txt").write_text("crafted>=1\n")
    with IndexServer() as server:
        index = server.index()
        index.add(make_wheel("crafted", "1.0", files={"crafted.py": "answer = 42\n"}))
        # the builders' own tools, which a lock takes from the index like anything else
        index.add(make_wheel("installer", "1.0.0"))
        index.add(make_wheel("pyproject-hooks", "1.2.0"))
        environment = {**os.environ, "MACH_DB": str(work / "catalog.db"), "HOME": str(work)}
        environment.pop("PYTHONPATH", None)
        command = [mach, "gen", "-r", "requirements.txt", "-o", "python.nix", "--index-url", index.url]
        done = subprocess.run(command, cwd=work, env=environment, check=False, timeout=120)
    if done.returncode:
        return done.returncode
    text = (work / "python.nix").read_text()
    return 0 if "crafted-1.0-py3-none-any.whl" in text else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
