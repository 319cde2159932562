"""Extended JSON of a request -> BSON: the table of types, what is refused, and what is left alone."""

import json
import time
import timeit
from collections.abc import Callable
from struct import pack
from typing import Any

import bson
import orjson
import pytest
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import given, settings

from shared.documents import ejson, replies
from shared.errors import InvalidJSONError
from shared.turns import FullCollections
from tests.bson_types import LEVELS, OID, ROWS, Row, cases, document, element, nested, text
from tests.depth import examples
from tests.shared.generated import documents
from tests.work import is_linear

FORMS = [
    pytest.param(form, row.bson, id=f"{row.name}, form {number}")
    for row in ROWS
    for number, form in enumerate(row.requests, 1)
]


def read(value: str) -> Any:
    """Return what a value in a request's document becomes."""
    return ejson.loads(f'{{"document":{{"v":{value}}}}}'.encode())["document"]["v"]


@pytest.mark.parametrize(("form", "expected"), FORMS)
def test_every_form_of_a_type_is_stored_exactly(form: str, expected: bytes) -> None:
    assert bson.encode({"v": read(form)}) == expected


@pytest.mark.parametrize("row", cases(ROWS))
def test_a_type_is_read_the_same_inside_arrays_and_documents(row: Row) -> None:
    body = f'{{"document":{{"list":[{{"v":{row.as_ejson}}},{row.as_ejson}],"last":{row.as_ejson}}}}}'

    stored = bson.encode(ejson.loads(body.encode())["document"])

    inner = document(element(0x03, row.bson, "0"), element(row.kind, row.payload, "1"))
    assert stored == document(element(0x04, inner, "list"), element(row.kind, row.payload, "last"))


@settings(derandomize=True, deadline=None, max_examples=examples(400))
@given(documents)
def test_any_document_comes_back_as_the_same_bytes(value: dict[str, Any]) -> None:
    stored = bson.encode(value)

    read_back = ejson.loads(replies.one_document(stored, "EJSON", None))["document"]

    assert bson.encode(read_back) == stored


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param('{"$symbol":"s"}', document(element(0x02, text("s"))), id="a symbol becomes a string"),
        pytest.param('{"$undefined":true}', document(element(0x0A)), id="undefined becomes null"),
        pytest.param(
            f'{{"$dbPointer":{{"$ref":"c","$id":{{"$oid":"{OID}"}}}}}}',
            bson.encode({"v": DBRef("c", ObjectId(OID))}),
            id="a DBPointer becomes a DBRef",
        ),
        pytest.param(
            f'{{"$dbPointer":{{"$id":{{"$oid":"{OID}"}},"$ref":"c"}}}}',
            bson.encode({"v": DBRef("c", ObjectId(OID))}),
            id="a DBPointer in the other order",
        ),
        pytest.param('{"$numberInt":"-0"}', document(element(0x10, bytes(4))), id="int32 -0 is 0"),
        pytest.param('{"$numberInt":"007"}', document(element(0x10, pack("<i", 7))), id="leading zeros"),
        pytest.param('{"$numberDouble":"1.e5"}', document(element(0x01, pack("<d", 1e5))), id="a point before e"),
        pytest.param('{"$numberDouble":"1e-400"}', document(element(0x01, bytes(8))), id="too small is 0.0"),
        pytest.param("1e-400", document(element(0x01, bytes(8))), id="a literal too small is 0.0"),
        pytest.param('{"$numberDecimal":"-NaN"}', document(element(0x13, bytes(15) + b"\xfc")),
        id="a NaN keeps its sign"),
        pytest.param('{"$date":"-000000-01-01T00:00:00Z"}', document(element(9, pack("<q", -62167219200000))),
        id="year -0"),
        pytest.param('{"$date":"+002022-01-12"}', document(element(9, pack("<q", 1641945600000))), id="a long year"),
        pytest.param('{"v":1,"v":"last"}', document(element(3, document(element(2, text("last"))))),
        id="the last of equal keys"),
        pytest.param('{"$oid":"x","$oid":"' + OID + '"}', document(element(7, bytes.fromhex(OID))),
        id="the last of equal wrappers"),
        pytest.param(r'{"\u0024oid":"' + OID + '"}', document(element(7, bytes.fromhex(OID))), id="an escaped dollar"),
        pytest.param('{"$ref":"c","$id":1}', document(element(3, document(element(2, text("c"), "$ref"), element(16,
        pack("<i", 1), "$id")))), id="a DBRef with a number"),
    ],
)  # fmt: skip
def test_requests_lose_what_the_driver_cannot_hold(given: str, expected: bytes) -> None:
    assert bson.encode({"v": read(given)}) == expected


