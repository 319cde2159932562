"""Every BSON type comes through a function as it was, and is to JavaScript what programs expect."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.javascript.script import Script
from tests.bson_types import ROWS, STORED_ROWS, Row, cases
from tests.depth import examples
from tests.javascript import ENGINE, LIMITS, said, started
from tests.shared.documents.test_corpus import FILES, Corpus, corpus

__all__ = ["corpus"]

ECHO = "exports = (value) => value"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def exact(text: str) -> Any:
    """Return Extended JSON with each double as the number that it is, however it is written."""
    return json.loads(text, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    if len(pairs) == 1 and pairs[0][0] == "$numberDouble":
        return ("double", repr(float(pairs[0][1])))
    return ("object", *pairs)


@pytest.mark.parametrize("row", cases([*ROWS, *(row for row in STORED_ROWS if "key $" not in row.name)]))
@pytest.mark.parametrize("form", ["%s", '{"v":%s}', "[[%s]]", '{"a":{"__proto__":[%s]}}'])
def test_a_value_is_returned_as_it_was_given(row: Row, form: str) -> None:
    value = form % row.as_ejson

    (result,) = said(ECHO, f"[{value}]")

    assert exact(result) == exact(value)


@pytest.mark.parametrize("file", FILES)
def test_the_corpus_comes_through(corpus: Corpus, file: str) -> None:
    texts = [compact(json.loads(each["canonical_extjson"])) for each in corpus[file].get("valid", ())]

    assert [exact(said(ECHO, f"[{text}]")[0]) for text in texts] == [exact(text) for text in texts]


def numbers() -> Iterator[st.SearchStrategy[str]]:
    yield st.integers(-(2**31), 2**31 - 1).map('{{"$numberInt":"{}"}}'.format)
    yield st.integers(-(2**63), 2**63 - 1).map('{{"$numberLong":"{}"}}'.format)
    yield st.integers(-(2**54), 2**54).map(lambda number: f'{{"$numberDouble":"{float(number)!r}"}}')
    yield st.floats(allow_nan=False, allow_infinity=False).map('{{"$numberDouble":"{!r}"}}'.format)


@given(st.lists(st.one_of(*numbers()), max_size=5))
@settings(max_examples=examples(300))
def test_numbers_keep_their_type_where_they_are(values: list[str]) -> None:
    text = f"[{','.join(values)}]"

    assert exact(said(ECHO, f"[{text}]")[0]) == exact(text)


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.text()), lambda inner: st.lists(inner) | st.dictionaries(
    st.text().filter(lambda name: not name.isdigit() and not name.startswith("$")), inner), max_leaves=20))  # fmt: skip
@settings(max_examples=examples(300))
def test_texts_and_names_come_through(value: Any) -> None:
    assert json.loads(said(ECHO, compact([value]))[0]) == value


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("a.int + a.long + a.double", '{"$numberDouble":"10.5"}'),
        ("a.int + 1", '{"$numberInt":"6"}'),
        ("[a.whole, { ...a }.whole]", '[{"$numberInt":"5"},{"$numberInt":"5"}]'),
        ("a.whole + 1", '{"$numberInt":"6"}'),
        ("2 ** 31", '{"$numberLong":"2147483648"}'),
        ("2 ** 53 + 2", '{"$numberDouble":"9007199254740994.0"}'),
        ("-0", '{"$numberDouble":"-0.0"}'),
        ("10n ** 18n", '{"$numberLong":"1000000000000000000"}'),
        ("a.big", '{"$numberLong":"9007199254740993"}'),
        ("a.big > 9e15", "true"),
        ("a.id.toString()", '"65a1b2c3d4e5f60718293a4b"'),
        ("String(a.id)", '"65a1b2c3d4e5f60718293a4b"'),
        ("JSON.stringify({ id: a.id })", '"{\\"id\\":\\"65a1b2c3d4e5f60718293a4b\\"}"'),
        ("a.id.equals(BSON.ObjectId('65A1B2C3D4E5F60718293A4B'))", "true"),
        ("new BSON.ObjectId(a.id.toHexString())", '{"$oid":"65a1b2c3d4e5f60718293a4b"}'),
        ("String(new BSON.ObjectId()).length", '{"$numberInt":"24"}'),
        ("new BSON.ObjectId().equals(new BSON.ObjectId())", "false"),
        ("a.date.getTime()", '{"$numberInt":"1000"}'),
        ("new Date(5)", '{"$date":{"$numberLong":"5"}}'),
        ("new Date(NaN)", "null"),
        ("a.bytes.toHex()", '"010203"'),
        ("a.bytes.toBase64()", '"AQID"'),
        ("BSON.Binary.fromText('é').text()", '"é"'),
        ("BSON.Binary.fromHex('FF00', 4)", '{"$binary":{"base64":"/wA=","subType":"04"}}'),
        ("BSON.Binary.fromBase64('AQID')", '{"$binary":{"base64":"AQID","subType":"00"}}'),
        ("new Uint8Array([1, 2, 3])", '{"$binary":{"base64":"AQID","subType":"00"}}'),
        ("BSON.BSONRegExp('^a', 'i')", '{"$regularExpression":{"pattern":"^a","options":"i"}}'),
        ("/^a/gi", '{"$regularExpression":{"pattern":"^a","options":"i"}}'),
        ("[BSON.MinKey, new BSON.MaxKey()]", '[{"$minKey":1},{"$maxKey":1}]'),
        ("BSON.Long(1, 1)", '{"$numberLong":"4294967297"}'),
        ("[BSON.Int32(7), BSON.Double(7)]", '[{"$numberInt":"7"},{"$numberDouble":"7.0"}]'),
        ("BSON.Decimal128.fromString('1.50')", '{"$numberDecimal":"1.50"}'),
        ("a.decimal.toString()", '"0.10"'),
        ("EJSON.stringify({ a: 1, b: a.id })",
         '"{\\"a\\":{\\"$numberInt\\":\\"1\\"},\\"b\\":{\\"$oid\\":\\"65a1b2c3d4e5f60718293a4b\\"}}"'),
        ("EJSON.parse('{\"a\":{\"$numberDouble\":\"2.0\"}}')", '{"a":{"$numberDouble":"2.0"}}'),
        ("undefined", '{"$undefined":true}'),
        ("() => 1", '{"$undefined":true}'),
        ("({ a: undefined })", '{"a":{"$undefined":true}}'),
        ("null", "null"),
    ],
)  # fmt: skip
def test_values_are_what_programs_expect(expression: str, result: str) -> None:
    given = (
        '[{"int":{"$numberInt":"5"},"long":{"$numberLong":"5"},"double":{"$numberDouble":"0.5"},'
        '"whole":{"$numberDouble":"5.0"},"big":{"$numberLong":"9007199254740993"},'
        '"id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"date":{"$date":{"$numberLong":"1000"}},'
        '"bytes":{"$binary":{"base64":"AQID","subType":"80"}},"decimal":{"$numberDecimal":"0.10"}}]'
    )
    source = f"exports = (a) => ({expression})"
    assert said(source, given) == [result]


WRAPPERS = re.findall(r"^(\$\w+): ", ENGINE.prelude.parts.text, re.MULTILINE)
OPERANDS = [
    '1"}},"z":{"a":{"b":"',
    "abc",
    "",
    "99999999999999999999",
    1e400,
    1.5,
    None,
    True,
    [],
    {},
    {"$numberLong": '1"'},
]


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("operand", [*OPERANDS, *({"valueOf": each, "toString": each} for each in (1, None))], ids=str)
def test_what_only_looks_like_a_wrapper_stays_one_value(wrapper: str, operand: Any) -> None:
    """What a function reads of a text that a caller sent says nothing beside it where it is written."""
    text = json.dumps({"id": {wrapper: operand}}).replace("Infinity", "1e400")
    source = "exports = (text) => [EJSON.parse(text), JSON.stringify(EJSON.parse(text)) !== undefined, 'mine']"

    (result,) = said(source, json.dumps([text]))

    first, *others = json.loads(result)
    assert ([*first], others) == (["id"], [True, "mine"])
    assert not isinstance(first["id"], dict) or len(first["id"]) == 1


@pytest.mark.parametrize("first", ["", "new BSON.ObjectId(); ", "require('crypto').randomBytes(1); "])
def test_every_type_is_in_what_is_known_of_the_caller(first: str) -> None:
    values = [json.loads(row.as_ejson) for row in ROWS]
    begins = started({"f": f"exports = () => {{ {first}return context.user.custom_data }}"})
    call = json.loads(begins.call) | {"user": {"custom_data": {"values": values}}}

    lines = Script(ENGINE.prelude, LIMITS).start(begins._replace(call=json.dumps(call)))

    assert [exact(line.text) for line in lines if line.word == "result"] == [exact(compact({"values": values}))]


@pytest.mark.parametrize("first", ["", "new BSON.ObjectId(); "])
def test_every_type_is_in_what_is_known_of_the_app(first: str) -> None:
    values = [json.loads(row.as_ejson) for row in ROWS]
    begins = started({"f": f"exports = () => {{ {first}return context.values.get('x') }}"}, values={"x": values})

    lines = Script(ENGINE.prelude, LIMITS).start(begins)

    assert [exact(line.text) for line in lines if line.word == "result"] == [exact(compact(values))]
