"""MONGO_DB_TIMEOUT_MS: the deadline of a call, in this process and in MongoDB, and transactions within it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar, copy_context
from types import TracebackType
from typing import Any, Self

import msgspec
import pymongo
from bson.errors import BSONError
from pymongo import ReadPreference, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from shared.admission import Departure
from shared.errors import CallerLeftError, DeadlinePassedError
from shared.mongo.refusals import LATE, late, translated
from shared.options import Options
from shared.settings import Settings

type Session = AsyncClientSession

_ABORT_SECONDS = 0.5

_ends: ContextVar[float | None] = ContextVar("ends", default=None)
"""When the call ends that the task works on, by time.monotonic; a module's, because that is how they are made."""

_current: ContextVar[Session | None] = ContextVar("current_transaction", default=None)
"""The transaction that every command of the task is part of; a module's, because that is how they are made."""

_outside: ContextVar[Context | None] = ContextVar("outside", default=None)
"""The context around the transaction that the task works in; a module's, because that is how they are made."""


class driver_call:  # noqa: N801  used as a context manager; a class costs half of what a generator does
    """Give everything inside one deadline, and raise our errors for the driver's.

    What asyncio.timeout does, at a third of its cost: every call has a deadline, hardly any meets it.
    """

    __slots__ = ("_cancellations", "_departure", "_ends", "_has_left", "_is_late", "_task", "_timer", "_token")

    def __init__(self, timeout_ms: int, since: float | None = None) -> None:
        """Take how long all of it may last, from a time of time.monotonic or from now."""
        self._ends = (time.monotonic() if since is None else since) + timeout_ms / 1000

    def __enter__(self) -> Self:
        """Start the clock."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101  every call is part of a task
        self._task = task
        self._cancellations = task.cancelling()
        self._is_late = self._has_left = False
        self._departure: Departure | None = None
        self._timer = loop.call_later(self._ends - time.monotonic(), self._end)
        self._token = _ends.set(self._ends)
        return self

    def refuse_late(self) -> None:
        """Raise DeadlinePassedError if the deadline has passed without a pause: nothing is begun then."""
        if time.monotonic() >= self._ends:
            raise DeadlinePassedError(LATE)

    def extend(self, more_ms: int) -> None:
        """Give so much more time to a call that waits for something beside its work."""
        self._timer.cancel()
        self._ends += more_ms / 1000
        self._timer = asyncio.get_running_loop().call_later(self._ends - time.monotonic(), self._end)
        _ends.set(self._ends)

    def end_at(self, departure: Departure | None) -> None:
        """Give it up as soon as the caller has left: for what only reads."""
        if departure is not None:
            self._departure = departure
            departure.tell(self._give_up)

    def _end(self) -> None:
        self._is_late = True
        self._task.cancel()

    def _give_up(self) -> None:
        self._has_left = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise what the caller gets for what happened inside."""
        self._timer.cancel()
        _ends.reset(self._token)
        if self._departure is not None:
            self._departure.tell(None)
        if self._is_late and self._is_ours(error):
            raise late(error) from error
        if self._has_left and self._is_ours(error):
            raise CallerLeftError() from error
        if isinstance(error, PyMongoError | BSONError):
            raise translated(error) from error

    def _is_ours(self, error: BaseException | None) -> bool:
        """Tell whether it was this that cancelled the task, and nobody else meanwhile."""
        return self._task.uncancel() <= self._cancellations and isinstance(error, asyncio.CancelledError)


def left_ms(timeout_ms: int) -> int:
    """Return what is left of the call's time, of which it has so much; at least 1, as 0 is no limit to MongoDB."""
    ends = _ends.get()
    return timeout_ms if ends is None else max(1, min(timeout_ms, int((ends - time.monotonic()) * 1000)))


def within(settings: Settings, options: Options) -> Settings:
    """Return the settings of a call that may ask for less time than it has."""
    most = options.given.get("maxTimeMS", 0)
    if not 0 < most < settings.mongo_db_timeout_ms:
        return settings
    return msgspec.structs.replace(settings, mongo_db_timeout_ms=most)


@asynccontextmanager
async def server_deadline(target: AsyncCollection[Any], timeout_ms: int) -> AsyncIterator[None]:
    """Have MongoDB itself end the update or delete inside at the deadline: finding its documents may take long.

    Reads carry their own maxTimeMS, and inserts have nothing to find.
    """
    client = target.database.client
    if not client.topology_description.has_writable_server():
        await client.admin.command("ping")  # waits for a server as a read would, not for all the time that is left
    with pymongo.timeout(left_ms(timeout_ms) / 1000):
        yield


def is_current() -> bool:
    """Tell whether what is read and written now is part of a transaction."""
    return _current.get() is not None


def joining(target: AsyncCollection[Any]) -> AsyncCollection[Any]:
    """Return a collection with options that its commands may have where they are part of a transaction.

    The driver looks at the session that it is given, not at the one that it is bound to.
    """
    if _current.get() is None:
        return target
    return target.with_options(read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern())


def outside() -> Context:
    """Return the context of a task that is no part of the transaction which this one may work in."""
    around = _outside.get()
    return copy_context() if around is None else around.copy()


async def transaction[T](target: AsyncCollection[Any], work: Callable[[Session], Awaitable[T]], timeout_ms: int) -> T:
    """Do work in a transaction on one snapshot, again if another write came between; what it raises undoes it.

    Inside of one that `atomically` began, it is part of that.
    """
    if (joined := _current.get()) is not None:
        return await work(joined)
    around = copy_context()

    async def undone_in_time(session: Session) -> T:
        token = _outside.set(around)
        try:
            return await work(session)
        except BaseException:
            await _abort(session, around)
            raise
        finally:
            _outside.reset(token)

    async with server_deadline(target, timeout_ms), target.database.client.start_session() as session:
        return await session.with_transaction(
            undone_in_time,
            read_concern=ReadConcern("snapshot"),
            write_concern=target.write_concern,
            read_preference=ReadPreference.PRIMARY,
        )


async def _abort(session: Session, outside: Context) -> None:
    """Abort a transaction in time of its own, outside of a deadline that may have passed.

    MongoDB keeps what an open one wrote from all others, for a minute.
    """

    async def abort() -> None:
        with pymongo.timeout(
            _ABORT_SECONDS
        ):  # which closes a connection that is being made; a cancelled task would not
            await session.abort_transaction()

    await asyncio.wait([asyncio.create_task(abort(), context=outside)])


async def atomically[T](target: AsyncCollection[Any], work: Callable[[], Awaitable[T]], timeout_ms: int) -> T:
    """Do work in a transaction that each of its commands is part of, whoever sends it to the server of `target`."""

    async def bound(session: Session) -> T:
        token = _current.set(session)
        try:
            async with session.bind(end_session=False):
                return await work()
        finally:
            _current.reset(token)

    return await transaction(target, bound, timeout_ms)
