"""The headers of every answer that tell a browser what it must not do with it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

__all__ = ["protect"]

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#: By media type, where an answer does not say it itself: pages have their styles, scripts and pictures in files here.
_POLICIES = {
    "text/html": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # a picture that is opened by itself has its styles inside
    "image/svg+xml": f"{_NOTHING}; style-src 'unsafe-inline'; sandbox",
}
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # nothing for other sites; with "no-referrer" a browser would send "Origin: null" with the form of our own page
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def protect(headers: MutableHeaders, *, private: bool) -> None:
    """Add what is missing to the headers of an answer.

    :param private: only who shows a token may see it: no shared cache keeps it.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    headers.setdefault("Content-Security-Policy", _POLICIES.get(kind, _NOTHING))
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if private:
        kept = headers.get("cache-control", "no-store")
        headers["Cache-Control"] = kept.replace("public", "private")
        headers.add_vary_header("Authorization")
