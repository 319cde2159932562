"""The request shapes that public code sends, byte for byte, replayed against both hosts.

The numbers are those of our catalogue of client programs. Where a test stands elsewhere, or the shape is not the Data
API's, its number is left out: 60 is another product's path, see test_dialects.py.
"""

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from bson.objectid import ObjectId

from tests.conftest import ACTION
from tests.hosts import Host

pytestmark = pytest.mark.both_hosts  # paths and headers of real clients

ANN = "65a1b2c3d4e5f60718293a4b"
BOB = "65a1b2c3d4e5f60718293a4c"
PEOPLE = [
    {"_id": ObjectId(ANN), "name": "Ann", "n": 1, "at": datetime(2024, 1, 1, tzinfo=UTC), "tags": ["a"]},
    {"_id": ObjectId(BOB), "name": "Bob", "n": 2, "at": datetime(2024, 2, 1, tzinfo=UTC), "tags": ["a", "b"]},
]
ANN_JSON = f'{{"_id":"{ANN}","name":"Ann","n":1,"at":"2024-01-01T00:00:00.000Z","tags":["a"]}}'
BOB_JSON = f'{{"_id":"{BOB}","name":"Bob","n":2,"at":"2024-02-01T00:00:00.000Z","tags":["a","b"]}}'
ALL = f'{{"documents":[{ANN_JSON},{BOB_JSON}]}}'
LATEST_FIRST = f'{{"documents":[{BOB_JSON},{ANN_JSON}]}}'
ANN_FOUND = f'{{"document":{ANN_JSON}}}'
CHANGED = '{"matchedCount":1,"modifiedCount":1}'

KEY = "<the key>"
STD = {"Content-Type": "application/json", "Access-Control-Request-Headers": "*", "api-key": KEY}
EJSON = {"Content-Type": "application/ejson", "Accept": "application/ejson", "api-key": KEY}
NS = '"dataSource":"Cluster0","database":"shop","collection":"items"'
NO_SESSION = '{"error":"invalid session","error_code":"InvalidSession"}'
NO_USER = '{"error":"invalid session: error finding user for endpoint","error_code":"InvalidSession"}'


class Shape(NamedTuple):
    """One request and its answer; `<oid>` in the answer stands for any ObjectId, `<text>` for any text."""

    action: str
    body: str
    answer: str
    headers: dict[str, str] = STD
    status: int = 200

    @property
    def url(self) -> str:
        return self.action if self.action.startswith("/") else ACTION + self.action

    def answers(self, body: bytes) -> bool:
        pattern = re.escape(self.answer).replace("<oid>", "[0-9a-f]{24}").replace("<text>", "[^\n]+?")
        return re.fullmatch(pattern, body.decode()) is not None


def without(headers: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}


