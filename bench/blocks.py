"""`python -m bench.blocks`: how long big calls keep a server's event loop from everybody else, by its processor."""

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import httpx
import orjson
from pymongo import MongoClient

from bench import films, machine, timed_server
from bench.rivals import DOZEN, OWNER, RIVALS, Server, Stable, make_key
from local import ports
from local.errors import LocalError
from local.mongod import Mongod

_PATH = "/app/bench/endpoint/data/v1/action/"
_DOCUMENTS = 50_000
_LARGE, _LARGE_DOCUMENTS = "large", 11
_WRITTEN = "written"
_MEGABYTES = 15


class BigCall(NamedTuple):
    """A call, sent so many times at once."""

    name: str
    action: str
    body: bytes
    times: int = 1
    accept: str = "application/json"
    rules: bool = True  # whether it is also sent by a caller to whom rules apply


def calls() -> Iterator[BigCall]:
    """Give the big calls that a process must stay calm under."""
    for number in (1_000, 10_000, _DOCUMENTS):
        yield BigCall(f"find {number:,}", "find", _body(films.READ, limit=number))
    yield BigCall(
        f"find {_DOCUMENTS:,} as EJSON", "find", _body(films.READ, limit=_DOCUMENTS), accept="application/ejson"
    )
    yield BigCall(f"10 x find {_DOCUMENTS:,}", "find", _body(films.READ, limit=_DOCUMENTS), 10, rules=False)
    yield BigCall(f"aggregate {_DOCUMENTS:,}", "aggregate", _body(films.READ, pipeline=[{"$match": {}}]))
    for times in (1, 5):
        name = f"{times} x find {_LARGE_DOCUMENTS} x {_MEGABYTES} MB"
        yield BigCall(name, "find", _body(_LARGE, limit=_LARGE_DOCUMENTS), times, rules=False)
    small = [{"title": f"name {n}", "n": n, "rating": 9 + n / 1e6, "director": {"name": "x"}} for n in range(100_000)]
    dated = [
        {"title": f"{n}", "released": {"$date": "2020-01-01T00:00:00Z"}, "n": n, "rating": 9} for n in range(100_000)
    ]
    yield BigCall("insertMany 100,000", "insertMany", _body(_WRITTEN, documents=small))
    yield BigCall("insertMany 100,000 with dates", "insertMany", _body(_WRITTEN, documents=dated))
    yield BigCall("3 x insertMany 100,000", "insertMany", _body(_WRITTEN, documents=small), 3, rules=False)
    for name, value in _values():
        yield BigCall(
            f"insertOne 15 MB of {name}", "insertOne", _body(_WRITTEN, document={"title": value, "rating": 9})
        )
    operands = {"n": -1, "$or": [{"n": {"$in": list(range(100_000))}}] * 10}
    yield BigCall("1,000,000 operands of $in", "find", _body(films.READ, filter=operands), rules=False)
    yield BigCall(
        "10 x insertOne 15 MB", "insertOne", _body(_WRITTEN, document={"title": "x" * 15_000_000}), 10, rules=False
    )


def _values() -> Iterator[tuple[str, object]]:
    yield "one text", "x" * (_MEGABYTES * 1_000_000)
    yield "texts", ["x" * 5_000] * (_MEGABYTES * 200)
    yield "numbers", [n / 7 for n in range(800_000)]
    yield "small documents", [{"a": n, "b": "text"} for n in range(350_000)]
    yield "canonical EJSON", [{"$numberDouble": "1.5"} for _ in range(500_000)]


def main() -> int:
    """Measure each in a process that has warmed up, and print a table."""
    try:
        with tempfile.TemporaryDirectory(prefix="dozen-bench-") as scratch, Mongod(Path(scratch)) as mongod:
            machine.leave_server_core()
            films.seed(mongod.uri, _DOCUMENTS)
            _seed_large(mongod.uri)
            stable = Stable(mongod.uri, make_key(mongod.uri, "--system"), Path(scratch), make_key(mongod.uri))
            print(f"{'call':36}{'longest block':>16}{'processor':>12}{'peak':>10}  under rules: the same")
            for call in calls():
                if not sys.argv[1:] or any(each in call.name for each in sys.argv[1:]):
                    ruled = _measured(stable, OWNER, call, mongod.uri) if call.rules else ""
                    print(f"{call.name:36}{_measured(stable, DOZEN, call, mongod.uri)}{ruled}", flush=True)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measured(stable: Stable, name: str, call: BigCall, uri: str) -> str:
    rival = next(each for each in RIVALS if each.name == name)
    server = stable.start(replace(rival, arguments=("-m", "bench.timed_server")))
    try:
        url = f"http://{ports.LOOPBACK}:{server.port}{_PATH}{call.action}"
        headers = {"apiKey": server.key, "Accept": call.accept, "Content-Type": "application/json"}
        before = _blocks(server)
        with ThreadPoolExecutor(call.times) as senders:
            sent = [
                senders.submit(httpx.post, url, headers=headers, content=call.body, timeout=120)
                for _ in range(call.times)
            ]
            answers = [each.result() for each in sent]
        after = _blocks(server)
        peak = machine.peak_mb(server.process.pid)
    finally:
        server.stop()
        with MongoClient[dict[str, object]](uri) as client:
            client[films.DATABASE][_WRITTEN].drop()
    seconds = after["processor"] - before["processor"]
    wrong = "".join(f" {each.text[:80]}" for each in answers if not each.is_success)
    return f"{after['longest'] * 1e3:13.0f} ms{seconds:10.2f} s{peak:7.0f} MB{wrong}"


def _blocks(server: Server) -> dict[str, float]:
    answer = httpx.get(f"http://{ports.LOOPBACK}:{server.port}{timed_server.PATH}", timeout=60)
    found: dict[str, float] = answer.json()
    return found


def _body(collection: str, **members: object) -> bytes:
    return orjson.dumps({"dataSource": "bench", "database": films.DATABASE, "collection": collection} | members)


def _seed_large(uri: str) -> None:
    with MongoClient[dict[str, object]](uri) as client:
        for n in range(_LARGE_DOCUMENTS):
            client[films.DATABASE][_LARGE].insert_one({"_id": n, "title": "x" * (_MEGABYTES * 1_000_000)})


if __name__ == "__main__":
    sys.exit(main())
