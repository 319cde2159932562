"""Change streams for whoever listens: one for each collection in a process, read once and passed on to all."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import NamedTuple

from shared.admission import Places, Waits
from shared.documents.elements import elements
from shared.errors import CommandFailedError, DataAPIError, OverloadedError, Unavailable, UnavailableError
from shared.mongo.changes import WATCHED, ChangeStream
from shared.mongo.clients import Clients, Collection
from shared.mongo.refusals import translated
from shared.telemetry.log import event

MOST_EVENTS = 1_000
"""How many events a listener may be behind."""

MOST_BYTES = 32 * 1024 * 1024
"""How many bytes of events all hubs hold together for listeners who are behind."""

AHEAD_EVENTS, AHEAD_BYTES = 64, 4 * 1024 * 1024
"""How far a hub reads ahead of its fastest listener: MongoDB holds the rest, in its own log."""

TAKEN_BYTES = 1024 * 1024
"""About how many bytes of events a listener takes at a time."""

_UNKNOWN = 2**64
_AT_ONCE = 8  # listeners who work on their events between two turns of everything else
_BATCH = 100  # events that MongoDB sends at a time


class Event:
    """An event of a change stream, and the one behind it: all listeners share both, and each is at one of them."""

    __slots__ = ("end", "following", "number", "raw", "rendered", "waiting")

    def __init__(self, raw: bytes, number: int, end: int, waiting: int) -> None:
        """Take its BSON, and what stands before its end: so many events, of so many bytes.

        So many listeners have not taken it yet.
        """
        self.raw = raw
        self.number = number
        self.end = end
        self.waiting = waiting
        self.following: Event | None = None
        self.rendered: dict[Hashable, bytes | None] = {}
        """What was made of it for one listener and is the same for others."""

    @property
    def time(self) -> int:
        """When it happened, as MongoDB counts: seconds, and behind them what was written in each."""
        return int.from_bytes(elements(self.raw)["clusterTime"].value, "little")


class Listener:
    """Somebody who is told all events of a collection from now on."""

    def __init__(self, hub: "Hub", last: Event) -> None:
        """Begin behind an event."""
        self.ended: DataAPIError | None = None
        """Why no more events come; what happened before may still be there."""
        self.at = last
        self.since = _UNKNOWN  # events up to this time are none of its own
        self.hub = hub
        self._waiting: asyncio.Future[None] | None = None
        self._callback: Callable[[], object] | None = None

    async def events(self, seconds: float) -> list[Event]:
        """Return what has happened since the last time; none if nothing does for so long, or if it has ended."""
        if self.at.following is None and self.ended is None:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(seconds, self.wake)
            self.hub.sleeping.add(self)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self.hub.sleeping.discard(self)
                self._waiting = None
        found: list[Event] = []
        size = 0
        while (following := self.at.following) is not None and size < TAKEN_BYTES:
            self.at = following
            if self.ended is None:
                self.hub.take(following)
            if self.since and following.time <= self.since:
                continue
            self.since = 0  # what follows is later
            size += len(following.raw)
            found.append(following)
        return found

    def tell(self, callback: Callable[[], object]) -> None:
        """Have this called when it ends."""
        self._callback = callback
        if self.ended is not None:
            callback()

    def wake(self) -> None:
        """Let it look again."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self, error: DataAPIError, *, after_all: bool = False) -> None:
        """Tell it no more, for this reason, or no more than has happened."""
        if self.ended is None:
            self.ended = error
            self.hub.remove(self)
            if not after_all:
                self.at = Event(b"", 0, 0, 0)
            self.wake()
            if self._callback is not None:
                self._callback()


