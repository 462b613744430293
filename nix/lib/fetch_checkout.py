"""fetch_checkout.py INFO DEST: make what INFO (a JSON file) names, the files of a commit, the folder or file DEST.

INFO: ``sha256``, of the NAR; ``nars``, where it may lie: paths and URLs, tried in order; then ``repository``
(``url`` and ``commit``, for git on PATH) or ``tree`` (a path), each of which may be null.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

CHUNK = 1 << 20
#: Longest name or target that is read into memory; contents of files are not.
LONGEST = 1 << 16


class Refused(Exception):
    """What was fetched cannot be used."""


class Reader:
    """Reads what a NAR is made of (Nix manual, "Nix Archive format")."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def exactly(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        data = self._file.read(size)
        if len(data) != size:
            raise Refused("the archive breaks off")
        return data

    def length(self) -> int:
        """Return the length that stands before a text."""
        return int.from_bytes(self.exactly(8), "little")

    def text(self) -> bytes:
        """Return the next text."""
        size = self.length()
        if size > LONGEST:
            raise Refused("the archive holds a name that is too long")
        data = self.exactly(size)
        self.exactly(-size % 8)
        return data

    def expect(self, *texts: bytes) -> None:
        """Read *texts*, or refuse."""
        for text in texts:
            if (found := self.text()) != text:
                raise Refused(f"the archive holds {found!r} where {text!r} must stand")

    def node(self, place: Path) -> None:
        """Make the next file, folder or link at *place*."""
        self.expect(b"(", b"type")
        kind = self.text()
        if kind == b"symlink":
            self.expect(b"target")
            place.symlink_to(os.fsdecode(self.text()))
            self.expect(b")")
        elif kind == b"regular":
            self._plain(place)
        elif kind == b"directory":
            self._folder(place)
        else:
            raise Refused(f"the archive holds a {kind!r}")

    def _plain(self, place: Path) -> None:
        executable = False
        with place.open("xb") as file:
            while (word := self.text()) != b")":
                if word == b"executable":
                    self.expect(b"")
                    executable = True
                elif word == b"contents":
                    left = size = self.length()
                    while left:
                        data = self.exactly(min(CHUNK, left))
                        left -= len(data)
                        file.write(data)
                    self.exactly(-size % 8)
                else:
                    raise Refused(f"the archive holds a file with {word!r}")
        place.chmod(0o755 if executable else 0o644)

    def _folder(self, place: Path) -> None:
        place.mkdir()
        while (word := self.text()) != b")":
            if word != b"entry":
                raise Refused(f"the archive holds a folder with {word!r}")
            self.expect(b"(", b"name")
            name = self.text()
            if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
                raise Refused(f"the archive holds the name {name!r}")
            self.expect(b"node")
            self.node(place / os.fsdecode(name))
            self.expect(b")")


def unpack(nar: Path, place: Path) -> None:
    """Make the content of *nar* at *place*."""
    with nar.open("rb") as file:
        reader = Reader(file)
        reader.expect(b"nix-archive-1")
        reader.node(place)
        if file.read(1):
            raise Refused("something follows the archive")


def download(url: str, folder: Path) -> Path | None:
    """Return a file with what *url* gives; None where it gives nothing."""
    path = folder / "nar"
    print(f"trying {printable(url)}", flush=True)
    context = ssl._create_unverified_context()  # noqa: S323  the hash is checked, so the peer need not be
    try:
        with (
            urllib.request.urlopen(url, timeout=60, context=context) as answer,  # noqa: S310  http(s), as the user wrote
            path.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file, CHUNK)
            announced = answer.headers.get("Content-Length")
            if announced is not None and file.tell() != int(announced):
                raise OSError(f"{file.tell()} bytes came instead of {announced}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"mach: {printable(url)}: {printable(str(error))}", file=sys.stderr, flush=True)
        return None
    return path


def check(path: Path, sha256: str, origin: str) -> None:
    """Refuse a file with another hash."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    if digest.hexdigest() != sha256:
        raise Refused(f"{origin} has the sha256 {digest.hexdigest()}, and the lock says {sha256}")


def clone(url: str, commit: str, place: Path) -> None:
    """Have git put the files of *commit* at *place*, as ``pkgs.fetchgit`` does: no submodules, no ``.git``."""
    environ = {
        **os.environ,
        "HOME": "/homeless",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSL_NO_VERIFY": "1",  # as for a download
        "GIT_ALLOW_PROTOCOL": url.partition("://")[0],
    }
    everything = ("+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*")

    def git(*words: str) -> bool:
        return subprocess.run(["git", "-C", place, *words], env=environ).returncode == 0

    place.mkdir()
    done = git("init", "--quiet", "--template=") and (
        git("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, commit)
        or git("fetch", "--quiet", "--no-tags", "--", url, *everything)
    )
    if not done or not git("checkout", "--quiet", "--force", "--detach", commit):
        raise Refused(f"git cannot fetch {commit} from {url}")
    shutil.rmtree(place / ".git")


def printable(text: str) -> str:
    """Return *text* in one line that steers no terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def fetch(info: dict[str, Any], place: Path) -> None:
    """Make *place* from the first source that has it."""
    with tempfile.TemporaryDirectory() as name:
        for origin in info["nars"]:
            nar = Path(origin) if origin.startswith("/") else download(origin, Path(name))
            if nar is not None:
                check(nar, info["sha256"], origin)
                unpack(nar, place)
                return
    if info["repository"] is not None:
        clone(info["repository"]["url"], info["repository"]["commit"], place)
    elif info["tree"] is not None:
        shutil.copytree(info["tree"], place, symlinks=True)
    else:
        raise Refused("none of the mirrors has it, and a build cannot reach where the lock has it")


def main() -> None:
    """Run the script."""
    info = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    try:
        fetch(info, Path(sys.argv[2]))
    except (Refused, OSError) as error:
        sys.exit(f"mach: cannot fetch {printable(info['label'])}: {printable(str(error))}")


if __name__ == "__main__":
    main()
