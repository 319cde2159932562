"""The table of types: what requests say, which bytes MongoDB holds and what replies say.

The bytes are put together here by BSON's specification, without the driver.
"""

import json
from struct import pack
from typing import NamedTuple

import pytest

OID = "65a1b2c3d4e5f60718293a4b"


def element(kind: int, payload: bytes = b"", name: str = "v") -> bytes:
    """Return one element of a document."""
    return bytes([kind]) + name.encode() + b"\0" + payload


def document(*elements: bytes) -> bytes:
    """Return a document of these elements; also the payload of an embedded document or array."""
    body = b"".join(elements)
    return pack("<i", len(body) + 5) + body + b"\0"


def text(value: str | bytes) -> bytes:
    """Return the payload of a string, of code and of a symbol."""
    encoded = value if isinstance(value, bytes) else value.encode()
    return pack("<i", len(encoded) + 1) + encoded + b"\0"


class Row(NamedTuple):
    """A value: its BSON type and payload, its two replies, and further ways to write it in a request."""

    name: str
    kind: int
    payload: bytes
    as_json: str
    as_ejson: str
    others: tuple[str, ...] = ()

    @property
    def bson(self) -> bytes:
        """The document `{"v": <the value>}`."""
        return document(element(self.kind, self.payload))

    @property
    def requests(self) -> tuple[str, ...]:
        """Every request form: canonical Extended JSON is always one."""
        return (self.as_ejson, *self.others)


def _double(name: str, number: float, as_json: str, digits: str, *others: str) -> Row:
    return Row(name, 0x01, pack("<d", number), as_json, f'{{"$numberDouble":"{digits}"}}', others)


def _string(name: str, value: str, escaped: str, *others: str) -> Row:
    return Row(name, 0x02, text(value), escaped, escaped, others)


def _binary(subtype: int, *others: str) -> Row:
    inner = pack("<i", 3) if subtype == 2 else b""  # the old subtype repeats the length
    return Row(
        f"binary subtype {subtype}", 0x05, pack("<iB", 3 + len(inner), subtype) + inner + b"\1\2\3",
        f'{{"Subtype":{subtype},"Data":"AQID"}}',
        f'{{"$binary":{{"base64":"AQID","subType":"{subtype:02x}"}}}}',
        (f'{{"$binary":"AQID","$type":"{subtype:02x}"}}', f'{{"$binary":{{"subType":"{subtype:X}","base64":"AQID"}}}}',
         *others),
    )  # fmt: skip


def _uuid(name: str, subtype: int, *others: str) -> Row:
    data = bytes.fromhex("00112233445566778899aabbccddeeff")
    return Row(
        name, 0x05, pack("<iB", 16, subtype) + data,
        f'{{"Subtype":{subtype},"Data":"ABEiM0RVZneImaq7zN3u/w=="}}',
        f'{{"$binary":{{"base64":"ABEiM0RVZneImaq7zN3u/w==","subType":"0{subtype}"}}}}', others,
    )  # fmt: skip


def _date(milliseconds: int, shown: str, *others: str) -> Row:
    return Row(
        f"date {shown}", 0x09, pack("<q", milliseconds), f'"{shown}"',
        f'{{"$date":{{"$numberLong":"{milliseconds}"}}}}',
        (f'{{"$date":"{shown}"}}', f'{{"$date":{milliseconds}}}', *(f'{{"$date":{other}}}' for other in others)),
    )  # fmt: skip


def _regex(name: str, pattern: str, options: str, *others: str) -> Row:
    escaped = json.dumps(pattern, ensure_ascii=False)
    return Row(
        name, 0x0B, pattern.encode() + b"\0" + options.encode() + b"\0",
        f'{{"Pattern":{escaped},"Options":"{options}"}}',
        f'{{"$regularExpression":{{"pattern":{escaped},"options":"{options}"}}}}', others,
    )  # fmt: skip


def _int32(number: int, *others: str) -> Row:
    shown = str(number)
    return Row(f"int32 {shown}", 0x10, pack("<i", number), shown, f'{{"$numberInt":"{shown}"}}', (shown, *others))