MALFORMED = {
    "$oid": [
        '"zzz"', '""', '1', 'null', '{}', f'"{OID}0"', f'"{OID[1:]}"', f'"{OID[1:]}g"', f'" {OID[2:]} "', f'"{OID}\\n"',
        f'["{OID}"]', f'{{"$oid":"{OID}"}}', '"\uff165a1b2c3d4e5f60718293a4b"',
    ],
    "$numberInt": [
        '1', '1.0', 'null', 'true', '""', '"x"', '"1.0"', '"1e3"', '" 1"', '"1 "', '"+1"', '"0x1"', '"1_0"', '"\u0661"',
        '"1\\n"',
        '"--1"', '"2147483648"', '"-2147483649"', '"99999999999999999999999"', '[]', '{}', '{"$numberInt":"1"}',
    ],
    "$numberLong": [
        '1', '1.0', 'null', 'true', '""', '"x"', '"1.0"', '"1e3"', '" 1"', '"+1"', '"9223372036854775808"',
        '"-9223372036854775809"', '"123456789012345678901"', '[]', '{}', '{"$numberLong":"1"}',
    ],
    "$numberDouble": [
        '1', '1.5', 'null', '""', '"x"', '" 1"', '"1 "', '"+1"', '".5"', '"."', '"1,5"', '"1e"', '"1_0"', '"0x1p3"',
        '"inf"',
        '"nan"', '"-NaN"', '"+Infinity"', '"infinity"', '"1e309"', '"-1e400"', '[]', '{}',
    ],
    "$numberDecimal": [
        '1', '1.5', 'null', '""', '"x"', '" 1"', '"1 "', '"1,5"', '"1_0"', '"E1"', '"1e"', '"."', '"0x1"', '"sNaN"',
        '"NaN1"',
        '"Infinit"', '"--1"', '"12345678901234567890123456789012345"', '"1E6145"', '"1E-6177"', '"1E+99999999999"',
        '"1.00000000000000000000000000000000001"', '[]', '{}',
    ],
    "$binary": [
        'null', '1', '""', '"AQID"', '[]', '{}', '{"base64":"AQID"}', '{"subType":"00"}', '{"base64":1,"subType":"00"}',
        '{"base64":"AQID","subType":0}', '{"base64":"AQID","subType":""}', '{"base64":"AQID","subType":"000"}',
        '{"base64":"AQID","subType":"100"}', '{"base64":"AQID","subType":"0g"}', '{"base64":"AQID","subType":"-1"}',
        '{"base64":"AQID","subType":"00","x":1}', '{"base64":"AQ","subType":"00"}', '{"base64":"AQI","subType":"00"}',
        '{"base64":"A?ID","subType":"00"}', '{"base64":"AQ ID","subType":"00"}', '{"base64":"AQ_-","subType":"00"}',
        '{"base64":"AQ==ID==","subType":"00"}', '{"base64":"é","subType":"00"}', '{"base64":"====","subType":"00"}',
    ],
    "$uuid": [
        'null', '1', '""', '"00112233445566778899aabbccddeeff"', '"00112233-4455-6677-8899-aabbccddeef"',
        '"00112233-4455-6677-8899-aabbccddeeffa"', '"{00112233-4455-6677-8899-aabbccddeeff}"',
        '"0011223-34455-6677-8899-aabbccddeeff"', '"0011223g-4455-6677-8899-aabbccddeeff"', '{}',
    ],
    "$timestamp": [
        'null', '1', '"1"', '[1,2]', '{}', '{"t":1}', '{"i":1}', '{"t":1,"i":2,"x":3}', '{"t":-1,"i":0}',
        '{"t":0,"i":-1}',
        '{"t":4294967296,"i":0}', '{"t":0,"i":4294967296}', '{"t":"1","i":"2"}', '{"t":1.0,"i":2}', '{"t":true,"i":2}',
        '{"t":null,"i":2}', '{"t":{"$numberInt":"1"},"i":2}', '{"t":18446744073709551616,"i":0}',
    ],
    "$date": [
        'null', 'true', '""', '"x"', '[]', '{}', '1.5', '1e300', '9223372036854775808', '-1e19',
        '{"$numberInt":"1"}', '{"$numberDouble":"1"}', '{"$numberLong":1}', '{"$numberLong":"x"}',
        '{"$numberLong":"9223372036854775808"}', '{"$numberLong":"1","x":1}', '"2021-02-29"', '"1900-02-29T00:00:00Z"',
        '"2022-00-01"', '"2022-13-01"', '"2022-04-31"', '"2022-01-00"', '"2022-01-01T24:00:00Z"',
        '"2022-01-01T23:60:00Z"',
        '"2022-01-01T23:59:60Z"', '"2022-01-01T00:00:00.Z"', '"2022-01-01T00:00:00+24:00"',
        '"2022-01-01T00:00:00+01:60"',
        '"2022-01-01T00:00:00 +01:00"', '"2022-01-01T00:00:00ZZ"', '"2022-01-01T00:00:00Z\\n"', '" 2022-01-01"',
        '"2022-1-1"',
        '"2022-01-01T00"', '"2022-01-01Z"', '"22-01-01"', '"12022-01-01"', '"+2022-01-01"', '"-2022-01-01"',
        '"20220101"',
        '"2022-01-01T000000Z"', '"+0002022-W01-1"', '"+292278994-08-17T07:12:55.808Z"',
        '"-292275055-05-16T16:47:04.191Z"',
        '"+999999999-01-01T00:00:00Z"', '"2022-01-01T00:00:00 UTC"', '"Wed, 12 Jan 2022 02:33:23 GMT"',
        '"\uff12022-01-01"',
    ],
    "$minKey": ['null', '0', '2', 'true', '1.0', '"1"', '{}', '{"$numberInt":"1"}'],
    "$maxKey": ['null', '0', '-1', 'true', '1.0', '"1"', '{}', '{"$numberInt":"1"}'],
    "$undefined": ['false', 'null', '1', '"true"', '{}'],
    "$symbol": ['null', '1', '{}', '["s"]'],
    "$code": ['null', '1', '{}', '["f"]', '{"$symbol":"f"}'],
    "$regularExpression": [
        'null', '"p"', '[]', '{}', '{"pattern":"p"}', '{"options":"i"}', '{"pattern":1,"options":""}',
        '{"pattern":"p","options":1}', '{"pattern":"p","options":null}', '{"pattern":"p","options":"","x":1}',
        '{"pattern":"p","options":"g"}', '{"pattern":"p","options":"I"}', '{"pattern":"p","options":"ii"}',
        '{"pattern":"p","options":"i "}', '{"pattern":"p\\u0000q","options":""}', '{"pattern":"p","options":"\\u0000"}',
    ],
    "$dbPointer": [
        'null', '"c"', '[]', '{}', '{"$ref":"c"}', f'{{"$id":{{"$oid":"{OID}"}}}}', f'{{"$ref":"c","$id":"{OID}"}}',
        f'{{"$ref":1,"$id":{{"$oid":"{OID}"}}}}', '{"$ref":"c","$id":{"$oid":"x"}}', '{"$ref":"c","$id":{}}',
        f'{{"$ref":"c","$id":{{"$oid":"{OID}","x":1}}}}', f'{{"$ref":"c","$id":{{"$oid":"{OID}"}},"$db":"d"}}',
        '{"$ref":"c","$id":1}', '{"$ref":"c","$id":null}',
    ],
}  # fmt: skip
"""For each wrapper, operands that it must not have."""

