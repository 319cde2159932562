"""Documents read as the bytes that MongoDB sent: one command on one connection where that is enough.

The driver's cursor, session and loop of retries cost as much as all else about a small read, and its cursor for raw
batches makes an object of each document: docs/decisions/0011. They are used where one reply does not hold all, and
where a read failed for a reason that may pass.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.command_cursor import AsyncRawBatchCommandCursor
from pymongo.asynchronous.cursor import AsyncRawBatchCursor
from pymongo.errors import ConnectionFailure, OperationFailure
from pymongo.read_concern import ReadConcern

from shared import budget, turns
from shared.documents.ejson import Document
from shared.documents.elements import (
    ARRAY,
    array_in_steps,
    array_of,
    decoded_all,
    elements,
    first_batch,
    split,
    wrapped,
)
from shared.errors import NoRoleError, ReadTooLargeError
from shared.mongo.clients import RAW, Collection
from shared.mongo.deadlines import is_current, left_ms
from shared.mongo.outcomes import scan_guard_of
from shared.mongo.refusals import is_overload, may_pass
from shared.options import NO_OPTIONS, Options
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.requests import Reading

type RawCursor = AsyncRawBatchCursor[Any] | AsyncRawBatchCommandCursor[Any]

AT_ONCE = 1_000
"""Documents that are asked for in one reply: the driver makes an object of each, before others have their turn.

