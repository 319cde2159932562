"""The process that runs triggers: for each a lease, while it is had the work, and an end in order."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from pymongo.errors import PyMongoError

from shared.app.model import DatabaseTrigger, ScheduledTrigger
from shared.errors import DataAPIError
from shared.mongo.clients import Clients
from shared.mongo.control import Control
from shared.mongo.deadlines import driver_call
from shared.settings import Settings
from shared.telemetry.log import event, where
from shared.triggers.calls import Call, Calling, reason_of
from shared.triggers.database import DatabaseWork
from shared.triggers.leases import LEASE_SECONDS, Lease, LeaseLostError, Stored
from shared.triggers.records import Records
from shared.triggers.scheduled import ScheduledWork, may_be_due
from shared.triggers.streams import Streams
from shared.triggers.waiting import comes

type Trigger = DatabaseTrigger | ScheduledTrigger
type Work = Callable[[Stored], Coroutine[Any, Any, None]]

GRACE_SECONDS = 25.0
"""How long functions that are running may still take when the process is to end."""


class Runner:
    """Runs triggers, as far as no other process does."""

    def __init__(
        self, control: Control, clients: Clients, settings: Settings, call: Call, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        """Take where leases and documents are, and what runs functions."""
        self._control = control
        self._settings = settings
        self._streams = Streams(clients, settings)
        self._call = call
        self._lease_seconds = lease_seconds
        self.stop = asyncio.Event()
        """Set when the process is to end."""

    async def run(self, triggers: Sequence[Trigger]) -> None:
        """Run them until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            for each in triggers:
                tasks.create_task(self._run(each))

    async def run_due(self, triggers: Sequence[ScheduledTrigger]) -> None:
        """Run those that are due now."""
        with driver_call(self._settings.mongo_db_timeout_ms):
            stored = await Records(self._control).found([each.name for each in triggers])
        due = [each for each in triggers if may_be_due(each, stored.get(each.name, {}))]
        async with asyncio.TaskGroup() as tasks:
            for each in due:
                tasks.create_task(self._taken(each, partial(self._once, each)))

    async def _run(self, trigger: Trigger) -> None:
        while not self.stop.is_set():
            await self._taken(trigger, partial(self._work, trigger))
            await comes(self.stop, self._poll)

    async def _taken(self, trigger: Trigger, work: Callable[[Lease], Work]) -> None:
        """Do the work of a trigger if its lease is to be had; whatever is wrong with one trigger, the others go on."""
        lease = Lease(self._control, trigger.name, self._lease_seconds)
        try:
            stored = await lease.take()
            if stored is not None:
                await self._held(trigger, lease, work(lease)(stored))
        except LeaseLostError:
            event(logging.WARNING, "a trigger is lost to another process", trigger=trigger.name)
        except (DataAPIError, PyMongoError) as error:
            reason = reason_of(error)
            event(logging.WARNING, "a trigger waits", trigger=trigger.name, reason=reason, seconds=self._poll)
        except Exception as error:  # noqa: BLE001  it is looked for in the log, not by the end of the process
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            names = {"trigger": trigger.name, "type": type(error).__name__, "thrown_at": where(error.__traceback__)}
            event(logging.ERROR, "a trigger's work failed", **names, seconds=self._poll)

    async def _held(self, trigger: Trigger, lease: Lease, work: Coroutine[Any, Any, None]) -> None:
        """Do the work of a trigger until it ends, the lease is lost, or the process has had its time to end."""
        event(logging.INFO, "a trigger runs", trigger=trigger.name)
        over = asyncio.Event()
        doing, keep = asyncio.create_task(work), asyncio.create_task(lease.keep(over))
        stop = asyncio.create_task(self.stop.wait())
        await asyncio.wait({doing, keep, stop}, return_when=asyncio.FIRST_COMPLETED)
        if stop.done():
            await asyncio.wait({doing, keep}, return_when=asyncio.FIRST_COMPLETED, timeout=GRACE_SECONDS)
        for task in (doing, stop):
            task.cancel()
        over.set()
        await asyncio.wait({doing, keep, stop})
        for task in (doing, keep):
            _raise_failure(task)
        await lease.give_back()
        event(logging.INFO, "a trigger has ended", trigger=trigger.name)

    def _work(self, trigger: Trigger, lease: Lease) -> Work:
        if isinstance(trigger, ScheduledTrigger):
            return ScheduledWork(trigger, lease, self._calling(trigger, lease), self.stop).run
        return DatabaseWork(trigger, lease, self._streams, self._calling(trigger, lease), self.stop).run

    def _once(self, trigger: ScheduledTrigger, lease: Lease) -> Work:
        return ScheduledWork(trigger, lease, self._calling(trigger, lease), self.stop).run_once

    def _calling(self, trigger: Trigger, lease: Lease) -> Calling:
        return Calling(self._call, lease, trigger.name, trigger.function, self.stop)

    @property
    def _poll(self) -> float:
        return self._lease_seconds / 5


def _raise_failure(task: "asyncio.Task[None]") -> None:
    """Raise what ended a task, but for being cancelled."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, BaseExceptionGroup):
        unexpected = error.split(LeaseLostError)[1]
        error = LeaseLostError() if unexpected is None else unexpected
    if error is not None:
        raise error
