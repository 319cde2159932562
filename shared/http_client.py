"""HTTP requests that functions of an app ask for: to hosts of FUNCTIONS_HTTP_HOSTS alone, each on its own connection.

No proxy of the environment and no credential of the process takes part.
"""

import asyncio
import re
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from http import HTTPStatus
from typing import Literal, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from shared.errors import FunctionFailedError
from shared.http_hosts import Hosts
from shared.http_replies import LONGEST_HEAD, UNREADABLE, Got, Headers, HttpReply, Room

type Reading = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_RESOLVERS = 8
_MOST_OPEN = 200  # connections of a process
_MOST_REDIRECTS = 10
_CONNECT_SECONDS = 10.0
_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"[^\x00-\x20\x7f\\]+")  # which parsers would drop, or take for something else
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")
_MOVED = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS = frozenset({"authorization", "cookie"})
_OF_BODIES = frozenset({"content-type", "content-encoding", "content-language"})
_NOT_QUOTED = "!$%&'()*+,/:;=?@[]~"


class HttpFailedError(FunctionFailedError):
    """A request was refused, or there is no reply to it; the text is what the function is told."""


class Target(NamedTuple):
    """What a request goes to."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str

    @property
    def named(self) -> str:
        """The host as the request names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Asked(NamedTuple):
    """A request, whose headers and body hold no more than HTTP lets them."""

    method: str
    target: Target
    headers: Headers
    body: bytes | None
    follows: bool = False


def target_of(url: str) -> Target:
    """Return what a URL names, without what it says of users; raise HttpFailedError if it is none."""
    try:
        return _target(url)
    except ValueError:
        raise HttpFailedError("the URL cannot be used: it begins with http:// or https:// and a host") from None


def _target(url: str) -> Target:
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    if not host.isascii():
        host = host.encode("idna").decode()
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    if parts.scheme != scheme or not _HOST.fullmatch(host) or not _URL.fullmatch(url):
        raise ValueError("this is no URL of HTTP")
    port = _PORTS[scheme] if parts.port is None else parts.port
    path = quote(parts.path or "/", _NOT_QUOTED) + (f"?{quote(parts.query, _NOT_QUOTED)}" if parts.query else "")
    return Target(scheme, host, port, path)


class HttpClient:
    """Asks the hosts that are named, at addresses that are public or named, too."""

    def __init__(self, hosts: Hosts) -> None:
        """Take who may be asked."""
        self._hosts = hosts
        self._open = asyncio.Semaphore(_MOST_OPEN)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Where names are looked up, which may take long: no other work of the process waits for it."""
        return ThreadPoolExecutor(_RESOLVERS, "resolver")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def reply(self, asked: Asked, room: Room) -> Got:
        """Return the reply to a request; raise HttpFailedError if there is none."""
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._open:
                got = await self._one(asked, room)
            place = next((value for name, value in got.headers if name.lower() == "location"), None)
            if not asked.follows or got.status not in _MOVED or place is None:
                return got
            asked = _moved(asked, got.status, place)
        raise HttpFailedError(f"there are more than {_MOST_REDIRECTS} redirects")

    async def _one(self, asked: Asked, room: Room) -> Got:
        target = asked.target
        if not self._hosts.allow(target.host, target.port):
            raise HttpFailedError(f"the host '{target.named[:100]}' is not in FUNCTIONS_HTTP_HOSTS")
        reader, writer = await self._connected(target)
        try:
            writer.write(_head(asked) + (asked.body or b""))
            await writer.drain()
            return await HttpReply(reader, room, asked.method, unpacks=not _chooses_encoding(asked)).read()
        except UNREADABLE as error:
            raise HttpFailedError(f"'{target.named[:100]}' gave no reply that can be read") from error
        finally:
            writer.transport.abort()

    async def _connected(self, target: Target) -> Reading:
        """Return a connection to one of the addresses of a host that may be reached."""
        tls = self._tls if target.scheme == "https" else None
        name = target.host if tls else None
        for address in await self._addresses(target):
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(
                        address, target.port, limit=LONGEST_HEAD, ssl=tls, server_hostname=name
                    )
            except (OSError, TimeoutError):
                continue
        raise HttpFailedError(f"'{target.named[:100]}' cannot be reached")

    async def _addresses(self, target: Target) -> list[str]:
        """Look the addresses up once: what is connected to is what was checked."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._threads, socket.getaddrinfo, target.host, target.port, 0, socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            raise HttpFailedError(f"'{target.named[:100]}' cannot be reached") from None
        addresses = [str(each[4][0]) for each in found]
        reachable = [each for each in dict.fromkeys(addresses) if self._hosts.reach(each)]
        if not reachable:
            raise HttpFailedError(
                f"'{target.named[:100]}' has no public address, and none that FUNCTIONS_HTTP_HOSTS names"
            )
        return reachable


def _moved(asked: Asked, status: int, place: str) -> Asked:
    """Return the request that a redirect asks for: without its credentials elsewhere, and never out of TLS."""
    before = asked.target
    target = target_of(urljoin(f"{before.scheme}://{before.named}{before.path}", place))
    if before.scheme == "https" and target.scheme == "http":
        raise HttpFailedError("a redirect leads from https to http")
    dropped = frozenset() if before[:3] == target[:3] else _CREDENTIALS
    method, body = asked.method, asked.body
    if (status == HTTPStatus.SEE_OTHER and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        dropped |= _OF_BODIES
    headers = [each for each in asked.headers if each[0].lower() not in dropped]
    return Asked(method, target, headers, body, follows=True)


def _chooses_encoding(asked: Asked) -> bool:
    return any(name.lower() == "accept-encoding" for name, _ in asked.headers)


def _head(asked: Asked) -> bytes:
    target = asked.target
    lines = [f"{asked.method} {target.path} HTTP/1.1", f"Host: {target.named}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in asked.headers]
    if not _chooses_encoding(asked):
        lines.append("Accept-Encoding: gzip")
    if not any(name.lower() == "user-agent" for name, _ in asked.headers):
        lines.append("User-Agent: Dozen")
    if asked.body is not None:
        lines.append(f"Content-Length: {len(asked.body)}")
    return "\r\n".join([*lines, "", ""]).encode()
