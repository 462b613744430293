"""The anchors of an HTML page, read fast and without losing the page over one of them."""

from __future__ import annotations

import codecs
from html.parser import HTMLParser

from pypi_simple import Link

__all__ = ["AnchorPage", "read_anchors"]


class AnchorPage(HTMLParser):
    """What an index's HTML page says (PEP 503, 629): anchors, version, base.

    pypi_simple's own readers either build a whole tree (five times slower) or lose the page
    where one URL does not parse; the rows themselves are read by pypi_simple.

    :ivar links: anchors with a ``href``, in order; ``url`` is as written, not yet resolved.
    :ivar base: the page's ``<base href>``, if any.
    :ivar version: the page's ``pypi:repository-version``, if any.
    :ivar is_html: whether anything on the page is an HTML element.
    :ivar ended: whether the page has its ``</html>``.
    :ivar is_interactive: whether it has forms, frames, scripts or sends elsewhere, as a login page does.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[Link] = []
        self.base: str | None = None
        self.version: str | None = None
        self.is_html = False
        self.ended = False
        self.is_interactive = False
        self._open: dict[str, str] | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an anchor, a base or a meta element."""
        self.is_html = True
        if tag == "a":
            self._finish()
            # of a repeated attribute the first counts (HTML), so the list is turned round
            self._open = {name: value or "" for name, value in reversed(attrs)}
        elif tag == "base" and self.base is None:
            self.base = dict(attrs).get("href")
        elif tag == "meta":
            given = dict(attrs)
            if given.get("name") == "pypi:repository-version" and self.version is None:
                self.version = given.get("content")
            if (given.get("http-equiv") or "").lower() == "refresh":
                self.is_interactive = True
        elif tag in ("form", "frame", "iframe", "script"):
            self.is_interactive = True

    def handle_endtag(self, tag: str) -> None:
        """End an anchor or the page."""
        if tag == "a":
            self._finish()
        elif tag == "html":
            self.ended = True

    def handle_data(self, data: str) -> None:
        """Take the text of an anchor."""
        if self._open is not None:
            self._text.append(data)

    def close(self) -> None:
        """End the page."""
        super().close()
        self._finish()

    def _finish(self) -> None:
        if self._open is not None and "href" in self._open:
            self.links.append(Link(text="".join(self._text).strip(), url=self._open["href"], attrs={**self._open}))
        self._open = None
        self._text.clear()


def read_anchors(body: bytes, charset: str | None) -> AnchorPage:
    """Return what the page *body* says; it never raises.

    :param charset: as the Content-Type says; UTF-8 where it says none, or one that is not known.
        What does not decode becomes U+FFFD, which no file name may hold.
    """
    try:
        charset = codecs.lookup(charset or "utf-8").name
        text = body.decode(charset, "replace")
    except (LookupError, ValueError):
        text = body.decode("utf-8", "replace")
    page = AnchorPage()
    try:
        page.feed(text.removeprefix("\ufeff"))
        page.close()
    except AssertionError:
        # html.parser of Python 3.11 asserts on malformed declarations such as "<![x"
        page.ended = False
    return page
