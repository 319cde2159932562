"""A scheduled trigger while this process has its lease: its function at its times, never beside itself."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pymongo.errors import PyMongoError

from shared.app.model import ScheduledTrigger
from shared.errors import DataAPIError
from shared.triggers.calls import Calling, StoppedError, pushed
from shared.triggers.leases import Lease, Stored
from shared.triggers.waiting import comes, growing

type Clock = Callable[[], datetime]

_LONGEST_WAIT = 3600.0
_LATE = timedelta(seconds=90)
"""After which a time has been missed."""


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def due_after(trigger: ScheduledTrigger, last: datetime, at: datetime) -> datetime:
    """Return when a trigger is due after a time, also if that has passed, unless it is skipped then."""
    if trigger.skip_catchup_events:
        last = max(last, at - _LATE)
    return trigger.schedule.after(last) or datetime.max.replace(tzinfo=UTC)


def may_be_due(trigger: ScheduledTrigger, stored: Stored) -> bool:
    """Tell whether a process that looks now has something to do for a trigger, or to store."""
    last = last_run(stored, now())
    return last is None or due_after(trigger, last, now()) <= now()


def last_run(stored: Stored, at: datetime) -> datetime | None:
    """Return when a trigger ran last; None if it never did, or a process says so whose clock was far ahead."""
    last: datetime | None = stored.get("last")
    return None if last is None or last.replace(tzinfo=UTC) > at + _LATE else last.replace(tzinfo=UTC)


class ScheduledWork:
    """Calls the function of one trigger when it is due.

    Times that pass while it cannot run, because no process is there or because it still runs, count as one.
    """

    def __init__(
        self, trigger: ScheduledTrigger, lease: Lease, calling: Calling, stop: asyncio.Event, clock: Clock = now
    ) -> None:
        """Take the trigger, and what is set when the process is to end."""
        self._trigger = trigger
        self._lease = lease
        self._calling = calling
        self._stop = stop
        self._clock = clock

    async def run(self, stored: Stored) -> None:
        """Go on until the process is to end."""
        last = await self._begun(stored)
        while not self._stop.is_set():
            last = await self._due(last) or last
            seconds = (self._next(last) - self._clock()).total_seconds()
            await comes(self._stop, min(max(seconds, 0), _LONGEST_WAIT))

    async def run_once(self, stored: Stored) -> None:
        """Call the function if it is due now."""
        await self._due(await self._begun(stored))

    async def _begun(self, stored: Stored) -> datetime:
        """Return since when times count: since the last run, or the first time that a process looks at all."""
        last = last_run(stored, self._clock())
        if last is not None:
            return last
        last = self._clock()
        await self._lease.write({"$set": {"last": last}})
        return last

    async def _due(self, last: datetime) -> datetime | None:
        """Call the function if it is due; return since when times count then, None if it was not, or could not."""
        since = self._clock()
        if self._next(last) > since:
            return None
        try:
            failures = await self._calling.failures([])
        except StoppedError:
            return None
        for seconds in growing():
            try:
                await self._lease.write({"$set": {"last": since, "stored": self._clock()}, **pushed(failures)})
            except (DataAPIError, PyMongoError):
                await asyncio.sleep(seconds)
            else:
                break
        return since

    def _next(self, last: datetime) -> datetime:
        return due_after(self._trigger, last, self._clock())