SHAPES = {
    "1 findOne without a filter": Shape(
        "findOne", f'{{{NS},"projection":{{"_id":1}}}}', f'{{"document":{{"_id":"{ANN}"}}}}'
    ),
    "2 findOne with Accept": Shape(
        "findOne", f'{{{NS},"filter":{{"name":"Ann"}}}}', ANN_FOUND, STD | {"Accept": "application/json"}
    ),
    "3 find with nothing": Shape("find", f"{{{NS}}}", ALL),
    "4 find with filter, sort, limit": Shape(
        "find", f'{{{NS},"filter":{{}},"sort":{{"at":-1}},"limit":10}}', LATEST_FIRST
    ),
    "5 find with sort and limit": Shape("find", f'{{{NS},"sort":{{"at":-1}},"limit":10}}', LATEST_FIRST),
    "6 find with all defaults": Shape("find", f'{{{NS},"projection":{{}},"sort":{{}},"limit":1000,"skip":0}}', ALL),
    "7 find by $regex": Shape(
        "find",
        f'{{{NS},"filter":{{"name":{{"$regex":"^a","$options":"i"}}}}}}',
        f'{{"documents":[{ANN_JSON}]}}',
    ),
    "8 find by $in of $oid": Shape(
        "find", f'{{{NS},"filter":{{"_id":{{"$in":[{{"$oid":"{ANN}"}},{{"$oid":"{BOB}"}}]}}}}}}', ALL
    ),
    "9 findOne by $oid as JSON": Shape("findOne", f'{{{NS},"filter":{{"_id":{{"$oid":"{ANN}"}}}}}}', ANN_FOUND),
    "10 findOne by a bare id": Shape("findOne", f'{{{NS},"filter":{{"_id":"{ANN}"}}}}', '{"document":null}'),
    "11 insertOne, EJSON in, JSON out": Shape(
        "insertOne",
        f'{{{NS},"document":{{"text":"hello"}}}}',
        '{"insertedId":"<oid>"}',
        {"apiKey": KEY, "Content-Type": "application/ejson", "Accept": "application/json"},
        201,
    ),
    "12 no Content-Type": Shape(
        "findOne",
        f'{{{NS},"filter":{{"name":"Ann"}}}}',
        ANN_FOUND,
        {"apiKey": KEY, "Accept": "application/json"},
    ),
    "12b the form Content-Type of curl -d": Shape(
        "insertOne",
        f'{{{NS},"document":{{"a":1}}}}',
        '{"insertedId":{"$oid":"<oid>"}}',
        {"apiKey": KEY, "Accept": "application/ejson", "Content-Type": "application/x-www-form-urlencoded"},
        201,
    ),
    "13 insertOne with $date of $numberLong": Shape(
        "insertOne",
        f'{{{NS},"document":{{"a":1,"ts":{{"$date":{{"$numberLong":"1638551310749"}}}}}}}}',
        '{"insertedId":"<oid>"}',
        STD,
        201,
    ),
    "14 insertOne with $date of text": Shape(
        "insertOne",
        f'{{{NS},"document":{{"ts":{{"$date":"2021-12-03T17:08:30.749Z"}}}}}}',
        '{"insertedId":"<oid>"}',
        STD,
        201,
    ),
    "15 insertMany": Shape(
        "insertMany", f'{{{NS},"documents":[{{"a":1}},{{"_id":7}}]}}', '{"insertedIds":["<oid>",7]}', STD, 201
    ),
    "16 updateOne without upsert": Shape(
        "updateOne", f'{{{NS},"filter":{{"name":"Ann"}},"update":{{"$set":{{"n":9}}}}}}', CHANGED
    ),
    "17 updateOne with upsert": Shape(
        "updateOne",
        f'{{{NS},"filter":{{"name":"Cid"}},"update":{{"$set":{{"n":9}}}},"upsert":true}}',
        '{"matchedCount":0,"modifiedCount":0,"upsertedId":"<oid>"}',
    ),
    "18a $inc": Shape("updateOne", f'{{{NS},"filter":{{"n":1}},"update":{{"$inc":{{"n":5}}}}}}', CHANGED),
    "18b $push": Shape("updateOne", f'{{{NS},"filter":{{"n":1}},"update":{{"$push":{{"tags":"c"}}}}}}', CHANGED),
    "18c $push with $each and $slice": Shape(
        "updateOne",
        f'{{{NS},"filter":{{"n":1}},"update":{{"$push":{{"tags":{{"$each":["x","y"],"$slice":-100}}}}}}}}',
        CHANGED,
    ),
    "18d $pull": Shape("updateOne", f'{{{NS},"filter":{{"n":1}},"update":{{"$pull":{{"tags":"a"}}}}}}', CHANGED),
    "18e $addToSet": Shape(
        "updateOne", f'{{{NS},"filter":{{"n":1}},"update":{{"$addToSet":{{"tags":"b"}}}}}}', CHANGED
    ),
    "18f $unset": Shape("updateOne", f'{{{NS},"filter":{{"n":1}},"update":{{"$unset":{{"tags":""}}}}}}', CHANGED),
    "19 updateOne in canonical EJSON": Shape(
        "updateOne",
        f'{{{NS},"filter":{{"_id":{{"$oid":"{ANN}"}}}},"update":{{"$set":{{"n":{{"$numberInt":"5"}}}}}}}}',
        '{"matchedCount":{"$numberInt":"1"},"modifiedCount":{"$numberInt":"1"}}',
        EJSON,
    ),
    "20 updateMany of all": Shape(
        "updateMany",
        f'{{{NS},"filter":{{}},"update":{{"$set":{{"seen":true}}}}}}',
        '{"matchedCount":2,"modifiedCount":2}',
    ),
    "21 replaceOne": Shape(
        "replaceOne",
        f'{{{NS},"filter":{{"name":"Ann"}},"replacement":{{"name":"Ann","n":3}},"upsert":false}}',
        CHANGED,
        {"api-key": KEY, "Content-Type": "application/json"},
    ),
    "22 deleteOne by $oid": Shape("deleteOne", f'{{{NS},"filter":{{"_id":{{"$oid":"{ANN}"}}}}}}', '{"deletedCount":1}'),
    "23 deleteMany of all": Shape(
        "deleteMany",
        f'{{{NS},"filter":{{}}}}',
        '{"deletedCount":{"$numberInt":"2"}}',
        {"apiKey": KEY, "Content-Type": "application/ejson", "Accept": "application/ejson"},
    ),
    "24 aggregate": Shape(
        "aggregate", f'{{{NS},"pipeline":[{{"$match":{{}}}},{{"$sort":{{"at":-1}}}},{{"$limit":10}}]}}', LATEST_FIRST
    ),
    "25a count by $group": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$group":{{"_id":null,"n":{{"$sum":1}}}}}}]}}',
        '{"documents":[{"_id":null,"n":2}]}',
    ),
    "25b count by $count": Shape("aggregate", f'{{{NS},"pipeline":[{{"$count":"n"}}]}}', '{"documents":[{"n":2}]}'),
    "26 $sample": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$sample":{{"size":1}}}},{{"$project":{{"_id":1}}}}]}}',
        '{"documents":[{"_id":"<oid>"}]}',
    ),
    "27a $search, which needs Atlas": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$search":{{"text":{{"query":"x","path":"name"}}}}}},{{"$limit":5}}]}}',
        '{"error":"(Location40324) Unrecognized pipeline stage name: \'$search\'","error_code":"MongoDBError"}',
        STD,
        400,
    ),
    "27b $searchMeta, which needs Atlas": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$searchMeta":{{"exists":{{"path":"name"}}}}}}]}}',
        '{"error":"<text>","error_code":"MongoDBError"}',
        STD,
        400,
    ),
    "28 $vectorSearch, which needs Atlas": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$vectorSearch":{{"queryVector":[0.1,0.2],"path":"v","numCandidates":9,"limit":3,'
        '"index":"i"}}]}',
        '{"error":"(Location40324) Unrecognized pipeline stage name: \'$vectorSearch\'","error_code":"MongoDBError"}',
        STD,
        400,
    ),
    "29a $lookup with let and $expr": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$match":{{"n":1}}}},{{"$lookup":{{"from":"orders","let":{{"who":"$name"}},'
        '"pipeline":[{"$match":{"$expr":{"$eq":["$who","$$who"]}}}],"as":"orders"}},'
        '{"$project":{"_id":0,"orders":1}}]}',
        '{"documents":[{"orders":[{"_id":1,"who":"Ann"}]}]}',
    ),
    "29b $facet": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$facet":{{"total":[{{"$count":"n"}}]}}}}]}}',
        '{"documents":[{"total":[{"n":2}]}]}',
    ),
    "30 $collStats in EJSON, which GUARD_ALLOWED_STAGES opens": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$collStats":{{"count":{{}}}}}},'
        '{"$group":{"_id":{"$numberInt":"1"},"count":{"$sum":"$count"}}}]}',
        '{"error":"operator \'$collStats\' is not allowed","error_code":"InvalidParameter"}',
        EJSON,
        400,
    ),
    "31 a browser's Bearer token, until there are users": Shape(
        "find",
        f"{{{NS}}}",
        NO_SESSION,
        {"Content-Type": "application/json", "Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"},
        401,
    ),
    "32 an anonymous user's Bearer token, until there are users": Shape(
        "find",
        f"{{{NS}}}",
        NO_SESSION,
        {"Authorization": "Bearer eyJ", "Content-Type": "application/ejson", "Accept": "application/json"},
        401,
    ),
    "33 email and password, until there are users": Shape(
        "findOne",
        f"{{{NS}}}",
        NO_USER,
        {"email": "ann@example.com", "password": "secret", "Content-Type": "application/json"},
        401,
    ),
    "34 jwtTokenString, until there are users": Shape(
        "find", f"{{{NS}}}", NO_USER, {"jwtTokenString": "eyJ.e30.x", "Content-Type": "application/json"}, 401
    ),
    "35 lower-case header names": Shape(
        "find",
        f"{{{NS}}}",
        ALL,
        {"content-type": "application/json", "access-control-request-headers": "*", "api-key": KEY},
    ),
    "36 a charset in Content-Type": Shape(
        "find", f"{{{NS}}}", ALL, STD | {"Content-Type": "application/json; charset=utf-8"}
    ),
    "37 the Accept of axios": Shape("find", f"{{{NS}}}", ALL, STD | {"Accept": "application/json, text/plain, */*"}),
    "38 the Accept of curl": Shape("find", f"{{{NS}}}", ALL, STD | {"Accept": "*/*", "Accept-Encoding": "gzip, br"}),
    "39a ASCII escapes": Shape(
        "updateOne",
        f'{{{NS},"filter":{{"name":"\\u0041nn"}},"update":{{"\\u0024set":{{"name":"\\ud83d\\ude00"}}}}}}',
        CHANGED,
    ),
    "39b by hand, with newlines and spaces": Shape(
        "find", f'\r\n {{ {NS} ,\n\t"filter" : {{ "name" : "Ann" }} }}  \n', f'{{"documents":[{ANN_JSON}]}}'
    ),
    "39c UTF-8": Shape("insertOne", f'{{{NS},"document":{{"_id":"😀 é"}}}}', '{"insertedId":"😀 é"}', STD, 201),
    "40 the beta URL": Shape("/app/data-abcde/endpoint/data/beta/action/find", f"{{{NS}}}", ALL),
    "41 a base URL with a slash": Shape("/app/data-abcde/endpoint/data/v1//action/find", f"{{{NS}}}", ALL),
    "42 undefined as null": Shape(
        "find",
        f'{{{NS},"filter":null,"projection":null,"sort":null,"limit":null,"skip":null}}',
        ALL,
        EJSON | {"Accept": "application/json"},
    ),
    "43 findOne with sort": Shape(
        "findOne",
        f'{{{NS},"sort":{{"n":{{"$numberInt":"-1"}}}}}}',
        f'{{"document":{BOB_JSON}}}',
        {"Content-Type": "application/ejson", "apiKey": KEY, "x-realm-op-name": "findOne"},
    ),
    "44 a UUID as $binary": Shape(
        "insertOne",
        f'{{{NS},"document":{{"_id":{{"$binary":{{"base64":"ABEiM0RVZneImaq7zN3u/w==","subType":"04"}}}}}}}}',
        '{"insertedId":{"$binary":{"base64":"ABEiM0RVZneImaq7zN3u/w==","subType":"04"}}}',
        EJSON,
        201,
    ),
    "45 unknown members": Shape("find", f'{{{NS},"cluster":"x","options":{{"a":1}},"upsert":5}}', ALL),
    "46 limit 5.0": Shape("find", f'{{{NS},"limit":5.0,"skip":0.0}}', ALL),
    "47 upsert as an empty text": Shape(
        "updateOne",
        f'{{{NS},"filter":{{"name":"Cid"}},"update":{{"$set":{{"n":9}}}},"upsert":""}}',
        '{"matchedCount":0,"modifiedCount":0}',
    ),
    "48 text/plain": Shape("find", f"{{{NS}}}", ALL, STD | {"Content-Type": "text/plain;charset=UTF-8"}),
    "49a datasource": Shape(
        "find",
        '{"datasource":"Cluster0","database":"shop","collection":"items"}',
        '{"error":"must provide a \'dataSource\' field","error_code":"MissingParameter"}',
        STD,
        400,
    ),
    "49b databae": Shape(
        "find",
        '{"dataSource":"Cluster0","databae":"shop","collection":"items"}',
        '{"error":"must provide a \'database\' field","error_code":"MissingParameter"}',
        STD,
        400,
    ),
    "49c data": Shape(
        "insertOne",
        f'{{{NS},"data":{{"a":1}}}}',
        '{"error":"must provide a \'document\' field","error_code":"MissingParameter"}',
        STD,
        400,
    ),
    "51 the key itself in Authorization": Shape(
        "aggregate", f'{{{NS},"pipeline":[]}}', ALL, STD | {"Authorization": KEY}
    ),
    "52 response headers in a jQuery request": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[]}}',
        ALL,
        {
            "api-key": KEY,
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "*",
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Requested-With": "XMLHttpRequest",
        },
    ),
    "53 distinct with a Bearer token, until there are users": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$unwind":"$tags"}},{{"$group":{{"_id":"$tags"}}}}]}}',
        NO_SESSION,
        {"Authorization": "Bearer eyJ", "Access-Control-Request-Headers": "*", "Content-Type": "application/json"},
        401,
    ),
    "53b distinct with a key": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$unwind":"$tags"}},{{"$group":{{"_id":"$tags"}}}},{{"$sort":{{"_id":1}}}}]}}',
        '{"documents":[{"_id":"a"},{"_id":"b"}]}',
    ),
    "54 updateOne through a CORS proxy": Shape(
        "updateOne",
        f'{{{NS},"filter":{{"name":"Ann"}},"update":{{"$set":{{"n":9}}}}}}',
        CHANGED,
        STD | {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "proxy.example.com", "Via": "1.1 proxy"},
    ),
    "55 upsert as the text false": Shape(
        "updateOne",
        f'{{{NS},"filter":{{"name":"Ann"}},"update":{{"$set":{{"n":9}}}},"upsert":"false"}}',
        '{"error":"\'upsert\': expected `bool`, got `str`","error_code":"InvalidJSONFieldType"}',
        STD,
        400,
    ),
    "56 [object Object]": Shape(
        "find",
        "[object Object]",
        '{"error":"invalid JSON in request body: <text>","error_code":"InvalidJSON"}',
        STD,
        400,
    ),
    "57 several $match with $regex": Shape(
        "aggregate",
        f'{{{NS},"pipeline":[{{"$match":{{"name":{{"$regex":"N","$options":"i"}}}}}},'
        '{"$match":{"tags":{"$regex":"A","$options":"i"}}},{"$sort":{"n":1}}]}',
        f'{{"documents":[{ANN_JSON}]}}',
        without(STD, "Access-Control-Request-Headers"),
    ),
    "58 $set of a whole form": Shape(
        "updateOne",
        f'{{{NS},"filter":{{"_id":{{"$oid":"{ANN}"}}}},'
        '"update":{"$set":{"name":"Ann","n":4,"at":"2024-01-01T00:00:00.000Z","tags":[]}}}',
        CHANGED,
    ),
    "59a the path of MongoDB's Azure sample, with our key": Shape(
        "/api/mdb_dataapi/action/findOne",
        f'{{{NS},"filter":{{"name":"Ann"}},"projection":{{"at":0,"tags":0}}}}',
        f'{{"document":{{"_id":"{ANN}","name":"Ann","n":1}}}}',
        {"apiKey": KEY, "Content-Type": "application/json"},
    ),
    "59b the path of MongoDB's Azure sample, with a key in Azure's header": Shape(
        "/api/mdb_dataapi/action/findOne",
        f'{{{NS},"filter":{{"name":"Ann"}},"projection":{{"at":0,"tags":0}}}}',
        f'{{"document":{{"_id":"{ANN}","name":"Ann","n":1}}}}',
        {"x-functions-key": KEY, "Content-Type": "application/json"},
    ),
}