def _int64(number: int, *others: str) -> Row:
    shown = str(number)
    return Row(f"int64 {shown}", 0x12, pack("<q", number), shown, f'{{"$numberLong":"{shown}"}}', others)


def decimal(digits: int, exponent: int = 0, *, negative: bool = False) -> bytes:
    """Return the 16 bytes of a Decimal128 in its binary integer form."""
    return (negative << 127 | exponent + 6176 << 113 | digits).to_bytes(16, "little")


def _decimal(shown: str, payload: bytes, *others: str) -> Row:
    forms = tuple(f'{{"$numberDecimal":"{other}"}}' for other in others)
    return Row(f"decimal {shown}", 0x13, payload, f'"{shown}"', f'{{"$numberDecimal":"{shown}"}}', forms)


def _embedded(name: str, as_json: str, as_ejson: str, *elements: bytes) -> Row:
    return Row(name, 0x03, document(*elements), as_json, as_ejson)


def _array(name: str, as_json: str, as_ejson: str, *elements: bytes) -> Row:
    return Row(name, 0x04, document(*elements), as_json, as_ejson)


_INFINITE = 0x78 << 120
_NAN = 0x7C << 120
_REF = element(0x02, text("c"), "$ref")
_ID = element(0x07, bytes.fromhex(OID), "$id")
_DB = element(0x02, text("d"), "$db")
_ONE = pack("<i", 1)
_X = element(0x10, _ONE, "x")
_ID_JSON, _ID_EJSON = f'"$id":"{OID}"', f'"$id":{{"$oid":"{OID}"}}'

