"""`%%request`: what rules see of a request."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote_plus

_CREDENTIALS = frozenset({"secret", "baas_at", "stitch_at"})
"""Members of the query that rules do not see."""

_URLS = frozenset({"x-original-url", "x-waws-unencoded-url"})
"""Headers of Azure's front end that repeat the URL, with its query."""


class Head(Protocol):
    """A request without its body."""

    @property
    def method(self) -> str:
        """The method, in capitals."""

    @property
    def url(self) -> str:
        """The URL as it was sent."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""


class PlainHead(NamedTuple):
    """A head by itself; an empty one where nobody has sent a request."""

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = {}


class RequestView(Mapping[str, Any]):
    """The members of `%%request`, made when a rule looks at one."""

    def __init__(self, request: Head, action: str, address: str, route: str | None = None) -> None:
        """Take the request, the name of its action, the address that it came from, and the route of an endpoint."""
        self._request = request
        self._action = action
        self._address = address
        self._route = route

    def of(self, action: str) -> "RequestView":
        """Return the view of the same request as it is for another action, which is part of its own."""
        return RequestView(self._request, action, self._address, self._route)

    @cached_property
    def _members(self) -> dict[str, Any]:
        headers = {name.lower(): [value] for name, value in self._request.headers.items() if name.lower() not in _URLS}
        query = self._request.url.partition("?")[2].split("&")
        endpoint = {} if self._route is None else {"webhookUrl": self._route}
        return endpoint | {
            "httpMethod": self._request.method,
            "httpReferrer": headers.get("referer", [""])[0],
            "httpUserAgent": headers.get("user-agent", [""])[0],
            "rawQueryString": "&".join(
                part for part in query if unquote_plus(part.partition("=")[0]) not in _CREDENTIALS
            ),
            "remoteIPAddress": self._address,
            "requestHeaders": headers,
            "action": self._action,
        }

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


NO_REQUEST = RequestView(PlainHead(), "", "")
"""What is seen where nobody has sent a request."""
