"""BSON -> the bytes of a reply, in both formats: the table of types and what holds for every document."""

import json
from typing import Any

import bson
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import given, settings

from shared.documents import replies
from shared.documents.replies import Format
from shared.documents.transcoder import Writer
from shared.turns import at_once
from tests.bson_types import OID, ROWS, STORED_ROWS, Row, cases, document, element
from tests.depth import examples
from tests.shared.generated import documents, keys, strict_json


def _reply(batches: list[bytes], form: Format, native: Writer | None) -> bytes:
    texts = [replies.batch_of_documents(batch, form, native)[0] for batch in batches]
    return b"".join(replies.many_documents(texts))


@pytest.mark.parametrize("row", cases(ROWS + STORED_ROWS))
def test_json_shows_every_type_in_atlas_shape(native: Writer | None, row: Row) -> None:
    reply = replies.one_document(row.bson, "JSON", native)

    assert reply.decode() == f'{{"document":{{"v":{row.as_json}}}}}'


@pytest.mark.parametrize("row", cases(ROWS + STORED_ROWS))
def test_ejson_is_canonical_for_every_type(native: Writer | None, row: Row) -> None:
    reply = replies.one_document(row.bson, "EJSON", native)

    assert reply.decode() == f'{{"document":{{"v":{row.as_ejson}}}}}'


@pytest.mark.parametrize("row", cases(ROWS + STORED_ROWS))
def test_lists_write_documents_as_single_ones(native: Writer | None, row: Row) -> None:
    json_reply = _reply([row.bson + row.bson, row.bson], "JSON", native)
    ejson_reply = _reply([row.bson], "EJSON", native)

    shown = f'{{"v":{row.as_json}}}'
    assert json_reply.decode() == f'{{"documents":[{shown},{shown},{shown}]}}'
    assert ejson_reply.decode() == f'{{"documents":[{{"v":{row.as_ejson}}}]}}'


@pytest.mark.parametrize("row", cases(ROWS + STORED_ROWS))
def test_a_type_looks_the_same_inside_arrays_and_documents(native: Writer | None, row: Row) -> None:
    inner = document(element(0x03, row.bson, "0"), element(row.kind, row.payload, "1"))
    nested = document(element(0x04, inner, "list"), element(row.kind, row.payload, "last"))

    as_json = replies.one_document(nested, "JSON", native).decode()
    as_ejson = replies.one_document(nested, "EJSON", native).decode()

    assert as_json == f'{{"document":{{"list":[{{"v":{row.as_json}}},{row.as_json}],"last":{row.as_json}}}}}'
    assert as_ejson == f'{{"document":{{"list":[{{"v":{row.as_ejson}}},{row.as_ejson}],"last":{row.as_ejson}}}}}'


def test_the_order_of_members_survives_a_dbref_anywhere(native: Writer | None) -> None:
    reference = {"z": 1, "$id": 2, "$db": "d", "$ref": "c", "a": 3}
    stored = bson.encode({"second": 1, "first": [reference, {"deep": reference}], "$ref": "top", "$id": 0})

    reply = replies.one_document(stored, "JSON", native)

    shown = '{"z":1,"$id":2,"$db":"d","$ref":"c","a":3}'
    assert reply.decode() == (
        f'{{"document":{{"second":1,"first":[{shown},{{"deep":{shown}}}],"$ref":"top","$id":0}}}}'
    )


@pytest.mark.parametrize("form", ["JSON", "EJSON"])
def test_no_document_is_null(native: Writer | None, form: Format) -> None:
    assert replies.one_document(None, form, native) == b'{"document":null}'


@pytest.mark.parametrize("form", ["JSON", "EJSON"])
@pytest.mark.parametrize(
    "batches",
    [pytest.param([], id="no batch"), pytest.param([b""], id="an empty batch"), pytest.param([b"", b""], id="two")],
)
def test_no_documents_are_an_empty_list(native: Writer | None, batches: list[bytes], form: Format) -> None:
    assert _reply(batches, form, native) == b'{"documents":[]}'


def test_documents_follow_each_other_across_batches(native: Writer | None) -> None:
    one, two, three = (bson.encode({"_id": number}) for number in (1, 2, 3))

    reply = _reply([one + two, b"", three], "JSON", native)

    assert reply == b'{"documents":[{"_id":1},{"_id":2},{"_id":3}]}'


def test_a_dbref_in_one_document_leaves_the_others_of_a_batch_as_they_are(native: Writer | None) -> None:
    batch = bson.encode({"b": Int64(1), "a": 1.0}) + bson.encode({"r": {"$id": 1, "$ref": "c"}})

    reply = _reply([batch], "EJSON", native)

    assert reply.decode() == (
        '{"documents":[{"b":{"$numberLong":"1"},"a":{"$numberDouble":"1.0"}},'
        '{"r":{"$id":{"$numberInt":"1"},"$ref":"c"}}]}'
    )


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param("JSON", f'{{"n":1,"ids":["{OID}",1,"a"],"none":null}}', id="JSON"),
        pytest.param(
            "EJSON",
            f'{{"n":{{"$numberInt":"1"}},"ids":[{{"$oid":"{OID}"}},{{"$numberLong":"1"}},"a"],"none":null}}',
            id="EJSON",
        ),
    ],
)
def test_replies_made_of_python_values_follow_the_same_table(
    native: Writer | None, form: Format, expected: str
) -> None:
    members = {"n": 1, "ids": [ObjectId(OID), Int64(1), "a"], "none": None}

    assert replies.reply(members, form, native).decode() == expected


@pytest.mark.parametrize("form", ["JSON", "EJSON"])
@pytest.mark.parametrize("count", [0, 1, 500, 501, 1_700])
def test_a_long_reply_is_that_of_all_its_values(native: Writer | None, count: int, form: Format) -> None:
    values = [[ObjectId(OID), Int64(place), f'"]}}{place}', {"": [1.0]}][place % 4] for place in range(count)]

    reply = at_once(replies.long_reply("ids", values, form, native))

    assert reply == replies.reply({"ids": values}, form, None)


@settings(derandomize=True, deadline=None, max_examples=examples(400))
@given(documents)
def test_json_is_strict_and_keeps_the_order_of_keys(native: Writer | None, value: dict[str, Any]) -> None:
    reply = replies.one_document(bson.encode(value), "JSON", native)

    assert keys(strict_json(reply)["document"], like=value) == keys(value, like=value)


@settings(derandomize=True, deadline=None, max_examples=examples(200))
@given(documents)
def test_ejson_is_strict_compact_json(native: Writer | None, value: dict[str, Any]) -> None:
    reply = replies.one_document(bson.encode(value), "EJSON", native)

    assert reply.decode() == json.dumps(strict_json(reply), ensure_ascii=False, separators=(",", ":"))