ROWS = [
    _double("double with a fraction", 10.5, "10.5", "10.5", "10.5", "1.05e1", "105E-1"),
    _double("double that is whole", 10.0, "10", "10.0", "10.0", "1e1", '{"$numberDouble":"10"}',
        '{"$numberDouble":"1E1"}'),
    _double("double 0", 0.0, "0", "0.0", "0.0", "0e0"),
    _double("double -0", -0.0, "-0", "-0.0", "-0.0", '{"$numberDouble":"-0"}'),
    _double("double -1", -1.0, "-1", "-1.0", "-1.0"),
    _double("double of 17 digits", 0.1 + 0.2, "0.30000000000000004", "0.30000000000000004", "0.30000000000000004"),
    _double("double 2**53 - 1", 2.0**53 - 1, "9007199254740991", "9007199254740991.0", "9007199254740991.0"),
    _double("double 2**53", 2.0**53, "9007199254740992", "9007199254740992.0", "9007199254740993.0"),
    _double("double 2**53 + 2", 2.0**53 + 2, "9007199254740994", "9007199254740994.0"),
    _double("double -2**53 - 2", -(2.0**53) - 2, "-9007199254740994", "-9007199254740994.0"),
    _double("double 1e20", 1e20, "100000000000000000000", "1e+20", "100000000000000000000", "1e20"),
    _double("double 1e21", 1e21, "1e+21", "1e+21", "1e21"),
    _double("double 123456789012345680000", 123456789012345680000.0, "123456789012345680000", "1.2345678901234568e+20"),
    _double("double that is the largest", 1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308"),
    _double("double that is tiny", 1e-7, "1e-7", "1e-07", "1e-7", "0.0000001"),
    _double("double that is the smallest", 5e-324, "5e-324", "5e-324", "5e-324"),
    _double("double that is the smallest normal", 2.2250738585072014e-308, "2.2250738585072014e-308",
        "2.2250738585072014e-308"),
    _double("double beyond int64", 2.0**63, "9223372036854776000", "9.223372036854776e+18", "9223372036854775808"),
    _double("double beyond uint64", 2.0**64, "18446744073709552000", "1.8446744073709552e+19", "18446744073709551616"),
    _double("double below int64", -(2.0**64), "-18446744073709552000", "-1.8446744073709552e+19",
        "-18446744073709551616"),
    _double("NaN", float("nan"), "null", "NaN"),
    _double("Infinity", float("inf"), "null", "Infinity"),
    _double("-Infinity", float("-inf"), "null", "-Infinity"),
    _string("string", "s", '"s"', r'"\u0073"'),
    _string("string that is empty", "", '""'),
    _string("string beyond ASCII", "é☆𝄞", '"é☆𝄞"', r'"\u00e9\u2606\ud834\udd1e"'),
    _string("string with NUL", "a\0b", r'"a\u0000b"'),
    _string("string with quotes and controls", '"\\/\b\f\n\r\t\x1f\x7f', '"\\"\\\\/\\b\\f\\n\\r\\t\\u001f\x7f"',
        r'"\"\\\/\b\f\n\r\t\u001f\u007f"'),
    _string("string with line separators", "\u2028\u2029", '"\u2028\u2029"', r'"\u2028\u2029"'),
    _string("string like a wrapper", '{"$oid":1}', r'"{\"$oid\":1}"'),
    _string("string like a date", "2024-03-01T00:00:00Z", '"2024-03-01T00:00:00Z"'),
    _embedded("document", '{"z":1,"a":"s"}', '{"z":{"$numberInt":"1"},"a":"s"}', element(0x10, _ONE, "z"),
        element(0x02, text("s"), "a")),
    _embedded("document that is empty", "{}", "{}"),
    _embedded("document with an empty key", '{"":1}', '{"":{"$numberInt":"1"}}', element(0x10, _ONE, "")),
    _embedded("document with dots and dollars", '{"a.b":1,"$x":true,"c$":null}',
        '{"a.b":{"$numberInt":"1"},"$x":true,"c$":null}',
              element(0x10, _ONE, "a.b"), element(0x08, b"\1", "$x"), element(0x0A, b"", "c$")),
    _array("array", '[1,"s",[],{}]', '[{"$numberInt":"1"},"s",[],{}]', element(0x10, _ONE, "0"), element(0x02,
        text("s"), "1"),
           element(0x04, document(), "2"), element(0x03, document(), "3")),
    _array("array that is empty", "[]", "[]"),
    *(_binary(subtype) for subtype in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 127, 128, 255)),
    Row("binary that is empty", 0x05, pack("<iB", 0, 0), '{"Subtype":0,"Data":""}',
        '{"$binary":{"base64":"","subType":"00"}}',
        ('{"$binary":"","$type":"00"}',)),
    _uuid("UUID", 4, '{"$uuid":"00112233-4455-6677-8899-aabbccddeeff"}',
        '{"$uuid":"00112233-4455-6677-8899-AABBCCDDEEFF"}'),
    _uuid("UUID of the old subtype", 3),
    Row("ObjectId", 0x07, bytes.fromhex(OID), f'"{OID}"', f'{{"$oid":"{OID}"}}', (f'{{"$oid":"{OID.upper()}"}}',)),
    Row("true", 0x08, b"\1", "true", "true"),
    Row("false", 0x08, b"\0", "false", "false"),
    Row("null", 0x0A, b"", "null", "null"),
    _date(0, "1970-01-01T00:00:00.000Z", '"1970-01-01T00:00:00Z"', '"1970-01-01T02:00:00+02:00"', '"1970-01-01"',
        "0.0"),
    _date(1641954803067, "2022-01-12T02:33:23.067Z", '"2022-01-12T02:33:23.067"', '"2022-01-12T02:33:23.0679999Z"',
          '"2022-01-11T21:03:23.067-05:30"', '"2022-01-12T04:33:23.067+0200"', '"2022-01-12T04:33:23.067+02"',
          '1641954803067.0'),
    _date(1641954803600, "2022-01-12T02:33:23.600Z", '"2022-01-12T02:33:23.6Z"', '"2022-01-12t02:33:23,60z"'),
    _date(1641954780000, "2022-01-12T02:33:00.000Z", '"2022-01-12T02:33Z"', '"2022-01-12 02:33"'),
    _date(1356351330501, "2012-12-24T12:15:30.501Z", '{"$numberLong":"1356351330501"}'),
    _date(951782400000, "2000-02-29T00:00:00.000Z"),
    _date(-1, "1969-12-31T23:59:59.999Z", '"1969-12-31T23:59:59.9999Z"'),
    _date(-2208988800001, "1899-12-31T23:59:59.999Z"),
    _date(-62135596800000, "0001-01-01T00:00:00.000Z"),
    _date(-62135596800001, "0000-12-31T23:59:59.999Z"),
    _date(-62162121600000, "0000-02-29T00:00:00.000Z"),
    _date(-62167219200000, "0000-01-01T00:00:00.000Z"),
    _date(-62167219200001, "-000001-12-31T23:59:59.999Z"),
    _date(253402300799999, "9999-12-31T23:59:59.999Z"),
    _date(253402300800000, "+010000-01-01T00:00:00.000Z"),
    _date(2**63 - 1, "+292278994-08-17T07:12:55.807Z"),
    _date(-(2**63), "-292275055-05-16T16:47:04.192Z"),
    _regex("regex", "^a", "i"),
    _regex("regex with all options", "p", "ilmsux", '{"$regularExpression":{"options":"xusmli","pattern":"p"}}'),
    _regex("regex that is empty", "", ""),
    _regex("regex with slashes and quotes", 'a/"\\d☆', ""),
    Row("code", 0x0D, text("f()"), '"f()"', '{"$code":"f()"}'),
    Row("code with NUL", 0x0D, text("a\0b"), r'"a\u0000b"', r'{"$code":"a\u0000b"}'),
    Row("code with scope", 0x0F, pack("<i", 24) + text("f()") + document(_X), '{"Code":"f()","Scope":{"x":1}}',
        '{"$code":"f()","$scope":{"x":{"$numberInt":"1"}}}', ('{"$scope":{"x":1},"$code":"f()"}',)),
    Row("code with an empty scope", 0x0F, pack("<i", 17) + text("f()") + document(), '{"Code":"f()","Scope":{}}',
        '{"$code":"f()","$scope":{}}'),
    Row("timestamp", 0x11, pack("<II", 2, 1), '{"T":1,"I":2}', '{"$timestamp":{"t":1,"i":2}}',
        ('{"$timestamp":{"i":2,"t":1}}',)),
    Row("timestamp that is the largest", 0x11, b"\xff" * 8, '{"T":4294967295,"I":4294967295}',
        '{"$timestamp":{"t":4294967295,"i":4294967295}}'),
    _array("timestamp that is empty, in an array", '[{"T":0,"I":0}]', '[{"$timestamp":{"t":0,"i":0}}]', element(0x11,
        bytes(8), "0")),
    Row("MinKey", 0xFF, b"", "{}", '{"$minKey":1}'),
    Row("MaxKey", 0x7F, b"", "{}", '{"$maxKey":1}'),
    _int32(0, "-0"), _int32(10), _int32(-1), _int32(2**31 - 1), _int32(-(2**31)),
    _int64(0), _int64(50), _int64(-1), _int64(2**31, str(2**31)), _int64(-(2**31) - 1, str(-(2**31) - 1)),
    _int64(2**53 - 1, str(2**53 - 1)), _int64(2**53 + 1, str(2**53 + 1)), _int64(-(2**53) - 1, str(-(2**53) - 1)),
    _int64(2**63 - 1, str(2**63 - 1)), _int64(-(2**63), str(-(2**63))),
    _decimal("1.10", decimal(110, -2)),
    _decimal("1.1", decimal(11, -1), "+1.1", "11e-1"),
    _decimal("1", decimal(1), "1.", "01"),
    _decimal("0", decimal(0)),
    _decimal("-0", decimal(0, negative=True)),
    _decimal("-0.00", decimal(0, -2, negative=True)),
    _decimal("0E+3", decimal(0, 3)),
    _decimal("1E+3", decimal(1, 3), "1e3"),
    _decimal("1.000E+6", decimal(1000, 3)),
    _decimal("0.000001", decimal(1, -6)),
    _decimal("1E-7", decimal(1, -7)),
    _decimal("1234567890123456789012345678901234", decimal(1234567890123456789012345678901234)),
    _decimal("9.999999999999999999999999999999999E+6144", decimal(10**34 - 1, 6111)),
    _decimal("-9.999999999999999999999999999999999E+6144", decimal(10**34 - 1, 6111, negative=True)),
    _decimal("1E-6176", decimal(1, -6176)),
    _decimal("0E-6176", decimal(0, -6176)),
    _decimal("0E+6111", decimal(0, 6111), "0E+7000"),
    _decimal("NaN", _NAN.to_bytes(16, "little"), "nan"),
    _decimal("Infinity", _INFINITE.to_bytes(16, "little"), "inf", "INFINITY", "+Infinity"),
    _decimal("-Infinity", (_INFINITE | 1 << 127).to_bytes(16, "little"), "-inf"),
    _embedded("DBRef", f'{{"$ref":"c",{_ID_JSON},"$db":"d"}}', f'{{"$ref":"c",{_ID_EJSON},"$db":"d"}}', _REF, _ID, _DB),
    _embedded("DBRef without $db", f'{{"$ref":"c",{_ID_JSON}}}', f'{{"$ref":"c",{_ID_EJSON}}}', _REF, _ID),
    _embedded("DBRef with other members", f'{{"$ref":"c",{_ID_JSON},"$db":"d","x":1}}',
              f'{{"$ref":"c",{_ID_EJSON},"$db":"d","x":{{"$numberInt":"1"}}}}', _REF, _ID, _DB, _X),
    _embedded("DBRef with a member between", f'{{"$ref":"c","x":1,{_ID_JSON}}}',
              f'{{"$ref":"c","x":{{"$numberInt":"1"}},{_ID_EJSON}}}', _REF, _X, _ID),
    _embedded("like a DBRef, $id first", f'{{{_ID_JSON},"$ref":"c"}}', f'{{{_ID_EJSON},"$ref":"c"}}', _ID, _REF),
    _embedded("like a DBRef, $ref last", f'{{"x":1,"$db":"d",{_ID_JSON},"$ref":"c"}}',
              f'{{"x":{{"$numberInt":"1"}},"$db":"d",{_ID_EJSON},"$ref":"c"}}', _X, _DB, _ID, _REF),
    _embedded("like a DBRef, without $id", '{"$ref":"c","x":1}', '{"$ref":"c","x":{"$numberInt":"1"}}', _REF, _X),
    _embedded("like a DBRef, $ref alone", '{"$ref":"c"}', '{"$ref":"c"}', _REF),
    _embedded("like a DBRef, $id alone", f"{{{_ID_JSON}}}", f"{{{_ID_EJSON}}}", _ID),
    _embedded("like a DBRef, $ref a number", f'{{"$ref":1,{_ID_JSON}}}', f'{{"$ref":{{"$numberInt":"1"}},{_ID_EJSON}}}',
              element(0x10, _ONE, "$ref"), _ID),
    _embedded("like a DBRef, $ref an object", f'{{"$ref":{{"x":1}},{_ID_JSON}}}',
              f'{{"$ref":{{"x":{{"$numberInt":"1"}}}},{_ID_EJSON}}}', element(0x03, document(_X), "$ref"), _ID),
    _embedded("DBRef in a DBRef", f'{{"$ref":"c","$id":{{"$ref":"c",{_ID_JSON}}},"$db":"d"}}',
              f'{{"$ref":"c","$id":{{"$ref":"c",{_ID_EJSON}}},"$db":"d"}}', _REF, element(0x03, document(_REF, _ID),
              "$id"), _DB),
    _array("DBRefs in arrays", f'[{{"$ref":"c",{_ID_JSON},"$db":"d","x":1}},[{{{_ID_JSON},"$ref":"c"}}]]',
           f'[{{"$ref":"c",{_ID_EJSON},"$db":"d","x":{{"$numberInt":"1"}}}},[{{{_ID_EJSON},"$ref":"c"}}]]',
           element(0x03, document(_REF, _ID, _DB, _X), "0"),
           element(0x04, document(element(0x03, document(_ID, _REF), "0")), "1")),
    Row("DBRef in a scope", 0x0F, pack("<i", 12 + len(document(_REF, _ID))) + text("f()") + document(_REF, _ID),
        f'{{"Code":"f()","Scope":{{"$ref":"c",{_ID_JSON}}}}}',
        f'{{"$code":"f()","$scope":{{"$ref":"c",{_ID_EJSON}}}}}'),
]  # fmt: skip
"""Types that go in and come out unchanged; the largest part of the contract."""

