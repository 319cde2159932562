"""When keys were last used, to the hour: stored after the calls, for all keys together."""

import asyncio
import logging
import time
from contextvars import Context
from datetime import UTC, datetime

from bson.objectid import ObjectId
from pymongo.errors import PyMongoError

from shared.errors import DataAPIError
from shared.mongo.control import Control
from shared.mongo.deadlines import driver_call
from shared.settings import Settings
from shared.telemetry.log import event
from shared.ttl_cache import Cache

PAUSE_SECONDS = 60.0
"""How long uses are gathered before they are stored; what a process has not stored when it ends is lost."""

_REST_SECONDS = 3600.0  # after a failure: a database that is away or read only is left alone
_WRITE_MS = 2_500
_MOST = 10_000


class KeyUses:
    """What one process knows of the last uses: it stores each key's once an hour at most."""

    def __init__(self, control: Control, settings: Settings) -> None:
        """Take where keys are stored, and whether KEY_USES says so."""
        self._control = control
        self._is_on = settings.key_uses == "on"
        self._noted: Cache[str, datetime] = Cache(_MOST)
        self._unstored: dict[ObjectId, datetime] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._storing: asyncio.Task[None] | None = None
        self._rests_until = 0.0

    def note(self, key_id: str) -> None:
        """Take a use of a key that works; it costs the call nothing but this."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        if not self._is_on or self._noted.get(key_id) == hour or time.monotonic() < self._rests_until:
            return
        self._noted.put(key_id, hour)
        self._unstored[ObjectId(key_id)] = hour
        self._gather()

    async def close(self) -> None:
        """Store no more, and wait for what is being stored."""
        self._rests_until = float("inf")
        self._unstored.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._storing is not None:
            await asyncio.wait([self._storing])

    def _gather(self) -> None:
        if self._timer is None and self._storing is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._begin, context=Context())

    def _begin(self) -> None:
        self._timer = None
        self._storing = asyncio.create_task(self._store())

    async def _store(self) -> None:
        unstored, self._unstored = self._unstored, {}
        try:
            with driver_call(_WRITE_MS):
                for hour in set(unstored.values()):
                    chosen = {"_id": {"$in": [key_id for key_id, each in unstored.items() if each == hour]}}
                    await self._control.api_keys.update_many(chosen, {"$max": {"used": hour}})
        except (DataAPIError, PyMongoError) as error:
            self._rests_until = time.monotonic() + _REST_SECONDS
            self._unstored.clear()
            event(logging.INFO, "the last uses of keys cannot be stored", cause=type(error).__name__)
        finally:
            self._storing = None
        if self._unstored:
            self._gather()
