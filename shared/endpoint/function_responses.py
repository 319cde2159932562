"""What the function of an endpoint made of its response, as the response that is sent."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import azure.functions as func

from shared.budget import LARGE
from shared.endpoint.parts import PartedResponse
from shared.errors import FunctionFailedError

if TYPE_CHECKING:
    from shared.endpoint.http import Exchange

MOST_HEADER_BYTES = 16 * 1024

_STATUSES = range(200, 600)
_WITHOUT_BODY = frozenset({204, 205, 304})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+=[!#-+\--:<-\[\]-~]*(;[\t -~]*)?")
_CHARSET = re.compile(r""";\s*charset=["']?([\w.:-]+)["']?""", re.IGNORECASE)
_OF_THE_HOST = frozenset({
    "connection", "content-length", "date", "keep-alive", "proxy-connection", "server", "te", "trailer",
    "transfer-encoding", "upgrade", "x-content-type-options",
})  # fmt: skip


class Made(NamedTuple):
    """The status, if it was set, the headers in their order, and the body; None where none was set."""

    status: int | None
    headers: Sequence[Sequence[str]]
    content: bytes | None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Take what a function made; raise FunctionFailedError for what no response has."""
        status, headers, content = answer.get("status"), answer.get("headers"), answer.get("body")
        if status is not None and (type(status) is not int or status not in _STATUSES):
            raise FunctionFailedError(f"setStatusCode takes a number from {_STATUSES[0]} to {_STATUSES[-1]}")
        if type(headers) is not list or not all(type(each) is list and _is_header(*each) for each in headers):
            raise FunctionFailedError("the header of a response is a name of HTTP and a line of printable ASCII")
        if sum(len(name) + len(value) for name, value in headers) > MOST_HEADER_BYTES:
            raise FunctionFailedError(f"the headers of a response are longer than {MOST_HEADER_BYTES} bytes")
        content = content.encode() if type(content) is str else content
        if content is not None and not isinstance(content, bytes):
            raise FunctionFailedError("setBody takes a text or a Binary")
        return cls(status, headers, content)


def function_response(exchange: "Exchange", made: Made, kind: str) -> func.HttpResponse:
    """Return the response, without a body if there is none, of this media type if no header says another.

    The headers that are the host's are left out; those of cross-origin calls are the function's where it sets them.
    """
    status = made.status or (204 if made.content is None else 200)
    headers, cookies = _headers(made.headers)
    kind = headers.pop("content-type", "") or kind
    own = {name.lower(): value for name, value in exchange.headers.items()}
    if "vary" in headers and own["vary"].lower() not in headers["vary"].lower():
        headers["vary"] = f"{own['vary']}, {headers['vary']}"
    content = made.content or b""
    if status in _WITHOUT_BODY or exchange.request.method == "HEAD":
        content = b""
    sent = {_canonical(name): value for name, value in (own | headers).items()}
    response = _response(content, status, sent, kind)
    for each in cookies:
        response.headers.add_header("Set-Cookie", each)
    return response


def _response(content: bytes, status: int, headers: dict[str, str], kind: str) -> func.HttpResponse:
    charset = "utf-8"
    if kind.startswith("text/") and (found := _CHARSET.search(kind)):  # hosts write it behind the type of a text
        kind, charset = kind.replace(found[0], ""), found[1]
    if len(content) >= LARGE:
        return PartedResponse([content], status_code=status, headers=headers, mimetype=kind, charset=charset)
    return func.HttpResponse(content, status_code=status, headers=headers, mimetype=kind, charset=charset)


def _is_header(*parts: Any) -> bool:
    if [type(part) for part in parts] != [str, str]:
        return False
    name, value = parts
    pattern = _COOKIE if name.lower() == "set-cookie" else _VALUE
    return _NAME.fullmatch(name) is not None and pattern.fullmatch(value) is not None


def _headers(given: Sequence[Sequence[str]]) -> tuple[dict[str, str], list[str]]:
    """Return the headers by their names in lower case, and the cookies, which alone may be several."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, given_value in given:
        folded, value = name.lower(), given_value.strip(" \t")
        if folded == "set-cookie":
            cookies.append(value)
        elif folded not in _OF_THE_HOST:
            headers[folded] = f"{headers[folded]}, {value}" if folded in headers else value
    return headers, cookies


def _canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
