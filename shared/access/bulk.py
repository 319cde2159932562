"""Several writes of one collection: as MongoDB takes them from a caller whom no rule binds, else one by one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from pymongo.errors import BulkWriteError, OperationFailure

from shared import turns
from shared.access.bulk_commands import send
from shared.access.bulk_outcome import Failure, Outcome
from shared.access.full import FullAccess
from shared.access.protocol import Access, Reply
from shared.documents.replies import Format
from shared.documents.transcoder import Writer
from shared.errors import DataAPIError
from shared.mongo.clients import Collection
from shared.mongo.deadlines import atomically
from shared.mongo.outcomes import note_write
from shared.mongo.refusals import translated
from shared.options import NO_OPTIONS, Options
from shared.requests import sort_keys
from shared.rules.answers import answered
from shared.settings import Settings
from shared.writes import Delete, InsertOne, Operation, ReplaceOne, UpdateMany, UpdateOne

type Opened = Callable[[str, Options], Access]
"""The access that an action has which an operation with such options would be by itself."""

_MOST_TOGETHER = 2_000


class Bulk:
    """The writes of one call of bulkWrite."""

    def __init__(
        self,
        target: Collection,
        settings: Settings,
        form: tuple[Format, Writer | None],
        opened: Opened,
        how: Mapping[str, Any],
    ) -> None:
        """Take the collection, the form of the reply with what writes it, what opens it for an action, and options."""
        self._target = target
        self._settings = settings
        self._form = form
        self._opened = opened
        self._how = how

    async def reply(self, operations: Sequence[Operation]) -> Reply:
        """Do the operations, and return what they come to.

        Where a rule binds one of them, all are done or none. Else each is done that can be, in order up to the first
        that fails. Raise the error of the first that failed, with those of all.
        """
        accesses = [await self._access(name, NO_OPTIONS) for name in sorted({each.name for each in operations})]
        fulls = [each for each in accesses if isinstance(each, FullAccess)]
        if len(fulls) == len(accesses):
            outcome = await send(fulls[0], operations, self._how)
        else:
            work = lambda: self._one_by_one(operations)  # noqa: E731  done again if another write came between
            outcome = await atomically(self._target, work, self._settings.mongo_db_timeout_ms)
        if outcome.failures:
            error = await turns.taken(outcome.error(*self._form))
            if outcome.documents:
                note_write(error)
            raise error
        return Reply(await turns.taken(outcome.texts(*self._form)), outcome.documents, outcome.members)

    async def _access(self, name: str, own: Options) -> Access:
        return await answered(partial(self._opened, name, own))

    async def _one_by_one(self, operations: Sequence[Operation]) -> Outcome:
        """Do each operation inside the transaction as the action that it would be by itself."""
        outcome = Outcome()
        accesses = {name: await self._access(name, NO_OPTIONS) for name in {each.name for each in operations}}
        start = 0
        for name, group in _groups(operations):
            try:
                own = group[0].request.options
                reply = await _written(await self._access(name, own) if own else accesses[name], group)
            except (DataAPIError, OperationFailure) as error:
                undone = await turns.taken(_undone(error, start).error(*self._form))
                raise undone from (None if undone is error else error)  # its own cause would be one without end
            outcome.add(start, reply.members or {})
            start += len(group)
        return outcome


def _groups(operations: Sequence[Operation]) -> Iterator[tuple[str, list[Operation]]]:
    """Give each operation by itself, and new documents that follow each other together."""
    group: list[Operation] = []
    for each in operations:
        if group and (each.name != "insertOne" or group[0].name != "insertOne" or len(group) == _MOST_TOGETHER):
            yield group[0].name, group
            group = []
        group.append(each)
    yield group[0].name, group


async def _written(access: Access, group: Sequence[Operation]) -> Reply:
    """Do an operation, or several that insert."""
    documents = [each.request.document.content for each in group if isinstance(each.request, InsertOne)]
    if documents:
        return await access.insert_many(documents)
    ((name, request),) = group
    match request:
        case UpdateOne():
            return await access.update_one(
                request.filter,
                request.update,
                request.array_filters or None,
                upsert=bool(request.upsert),
                sort=sort_keys(request.sort),
            )
        case UpdateMany():
            return await access.update_many(
                request.filter, request.update, request.array_filters or None, upsert=bool(request.upsert)
            )
        case ReplaceOne():
            return await access.replace_one(
                request.filter,
                request.replacement.content,
                upsert=bool(request.upsert),
                sort=sort_keys(request.sort),
            )
        case Delete():
            return await (access.delete_one if name == "deleteOne" else access.delete_many)(request.filter)
        case InsertOne():
            return await access.insert_one(request.document.content)


def _undone(error: DataAPIError | OperationFailure, start: int) -> Outcome:
    """Return what all operations come to if one fails: nothing. Raise an error that is not the operation's own."""
    refusal = translated(error)
    if not isinstance(refusal, DataAPIError) or refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error
    if isinstance(error, BulkWriteError):
        first = error.details["writeErrors"][0]
        return Outcome([Failure(start + first["index"], refusal, first["code"])])
    failure = error if isinstance(error, OperationFailure) else error.__cause__  # of one whose text is left out
    code = failure.code if isinstance(failure, OperationFailure) else None
    return Outcome([Failure(start + refusal.position, refusal, code)])
