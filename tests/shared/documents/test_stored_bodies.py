"""Bodies whose documents native code reads to BSON are read as all others are, or declined."""

from collections.abc import Callable
from itertools import islice, pairwise
from math import isfinite
from random import Random
from struct import unpack
from typing import Any

import bson
import pytest
from bson import json_util
from bson.objectid import ObjectId
from hypothesis import given, settings

from bench.films import film
from shared.documents import ejson, replies, stored_bodies
from shared.documents.ejson import Document
from shared.documents.large_bodies import LARGE
from shared.documents.stored import Encoded, Stored
from shared.documents.transcoder import Reader
from shared.turns import FullCollections, at_once
from tests.bson_types import LEVELS, nested
from tests.depth import examples
from tests.hosts import ROOT
from tests.native import built_reader
from tests.shared.generated import documents
from tests.steps import share_of_longest
from tests.stored_bodies import cases, is_read

ONE, MANY, OLD = Stored("document"), Stored("documents", are_many=True), Stored("replacement", are_new=False)
OID = "65a1b2c3d4e5f60718293a4b"
MOST_NAMES = 128  # WINDOW and this are the reader's


@pytest.fixture(scope="session")
def reader() -> type[Reader]:
    return built_reader()


def loads(reader: type[Reader], body: str | bytes, stored: Stored = ONE, levels: int = 100) -> Document | None:
    body = body if isinstance(body, bytes) else body.encode()
    return at_once(stored_bodies.loads(reader, body, stored, levels, 1_000))


def raw(reader: type[Reader], document: str) -> bytes | None:
    """Return the bytes of a document with an _id more, as one of many; None if it is declined."""
    found = loads(reader, f'{{"documents":[{{}},{document.strip()[:-1]},"_id":1}}]}}', MANY)
    return None if found is None else found["documents"][1].raw


@pytest.mark.parametrize("seed", range(4))
def test_a_body_is_read_as_python_reads_it_or_declined(reader: type[Reader], seed: int) -> None:
    tried = [is_read(reader, case) for case in islice(cases(seed), examples(20_000))]

    assert sum(tried) > len(tried) / 10


@settings(derandomize=True, deadline=None, max_examples=examples(1_000))
@given(value=documents)
def test_any_document_is_stored_as_the_same_bytes_or_declined(reader: type[Reader], value: dict[str, Any]) -> None:
    text = replies.one_document(bson.encode(value), "EJSON", None).removeprefix(b'{"document":').removesuffix(b"}")
    body = b'{"documents":[{"_id":{"$oid":"%b"},"v":%b}]}' % (OID.encode(), text)

    found = loads(reader, body, MANY)

    expected = bson.encode(ejson.loads(body)["documents"][0])
    assert found is None or found == {"documents": [Encoded(expected, ObjectId(OID))]}


def names(number: int) -> str:
    """Return so many members of a document."""
    return ",".join(f'"{n}":{n}' for n in range(number))


USUAL = [
    pytest.param('{"a":null,"b":true,"c":false,"d":"x","e":[],"f":{}}', id="what JSON has"),
    pytest.param('{"a":[0,-0,1,-2147483648,2147483648,9223372036854775807,-9223372036854775808]}', id="integers"),
    pytest.param('{"a":[0.0,-0.0,0.1,1e5,-1.5E-7,1.7976931348623157e308,5e-324,9007199254740993.0]}', id="doubles"),
    pytest.param(r'{"a":"\"\\\/\b\f\n\r\t\u00e9\u2606\ud834\udd1eé☆𝄞\u0000"}', id="texts"),
    pytest.param(r'{"\u00e9":1,"☆":2,"":3,"a.b":4,"\"":5}', id="names"),
    pytest.param('{"$x":1,"a":{"$ref":"c","$id":{"$oid":"' + OID + '"},"$db":"d"}}', id="names with a dollar"),
    pytest.param('{"a":{"$oid":"' + OID + '"}}', id="ObjectId"),
    pytest.param('{"a":[{"$numberInt":"-7"},{"$numberLong":"5"},{"$numberDouble":"1.5"}]}', id="numbers"),
    pytest.param('{"a":[{"$numberDecimal":"-12.50"},{"$numberDecimal":"9999999999999999999"}]}', id="decimals"),
    pytest.param('{"a":{"$date":{"$numberLong":"-1"}},"b":{"$date":"2000-02-29T23:59:59.123Z"}}', id="dates"),
    pytest.param('{"a":{"$binary":{"base64":"AQID","subType":"04"}}}', id="binary data"),
    pytest.param(f"{{{names(MOST_NAMES - 1)}}}", id="many names"),
    pytest.param(' \t\r\n{ "a" : [ 1 , 2 ] , "b" : { "$oid" : "' + OID + '" } } ', id="spaces"),
]  # fmt: skip


@pytest.mark.parametrize("document", USUAL)
def test_what_is_usual_is_read(reader: type[Reader], document: str) -> None:
    assert raw(reader, document) == bson.encode({"_id": 1} | ejson.document(document.encode()))


