"""`context.http` of functions: what a function asks for as a request, and the reply as it is told."""

import asyncio
import base64
import re
from collections.abc import Mapping
from secrets import token_hex
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import orjson

from shared.budget import LARGE, Share
from shared.errors import ReadTooLargeError
from shared.http_client import Asked, Got, HttpClient, HttpFailedError, target_of
from shared.settings import Settings

METHODS = frozenset({"delete", "get", "head", "patch", "post", "put"})

_CONNECTIONS = 25  # of one call
_MEMBERS = frozenset({
    "url", "scheme", "host", "path", "query", "fragment", "username", "password", "headers", "cookies", "digestAuth",
    "authUrl", "followRedirects", "body", "encodeBodyAsJSON", "form",
})  # fmt: skip
_NOT_DONE = ("digestAuth", "authUrl")
_WITHOUT_BODY = frozenset({"get", "head"})
_OURS = frozenset({
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_COOKIE = re.compile(r"[!#-+\--:<-\[\]-~]*")


class FunctionHttp:
    """What one call of a function asks of others by HTTP."""

    def __init__(self, client: HttpClient, settings: Settings, share: Share) -> None:
        """Take who asks, and what holds the replies."""
        self._client = client
        self._most = settings.function_memory_bytes
        self._share = share
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._size = 0
        self._held = 0

    async def reply(self, method: str, argument: Any) -> str:
        """Return the Extended JSON of the reply to a request; raise HttpFailedError if there is none."""
        asked = asked_of(method, argument)
        sizes: list[int] = []

        async def room(size: int) -> None:
            sizes.append(size)
            await self._hold(size)

        async with self._places:
            try:
                got = await self._client.reply(asked, room)
                told = _told(got) if len(got.body) < LARGE else await asyncio.to_thread(_told, got)
            finally:
                self._size -= sum(sizes)
        return told

    async def _hold(self, size: int) -> None:
        """Count what comes in at a time; raise ReadTooLargeError if it is more than a function could hold."""
        self._size += size
        if self._size > self._most:
            raise ReadTooLargeError(f"the replies exceed FUNCTION_MEMORY_BYTES: {self._most}")
        if self._size > self._held:
            more, self._held = self._size - self._held, self._size
            await self._share.hold(more)


def asked_of(method: str, argument: Any) -> Asked:
    """Return the request that the argument of a method means; raise HttpFailedError for what cannot be sent."""
    if type(argument) is not dict:
        raise HttpFailedError("a request is an object with its 'url'")
    for name in argument:
        if name not in _MEMBERS:
            raise HttpFailedError(f"a request has no member '{name[:100]}'")
    for name in _NOT_DONE:
        if argument.get(name):
            raise HttpFailedError(f"'{name}' is not served here")
    url, username, password = _url(argument)
    headers = _headers(argument.get("headers"))
    cookies = _cookies(argument.get("cookies"))
    if cookies:
        headers.append(("Cookie", cookies))
    sent = {name.lower() for name, _ in headers}
    if (username or password) and "authorization" not in sent:
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        headers.append(("Authorization", f"Basic {pair}"))
    body, kind = _body(method, argument)
    if kind and "content-type" not in sent:
        headers.append(("Content-Type", kind))
    return Asked(method.upper(), target_of(url), headers, body, argument.get("followRedirects") is True)


def _url(argument: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the URL, and the name and the password in it or beside it."""
    url = _text(argument, "url")
    if not url:
        host, path = _text(argument, "host"), _text(argument, "path")
        query = _object(argument.get("query"), "query")
        if not host:
            raise HttpFailedError("a request has a 'url', or a 'host' with what else belongs to it")
        url = f"{_text(argument, 'scheme') or 'http'}://{host}/{quote(path.removeprefix('/'))}"
        if query:
            url += f"?{urlencode({name: _texts(value, name) for name, value in query.items()}, doseq=True)}"
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, "", ""
    username = _text(argument, "username") or unquote(parts.username or "")
    return url, username, _text(argument, "password") or unquote(parts.password or "")


def _text(argument: Mapping[str, Any], name: str) -> str:
    value = argument.get(name)
    if value is None:
        return ""
    if type(value) is not str:
        raise HttpFailedError(f"'{name}' of a request must be a string")
    return value


def _texts(values: Any, name: str) -> list[str]:
    """Return the values of a header or a parameter: an array of strings, or one."""
    listed = values if type(values) is list else [values]
    if not all(isinstance(each, str | int | float) for each in listed):
        raise HttpFailedError(f"'{name[:100]}' of a request must be an array of strings")
    return [str(each).lower() if type(each) is bool else str(each) for each in listed]


def _object(given: Any, name: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if type(given) is not dict:
        raise HttpFailedError(f"'{name}' of a request must be an object")
    return given


def _headers(given: Any) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    for name, values in _object(given, "headers").items():
        if not _TOKEN.fullmatch(name):
            raise HttpFailedError("a header has a name that HTTP does not have")
        if name.lower() in _OURS:
            if name.lower() == "content-length":  # which is sent as it is
                continue
            raise HttpFailedError(f"the header '{name}' is not a function's to set")
        for value in _texts(values, name):
            if not _VALUE.fullmatch(value):
                raise HttpFailedError(f"the header '{name}' has a value with a character that none may have")
            headers.append((name, value.strip()))
    return headers


def _cookies(given: Any) -> str:
    pairs = [(name, *_texts(value, name)) for name, value in _object(given, "cookies").items()]
    if not all(_TOKEN.fullmatch(each[0]) and len(each) == 2 and _COOKIE.fullmatch(each[1]) for each in pairs):
        raise HttpFailedError("a cookie has a name or a value with a character that none may have")
    return "; ".join("=".join(each) for each in pairs)


def _body(method: str, argument: Mapping[str, Any]) -> tuple[bytes | None, str]:
    """Return the body, None without one, and the type that it has unless a header says another."""
    body, form = argument.get("body"), argument.get("form")
    if method in _WITHOUT_BODY:
        if body is not None or form is not None:
            raise HttpFailedError(f"'{method}' has no body")
        return None, ""
    if form is not None:
        if body is not None:
            raise HttpFailedError("a request has a 'body' or a 'form'")
        return _multipart(form)
    if body is None:
        return None if method == "delete" else b"", ""
    if type(body) is str:
        return body.encode(), "application/json" if argument.get("encodeBodyAsJSON") else ""
    if isinstance(body, bytes):
        return bytes(body), ""
    raise HttpFailedError("'body' of a request must be a string, or an object with 'encodeBodyAsJSON'")


def _multipart(form: Any) -> tuple[bytes, str]:
    boundary = token_hex(16)
    parts = bytearray()
    for name, values in _object(form, "form").items():
        if not name.isprintable() or '"' in name:
            raise HttpFailedError("a field of a form has a name with a character that none may have")
        for value in _texts(values, name):
            parts += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    return bytes(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _told(got: Got) -> str:
    """Return a reply as Extended JSON. Headers and cookies are pairs: their names are the other's to choose."""
    headers = [["-".join(part.capitalize() for part in name.split("-")), value] for name, value in got.headers]
    lengths = [value for name, value in headers if name == "Content-Length" and value.isascii() and value.isdigit()]
    cookies = [value.partition(";")[0].strip().split("=", 1) for name, value in headers if name == "Set-Cookie"]
    told = {
        "status": f"{got.status} {got.reason}".strip(),
        "statusCode": {"$numberInt": str(got.status)},
        "contentLength": {"$numberLong": lengths[0][:15] if lengths else "-1"},
        "headers": headers,
        "cookies": [each for each in cookies if len(each) == 2],
        "body": {"$binary": {"base64": base64.b64encode(got.body).decode(), "subType": "00"}},
    }
    return orjson.dumps(told).decode()
