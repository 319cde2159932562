"""A transaction that a function begins, uses and ends in steps of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from pymongo.errors import PyMongoError

from shared.access.cached import invalidating
from shared.admission import Departure
from shared.endpoint.openings import Opening
from shared.errors import CommandFailedError, DataAPIError, InvalidParameterError
from shared.mongo.deadlines import atomically
from shared.mongo.refusals import translated

if TYPE_CHECKING:
    from shared.service import Service

type Work = Callable[[], Awaitable[str]]

_TRANSIENT = "TransientTransactionError"
_DONE = "null"


class TransientError(CommandFailedError):
    """Another write came between: the transaction may succeed if all of it is done again."""

    is_transient = True


class _AbortedError(Exception):
    """Ends a transaction that its function gave up."""


def raise_told(error: Exception) -> NoReturn:
    """Raise what a function is told of an error, of the driver or of ours for it."""
    refusal = translated(error)
    if _is_transient(error):
        raise TransientError(str(refusal)) from error
    if refusal is error:
        raise error
    raise refusal from error


def _is_transient(error: BaseException | None) -> bool:
    seen: list[BaseException] = []  # an error may be raised from one that it caused
    while error is not None and error not in seen:
        if isinstance(error, PyMongoError) and error.has_error_label(_TRANSIENT):
            return True
        seen.append(error)
        error = error.__cause__
    return False


class FunctionTransaction:
    """One transaction: its steps are done one after the other, by one task that all of them belong to."""

    def __init__(self, service: "Service", data_source: str, departure: Departure | None) -> None:
        """Take where it takes place."""
        self._service = service
        self._data_source = data_source
        self._departure = departure
        self._steps: asyncio.Queue[tuple[Work, asyncio.Future[str]] | None] = asyncio.Queue()
        self._begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._commits = False
        self._written: list[str] = []
        self._task = asyncio.create_task(self._work())

    @property
    def is_open(self) -> bool:
        """Whether it still takes a connection."""
        return not self._task.done()

    def begin(self) -> Coroutine[Any, Any, str]:
        """Wait until it has begun."""
        return self._answered(self._begun)

    def do(self, work: Work) -> Coroutine[Any, Any, str]:
        """Do something as a part of it, after all that was asked before."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._steps.put_nowait((work, answer))
        return self._answered(answer)

    def note(self, data_source: str, body: Mapping[str, Any], *, writes: bool) -> None:
        """Note what a step is about to touch; raise InvalidParameterError if that is in another deployment."""
        settings = self._service.settings
        if settings.data_source_uri(data_source) != settings.data_source_uri(self._data_source):
            raise InvalidParameterError("a transaction has one data source, that of its session")
        if writes:
            self._written.append(f"{body.get('database')}.{body.get('collection')}")

    def commit(self) -> Coroutine[Any, Any, str]:
        """Make it count, after all that was asked before."""
        self._commits = True
        self._steps.put_nowait(None)
        return self._ended()

    def abort(self) -> Coroutine[Any, Any, str]:
        """Undo it."""
        self._steps.put_nowait(None)
        return self.close()

    async def close(self) -> str:
        """Undo it unless it has ended; what goes wrong then concerns nobody."""
        if not self._task.done():
            self._steps.put_nowait(None)
            await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()
        return _DONE

    async def _ended(self) -> str:
        await asyncio.wait([self._task])
        self._raise()
        return _DONE

    async def _answered(self, answer: asyncio.Future[str]) -> str:
        either: set[asyncio.Future[Any]] = {answer, self._task}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            self._raise()
            raise CommandFailedError("the transaction has ended")
        return answer.result()

    def _raise(self) -> None:
        """Raise what a function is told of a transaction that failed."""
        error = self._task.exception()
        if isinstance(error, _AbortedError):
            raise CommandFailedError("the transaction was aborted")
        if isinstance(error, Exception):
            raise_told(error)

    async def _work(self) -> None:
        service = self._service
        settings, clients = service.settings, service.clients
        target = clients.collection(self._data_source, settings.dozen_database, "transactions")
        timeout_ms = min(settings.mongo_db_timeout_ms, settings.transaction_timeout_ms)
        async with Opening(lambda: target, partial(clients.places, self._data_source), self._departure):
            work = atomically(target, self._attempt, timeout_ms)
            await invalidating(work, service.generations, self._written, settings)

    async def _attempt(self) -> None:
        if self._begun.done():  # the driver would do all of it again, but only the function can
            raise TransientError("another write came between; the transaction can be done again")
        self._begun.set_result(_DONE)
        while (step := await self._steps.get()) is not None:
            work, answer = step
            try:
                result = await work()
            except DataAPIError as error:
                _tell(answer, error)
            else:
                if not answer.done():
                    answer.set_result(result)
        if not self._commits:
            raise _AbortedError


def _tell(answer: asyncio.Future[str], error: DataAPIError) -> None:
    """Leave it to the function what comes of an error, if it still waits."""
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # it may have left it unread
