"""The memory that the large calls of a process share: what does not fit waits shortly, and is refused then.

Bodies are counted where they are read (`server.bodies`, `endpoint.content_encoding`) and parsed (`endpoint.actions`),
documents where MongoDB gives them (`mongo.reads`).
"""

import asyncio
from collections import deque
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from shared.admission import Departure, Places
from shared.errors import Unavailable
from shared.settings import Settings

UNCOUNTED = 64 * 1024
"""Bytes up to which a call holds what it needs without being counted."""

LARGE = 1024 * 1024
"""Bytes from which on a call is large."""

LARGE_AT_ONCE = 2
"""How many large calls are worked on at a time."""

WAIT_SECONDS = 5.0
"""How long a call waits at most for memory, or for its turn among the large ones."""

_MOST_WAITING = 128
_LEAST, _MOST = 32 << 20, 192 << 20  # unless it is set
_BASE = 128 << 20  # what a process takes beside it
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_BLOCK_BYTES = 128 << 10
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of a container, in version 2 and in version 1


class _Waiting(NamedTuple):
    share: "Share"
    size: int
    granted: asyncio.Future[None]


class Budget:
    """So many bytes for what calls hold. It belongs to the event loop in which it is used."""

    def __init__(self, most: int) -> None:
        """Take how many bytes all calls may hold together; the one that has held some for longest may hold more."""
        self.large = Places(LARGE_AT_ONCE, _MOST_WAITING, WAIT_SECONDS, Unavailable.TOO_MUCH)
        self.most = most
        self.held = 0
        self._holders: dict[Share, None] = {}  # the one that began first is the first
        self._waiting: deque[_Waiting] = deque()
        self._is_returned = False  # what is free, to the system

    async def take(self, share: "Share", size: int) -> None:
        """Give a share so many bytes more, as soon as they are free; raise OverloadedError if they are not in time."""
        if self._is_first(share) or (not self._waiting and self._may_have(share, size)):
            self._grant(share, size)
            return
        waiting = _Waiting(share, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await waiting.granted
        except TimeoutError:
            raise self.large.refusal() from None
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._serve()

    def give_back(self, share: "Share") -> None:
        """Take back all that a share holds, and give it to those who wait."""
        if share in self._holders:
            del self._holders[share]
            self.held -= share.counted
            self._serve()

    def _serve(self) -> None:
        """Give what there is to the first holder, if it waits, and to the others in their order."""
        for waiting in sorted(self._waiting, key=lambda each: not self._is_first(each.share)):
            if not self._may_have(waiting.share, waiting.size):
                return
            self._waiting.remove(waiting)
            if not waiting.granted.done():
                self._grant(waiting.share, waiting.size)
                waiting.granted.set_result(None)

    def _may_have(self, share: "Share", size: int) -> bool:
        return self.held + size <= self.most or self._is_first(share)

    def _is_first(self, share: "Share") -> bool:
        return next(iter(self._holders), share) is share

    def _grant(self, share: "Share", size: int) -> None:
        if not self._is_returned:
            self._is_returned = True
            return_blocks()
        self._holders[share] = None
        self.held += size
        share.counted += size


class Share:
    """What one call holds."""

    __slots__ = ("_budget", "_departure", "_is_worked_on", "_size", "counted")

    def __init__(self, budget: Budget, departure: Departure | None = None) -> None:
        """Hold nothing yet; who waits for it may leave."""
        self._budget = budget
        self._departure = departure
        self._is_worked_on = False
        self._size = 0
        self.counted = 0

    async def hold(self, size: int) -> None:
        """Hold so many bytes more; raise OverloadedError if there is no room for them in time."""
        self._size += size
        if self._size > UNCOUNTED:
            await self._budget.take(self, self._size - self.counted)

    async def work_on(self, size: int) -> None:
        """Hold so many bytes more, and work on them: only a few large calls do that at a time."""
        if self._size + size > LARGE and not self._is_worked_on:
            await self._budget.large.enter(self._departure)
            self._is_worked_on = True
        await self.hold(size)

    def end_work(self) -> None:
        """Let the next large call begin; what is held is still held."""
        if self._is_worked_on:
            self._is_worked_on = False
            self._budget.large.leave()

    def end(self) -> None:
        """Give back all of it."""
        self.end_work()
        self._budget.give_back(self)
        self.counted = self._size = 0


def return_blocks() -> None:
    """Have the C library return blocks from 128 KB on to the system when they are free, if it is one that keeps them.

    glibc would keep ever larger ones for itself, once some were freed: hundreds of megabytes after large calls.
    """
    import ctypes  # noqa: PLC0415  for those alone who have large calls

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            mallopt(option, _BLOCK_BYTES)


_share: ContextVar[Share | None] = ContextVar("share", default=None)
"""The share of the call that the task works on; a module's, because that is how they are made."""


class held_by:  # noqa: N801  used as a context manager; a class costs half of what a generator does
    """Have what is read inside be held by a share, and end its work behind it."""

    __slots__ = ("_share", "_token")

    def __init__(self, share: Share) -> None:
        """Take the share."""
        self._share = share

    def __enter__(self) -> None:
        """Begin."""
        self._token = _share.set(self._share)

    def __exit__(self, *_: object) -> None:
        """End."""
        _share.reset(self._token)
        self._share.end_work()


async def hold(size: int) -> None:
    """Have the call that the task works on hold so many bytes more, as `Share.hold`; outside of calls, nothing."""
    share = _share.get()
    if share is not None:
        await share.hold(size)


async def work_on(size: int) -> None:
    """Have the call that the task works on hold so many bytes more, as `Share.work_on`; outside of calls, nothing."""
    share = _share.get()
    if share is not None:
        await share.work_on(size)


def bytes_of(settings: Settings, root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many bytes a process has: those that are set, else half of what its container leaves beside it."""
    if settings.memory_budget_bytes is not None:
        return settings.memory_budget_bytes
    limits = (_limit(root / name) for name in _LIMITS)
    limit = next((limit for limit in limits if limit is not None), None)
    if limit is None:
        return _MOST
    return min(max((limit // settings.processes_here - _BASE) // 2, _LEAST), _MOST)


def _limit(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:  # there is no such limit
        return None
    return int(text) if text.isdecimal() else None
