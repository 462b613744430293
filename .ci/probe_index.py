"""Exits with 0 where the package index that pip is configured for answers within 5 seconds."""

from __future__ import annotations

import sys

import requests

from crawler.settings import configured_indexes


def main() -> int:
    """Ask the index of lowest precedence, the main one, for the page of a project that every index has."""
    url = configured_indexes()[-1].rstrip("/") + "/pip/"
    if not url.startswith("http"):
        return 0
    try:
        with requests.get(url, timeout=5, stream=True, headers={"Accept": "text/html"}) as response:
            return 0 if response.ok else 1
    except requests.RequestException as error:
        print(f"{type(error).__name__}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
