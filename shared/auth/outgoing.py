"""Requests of our own over HTTP: for the keys of issuers, and to the webhook of mail."""

import asyncio
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError

from shared.errors import Unavailable, UnavailableError

_MOST_AT_ONCE = 8
_PART = 64 * 1024

_HANDLERS = (  # of http and https alone: no address reaches a file
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.UnknownHandler,
)


class Outgoing:
    """Asks others, in threads of its own: who does not answer keeps no other work of the process waiting."""

    def __init__(self, reason: Unavailable, seconds: float) -> None:
        """Take what a caller is told where nobody answers, and how long that takes at most."""
        self._reason = reason
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, "outgoing")

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        """What asks, made when somebody is asked: its handler of https reads all certificates of the system."""
        opener = urllib.request.OpenerDirector()
        for handler in (*_HANDLERS, _Redirects):
            opener.add_handler(handler())
        return opener

    async def get(self, url: str, largest: int) -> bytes:
        """Return what is at an address; raise UnavailableError if it is not there, too large, or not there in time."""
        return await self._done(lambda: self._read(url, largest))

    async def post(self, url: str, body: bytes) -> None:
        """Hand JSON over; raise UnavailableError if it is not taken in time."""
        request = urllib.request.Request(  # noqa: S310  the settings allow http and https only
            url, body, {"Content-Type": "application/json"}, method="POST"
        )
        await self._done(lambda: self._opener.open(request, timeout=self._seconds).close())

    async def _done[T](self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (OSError, HTTPException, ValueError) as error:  # the last for an address that is none
            raise UnavailableError(self._reason) from error

    def _read(self, url: str, largest: int) -> bytes:
        ends, text = time.monotonic() + self._seconds, bytearray()
        with self._opener.open(url, timeout=self._seconds) as response:
            while part := response.read1(_PART):
                text += part
                if len(text) > largest:
                    raise ValueError("the answer is too large")
                if time.monotonic() > ends:  # a part comes in time, and another, and another
                    raise TimeoutError
        return bytes(text)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to https alone, whose answer nobody else can give."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Refuse what is not encrypted, and what has moved with the message that it was to take."""
        is_lost = req.data is not None and code == 301  # 302 and 303 come from who took it
        if is_lost or not newurl.startswith("https://"):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
