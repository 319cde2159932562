"""What three SDKs of App Services send to functions/call, as it was recorded from them, replayed against both hosts."""

import json
import re
from typing import Any, NamedTuple

import pytest

from tests.functions.rules.conftest import CLIENT, Person

pytestmark = pytest.mark.both_hosts  # what the clients of others send

CALL = f"{CLIENT}/functions/call"


class Sdk(NamedTuple):
    """How an SDK writes a call."""

    headers: dict[str, str]
    body: str

    def written(self, name: str, members: str) -> bytes:
        """Return the body of a call of a method with these arguments beside the namespace."""
        return self.body.replace("<name>", name).replace("<members>", members).encode()


JSON = {"Accept": "application/json", "Content-Type": "application/json"}
REALM_WEB = Sdk(
    JSON | {"Sec-Fetch-Mode": "cors"},
    '{"name":"<name>","arguments":[{"database":"shop","collection":"public",<members>}],"service":"mongodb-atlas"}',
)
REALM_CORE = Sdk(
    {"Accept": "application/json", "Content-Type": "application/json;charset=utf-8"},
    '{"arguments":[{<members>,"database":"shop","collection":"public"}],"name":"<name>","service":"mongodb-atlas"}',
)
STITCH = Sdk(
    {"Accept": "*/*", "Content-Type": "application/json"},
    '{"name":"<name>","service":"mongodb-atlas","arguments":[{"collection":"public","database":"shop",<members>}]}',
)

ONE, TWO = '{"$numberInt":"1"}', '{"$numberInt":"2"}'
TYPES = (
    '{"_id":{"$numberInt":"2"},"n":{"$numberDouble":"2.5"},"s":"ü","when":{"$date":{"$numberLong":"0"}},"nul":null,'
    '"long":{"$numberLong":"9007199254740993"},"dec":{"$numberDecimal":"1.10"},'
    '"bin":{"$binary":{"base64":"eA==","subType":"00"}},"re":{"$regularExpression":{"pattern":"a","options":"i"}}}'
)


def changed(matched: int, modified: int, upserted: str = "") -> str:
    counts = f'"matchedCount":{{"$numberInt":"{matched}"}},"modifiedCount":{{"$numberInt":"{modified}"}}'
    return f"{{{counts}{upserted and f',"upsertedId":{upserted}'}}}"


