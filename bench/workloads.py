"""What is measured, and the HTTP request that measures it at each rival."""

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from bson import json_util

from bench import films

MANY = 100
N = "@n@"
N_END = "@n+100@"
NUMBER = re.compile(r"@n(?:\+(\d+))?@")

FIND_ONE = "findOne"
FIND_JSON = "find-json"
FIND_EJSON = "find-ejson"
INSERT_ONE = "insertOne"
INSERT_MANY = "insertMany"
INSERT_MANY_EJSON = "insertMany-ejson"
COUNT = "countDocuments"
FIND_AND_UPDATE = "findOneAndUpdate"
BULK_WRITE = "bulkWrite"
GET_MORE = "getMore"
WORKLOADS = (
    FIND_ONE, FIND_JSON, FIND_EJSON, INSERT_ONE, INSERT_MANY, INSERT_MANY_EJSON, COUNT, FIND_AND_UPDATE, BULK_WRITE,
    GET_MORE,
)  # fmt: skip
CANONICAL = (FIND_EJSON, INSERT_MANY_EJSON)
_UNKNOWN_TO_EVE = (COUNT, FIND_AND_UPDATE, BULK_WRITE, GET_MORE)

BATCH, CURSOR = 1_000, 10_000
"""How many films a batch of a cursor has, and how many the cursor has in all; the second batch is measured."""

INSERTED = dict.fromkeys(WORKLOADS, 0) | {INSERT_ONE: 1, INSERT_MANY: MANY, INSERT_MANY_EJSON: MANY}
CHANGED = dict.fromkeys(WORKLOADS, 0) | {FIND_AND_UPDATE: 1, BULK_WRITE: MANY}
"""How many documents a request inserts, and how many it changes."""

_ACTIONS = {
    FIND_ONE: "findOne",
    FIND_JSON: "find",
    FIND_EJSON: "find",
    INSERT_ONE: "insertOne",
    INSERT_MANY: "insertMany",
    INSERT_MANY_EJSON: "insertMany",
    COUNT: "countDocuments",
    FIND_AND_UPDATE: "findOneAndUpdate",
    BULK_WRITE: "bulkWrite",
    GET_MORE: "find",
}
_CHANGE = '{"$inc":{"votes":1}}'


@dataclass(frozen=True)
class Call:
    """An HTTP request; `@n@` and `@n+100@` in path and body stand for a film's number and the one 100 further on."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str = field(default="", repr=False)

    def at(self, n: int) -> "Call":
        """Return the request with the numbers filled in."""
        return Call(self.method, _fill(self.path, n), self.headers, _fill(self.body, n))


def data_api_call(workload: str, prefix: str, key: str) -> Call:
    """Return the request to a server that speaks the Data API, with its documents in relaxed or canonical form."""
    encode = _canonical if workload in CANONICAL else _relaxed
    return Call("POST", prefix + _ACTIONS[workload], _headers(workload, key), _data_api_body(workload, encode))


def first_batch(prefix: str, key: str) -> Call:
    """Return the request whose reply has the cursor."""
    members = f'"limit":{CURSOR},"cursor":{{"batchSize":{BATCH}}}'
    return Call("POST", prefix + "find", _headers(GET_MORE, key), _target(GET_MORE) + "," + members + "}")


def next_batch(prefix: str, key: str) -> Call:
    """Return the request for the next batch, with @cursor@ in the place of the cursor."""
    return Call("POST", prefix + "getMore", _headers(GET_MORE, key), '{"cursor":"@cursor@"}')


def floor_call(workload: str) -> Call | None:
    """Return the request to the floor, which knows plain JSON only and stores a date as the string it came as."""
    if workload in CANONICAL:
        return None
    headers = {"Content-Type": "application/json"}
    return Call("POST", "/" + _ACTIONS[workload], headers, _data_api_body(workload, _plain))


def eve_call(workload: str, key: str) -> Call | None:
    """Return the REST request to Eve, which knows no Extended JSON, and has no request for all that actions do."""
    headers = {"Authorization": key, "Accept": "application/json", "Content-Type": "application/json"}
    if workload in CANONICAL or workload in _UNKNOWN_TO_EVE:
        return None
    if workload == FIND_ONE:
        return Call("GET", f"/films/{N}", headers)
    if workload == FIND_JSON:
        where = f'{{"n":{{"$gte":{N},"$lt":{N_END}}}}}'
        return Call("GET", f"/films?where={quote(where, safe='@+')}&max_results={MANY}", headers)
    return Call("POST", "/inserts", headers, json.dumps(_documents(workload, _eve)))


def written_films(workload: str) -> list[dict[str, Any]]:
    """Return the films that one request inserts, without _id."""
    return [_without_id(n) for n in range(INSERTED[workload])]


def _fill(text: str, n: int) -> str:
    return NUMBER.sub(lambda found: str(n + int(found[1] or 0)), text)


def _headers(workload: str, key: str) -> Mapping[str, str]:
    accept = "application/ejson" if workload == FIND_EJSON else "application/json"
    return {"apiKey": key, "Content-Type": "application/json", "Accept": accept}


def _data_api_body(workload: str, encode: Any) -> str:
    return _target(workload) + "," + _rest_of_body(workload, encode) + "}"


def _target(workload: str) -> str:
    collection = films.WRITTEN if INSERTED[workload] else films.CHANGED if CHANGED[workload] else films.READ
    members = {"dataSource": "mongodb-atlas", "database": films.DATABASE, "collection": collection}
    return json.dumps(members, separators=(",", ":")).removesuffix("}")


def _rest_of_body(workload: str, encode: Any) -> str:
    if workload == FIND_ONE:
        return f'"filter":{{"n":{N}}}'
    if INSERTED[workload]:
        member = "document" if workload == INSERT_ONE else "documents"
        return f'"{member}":{json.dumps(_documents(workload, encode))}'
    if workload == FIND_AND_UPDATE:
        return f'"filter":{{"n":{N}}},"update":{_CHANGE},"returnDocument":"After"'
    if workload == BULK_WRITE:
        changes = (f'{{"updateOne":{{"filter":{{"n":@n+{place}@}},"update":{_CHANGE}}}}}' for place in range(MANY))
        return f'"requests":[{",".join(changes)}]'
    if workload == GET_MORE:
        return f'"filter":{{"n":{{"$gte":{BATCH},"$lt":{CURSOR}}}}},"sort":{{"n":1}},"limit":{BATCH}'
    some = f'"filter":{{"n":{{"$gte":{N},"$lt":{N_END}}}}}'
    return some if workload == COUNT else f'{some},"limit":{MANY}'


def _documents(workload: str, encode: Any) -> Any:
    encoded = [encode(film) for film in written_films(workload)]
    return encoded[0] if workload == INSERT_ONE else encoded


def _without_id(n: int) -> dict[str, Any]:
    return {name: value for name, value in films.film(n).items() if name != "_id"}


def _relaxed(film: dict[str, Any]) -> Any:
    return json.loads(json_util.dumps(film, json_options=json_util.RELAXED_JSON_OPTIONS))


def _canonical(film: dict[str, Any]) -> Any:
    return json.loads(json_util.dumps(film, json_options=json_util.CANONICAL_JSON_OPTIONS))


def _plain(film: dict[str, Any]) -> Any:
    return film | {"released": film["released"].isoformat(timespec="milliseconds")}


def _eve(film: dict[str, Any]) -> Any:
    released: datetime.datetime = film["released"]
    return film | {"released": format_datetime(released, usegmt=True)}
