"""check_wheel.py INFO FOLDER: refuse the wheel in FOLDER/dist unless it is the one that INFO (a JSON file) pins.

What the backend answered stands in FOLDER/built.json; the wheel's path and name are added to it.
"""

from __future__ import annotations

import json
import re
import sys
import sysconfig
import zipfile
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

#: PEP 440, appendix B, without its remarks.
VERSION = re.compile(
    r"\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_n>\d+)?)?"
    r"(?:(?:-(?P<post_implicit>\d+))|(?:[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_n>\d+)?))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_n>\d+)?)?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*",
    re.IGNORECASE | re.ASCII,
)
PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}


class Refused(Exception):
    """The wheel is not the one that the lock pins."""


def normalize(name: str) -> str:
    """Return a project's name in normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def version_key(text: str) -> object:
    """Return what is equal for equal versions (PEP 440): the text itself where it is no version.

    No library that knows versions is at hand in a build.
    """
    match = VERSION.fullmatch(text)
    if match is None:
        return text
    release = [int(part) for part in match["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        del release[-1]
    pre = match["pre"].lower() if match["pre"] else None
    local = re.split(r"[-_.]", match["local"].lower()) if match["local"] else []
    return (
        int(match["epoch"] or 0),
        tuple(release),
        None if pre is None else (PRE.get(pre, pre), int(match["pre_n"] or 0)),
        None if not (match["post"] or match["post_implicit"]) else int(match["post_n"] or match["post_implicit"] or 0),
        None if not match["dev"] else int(match["dev_n"] or 0),
        tuple(int(part) if part.isdigit() else part for part in local),
    )


def runs_on(tag: str, python: tuple[int, int], platform: str) -> bool:
    """Tell whether CPython X.Y on *platform* runs wheels of a tag (PEP 425), plain builds of CPython only.

    :param platform: as ``sysconfig.get_platform`` has it.
    """
    interpreter, abi, where = tag.split("-")
    match = re.fullmatch(r"(py|cp)(\d)(\d*)", interpreter)
    if match is None or int(match[2]) != python[0]:
        return False
    minor = int(match[3]) if match[3] else None
    same = minor == python[1]
    older = minor is None or minor <= python[1]
    if match[1] == "cp" and not (same or (abi == "abi3" and older) or (minor is None and abi == "none")):
        return False
    if match[1] == "py" and not older:
        return False
    if abi not in ("none", "abi3", f"cp{python[0]}{python[1]}"):
        return False
    own = re.sub(r"[-.]", "_", platform)
    if where in ("any", own):
        return True
    system, _, machine = own.partition("_")
    if system == "linux":
        return re.fullmatch(rf"(many|musl)?linux\w*_{re.escape(machine)}", where) is not None
    machine = own.rpartition("_")[2] if not own.endswith("x86_64") else "x86_64"
    return re.fullmatch(rf"{system}_\d+_\d+_({re.escape(machine)}|universal2)", where) is not None


def read_metadata(path: Path, stem: str) -> tuple[str, str]:
    """Return the name and the version in a wheel's METADATA.

    :raises Refused: where it has none, or several.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            if len(infos) != 1:
                raise Refused(f"a wheel with {len(infos)} METADATA files, {stem!r}")
            headers = BytesHeaderParser().parsebytes(archive.read(infos[0]))
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError) as error:
        raise Refused(f"{stem!r}, which is no wheel: {error}") from error
    return str(headers["Name"] or ""), str(headers["Version"] or "")


def check(info: dict[str, Any], folder: Path) -> str:
    """Return the file name of the wheel that was built.

    :raises Refused: where it is not the one that *info* pins; the reason continues "its build left …".
    """
    answer = json.loads((folder / "built.json").read_text())["answer"]
    names = sorted(path.name for path in (folder / "dist").iterdir() if path.name.endswith(".whl"))
    if len(names) != 1:
        raise Refused(f"{len(names)} wheels, not one: {names[:5]!r}")
    (name,) = names
    if answer != name:
        raise Refused(f"{name!r}, and its backend says that it made {answer!r}")
    parts = name.removesuffix(".whl").split("-")
    if len(parts) not in (5, 6):
        raise Refused(f"{name!r}, which is no name of a wheel")
    said = [(parts[0], parts[1]), read_metadata(folder / "dist" / name, name)]
    pinned = f"{info['name']} {info['version']}"
    for project, version in said:
        if normalize(project) != info["name"] or version_key(version) != version_key(info["version"]):
            # a source tree, which has no file name with an ending, may be the user's own
            hint = (
                "" if info["filename"].endswith((".tar.gz", ".zip")) else "; if its source has changed, lock it again"
            )
            raise Refused(f"a wheel of {project!r} {version!r}, and the lock pins {pinned!r}{hint}")
    python = tuple(int(part) for part in info["pythonVersion"].split("."))
    pythons, abis, platforms = (part.split(".") for part in parts[-3:])
    tags = [f"{p}-{a}-{w}" for p in pythons for a in abis for w in platforms]
    if not any(runs_on(tag, (python[0], python[1]), sysconfig.get_platform()) for tag in tags):
        raise Refused(
            f"a wheel for another Python or platform, {'-'.join(parts[-3:])!r}: "
            f"the lock's is Python {info['pythonVersion']} on {sysconfig.get_platform()}"
        )
    return name


def main() -> int:
    """Run the command; a wheel that is refused is one line on stderr."""
    info = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    try:
        name = check(info, folder)
    except Refused as error:
        print(f"mach: building {info['filename']!r} left {error}", file=sys.stderr)
        return 1
    built = {"path": str(folder / "dist" / name), "filename": name}
    (folder / "built.json").write_text(json.dumps(built))
    return 0


if __name__ == "__main__":
    sys.exit(main())