def a_double(chance: Random) -> str:
    """Return a double as a text in one of many forms."""
    number = unpack("<d", chance.randbytes(8))[0] if chance.random() < 0.5 else chance.uniform(-1e6, 1e6)
    forms = ("%r", "%.3f", "%.17e", "%.1E", "%.25e")
    return chance.choice(forms) % number if isfinite(number) and number else "0.5"


def a_date(chance: Random) -> str:
    """Return a date from year 0 to 9999 in canonical form, often of a day that is a month's last, or one more."""
    day = chance.choice([chance.randint(1, 28), chance.randint(28, 31)])
    fraction = chance.choice(["", f".{chance.randrange(1000):03d}", f".{chance.randrange(10**9):09d}"])
    year = chance.choice([chance.randrange(10_000), chance.randrange(100) * 100])
    time = f"{chance.randrange(24):02d}:{chance.randrange(60):02d}:{chance.randrange(60):02d}{fraction}"
    return f'{{"$date":"{year:04d}-{chance.randint(1, 12):02d}-{day:02d}T{time}Z"}}'


@pytest.mark.parametrize("make", [a_double, a_date])
def test_numbers_and_dates_are_read_to_the_same_bits(reader: type[Reader], make: Callable[[Random], str]) -> None:
    texts = [f'{{"a":{make(Random(seed))}}}' for seed in range(examples(20_000))]

    read = [(made, text) for text in texts if (made := raw(reader, text)) is not None]

    assert len(read) > len(texts) * 0.8
    assert [made for made, _ in read] == [bson.encode({"_id": 1} | ejson.document(text.encode())) for _, text in read]


@pytest.mark.parametrize("options", [json_util.CANONICAL_JSON_OPTIONS, json_util.RELAXED_JSON_OPTIONS])
def test_documents_as_clients_send_them_are_read(reader: type[Reader], options: json_util.JSONOptions) -> None:
    films = [film(n) for n in range(100)]
    body = f'{{"database":"d","documents":{json_util.dumps(films, json_options=options)},"collection":"c"}}'.encode()

    found = loads(reader, body, MANY)

    assert found is not None
    assert list(found) == ["database", "documents", "collection"]
    assert found["documents"] == [Encoded(bson.encode(each), each["_id"]) for each in ejson.loads(body)["documents"]]


@pytest.mark.parametrize(
    ("stored", "value", "expected"),
    [
        pytest.param(ONE, '{"a":1,"_id":2,"b":{"_id":3}}', {"_id": 2, "a": 1, "b": {"_id": 3}}, id="an _id in between"),
        pytest.param(OLD, '{"a":1,"_id":2}', {"a": 1, "_id": 2}, id="a replacement keeps its order"),
        pytest.param(OLD, '{"a":1}', {"a": 1}, id="a replacement gets no _id"),
        pytest.param(OLD, "{}", {}, id="an empty replacement"),
    ],
)
def test_the_id_comes_first_in_what_is_new(
    reader: type[Reader], stored: Stored, value: str, expected: dict[str, Any]
) -> None:
    found = loads(reader, f'{{"{stored.member}":{value}}}', stored)

    assert found is not None
    assert found[stored.member].raw == bson.encode({"u": expected})[7:-1]


def test_new_documents_without_an_id_get_one_in_front(reader: type[Reader]) -> None:
    found = loads(reader, '{"documents":[{"a":1},{},{"_id":null},{"_id":"x"}]}', MANY)

    assert found is not None
    ids = [each.id for each in found["documents"]]
    assert [type(each) for each in ids] == [ObjectId, ObjectId, type(None), str]
    assert ids[0] < ids[1]
    assert [bson.decode(each.raw) for each in found["documents"]] == [
        {"_id": ids[0], "a": 1}, {"_id": ids[1]}, {"_id": None}, {"_id": "x"},
    ]  # fmt: skip
    assert list(bson.decode(found["documents"][0].raw)) == ["_id", "a"]


def test_new_ids_are_the_next_of_the_driver(reader: type[Reader]) -> None:
    first = ObjectId()
    found = loads(reader, f'{{"documents":[{"{}," * 2_500}{{}}]}}', MANY)
    last = ObjectId()

    assert found is not None
    ids = [first, *(each.id for each in found["documents"]), last]
    assert {each.binary[4:9] for each in ids} == {first.binary[4:9]}  # what tells processes apart
    counters = [int.from_bytes(each.binary[9:]) for each in ids]
    steps = {(after - before) % 2**24 for before, after in pairwise(counters)}
    assert min(steps) == 1
    assert max(steps) < 1_000


