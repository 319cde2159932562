"""`python -m admin openapi`, `connector` and `postman`: what they print is valid, and of the API as it is."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.admin.conftest import Command
from tests.functions.test_openapi import DOCUMENT, OPERATIONS, objects
from tests.hosts import ROOT
from tests.openapi_rules import mistakes

SHOP = {
    "APP_CONFIG_DIR": str(ROOT / "tests" / "apps" / "shop"), "SESSION_SECRET": "a secret of the tests, long enough",
    "APP_SECRET_JWT_KEY": "k" * 40, "APP_SECRET_HOOK_SECRET": "hook",
}  # fmt: skip
ORDERS = ("--namespace", "shop.orders", "--host", "api.shop.example")


@pytest.fixture
def shop(command: Command) -> Command:
    """The commands in a deployment with the app of the tests."""
    command.env |= SHOP
    return command


def printed(command: Command, *arguments: str) -> Any:
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


def test_the_document_of_everybody_is_printed(shop: Command) -> None:
    assert printed(shop, "openapi") == DOCUMENT


def test_the_document_of_a_key_is_what_the_key_gets(shop: Command, driver: Any) -> None:
    shop("keys", "create", "--name", "flows")
    listed = json.loads(shop("keys", "list", "--json").stdout)
    key = next(each for each in listed if each["name"] == "flows")

    told = printed(shop, "openapi", "--key", str(key["id"]))

    assert told["info"]["title"] == "shop"
    assert "orders" in {each["collection"] for each in told["x-dozen-namespaces"]}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("openapi", "--key", "a", "--user", "b"), 2, b"give --user or --key"),
        (("openapi", "--user", "65a1b2c3d4e5f60718293a4b"), 1, b"there is no user 65a1b2c3d4e5f60718293a4b"),
        (("connector", "--namespace", "shop", "--host", "a"), 2, b"--namespace takes a database and a collection"),
        (("connector", "--namespace", "a.b", "--host", "https://a/"), 2, b"'https://a/' is no host name"),
    ],
    ids=["two", "nobody", "no collection", "a URL"],
)
def test_what_cannot_be_is_refused(shop: Command, arguments: tuple[str, ...], code: int, sentence: bytes) -> None:
    done = shop(*arguments)

    assert (done.returncode, done.stdout) == (code, b"")
    assert sentence in done.stderr


def test_a_connector_has_typed_replies(shop: Command) -> None:
    made = printed(shop, "connector", *ORDERS)

    assert mistakes(made, "2.0") == []
    assert (made["host"], made["basePath"]) == ("api.shop.example", "/app/data/endpoint/data/v1")
    find = made["paths"]["/action/find"]["post"]
    documents = find["responses"]["200"]["schema"]["properties"]["documents"]
    assert documents["items"]["properties"]["title"] == {"type": "string"}
    body = find["parameters"][0]["schema"]["properties"]
    assert body["collection"] == {
        "type": "string", "default": "orders", "enum": ["orders"], "x-ms-visibility": "internal",
        "x-ms-summary": "Collection",
    }  # fmt: skip


def test_a_connector_without_a_schema_has_objects(command: Command) -> None:
    made = printed(command, "connector", *ORDERS)

    assert mistakes(made, "2.0") == []
    inserted = made["paths"]["/action/insertOne"]["post"]["parameters"][0]["schema"]["properties"]["document"]
    assert inserted["type"] == "object"


def test_a_postman_collection_has_every_call_with_its_examples(shop: Command) -> None:
    made = printed(shop, "postman", "--url", "https://api.shop.example/")

    items = {item["name"]: item for folder in made["item"] for item in folder["item"]}
    assert made["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert items.keys() == OPERATIONS.keys() - {"watch"}  # a runner would wait for its end
    assert {each["key"]: each["value"] for each in made["variable"]}["baseUrl"] == "https://api.shop.example"
    find = items["find"]
    assert find["request"]["url"]["raw"] == "{{baseUrl}}/app/{{app_id}}/endpoint/data/{{version}}/action/find"
    sent = OPERATIONS["find"]["requestBody"]["content"]["application/json"]["examples"]["1"]["value"]
    assert json.loads(find["request"]["body"]["raw"]) == sent
    assert [each["code"] for each in find["response"]] == [200, 200]


@pytest.mark.parametrize("name", ["shop.orders", "shop." + "a_very_long_name_of_a_collection___"])
def test_a_connector_follows_the_rules_of_power_platform(shop: Command, name: str) -> None:
    done = shop("connector", "--namespace", name, "--host", "api.shop.example")
    made = json.loads(done.stdout)
    operations = [item["post"] for item in made["paths"].values()]
    ids = [each["operationId"] for each in operations]
    bodies = [each["parameters"][0]["schema"] for each in operations]
    members = [member for each in bodies for member in each["properties"].values()]
    schemas = objects([bodies, [each["responses"] for each in operations]])

    assert len(done.stdout) < 1_000_000
    assert re.fullmatch(r".{1,29}[A-Za-z0-9]", made["info"]["title"])
    assert (made["swagger"], made["schemes"]) == ("2.0", ["https"])
    assert len(set(ids)) == len(ids)
    assert [each for each in ids if not re.fullmatch(r"[A-Za-z0-9]+", each)] == []
    assert [each for each in operations if not re.fullmatch(r"[^/]{1,79}[A-Za-z0-9]", each["summary"])] == []
    assert [each for each in members if not re.fullmatch(r"[^/]{1,79}[A-Za-z0-9]", each["x-ms-summary"])] == []
    assert [each for each in members if each.get("x-ms-visibility") == "internal" and "default" not in each] == []
    assert [each for each in operations if len(each["responses"]) != 2] == []
    assert [each for each in schemas if {"$ref", "anyOf", "allOf", "oneOf", "const"} & each.keys()] == []
    assert [each for each in schemas if isinstance(each.get("type"), list)] == []


def test_a_connector_sends_numbers_as_plain_json_has_them(shop: Command, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHOP["APP_CONFIG_DIR"], tmp_path / "shop"))
    schema = {"bsonType": "object", "properties": {"count": {"bsonType": "int"}, "placed": {"bsonType": "date"}}}
    (folder / "data_sources/mongodb-atlas/shop/orders/schema.json").write_text(json.dumps(schema))
    shop.env["APP_CONFIG_DIR"] = str(folder)

    inserted = printed(shop, "connector", *ORDERS)["paths"]["/action/insertOne"]["post"]["parameters"][0]["schema"]

    sent = inserted["properties"]["document"]["properties"]
    assert (sent["count"], sent["placed"]["properties"]) == ({"type": "integer"}, {"$date": {"type": "string"}})


@pytest.fixture
def two(shop: Command, tmp_path: Path) -> Command:
    """The app with another data source, which has a collection of the same name whose documents are others."""
    folder = Path(shutil.copytree(SHOP["APP_CONFIG_DIR"], tmp_path / "shop"))
    source = folder / "data_sources" / "second"
    (source / "shop" / "orders").mkdir(parents=True)
    config = {"name": "second", "type": "mongodb-atlas", "config": {"clusterName": "Cluster-9"}}
    (source / "config.json").write_text(json.dumps(config))
    rules = {"database": "shop", "collection": "orders", "roles": [{"name": "a", "apply_when": {}, "read": True}]}
    (source / "shop" / "orders" / "rules.json").write_text(json.dumps(rules | {"filters": []}))
    schema = {"bsonType": "object", "properties": {"of_second": {"bsonType": "bool"}}}
    (source / "shop" / "orders" / "schema.json").write_text(json.dumps(schema))
    names = ("MONGO_DB_URI__SECOND", "MONGO_DB_URI__CLUSTER_9")  # a request may name it by either
    shop.env |= {"APP_CONFIG_DIR": str(folder)} | dict.fromkeys(names, shop.env["MONGO_DB_URI"])
    return shop


@pytest.mark.parametrize(
    ("source", "name", "properties"),
    [
        ("second", "shop.orders", {"of_second"}),
        ("Cluster-9", "shop.orders", {"of_second"}),
        ("second", "shop.tickets", set()),  # which only the first names
        ("mongodb-atlas", "shop.orders", {"_id", "total", "title"}),
    ],
    ids=["name", "cluster", "other", "default"],
)
def test_a_connector_has_the_types_of_its_own_data_source(
    two: Command, source: str, name: str, properties: set[str]
) -> None:
    made = printed(two, "connector", "--namespace", name, "--host", "api.shop.example", "--data-source", source)

    sent = made["paths"]["/action/insertOne"]["post"]["parameters"][0]["schema"]["properties"]
    assert sent["dataSource"]["default"] == source
    assert sent["document"].get("properties", {}).keys() == properties


def test_a_connector_for_a_data_source_that_is_not_there_is_refused(two: Command) -> None:
    done = two("connector", *ORDERS, "--data-source", "third")

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"there is no data source 'third'" in done.stderr