@pytest.mark.parametrize("shape", [pytest.param(shape, id=name) for name, shape in SHAPES.items()])
async def test_a_request_shape_is_served(host: Host, key: str, database: Any, shape: Shape) -> None:
    await database.items.insert_many(PEOPLE)
    await database.orders.insert_one({"_id": 1, "who": "Ann"})
    headers = {name: value.replace(KEY, key) for name, value in shape.headers.items()}

    answer = await host.request("POST", shape.url, headers, shape.body.encode())

    assert answer.status == shape.status, answer.body
    assert shape.answers(answer.body), answer.body


async def test_a_preflight_is_request_shape_50(host: Host) -> None:
    headers = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }

    answer = await host.request("OPTIONS", ACTION + "find", headers)

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        pytest.param(
            '{"$date":{"$numberLong":"1638551310749"}}',
            datetime(2021, 12, 3, 17, 8, 30, 749000),
            id="13 a date of milliseconds",
        ),
        pytest.param(
            '{"$date":"2021-12-03T17:08:30.749Z"}',
            datetime(2021, 12, 3, 17, 8, 30, 749000),
            id="14 a date of text",
        ),
        pytest.param(f'{{"$oid":"{ANN}"}}', ObjectId(ANN), id="9 an ObjectId"),
        pytest.param('"2021-12-03T17:08:30.749Z"', "2021-12-03T17:08:30.749Z", id="58 a date that came as text"),
        pytest.param('"\\ud83d\\ude00"', "😀", id="39 an escaped emoji"),
    ],
)
async def test_what_a_client_wrote_is_what_is_stored(
    host: Host, key: str, database: Any, document: str, kept: Any
) -> None:
    body = f'{{{NS},"document":{{"_id":1,"v":{document}}}}}'

    await host.request("POST", ACTION + "insertOne", STD | {"api-key": key}, body.encode())

    assert await database.items.find_one() == {"_id": 1, "v": kept}
