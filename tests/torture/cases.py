"""Random requests for hypothesis: calls that mean something, changed in their structure and their text."""

import copy
import gzip
import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from bson import json_util
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from shared.operators import TABLES
from shared.options import OPTIONS
from tests.shared import generated
from tests.twins import calls
from tests.twins.documents import document
from tests.twins.host import COLLECTIONS, DATABASES

_SPREAD = 2**32
_VARIANTS = 8  # of calls with the same changes: hypothesis takes longer for an example than all else
_RAW = [
    "[" * 150 + "]" * 150,
    '{"a":' * 150 + "1" + "}" * 150,
    '{"a":1,"a":2}',
    '{"":{"":0}}',
    '"\\ud800"',
    '"\\u0000"',
    '{"\\u0000":1}',
    "1e400",
    "-0",
    "01",
    "NaN",
    "Infinity",
    "9" * 400,
    "0." + "1" * 400,
    f'"{"x" * 5_000}"',
    f"[{','.join(['{}'] * 2_000)}]",
    "{" + ",".join(f'"a{number}":1' for number in range(500)) + "}",
    '{"$oid":"x"}',
    '{"$oid":"5f0000000000000000000001","x":1}',
    '{"$numberInt":"2147483648"}',
    '{"$numberLong":"-9223372036854775809"}',
    '{"$numberLong":1}',
    '{"$numberDouble":"1e400"}',
    '{"$numberDecimal":"1E+6200"}',
    '{"$numberDecimal":"sNaN"}',
    '{"$date":{"$numberLong":"9223372036854775807"}}',
    '{"$date":"99999-01-01T00:00:00Z"}',
    '{"$date":"2024-02-30T25:61:61Z"}',
    '{"$binary":{"base64":"=","subType":"00"}}',
    '{"$binary":{"base64":"AAAA","subType":"02"}}',
    '{"$uuid":"x"}',
    '{"$timestamp":{"t":-1,"i":0}}',
    '{"$timestamp":{"t":4294967296,"i":0}}',
    '{"$regex":"(","$options":"zz"}',
    '{"$regularExpression":{"pattern":"(a+)+$","options":"i"}}',
    '{"$code":"x","$scope":{"$oid":1}}',
    '{"$dbPointer":{"$ref":"a","$id":1}}',
    '{"$ref":"a","$id":1,"$db":1}',
    '{"$minKey":2}',
    '{"$undefined":true}',
    '{"$symbol":1}',
    '{"$where":"while(1){}"}',
    '{"$expr":{"$function":{"body":"x","args":[],"lang":"js"}}}',
]
_MARK = "<raw>"
_ACTIONS = [*(dict(calls.READS) | dict(calls.ALL)).items()]
_ODD: list[Any] = [None, True, -1, 1.5, 2**63 - 1, "", "\0", "$x", [], [1], {}, {"a": {"$gt": 1}}, {"": None}]
_OPTIONS: dict[str, list[Any]] = {
    "allowDiskUse": [True],
    "allowPartialResults": [True, False],
    "batchSize": [0, 1, 2.0, 10**9],
    "bypassDocumentValidation": [True, False],
    "collation": [{"locale": "en", "strength": 2}, {"locale": "simple"}, {"locale": "xx"}, {"strength": 1}],
    "comment": ["x", {"a": [1, None]}, 5],
    "hint": ["_id_", {"_id": 1}, {"a": "text"}, {"a": 1.0}],
    "let": [{"v": 1}, {"v": {"$add": ["$secret", 1]}}, {"v": "$$ROOT"}],
    "maxTimeMS": [0, 50, 10_000.0],
    "ordered": [True, False],
    "readConcern": [{"level": "majority"}, {"level": "snapshot"}, {"level": "x"}],
    "readPreference": [
        "nearest",
        {"mode": "secondaryPreferred", "tagSets": [{"a": "b"}, {}]},
        {"mode": "primary", "tagSets": [{}]},
    ],
    "writeConcern": [{"w": 1, "j": True, "wtimeout": 100}, {"w": "majority"}, {"w": 0}, {"wtimeoutMS": 1.5}],
}
_NAMES = [
    *sorted({name for table in TABLES for name in table}),
    "", "a", "_id", "$", "$$ROOT", "a.b", "a..b", ".", "a.", "0", "secret", "filter", "limit", "upsert", "x" * 300,
    "a." * 150 + "a", "__proto__",
]  # fmt: skip
_WRAPPERS = [
    "$not",
    "$elemMatch",
    "$in",
    "$literal",
    "$each",
    "$expr",
    "$and",
    "$size",
    "$slice",
    "$cond",
    "$set",
    "$let",
]
_LINES = [
    "Accept: application/ejson",
    "Accept: application/json;q=0, */*;q=x",
    "Accept: " + ",".join(["a/b;q=0.5"] * 200),
    "Accept: application/x-ndjson;format=ejson",
    "Accept: text/csv, */*;q=0.1",
    'Accept: text/csv;format="x";q=1e9',
    "Content-Type: application/ejson",
    "Content-Type: text/plain; charset=utf-16",
    "Origin: http://x",
    "Origin: null",
    'If-None-Match: W/"x", *',
    "If-None-Match: *",
    "If-Match: *",
    'If-Match: "x", W/"y", "' + "z" * 2_000 + '"',
    'If-Match: "' + '","' * 1_000,
    "Content-Encoding: identity",
    "Content-Encoding: deflate",
    "Content-Encoding: gzip, gzip",
    "X-Forwarded-For: " + "1.1.1.1, " * 100,
    "traceparent: 00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    "Cookie: " + "x" * 3_000,
    "email: a@b.c",
    "Authorization: Bearer x.y.z",
    "jwtTokenString: e30.e30.e30",
    "Expect: 100-continue",
    "Connection: keep-alive, x",
]  # fmt: skip
_PATHS = ["findone", "FIND", "find/", "find%20", "%66ind", "nothing", "", "../action/find", "find?x=%zz&apiKey=1"]


