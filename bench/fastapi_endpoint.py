"""What a competent developer writes by hand in an afternoon: FastAPI, PyMongo's async client and bson.json_util.

It is meant to be fair: no needless work (one parse of the body, one dump of the answer, no jsonable_encoder),
and no heroic tuning.
"""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import pymongo
from bson import json_util
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

Document = dict[str, Any]

_client: pymongo.AsyncMongoClient[Document] = pymongo.AsyncMongoClient(os.environ["BENCH_URI"])
_keys = {hashlib.sha256(os.environ["BENCH_KEY"].encode()).hexdigest(): "bench"}


class Target(BaseModel):
    """The members of every request."""

    dataSource: str  # noqa: N815 (the Data API's name)
    database: str
    collection: str


class Find(Target):
    """A findOne or a find."""

    filter: Document = {}
    projection: Document | None = None
    sort: dict[str, int] | None = None
    limit: int = Field(default=1000, ge=0, le=50_000)
    skip: int = Field(default=0, ge=0)


class InsertOne(Target):
    """An insertOne."""

    document: Document


class InsertMany(Target):
    """An insertMany."""

    documents: list[Document] = Field(min_length=1)


class CountDocuments(Target):
    """A countDocuments."""

    filter: Document = {}
    limit: int = Field(default=0, ge=0)
    skip: int = Field(default=0, ge=0)


class FindOneAndUpdate(Target):
    """A findOneAndUpdate."""

    filter: Document
    update: Document
    projection: Document | None = None
    sort: dict[str, int] | None = None
    upsert: bool = False
    returnDocument: Literal["Before", "After"] = "Before"  # noqa: N815


class BulkWrite(Target):
    """A bulkWrite: each request an object of one member, the name of an operation with what it takes."""

    requests: list[dict[str, Document]] = Field(min_length=1)
    ordered: bool = True


_OPERATIONS: dict[str, Any] = {
    "insertOne": lambda given: pymongo.InsertOne(given["document"]),
    "updateOne": lambda given: pymongo.UpdateOne(given["filter"], given["update"], upsert=given.get("upsert", False)),
    "updateMany": lambda given: pymongo.UpdateMany(given["filter"], given["update"], upsert=given.get("upsert", False)),
    "replaceOne": lambda given: pymongo.ReplaceOne(
        given["filter"], given["replacement"], upsert=given.get("upsert", False)
    ),
    "deleteOne": lambda given: pymongo.DeleteOne(given["filter"]),
    "deleteMany": lambda given: pymongo.DeleteMany(given["filter"]),
}


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await _client.close()


# async: FastAPI would send a plain function to a thread, at a third of its speed
async def _authenticate(api_key: Annotated[str, Header(alias="apiKey")] = "") -> str:
    caller = _keys.get(hashlib.sha256(api_key.encode()).hexdigest())
    if caller is None:
        raise HTTPException(status_code=401, detail="invalid API key")
    return caller


app = FastAPI(lifespan=_lifespan, dependencies=[Depends(_authenticate)])


@app.post("/action/findOne")
async def find_one(request: Request) -> Response:
    """Return the first document that matches, or null."""
    body = await _parsed(request, Find)
    document = await _films(body).find_one(body.filter, body.projection, sort=body.sort)
    return _answer(request, {"document": document})


@app.post("/action/find")
async def find(request: Request) -> Response:
    """Return the documents that match."""
    body = await _parsed(request, Find)
    cursor = _films(body).find(body.filter, body.projection, sort=body.sort, skip=body.skip, limit=body.limit)
    return _answer(request, {"documents": await cursor.to_list()})


@app.post("/action/insertOne")
async def insert_one(request: Request) -> Response:
    """Insert a document and return its id."""
    body = await _parsed(request, InsertOne)
    result = await _films(body).insert_one(body.document)
    return _answer(request, {"insertedId": result.inserted_id}, status=201)


@app.post("/action/insertMany")
async def insert_many(request: Request) -> Response:
    """Insert documents and return their ids."""
    body = await _parsed(request, InsertMany)
    result = await _films(body).insert_many(body.documents)
    return _answer(request, {"insertedIds": result.inserted_ids}, status=201)


@app.post("/action/countDocuments")
async def count_documents(request: Request) -> Response:
    """Return how many documents match."""
    body = await _parsed(request, CountDocuments)
    bounds = {"limit": body.limit} if body.limit else {}
    return _answer(request, {"count": await _films(body).count_documents(body.filter, skip=body.skip, **bounds)})


@app.post("/action/findOneAndUpdate")
async def find_one_and_update(request: Request) -> Response:
    """Change a document and return it."""
    body = await _parsed(request, FindOneAndUpdate)
    document = await _films(body).find_one_and_update(
        body.filter,
        body.update,
        body.projection,
        body.sort,
        body.upsert,
        return_document=pymongo.ReturnDocument.AFTER
        if body.returnDocument == "After"
        else pymongo.ReturnDocument.BEFORE,
    )
    return _answer(request, {"document": document})


@app.post("/action/bulkWrite")
async def bulk_write(request: Request) -> Response:
    """Do several writes and return what they came to."""
    body = await _parsed(request, BulkWrite)
    try:
        operations = [_OPERATIONS[name](given) for each in body.requests for name, given in each.items()]
    except KeyError as error:
        raise HTTPException(status_code=400, detail=f"{error} is unknown or missing") from error
    result = await _films(body).bulk_write(operations, ordered=body.ordered)
    inserted = {
        str(place): each["insertOne"]["document"] for place, each in enumerate(body.requests) if "insertOne" in each
    }
    return _answer(
        request,
        {
            "insertedCount": result.inserted_count,
            "matchedCount": result.matched_count,
            "modifiedCount": result.modified_count,
            "deletedCount": result.deleted_count,
            "upsertedCount": result.upserted_count,
            "insertedIds": {place: document["_id"] for place, document in inserted.items()},
            "upsertedIds": {str(place): upserted for place, upserted in (result.upserted_ids or {}).items()},
        },
    )


async def _parsed[Model: BaseModel](request: Request, model: type[Model]) -> Model:
    try:
        return model.model_validate(json_util.loads(await request.body()))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    except ValueError as error:
        raise HTTPException(status_code=400, detail="the body is not Extended JSON") from error


def _films(body: Target) -> Any:
    return _client[body.database][body.collection]


def _answer(request: Request, content: Document, status: int = 200) -> Response:
    if request.headers.get("accept") == "application/ejson":
        options, media_type = json_util.CANONICAL_JSON_OPTIONS, "application/ejson"
    else:
        options, media_type = json_util.RELAXED_JSON_OPTIONS, "application/json"
    return Response(json_util.dumps(content, json_options=options), status_code=status, media_type=media_type)
