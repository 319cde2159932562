"""openapi.json of an app: what its caller may do and know, and nothing that rules hide."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.described import Description
from tests.functions.rules.conftest import CLIENT, Known, Person, send
from tests.functions.test_openapi import DOCUMENT, OPERATIONS, PATH
from tests.hosts import Answer, Host, Worker
from tests.openapi_rules import mistakes
from tests.test_actions import ALL

SOURCE = "data_sources/mongodb-atlas/"
DEFAULT = SOURCE + "default_rule.json"
RULES = {name: f"{SOURCE}shop/{name}/rules.json" for name in ("people", "notes", "public", "orders")}
SCHEMA = SOURCE + "shop/orders/schema.json"
OPEN = {"name": "open", "apply_when": {}, "read": True, "write": True}
CLOSED = {"name": "closed", "apply_when": {}, "read": False, "write": False}
ELSE = {"name": "else", "apply_when": {"%%user.id": "somebody else"}, "read": True}
PARTLY = {
    "name": "partly", "apply_when": {},
    "fields": {"total": {"read": True}, "address": {"fields": {"city": {"read": True}}}},
    "additional_fields": {},
}  # fmt: skip
PROPERTIES = {
    "total": {"bsonType": "decimal"},
    "secret": {"bsonType": "string", "description": "what nobody may know"},
    "address": {
        "bsonType": "object",
        "description": "with the door_code",
        "properties": {"city": {"bsonType": "string"}, "door_code": {"bsonType": "int"}},
        "required": ["door_code"],
    },
}
ORDERS = "Document.mongodb_2d_atlas.shop.orders"


@pytest.fixture
async def ann(changed: Any, worker: Worker, known: Known) -> Person:
    """A user of an app whose default rules open nothing, who may read some of each order."""
    changed(DEFAULT, roles=[])
    changed(RULES["people"], roles=[CLOSED])
    changed(RULES["notes"], roles=[ELSE], filters=[])
    changed(RULES["orders"], roles=[PARTLY])
    changed(SCHEMA, properties=PROPERTIES, required=["_id", "total", "secret"])
    return await known(worker, "ann@shop.example")


async def described(person: Person) -> Answer:
    answer = await person.host.request("GET", PATH, {"Authorization": f"Bearer {person.access_token}"})
    assert answer.status == 200, answer.body
    return answer


def actions(answer: Answer, words: str = "") -> set[str]:
    """Return the actions that a document names, or those whose description has some words."""
    posted = {path.rpartition("/action/")[2]: item for path, item in answer.json["paths"].items() if "/action/" in path}
    return {name for name, item in posted.items() if words in item["post"].get("description", "")}


@pytest.mark.both_hosts
async def test_without_credentials_nothing_of_an_app_is_told(app_host: Host) -> None:
    assert (await app_host.request("GET", PATH)).json == DOCUMENT


async def test_a_caller_is_told_of_the_collections_that_rules_open(ann: Person, database: Any) -> None:
    answer = await described(ann)

    named = [each["collection"] for each in answer.json["x-dozen-namespaces"]]
    assert named == ["orders", "public", "tickets"]
    assert mistakes(answer.json) == []
    assert [name for name in (b'"people"', b'"notes"', b"somebody else") if name in answer.body] == []


async def test_a_schema_is_told_as_far_as_it_is_of_what_is_always_shown(ann: Person) -> None:
    schemas = (await described(ann)).json["components"]["schemas"]

    assert schemas[f"{ORDERS}.json"] == {
        "type": "object",
        "properties": {
            "total": {"type": "string"},
            "address": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    assert schemas[ORDERS]["required"] == ["total"]


@pytest.mark.parametrize(
    "hidden",
    [
        {"title": "of secret"}, {"description": "of secret"}, {"maxProperties": 9}, {"minProperties": 1},
        {"additionalProperties": False}, {"patternProperties": {"^sec": {}}}, {"dependencies": {"secret": ["total"]}},
        {"properties": PROPERTIES | {"secret": {"bsonType": "int"}}}, {"properties": PROPERTIES | {"more": {}}},
        {"properties": {name: PROPERTIES[name] for name in ("total", "address")}, "required": ["total"]},
        {"properties": PROPERTIES | {"total": {"bsonType": "decimal", "validate": {"%%root.secret": "x"}}}},
        {"validate": {"%%user.id": "x"}}, {"required": ["total", "secret", "more"]},
    ],
    ids=str,
)  # fmt: skip
async def test_what_a_schema_says_of_hidden_fields_makes_no_difference(ann: Person, changed: Any, hidden: Any) -> None:
    before = await described(ann)
    changed(SCHEMA, **hidden)

    after = await described(ann)

    assert (after.body, after.headers["etag"]) == (before.body, before.headers["etag"])


async def test_whoever_sees_everything_is_told_the_whole_schema(ann: Person, changed: Any) -> None:
    changed(RULES["orders"], roles=[OPEN])

    told = (await described(ann)).json["components"]["schemas"][ORDERS]

    assert told["properties"]["secret"] == {"type": "string", "description": "what nobody may know"}
    assert told["required"] == ["total", "secret"]  # an `_id` is made for who sends none


async def test_a_schema_that_fields_of_some_documents_hide_is_not_told(ann: Person, changed: Any) -> None:
    changed(RULES["orders"], roles=[OPEN | {"apply_when": {"mine": "%%user.id"}}, PARTLY])

    schemas = (await described(ann)).json["components"]["schemas"]

    assert schemas[f"{ORDERS}.json"]["properties"].keys() == {"total", "address"}


async def test_a_body_may_name_the_collections_that_are_open_and_no_others(ann: Person) -> None:
    whole = (await described(ann)).json
    path = "/app/{app_id}/endpoint/data/{version}/action/find"
    schema = whole["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    sent = {"dataSource": "mongodb-atlas", "database": "shop"}

    assert Description(whole).errors(schema, sent | {"collection": "orders"}) == []
    assert Description(whole).errors(schema, sent | {"collection": "people"}) != []


async def test_replies_are_of_the_types_that_are_told(ann: Person, changed: Any, database: Any) -> None:
    changed(RULES["orders"], roles=[OPEN])
    whole = (await described(ann)).json
    path = "/app/{app_id}/endpoint/data/{version}/action/"
    inserted = await ann("insertOne", document={"_id": 1, "total": {"$numberDecimal": "1.5"}, "secret": "s"})
    read, exact = await ann("findOne"), await ann("findOne", accept="application/ejson")
    content = whole["paths"][path + "findOne"]["post"]["responses"]["200"]["content"]

    assert inserted.status == 201, inserted.body
    assert Description(whole).errors(content["application/json"]["schema"], read.json) == []
    assert Description(whole).errors(content["application/ejson"]["schema"], exact.json) == []
    assert f"#/components/schemas/{ORDERS}.json" in str(content["application/json"]["schema"])
    assert Description(whole).errors({"$ref": f"#/components/schemas/{ORDERS}.json"}, {"total": True}) != []


async def test_under_default_rules_other_collections_may_be_named(ann: Person, changed: Any) -> None:
    changed(DEFAULT, roles=[OPEN])

    whole = (await described(ann)).json

    assert "Namespace" not in whole["components"]["schemas"]


async def test_who_may_administer_is_told_of_the_actions_for_it(ann: Person, changed: Any) -> None:
    before = await described(ann)
    changed("dozen.json", administer=True)
    after = await described(ann)

    assert (b"dropCollection" in before.body, b"dropCollection" in after.body) == (False, True)


async def test_whoever_may_call_nothing_is_refused(ann: Person, changed: Any) -> None:
    changed("http_endpoints/data_api_config.json", can_evaluate={"%%user.id": "somebody else"})

    answer = await ann.host.request("GET", PATH, {"Authorization": f"Bearer {ann.access_token}"})

    assert (answer.status, answer.json["error_code"]) == (403, "FunctionNotCallable")


async def test_whoever_may_not_write_is_told_of_no_write(ann: Person, changed: Any) -> None:
    changed(RULES["public"], roles=[CLOSED], filters=[])
    changed(SOURCE + "shop/tickets/rules.json", roles=[CLOSED], filters=[])
    before = actions(await described(ann))
    changed(RULES["orders"], roles=[PARTLY | {"apply_when": {"owner": "else"}}, OPEN])

    after = actions(await described(ann))

    reads = {name for name, each in ALL.items() if each.reads}
    assert before == reads - {"listIndexes", "explain"} | {"transaction"}  # which may be of reads
    assert after - before == {name for name, each in ALL.items() if not each.reads and not each.administers} - before


async def test_what_documents_decide_on_is_said(ann: Person, changed: Any) -> None:
    changed(RULES["orders"], roles=[OPEN | {"apply_when": {"owner": "%%user.id"}}])
    changed(RULES["public"], roles=[CLOSED], filters=[])
    changed(SOURCE + "shop/tickets/rules.json", roles=[CLOSED], filters=[])
    before = actions(await described(ann), "they decide on each document")
    changed(RULES["orders"], roles=[OPEN])

    after = actions(await described(ann), "they decide on each document")

    assert ({"find", "updateOne"} <= before, "find" in after) == (True, False)


async def test_actions_that_the_app_lets_nobody_call_are_left_out(ann: Person, changed: Any) -> None:
    changed("http_endpoints/data_api_config.json", can_evaluate={"%%request.action": {"%in": ["find", "getMore"]}})

    assert actions(await described(ann)) == {"find", "getMore"}


@pytest.mark.parametrize(
    ("config", "versions", "is_served"),
    [({"disabled": True}, ["v1"], False), ({"versions": ["beta"]}, ["beta"], True)],
    ids=["disabled", "beta"],
)
async def test_versions_that_the_app_does_not_serve_are_left_out(
    ann: Person, changed: Any, config: Any, versions: list[str], is_served: bool
) -> None:
    changed("http_endpoints/data_api_config.json", **config)

    answer = await described(ann)

    assert answer.json["components"]["parameters"]["version"]["schema"]["enum"] == versions
    assert bool(actions(answer)) is is_served


async def test_an_action_names_the_collections_that_it_could_be_about(ann: Person, changed: Any) -> None:
    changed(RULES["orders"], roles=[OPEN])
    changed(RULES["public"], roles=[PARTLY], filters=[])
    whole = (await described(ann)).json
    path = "/app/{app_id}/endpoint/data/{version}/action/"
    schemas = {name: whole["paths"][path + name]["post"]["requestBody"]["content"] for name in ("find", "deleteOne")}
    sent = {"dataSource": "mongodb-atlas", "database": "shop", "collection": "public", "filter": {}}

    assert Description(whole).errors(schemas["find"]["application/json"]["schema"], sent) == []
    assert Description(whole).errors(schemas["deleteOne"]["application/json"]["schema"], sent) != []


async def test_a_system_key_is_told_of_all_that_the_files_name(ann: Person, key: str) -> None:
    answer = await ann.host.request("GET", PATH, {"apiKey": key})

    named = {each["collection"] for each in answer.json["x-dozen-namespaces"]}
    assert {"orders", "people", "notes"} <= named
    assert answer.json["components"]["schemas"][ORDERS]["required"] == ["total", "secret"]


async def test_the_replies_of_the_client_api_are_of_their_types(ann: Person) -> None:
    user = CLIENT.rpartition("/app/")[0]
    address, renewing = {"email": "bob@shop.example", "password": "secret words"}, ann.refresh_token
    registered = await send(ann.host, "POST", f"{CLIENT}/auth/providers/local-userpass/register", address)
    logged_in = await send(ann.host, "POST", f"{CLIENT}/auth/providers/local-userpass/login", address)
    made = await send(ann.host, "POST", f"{user}/auth/api_keys", {"name": "phone"}, renewing)
    key = f"{user}/auth/api_keys/{made.json['_id']}"
    answers = {
        "location": await send(ann.host, "GET", f"{CLIENT}/location"),
        "register": registered,
        "login": logged_in,
        "session": await send(ann.host, "POST", f"{user}/auth/session", token=renewing),
        "profile": await send(ann.host, "GET", f"{user}/auth/profile", token=ann.access_token),
        "postApiKeys": made,
        "getApiKeys": await send(ann.host, "GET", f"{user}/auth/api_keys", token=renewing),
        "getApiKey": await send(ann.host, "GET", key, token=renewing),
        "disableApiKey": await send(ann.host, "PUT", f"{key}/disable", token=renewing),
        "deleteApiKey": await send(ann.host, "DELETE", key, token=renewing),
    }
    described = {name: OPERATIONS[name]["responses"].get(str(answer.status)) for name, answer in answers.items()}
    contents = {name: each["content"]["application/json"]["schema"] for name, each in described.items()}

    assert {name: Description(DOCUMENT).errors(contents[name], answer.json) for name, answer in answers.items()} == {
        name: [] for name in answers
    }
    tokens = {name: [*OPERATIONS[name]["security"][0]] for name in ("session", "profile", "getApiKey", "disableApiKey")}
    assert tokens == {name: ["bearer" if name == "profile" else "refresh"] for name in tokens}


async def test_schemas_with_one_title_are_told_apart(ann: Person, changed: Any) -> None:
    changed(RULES["orders"], roles=[OPEN])
    changed(SCHEMA, title="order", properties={"total": {"bsonType": "decimal", "title": "the sum"}})

    schemas = (await described(ann)).json["components"]["schemas"]
    told = {name: each for name, each in schemas.items() if name.startswith(ORDERS)}

    assert len(told) == 3
    assert [each["description"] for each in told.values()] == ["order"] * 3
    assert [each for each in told.values() if "title" in each or "title" in each["properties"]["total"]] == []


async def test_a_collection_of_which_no_field_could_be_shown_is_not_named(
    ann: Person, changed: Any, database: Any
) -> None:
    nothing = {"name": "none", "apply_when": {}, "fields": {"n": {"read": False}}, "additional_fields": {}}
    changed(RULES["orders"], roles=[nothing])
    await database.orders.insert_one({"n": 1})

    listed = await ann("listCollections", collection=None)

    assert "orders" not in {each["collection"] for each in (await described(ann)).json["x-dozen-namespaces"]}
    assert (listed.status, "orders" in {each["name"] for each in listed.json["collections"]}) == (200, False)


@pytest.mark.parametrize("name", ["a~1b", "{x}", "a#b", "größe ☃", "__proto__", "a%2Fb", "a b", "_2d_", "-"])
async def test_every_name_of_a_collection_can_be_described(ann: Person, changed: Any, name: str) -> None:
    changed(SCHEMA, properties={"total": {"bsonType": "decimal"}})
    folder = Path(os.environ["APP_CONFIG_DIR"]) / SOURCE / "shop"
    (folder / "orders").rename(folder / name)
    changed(f"{SOURCE}shop/{name}/rules.json", collection=name, roles=[OPEN])

    whole = (await described(ann)).json
    (named,) = [each for each in whole["x-dozen-namespaces"] if each["collection"] == name]

    assert re.fullmatch(r"#/components/schemas/[A-Za-z0-9._-]+", named["schema"])
    assert Description(whole).errors({"$ref": named["schema"] + ".json"}, {"total": "1.5"}) == []
    assert Description(whole).errors({"$ref": named["schema"] + ".json"}, {"total": True}) != []
