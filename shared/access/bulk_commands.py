"""Several writes on their way to MongoDB: encoded in steps, sent in commands that others need not wait for."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteMany, DeleteOne
from pymongo import InsertOne as NewDocument
from pymongo import ReplaceOne as Replacement
from pymongo import UpdateMany as ManyChanges
from pymongo import UpdateOne as OneChange
from pymongo.errors import BulkWriteError, OperationFailure, WriteError

from shared import turns
from shared.access import inserts
from shared.access.bulk_outcome import Failure, Outcome
from shared.documents.ejson import Document
from shared.documents.elements import encoded
from shared.documents.stored import Encoded, Storable
from shared.errors import DataAPIError, InvalidParameterError, ScanRefusedError, Unavailable, UnconfirmedWriteError
from shared.mongo.clients import RAW, Collection
from shared.mongo.deadlines import is_current, server_deadline
from shared.mongo.outcomes import note_write, scan_guard_of
from shared.mongo.refusals import translated
from shared.requests import sort_keys
from shared.turns import Steps
from shared.writes import Delete, InsertOne, Operation, ReplaceOne, UpdateOne, Write

if TYPE_CHECKING:
    from shared.access.full import FullAccess

_INSERT = ("insert", False)
_AT_A_TURN = 50  # questions whether there is an index
_REPLIES: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)

type _Model = NewDocument[Any] | OneChange | ManyChanges | Replacement[Any] | DeleteOne | DeleteMany


class _Planned(NamedTuple):
    """An operation as the driver takes it."""

    place: int
    kind: tuple[str, bool]
    """Its command, and whether the driver may send it again: those of one command are of one kind."""
    model: _Model
    size: int
    id: Any = None
    """Of a new document."""


async def send(full: "FullAccess", operations: Sequence[Operation], how: Mapping[str, Any]) -> Outcome:
    """Do operations, in order up to the first that fails, or else each that can be done; return what they come to.

    Raise if that is not known. In a transaction a failure ends all.
    """
    planned = await turns.taken(_planned(operations))
    await _look(full, operations)
    ordered = how["ordered"]
    if not ordered:
        planned.sort(key=lambda each: each.kind)
    outcome = Outcome()
    target = full.target.with_options(codec_options=_REPLIES)
    for some in _commands(planned):
        try:
            async with server_deadline(target, full.settings.mongo_db_timeout_ms):
                await _send(target, some, outcome, how)
        except BaseException as error:
            if outcome.documents and not is_current():
                note_write(error)
            raise
        if outcome.failures and (ordered or is_current()):
            break
    return Outcome(outcome.failures) if outcome.failures and is_current() else outcome


async def _look(full: "FullAccess", operations: Sequence[Operation]) -> None:
    """Raise ScanRefusedError for an operation that has to have an index, before any is sent."""
    guard = scan_guard_of(full.target, full.settings)
    for index, (_, request) in enumerate(operations if guard is not None else ()):
        if guard is None or isinstance(request, InsertOne):
            continue
        sort = sort_keys(request.sort) if isinstance(request, UpdateOne | ReplaceOne) else None
        try:
            await guard.look(full.target, full.question(request.filter, sort, request.options))
        except ScanRefusedError as error:
            error.at(f"requests[{index}]")
            raise
        if index % _AT_A_TURN == _AT_A_TURN - 1:
            await asyncio.sleep(0)


async def _send(target: Collection, some: Sequence[_Planned], outcome: Outcome, how: Mapping[str, Any]) -> None:
    try:
        result = await target.bulk_write([each.model for each in some], **how)
        _add(outcome, some, result.bulk_api_result)
    except BulkWriteError as error:
        details = error.details
        if details["writeConcernErrors"]:
            raise UnconfirmedWriteError(Unavailable.UNCONFIRMED) from error
        failed = {each["index"]: each for each in details["writeErrors"]}
        outcome.failures += [Failure(some[place].place, _refusal(each), each["code"]) for place, each in failed.items()]
        tried = some[: min(failed)] if how["ordered"] else some
        _add(outcome, [each for place, each in enumerate(tried) if place not in failed], details, some)
    except OperationFailure as error:
        refusal = translated(error)
        if not _is_certain(refusal):
            raise
        outcome.failures += [
            Failure(each.place, refusal, error.code) for each in (some[:1] if how["ordered"] else some)
        ]


def _add(
    outcome: Outcome, done: Sequence[_Planned], result: Mapping[str, Any], sent: Sequence[_Planned] | None = None
) -> None:
    """Add what the driver says of a command; it names operations by their places in what was sent."""
    counts = {"matchedCount": "nMatched", "modifiedCount": "nModified", "deletedCount": "nRemoved"}
    outcome.add(0, {name: result[counted] for name, counted in counts.items()})
    for each in done:
        if each.kind == _INSERT:
            outcome.add(each.place, {"insertedId": each.id})
    for upserted in result["upserted"]:
        outcome.add((sent or done)[upserted["index"]].place, {"upsertedId": upserted["_id"]})


def _is_certain(refusal: Exception) -> TypeGuard[DataAPIError]:
    return isinstance(refusal, DataAPIError) and refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR


def _refusal(details: Mapping[str, Any]) -> DataAPIError:
    """Return the error of one operation as it would be by itself; raise if it does not say what was done."""
    error = WriteError(details.get("errmsg", ""), details["code"], details)
    refusal = translated(error)
    if not _is_certain(refusal):
        note_write(error)  # others of its command may have written
        raise error
    return refusal


def _planned(operations: Sequence[Operation]) -> Steps[list[_Planned]]:
    """Return all operations as the driver takes them; raise for one that no command may hold."""
    planned = []
    for index, (name, request) in enumerate(operations):
        try:
            planned.append((yield from _plan(index, name, request)))
        except DataAPIError as error:
            error.at(f"requests[{index}]")
            raise
        yield
    return planned


def _plan(index: int, name: str, request: Write) -> Steps[_Planned]:
    if isinstance(request, InsertOne):
        raw, id_ = yield from inserts.encoded(request.document.content)
        inserts.refuse_large(raw)
        return _Planned(index, _INSERT, NewDocument(RawBSONDocument(raw, RAW)), len(raw), id_)
    condition = yield from _encoded(request.filter)
    options: Mapping[str, Any] = request.options.driver
    if isinstance(request, Delete):
        is_many = name == "deleteMany"
        deletion = (DeleteMany if is_many else DeleteOne)(condition, **options)
        return _Planned(index, ("delete", is_many), deletion, _size(condition))
    upsert = bool(request.upsert)
    if isinstance(request, ReplaceOne):
        replacement = yield from _encoded(request.replacement.content)
        model: _Model = Replacement(condition, replacement, upsert=upsert, sort=_sort(request), **options)
        return _Planned(index, ("update", False), model, _size(condition, replacement))
    array_filters: list[Mapping[str, Any]] | None = [*(yield from _all_encoded(request.array_filters))] or None
    changes = yield from _all_encoded(request.update if isinstance(request.update, list) else [request.update])
    update = changes if isinstance(request.update, list) else changes[0]
    options = {**options, "upsert": upsert, "array_filters": array_filters}
    if isinstance(request, UpdateOne):
        model = OneChange(condition, update, sort=_sort(request), **options)
    else:
        model = ManyChanges(condition, update, **options)
    return _Planned(index, ("update", name == "updateMany"), model, _size(condition, *changes))


def _sort(request: UpdateOne | ReplaceOne) -> dict[str, Any] | None:
    """Return the sort of a write of one; a server before 8.0 refuses it."""
    keys = sort_keys(request.sort)
    return None if keys is None else dict(keys)


def _encoded(document: Storable) -> Steps[RawBSONDocument]:
    raw = document.raw if isinstance(document, Encoded) else (yield from encoded(document))
    return RawBSONDocument(raw, RAW)


def _all_encoded(documents: Sequence[Document]) -> Steps[list[RawBSONDocument]]:
    found = []
    for each in documents:
        found.append((yield from _encoded(each)))  # noqa: PERF401  a comprehension cannot yield
    return found


def _size(*documents: RawBSONDocument) -> int:
    """Return the bytes of an operation; raise for more than a command may hold."""
    size = sum(len(each.raw) for each in documents)
    if size > inserts.MOST_OF_ONE:
        raise InvalidParameterError(f"the operation is too large: it has {size} bytes, MongoDB takes 16 MiB")
    return size


def _commands(planned: Sequence[_Planned]) -> Iterator[Sequence[_Planned]]:
    start, size = 0, 0
    for place, each in enumerate(planned):
        is_other = each.kind != planned[start].kind
        is_full = place - start == inserts.MOST_DOCUMENTS or (size and size + each.size > inserts.MOST_BYTES)
        if is_other or is_full:
            yield planned[start:place]
            start, size = place, 0
        size += each.size
    yield planned[start:]