class Case(NamedTuple):
    """A request: an action, or another end of its path, its body, more lines of its head, and who sends it."""

    action: str
    body: bytes
    lines: tuple[str, ...]
    path: str
    is_system: bool

    def request(self, system_key: str, key: str) -> bytes:
        """Return it as bytes; the connection is kept."""
        head = [
            f"POST /app/twin-abcde/endpoint/data/v1/action/{self.path or self.action} HTTP/1.1",
            "Host: x",
            f"apiKey: {system_key if self.is_system else key}",
            *self.lines,
            f"Content-Length: {len(self.body)}",
        ]
        return "\r\n".join([*head, "", ""]).encode() + self.body


def cases(number: int, first_seed: int) -> list[Case]:
    """Return so many cases, the same for the same seed."""
    made: list[Case] = []

    @seed(first_seed)
    @settings(
        max_examples=-(-number // _VARIANTS),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests)
    def collect(some: list[Case]) -> None:
        made.extend(some)

    collect()
    return made[:number]


def _cases(number: int, *rest: Any) -> list[Case]:
    return [_case(number + variant, *rest) for variant in range(_VARIANTS)]


def _case(number: int, changes: list[Any], edits: list[Any], lines: list[str], path: str, who: int) -> Case:
    random = Random(number)
    call = calls.call(random, _POOL, _ACTIONS)
    names = {
        "dataSource": "mongodb-atlas",
        "database": random.choice(DATABASES),
        "collection": random.choice([*COLLECTIONS]),
    }
    body: dict[str, Any] = {**names, **copy.deepcopy(call["body"])}
    if random.random() < 0.3:
        name = random.choice([*OPTIONS])
        body[name] = copy.deepcopy(random.choice(_OPTIONS.get(name, _ODD)))
    if random.random() < 0.05:
        body[random.choice([*_OPTIONS])] = copy.deepcopy(random.choice(_ODD))
    raw: list[str] = []
    for change in changes:
        _change(body, raw, *change)
    is_system = (who + number) % 3 == 0
    options = random.choice([json_util.CANONICAL_JSON_OPTIONS, json_util.RELAXED_JSON_OPTIONS])
    text = json_util.dumps(body, json_options=options)
    for each in raw:
        text = text.replace(json.dumps(_MARK), each, 1)
    data = text.encode()
    for edit in edits:
        data = _edited(data, *edit)
    if "Content-Encoding: gzip" in lines:
        data = gzip.compress(data)
    return Case(call["action"], data, tuple(lines), path, is_system=is_system)


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give each place of a body, as its holder and its key."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield value, key
        yield from _nodes(each)


def _change(body: dict[str, Any], raw: list[str], kind: str, at: int, new: Any) -> None:
    """Change the structure of a body at one place."""
    places = list(_nodes(body))
    if not places:
        return
    holder, key = places[at % len(places)]
    if kind == "put":
        holder[key] = copy.deepcopy(new)
    elif kind == "raw":
        raw.append(new)
        holder[key] = _MARK
    elif kind == "drop":
        del holder[key]
    elif kind == "wrap":
        holder[key] = [holder[key]] if new is None else {new: holder[key]}
    elif kind == "name" and isinstance(holder, dict):
        holder[new] = holder.pop(key)
    elif kind == "repeat":
        holder[key] = [holder[key]] * 20


def _edited(data: bytes, kind: str, at: int, new: bytes) -> bytes:
    """Change the text of a body at one place."""
    at %= len(data) + 1
    if kind == "cut":
        return data[:at]
    if kind == "drop":
        return data[:at] + data[at + len(new) :]
    return data[:at] + new + data[at:]


def _pool() -> calls.Pool:
    random = Random(0)
    found = [document(random, number, composed_id=number == 1) for number in range(1, 8)]
    paths = [pair for each in found for pair in calls.paths(each)]
    return calls.Pool(
        [name for name, _ in paths], ["secret", "a.secret", "b.secret"], [value for _, value in paths], False
    )


_POOL = _pool()
_at = st.integers(0, _SPREAD)
_changes = st.one_of(
    st.tuples(st.just("put"), _at, generated.documents),
    st.tuples(st.just("raw"), _at, st.sampled_from(_RAW)),
    st.tuples(st.just("name"), _at, st.sampled_from(_NAMES)),
    st.tuples(st.just("wrap"), _at, st.none() | st.sampled_from(_WRAPPERS)),
    st.tuples(st.sampled_from(["drop", "repeat"]), _at, st.none()),
)
_edits = st.tuples(st.sampled_from(["cut", "drop", "put"]), _at, st.binary(min_size=1, max_size=4))
requests = st.builds(
    _cases,
    _at,
    st.lists(_changes, max_size=3),
    st.just([]) | st.lists(_edits, max_size=2),
    st.just([]) | st.lists(st.sampled_from([*_LINES, "Content-Encoding: gzip"]), max_size=2, unique=True),
    st.sampled_from([""] * 20 + _PATHS),
    st.integers(0, 11),
)
"""Requests of all kinds, most of them nearly right."""
