"""What three clients from npm send for all ten actions, as it was recorded from them, replayed against both hosts."""

import re
from typing import Any, NamedTuple

import pytest

from tests.conftest import ACTION
from tests.hosts import Host

pytestmark = pytest.mark.both_hosts  # what the clients of others send

KEY = "<the key>"
FETCH = {"Accept": "*/*", "Accept-Language": "*", "Sec-Fetch-Mode": "cors", "User-Agent": "node"}
PLACE = '"dataSource":"mongodb-atlas","database":"shop","collection":"items"'
PLACE_REVERSED = '"collection":"items","database":"shop","dataSource":"mongodb-atlas"'
CHANGED_ONE = '{"matchedCount":1,"modifiedCount":1}'
UPSERTED = '{"matchedCount":0,"modifiedCount":0,"upsertedId":"<oid>"}'


class Client(NamedTuple):
    """A client's headers, its requests in their order, and the answers; `<oid>` stands for any ObjectId."""

    headers: dict[str, str]
    calls: list[tuple[str, str, int, str]]


SURMON = Client(
    {
        "Accept": "application/json, text/plain, */*", "Content-Type": "application/json",
        "Access-Control-Request-Headers": "*", "api-key": KEY, "User-Agent": "axios/1.21.1",
    },
    [
        ("insertOne", f'{{{PLACE},"document":{{"n":1,"s":"a"}}}}', 201, '{"insertedId":"<oid>"}'),
        (
            "insertMany", f'{{{PLACE},"documents":[{{"_id":"x","n":2}},{{"n":3}}]}}', 201,
            '{"insertedIds":["x","<oid>"]}',
        ),
        (
            "findOne", f'{{{PLACE},"filter":{{"n":1}},"projection":{{"_id":0}}}}', 200,
            '{"document":{"n":1,"s":"a"}}',
        ),
        ("findOne", f'{{{PLACE},"filter":{{"n":77}}}}', 200, '{"document":null}'),
        (
            "find", f'{{{PLACE},"filter":{{"n":{{"$gt":1}}}},"sort":{{"n":-1}},"limit":1,"skip":0}}', 200,
            '{"documents":[{"_id":"<oid>","n":3}]}',
        ),
        ("updateOne", f'{{{PLACE},"filter":{{"n":1}},"update":{{"$set":{{"s":"b"}}}}}}', 200, CHANGED_ONE),
        (
            "updateOne", f'{{{PLACE},"filter":{{"n":50}},"update":{{"$set":{{"s":"b"}}}},"upsert":true}}', 200,
            UPSERTED,
        ),
        (
            "updateMany", f'{{{PLACE},"filter":{{}},"update":{{"$inc":{{"n":1}}}}}}', 200,
            '{"matchedCount":4,"modifiedCount":4}',
        ),
        ("replaceOne", f'{{{PLACE},"filter":{{"_id":"x"}},"replacement":{{"n":9}}}}', 200, CHANGED_ONE),
        (
            "aggregate", f'{{{PLACE},"pipeline":[{{"$group":{{"_id":null,"sum":{{"$sum":"$n"}}}}}}]}}', 200,
            '{"documents":[{"_id":null,"sum":66}]}',
        ),
        ("deleteOne", f'{{{PLACE},"filter":{{"_id":"x"}}}}', 200, '{"deletedCount":1}'),
        ("deleteMany", f'{{{PLACE},"filter":{{}}}}', 200, '{"deletedCount":3}'),
    ],
)  # fmt: skip
SAIBOTSIVAD = Client(
    FETCH | {"Content-Type": "application/json", "Access-Control-Request-Headers": "*", "api-key": KEY},
    [
        ("insertOne", f'{{"document":{{"n":1}},{PLACE}}}', 201, '{"insertedId":"<oid>"}'),
        (
            "insertMany",
            '{"documents":[{"n":2},{"_id":{"$oid":"6193ebd53821e5ec5b4f6c3b"},"n":3,'
            f'"at":{{"$date":"2021-11-17T00:00:00.5Z"}}}}],{PLACE}}}',
            201, '{"insertedIds":["<oid>","<oid>"]}',
        ),
        (
            "findOne", f'{{"filter":{{"_id":{{"$oid":"6193ebd53821e5ec5b4f6c3b"}}}},{PLACE}}}', 200,
            '{"document":{"_id":"<oid>","n":3,"at":"2021-11-17T00:00:00.500Z"}}',
        ),
        (
            "find", f'{{"filter":{{}},"projection":{{"_id":0}},"sort":{{"n":1}},{PLACE}}}', 200,
            '{"documents":[{"n":1},{"n":2},{"n":3,"at":"2021-11-17T00:00:00.500Z"}]}',
        ),
        ("updateOne", f'{{"filter":{{"n":1}},"update":{{"$set":{{"s":1}}}},{PLACE}}}', 200, CHANGED_ONE),
        (
            "updateMany", f'{{"filter":{{}},"update":{{"$set":{{"s":2}}}},{PLACE}}}', 200,
            '{"matchedCount":3,"modifiedCount":3}',
        ),
        ("replaceOne", f'{{"filter":{{"n":99}},"replacement":{{"n":98}},"upsert":true,{PLACE}}}', 200, UPSERTED),
        (
            "aggregate", f'{{"pipeline":[{{"$sort":{{"n":1}}}},{{"$limit":1}},{{"$project":{{"_id":0}}}}],{PLACE}}}',
            200, '{"documents":[{"n":1,"s":2}]}',
        ),
        ("deleteOne", f'{{"filter":{{"n":1}},{PLACE}}}', 200, '{"deletedCount":1}'),
        ("deleteMany", f'{{"filter":{{}},{PLACE}}}', 200, '{"deletedCount":3}'),
    ],
)  # fmt: skip
TASKLESS = Client(
    FETCH | {"apiKey": KEY, "Content-Type": "application/ejson", "x-realm-op-name": "default"},
    [
        (
            "insertOne", f'{{{PLACE_REVERSED},"document":{{"n":1,"at":{{"$date":"1970-01-01T00:00:00Z"}}}}}}', 201,
            '{"insertedId":"<oid>"}',
        ),
        (
            "insertMany", f'{{{PLACE_REVERSED},"documents":[{{"n":2}},{{"n":3}}]}}', 201,
            '{"insertedIds":["<oid>","<oid>"]}',
        ),
        (
            "findOne", f'{{{PLACE_REVERSED},"filter":{{"n":1}},"projection":{{"_id":0}}}}', 200,
            '{"document":{"n":1,"at":"1970-01-01T00:00:00.000Z"}}',
        ),
        (
            "find", f'{{{PLACE_REVERSED},"filter":{{}},"sort":{{"n":-1}},"limit":2}}', 200,
            '{"documents":[{"_id":"<oid>","n":3},{"_id":"<oid>","n":2}]}',
        ),
        (
            "find", f"{{{PLACE_REVERSED}}}", 200,
            '{"documents":[{"_id":"<oid>","n":1,"at":"1970-01-01T00:00:00.000Z"},{"_id":"<oid>","n":2},'
            '{"_id":"<oid>","n":3}]}',
        ),
        ("updateOne", f'{{{PLACE_REVERSED},"filter":{{"n":1}},"update":{{"$set":{{"s":1}}}}}}', 200, CHANGED_ONE),
        (
            "updateOne", f'{{{PLACE_REVERSED},"filter":{{"n":100}},"update":{{"$set":{{"s":1}}}},"upsert":true}}', 200,
            UPSERTED,
        ),
        (
            "updateMany", f'{{{PLACE_REVERSED},"filter":{{}},"update":{{"$set":{{"s":1}}}}}}', 200,
            '{"matchedCount":4,"modifiedCount":2}',
        ),
        ("replaceOne", f'{{{PLACE_REVERSED},"filter":{{"n":2}},"replacement":{{"n":22}}}}', 200, CHANGED_ONE),
        ("aggregate", f'{{{PLACE_REVERSED},"pipeline":[{{"$count":"all"}}]}}', 200, '{"documents":[{"all":4}]}'),
        ("deleteOne", f'{{{PLACE_REVERSED},"filter":{{"n":1}}}}', 200, '{"deletedCount":1}'),
        ("deleteMany", f'{{{PLACE_REVERSED},"filter":{{}}}}', 200, '{"deletedCount":3}'),
    ],
)  # fmt: skip
CLIENTS = [
    pytest.param(SURMON, id="mongodb-data-api 0.4"),
    pytest.param(SAIBOTSIVAD, id="@saibotsivad/mongodb"),
    pytest.param(TASKLESS, id="@taskless/mongo-data-api"),
]
ACTIONS = {
    *("findOne", "find", "insertOne", "insertMany", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany"),
    "aggregate",
}


async def replayed(host: Host, headers: dict[str, str], client: Client) -> list[tuple[int, str]]:
    """Send a client's requests one after the other; give status and body of each answer."""
    answers = [await host.request("POST", ACTION + action, headers, body.encode()) for action, body, *_ in client.calls]
    return [(answer.status, re.sub(r"\b[0-9a-f]{24}\b", "<oid>", answer.body.decode())) for answer in answers]


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_unchanged_client_gets_what_it_got_from_atlas(
    host: Host, key: str, database: Any, client: Client
) -> None:
    headers = {name: value.replace(KEY, key) for name, value in client.headers.items()}

    assert await replayed(host, headers, client) == [(status, body) for *_, status, body in client.calls]
    assert await database.items.count_documents({}) == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_a_recording_has_all_ten_actions(client: Client) -> None:
    assert {action for action, *_ in client.calls} == ACTIONS
