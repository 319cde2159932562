"""The function of a trigger: called until MongoDB is there for it, and what is kept of its failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.errors import CommandFailedError, DataAPIError, UnavailableError
from shared.mongo.refusals import translated
from shared.telemetry.log import event, where
from shared.triggers.leases import Lease
from shared.triggers.waiting import comes, growing

type Call = Callable[[str, Sequence[Any]], Awaitable[None]]
"""Runs a function of the app; raises UnavailableError where it may succeed later, another error where it failed."""

MOST_FAILURES = 50
"""How many failures are kept of each trigger, the last ones."""

_LONGEST_ERROR = 200  # characters: what a function throws may hold what it was given


class StoppedError(Exception):
    """The process ends before a function could do its work."""


class Calling:
    """Calls the function of one trigger."""

    def __init__(self, call: Call, lease: Lease, trigger: str, function: str, stop: asyncio.Event) -> None:
        """Take what runs functions, the names, and what is set when the process is to end."""
        self._call = call
        self._lease = lease
        self._trigger = trigger
        self._function = function
        self._stop = stop

    async def failures(self, arguments: Sequence[Any], event_id: str = "") -> list[dict[str, Any]]:
        """Call it, and return how it failed, if it did; what fails is not repeated, as functions have it in Atlas.

        Where MongoDB was away it is repeated; raise StoppedError if the process is to end before that helps,
        LeaseLostError if another may call it.
        """
        for seconds in growing():
            self._lease.refuse_late()
            try:
                await self._call(self._function, arguments)
            except UnavailableError as error:
                event(logging.WARNING, "a trigger waits", trigger=self._trigger, reason=str(error), seconds=seconds)
                if await comes(self._stop, seconds):
                    raise StoppedError from error
            except Exception as error:  # noqa: BLE001  whatever is wrong with one event, the others go on
                return [self._failure(error, event_id)]
            else:
                break
        return []

    def _failure(self, error: Exception, event_id: str) -> dict[str, Any]:
        thrown_at = getattr(error, "thrown_at", "") or where(error.__traceback__)
        kind = type(error).__name__
        names = {"trigger": self._trigger, "function": self._function}
        event(logging.ERROR, "a trigger's function failed", **names, type=kind, thrown_at=thrown_at)
        text = str(error)[:_LONGEST_ERROR]
        kept: dict[str, Any] = {"at": datetime.now(UTC), "function": self._function, "type": kind, "error": text}
        return kept | ({"event_id": event_id} if event_id else {})


def reason_of(error: Exception) -> str:
    """Return what the log says of an error: the text of one of ours, of MongoDB's only its name."""
    known = translated(error)
    if isinstance(known, CommandFailedError):
        return str(known).partition(" ")[0]
    return str(known) if isinstance(known, DataAPIError) else type(known).__name__


def pushed(failures: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the part of an update that keeps failures."""
    if not failures:
        return {}
    return {"$push": {"failures": {"$each": failures, "$slice": -MOST_FAILURES}}, "$inc": {"failed": len(failures)}}
