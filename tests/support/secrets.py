"""Looking for a secret in all that a run left: in every form, in archives and databases as well."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

__all__ = ["find_secret", "forms_of"]


def forms_of(user: str, password: str) -> frozenset[bytes]:
    """Return the forms in which a password can stand somewhere: plain, quoted, escaped, in base64 or hexadecimal."""
    plain = password.encode()
    texts = {password, quote(password), quote(password, safe=""), quote_plus(password), repr(password)[1:-1]}
    texts |= {text.lower() for text in texts if "%" in text}
    texts |= {json.dumps(password)[1:-1], json.dumps(password, ensure_ascii=False)[1:-1], plain.hex()}
    for secret in (plain, f"{user}:{password}".encode()):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            texts.add(encode(secret).decode().rstrip("="))
    return frozenset(text.encode() for text in texts)


def find_secret(forms: Iterable[bytes], texts: Iterable[str | bytes], folders: Iterable[Path] = ()) -> list[str]:
    """Return where one of *forms* stands: in *texts*, in file names below *folders* and in what the files hold."""
    found = []
    for number, text in enumerate(texts):
        data = text.encode() if isinstance(text, str) else text
        found += [f"text {number}: {form!r}" for form in forms if form in data]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            found += [f"the name {path}" for form in forms if form in str(path.relative_to(folder)).encode()]
            if path.is_file():
                found += [f"{path}: {form!r}" for form in forms for data in _contents(path) if form in data]
    return found


def _contents(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    yield data
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    if data[:15] == b"SQLite format 3":
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    for value in row:
                        yield str(value).encode() if not isinstance(value, bytes) else _unpacked(value)


def _unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value
