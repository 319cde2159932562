"""Bodies for the reader in native/, usual, odd and damaged, and whether it reads them as `ejson.loads` does."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import bson

from shared.documents import ejson, elements, replies, stored_bodies
from shared.documents.stored import Encoded, Stored
from shared.documents.transcoder import Reader
from shared.errors import InvalidJSONError
from shared.rules.values import equal
from shared.turns import at_once
from tests.bson_types import ROWS

ACTIONS = (Stored("document"), Stored("documents", are_many=True), Stored("replacement", are_new=False))
MOST_LEVELS, MOST_MEMBERS = 4, 6

_OID = '{"$oid":"5f1a2b3c4d5e6f7a8b9c0d1e"}'
_USUAL = (
    "7", "-0", "0.1", "-1.5e-7", "true", "null", "2147483648", '"a"', '"é\\n\\u2606\\ud83d\\ude00"', _OID,
    '{"$date":"2020-02-29T23:59:59.1Z"}', '{"$date":{"$numberLong":"-1"}}', '{"$numberInt":"-7"}',
    '{"$numberLong":"5"}',
    '{"$numberDouble":"1.5"}', '{"$numberDecimal":"12.50"}', '{"$binary":{"base64":"QUI=","subType":"80"}}',
    '{"$uuid":"00112233-4455-6677-8899-AAbbccddeeff"}', '{"$ref":"c","$id":1}',
)  # fmt: skip
_ODD = (
    "7", "-0", "-0.5", "1e5", "1E-2", "0e0", "true", "false", "null", "2147483648", "-2147483649",
    "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "99999999999999999999", "01", "-", "-01",
    "1.", ".5", "1.e5", "1e", "1e+", "+1", "NaN", "Infinity", "-Infinity", "1e999", "1e-400", "4.9e-324", "tru", "nul",
    "0.1", "123456789.123456789123456789", "1.7976931348623157e308", "1.7976931348623159e308",
    "2.2250738585072011e-308",
    '""', '"a"', '"é\\n"', '"\\""', '"\\\\"', '"[{,"', '"]}"', '":"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"',
    '"\\udc00"', '"\\ud83dx"', '"\\uD83D\\uDE00"', '"\\u00e9\\u2606"', '"\\x"', '"\\u12g4"',
    '"\x01"', '"\x7f"', '"\u2028𝄞"',
    _OID, '{"$oid":1}', '{"$oid":"5f1a2b3c4d5e6f7a8b9c0d1"}', '{"$oid":"5f1a2b3c4d5e6f7a8b9c0d1g"}',
    f'{{"$oid":"x",{_OID[1:]}', f'{{{_OID[1:-1]},"a":1}}', '{"\\u0024oid":"5f1a2b3c4d5e6f7a8b9c0d1e"}',
    f'{{"a":1,{_OID[1:]}', '{"$oid ":1}', '{"$foo":1}', '{"$":1}', '{"$ref":"c","$id":1}', f'{{"$id":{_OID}}}',
    '{"$date":"2020-01-01T00:00:00Z"}', '{"$date":"2020-02-29T23:59:59.123456789Z"}',
    '{"$date":"2020-02-30T00:00:00Z"}',
    '{"$date":"1900-02-29T00:00:00Z"}', '{"$date":"2000-02-29T00:00:00.1Z"}', '{"$date":"2020-01-01T24:00:00Z"}',
    '{"$date":"2020-13-01T00:00:00Z"}', '{"$date":"2020-12-31T23:59:60Z"}', '{"$date":"2020-12-31T23:59:59.Z"}',
    '{"$date":"0000-01-01T00:00:00.999Z"}', '{"$date":"9999-12-31T23:59:59.9Z"}', '{"$date":"2020-01-01"}',
    '{"$date":{"$numberLong":"-1"}}', '{"$date":{"$numberLong":"x"}}', '{"$date":1}',
    '{"$date":{"$numberLong":"1"},"a":1}',
    '{"$numberInt":"-7"}', '{"$numberInt":"007"}', '{"$numberInt":"2147483648"}', '{"$numberInt":"+1"}',
    '{"$numberInt":"00000000000000000001"}', '{"$numberInt":"000000000000000000001"}', '{"$numberInt":7}',
    '{"$numberInt":"-00000000000000000001"}', '{"$numberInt":"-000000000000000000001"}', '{"$numberInt":""}',
    '{"$numberLong":"5"}', '{"$numberLong":"9223372036854775808"}', '{"$numberLong":"-9223372036854775808"}',
    '{"$numberLong":"1 "}', '{"$numberLong":"1\\n"}', '{"$numberLong":"-"}',
    '{"$numberDouble":"1.5"}', '{"$numberDouble":"-0"}', '{"$numberDouble":"1.e5"}', '{"$numberDouble":"1."}',
    '{"$numberDouble":".5"}', '{"$numberDouble":"inf"}', '{"$numberDouble":"nan"}', '{"$numberDouble":"NaN"}',
    '{"$numberDouble":"-Infinity"}', '{"$numberDouble":"0x1p3"}', '{"$numberDouble":"1e309"}', '{"$numberDouble":"01"}',
    '{"$numberDouble":"1e-400"}', '{"$numberDouble":"+1"}', '{"$numberDouble":"1_0"}', '{"$numberDouble":"1e+5"}',
    '{"$numberDecimal":"12.50"}', '{"$numberDecimal":"-0.00"}', '{"$numberDecimal":"007"}', '{"$numberDecimal":"1."}',
    '{"$numberDecimal":"9999999999999999999"}', '{"$numberDecimal":"0.0000000000000000001"}',
    '{"$numberDecimal":"1.2.3"}',
    '{"$numberDecimal":"1e3"}', '{"$numberDecimal":"-"}', '{"$numberDecimal":".5"}', '{"$numberDecimal":"- 1"}',
    '{"$binary":{"base64":"QUI=","subType":"80"}}', '{"$binary":{"base64":"","subType":"00"}}',
    '{"$binary":{"base64":"Q=I=","subType":"00"}}', '{"$binary":{"base64":"QUJ=","subType":"04"}}',
    '{"$binary":{"base64":"QUI","subType":"00"}}', '{"$binary":{"base64":"QUI=","subType":"2"}}',
    '{"$binary":{"base64":"QUJD\\n","subType":"05"}}', '{"$binary":{"base64":"QUJD","subType":"02"}}',
    '{"$binary":{"base64":"====","subType":"00"}}', '{"$binary":{"base64":"QUI=","subType":"0g"}}',
    '{"$binary":{"base64":"QUI=","subType":"00","x":1}}', '{"$binary":{"base64":"é===","subType":"00"}}',
    '{"$uuid":"00112233-4455-6677-8899-AAbbccddeeff"}', '{"$uuid":"00112233x4455-6677-8899-AAbbccddeeff"}',
    '{"$uuid":"0011223344556677-8899-AAbbccddeeff--"}', '{"$uuid":"0011223g-4455-6677-8899-AAbbccddeeff"}',
    '{"$code":"x","$scope":{"a":[1,{"$numberLong":"1"}]}}', '{"$scope":{"a":[1]},"$code":"x"}', '{"$scope":[[1]]}',
    '{"$symbol":"s"}', '{"$undefined":true}', '{"$minKey":1}', '{"$timestamp":{"t":0,"i":0}}',
    f'{{"$dbPointer":{{"$ref":"c","$id":{_OID}}}}}', '{"$regularExpression":{"pattern":"a","options":"i"}}',
    '{"$regex":"a","$options":"i"}', '{"$type":2}',
    *(form for row in ROWS for form in row.requests),
)  # fmt: skip
_NAMES = (
    '"a"', '"b"', '"c"', '"_id"', '"_id"', '""', '"a.b"', '"$x"', '"é"', '"\\u00e9"', '"\\u0061"', '"\\u0000"', '"\\n"',
    '"\\u0024oid"', '"$oid"', '"$date"', '"$ref"', '"document"', '"\\u005fid"',
)  # fmt: skip
_SPACES = ("", "", "", "", " ", "\n", "\t\r\n  ", "\x0b", "\ufeff")
_DAMAGE = b'[]{}",:\\ 01-.eEnt$_\n\0\x01\xff\xc3\x80\xed\xa0'
_OTHERS = (
    '"filter":{"a":[1,"]}"],"document":{}}', '"x":"\\"}"', '"x":1.5', '"x":tru', '"document":null', '"documents":[]',
    '"docum\\u0065nt":{}', '"upsert":true', '"x":[{"$oid":1}]', '"x":{"a":{"a":{"a":{"a":{"a":{}}}}}}', '"\\u0000":1',
)  # fmt: skip


class Case(NamedTuple):
    """A body, and what is stored of it."""

    stored: Stored
    body: bytes


def cases(seed: int | str) -> Iterator[Case]:
    """Give cases without end."""
    chance = random.Random(seed)
    while True:
        action = chance.choice(ACTIONS)
        body = _body(chance, action).encode()
        yield Case(action, _damaged(chance, body) if chance.random() < 0.4 else body)


def _body(chance: random.Random, action: Stored) -> str:
    value = _object(chance, 3)
    if action.are_many:
        value = _array(chance, [_object(chance, 3) for _ in range(chance.randint(0, 3))])
    elif chance.random() < 0.05:
        value = _value(chance, 3)
    members = [f'"{action.member}"{_space(chance)}:{_space(chance)}{value}']
    members += chance.sample(_OTHERS, chance.choice((0, 0, 1, 2)))
    chance.shuffle(members)
    return f"{_space(chance)}{{{_space(chance)}{','.join(members)}{_space(chance)}}}{_space(chance)}"


def _value(chance: random.Random, levels: int) -> str:
    kind = chance.random()
    if kind < 0.2 and levels:
        return _object(chance, levels - 1)
    if kind < 0.35 and levels:
        return _array(chance, [_value(chance, levels - 1) for _ in range(chance.randint(0, 12))])
    return chance.choice(_USUAL if chance.random() < 0.9 else _ODD)


def _object(chance: random.Random, levels: int) -> str:
    members = [f"{name}{_space(chance)}:{_space(chance)}{_value(chance, levels)}" for name in _names(chance)]
    return f"{{{_space(chance)}{f'{_space(chance)},'.join(members)}}}"


def _names(chance: random.Random) -> list[str]:
    if chance.random() < 0.7:
        return [f'"{name}"' for name in chance.sample(["a", "b", "c", "ab", "_id", "a.b", "é"], chance.randint(0, 4))]
    return chance.choices(_NAMES, k=chance.randint(0, 5))


def _array(chance: random.Random, items: list[str]) -> str:
    return f"[{_space(chance)}{f',{_space(chance)}'.join(items)}{_space(chance)}]"


def _space(chance: random.Random) -> str:
    return "" if chance.random() < 0.9 else chance.choice(_SPACES)


def _damaged(chance: random.Random, body: bytes) -> bytes:
    damaged = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(damaged) + 1)
        match chance.randrange(5):
            case 0:
                del damaged[place : place + chance.randint(1, 8)]
            case 1:
                damaged[place : place + 1] = bytes([chance.choice(_DAMAGE)])
            case 2:
                damaged.insert(place, chance.choice(_DAMAGE))
            case 3:
                del damaged[place:]
            case _:
                damaged[place:place] = damaged[place : place + chance.randint(1, 20)]
    return bytes(damaged)


def is_read(reader: type[Reader], case: Case) -> bool:
    """Tell whether a case is read to BSON; raise AssertionError if that is not what `ejson.loads` makes of it."""
    found = at_once(stored_bodies.loads(reader, case.body, case.stored, MOST_LEVELS, MOST_MEMBERS))
    if found is None:
        return False
    try:
        expected = ejson.loads(case.body, MOST_LEVELS, MOST_MEMBERS)
    except InvalidJSONError as error:
        raise AssertionError(f"{case} is refused: {error}") from error
    assert list(found) == list(expected), case
    member, others = found.pop(case.stored.member), expected.pop(case.stored.member)
    assert repr(found) == repr(expected), case
    made, values = (member, others) if case.stored.are_many else ([member], [others])
    assert len(made) == len(values), case
    for each, value in zip(made, values, strict=True):
        _compare(case, each, value)
    return True


def _compare(case: Case, made: Encoded, value: dict[str, Any]) -> None:
    if not case.stored.are_new:
        assert made == Encoded(bson.encode({"u": value})[7:-1], None), case
        assert not any(name.startswith("$") for name in value), case
        return
    given = value.setdefault("_id", made.id)
    assert made.raw == bson.encode(value), case
    assert equal(elements.decoded(made.raw), value), case  # to rules
    for form in ("JSON", "EJSON"):
        assert replies.reply({"insertedId": made.id}, form, None) == replies.reply({"insertedId": given}, form, None), (
            case
        )
