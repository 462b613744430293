"""install_wheel.py INFO OUT: unpack one wheel below OUT with the `installer` wheel; INFO is a JSON file."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

#: What scripts name as their interpreter until an environment puts its own in this place.
INTERPRETER = "/mach/environment/bin/python"


class Refused(Exception):
    """The wheel is not one that may be installed."""


def check_member(name: str) -> None:
    """Refuse a path that leaves the folder it is unpacked to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise Refused(f"it holds a file with the path {name!r}")


def normalize(name: str) -> str:
    """Return a project's name in normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def printable(text: str) -> str:
    """Return *text* in one line that steers no terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def find_wheel(info: dict[str, Any]) -> tuple[Path, str]:
    """Return the wheel's path, and its file name: a path in the store has a hash before it."""
    if "wheel" in info:
        return Path(info["wheel"]), info["filename"]
    built = json.loads(Path(os.environ["NIX_BUILD_TOP"], "built.json").read_text())
    return Path(built["path"]), built["filename"]


def install(info: dict[str, Any], out: Path) -> None:
    """Install the wheel that *info* names below *out*.

    :raises Refused: where its files would leave *out*, or it is another project's.
    """
    sys.path.insert(0, info["installer"])
    import installer
    from installer.destinations import SchemeDictionaryDestination
    from installer.sources import WheelFile
    from installer.utils import parse_entrypoints

    class Wheel(WheelFile):
        """Its own members, whatever RECORD says: the whole file's hash was checked when it was fetched."""

        def get_contents(self) -> Iterator[Any]:
            for member in archive.infolist():
                if not member.is_dir():
                    executable = stat.S_ISREG(member.external_attr >> 16) and member.external_attr >> 16 & 0o111
                    with archive.open(member) as stream:
                        yield (member.filename, "", ""), stream, bool(executable)

    path, filename = find_wheel(info)
    site_packages = out / info["sitePackages"]
    with zipfile.ZipFile(path) as archive:
        archive.filename = filename
        for member in archive.namelist():
            check_member(member)
        wheel = Wheel(archive)
        if normalize(wheel.distribution) != info["name"]:
            raise Refused(f"it is a wheel of {wheel.distribution!r}, not of {info['name']!r}")
        if "entry_points.txt" in wheel.dist_info_filenames:
            for script, *_ in parse_entrypoints(wheel.read_dist_info("entry_points.txt")):
                if PurePosixPath(script).name != script:
                    raise Refused(f"it has a script with the name {script!r}")
        destination = SchemeDictionaryDestination(
            {
                "purelib": str(site_packages),
                "platlib": str(site_packages),
                "headers": str(out / "include" / info["libPrefix"] / info["name"]),
                "scripts": str(out / "bin"),
                "data": str(out),
            },
            interpreter=INTERPRETER,
            script_kind="posix",
            overwrite_existing=True,
        )
        installer.install(wheel, destination, {"INSTALLER": b"mach\n"})
    site_packages.mkdir(parents=True, exist_ok=True)
    for script in sorted((out / "bin").glob("*")):
        script.chmod(0o755)


def main() -> int:
    """Run the command; a wheel that cannot be installed is one line on stderr."""
    info = json.loads(Path(sys.argv[1]).read_text())
    warnings.simplefilter("ignore", RuntimeWarning)  # byte code in a wheel is left out, as it should be
    try:
        install(info, Path(sys.argv[2]))
    except Exception as error:  # what a broken archive raises has no common base
        reason = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
        print(f"mach: cannot install {info['filename']!r}: {printable(reason)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