WHOLE = [
    '{"$binary":"AQID","$type":0}', '{"$binary":"AQID","$type":"000"}', '{"$binary":"AQID","$type":"x"}',
    '{"$binary":"AQ","$type":"00"}', '{"$binary":"AQID","$type":"00","x":1}', '{"$binary":"AQID","$subType":"00"}',
    '{"$binary":{"base64":"AQID","subType":"00"},"$type":"00"}', '{"$code":"f","$scope":null}',
    '{"$code":"f","$scope":1}',
    '{"$code":"f","$scope":[]}', '{"$code":"f","$scope":"s"}', f'{{"$code":"f","$scope":{{"$oid":"{OID}"}}}}',
    '{"$code":"f","$scope":{"a":{"$numberInt":1}}}', '{"$code":"f","$scope":{},"x":1}', '{"$code":1,"$scope":{}}',
    '{"$numberInt":"1","$numberLong":"1"}', '{"$minKey":1,"$maxKey":1}', '{"$date":0,"$oid":"' + OID + '"}',
]  # fmt: skip
"""Wrappers that are wrong as a whole."""

WELL_FORMED = {
    "$oid": f'"{OID}"', "$numberInt": '"1"', "$numberLong": '"1"', "$numberDouble": '"1"', "$numberDecimal": '"1"',
    "$binary": '{"base64":"AQID","subType":"00"}', "$uuid": '"00112233-4455-6677-8899-aabbccddeeff"',
    "$timestamp": '{"t":1,"i":2}', "$date": '"2022-01-12T02:33:23Z"', "$minKey": "1", "$maxKey": "1",
    "$undefined": "true",
    "$symbol": '"s"', "$code": '"f"', "$regularExpression": '{"pattern":"p","options":""}',
    "$dbPointer": f'{{"$ref":"c","$id":{{"$oid":"{OID}"}}}}',
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrapper", "value"),
    [
        pytest.param(wrapper, f'{{"{wrapper}":{operand}}}', id=f"{wrapper} {operand}"[:80])
        for wrapper, operands in MALFORMED.items()
        for operand in operands
    ],
)
def test_a_malformed_wrapper_is_refused_by_name(wrapper: str, value: str) -> None:
    with pytest.raises(InvalidJSONError) as refused:
        read(value)

    assert str(refused.value).startswith("invalid JSON: malformed $")


