"""hook_build_driver.py REQUEST SOURCE ENVIRONMENT TOOLS OUT: ask a build backend, inside a Nix build.

REQUEST is the one that hook_driver.py takes, as a file; SOURCE an archive of the source tree; TOOLS
folders of programs, joined by colons. OUT becomes a folder with reply.json, and the wheel where one was
made. It runs in any CPython from 3.8 on, with pyproject_hooks, hook_driver, hook_seal,
hook_watch and process_usage beside it.

On Linux this is the first process of the build, which none of the others can stop, and with whose end the
kernel ends them all.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
import tarfile
from pathlib import Path
from typing import IO, Any, Mapping, Sequence  # noqa: UP035 (Python 3.8)

sys.path.insert(0, str(Path(__file__).parent))

# they lie beside it where it runs, and not in a package of mach
from hook_driver import Place, answer, close_to_others, limit  # type: ignore[import-not-found]  # as said above
from hook_seal import filter_calls, find_opening, is_root, owns_inputs, seal  # type: ignore[import-not-found]  # as said
from hook_watch import Files, Stopped, Watch  # type: ignore[import-not-found]  # as said above

#: The lines by which the log tells how far a build came; nothing of a stranger's has run before them.
BEGINS, OPEN = "mach: the backend is asked", "mach: this build is not in a sandbox"


def make_environment(request: Mapping[str, Any], work: Path, path: Sequence[Path]) -> dict[str, str]:
    """Return the variables of hooks: those of stdenv's compilers and inputs, and mach's own over them."""
    dropped = ("TMP", "TEMP", "TEMPDIR", "SHLVL", "PWD", "OLDPWD", "TERM", "NIX_LOG_FD")
    kept = {
        name: value
        for name, value in os.environ.items()
        # the attributes of the derivation begin with small letters
        if name[:1].isupper() and name not in dropped and not name.startswith("PYTHON")
    }
    for name, value in request["environment"].items():
        kept[name] = f"{work}{value[6:]}" if value.startswith("/build/") else value
    kept["PATH"] = os.pathsep.join(map(str, path))
    return kept


def lay_out_tools(folder: Path, names: Sequence[str], pattern: str, path: str) -> None:
    """Make *folder* one of links to those programs of *path* that hooks may count on everywhere.

    They are those with *names*, and those whose whole name fits *pattern*.
    """
    folder.mkdir()
    full = re.compile(pattern, re.DOTALL)
    places = [Path(place) for place in path.split(os.pathsep) if Path(place).is_dir()]
    there = {program.name for place in places for program in place.iterdir()}
    for name in sorted({*names, *filter(full.fullmatch, there)}):
        found = shutil.which(name, path=path)
        if found is not None:
            (folder / name).symlink_to(found)


def unpack(archive: str, folder: Path) -> None:
    """Unpack the source tree, which mach has packed; nothing of it is trusted, and all of it is in the sandbox."""
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "fully_trusted_filter"):
            tar.extraction_filter = staticmethod(tarfile.fully_trusted_filter)
        tar.extractall(folder)  # noqa: S202 (as above)


def write_reply(out: int, reply: Mapping[str, Any], wheel: IO[bytes] | None) -> None:
    """Write what was answered into the open folder *out*."""

    def create(name: str) -> IO[bytes]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        return os.fdopen(os.open(name, flags, 0o644, dir_fd=out), "wb")

    if wheel is not None:
        with wheel, create("wheel") as target:
            shutil.copyfileobj(wheel, target)
    with create("reply.json") as target:
        target.write(json.dumps(reply).encode("ascii"))


def main() -> int:
    """Run the command."""
    named, source, environment, tools, out = sys.argv[1:6]
    work, store = Path(os.environ["NIX_BUILD_TOP"]), Path(os.environ["NIX_STORE"])
    request = json.loads(Path(named).read_text())
    for name in ("home", "tmp"):
        (work / name).mkdir()
    # what is open stays so: where all is sealed, nothing else can write there
    Path(out).mkdir()
    folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if request["step"] != "probe":
        limit(request["limits"])
    # (in a namespace of its own it would look otherwise)
    opening, owned, root = find_opening(store), owns_inputs(), is_root()
    sealed = opening is None and seal(work, work / "tmp")
    if opening is None and owned and not sealed:
        opening = "it runs as the user whom the store belongs to"
    if opening is not None:
        print(f"{OPEN}: {opening}", file=sys.stderr, flush=True)
        return 9
    print(BEGINS, file=sys.stderr, flush=True)
    if request["step"] == "probe":
        write_reply(folder, {}, None)
        return 0
    limits = request["limits"]
    close_to_others()
    filter_calls(request["filters"] if root else request["filters"][:1])
    lay_out_tools(work / "tools", request["tools"], request["tool_pattern"], os.environ["PATH"])
    given = [Path(one) for one in tools.split(os.pathsep) if one]
    variables = make_environment(request, work, [Path(environment, "bin"), *given, work / "tools"])
    writable = [work, Path("/dev/shm"), *([] if sealed else [Path("/tmp")])]  # noqa: S108 (the sandbox's own)
    files = Files(writable, store, (limits["file_bytes"], limits["files"]))
    watch = Watch(limits, files, variables, as_root=root)
    wheel = None
    # pyproject_hooks makes folders for what hooks are asked and say
    os.environ["TMPDIR"] = str(work / "tmp")
    try:
        place = Place(work, f"{environment}/bin/python")
        reply, wheel = answer(request, place, lambda: unpack(source, work), watch.run)
    except Stopped as stopped:
        reply = {"stopped": stopped.kind}
    reply["output"] = base64.b64encode(bytes(watch.tail)).decode("ascii")
    write_reply(folder, reply, wheel)
    return 0


if __name__ == "__main__":
    code = main()
    # threads and files of Python's own are nothing to wait for
    sys.stderr.flush()
    os._exit(code)
