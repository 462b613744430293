"""Archives made in memory, the same bytes every time, with any member names at all."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping

__all__ = ["tar_gz", "zip_up"]

#: The first moment that a zip archive can hold; what reproducible builds use.
EPOCH = 315532800
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def zip_up(members: Mapping[str, bytes], modes: Mapping[str, int]) -> bytes:
    """Return a zip archive of *members* (name -> content, in this order); *modes* has those that are not 0644."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in members.items():
            info = zipfile.ZipInfo(path, ZIP_TIME)
            info.create_system = 3  # Unix, whatever this machine is
            info.external_attr = (0o100000 | modes.get(path, 0o644)) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def tar_gz(members: Mapping[str, bytes], modes: Mapping[str, int], links: Mapping[str, str]) -> bytes:
    """Return a .tar.gz of *members* as :func:`zip_up` does; *links* are symbolic: name -> target."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=EPOCH) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, content in members.items():
            info = tarfile.TarInfo(path)
            info.size, info.mtime, info.mode = len(content), EPOCH, modes.get(path, 0o644)
            archive.addfile(info, io.BytesIO(content))
        for path, target in links.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname, info.mtime, info.mode = tarfile.SYMTYPE, target, EPOCH, 0o777
            archive.addfile(info)
    return out.getvalue()