@pytest.mark.parametrize("value", WHOLE)
def test_a_wrapper_must_be_right_as_a_whole(value: str) -> None:
    with pytest.raises(InvalidJSONError, match="malformed"):
        read(value)


@pytest.mark.parametrize(("wrapper", "operand"), [pytest.param(*item, id=item[0]) for item in WELL_FORMED.items()])
def test_a_well_formed_wrapper_is_taken(wrapper: str, operand: str) -> None:
    assert not isinstance(read(f'{{"{wrapper}":{operand}}}'), dict)


@pytest.mark.parametrize("shape", ['{{"{0}":{1},"x":1}}', '{{"x":1,"{0}":{1}}}', '{{"{0}":{1},"":null}}'])
@pytest.mark.parametrize(("wrapper", "operand"), [pytest.param(*item, id=item[0]) for item in WELL_FORMED.items()])
def test_a_wrapper_with_another_member_is_refused(wrapper: str, operand: str, shape: str) -> None:
    with pytest.raises(InvalidJSONError, match=f"malformed \\{wrapper}"):
        read(shape.format(wrapper, operand))


@pytest.mark.parametrize("place", ["[{}]", '{{"a":{}}}', '[[{{"a":[{}]}}]]', '{{"$code":"f","$scope":{{"a":{}}}}}'])
def test_a_malformed_wrapper_is_found_at_every_depth(place: str) -> None:
    with pytest.raises(InvalidJSONError, match="malformed"):
        read(place.format('{"$oid":"zzz"}'))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"documents":[{"_id":{"$oid":"zzz"}}]}', id="documents"),
        pytest.param('{"filter":{"$or":[{"_id":{"$oid":"zzz"}}]}}', id="filter"),
        pytest.param('{"update":{"$set":{"a":{"$oid":"zzz"}}}}', id="update"),
        pytest.param('{"pipeline":[{"$match":{"_id":{"$oid":"zzz"}}}]}', id="pipeline"),
        pytest.param('{"limit":{"$numberInt":5}}', id="limit"),
        pytest.param('{"unknown":{"$oid":"zzz"}}', id="a member that nobody reads"),
    ],
)
def test_a_malformed_wrapper_is_found_in_every_member(body: str) -> None:
    with pytest.raises(InvalidJSONError, match="malformed"):
        ejson.loads(body.encode())


