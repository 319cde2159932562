"""Is the process ready: checked at most every five seconds, so that probes do not load the database."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from shared.errors import (
    CommandFailedError,
    DataAPIError,
    DeadlinePassedError,
    Unavailable,
    UnavailableError,
    for_operators,
)
from shared.mongo.refusals import translated
from shared.telemetry.log import event

CACHE_SECONDS = 5.0
PING_SECONDS = 3.0

_UNAUTHORIZED = 13


async def ping(client: AsyncMongoClient[Any]) -> None:
    """Ask MongoDB for what it does for every user with or without roles, and for nobody else: for `ping` none is asked.

    It refreshes no sessions. Raise UnavailableError if it wants a user, whom the deployment does not name or no longer
    has.
    """
    _refuse_refused(client)
    try:
        await client.admin.command("refreshSessions", [])
    except OperationFailure as error:
        if error.code == _UNAUTHORIZED:
            # MongoDB's words name the command alone
            raise UnavailableError(Unavailable.CREDENTIALS_REFUSED, (error.details or {}).get("errmsg")) from error
        if not isinstance(translated(error), CommandFailedError):
            raise
        await client.admin.command("ping")  # which those know that do not know sessions


def _refuse_refused(client: AsyncMongoClient[Any]) -> None:
    """Raise what MongoDB said last where it let nobody in: the driver forgets it, and waits for another heartbeat."""
    known = client.topology_description
    for server in () if known.has_writable_server() else known.server_descriptions().values():
        if isinstance(server.error, OperationFailure):
            raise server.error


class Readiness:
    """The outcome of the last check, cached; probes that come meanwhile share the check that runs."""

    def __init__(self) -> None:
        """Begin without an outcome."""
        self._expires = 0.0
        self._error: Exception | None = None
        self._running: asyncio.Task[None] | None = None

    async def error(self, check: Callable[[], Awaitable[None]]) -> Exception | None:
        """Return why the process is not ready, None if it is; `check` raises if something it needs is not there."""
        if self._expires < time.monotonic():
            if self._running is None or self._running.done():
                self._running = asyncio.create_task(self._check(check))
            await asyncio.shield(self._running)
        return self._error

    async def _check(self, check: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await check()
            self._error = None
        except (TimeoutError, DeadlinePassedError):
            self._error = UnavailableError(Unavailable.NO_ANSWER)
        except Exception as error:  # noqa: BLE001  any failure means not ready, and the edge words it
            self._error = error
        if self._error:
            reason = for_operators(self._error) if isinstance(self._error, DataAPIError) else type(self._error).__name__
            event(logging.WARNING, "not ready", reason=reason)
        self._expires = time.monotonic() + CACHE_SECONDS
