"""Sees, before anything is measured, that every rival gives and stores the same documents."""

import datetime
import json
from email.utils import parsedate_to_datetime
from typing import Any

from bson import json_util
from pymongo import MongoClient

from bench import films, workloads
from bench.errors import BenchError
from bench.rivals import EVE, EVE_LEAN, Server, refuses_wrong_key
from bench.workloads import BATCH, BULK_WRITE, CHANGED, COUNT, FIND_EJSON, FIND_ONE, GET_MORE, INSERTED, MANY, WORKLOADS

_WRAPPERS = {"$oid": str, "$numberInt": int, "$numberLong": int, "$numberDouble": float}
_EVE_ADDS = {"_created", "_updated", "_status", "_etag", "_links"}


def check(server: Server, uri: str, numbers: list[int]) -> None:
    """Raise BenchError when this rival's answers are not those of the database."""
    if server.rival.checks_key and not refuses_wrong_key(server):
        raise BenchError(f"{server.rival.name} answers a wrong key")
    for workload in WORKLOADS:
        if INSERTED[workload]:
            _check_insert(server, workload, uri)
        elif CHANGED[workload]:
            _check_change(server, workload, uri, numbers)
        elif workload == COUNT:
            _check_count(server, numbers)
        elif workload == GET_MORE:
            _check_batch(server)
        else:
            _check_read(server, workload, numbers)


def _check_read(server: Server, workload: str, numbers: list[int]) -> None:
    call = server.call(workload)
    if call is None:
        return
    for n in numbers:
        requested = [films.film(n)] if workload == FIND_ONE else [films.film(n + i) for i in range(MANY)]
        answer = server.send(call.at(n))
        returned = [_plain(document) for document in _documents(answer.json())]
        _same(server, workload, returned, _expected(server, requested))
        if workload == FIND_EJSON:
            _same(server, workload, answer.json(), json.loads(_canonical({"documents": requested})))


def _check_batch(server: Server) -> None:
    call = server.call(GET_MORE)
    if call is not None:
        returned = [_plain(document) for document in _documents(server.send(call).json())]
        _same(server, GET_MORE, returned, _expected(server, [films.film(BATCH + i) for i in range(BATCH)]))


def _check_count(server: Server, numbers: list[int]) -> None:
    call = server.call(COUNT)
    if call is None:
        return
    for n in numbers:
        _same(server, COUNT, server.send(call.at(n)).json(), {"count": MANY})


def _check_change(server: Server, workload: str, uri: str, numbers: list[int]) -> None:
    call = server.call(workload)
    if call is None:
        return
    for n in numbers:
        those = range(n, n + CHANGED[workload])
        before = films.changed(uri, those)
        answer = server.send(call.at(n)).json()
        after = films.changed(uri, those)
        _same(server, workload, after, [film | {"votes": film["votes"] + 1} for film in before])
        if workload == BULK_WRITE:
            counts = {name: answer.get(name) for name in ("matchedCount", "modifiedCount")}
            _same(server, workload, counts, dict.fromkeys(counts, MANY))
        else:
            _same(server, workload, [_plain(answer.get("document"))], _expected(server, after))


def _check_insert(server: Server, workload: str, uri: str) -> None:
    call = server.call(workload)
    if call is None:
        return
    films.empty_written(uri)
    answer = server.send(call.at(0))
    if answer.status_code not in {200, 201}:
        raise BenchError(f"{server.rival.name} answers {workload} with {answer.status_code}: {answer.text}")
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        stored = list(client[films.DATABASE][films.WRITTEN].find(sort={"n": 1}))
    returned = [_plain({name: value for name, value in film.items() if name != "_id"}) for film in stored]
    _same(server, workload, returned, _expected(server, workloads.written_films(workload)))


def _documents(answer: dict[str, Any]) -> list[Any]:
    """Unwrap what the rivals wrap differently; Eve's single item is not wrapped at all."""
    for several in ("documents", "_items"):
        if several in answer:
            return list(answer[several])
    return [answer.get("document", answer)]


def _expected(server: Server, requested: list[dict[str, Any]]) -> list[Any]:
    if server.rival.name in {EVE, EVE_LEAN}:  # its date format ends at the second
        requested = [film | {"released": film["released"].replace(microsecond=0)} for film in requested]
    return [_plain(json.loads(_canonical(film))) for film in requested]


def _canonical(value: dict[str, Any]) -> str:
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)


def _plain(value: Any) -> Any:
    """Fold what the rivals write differently: types around numbers and ids, formats of dates, Eve's own fields."""
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (name, inner), *_ = value.items()
        if name in _WRAPPERS:
            return _WRAPPERS[name](inner)
    return {name: _field(name, inner) for name, inner in value.items() if name not in _EVE_ADDS}


def _field(name: str, value: Any) -> Any:
    return _moment(value) if name == "released" else _plain(value)


def _moment(value: Any) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, dict):
        value = value["$date"]
    if isinstance(value, dict):
        return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(
            milliseconds=int(value["$numberLong"])
        )
    return parsedate_to_datetime(value) if value.endswith("GMT") else datetime.datetime.fromisoformat(value)


def _same(server: Server, workload: str, returned: Any, expected: Any) -> None:
    if returned != expected:
        raise BenchError(f"{server.rival.name} answers {workload} differently: {returned} instead of {expected}")