KEPT = [
    '{"$regex":"^a"}', '{"$regex":"^a","$options":"i"}', '{"$options":"i","$regex":"^a"}',
    '{"$regex":"^a","$nin":["abc"]}', '{"$regex":"^a","$options":"zz"}', '{"$regex":{"a":1}}', '{"$options":"i"}',
    '{"$type":"string"}', '{"$type":["int","long"]}', '{"$type":5}', '{"$type":"05"}', '{"$scope":{}}',
    '{"base64":"AQID"}',
    '{"$ref":"c","$id":"1"}', '{"$subtype":"00"}', '{"$NumberInt":"1"}', '{"$oid ":"x"}', '{"oid":"x"}', '{"$":1}',
    '{"":1}',
    '{"$numberlong":"1"}', '{"$set":{"$inc":1}}', '{"a.b":1}', '{"$and":[{"$or":[]}]}', '{"$unknown":{"$word":null}}',
]  # fmt: skip


@pytest.mark.parametrize("value", KEPT)
def test_operators_and_unknown_words_stay_as_they_are(value: str) -> None:
    read_value = read(value)

    assert read_value == json.loads(value)
    assert list(read_value) == list(json.loads(value))


def test_a_regex_operator_keeps_every_condition_beside_it() -> None:
    condition = read('{"$regex":"^a","$options":"i","$nin":["abc"],"$exists":true}')

    assert list(condition.items()) == [("$regex", "^a"), ("$options", "i"), ("$nin", ["abc"]), ("$exists", True)]


def test_a_regex_operator_may_hold_a_regular_expression() -> None:
    condition = read('{"$regex":{"$regularExpression":{"pattern":"^a","options":"i"}},"$ne":"a"}')

    assert list(condition) == ["$regex", "$ne"]
    assert condition["$regex"].pattern == "^a"


def test_the_operator_type_is_no_part_of_a_binary() -> None:
    condition = read('{"$type":"binData","$ne":{"$binary":{"base64":"","subType":"00"}}}')

    assert condition == {"$type": "binData", "$ne": Binary(b"", 0)}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param('{"filter":{"$expr":{"$gt":["$at",{"$date":0}]}}}',
        lambda body: body["filter"]["$expr"]["$gt"][1], id="$expr"),
        pytest.param('{"pipeline":[{"$match":{"at":{"$date":0}}}]}', lambda body: body["pipeline"][0]["$match"]["at"],
        id="$match"),
        pytest.param('{"update":{"$set":{"at":{"$date":0}}}}', lambda body: body["update"]["$set"]["at"], id="$set"),
        pytest.param('{"arrayFilters":[{"x.at":{"$lt":{"$date":0}}}]}',
        lambda body: body["arrayFilters"][0]["x.at"]["$lt"], id="arrayFilters"),
        pytest.param('{"update":[{"$set":{"at":{"$date":0}}}]}', lambda body: body["update"][0]["$set"]["at"],
        id="an update pipeline"),
    ],
)  # fmt: skip
def test_a_date_inside_operators_is_a_date(body: str, place: Callable[[Any], Any]) -> None:
    assert place(ejson.loads(body.encode())) == DatetimeMS(0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(b'[{"$numberLong":"1"},{"a":{"$date":0}}]', [1, {"a": DatetimeMS(0)}], id="an array"),
        pytest.param(b'{"$date":0}', DatetimeMS(0), id="a wrapper"),
        pytest.param(b'{"a":[1]}', {"a": [1]}, id="an object"),
        pytest.param(b" 9223372036854775808 ", 2.0**63, id="a number beyond int64"),
        pytest.param(b"null", None, id="null"),
    ],
)
def test_a_text_may_hold_any_value(text: bytes, value: Any) -> None:
    assert ejson.value(text) == value


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":1},{"b":2}', b'{"a\\u0000":1}', b'[{"$oid":"1"}]'])
def test_a_text_that_is_no_value_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidJSONError, match=r"^invalid JSON: "):
        ejson.value(text)


def test_of_what_is_no_object_that_is_said_first() -> None:
    with pytest.raises(InvalidJSONError, match="it must be an object"):
        ejson.loads(b'[{"a\\u0000":1}]')


def test_what_is_wrong_is_said_without_a_place_until_the_place_is_known() -> None:
    with pytest.raises(InvalidJSONError) as refused:
        ejson.document(b"[1]")

    assert str(refused.value) == "invalid JSON: it must be an object"
    assert str(refused.value.in_body()) == "invalid JSON in request body: it must be an object"


def test_an_empty_object_is_a_body() -> None:
    assert ejson.loads(b" {} ") == {}


