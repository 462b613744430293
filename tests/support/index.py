"""A fake index: the simple API of a package index on loopback, in every mood that a real one has.

>>> with IndexServer() as server:
...     index = server.index()
...     index.add(make_wheel("requests", "2.32.0"))
...     fetch(index.url + "requests/")
...     assert index.count(index.page_path("requests")) == 1
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import pytest
from packaging.utils import canonicalize_name

from .dists import Dist
from .pages import HTML, JSON, PLAIN_HTML, Listed, answer_page, choose_form, render_page, render_root
from .serving import Answer, Asked, Behaviour, Server

__all__ = ["FakeIndex", "IndexServer", "fake_index"]

#: The default upload time of files: 2024-01-01T00:00:00Z and a second more for each file.
FIRST_UPLOAD = 1704067200

UNSET: Any = object()


@dataclass(slots=True)
class _Project:
    files: list[Listed] = field(default_factory=list)
    serial: int = 0
    hidden: bool = False
    frozen: tuple[tuple[Listed, ...], int] | None = None


class FakeIndex:
    """One index, served below a prefix of an :class:`IndexServer`.

    What can be set at any time (all plain attributes):

    :ivar form: ``negotiate`` (JSON or HTML by Accept, as PEP 691 says), ``html`` or ``json``
        (always that one), or ``mirror`` (text/html whatever Accept says, with data-upload-time,
        without sidecar attributes).
    :ivar urls: ``absolute`` or ``relative`` file URLs on pages.
    :ivar layout: where :meth:`add` lays files: ``blake2`` (``packages/aa/bb/rest/NAME``) or ``plain``.
    :ivar ranges: ``on``, ``ignore`` (always 200 with all of it) or ``refuse`` (416).
    :ivar etags: whether pages carry ETag and answer If-None-Match.
    :ivar last_modified: whether pages carry Last-Modified and answer If-Modified-Since.
    :ivar serials: whether pages carry X-PyPI-Last-Serial and ``_last-serial``.
    :ivar sidecars: the default of :meth:`add` for wheels; sdists have none by default.
    :ivar sidecar_keys: what pages call sidecars: ``new`` (core-metadata, PEP 714), ``old``
        (dist-info-metadata, PEP 658) or ``both``.
    :ivar password: (user, password) for HTTP basic authentication, or None.
    :ivar api_version: what pages state as the version of their form.
    """

    def __init__(self, server: IndexServer, prefix: str) -> None:
        self.server = server
        self.prefix = prefix
        self.form: Literal["negotiate", "html", "json", "mirror"] = "negotiate"
        self.urls: Literal["absolute", "relative"] = "absolute"
        self.layout: Literal["blake2", "plain"] = "blake2"
        self.ranges: Literal["on", "ignore", "refuse"] = "on"
        self.etags = True
        self.last_modified = False
        self.serials = True
        self.sidecars: Literal["digest", "bare", "silent", "none"] = "digest"
        self.sidecar_keys: Literal["both", "new", "old"] = "both"
        self.password: tuple[str, str] | None = None
        self.api_version = "1.1"
        self.serial = 1000
        self._projects: dict[str, _Project] = {}
        self._lock = threading.RLock()
        self._uploads = 0

    @property
    def url(self) -> str:
        """What --index-url takes."""
        return f"{self.server.url}{self.prefix}/simple/"

    def url_with(self, user: str, password: str) -> str:
        """Return the URL with userinfo."""
        return self.url.replace("://", f"://{user}:{password}@", 1)

    def page_path(self, project: str) -> str:
        """Return the path of a project's page on the server."""
        return f"{self.prefix}/simple/{canonicalize_name(project)}/"

    @property
    def root_path(self) -> str:
        """The path of the root page."""
        return f"{self.prefix}/simple/"

    def file_path(self, dist: Dist) -> str:
        """Return the path of a listed file, not quoted."""
        return self._find(dist)[1].path

    def sidecar_path(self, dist: Dist) -> str:
        """Return the path of a listed file's METADATA (PEP 658)."""
        return self.file_path(dist) + ".metadata"

    def file_url(self, dist: Dist) -> str:
        """Return the absolute URL of a listed file."""
        return self.server.url + self.file_path(dist)

    # -- what is published -------------------------------------------------------------

    def add(
        self,
        dist: Dist,
        *,
        upload_time: datetime | int | None = UNSET,
        yanked: bool | str = False,
        requires_python: str | None = UNSET,
        sha256: str | None = UNSET,
        size: int | None = UNSET,
        sidecar: Literal["digest", "bare", "silent", "none"] | None = None,
        sidecar_sha256: str | None = None,
        sidecar_content: bytes | None = None,
        url: str | None = None,
        content: bytes | None = None,
        path: str | None = None,
    ) -> Dist:
        """Publish *dist* and return it.

        What is not given is true of the file; what is given is what the page says, right or
        wrong. A *path* is where it lies on the server; None in *upload_time*,
        *requires_python*, *sha256*, *size*: the page does not state it.
        """
        with self._lock:
            self._uploads += 1
            if sidecar is None:
                sidecar = self.sidecars if dist.is_wheel and dist.metadata is not None else "none"
            served = dist.metadata if sidecar_content is None else sidecar_content
            listed = Listed(
                dist=dist,
                path=path or self._lay(dist),
                upload_time=_seconds(FIRST_UPLOAD + self._uploads if upload_time is UNSET else upload_time),
                yanked=yanked,
                requires_python=dist.requires_python if requires_python is UNSET else requires_python,
                sha256=dist.sha256 if sha256 is UNSET else sha256,
                size=dist.size if size is UNSET else size,
                sidecar=sidecar,
                sidecar_sha256=sidecar_sha256 or hashlib.sha256(served or b"").hexdigest(),
                url=url,
                content=dist.content if content is None else content,
                sidecar_content=served,
            )
            project = self._projects.setdefault(dist.project, _Project())
            if any(f.dist.filename == dist.filename for f in project.files):
                raise ValueError(f"{dist.filename} is already listed")
            project.files.append(listed)
            self._touch(project)
        return dist

    def change(self, dist: Dist, **what: Any) -> None:
        """Change what the page says of a listed file; takes the fields of :class:`Listed`."""
        with self._lock:
            project, listed = self._find(dist)
            if "upload_time" in what:
                what["upload_time"] = _seconds(what["upload_time"])
            project.files[project.files.index(listed)] = replace(listed, **what)
            self._touch(project)

    def yank(self, dist: Dist, reason: str = "") -> None:
        """Yank a listed file (PEP 592)."""
        self.change(dist, yanked=reason or True)

    def unyank(self, dist: Dist) -> None:
        """Take a yank back."""
        self.change(dist, yanked=False)

    def delete(self, dist: Dist) -> None:
        """Take a file off its page and off the server; an empty page stays."""
        with self._lock:
            project, listed = self._find(dist)
            project.files.remove(listed)
            self._touch(project)

    def create(self, project: str) -> None:
        """Make an empty project page where there is none."""
        with self._lock:
            self._touch(self._projects.setdefault(canonicalize_name(project), _Project()))

    def hide(self, project: str) -> None:
        """Quarantine a project: its page answers 404 and the root leaves it out; its files stay."""
        self._set_hidden(project, True)

    def unhide(self, project: str) -> None:
        """Lift the quarantine."""
        self._set_hidden(project, False)

    def freeze(self, project: str) -> None:
        """Serve the page as it is now while the root page moves on: a stale CDN."""
        with self._lock:
            state = self._projects[canonicalize_name(project)]
            state.frozen = (tuple(state.files), state.serial)

    def thaw(self, project: str) -> None:
        """Serve the page as it should be again."""
        with self._lock:
            self._projects[canonicalize_name(project)].frozen = None

    def dists(self, project: str) -> tuple[Dist, ...]:
        """Return the listed files of a project in the order of the page."""
        with self._lock:
            state = self._projects.get(canonicalize_name(project), _Project())
            return tuple(listed.dist for listed in state.files)

    @property
    def projects(self) -> tuple[str, ...]:
        """Names of the projects with a page, sorted."""
        with self._lock:
            return tuple(sorted(name for name, state in self._projects.items() if not state.hidden))

    # -- moods, and what was asked -----------------------------------------------------

    def behave(self, path: str | Dist, **behaviour: Any) -> None:
        """Answer *path* otherwise; takes the fields of :class:`tests.support.serving.Behaviour`.

        :param path: a file, or a path: :meth:`page_path`, :meth:`sidecar_path`, :attr:`root_path`;
            one that ends with ``*`` stands for all paths that begin so.

        Behaviours for a path apply in the order in which they were given, each ``times`` times
        (for ever without): ``behave(p, status=503, times=2)`` fails twice, then all is well.
        """
        where = self.file_path(path) if isinstance(path, Dist) else path
        self.server.behave(where, Behaviour(**behaviour))

    def recover(self) -> None:
        """Forget all behaviours of the whole server."""
        self.server.recover()

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The requests that this index was sent, in order."""
        return tuple(asked for asked in self.server.asked if self._owns(asked.path))

    def count(self, path: str | Dist | None = None, *, method: str | None = None, status: int | None = None) -> int:
        """Return how many requests this index was sent, to *path* (``*`` as in :meth:`behave`) or at all."""
        where = self.file_path(path) if isinstance(path, Dist) else path
        return sum(
            1
            for asked in self.asked
            if (where is None or asked.path == where or (where.endswith("*") and asked.path.startswith(where[:-1])))
            and (method is None or asked.method == method)
            and (status is None or asked.status == status)
        )

    def forget(self) -> None:
        """Forget the requests of the whole server."""
        self.server.forget()

    # -- answers -----------------------------------------------------------------------

    def answer(self, asked: Asked) -> Answer:
        """Return what this index answers to a request below its prefix."""
        if self.password is not None and asked.basic_auth != self.password:
            return Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="index"'}, body=b"who are you?\n")
        with self._lock:
            inner = asked.path.removeprefix(self.prefix)
            if inner.startswith("/simple"):
                return self._answer_simple(asked, inner.removeprefix("/simple"))
            return self._answer_file(asked)

    def _answer_simple(self, asked: Asked, rest: str) -> Answer:
        if not rest.endswith("/"):
            return Answer(status=301, headers={"Location": f"{asked.path}/"})
        name = rest.strip("/")
        offered = {
            "negotiate": (PLAIN_HTML, JSON, HTML),
            "json": (JSON,),
            "html": (PLAIN_HTML,),
            "mirror": (PLAIN_HTML,),
        }[self.form]
        form = choose_form(asked.headers.get("accept"), offered) if self.form == "negotiate" else offered[0]
        if form is None:
            return Answer(status=406, body=b"no such form\n")
        if not name:
            live = {project: self._projects[project].serial for project in self.projects}
            serial = self.serial if self.serials else None
            body = render_root(form, live, serial=serial, api_version=self.api_version)
            return self._page(asked, form, body, self.serial)
        if "/" in name or canonicalize_name(name) != name:
            return Answer(status=301, headers={"Location": self.page_path(name)})
        state = self._projects.get(name)
        if state is None or state.hidden:
            return Answer(status=404, body=b"no such project\n")
        files, serial = state.frozen or (tuple(state.files), state.serial)
        body = render_page(
            form,
            name,
            files,
            base=self.server.url if self.urls == "absolute" else "../.." + "/.." * self.prefix.count("/"),
            serial=serial if self.serials else None,
            api_version=self.api_version,
            mirror=self.form == "mirror",
            sidecar_keys=self.sidecar_keys,
        )
        return self._page(asked, form, body, serial)

    def _page(self, asked: Asked, form: str, body: bytes, serial: int) -> Answer:
        return answer_page(
            asked, form, body, serial, etags=self.etags, last_modified=self.last_modified, serials=self.serials
        )

    def _answer_file(self, asked: Asked) -> Answer:
        for state in self._projects.values():
            for listed in state.files:
                if asked.path == listed.path:
                    return Answer(body=listed.content, ranges=self.ranges, headers=dict(_BINARY))
                served = listed.sidecar != "none" and listed.sidecar_content is not None
                if served and asked.path == f"{listed.path}.metadata":
                    assert listed.sidecar_content is not None
                    return Answer(body=listed.sidecar_content, headers=dict(_BINARY))
        return Answer(status=404, body=b"no such file\n")

    def _lay(self, dist: Dist) -> str:
        digest = dist.blake2b
        folder = f"{digest[:2]}/{digest[2:4]}/{digest[4:]}" if self.layout == "blake2" else dist.project
        return f"{self.prefix}/packages/{folder}/{dist.filename}"

    def _find(self, dist: Dist) -> tuple[_Project, Listed]:
        with self._lock:
            project = self._projects[dist.project]
            return project, next(f for f in project.files if f.dist.filename == dist.filename)

    def _set_hidden(self, project: str, hidden: bool) -> None:
        with self._lock:
            state = self._projects[canonicalize_name(project)]
            state.hidden = hidden
            self._touch(state)

    def _touch(self, project: _Project) -> None:
        self.serial += 1
        project.serial = self.serial

    def _owns(self, path: str) -> bool:
        return self.server.owner(path) is self


_BINARY = (("Content-Type", "application/octet-stream"), ("Cache-Control", "max-age=365000000, immutable, public"))


class IndexServer(Server):
    """Indexes on one loopback port; a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._indexes: dict[str, FakeIndex] = {}

    def index(self, name: str = "") -> FakeIndex:
        """Return the index called *name*, made at first use; the nameless one is at ``/simple/``."""
        if name in ("simple", "packages") or "/" in name:
            raise ValueError(f"an index cannot be called {name!r}")
        return self._indexes.setdefault(name, FakeIndex(self, f"/{name}" if name else ""))

    def owner(self, path: str) -> FakeIndex | None:
        """Return the index that answers *path*."""
        name = path.split("/")[1] if path.startswith("/") else ""
        return self._indexes.get(name) or self._indexes.get("")

    def answer(self, asked: Asked) -> Answer:
        """Return the answer of the index that *asked* is for."""
        index = self.owner(asked.path)
        return Answer(status=404, body=b"no such index\n") if index is None else index.answer(asked)


def _seconds(moment: datetime | int | None) -> int | None:
    return int(moment.timestamp()) if isinstance(moment, datetime) else moment


@pytest.fixture
def fake_index() -> Iterator[FakeIndex]:
    """An empty index on a server of its own; ``fake_index.server.index("other")`` is another."""
    with IndexServer() as server:
        yield server.index()