There may be one more, which tells that there are more than a limit.
"""

MAX_RESULTS = 50_000
"""Documents that a reply may have, as with Atlas."""

LIMIT = {"$limit": MAX_RESULTS + 1}
"""The stage that cuts off what a pipeline makes; one document more tells that there are more."""

_MOST_LISTED = 2**31 - 1
_OVERLOAD_SECONDS = 0.2  # what the driver waits at most before its own second attempt
_IN_ONE_REPLY = AT_ONCE + 10  # a batch of a cursor, and what is looked at beside it
_UNKNOWN_STAGE = 40324
_BATCH_BYTES = 1024 * 1024


async def first(
    target: Collection, reading: "Reading", settings: Settings, options: Options = NO_OPTIONS
) -> bytes | None:
    """Return the first document that matches, None if there is none."""
    if (guard := scan_guard_of(target, settings)) is not None:
        await guard.look(target, _find(target, reading, options))
    if is_current():
        return await _first_by_driver(target, reading, settings, options)
    try:
        sent = {"limit": 1, "singleBatch": True, **options.command}
        cursor, _ = await _asked(target, reading, settings, sent)
    except (ConnectionFailure, OperationFailure) as error:
        await _wait_or_raise(error, target)
        return await _first_by_driver(target, reading, settings, options)
    return first_batch(bytes(cursor.raw))[0] or None


async def find(
    target: Collection,
    reading: "Reading",
    settings: Settings,
    batch_size: int = AT_ONCE,
    options: Options = NO_OPTIONS,
) -> AsyncGenerator[bytes]:
    """Give what matches in batches of concatenated BSON documents; raise if they exceed MAX_READ_BYTES."""
    if (guard := scan_guard_of(target, settings)) is not None:
        await guard.look(target, _find(target, reading, options))
    if 0 < reading.limit <= _IN_ONE_REPLY and not options.batch_size and not is_current():
        batch = await _only_batch(target, reading, settings, options)
        if batch is not None:
            await _hold(len(batch), len(batch), settings)
            yield batch
            return
    cursor = target.find_raw_batches(
        reading.filter,
        projection=reading.projection or None,
        sort=reading.sort,
        limit=reading.limit,
        skip=reading.skip,
        batch_size=min(options.batch_size or batch_size, batch_size),
        max_time_ms=left_ms(settings.mongo_db_timeout_ms),
        **options.driver,
    )
    async with aclosing(batches(cursor, settings)) as all_of_them:  # closed with this, as its cursor must be
        async for batch in all_of_them:
            yield batch


async def count(target: Collection, reading: "Reading", settings: Settings, options: Options) -> int:
    """Return how many documents match, of those that are not skipped up to the limit."""
    if (guard := scan_guard_of(target, settings)) is not None:
        await guard.look(target, {"count": target.name, "query": reading.filter, **options.command})
    placed: dict[str, Any] = {
        name: value for name, value in (("skip", reading.skip), ("limit", reading.limit)) if value
    }
    most = left_ms(settings.mongo_db_timeout_ms)
    return await target.count_documents(reading.filter, maxTimeMS=most, **placed, **options.command)


async def distinct(target: Collection, name: str, condition: Document, settings: Settings, options: Options) -> bytes:
    """Return the array of the values of a field, as MongoDB sent it; raise if it exceeds MAX_READ_BYTES."""
    command = {"distinct": target.name, "key": name, "query": condition, **options.command}
    if (guard := scan_guard_of(target, settings)) is not None:
        await guard.look(target, command)
    reply = await _distinct(target, command, settings)
    values = elements(bytes(reply.raw))["values"].value
    await _hold(len(values), len(values), settings)
    return values


async def answer(target: Collection, command: Document, settings: Settings) -> Any:
    """Return the reply to a command that reads something beside documents, such as a list of indexes."""
    target = target.with_options(read_concern=ReadConcern())  # most of them take none
    try:
        reply, _ = await _run(target, command, settings)
    except (ConnectionFailure, OperationFailure) as error:
        await _wait_or_raise(error, target)
        reply = await _run_again(target, command, settings)
    await _hold(len(reply.raw), len(reply.raw), settings)
    return reply


async def listed(target: Collection, command: Document, settings: Settings) -> bytes:
    """Return what a command lists as concatenated documents; raise if it is more than one reply holds."""
    command["cursor"] = {"batchSize": _MOST_LISTED}
    reply = await answer(target, command, settings)
    batch, is_whole = first_batch(bytes(reply["cursor"].raw))
    if not is_whole:  # MongoDB ends the cursor by itself
        raise ReadTooLargeError("the list is more than the 16 MB of a reply of MongoDB's")
    return batch


async def batches(cursor: RawCursor, settings: Settings) -> AsyncGenerator[bytes]:
    """Give what a cursor gives; raise if it exceeds MAX_READ_BYTES."""
    size = 0
    async with cursor:
        async for batch in cursor:
            size += len(batch)
            await _hold(len(batch), size, settings)
            yield batch


async def computed(
    target: Collection,
    documents: Sequence[bytes],
    stages: list[Document],
    settings: Settings,
    options: Mapping[str, Any],
) -> AsyncGenerator[bytes]:
    """Give what stages make of these documents alone, in batches; nothing that is stored is read.

    Raise NoRoleError where MongoDB cannot do that, as before version 5.1.
    """
    # $literal: a text in a document such as "$name" is no expression; one document, as the driver visits each of a list
    literal = wrapped("$literal", await turns.taken(array_in_steps(documents)), ARRAY)
    given = RawBSONDocument(wrapped("$documents", literal))
    database = target.database.with_options(codec_options=RAW)
    try:
        cursor = await database.aggregate([given, *stages], maxTimeMS=left_ms(settings.mongo_db_timeout_ms), **options)
    except OperationFailure as error:
        if error.code == _UNKNOWN_STAGE and "$documents" in str(error):
            raise NoRoleError(
                "rules let you compute only on what you may read, which this MongoDB cannot do: use find without"
            ) from error
        raise
    async with aclosing(_collected(cursor, settings)) as batches_of_them:
        async for batch in batches_of_them:
            yield batch


async def aggregated(
    target: Collection, settings: Settings, options: Mapping[str, Any], at_once: int, pipeline: list[Document]
) -> AsyncGenerator[bytes]:
    """Give what a pipeline makes of a collection, in batches of at most so many documents, 0 for any number."""
    if (guard := scan_guard_of(target, settings)) is not None:
        await guard.look(target, {"aggregate": target.name, "pipeline": pipeline, **options})
    cursor = await target.aggregate_raw_batches(
        pipeline,
        batchSize=min(at_once or AT_ONCE, AT_ONCE),
        maxTimeMS=left_ms(settings.mongo_db_timeout_ms),
        **options,
    )
    async with aclosing(batches(cursor, settings)) as all_of_them:
        async for batch in all_of_them:
            yield batch


async def of_database(
    target: Collection, pipeline: list[Document], settings: Settings, options: Mapping[str, Any]
) -> AsyncGenerator[bytes]:
    """Give what a pipeline makes that begins with no collection, in batches."""
    database = target.database.with_options(
        codec_options=RAW,
        read_preference=target.read_preference,
        read_concern=target.read_concern,
        write_concern=target.write_concern,
    )
    cursor = await database.aggregate(pipeline, maxTimeMS=left_ms(settings.mongo_db_timeout_ms), **options)
    async with aclosing(_collected(cursor, settings)) as batches_of_them:
        async for batch in batches_of_them:
            yield batch


async def _collected(cursor: Any, settings: Settings) -> AsyncGenerator[bytes]:
    """Give what a cursor of raw documents gives in batches; raise if it exceeds MAX_READ_BYTES."""
    size, sent, batch = 0, 0, []
    made: AsyncIterable[Any] = cursor
    async with cursor:
        async for each in made:
            batch.append(each.raw)
            size += len(batch[-1])
            if size - sent >= _BATCH_BYTES:
                await _hold(size - sent, size, settings)
                yield b"".join(batch)
                batch, sent = [], size
    await _hold(size - sent, size, settings)
    yield b"".join(batch)


async def places(
    target: Collection,
    documents: Sequence[bytes],
    stages: list[Document],
    settings: Settings,
    options: Mapping[str, Any],
) -> list[int]:
    """Return which of these documents stages select, which take them or leave them, in their order.

    They come back byte for byte, without a mark that a condition could see; of equal ones one is as good as another.
    """
    known: dict[bytes, list[int]] = {}
    for place in range(len(documents) - 1, -1, -1):
        known.setdefault(documents[place], []).append(place)
    found = computed(target, documents, stages, settings, options)
    return [known[each].pop() async for batch in found for each in split(batch)]


async def distinct_of(target: Collection, values: bytes, settings: Settings, options: Mapping[str, Any]) -> bytes:
    """Return of an array the values that MongoDB finds unlike all before them."""
    stages: list[Document] = [
        {"$unwind": {"path": "$values", "includeArrayIndex": "place"}},
        {"$group": {"_id": "$values", "place": {"$min": "$place"}}},
        {"$sort": {"place": 1}},
        {"$project": {"_id": 0}},
    ]
    found = computed(target, [wrapped("values", values, ARRAY)], stages, settings, options)
    firsts = {each["place"] async for batch in found for each in decoded_all(batch)}
    return array_of(each for place, each in enumerate(elements(values).values()) if place in firsts)


async def _distinct(target: Collection, command: Document, settings: Settings) -> Any:
    if is_current():
        most = left_ms(settings.mongo_db_timeout_ms)
        return await target.database.command(command | {"maxTimeMS": most}, codec_options=RAW)
    try:
        return (await _run(target, command, settings))[0]
    except (ConnectionFailure, OperationFailure) as error:
        await _wait_or_raise(error, target)
        return await _run_again(target, command, settings)


async def _first_by_driver(
    target: Collection, reading: "Reading", settings: Settings, options: Options
) -> bytes | None:
    found: Any = await target.find_one(
        reading.filter,
        reading.projection or None,
        sort=reading.sort,
        skip=reading.skip,
        max_time_ms=left_ms(settings.mongo_db_timeout_ms),
        **options.driver,
    )
    return None if found is None else bytes(found.raw)  # a view of the whole reply in some cases


async def _only_batch(target: Collection, reading: "Reading", settings: Settings, options: Options) -> bytes | None:
    """Return all that matches, None if it is more than one reply holds or could not be read just now."""
    sent = {"limit": reading.limit, "batchSize": reading.limit, **options.command}
    try:
        cursor, address = await _asked(target, reading, settings, sent)
    except (ConnectionFailure, OperationFailure) as error:
        await _wait_or_raise(error, target)
        return None
    batch, is_whole = first_batch(bytes(cursor.raw))
    if is_whole:
        return batch
    rest = {"id": cursor["id"], "ns": cursor["ns"], "firstBatch": []}
    await AsyncRawBatchCommandCursor(target, rest, address).close()  # nobody will ask it for more
    return None


def _find(target: Collection, reading: "Reading", options: Options) -> Document:
    """Return what decides how MongoDB runs a find."""
    sort = {"sort": dict(reading.sort)} if reading.sort else {}
    return {"find": target.name, "filter": reading.filter, **sort, **options.command}


async def _asked(
    target: Collection, reading: "Reading", settings: Settings, options: Mapping[str, Any]
) -> tuple[RawBSONDocument, Any]:
    """Return the cursor of a find's reply, with its first batch, and the address of the server that gave it."""
    command = {"find": target.name, "filter": reading.filter, **options}
    if reading.skip:
        command["skip"] = reading.skip
    if reading.projection:
        command["projection"] = reading.projection
    if reading.sort:
        command["sort"] = dict(reading.sort)
    reply, address = await _run(target, command, settings)
    return reply["cursor"], address