_POINTER_JSON = f'{{"DB":"c","Pointer":"{OID}"}}'
_POINTER_EJSON = f'{{"$dbPointer":{{"$ref":"c","$id":{{"$oid":"{OID}"}}}}}}'

STORED_ROWS = [
    Row("symbol", 0x0E, text("s"), '"s"', '"s"'),
    Row("undefined", 0x06, b"", "null", "null"),
    Row("DBPointer", 0x0C, text("c") + bytes.fromhex(OID), _POINTER_JSON, _POINTER_EJSON),
    _array("deprecated types in an array", f'["s",null,{_POINTER_JSON}]', f'["s",null,{_POINTER_EJSON}]',
           element(0x0E, text("s"), "0"), element(0x06, b"", "1"),
           element(0x0C, text("c") + bytes.fromhex(OID), "2")),
    _embedded("DBPointer beside a DBRef", f'{{"p":{_POINTER_JSON},"$ref":"c"}}', f'{{"p":{_POINTER_EJSON},"$ref":"c"}}',
              element(0x0C, text("c") + bytes.fromhex(OID), "p"), _REF),
    _double("NaN with a payload", float("nan"), "null", "NaN")._replace(payload=b"\x12\0\0\0\0\0\xf8\x7f"),
    _double("NaN with a sign", float("nan"), "null", "NaN")._replace(payload=b"\0\0\0\0\0\0\xf8\xff"),
    _decimal("NaN", (0x7E << 120).to_bytes(16, "little"))._replace(name="decimal sNaN"),
    _decimal("NaN", (0xFC << 120).to_bytes(16, "little"))._replace(name="decimal -NaN"),
    _decimal("NaN", (_NAN | 18).to_bytes(16, "little"))._replace(name="decimal NaN with a payload"),
    _decimal("0", decimal(10**34))._replace(name="decimal of 35 digits"),
    _regex("regex with unknown options", "p", "i")._replace(payload=b"p\0giz\0"),
    Row("string that is not UTF-8", 0x02, text(b"a\xffb"), '"a\ufffdb"', '"a\ufffdb"'),
    Row("code that is not UTF-8", 0x0D, text(b"\xff"), '"\ufffd"', '{"$code":"\ufffd"}'),
    _regex("regex that is not UTF-8", "\ufffd", "")._replace(payload=b"\xff\0\0"),
    _embedded("document with a key that is not UTF-8", '{"\ufffd":1}', '{"\ufffd":{"$numberInt":"1"}}',
        b"\x10\xff\0" + _ONE),
    _embedded("document with a key twice", '{"a":null,"x":1}', '{"a":null,"x":{"$numberInt":"1"}}',
              element(0x08, b"\1", "a"), _X, element(0x0A, b"", "a")),
    _embedded("document with the key $oid", '{"$oid":1}', '{"$oid":{"$numberInt":"1"}}', element(0x10, _ONE, "$oid")),
    _embedded("document with the key $numberInt", '{"$numberInt":"x"}', '{"$numberInt":"x"}', element(0x02, text("x"),
        "$numberInt")),
]  # fmt: skip
"""What other programs may have stored, and what no request can say or no reply can tell."""


def cases(rows: list[Row]) -> list[object]:
    """Return the rows as pytest's parameters, under their names."""
    return [pytest.param(row, id=row.name) for row in rows]


LEVELS = {
    "objects": ('{"a":', "1", "}"),
    "arrays": ("[", "1", "]"),
    "arrays and objects": ('[{"a":', "1", "}]"),
    "objects with an operator": ('{"$and":', "1", "}"),
    "objects around a wrapper": ('{"a":', '{"$numberLong":"1"}', "}"),
    "arrays around a huge integer": ("[", "9223372036854775808", "]"),
}


def nested(kind: str, levels: int) -> str:
    """Return a value of so many levels; a kind may open two at once."""
    opening, innermost, closing = LEVELS[kind]
    times = levels // len(closing)
    return opening * times + "[" * (levels % len(closing)) + innermost + "]" * (levels % len(closing)) + closing * times
