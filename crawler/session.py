"""The session of the HTTP client: which redirects it follows, and what it sends of passwords."""

from __future__ import annotations

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from .urls import Credentials, join_url, origin_of

__all__ = ["BasicAuth", "Session"]


class BasicAuth(AuthBase):
    """Sends what was found for a request, and keeps requests from looking into netrc files by rules of its own."""

    def __init__(self, found: Credentials | None) -> None:
        self._found = found

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return *request* with the password, where there is one."""
        if self._found is None:
            return request
        user, password = self._found.user.encode(), (self._found.password or "").encode()
        HTTPBasicAuth(user, password)(request)
        return request


class Session(requests.Session):
    """A session that follows redirects to http(s) only, and never from https to http."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where *resp* redirects to; None where it does not.

        :raises requests.exceptions.InvalidURL: with the reason, where that is not followed.
        """
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        try:
            scheme = origin_of(join_url(resp.url, target))[0]
        except ValueError as error:
            raise requests.exceptions.InvalidURL(f"it redirects to an address that cannot be used: {error}") from None
        if resp.url.startswith("https:") and scheme != "https":
            raise requests.exceptions.InvalidURL("it redirects from https to http")
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Take the password out of a request that a redirect sends to another server."""
        # nor is the password of that server put in, as requests would: nobody has named it
        if origin_of(prepared_request.url or "") != origin_of(response.url):
            prepared_request.headers.pop("Authorization", None)