DECLINED = [
    pytest.param(ONE, '{"document":{"a":1,"a":2}}', id="a name twice"),
    pytest.param(ONE, r'{"document":{"a":1,"\u0061":2}}', id="a name twice, once escaped"),
    pytest.param(ONE, '{"document":{},"document":{}}', id="the member twice"),
    pytest.param(ONE, r'{"document":{},"docum\u0065nt":{}}', id="the member twice, once escaped"),
    pytest.param(ONE, '{"document":{},"a":{"$oid":1}}', id="a malformed wrapper beside it"),
    pytest.param(ONE, '{"document":{}}{}', id="something behind it"),
    pytest.param(ONE, '{"document":{} "a":1}', id="a comma that lacks"),
    pytest.param(ONE, '{"document":{"a":1}', id="a brace that lacks"),
    pytest.param(ONE, '{"document":{"a":1"b":2}}', id="a comma that lacks in it"),
    pytest.param(MANY, '{"documents":[{}{}]}', id="a comma that lacks between"),
    pytest.param(ONE, '{"document":[]}', id="an array"),
    pytest.param(ONE, '{"a":{"document":{}}}', id="a member of another"),
    pytest.param(MANY, '{"documents":[]}', id="no documents"),
    pytest.param(MANY, '{"documents":{}}', id="one document"),
    pytest.param(MANY, '{"documents":[{},1]}', id="something else than a document"),
    pytest.param(MANY, '{"documents":[{},]}', id="a comma too many"),
    pytest.param(OLD, '{"replacement":{"a":1,"$set":{}}}', id="an update operator"),
    pytest.param(OLD, r'{"replacement":{"\u0024set":{}}}', id="an update operator, escaped"),
    pytest.param(ONE, r'{"document":{"a":"\ud800"}}', id="half of a character"),
    pytest.param(ONE, r'{"document":{"a":"\udc00"}}', id="the other half"),
    pytest.param(ONE, r'{"document":{"a":"\ud800\u0041"}}', id="half of a character and another"),
    pytest.param(ONE, '{"document":{"a":{"$date":"1900-02-29T00:00:00Z"}}}', id="a day that never was"),
    pytest.param(ONE, '{"document":{"a":{"$numberDecimal":"12345678901234567890"}}}', id="a long decimal"),
    pytest.param(ONE, b'{"document":{"a":"\xed\xa0\x80"}}', id="half of a character, as bytes"),
    pytest.param(ONE, b'{"document":{"a":"\xc3"}}', id="text that is not UTF-8"),
    pytest.param(ONE, b'{"document":{"\xff":1}}', id="a name that is not UTF-8"),
    pytest.param(ONE, b'\xef\xbb\xbf{"document":{}}', id="a byte order mark"),
    pytest.param(ONE, r'{"document":{"a\u0000":1}}', id="a name with a NUL"),
    pytest.param(ONE, '{"document":{"a":{"$minKey":1}}}', id="a rare wrapper"),
    pytest.param(ONE, '{"document":{"a":{"b":1,"$oid":"' + OID + '"}}}', id="a wrapper that is not alone"),
    pytest.param(ONE, '{"document":{"a":18446744073709551616}}', id="an integer beyond int64"),
    pytest.param(ONE, f'{{"document":{{{names(MOST_NAMES + 1)}}}}}', id="too many names"),
    pytest.param(ONE, '{"document":{"a":"%s"}}' % ("x" * LARGE), id="a large document"),
    pytest.param(ONE, '{"a":"%s","document":{}}' % ("x" * LARGE), id="much in front of it"),
    pytest.param(OLD, '{"replacement":{},"filter":"%s"}' % ("x" * LARGE), id="much behind it"),
    pytest.param(MANY, '{"documents":[%s{}]}' % ('{"a":"x"},' * 50_000 + '{"a":01},'), id="the last of many"),
]  # fmt: skip


@pytest.mark.parametrize(("stored", "body"), DECLINED)
def test_what_is_not_usual_is_left_to_python(reader: type[Reader], stored: Stored, body: str | bytes) -> None:
    assert loads(reader, body, stored) is None


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in LEVELS if "huge" not in kind])
def test_levels_count_as_they_do_in_python(reader: type[Reader], kind: str) -> None:
    bodies = [f'{{"documents":[{{"a":{nested(kind, levels)}}}]}}' for levels in (7, 8)]

    assert loads(reader, bodies[0], MANY, 7) is not None
    assert loads(reader, bodies[1], MANY, 7) is None


def test_many_documents_are_read_in_steps(reader: type[Reader]) -> None:
    body = b'{"documents":[%b{"last":1}]}' % (b'{"n":1,"text":"%b"},' % (b"x" * 100) * 60_000)

    with FullCollections():
        assert share_of_longest(stored_bodies.loads(reader, body, MANY, 100, 1_000)) < 0.3
    found = loads(reader, body, MANY)
    assert found is not None
    assert (len(found["documents"]), bson.decode(found["documents"][-1].raw)["last"]) == (60_001, 1)


def test_the_decision_tells_the_limits() -> None:
    source = (ROOT / "native/dozen_transcode/reader.pyx").read_text()
    decision = next((ROOT / "docs/decisions").glob("0036-*")).read_text()

    assert f"MOST_NAMES = {MOST_NAMES} " in source
    assert f"more than {MOST_NAMES} names" in decision
    assert "WINDOW = 128 * 1024 " in source
    assert f"a window of {LARGE // 1024} KB" in decision
    assert "MOST_AT_ONCE = 1_000 " in source
    assert "After 64 KB, or a thousand documents," in decision