async def _run(target: Collection, command: Document, settings: Settings) -> tuple[Any, Any]:
    """Return the reply to a command that reads, and the address of the server that gave it."""
    operation = next(iter(command))
    async with await target.database.client._conn_for_reads(target.read_preference, None, operation) as (
        connection,
        preference,
    ):
        return await _reply(target, command, settings, connection, preference), connection.address


async def _run_again(target: Collection, command: Document, settings: Settings) -> Any:
    """Return the reply to a command that reads, with the driver's retries."""

    async def attempt(_session: Any, _server: Any, connection: Any, preference: Any) -> Any:
        return await _reply(target, command, settings, connection, preference)

    client, operation = target.database.client, next(iter(command))
    return await client._retryable_read(attempt, target.read_preference, None, operation=operation)


async def _reply(target: Collection, command: Document, settings: Settings, connection: Any, preference: Any) -> Any:
    command["maxTimeMS"] = left_ms(settings.mongo_db_timeout_ms)
    database = target.database
    return await connection.command(
        database.name, command, preference, RAW, read_concern=target.read_concern, client=database.client
    )


async def _wait_or_raise(error: ConnectionFailure | OperationFailure, target: Collection) -> None:
    """Raise an error that there is nothing to do about; else the driver's own operation may still do.

    It waits longer each time that MongoDB is overloaded, beginning after its own first attempt, which is our second.
    """
    if not may_pass(error) or not target.database.client.options.retry_reads:
        raise error
    if is_overload(error):
        await asyncio.sleep(random.uniform(0, _OVERLOAD_SECONDS))  # noqa: S311  so that not all come back at once


async def _hold(more: int, size: int, settings: Settings) -> None:
    """Hold so many bytes more of what is read, and what is made of them; raise if all together are too many."""
    if size > settings.max_read_bytes:
        raise ReadTooLargeError(f"the documents found exceed {settings.max_read_bytes} bytes")
    await budget.work_on(2 * more)
