"""The floor: orjson and the driver under Uvicorn and nothing else; no framework, no authentication, no log."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from bson import ObjectId
from bson.decimal128 import Decimal128
from pymongo import AsyncMongoClient, ReturnDocument, UpdateOne

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(os.environ["BENCH_URI"])
_JSON = [(b"content-type", b"application/json")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what _ACTIONS lists."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    body = orjson.loads(await _body(receive))
    answer = await _ACTIONS[scope["path"]](_client[body["database"]][body["collection"]], body)
    content = orjson.dumps(answer, default=_plain, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)
    await send({"type": "http.response.start", "status": 200, "headers": _JSON})
    await send({"type": "http.response.body", "body": content})


async def _live(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await _client.close()
    await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _plain(value: Any) -> str:
    if isinstance(value, ObjectId | Decimal128):
        return str(value)
    raise TypeError(type(value).__name__)


async def _find_one(films: Any, body: dict[str, Any]) -> dict[str, Any]:
    return {"document": await films.find_one(body["filter"])}


async def _find(films: Any, body: dict[str, Any]) -> dict[str, Any]:
    return {"documents": await films.find(body["filter"]).limit(body["limit"]).to_list()}


async def _insert_one(films: Any, body: dict[str, Any]) -> dict[str, Any]:
    return {"insertedId": (await films.insert_one(body["document"])).inserted_id}


async def _insert_many(films: Any, body: dict[str, Any]) -> dict[str, Any]:
    return {"insertedIds": (await films.insert_many(body["documents"])).inserted_ids}


async def _count_documents(films: Any, body: dict[str, Any]) -> dict[str, Any]:
    return {"count": await films.count_documents(body["filter"])}


async def _find_one_and_update(films: Any, body: dict[str, Any]) -> dict[str, Any]:
    after = ReturnDocument.AFTER
    return {"document": await films.find_one_and_update(body["filter"], body["update"], return_document=after)}


async def _bulk_write(films: Any, body: dict[str, Any]) -> dict[str, Any]:
    changes = [each["updateOne"] for each in body["requests"]]
    result = await films.bulk_write([UpdateOne(each["filter"], each["update"]) for each in changes])
    return {"matchedCount": result.matched_count, "modifiedCount": result.modified_count}


_ACTIONS = {
    "/findOne": _find_one,
    "/find": _find,
    "/insertOne": _insert_one,
    "/insertMany": _insert_many,
    "/countDocuments": _count_documents,
    "/findOneAndUpdate": _find_one_and_update,
    "/bulkWrite": _bulk_write,
}
