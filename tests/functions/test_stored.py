"""What is stored and what is refused are the same, byte for byte, whether native code or Python reads a body."""

import re
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from shared.service import process
from tests.bson_types import ROWS
from tests.conftest import Post, request_body, restart
from tests.hosts import Worker
from tests.native import built_reader

RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
OID = "65a1b2c3d4e5f60718293a4b"
ROWS_AS_MEMBERS = ",".join(f'"{n}":{form}' for n, form in enumerate(row.as_ejson for row in ROWS))

DOCUMENTS = {
    "usual": '{"n":1,"_id":"x","at":{"$date":"2024-01-01T00:00:00Z"},"l":[1.5,{"a":null}],"o":{"$oid":"' + OID + '"}}',
    "of all types": f'{{"_id":1,{ROWS_AS_MEMBERS}}}',
    "without an _id": '{"a":1,"b":{"_id":1}}',
    "empty": "{}",
    "an _id in wrappers": '{"a":1,"_id":{"$numberLong":"7"}}',
    "an _id that is an object": '{"_id":{"z":1,"a":[]}}',
    "an _id that is an array": '{"_id":[1]}',
    "an _id that is a reference": '{"_id":{"$ref":"c","$id":1}}',
    "an _id that is a regular expression": '{"_id":{"$regularExpression":{"pattern":"a","options":""}}}',
    "an _id that is undefined": '{"_id":{"$undefined":true}}',
    "an empty timestamp": '{"_id":1,"l":[{"$timestamp":{"t":0,"i":0}}]}',
    "names with dollars and dots": '{"_id":1,"a.b":1,"a":{"$x":1,"b.c":2}}',
    "a name with a dollar in front": '{"_id":1,"$x":1}',
    "an update operator": '{"_id":1,"$set":{"a":1}}',
    "a name twice": '{"_id":1,"a":1,"b":2,"a":3}',
    "the _id twice": '{"_id":1,"a":1,"_id":2}',
    "a huge integer": '{"_id":1,"a":18446744073709551616,"b":1e300}',
    "escapes": r'{"_id":1,"\u00e9\n":"\ud83d\ude00\u0000"}',
    "a NUL in a name": r'{"_id":1,"a\u0000":1}',
    "half of a character": r'{"_id":1,"a":"\ud800"}',
    "a malformed wrapper": '{"_id":1,"a":{"$oid":"x"}}',
    "a wrapper with another name": '{"_id":1,"a":{"$numberInt":"1","b":1}}',
    "a number too large": '{"_id":1,"a":1e999}',
    "a comma too many": '{"_id":1,}',
    "an end that lacks": '{"_id":1,"a":[1}',
    "very deep": f'{{"_id":1,"a":{"[" * 101}1{"]" * 101}}}',
    "a number": "5",
    "null": "null",
    "a list": "[{}]",
    "a list that is empty": "[]",
}  # fmt: skip
OTHERS = {
    "nothing else": "",
    "a malformed member": ',"x":{"$oid":1}',
    "another type of a member": ',"collection":5',
    "the member twice": ',"document":{"_id":9},"documents":[{"_id":9}],"replacement":{"b":9}',
    "half a member": ',"x":',
}


def bodies() -> list[Any]:
    """Return an action and a body for each document in each action, and for each of what else a body may hold."""
    found = []
    for name, document in DOCUMENTS.items():
        found += [
            pytest.param("insertOne", f'"document":{document}', id=f"insertOne {name}"),
            pytest.param("insertMany", f'"documents":[{{"_id":0}},{document}]', id=f"insertMany {name}"),
            pytest.param("insertMany", f'"documents":{document}', id=f"insertMany of {name}"),
            pytest.param("replaceOne", f'"filter":{{}},"replacement":{document}', id=f"replaceOne {name}"),
            pytest.param(
                "replaceOne", f'"replacement":{document},"upsert":true,"filter":{{"_id":"x"}}', id=f"upsert {name}"
            ),
        ]
    for name, rest in OTHERS.items():
        found += [
            pytest.param("insertOne", f'"document":{{"_id":1}}{rest}', id=f"insertOne with {name}"),
            pytest.param("insertMany", f'"documents":[{{"_id":1}}]{rest}', id=f"insertMany with {name}"),
            pytest.param("replaceOne", f'"replacement":{{"a":1}},"filter":{{}}{rest}', id=f"replaceOne with {name}"),
        ]
    return found


_MADE = re.compile(rb"[0-9a-f]{24}(?<!%b)" % OID.encode())


def told(body: bytes) -> bytes:
    """Return a reply without the ObjectIds that were made for it."""
    return _MADE.sub(b"<id>", body)


def kept(document: bytes) -> bytes:
    """Return a document without the ObjectId that is its _id: types and names are the first bytes of all."""
    return document[:9] + document[21:] if document[4:9] == b"\7_id\0" else document


@pytest.mark.parametrize(("action", "members"), bodies())
async def test_native_code_makes_no_difference(
    configured: pytest.MonkeyPatch, worker: Worker, key: str, database: Any, action: str, members: str
) -> None:
    built_reader()
    body = request_body()[:-1] + f",{members}}}".encode()
    outcomes = []
    for choice in ("auto", "off"):
        configured.setenv("NATIVE", choice)
        restart()
        await database.drop_collection("items")
        await database.items.insert_one({"_id": "old"})
        answer = await Post(worker, key)(action, body)
        stored = await database.get_collection("items", codec_options=RAW).find().to_list()
        outcomes.append((answer.status, told(answer.body), [kept(each.raw) for each in stored]))
        assert (process.service().transcoder.reader is None) is (choice == "off")

    assert outcomes[0] == outcomes[1]
