"""`python -m admin replay`: recorded calls are sent to a server, and replies compared; originals stay as they are."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin.replay import recording
from admin.replay.differences import Known, compared
from tests.admin.conftest import Command
from tests.hosts import Server

URL = "https://data.mongodb-api.com/app/old-xyzab/endpoint/data/v1/action/"
SHOP = {"dataSource": "mongodb-atlas", "database": "shop", "collection": "items"}


def line(action: str, reply: Any, status: int = 200, **members: Any) -> dict[str, Any]:
    """Return a recorded call of the shop."""
    return {"method": "POST", "url": URL + action, "body": SHOP | members, "status": status, "response": reply}


def har(*calls: dict[str, Any]) -> bytes:
    """Return the same calls as a browser writes them; replies in base64."""
    entries = [
        {
            "startedDateTime": "2025-09-01T10:00:00Z",
            "request": {
                "method": each["method"],
                "url": each["url"],
                "headers": [{"name": "Content-Type", "value": "application/json"}],
                "postData": {"text": json.dumps(each["body"])},
            },
            "response": {
                "status": each["status"],
                "content": {
                    "text": base64.b64encode(json.dumps(each["response"]).encode()).decode(),
                    "encoding": "base64",
                },
            },
        }
        for each in calls
    ]
    return json.dumps({"log": {"entries": entries}}).encode()


def lines(*calls: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in calls)


@pytest.fixture
async def replay(command: Command, server: Server, key: str, database: Any, driver: Any) -> Any:
    """Replay a recording on the server of the tests; the database holds two documents."""
    await driver.drop_database("shop_replay")
    await database.items.insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 2.5}])
    await database.items.create_index("n", name="by_n")

    def run(recorded: bytes, *options: str) -> tuple[int, Any]:
        (command.folder / "recorded").write_bytes(recorded)
        arguments = ("replay", "recorded", "--url", server.url, "--key", key, "--json", *options)
        done = command(*arguments, DOZEN_DATABASE="dozen")
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr.decode()

    yield run
    await driver.drop_database("shop_replay")


SAME = line("findOne", {"document": {"_id": 1, "n": 1}}, filter={"_id": 1})


@pytest.mark.parametrize(
    "recorded",
    [lines(SAME), har(SAME), gzip.compress(lines(SAME)), b"\xef\xbb\xbf\n"[:3] + lines(SAME), gzip.compress(har(SAME))],
    ids=["lines", "har", "lines-gz", "bom", "har-gz"],
)
async def test_a_reply_that_is_as_recorded_is_the_same(replay: Any, recorded: bytes) -> None:
    code, report = replay(recorded)

    assert (code, report["same"], report["differ"], report["not_sent"]) == (0, 1, 0, 0)


async def test_a_key_that_is_none_ends_it_at_the_first_call(replay: Any) -> None:
    code, said = replay(lines(SAME, SAME), "--key", "k" * 64)

    assert code == 1
    assert said.count("does not know this key, or it has ended: see dozen keys list") == 1


@pytest.mark.parametrize(
    ("reply", "status", "kinds"),
    [
        ({"document": {"_id": 1, "n": {"$numberLong": "1"}}}, 200, ["type"]),
        ({"document": {"_id": 1, "n": 1.0}}, 200, ["type"]),
        ({"document": {"n": 1, "_id": 1}}, 200, ["order"]),
        ({"document": {"_id": 1, "n": 7}}, 200, ["value"]),
        ({"document": {"_id": 1, "n": 1, "m": 1}}, 200, ["missing"]),
        ({"document": {"_id": 1}}, 200, ["added"]),
        ({"error": "x"}, 401, ["status"]),
    ],
)
async def test_a_difference_is_explained(replay: Any, reply: Any, status: int, kinds: list[str]) -> None:
    code, report = replay(lines(line("findOne", reply, status, filter={"_id": 1})))

    assert (code, report["differ"]) == (1, 1)
    assert [each["kind"] for each in report["differences"]] == kinds


async def test_documents_in_another_order_are_one_difference(replay: Any) -> None:
    _, report = replay(lines(line("find", {"documents": [{"_id": 2, "n": 2.5}, {"_id": 1, "n": 1}]}, sort={"_id": 1})))

    assert [(each["path"], each["kind"]) for each in report["differences"]] == [("documents", "order")]


WRITES = [
    line("insertOne", {"insertedId": "64b1f0c2a1b2c3d4e5f60718"}, 201, document={"n": 9}),
    line("findOne", {"document": {"_id": "64b1f0c2a1b2c3d4e5f60718", "n": 9}}, filter={"n": 9}),
    line("updateMany", {"matchedCount": 3, "modifiedCount": 3}, filter={}, update={"$set": {"n": 0}}),
    line("deleteMany", {"deletedCount": 3}, filter={}),
    line("aggregate", {"documents": []}, pipeline=[{"$match": {}}, {"$out": {"db": "shop", "coll": "items"}}]),
    line("aggregate", {"documents": []}, pipeline=[{"$merge": {"into": {"db": "shop", "coll": "items"}}}]),
    line(
        "transaction",
        {},
        operations=[{"action": "insertOne", "database": "shop", "collection": "items", "document": {"n": 5}}],
    ),
    line("bulkWrite", {}, requests=[{"deleteOne": {"filter": {"_id": 1}}}]),
]


async def test_writes_are_not_sent_unless_asked_for(replay: Any, database: Any) -> None:
    code, report = replay(lines(*(each for each in WRITES if "findOne" not in each["url"])))

    assert (code, report["not_sent"], report["same"] + report["differ"]) == (0, 7, 0)
    assert await database.items.count_documents({}) == 2


async def test_writes_go_to_a_copy_with_its_indexes_and_never_to_the_original(
    replay: Any, database: Any, driver: Any
) -> None:
    before = await database.items.find().to_list()
    _, report = replay(lines(*WRITES), "--writes")

    assert [report["actions"][name]["same"] for name in ("insertOne", "updateMany", "deleteMany")] == [1, 1, 1]
    assert report["not_sent"] == 0, report
    assert report["volatile"] == {"insertedId": 1}
    assert report["copies"] == ["shop_replay"]
    assert "by_n" in await driver.shop_replay.items.index_information()
    assert await driver.shop_replay.items.count_documents({"n": 5}) == 1, [
        each["sentence"] for each in report["differences"] if each["call"] == 7
    ]
    assert await database.items.find().to_list() == before


async def test_a_database_that_is_there_already_is_no_copy(replay: Any, driver: Any) -> None:
    await driver.shop_replay.items.insert_one({"_id": 7})
    code, sentence = replay(lines(*WRITES), "--writes")

    assert (code, "shop_replay is there already" in sentence) == (1, True)
    assert await driver.shop_replay.items.find().to_list() == [{"_id": 7}]


AMBIGUOUS = "a member stands in it twice, so that nobody can say what it does"
TWICE = '{"dataSource":"a","database":"shop","collection":"items","pipeline":[{"$out":"items"}],"pipeline":[]}'


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (SAME | {"url": "https://example.com/api"}, "not a call of the Data API"),
        (SAME | {"method": "OPTIONS"}, "not sent by POST"),
        (SAME | {"status": 0}, "no reply was recorded"),
        (SAME | {"url": 5}, "a member is missing, or of the wrong type"),
        (SAME | {"headers": [1]}, "a member is missing, or of the wrong type"),
        ({"method": "POST"}, "a member is missing, or of the wrong type"),
        (SAME | {"body": "{"}, "its body is not JSON"),
        (SAME | {"body": "[" * 100_000}, "its body is not JSON"),
        (SAME | {"url": URL + "aggregate", "body": TWICE}, AMBIGUOUS),
        (SAME | {"url": URL + "getMore"}, "getMore depends on the deployment that answers, or is unknown"),
        (5, "not an object of JSON"),
    ],
)  # fmt: skip
async def test_what_is_no_call_is_counted_and_said(replay: Any, database: Any, entry: Any, reason: str) -> None:
    code, report = replay(lines(SAME, entry))

    assert (code, report["same"], report["reasons"]) == (0, 1, {reason: 1})
    assert await database.items.count_documents({}) == 2


@pytest.mark.parametrize(
    ("recorded", "part"),
    [
        (b"", "neither a HAR nor lines"),
        (har(SAME)[:-5], "neither a HAR nor lines"),
        (b"\xff\xfe\x00", "neither a HAR nor lines"),
        (b'{"log": 5}', "no log.entries"),
        (gzip.compress(lines(SAME))[:-9], "damaged or end too early"),
    ],
    ids=["empty", "truncated", "no-utf8", "no-entries", "gzip"],
)
async def test_a_file_that_is_no_recording_is_one_sentence(replay: Any, recorded: bytes, part: str) -> None:
    code, sentence = replay(recorded)

    assert (code, sentence.count("\n"), part in sentence) == (1, 1, True)


def test_a_date_of_another_time_is_a_difference() -> None:
    found = list(
        compared({"at": {"$date": "2020-01-01T00:00:00Z"}}, {"at": {"$date": "2021-01-01T00:00:00Z"}}, Known())
    )

    assert [(each.path, each.kind, each.is_volatile) for each in found] == [("at", "value", False)]


@pytest.mark.parametrize(("minutes", "is_volatile"), [(4, True), (6, False)])
def test_a_date_within_five_minutes_of_the_call_is_no_difference(minutes: int, is_volatile: bool) -> None:
    known, now = Known(), datetime.now(UTC)
    known.at = now - timedelta(days=99)
    old = {"at": {"$date": (known.at + timedelta(minutes=minutes)).isoformat()}}
    found = list(compared(old, {"at": {"$date": now.isoformat()}}, known))

    assert [each.is_volatile for each in found] == [is_volatile]


def test_a_har_may_have_as_many_bytes_as_the_page_says() -> None:
    assert recording.LARGEST_HAR == 512 << 20
