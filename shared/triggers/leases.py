"""Which process runs a trigger: a lease in the control database that expires by MongoDB's clock, and fences writes."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from shared.errors import DataAPIError
from shared.mongo.control import Control
from shared.mongo.deadlines import driver_call
from shared.triggers.waiting import comes

type Stored = dict[str, Any]

LEASE_SECONDS = 10.0
_CALL_MS = 10_000


class LeaseLostError(Exception):
    """Another process runs the trigger, or may do so."""


class Lease:
    """The lease of one trigger for one process: who has it can write what is stored of the trigger, and nobody else."""

    def __init__(self, control: Control, name: str, seconds: float = LEASE_SECONDS) -> None:
        """Take the name of the trigger, and how long a process that has vanished keeps others out."""
        self._control = control
        self._name = name
        self._seconds = seconds
        self._step = seconds / 5
        self._expires = {"$add": ["$$NOW", int(seconds * 1000)]}
        self._holder = ""
        self._renewed = 0.0

    async def take(self) -> Stored | None:
        """Return what is stored of the trigger if this process has the lease now, None if another has it.

        Nobody has the lease of a trigger that is suspended.
        """
        holder, begun = uuid4().hex, time.monotonic()
        free = {"_id": self._name, "suspended": None, "$expr": {"$not": {"$gt": ["$expires", "$$NOW"]}}}
        taken = [{"$set": {"holder": holder, "expires": self._expires}}]
        with driver_call(_CALL_MS):
            triggers = self._control.triggers
            await triggers.update_one({"_id": self._name}, {"$setOnInsert": {"holder": ""}}, upsert=True)
            found = await triggers.find_one_and_update(free, taken, return_document=ReturnDocument.AFTER)
        if found is not None:
            self._holder, self._renewed = holder, begun
        return found

    async def keep(self, over: asyncio.Event) -> None:
        """Renew it until the end; raise LeaseLostError a while before another process may have it."""
        while not await comes(over, self._step):
            self.refuse_late()
            begun = time.monotonic()
            most_ms = int(min(self._step, self._ends - begun) * 1000)
            try:
                await self.write([{"$set": {"expires": self._expires}}], most_ms)
                self._renewed = begun
            except (DataAPIError, PyMongoError) as error:
                if time.monotonic() + self._step > self._ends:
                    raise LeaseLostError from error

    def refuse_late(self) -> None:
        """Raise LeaseLostError if it was not renewed in time, as by a process that was paused: nothing begins then."""
        if time.monotonic() > self._ends:
            raise LeaseLostError

    @property
    def _ends(self) -> float:
        """When all work is to end, so long before another process may have the lease."""
        return self._renewed + self._seconds - self._step

    async def write(self, change: Mapping[str, Any] | list[Mapping[str, Any]], most_ms: int = _CALL_MS) -> None:
        """Change what is stored of the trigger; raise LeaseLostError if another process has the lease."""
        with driver_call(most_ms):
            written = await self._control.triggers.update_one({"_id": self._name, "holder": self._holder}, change)
        if not written.matched_count:
            raise LeaseLostError

    async def give_back(self) -> None:
        """Let another process have it at once."""
        await self.write({"$unset": {"expires": ""}, "$set": {"holder": ""}})
