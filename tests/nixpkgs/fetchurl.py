"""The builder of fetchurl: saves the first of $urls that answers to $out; nix then compares the hash.

Runs as `python -I fetchurl.py` in a fixed-output derivation.  A URL that cannot be had is reported and the next one
tried, as nixpkgs' fetchurl does; content with a wrong hash is not tried elsewhere, in nixpkgs neither.
"""

import http.client
import os
import posixpath
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ATTEMPTS, PAUSE, TIMEOUT = 3, 1.0, 30.0
PASSING = {408, 429, 500, 502, 503, 504}  # answers that another attempt may change


def resolve_dots(url):
    """Return url without /../, as curl sends it."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(path=posixpath.normpath(parts.path))) if "/../" in parts.path else url


def save(url, out):
    """Write what url gives to out; raises OSError or HTTPException, also where fewer bytes came than announced."""
    context = ssl._create_unverified_context()  # the hash is checked, so the peer need not be
    with urllib.request.urlopen(resolve_dots(url), timeout=TIMEOUT, context=context) as answer, open(out, "wb") as file:
        shutil.copyfileobj(answer, file, 1 << 20)
        announced = answer.headers.get("Content-Length")
        if announced is not None and file.tell() != int(announced):
            raise OSError(f"{file.tell()} bytes came instead of {announced}")


def fetch(url, out):
    for attempt in range(ATTEMPTS):
        print(f"trying {url}", flush=True)
        try:
            save(url, out)
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            print(f"error: {url}: {error}", file=sys.stderr, flush=True)
            status = getattr(error, "code", None)
            # a file: URL, a refused connection or a 404 stay what they are
            last = status not in PASSING and not isinstance(error, (TimeoutError, http.client.HTTPException))
            if last or attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE)


out = os.environ["out"]
for url in os.environ["urls"].split():
    try:
        fetch(url, out)
    except (OSError, http.client.HTTPException, ValueError):
        continue
    if os.environ["executable"]:
        os.chmod(out, 0o755)
    sys.exit(0)
sys.exit(f"error: cannot download {os.environ['name']} from any mirror")
