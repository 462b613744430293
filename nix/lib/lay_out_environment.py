"""lay_out_environment.py ARCHIVE OUT: unpack a build environment, and let its scripts name the interpreter in OUT.

ARCHIVE is a tar that mach has made of a virtual environment, whose links and pyvenv.cfg name the
interpreter of nixpkgs already; scripts begin with a place where it is not.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

#: Where the environment is in a sandbox that bubblewrap makes (crawler/sandbox_view.py).
ELSEWHERE = b"#!/mach/environment/bin/"


def main() -> int:
    """Run the command."""
    archive, out = sys.argv[1], Path(sys.argv[2])
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "fully_trusted_filter"):
            # links to the interpreter are absolute
            tar.extraction_filter = staticmethod(tarfile.fully_trusted_filter)
        tar.extractall(out)  # noqa: S202 (mach made it, and the build is in a sandbox)
    own = f"#!{out}/bin/".encode()
    for path in sorted((out / "bin").iterdir()):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        if data.startswith(ELSEWHERE):
            path.write_bytes(own + data.removeprefix(ELSEWHERE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