class Hub:
    """The change stream of a collection, as long as somebody listens.

    Events are read no faster than the fastest listener takes them, so that a process with too much to do drops nobody.
    Listeners who stay behind while another goes on are dropped.
    """

    def __init__(self, hubs: "Hubs", target: Collection, waits: Waits) -> None:
        """Take the collection, and where its events are waited for."""
        self.listeners: set[Listener] = set()
        self.sleeping: set[Listener] = set()
        self._failure: Exception | None = None
        self._opened = asyncio.Event()
        self._hubs = hubs
        self._target = target
        self._waits = waits
        self._last = self._behind = Event(b"", 0, 0, 0)  # the newest, and the newest that all have taken
        self._front = self._last.number, self._last.end  # of what the fastest has taken
        self._has_room = asyncio.Event()
        # outside of the call that happens to be the first: its deadline and its memory are not the hub's
        self.task = asyncio.create_task(self._run(), context=Context())

    @property
    def namespace(self) -> str:
        """The collection's full name."""
        return self._target.full_name

    @property
    def held(self) -> int:
        """How many bytes of events wait for listeners."""
        return self._last.end - self._behind.end

    @property
    def held_for_slow(self) -> int:
        """How many of these bytes another listener has taken already."""
        return self._front[1] - self._behind.end

    @property
    def is_open(self) -> bool:
        """Whether events are read."""
        return self._opened.is_set()

    async def wait_until_open(self) -> None:
        """Return as soon as what happens is read; raise if it cannot be."""
        await self._opened.wait()
        if self._failure is not None:
            raise translated(self._failure)

    def join(self) -> Listener:
        """Return a listener from now on: it is behind nobody."""
        listener = Listener(self, self._last)
        self.listeners.add(listener)
        self._see_front(self._last)
        return listener

    def remove(self, listener: Listener) -> None:
        """Hold nothing for a listener any more."""
        self.listeners.discard(listener)
        self._hubs.places.leave()
        waiting = listener.at.following
        while waiting is not None:
            waiting.waiting -= 1
            waiting = waiting.following
        self._forget_taken()
        self._has_room.set()

    def take(self, taken: Event) -> None:
        """Note that a listener has taken an event."""
        taken.waiting -= 1
        if taken.waiting == 0:
            self._forget_taken()
        self._see_front(taken)

    def _see_front(self, taken: Event) -> None:
        if taken.number > self._front[0]:
            self._front = taken.number, taken.end
            self._has_room.set()

    def drop_slowest(self) -> None:
        """End the listeners who are furthest behind."""
        behind = self._behind.number
        slowest = [each for each in self.listeners if each.at.number <= behind]
        event(logging.WARNING, "slow listeners are dropped", namespace=self.namespace, listeners=len(slowest))
        for each in slowest:
            each.end(UnavailableError(Unavailable.TOO_SLOW))

    def end(self, reason: Callable[[], DataAPIError], *, after_all: bool = False) -> None:
        """End all listeners, at once or after all that has happened."""
        for each in list(self.listeners):
            each.end(reason(), after_all=after_all)

    async def _run(self) -> None:
        try:
            with self._waits.caller():
                await self._read()
        except Exception as error:  # noqa: BLE001  whatever it is, listeners would wait for ever
            self._failure = error
            if self.is_open:
                cause, code = type(error).__name__, getattr(error, "code", None)
                event(logging.ERROR, "a change stream failed", namespace=self.namespace, cause=cause, code=code)
        finally:
            self._hubs.forget(self)
            self._opened.set()
            self.end(self._reason, after_all=True)

    async def _read(self) -> None:
        token = await self._read_behind(None)
        while self.listeners:  # who came when the collection was gone already, and wait for another of its name
            token = await self._read_behind(token)
        self._hubs.forget(self)  # before anything else has its turn, and a listener would come too late

    async def _read_behind(self, token: bytes | None) -> bytes | None:
        """Read until nobody listens or the collection is gone, of which all are told who were there before.

        Return the token behind that.
        """
        async with self._waits.turn(None):
            stream = await ChangeStream.opened(self._target, WATCHED, token, self._waits.turn_ms, _BATCH)
        self._opened.set()
        try:
            while self.listeners and stream.is_open:
                with suppress(OverloadedError):  # calls have all connections: events come later
                    async with self._waits.turn(None):
                        batch = await stream.next(self._waits.turn_ms)
                    await self._publish(batch.events)
            if not stream.is_open:
                gone = self._last.time
                for each in [each for each in self.listeners if each.since < gone]:
                    each.end(self._reason(), after_all=True)
        finally:
            await stream.close()
        return stream.token

    async def _publish(self, raws: Sequence[bytes]) -> None:
        for raw in raws:
            before = self._last
            self._last = Event(raw, before.number + 1, before.end + len(raw), len(self.listeners))
            before.following = self._last
            for each in self.sleeping:
                each.wake()
            self._forget_taken()
            if self._last.number - self._behind.number > MOST_EVENTS:
                self.drop_slowest()
            self._hubs.make_room()
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        while self.listeners and self._is_ahead:
            self._has_room.clear()
            await self._has_room.wait()

    @property
    def _is_ahead(self) -> bool:
        """Whether the fastest listener is far behind, or behind at all where others hold much."""
        number, end = self._front
        size = self._last.end - end
        return self._last.number - number >= AHEAD_EVENTS or size >= (1 if self._hubs.is_full else AHEAD_BYTES)

    def _forget_taken(self) -> None:
        while (following := self._behind.following) is not None and following.waiting == 0:
            self._behind = following

    def _reason(self) -> DataAPIError:
        """Return why there are no more events: MongoDB ends a stream by itself when its collection is gone."""
        if self._failure is None:
            return CommandFailedError("the collection was dropped or renamed")
        error = translated(self._failure)
        return error if isinstance(error, DataAPIError) else DataAPIError("the change stream failed")