STORY = [
    ("insertOne", f'"document":{{"_id":{ONE},"n":{ONE}}}', f'{{"insertedId":{ONE}}}'),
    ("insertOne", '"document":{"temporary":true}', '{"insertedId":"<oid>"}'),
    ("deleteMany", '"query":{"temporary":true}', f'{{"deletedCount":{ONE}}}'),
    ("insertMany", f'"documents":[{TYPES},{{"n":{TWO}}}]', f'{{"insertedIds":[{TWO},"<oid>"]}}'),
    ("find", f'"query":{{"_id":{TWO}}}', f"[{TYPES}]"),
    ("find", f'"query":{{"n":{{"$lt":{TWO}}}}},"project":{{"_id":{{"$numberInt":"0"}}}},"sort":{{"n":{ONE}}},'
             f'"limit":{{"$numberLong":"2"}}', f'[{{"n":{ONE}}}]'),
    ("find", '"query":{"x":true}', "[]"),
    ("findOne", f'"query":{{"n":{ONE}}},"limit":{{"$numberLong":"2"}},"sort":{{"n":{ONE}}}',
     f'{{"_id":{ONE},"n":{ONE}}}'),
    ("findOne", '"query":{"x":true}', "null"),
    ("count", '"query":{}', '{"$numberLong":"3"}'),
    ("count", f'"query":{{}},"limit":{TWO}', '{"$numberLong":"2"}'),
    ("count", '"query":{},"limit":{"$numberLong":"0"}', '{"$numberLong":"3"}'),
    ("aggregate", f'"pipeline":[{{"$match":{{"_id":{ONE}}}}},{{"$group":{{"_id":null,"n":{{"$sum":"$n"}}}}}}]',
     f'[{{"_id":null,"n":{ONE}}}]'),
    ("updateOne", f'"query":{{"_id":{ONE}}},"update":{{"$set":{{"list":[{ONE},{TWO}]}}}},"upsert":false',
     changed(1, 1)),
    ("updateOne", f'"query":{{"_id":{ONE}}},"update":{{"$set":{{"list.$[e]":"x"}}}},"arrayFilters":[{{"e":{TWO}}}]',
     changed(1, 1)),
    ("findOne", f'"query":{{"list":"x"}},"project":{{"list":{ONE}}}', f'{{"_id":{ONE},"list":[{ONE},"x"]}}'),
    ("updateOne", f'"query":{{"_id":{ONE}}},"update":{{"name":"Alice"}}', changed(1, 1)),
    ("updateOne", '"query":{"name":"luna"},"update":{"_id":"cat","name":"luna"},"upsert":true',
     changed(0, 0, '"cat"')),
    ("updateOne", '"query":{"name":"nobody"},"update":{"name":"nobody"},"upsert":true', changed(0, 0, '"<oid>"')),
    ("updateMany", '"query":{"name":"no one"},"update":{"name":"none"},"upsert":true', changed(0, 0, '"<oid>"')),
    ("updateMany", '"query":{"name":"dog"},"update":{"_id":"dog","name":"fido"},"upsert":true',
     changed(0, 0, '"dog"')),
    ("updateMany", '"query":{"name":{"$in":["nobody","none","fido"]}},"update":{"hidden":"x"}', changed(3, 3)),
    ("findOne", '"query":{"_id":"dog"}', '{"_id":"dog","hidden":"x"}'),
    ("findOneAndUpdate", f'"filter":{{"_id":"dog"}},"update":{{"$set":{{"z":{ONE}}}}}', '{"_id":"dog","hidden":"x"}'),
    ("findOneAndUpdate", f'"filter":{{"_id":"dog"}},"update":{{"$inc":{{"z":{ONE}}}}},"sort":{{"z":{ONE}}},'
                         f'"projection":{{"z":{ONE}}},"returnNewDocument":true', f'{{"_id":"dog","z":{TWO}}}'),
    ("findOneAndUpdate", '"filter":{"name":"x"},"update":{"name":"y"}', "null"),
    ("findOneAndUpdate", '"filter":{"name":"x"},"update":{"name":"y"},"upsert":true,"returnNewDocument":true',
     '{"_id":"<oid>","name":"y"}'),
    ("findOneAndReplace", f'"filter":{{"name":"y"}},"update":{{"name":"z","n":{ONE}}},'
                          f'"projection":{{"name":{ONE}}},"upsert":true,"returnNewDocument":true',
     '{"_id":"<oid>","name":"z"}'),
    ("findOneAndReplace", '"filter":{"name":"z"},"update":{"name":"new"}',
     f'{{"_id":"<oid>","name":"z","n":{ONE}}}'),
    ("findOneAndReplace", '"filter":{"name":"z"},"update":{"name":"new"}', "null"),
    ("findOneAndReplace", f'"filter":{{"name":"new"}},"projection":{{"name":{ONE}}}', '{"_id":"<oid>","name":"new"}'),
    ("findOneAndDelete", f'"filter":{{"_id":"dog"}},"projection":{{"hidden":{ONE}}}', '{"_id":"dog","hidden":"x"}'),
    ("findOneAndDelete", '"filter":{"_id":"dog"}', "null"),
    ("deleteOne", '"query":{"_id":"cat"}', f'{{"deletedCount":{ONE}}}'),
    ("deleteOne", '"query":{"_id":"cat"}', '{"deletedCount":{"$numberInt":"0"}}'),
    ("deleteOne", '"query":{"hidden":"x"}', f'{{"deletedCount":{ONE}}}'),
    ("deleteMany", '"query":{}', '{"deletedCount":{"$numberInt":"4"}}'),
]  # fmt: skip


@pytest.mark.parametrize(
    "sdk",
    [
        pytest.param(REALM_WEB, id="realm-web"),
        pytest.param(REALM_CORE, id="realm-core"),
        pytest.param(STITCH, id="stitch"),
    ],
)
async def test_an_unchanged_program_gets_what_it_got_from_app_services(ann: Person, database: Any, sdk: Sdk) -> None:
    headers = sdk.headers | {"Authorization": f"Bearer {ann.access_token}"}
    answers = [await ann.host.request("POST", CALL, headers, sdk.written(name, members)) for name, members, _ in STORY]

    replies = [re.sub(r'\{"\$oid":"[0-9a-f]{24}"\}', '"<oid>"', each.body.decode()) for each in answers]
    assert list(zip(replies, STORY, strict=True)) == [(told[2], told) for told in STORY]
    assert {(each.status, each.headers["content-type"]) for each in answers} == {(200, "application/json")}
    assert await database.public.count_documents({}) == 0


def test_the_story_has_each_method_of_the_sdks() -> None:
    methods = "find findOne aggregate count insertOne insertMany updateOne updateMany deleteOne deleteMany"

    assert {name for name, *_ in STORY} == {
        *methods.split(), "findOneAndUpdate", "findOneAndReplace", "findOneAndDelete"
    }  # fmt: skip
    assert all(json.loads(REALM_CORE.written(name, members)) for name, members, _ in STORY)
