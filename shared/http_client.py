"""HTTP requests that functions of an app ask for: to hosts of FUNCTIONS_HTTP_HOSTS alone, each on its own connection.

No proxy of the environment and no credential of the process takes part.
"""

import asyncio
import io
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPException, parse_headers
from typing import Literal, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from shared.errors import FunctionFailedError
from shared.http_hosts import Hosts

type Headers = Sequence[tuple[str, str]]
type Room = Callable[[int], Awaitable[None]]
"""Makes room for so many bytes of a reply, or raises where there is none."""

type Reading = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_RESOLVERS = 8
_MOST_OPEN = 200  # connections of a process
_MOST_REDIRECTS = 10
_MOST_INTERIM = 10
_CONNECT_SECONDS = 10.0
_LONGEST_HEAD = 64 * 1024
_PART = 64 * 1024
_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"[^\x00-\x20\x7f\\]+")  # which parsers would drop, or take for something else
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_MOVED = frozenset({301, 302, 303, 307, 308})
_WITHOUT_BODY = frozenset({204, 304})
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


class Got(NamedTuple):
    """A reply with its body, as it was before it was compressed."""

    status: int
    reason: str
    headers: Headers
    body: bytes


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
            return await _Reply(reader, asked, room).read()
        except (OSError, EOFError, ValueError, HTTPException, zlib.error) as error:
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
                        address, target.port, limit=_LONGEST_HEAD, ssl=tls, server_hostname=name
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


def _head(asked: Asked) -> bytes:
    target = asked.target
    sent = {name.lower() for name, _ in asked.headers}
    lines = [f"{asked.method} {target.path} HTTP/1.1", f"Host: {target.named}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in asked.headers]
    if "accept-encoding" not in sent:
        lines.append("Accept-Encoding: gzip")
    if "user-agent" not in sent:
        lines.append("User-Agent: Dozen")
    if asked.body is not None:
        lines.append(f"Content-Length: {len(asked.body)}")
    return "\r\n".join([*lines, "", ""]).encode()


class _Reply:
    """What comes back on a connection."""

    def __init__(self, reader: asyncio.StreamReader, asked: Asked, room: Room) -> None:
        self._reader = reader
        self._asked = asked
        self._room = room

    async def read(self) -> Got:
        """Return the reply behind those that only say that it is coming; raise ValueError if it is none."""
        for _ in range(_MOST_INTERIM):
            status, reason, headers = await self._read_head()
            if status >= HTTPStatus.OK:
                break
        else:
            raise ValueError("there is no reply behind the interim ones")
        sent = {name.lower(): value.strip().lower() for name, value in headers}
        body = b""
        if self._asked.method != "HEAD" and status not in _WITHOUT_BODY:
            body = await self._body(sent)
        return Got(status, reason, headers, body)

    async def _read_head(self) -> tuple[int, str, Headers]:
        first = _STATUS.fullmatch(await self._reader.readline())
        if first is None:
            raise ValueError("this is no HTTP")
        head = b""
        while (line := await self._reader.readline()) not in (b"\r\n", b"\n"):
            head += line
            if not line.endswith(b"\n") or len(head) > _LONGEST_HEAD:
                raise ValueError("the headers have no end")
        headers = parse_headers(io.BytesIO(head + b"\r\n"))
        reason = (first[2] or b"").decode("latin-1").strip()
        return int(first[1]), reason, [(name, str(value)) for name, value in headers.items()]

    async def _body(self, sent: dict[str, str]) -> bytes:
        is_packed = sent.get("content-encoding") == "gzip" and not any(
            name.lower() == "accept-encoding" for name, _ in self._asked.headers
        )
        body = _Body(self._room, is_packed=is_packed)
        if coding := sent.get("transfer-encoding"):
            if coding != "chunked":
                raise ValueError("the coding is unknown")
            await self._chunks(body)
        elif "content-length" in sent:
            length = sent["content-length"]
            if not (length.isascii() and length.isdigit() and len(length) < _LONGEST_LENGTH):
                raise ValueError("the length is no number")
            await self._exactly(int(length), body)
        else:
            while part := await self._reader.read(_PART):
                await body.add(part)
        return body.ended()

    async def _chunks(self, body: "_Body") -> None:
        while True:
            size = _SIZE.fullmatch(await self._reader.readline())
            if size is None:
                raise ValueError("a chunk has no size")
            if not int(size[1], 16):
                return  # what follows are headers that nobody asked for
            await self._exactly(int(size[1], 16), body)
            if await self._reader.readline() not in (b"\r\n", b"\n"):
                raise ValueError("a chunk has no end")

    async def _exactly(self, size: int, body: "_Body") -> None:
        while size:
            part = await self._reader.read(min(size, _PART))
            if not part:
                raise EOFError
            size -= len(part)
            await body.add(part)


_LONGEST_LENGTH = 16  # digits


class _Body:
    """The body of a reply, for all of which there has to be room, also where it is small while it is packed."""

    def __init__(self, room: Room, *, is_packed: bool) -> None:
        self._room = room
        self._unpacking = zlib.decompressobj(wbits=31) if is_packed else None
        self._is_whole = True
        self._bytes = bytearray()

    async def add(self, part: bytes) -> None:
        if self._unpacking is None:
            await self._hold(part)
            return
        while not self._unpacking.eof:
            unpacked = self._unpacking.decompress(part, _PART)
            await self._hold(unpacked)
            part = self._unpacking.unconsumed_tail
            if not part and len(unpacked) < _PART:
                break
        self._is_whole = self._unpacking.eof

    async def _hold(self, part: bytes) -> None:
        await self._room(len(part))
        self._bytes += part

    def ended(self) -> bytes:
        """Return all of it; raise EOFError if what was packed has no end."""
        if not self._is_whole:
            raise EOFError
        return bytes(self._bytes)