def test_a_member_of_the_body_may_be_wrapped_itself() -> None:
    body = ejson.loads(b'{"limit":{"$numberLong":"5"},"skip":{"$numberInt":"1"},"sort":{"a":{"$numberDouble":"-1"}}}')

    assert body == {"limit": Int64(5), "skip": 1, "sort": {"a": -1.0}}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"), pytest.param(b" \n", id="white space"), pytest.param(b"\xef\xbb\xbf{}",
        id="a BOM"),
        pytest.param('{"a":1}'.encode("utf-16"), id="UTF-16"), pytest.param(b'{"a":"\xff"}', id="invalid UTF-8"),
        pytest.param(b'{"a":"\xc0\x80"}', id="overlong UTF-8"), pytest.param(b'{"a":"\xed\xa0\x80"}',
        id="a surrogate in UTF-8"),
        pytest.param(rb'{"a":"\ud800"}', id="a lone surrogate"), pytest.param(rb'{"a":"\udc00\ud800"}',
        id="surrogates reversed"),
        pytest.param(rb'{"\ud800":1}', id="a lone surrogate in a key"), pytest.param(rb'{"a":"\x41"}',
        id="a wrong escape"),
        pytest.param(b"null", id="null"), pytest.param(b"[]", id="an array"), pytest.param(b"[{}]",
        id="an array of objects"),
        pytest.param(b"1", id="a number"), pytest.param(b'"{}"', id="a string"), pytest.param(b"true", id="true"),
        pytest.param(b"{}x", id="trailing garbage"), pytest.param(b"{}{}", id="two objects"), pytest.param(b"{}\0",
        id="a NUL at the end"),
        pytest.param(b"{", id="a cut object"), pytest.param(b'{"a":1,}', id="a trailing comma"),
        pytest.param(b"{'a':1}", id="single quotes"),
        pytest.param(b"{a:1}", id="a bare key"), pytest.param(b'{"a":01}', id="a leading zero"),
        pytest.param(b'{"a":+1}', id="a plus"),
        pytest.param(b'{"a":.5}', id="a bare point"), pytest.param(b'{"a":5.}', id="a point at the end"),
        pytest.param(b'{"a":0x1}', id="hexadecimal"),
        pytest.param(b'{"a":NaN}', id="NaN"), pytest.param(b'{"a":Infinity}', id="Infinity"),
        pytest.param(b'{"a":-Infinity}', id="-Infinity"),
        pytest.param(b'{"a":1e400}', id="a number beyond double"), pytest.param(b'{"a":-1e400}',
        id="a number below double"),
        pytest.param(b'{"a":' + b"9" * 400 + b"}", id="an integer beyond double"), pytest.param(b'{"a":"\n"}',
        id="a raw newline"),
        pytest.param(b'{"a":1//\n}', id="a comment"), pytest.param(b'{"a":undefined}', id="undefined"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJSONError, match=r"^invalid JSON: "):
        ejson.loads(body)


@pytest.mark.parametrize(
    ("literal", "number"),
    [
        pytest.param("9223372036854775808", 2.0**63, id="one more than int64"),
        pytest.param("-9223372036854775809", -(2.0**63), id="one less than int64"),
        pytest.param("18446744073709551615", 2.0**64, id="the largest uint64"),
        pytest.param("1" + "0" * 308, 1e308, id="309 digits"),
    ],
)
@pytest.mark.parametrize(
    "place", ['{{"a":{}}}', '{{"list":[[{}]]}}', '{{"plain":{{"a":{}}}}}', '{{"ops":{{"$gt":{}}}}}']
)
def test_an_integer_beyond_int64_is_a_double(literal: str, number: float, place: str) -> None:
    body = place.format(literal).encode()

    assert repr(ejson.loads(body)).count(repr(number)) == 1


@pytest.mark.parametrize(
    "member", ['"document":{{"v":{}}}', '"documents":[{{"v":1}},{{"v":{}}}]', '"pipeline":[{{"v":{}}}]']
)
@pytest.mark.parametrize("kind", LEVELS)
def test_a_hundred_levels_below_a_document_are_taken(kind: str, member: str) -> None:
    body = "{" + member.format(nested(kind, 100)) + "}"

    assert ejson.loads(body.encode())


