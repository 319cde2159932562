"""The worked examples of docs/rules.md and docs/coming-from-atlas.md, served as they stand on the pages."""

import json
import re
from pathlib import Path
from typing import Any

import jwt
import pytest

from shared.app.reading import load
from shared.mongo import reads
from shared.operators import TABLES, Standing
from tests.functions.rules.conftest import SETTINGS, Known, Person, log_in
from tests.hosts import ROOT, Worker

OPEN = {"read": True, "write": True}
BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)


def examples() -> list[dict[str, Any]]:
    return [json.loads(block) for block in BLOCK.findall(section("Examples"))]


def staff() -> list[Any]:
    """Return the rules and the documents of the examples of calls."""
    return [json.loads(block) for block in BLOCK.findall(section("What may a call use"))[:2]]


def calls() -> list[tuple[str, str, str, str]]:
    """Return action, body, status and reply of each example of a call."""
    call = re.compile(
        r"^(find|aggregate|countDocuments|distinct|findOneAndUpdate|updateOne|replaceOne) (\{.*\})\n(\d{3}) (\{.*\})$",
        re.MULTILINE,
    )
    return call.findall((ROOT / "docs" / "rules.md").read_text())


def section(beginning: str) -> str:
    return (ROOT / "docs" / "rules.md").read_text().partition(f"\n## {beginning}")[2].partition("\n## ")[0]


def write(folder: Path, **files: Any) -> Path:
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


@pytest.fixture
async def ann(tmp_path: Path, configured: pytest.MonkeyPatch, worker: Worker, known: Known, database: Any) -> Person:
    """A clerk of the red team, served by an app whose collections have the page's rules, one example each."""
    owners, visitor, clerk, once, team = examples()
    taken_over = {"name": "r", "apply_when": {}, "read": True, "write": {"owner": "%%user.id"}}
    kept = taken_over | {"write": {"owner": "%%user.id", "%%prevRoot.owner": "%%user.id"}}
    rules = {
        "owners": owners, "visitor": visitor, "clerk": clerk,
        "once": {"roles": [{"name": "r", "apply_when": {}, **once, "additional_fields": OPEN}]},
        "team": {"roles": [{"name": "r", "apply_when": {}, **OPEN}], **team},
        "taken": {"roles": [taken_over]}, "kept": {"roles": [kept]}, "staff": staff()[0],
    }  # fmt: skip
    data = {"enabled": True, "mongo_service_name": "mongodb-atlas", "database_name": "shop",
            "collection_name": "people", "user_id_field": "user_id"}  # fmt: skip
    folder = write(tmp_path, **{
        "root_config": {},
        "auth/providers": {"local-userpass": {"type": "local-userpass", "config": {"autoConfirm": True}}},
        "auth/custom_user_data": data,
        **{f"data_sources/mongodb-atlas/shop/{name}/rules": each for name, each in rules.items()},
    })  # fmt: skip
    for name, value in (SETTINGS | {"APP_CONFIG_DIR": str(folder)}).items():
        configured.setenv(name, value)
    made = await known(worker, "ann@shop.example")
    await database.people.insert_one({"user_id": made.id, "job": "clerk", "team": "red"})
    return await log_in(worker, "local-userpass", {"username": "ann@shop.example", "password": "secret words"})


async def found(person: Person, collection: str) -> Any:
    answer = await person("find", collection=collection)
    assert answer.status == 200, answer.body
    return answer.json["documents"]


async def status(person: Person, action: str, collection: str, **members: Any) -> int:
    return (await person(action, collection=collection, **members)).status


