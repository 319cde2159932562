"""openapi.json for everybody: valid, made of the types of the service, and the same as what Atlas described."""

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from shared.endpoint.etags import CACHED
from shared.endpoint.http import CREDENTIAL_HEADERS, EXPOSED
from shared.endpoint.terms import TERMS
from shared.openapi import client, components, document
from shared.openapi.replies import REPLIES
from tests import openapi_page
from tests.conftest import Post
from tests.described import Description
from tests.hosts import ROOT, Host, Server, Worker
from tests.openapi_rules import mistakes
from tests.test_actions import ALL, KINDS
from tests.test_index import FUNCTIONS

PATH = "/openapi.json"
DOCUMENT: dict[str, Any] = json.loads(document.written(document.document(ALL)))
OPERATIONS = {
    operation["operationId"]: operation
    for item in DOCUMENT["paths"].values()
    for method, operation in item.items()
    if method != "parameters"
}
ATLAS = {
    "findOne": ({"filter", "projection"}, 200),
    "find": ({"filter", "projection", "sort", "limit", "skip"}, 200),
    "insertOne": ({"document"}, 201),
    "insertMany": ({"documents"}, 201),
    "updateOne": ({"filter", "update", "upsert"}, 200),
    "updateMany": ({"filter", "update", "upsert"}, 200),
    "replaceOne": ({"filter", "replacement", "upsert"}, 200),
    "deleteOne": ({"filter"}, 200),
    "deleteMany": ({"filter"}, 200),
    "aggregate": ({"pipeline"}, 200),
}
"""The operations of Atlas's own document: their members, and the status that its service answered with."""


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def objects(value: Any) -> list[dict[str, Any]]:
    """Return all objects inside a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*([value] if isinstance(value, dict) else []), *(found for each in inner for found in objects(each))]


def body(name: str) -> dict[str, Any]:
    content: dict[str, Any] = OPERATIONS[name]["requestBody"]["content"]["application/json"]
    return content


def test_the_document_is_valid() -> None:
    assert mistakes(DOCUMENT) == []


@pytest.mark.both_hosts
async def test_both_hosts_answer_with_the_same_bytes(host: Host, worker: Worker, server: Server) -> None:
    answer = await host.request("GET", PATH)

    assert (answer.status, answer.json) == (200, DOCUMENT)
    assert answer.body == document.written(document.document(ALL))
    assert answer.headers["content-type"] == "application/json"
    assert {name: answer.headers[name.lower()] for name in CACHED} == CACHED


@pytest.mark.both_hosts
async def test_who_has_the_document_gets_304(host: Host) -> None:
    first = await host.request("GET", PATH)
    again = await host.request("GET", PATH, {"If-None-Match": first.headers["etag"]})
    other = await host.request("GET", PATH, {"If-None-Match": '"other"'})

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (other.status, other.body) == (200, first.body)


async def test_a_head_has_the_headers_alone(server: Server) -> None:
    got, head = await server.request("GET", PATH), await server.request("HEAD", PATH)

    assert (head.status, head.body, head.headers["etag"]) == (200, b"", got.headers["etag"])


@pytest.mark.both_hosts
async def test_a_page_may_read_it(host: Host) -> None:
    answer = await host.request("GET", PATH, {"Origin": "https://page.example"})
    asked = await host.request("OPTIONS", PATH, {"Origin": "https://page.example"})

    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert (asked.status, asked.headers["access-control-allow-methods"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.both_hosts
async def test_other_methods_are_refused(host: Host) -> None:
    answer = await host.request("POST", PATH)

    assert (answer.status, answer.headers["allow"], answer.json["error_code"]) == (
        405,
        "GET, HEAD, OPTIONS",
        "BadRequest",
    )


@pytest.mark.both_hosts
async def test_a_wrong_credential_is_401(host: Host) -> None:
    answer = await host.request("GET", PATH, {"apiKey": "wrong"})

    assert (answer.status, answer.json["error_code"]) == (401, "InvalidSession")


async def test_without_an_app_a_system_key_is_told_of_all_actions(worker: Worker, key: str) -> None:
    answer = await worker.request("GET", PATH, {"apiKey": key})

    assert (answer.status, answer.json) == (200, DOCUMENT)


@pytest.mark.parametrize(("name", "said"), ATLAS.items(), ids=ATLAS)
def test_the_operations_of_atlas_are_those_of_its_document(name: str, said: tuple[set[str], int]) -> None:
    members, status = said
    path = f"/app/{{app_id}}/endpoint/data/{{version}}/action/{name}"
    operation = DOCUMENT["paths"][path]["post"]
    schema = resolved(body(name)["schema"])

    assert members | {"dataSource", "database", "collection"} <= schema["properties"].keys()
    assert [each for each in operation["responses"] if each.startswith("20")] == [str(status)]
    assert {"400", "401", "403", "404"} <= operation["responses"].keys()


@pytest.mark.parametrize("name", ALL)
def test_a_body_has_the_members_and_options_of_its_type(name: str) -> None:
    properties = resolved(body(name)["schema"])["properties"]

    assert properties.keys() == {*KINDS[name].__struct_encode_fields__, *KINDS[name].takes} - {"options"}


@pytest.mark.parametrize("name", ALL)
def test_the_examples_follow_their_schemas(name: str) -> None:
    sent, responses = body(name), OPERATIONS[name]["responses"]
    replied = responses[str(ALL[name].success.value)]["content"]["application/json"]
    found = [Description(DOCUMENT).errors(sent["schema"], each["value"]) for each in sent["examples"].values()]
    found += [Description(DOCUMENT).errors(replied["schema"], each["value"]) for each in replied["examples"].values()]

    assert len(found) >= 2
    assert [each for each in found if each] == []


@pytest.mark.parametrize("name", ALL)
def test_the_replies_of_the_page_are_of_the_types(name: str) -> None:
    examples = openapi_page.read()[name]["examples"]  # another test sends the requests

    assert [msgspec.convert(each["reply"], REPLIES[name]) for each in examples] != []


def test_the_page_is_that_of_the_docs() -> None:
    assert openapi_page.WRITTEN.read_text() == openapi_page.written(), "run: python -m tests.openapi_page"


def test_every_function_is_described_with_its_path() -> None:
    described = {path.removeprefix("/") for path in DOCUMENT["paths"]}
    others = {
        "endpoint",
        "webhook",
        "fallback",
        "metrics",
        "mcp",
        "explorer",
        "explorer_file",
    }  # of apps, for other paths, for people

    assert {path for name, (path, _) in FUNCTIONS.items() if name not in others} == described


@pytest.mark.parametrize("path", sorted({each.path for each in client.OPERATIONS}))
async def test_every_function_of_the_client_api_has_the_methods_that_are_described(server: Server, path: str) -> None:
    url = (document.CLIENT + path).format(app_id="a", provider="p", key_id="k")
    answer = await server.request("OPTIONS", url, {"Origin": "https://page.example"})
    described = {each.method.upper() for each in client.OPERATIONS if each.path == path}

    allowed = set(answer.headers["access-control-allow-methods"].split(", "))
    assert allowed - {"OPTIONS"} == described


def test_every_credential_is_described() -> None:
    headers = {each["name"] for each in components.SCHEMES.values() if each["type"] == "apiKey"}

    assert headers == set(CREDENTIAL_HEADERS.split(", "))


def test_every_term_of_a_write_is_described() -> None:
    assert set(TERMS.split(", ")) < DOCUMENT["components"]["parameters"].keys()


def test_every_header_that_a_page_may_read_is_described_and_of_a_response() -> None:
    named = {name for each in objects(DOCUMENT["components"]["responses"]) for name in each.get("headers", ())}
    named |= {name for each in objects(DOCUMENT["paths"]) for name in each.get("headers", ())}

    assert set(EXPOSED.split(", ")) == DOCUMENT["components"]["headers"].keys() == named


def test_every_status_of_an_error_is_described_with_its_codes() -> None:
    described = {name for operation in OPERATIONS.values() for name in operation["responses"]}

    assert described >= {str(each) for each in components.codes()} - {
        str(each) for each in (components.CALLER_LEFT, *components.NOT_OF_AN_OPERATION)
    }
    assert "NoMatchingRuleFound" in DOCUMENT["components"]["responses"]["403"]["description"]


@pytest.mark.parametrize(("members", "status"), [({"filter": {}}, 200), ({"filter": 1}, 400)])
async def test_what_the_schema_refuses_is_refused(post: Post, members: Any, status: int) -> None:
    sent = {"dataSource": "s", "database": "shop", "collection": "items"} | members
    answer = await post("find", sent)

    assert answer.status == status
    assert (Description(DOCUMENT).errors(body("find")["schema"], sent) == []) is (status == 200)


def test_nothing_of_it_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, function_app; print([each for each in sys.modules if each.startswith('shared.openapi')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)

    assert done.stdout.splitlines()[-1] == b"[]"


def test_no_schema_is_one_that_people_or_generators_read_as_another() -> None:
    schemas = [each for each in objects(DOCUMENT["components"]["schemas"]) if "anyOf" in each or "type" in each]

    assert len(schemas) > 100
    assert [
        each for each in schemas if each.get("type") == "array" and not {"items", "prefixItems"} & each.keys()
    ] == []
    assert [each for each in schemas if {} in each.get("anyOf", ())] == []
    assert [each for each in schemas if each == {"type": "object"}] == []
    assert [each for each in schemas if "default" in each] == []


@pytest.mark.parametrize("kind", client.EXAMPLES, ids=lambda kind: str(kind.__name__))
def test_the_examples_of_the_client_api_are_of_their_types(kind: type[msgspec.Struct]) -> None:
    members = {each.encode_name for each in msgspec.structs.fields(kind)}

    assert msgspec.convert(client.EXAMPLES[kind], kind)
    assert client.EXAMPLES[kind].keys() <= members


def test_a_stream_of_changes_is_described() -> None:
    watch = OPERATIONS["watch"]

    assert [*watch["responses"]["200"]["content"]] == ["text/event-stream"]
    assert [each["name"] for each in watch["parameters"]] == ["baas_request", "baas_at"]