@pytest.mark.parametrize("levels", [101, 102, 255, 900, 1_100, 100_000])
@pytest.mark.parametrize(
    "member", ['"document":{{"v":{}}}', '"documents":[{{"v":1}},{{"v":{}}}]', '"pipeline":[{{"v":{}}}]']
)
@pytest.mark.parametrize("kind", LEVELS)
def test_deeper_levels_are_refused(kind: str, member: str, levels: int) -> None:
    body = "{" + member.format(nested(kind, levels)) + "}"

    with pytest.raises(InvalidJSONError, match="nested deeper than 100 levels, the most that MAX_NESTING allows"):
        ejson.loads(body.encode())


@pytest.mark.parametrize("kind", LEVELS)
@pytest.mark.parametrize("member", ['"document":{{"v":{}}}', '"documents":[{{}},{{"v":{}}}]'])
def test_fewer_levels_can_be_allowed(member: str, kind: str) -> None:
    fits, deeper = (("{" + member.format(nested(kind, levels)) + "}").encode() for levels in (10, 11))

    assert ejson.loads(fits, most_levels=10)
    with pytest.raises(InvalidJSONError, match="nested deeper than 10 levels"):
        ejson.loads(deeper, most_levels=10)


@pytest.mark.parametrize("leaf", ["1", '{"$numberInt":"1"}', '"a:b"'])
@pytest.mark.parametrize(
    "place", ["{}", '{{"document":{}}}', '{{"documents":[{{"a":1}},{}]}}', '{{"x":[[{{"a":[{}]}}]]}}']
)
def test_an_object_may_have_so_many_members(place: str, leaf: str) -> None:
    fits, wider = (
        place.format("{" + ",".join(f'"{name}":{leaf}' for name in range(number)) + "}").encode() for number in (9, 10)
    )

    assert ejson.loads(fits, most_members=9)
    with pytest.raises(InvalidJSONError, match="an object has more than 9 members, the most that MAX_MEMBERS allows"):
        ejson.loads(wider, most_members=9)


@pytest.mark.parametrize("leaf", ['{"a":1}', '{"a":{"$numberInt":"1"}}', "[[1]]"])
def test_bodies_are_read_in_time_that_grows_with_them(leaf: str) -> None:
    def read(size: int) -> Callable[[], object]:
        body = f'{{"documents":[{",".join([leaf] * size)}]}}'.encode()
        return lambda: ejson.loads(body, most_members=100)

    assert is_linear(read, 200)


@pytest.mark.parametrize("leaf", ["123456789012345678", '"a text of 12 or 345"'])
def test_a_body_without_a_wrapper_is_looked_through_in_the_time_that_it_takes_to_parse(leaf: str) -> None:
    body = f'{{"documents":[{",".join([leaf] * 100_000)}]}}'.encode()

    def seconds(read: Callable[[bytes], object]) -> float:
        return timeit.timeit(lambda: read(body), timer=time.thread_time, number=1)

    with FullCollections():
        assert min(seconds(ejson.loads) / seconds(orjson.loads) for _ in range(9)) < 4


@pytest.mark.parametrize("levels", [100, 900])
def test_a_scope_counts_as_a_level(levels: int) -> None:
    body = f'{{"document":{{"v":{{"$code":"f","$scope":{{"a":{nested("objects", levels)}}}}}}}}}'

    with pytest.raises(InvalidJSONError, match="nested deeper than 100 levels"):
        ejson.loads(body.encode())


def test_scopes_in_scopes_are_counted() -> None:
    fits = '{"$code":"f","$scope":{"a":' * 50 + "1" + "}}" * 50
    deeper = '{"$code":"f","$scope":{"a":' * 51 + "1" + "}}" * 51

    assert ejson.loads(f'{{"document":{{"a":{fits}}}}}'.encode())
    with pytest.raises(InvalidJSONError, match="nested deeper than 100 levels"):
        ejson.loads(f'{{"document":{{"a":{deeper}}}}}'.encode())


@pytest.mark.parametrize("wrapper", ["$binary", "$date", "$timestamp", "$regularExpression", "$dbPointer", "$oid"])
def test_a_wrapper_around_deep_nesting_is_malformed(wrapper: str) -> None:
    with pytest.raises(InvalidJSONError):
        read(f'{{"{wrapper}":{nested("objects", 900)}}}')
