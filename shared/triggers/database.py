"""A database trigger while this process has its lease: events in their order, each handled at least once."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from shared.app.model import DatabaseTrigger
from shared.errors import DataAPIError
from shared.telemetry.log import event
from shared.triggers.calls import Calling, StoppedError, pushed, reason_of
from shared.triggers.leases import Lease, Stored
from shared.triggers.progress import Begun, Progress, Token
from shared.triggers.streams import EndedError, LostError, Stream, Streams, UnchosenError, raise_lost, time_of
from shared.triggers.waiting import before, comes, growing

_CLOSE_SECONDS = 1.0
_IDLE_SECONDS = 10.0  # from one token to the next while nothing matches


class DatabaseWork:
    """Reads the stream of one trigger and calls its function, until the process is to end or the stream has ended."""

    def __init__(
        self, trigger: DatabaseTrigger, lease: Lease, streams: Streams, calling: Calling, stop: asyncio.Event
    ) -> None:
        """Take the trigger, and what is set when the process is to end."""
        self._trigger = trigger
        self._lease = lease
        self._streams = streams
        self._calling = calling
        self._stop = stop
        self._progress = Progress()
        self._places = asyncio.Semaphore(trigger.at_once)
        self._behind: Token = None
        self._is_over = False

    async def run(self, stored: Stored) -> None:
        """Go on behind what is stored, until the process is to end or nothing follows."""
        is_same = stored.get("watches") == self._trigger.watches
        self._behind = stored.get("token") if is_same and not self._trigger.skip_catchup_events else None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._store())
            async with asyncio.TaskGroup() as functions:
                lost = await self._followed(functions)
            self._progress.pass_by(self._behind)
            self._is_over = True
            self._progress.changed.set()
        if lost is not None:
            await self._suspend(lost)

    async def _suspend(self, lost: LostError) -> None:
        """Let nobody run the trigger before an operator resumes it; it begins anew then if its token is of no use."""
        event(logging.ERROR, "a trigger is suspended", trigger=self._trigger.name, reason=str(lost))
        suspended = {"$set": {"suspended": {"reason": str(lost), "at": datetime.now(UTC)}}}
        of_no_use = {} if isinstance(lost, EndedError) else {"$unset": {"token": ""}}
        await self._lease.write(suspended | of_no_use)

    async def _followed(self, functions: asyncio.TaskGroup) -> LostError | None:
        """Read events until the process is to end, or nothing follows; return why that is."""
        waits = growing()
        while not self._stop.is_set():
            try:
                stream = await self._streams.opened(self._trigger, self._behind)
                try:
                    self._pass_by(stream.resume_token)
                    waits = growing()
                    await self._read(stream, functions)
                finally:
                    with suppress(PyMongoError, TimeoutError):
                        async with asyncio.timeout(_CLOSE_SECONDS):  # functions go on meanwhile, also without a lease
                            await stream.close()
            except LostError as error:
                since = time_of(self._behind) if isinstance(error, UnchosenError) else None
                if since is not None:
                    event(logging.INFO, "a trigger goes on at a time", trigger=self._trigger.name, reason=str(error))
                    self._behind = since
                    continue
                if isinstance(error, EndedError) or not self._trigger.tolerate_resume_errors:
                    return error
                event(logging.WARNING, "a trigger begins anew", trigger=self._trigger.name, reason=str(error))
                self._behind = None
                await comes(self._stop, next(waits))
            except (DataAPIError, PyMongoError) as error:
                seconds, reason = next(waits), reason_of(error)
                event(logging.WARNING, "a trigger waits", trigger=self._trigger.name, reason=reason, seconds=seconds)
                await comes(self._stop, seconds)
        return None

    async def _read(self, stream: Stream, functions: asyncio.TaskGroup) -> None:
        """Begin the function of each event; raise LostError where the stream ends."""
        passed = asyncio.get_running_loop().time()
        while not self._stop.is_set():
            try:
                found = await stream.try_next()
            except OperationFailure as error:
                raise_lost(error)
            if (found is None and not stream.alive) or (
                found is not None and found.get("operationType") == "invalidate"
            ):
                self._behind = stream.resume_token
                raise EndedError
            if found is not None:
                await self._begin(found, functions)
            elif asyncio.get_running_loop().time() - passed > _IDLE_SECONDS:
                self._pass_by(stream.resume_token)
                passed = asyncio.get_running_loop().time()

    def _pass_by(self, token: Token) -> None:
        if token is not None:
            self._behind = token
            self._progress.pass_by(token)

    async def _begin(self, found: Any, functions: asyncio.TaskGroup) -> None:
        """Begin the function of an event as soon as there is a place; not at all if the process is to end before."""
        if not await before(self._stop, self._places.acquire()) or self._stop.is_set():
            return
        self._behind = found["_id"]
        functions.create_task(self._handle(found, self._progress.begin(found["_id"])))

    async def _handle(self, found: Any, begun: Begun) -> None:
        try:
            failures = await self._calling.failures([found], str(begun.token.get("_data", "")))
        except StoppedError:
            return  # whoever comes next begins with it
        finally:
            self._places.release()
        self._progress.end(begun, failures)

    async def _store(self) -> None:
        """Store how far the stream has come, as long as it goes on and until all is stored."""
        waits = growing()
        while not self._is_over or self._progress.changed.is_set():
            await self._progress.changed.wait()
            token, failures = self._progress.taken()
            if token is None and not failures:
                continue
            come = {} if token is None else {"token": token, "watches": self._trigger.watches}
            at = {"stored": datetime.now(UTC)}
            try:
                await self._lease.write({"$set": come | at, **pushed(failures)})
                waits = growing()
            except (DataAPIError, PyMongoError):
                self._progress.put_back(token, failures)
                await asyncio.sleep(next(waits))