class Turns(NamedTuple):
    """Turns of listeners, many of whom have work to do with the same event in the same moment."""

    working: asyncio.Semaphore
    asking: asyncio.Semaphore
    """For those who ask MongoDB about it, so that the others do not wait for the answers."""


class Hubs:
    """All hubs of a process. They belong to the event loop in which they are used."""

    def __init__(self, clients: Clients, places: Places) -> None:
        """Take where collections are, and the places for listeners; nothing is read yet."""
        self.places = places
        self._clients = clients
        self._hubs: dict[tuple[int, str, str], Hub] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # also of those that are coming to their end
        self.turns = Turns(asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_AT_ONCE))
        self._is_ending = False

    async def listen(self, data_source: str, database: str, name: str) -> Listener:
        """Return a listener to a collection, who is told what is written from the return on, and seldom more.

        Raise OverloadedError if there are too many, and the driver's error if MongoDB has no change stream for it.
        """
        if self._is_ending:
            raise UnavailableError(Unavailable.ENDING)
        target = self._clients.collection(data_source, database, name)
        await self.places.enter()
        key = (id(target.database.client), database, name)
        hub = self._hubs.get(key)
        if hub is None:
            hub = self._hubs[key] = Hub(self, target, self._clients.waits(data_source))
            self._tasks.add(hub.task)
            hub.task.add_done_callback(self._tasks.discard)
        was_open = hub.is_open
        listener = hub.join()
        try:
            await hub.wait_until_open()
            listener.since = await _now(target) if was_open else 0
        except BaseException:
            listener.end(UnavailableError(Unavailable.ENDING))
            raise
        return listener

    def forget(self, hub: Hub) -> None:
        """Let the next listener begin another."""
        self._hubs = {key: each for key, each in self._hubs.items() if each is not hub}

    @property
    def is_full(self) -> bool:
        """Whether half of what may be held is."""
        return self._held > MOST_BYTES // 2

    @property
    def _held(self) -> int:
        return sum(each.held for each in self._hubs.values())

    def make_room(self) -> None:
        """Drop those who are behind others until what is held is not too much."""
        while self._held > MOST_BYTES:
            worst = max(self._hubs.values(), key=lambda each: each.held_for_slow)
            if worst.held_for_slow <= 0:
                return
            worst.drop_slowest()

    def end(self) -> None:
        """End all listeners, because the process does; there are no new ones."""
        self._is_ending = True
        for hub in list(self._hubs.values()):
            hub.end(lambda: UnavailableError(Unavailable.ENDING))

    async def close(self) -> None:
        """End, and wait for what is being read."""
        self.end()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _now(target: Collection) -> int:
    """Return the time of MongoDB's newest operation, 0 if it tells none."""
    async with target.database.client.start_session() as session:
        await target.database.command("ping", session=session)
        time = session.operation_time
    return 0 if time is None else (time.time << 32) + time.inc