async def test_everybody_reads_and_owners_write(ann: Person, database: Any) -> None:
    await database.owners.insert_many([{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": "u2"}])
    change = {"update": {"$set": {"title": "new"}}}

    assert await status(ann, "updateOne", "owners", filter={"_id": 1}, **change) == 200
    assert await status(ann, "updateOne", "owners", filter={"_id": 2}, **change) == 400
    assert await status(ann, "deleteOne", "owners", filter={"_id": 2}) == 400
    assert await status(ann, "insertOne", "owners", document={"_id": 3, "owner": ann.id}) == 201
    assert await status(ann, "insertOne", "owners", document={"_id": 4, "owner": "u2"}) == 400
    assert [each["_id"] for each in await found(ann, "owners")] == [1, 2, 3]


async def test_some_fields_for_everybody(ann: Person, database: Any) -> None:
    await database.visitor.insert_many([
        {"_id": 1, "published": True, "title": "t", "votes": 1, "draft": "d"},
        {"_id": 2, "published": False, "title": "u"},
    ])  # fmt: skip

    assert await found(ann, "visitor") == [{"title": "t", "votes": 1}]
    assert await status(ann, "updateOne", "visitor", filter={"_id": 1}, update={"$inc": {"votes": 1}}) == 200
    assert await status(ann, "updateOne", "visitor", filter={"_id": 1}, update={"$set": {"title": "x"}}) == 400
    assert await database.visitor.find_one({"_id": 1}, {"_id": 0, "title": 1, "votes": 1}) == {"title": "t", "votes": 2}


async def test_all_fields_but_one_and_inside_a_document_all_but_one(
    ann: Person, worker: Worker, known: Known, database: Any
) -> None:
    stored = {"_id": 1, "name": "n", "salary": 5, "address": {"city": "Porto", "street": "s"}}
    await database.clerk.insert_one(stored)

    assert await found(ann, "clerk") == [{"_id": 1, "name": "n", "address": {"city": "Porto"}}]
    assert await found(await known(worker, "bob@shop.example"), "clerk") == []
    assert await status(ann, "updateOne", "clerk", filter={"_id": 1}, update={"$set": {"salary": 6}}) == 400
    assert await status(ann, "updateOne", "clerk", filter={"_id": 1}, update={"$set": {"name": "m"}}) == 200


async def test_a_field_that_is_set_once(ann: Person, database: Any) -> None:
    await database.once.insert_one({"_id": 1})

    first = await status(ann, "updateOne", "once", filter={"_id": 1}, update={"$set": {"number": 1}})
    second = await status(ann, "updateOne", "once", filter={"_id": 1}, update={"$set": {"number": 2}})

    assert (first, second) == (200, 400)
    assert await found(ann, "once") == [{"_id": 1, "number": 1}]


async def test_documents_of_the_own_team_without_their_notes(
    ann: Person, worker: Worker, known: Known, database: Any
) -> None:
    await database.team.insert_many([{"_id": 1, "team": "red", "notes": "n"}, {"_id": 2, "team": "blue"}, {"_id": 3}])

    assert await found(ann, "team") == [{"_id": 1, "team": "red"}]
    assert await found(await known(worker, "bob@shop.example"), "team") == []


async def test_what_the_page_warns_of_and_what_it_advises(ann: Person, database: Any) -> None:
    await database.taken.insert_one({"_id": 1, "owner": "u2"})
    await database.kept.insert_one({"_id": 1, "owner": "u2"})
    take = {"filter": {"_id": 1}, "update": {"$set": {"owner": ann.id}}}

    assert await status(ann, "updateOne", "taken", **take) == 200
    assert await status(ann, "updateOne", "kept", **take) == 400


@pytest.mark.parametrize(("action", "body", "status", "reply"), calls())
async def test_a_call_gets_the_reply_of_the_page(
    ann: Person, database: Any, action: str, body: str, status: str, reply: str
) -> None:
    await database.staff.insert_many(staff()[1])

    answer = await ann(action, collection="staff", **json.loads(body))

    assert (answer.status, answer.body.decode()) == (int(status), reply)


async def test_more_than_is_computed_on_is_refused_in_the_words_of_the_page(ann: Person, database: Any) -> None:
    await database.staff.insert_many([{"_id": n, "name": "x" * 1_000_000} for n in range(17)])
    await database.staff.insert_one({"name": "short"})
    length: Any = {"projection": {"length": {"$strLenCP": "$name"}}}

    refused = await ann("find", collection="staff", **length)
    narrowed = await ann("find", collection="staff", filter={"name": "short"}, **length)

    assert (refused.status, refused.json["error_code"]) == (400, "InvalidParameter")
    assert f"\n```console\n{refused.json['error']}\n```\n" in section("What may a call use")
    assert narrowed.json == {"documents": [{"length": 5}]}


@pytest.fixture
async def sent(ann: Person, database: Any, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The documents that are sent to MongoDB to compute on."""
    await database.staff.insert_many(staff()[1])
    await database.visitor.insert_one({"published": True, "title": "t", "draft": "d"})
    noted: list[bytes] = []
    computed = reads.computed

    def noting(target: Any, documents: list[bytes], *arguments: Any) -> Any:
        noted.extend(documents)
        return computed(target, documents, *arguments)

    monkeypatch.setattr(reads, "computed", noting)
    return noted


@pytest.mark.parametrize(
    ("collection", "action", "members", "is_computed"),
    [
        ("staff", "find", {"filter": {"name": {"$regex": "^A"}, "votes": {"$bitsAllSet": 1}}}, False),
        ("staff", "find", {"filter": {"phones.place": "work"}, "sort": {"votes": 1}}, False),
        ("visitor", "aggregate", {"pipeline": [{"$set": {"x": {"$toUpper": "$title"}}}]}, False),
        ("staff", "aggregate", {"pipeline": [{"$match": {"votes": 1}}]}, True),
        ("staff", "find", {"projection": {"x": {"$toUpper": "$name"}}}, True),
        ("staff", "find", {"filter": {"$expr": {"$gt": ["$votes", 1]}}}, True),
        ("staff", "find", {"filter": {"$jsonSchema": {"required": ["votes"]}}}, True),
        ("staff", "find", {"filter": {"phones.place": None}}, True),
        ("staff", "find", {"filter": {"phones.0.place": "work"}}, True),
        ("staff", "find", {"sort": {"phones.place": 1}}, True),
    ],
    ids=str,
)
async def test_a_call_runs_where_the_page_says(
    ann: Person, sent: list[bytes], collection: str, action: str, members: Any, is_computed: bool
) -> None:
    answer = await ann(action, collection=collection, **members)

    assert (answer.status, len(sent) > 0) == (200, is_computed)
    assert not any(hidden in each for each in sent for hidden in (b"salary", b"number", b"_id", b"Eve"))


def test_the_page_names_what_is_closed_where_rules_apply() -> None:
    part = section("What may a call use").partition("### What is closed where rules apply?")[2].partition("```")[0]
    rest = section("What may a call use").partition("But no caller to whom rules apply may use")[2].partition("###")[0]
    closed = {
        name for table in TABLES for name, each in table.items() if Standing.RULED < each.open_to < Standing.NAMED
    }

    named = {*re.findall(r"`(\$+\w+)`", part), *re.findall(r"`(\$\$\w+)`", rest)}

    assert named == closed | {"$expr"}  # which is closed in arrayFilters alone


async def test_tokens_live_as_long_as_the_page_says(ann: Person) -> None:
    page = (ROOT / "docs" / "coming-from-atlas.md").read_text()
    stated = re.search(r"Access tokens of (\d+) minutes and refresh tokens of (\d+) days", page)
    assert stated is not None

    access, refresh = (
        jwt.decode(token, options={"verify_signature": False}) for token in (ann.access_token, ann.refresh_token)
    )

    assert access["exp"] - access["iat"] == int(stated[1]) * 60
    assert refresh["exp"] - refresh["iat"] == int(stated[2]) * 24 * 3600


def test_the_smallest_app_of_the_page_can_be_served(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "coming-from-atlas.md").read_text().partition("A small app is three files")[2]
    root, providers = re.findall(r"with `(\{.*?\})`", page)[:2]
    folder = write(tmp_path, **{
        "root_config": json.loads(root), "auth/providers": json.loads(providers),
        "data_sources/mongodb-atlas/default_rule": examples()[0],
    })  # fmt: skip

    app = load(folder, {})

    assert app.findings == ()
    assert app.providers.api_key
    assert examples()[0] == json.loads(re.findall(r"<<'EOF'\n(.*?)\nEOF", page, re.DOTALL)[0])
