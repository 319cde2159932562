"""HTTPS endpoints of the app: who may call one, what its function is given, and what is answered."""

import asyncio
import hmac
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.mongod import Mongod
from shared.openapi.endpoints import operation_id
from tests.conftest import errors_only, restart
from tests.depth import HOSTS
from tests.edge import Reply, exchange
from tests.functions.rules.conftest import PASSWORD, SETTINGS, Known, log_in, send
from tests.functions.rules.test_sessions import custom_token
from tests.hosts import ROOT, Answer, Host, Server, Worker, eventually
from tests.openapi_rules import mistakes

pytestmark = pytest.mark.both_hosts  # paths, bodies and headers come and go through each host in its way

APP = "/app/greeter-abcde/endpoint"
SECRET = "a secret of callers"
GREETER = SETTINGS | {
    "APP_CONFIG_DIR": str(ROOT / "tests" / "apps" / "greeter"), "APP_SECRET_SECRET_PASSWORD": SECRET,
}  # fmt: skip
EJSON = {"Accept": "application/ejson"}


@pytest.fixture(scope="session")
async def greeter_server(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """server.py with the app whose functions answer endpoints."""
    async with Server(tmp_path_factory.mktemp("greeter") / "log", MONGO_DB_URI=mongod.uri, **GREETER) as running:
        yield running


@pytest.fixture(params=HOSTS)
def greeter(request: pytest.FixtureRequest, configured: pytest.MonkeyPatch, users: None, database: Any) -> Host:
    """Each host in turn, with this app."""
    if request.param == "server":
        server: Server = request.getfixturevalue("greeter_server")
        return server
    for name, value in GREETER.items():
        configured.setenv(name, value)
    worker: Worker = request.getfixturevalue("worker")
    return worker


async def credentials(host: Host, kind: str, known: Known) -> dict[str, str]:
    """Return what a caller sends who proves to be somebody in one of all ways."""
    if kind == "jwt":
        return {"jwtTokenString": custom_token()}
    ann = await known(host, "ann@shop.example")
    if kind == "session":
        return {"Authorization": f"Bearer {ann.access_token}"}
    if kind == "password":
        return {"email": "ann@shop.example", "password": PASSWORD}
    made = await send(host, "POST", "/api/client/v2.0/auth/api_keys", {"name": "k"}, ann.refresh_token)
    return {"apiKey": made.json["key"]}


@pytest.fixture
async def guest(greeter: Host) -> dict[str, str]:
    """The credentials of somebody who logged in anonymously."""
    person = await log_in(greeter, "anon-user", {})
    return {"Authorization": f"Bearer {person.access_token}"}


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"Endpoint-Signature": f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"}


def refused(answer: Answer) -> tuple[int, str | None]:
    return answer.status, errors_only(answer).get("error_code")


@pytest.mark.parametrize("kind", ["password", "key", "jwt", "session"])
async def test_each_credential_calls_a_function_that_runs_as_its_caller(greeter: Host, known: Known, kind: str) -> None:
    headers = await credentials(greeter, kind, known) | {"Content-Type": "application/x-www-form-urlencoded"}

    answer = await greeter.request("POST", f"{APP}/hello", headers, b'{"name": "Ann"}')

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {"date": "2023-05-05T01:02:03.456Z", "greeting": "Hello, Ann!"}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "InvalidParameter"),
        ({"apiKey": "nobody's"}, 401, "InvalidSession"),
        ({"Authorization": "Bearer x"}, 401, "InvalidSession"),
        ({"email": "ann@shop.example"}, 400, "MissingParameter"),
        ({"Authorization": "Bearer x", "apiKey": "y"}, 401, "InvalidSession"),
    ],
    ids=str,
)
async def test_nobody_else_does(greeter: Host, headers: dict[str, str], status: int, code: str) -> None:
    assert refused(await greeter.request("POST", f"{APP}/hello", headers, b"{}")) == (status, code)


@pytest.mark.parametrize(
    ("accept", "kind", "body"),
    [
        ({}, "application/json", b'{"date":"2023-05-05T01:02:03.456Z"}'),
        ({"Accept": "text/csv"}, "application/json", b'{"date":"2023-05-05T01:02:03.456Z"}'),
        (EJSON, "application/ejson", b'{"date":{"$date":{"$numberLong":"1683248523456"}}}'),
        ({"Accept": "application/json;q=0.5, application/ejson"}, "application/ejson",
         b'{"date":{"$date":{"$numberLong":"1683248523456"}}}'),
    ],
)  # fmt: skip
async def test_a_result_is_json_or_extended_json_as_accept_says(
    greeter: Host, guest: dict[str, str], accept: dict[str, str], kind: str, body: bytes
) -> None:
    answer = await greeter.request("GET", f"{APP}/hello/latest", guest | accept)

    assert (answer.status, answer.headers["content-type"], answer.body) == (200, kind, body)


async def test_what_a_function_makes_of_the_response_is_answered(
    greeter: Host, guest: dict[str, str], database: Any
) -> None:
    answer = await greeter.request("POST", f"{APP}/custom", guest | EJSON, "grüße".encode())

    (stored,) = await database.items.find().to_list()
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert (answer.json, stored["text"]) == ({"insertedId": str(stored["_id"])}, "grüße")


async def test_a_body_that_is_empty_is_undefined_and_an_error_is_told(greeter: Host, guest: dict[str, str]) -> None:
    answer = await greeter.request("POST", f"{APP}/custom", guest)

    assert refused(answer) == (400, "FunctionExecutionError")
    assert json.loads(errors_only(answer)["error"])["message"] == "the body is missing"


async def test_a_secret_in_the_query_lets_in_and_is_not_seen(greeter: Host, guest: dict[str, str]) -> None:
    query = f"a=1&secret={SECRET.replace(' ', '+')}&a=2&b=&c=%C3%BC&__proto__=y&d=%00"

    answer = await greeter.request("GET", f"{APP}/passwordRequired?{query}", guest, b"a body")

    assert answer.status == 200, answer.body
    assert answer.body.startswith(b'{"ok":1,')
    assert answer.json["query"] == {"a": "1", "b": "", "c": "ü", "__proto__": "y", "d": "\0"}
    assert (answer.json["body"], "secret" in answer.json["raw"]) == ("a body", False)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?secret=",
        "?secret=x",
        "?secret=x&secret=RIGHT",
        "?Secret=RIGHT",
        "?secret=%FF",
        "?secret",
        "?secret=RIGHT%00",
    ],
)
async def test_another_secret_does_not(greeter: Host, guest: dict[str, str], query: str) -> None:
    url = f"{APP}/passwordRequired{query.replace('RIGHT', SECRET.replace(' ', '%20'))}"

    assert refused(await greeter.request("GET", url, guest)) == (401, "IncomingWebhookAuthFailed")


async def test_the_name_of_the_secret_may_be_escaped_and_is_not_seen_either(
    greeter: Host, guest: dict[str, str]
) -> None:
    answer = await greeter.request("GET", f"{APP}/passwordRequired?s%65cret={SECRET.replace(' ', '%20')}&x=1", guest)

    assert (answer.json["query"], answer.json["raw"]) == ({"x": "1"}, "x=1")


async def test_a_signature_of_the_raw_body_lets_in(greeter: Host) -> None:
    body = b'{ "message": "Hello!" }'

    answer = await greeter.request("POST", f"{APP}/sendMessage", signed(body), body)

    assert (answer.status, answer.body) == (200, b'{"ok":1}')


async def test_a_large_body_is_signed_too(greeter: Host) -> None:
    body = json.dumps({"message": "x" * 300_000}).encode()

    answers = [await greeter.request("POST", f"{APP}/sendMessage", signed(each), body) for each in (body, body[1:])]

    assert [each.status for each in answers] == [200, 401]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b'{"message": "another"}'),
        signed(b'{"message": "mine"}', "another secret"),
        {"Endpoint-Signature": signed(b'{"message": "mine"}')["Endpoint-Signature"].upper()},
        {"X-Hook-Signature": signed(b'{"message": "mine"}')["Endpoint-Signature"]},
        {"Endpoint-Signature": ""},
    ],
    ids=str,
)
async def test_another_signature_does_not(greeter: Host, headers: dict[str, str]) -> None:
    answer = await greeter.request("POST", f"{APP}/sendMessage", headers, b'{"message": "mine"}')

    assert refused(answer) == (401, "IncomingWebhookAuthFailed")


@pytest.mark.parametrize("credentials", [{}, {"Authorization": "Bearer of somebody else"}, {"apiKey": "x"}], ids=str)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
async def test_a_function_with_rights_of_its_own_needs_no_credentials(
    greeter: Host, database: Any, credentials: dict[str, str], method: str
) -> None:
    await database.items.insert_one({"_id": 1, "owner": "somebody"})

    answer = await greeter.request(method, f"{APP}/visits", credentials | EJSON)

    assert (answer.status, answer.body) == (200, b"<p>1 system true</p>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["link"] == "</a>; rel=first, </z>; rel=last"


async def test_an_endpoint_without_a_result_has_no_body(greeter: Host) -> None:
    answer = await greeter.request("PUT", f"{APP}/visits")

    assert (answer.status, answer.body) == (204, b"")


async def test_head_has_no_body(greeter: Host) -> None:
    answer = await greeter.request("HEAD", f"{APP}/visits")

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/hello", "POST, OPTIONS"),
        ("HEAD", "/hello/latest", "GET, OPTIONS"),
        ("DELETE", "/custom/", "POST, OPTIONS"),
    ],
)
async def test_another_method_is_405(greeter: Host, method: str, path: str, allowed: str) -> None:
    answer = await greeter.request(method, APP + path)

    assert (answer.status, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/hello", "POST, OPTIONS"), ("/visits", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")],
)
async def test_a_preflight_is_answered_for_the_methods_of_the_route(greeter: Host, path: str, allowed: str) -> None:
    answer = await greeter.request("OPTIONS", APP + path, {"Origin": "https://page.example"})

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert answer.headers["access-control-allow-methods"] == allowed
    assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type, Accept"


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/Hello", "/hello/latest/more", "/visits//", "//visits", "/hello%2Flatest",
        "/vis%69ts%00", "/visits%0A", "/data/v1/action/nothing", "/data/v1", "/endpoint.js", "/%2e%2e/visits",
        "/visits;x=1", "/visits%3Fx=1", "/visits%20",
    ],
)  # fmt: skip
async def test_a_path_that_is_no_route_is_404(greeter: Host, path: str) -> None:
    answer = await greeter.request("GET", APP + path)

    assert (answer.status, errors_only(answer)) == (
        404,
        {"error": f"no endpoint found for '{APP}{path}'", "error_code": "EndpointNotFound"},
    )


@pytest.mark.parametrize(
    "url", ["/APP/greeter-abcde/endpoint/visits", "/app/greeter-abcde/Endpoint/visits", "/app//endpoint/visits"]
)
async def test_what_is_before_a_route_is_exact(greeter: Host, url: str) -> None:
    assert refused(await greeter.request("GET", url)) == (404, "EndpointNotFound")


@pytest.mark.parametrize("path", ["/visits", "/visits/", "/v%69sits", "/visits?", "/visits?a=b"])
async def test_a_route_may_be_escaped_and_end_in_a_slash(greeter: Host, path: str) -> None:
    assert (await greeter.request("GET", APP + path)).body == b"<p>0 system true</p>"


@pytest.mark.parametrize("path", ["/data/v1/action/find", "/data/v1//action/find", "/data/beta/action/find/"])
async def test_the_data_api_is_beside_the_endpoints(greeter: Host, guest: dict[str, str], path: str) -> None:
    body = b'{"dataSource":"mongodb-atlas","database":"shop","collection":"items","filter":{}}'

    answer = await greeter.request("POST", APP + path, guest, body)

    assert (answer.status, answer.json) == (200, {"documents": []})


async def raw(server: Server, method: str, path: str, lines: list[str], body: bytes = b"") -> Reply:
    head = "\r\n".join([f"{method} {APP}{path} HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""])
    (reply,) = await exchange(server.port, head.encode("latin-1") + body)
    return reply


@pytest.mark.parametrize("path", ["/hello/../visits", "/./visits", "/visits/.", "/visits/../visits", "/visits\xff"])
async def test_dots_and_bytes_of_a_path_lead_nowhere(greeter_server: Server, path: str) -> None:
    assert (await raw(greeter_server, "GET", path, [])).status in {400, 404}


async def test_headers_that_are_sent_twice_are_one_value(greeter_server: Server, database: Any) -> None:
    body = b'{"message": "x"}'
    right, wrong = signed(body)["Endpoint-Signature"], signed(b"")["Endpoint-Signature"]
    length = f"Content-Length: {len(body)}"

    for lines in ([right, wrong], [wrong, right], [right, right]):
        sent = [f"Endpoint-Signature: {each}" for each in lines]
        assert (await raw(greeter_server, "POST", "/sendMessage", [length, *sent], body)).status == 401
    assert (
        await raw(greeter_server, "POST", "/sendMessage", [length, f"Endpoint-Signature: {right}"], body)
    ).status == 200


async def test_a_body_in_chunks_is_signed_as_a_whole(greeter_server: Server) -> None:
    body = b'{"message": "x"}'
    lines = ["Transfer-Encoding: chunked", f"Endpoint-Signature: {signed(body)['Endpoint-Signature']}"]
    chunks = b"5\r\n" + body[:5] + b"\r\nb\r\n" + body[5:] + b"\r\n0\r\n\r\n"

    assert (await raw(greeter_server, "POST", "/sendMessage", lines, chunks)).body == b'{"ok":1}'


async def test_of_a_body_that_is_sent_by_half_nothing_is_done(greeter_server: Server, database: Any) -> None:
    before = len(greeter_server.log_lines)
    _reader, writer = await asyncio.open_connection("127.0.0.1", greeter_server.port)
    writer.write(f"POST {APP}/visits HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n".encode() + b"x" * 100_000)
    await writer.drain()
    writer.close()

    async def is_logged() -> bool:
        return any(each.get("status") == 499 for each in greeter_server.log_lines[before:])

    await eventually(is_logged)


async def test_a_body_that_is_too_large_is_413(greeter_server: Server) -> None:
    answer = await raw(greeter_server, "POST", "/visits", ["Content-Length: 99999999999"])

    assert answer.status == 413


async def test_a_head_that_is_too_large_is_431(greeter_server: Server) -> None:
    assert (await raw(greeter_server, "GET", "/visits", [f"X-A: {'x' * 70_000}"])).status == 431


async def test_a_large_body_is_seen_as_it_was_sent(greeter: Host, guest: dict[str, str]) -> None:
    body = json.dumps({"name": "ü" * 1_000_000}, ensure_ascii=False).encode()

    answer = await greeter.request("POST", f"{APP}/hello", guest, body)

    assert (answer.status, answer.json.get("greeting")) == (200, f"Hello, {'ü' * 1_000_000}!"), answer.body[:200]


async def test_openapi_describes_the_endpoints_that_a_caller_may_call(greeter: Host, guest: dict[str, str]) -> None:
    whole = (await greeter.request("GET", "/openapi.json", guest)).json
    found = {path.rpartition("/endpoint")[2]: item for path, item in whole["paths"].items() if "/endpoint/" in path}

    assert mistakes(whole) == []
    assert found["/hello"].keys() - {"parameters"} == {"post"}
    assert found["/visits"].keys() - {"parameters"} == {"get", "head", "post", "put", "patch", "delete"}
    assert ("requestBody" in found["/hello"]["post"], "requestBody" in found["/hello/latest"]["get"]) == (True, False)
    assert [*found["/hello"]["post"]["responses"]["200"]["content"]] == ["application/json", "application/ejson"]
    assert [*found["/visits"]["put"]["responses"]["200"]["content"]] == ["*/*"]
    secret = [each["name"] for each in found["/passwordRequired"]["get"]["parameters"]]
    assert secret == ["query", "secret"]


async def test_openapi_describes_no_endpoint_to_whom_may_call_none(greeter: Host) -> None:
    assert b"passwordRequired" not in (await greeter.request("GET", "/openapi.json")).body


@pytest.mark.parametrize("condition", [{"%%request.httpMethod": "GET"}, {"%%user.id": "else"}], ids=str)
async def test_openapi_leaves_out_an_endpoint_that_refuses_the_caller(
    changed: Any, scripts: Any, known: Known, worker: Worker, condition: Any
) -> None:
    endpoint = {"http_method": "POST", "function_name": "f", "respond_result": True}
    scripts({"f": {}}, f="exports = () => 1")
    folder = Path(os.environ["APP_CONFIG_DIR"]) / "http_endpoints" / "config.json"
    listed = [endpoint | {"route": "/open"}, endpoint | {"route": "/closed", "can_evaluate": condition}]
    folder.write_text(json.dumps(listed))
    restart()
    ann = await known(worker, "ann@shop.example")

    described = await worker.request("GET", "/openapi.json", {"Authorization": f"Bearer {ann.access_token}"})

    assert (b"endpoint/open" in described.body, b"endpoint/closed" in described.body) == (True, False)


def ids_of(described: Any) -> dict[tuple[str, str], str]:
    """Return the ids of operations by route and method."""
    return {
        (path.rpartition("/endpoint")[2], method): operation["operationId"]
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


async def test_the_id_of_an_endpoint_is_its_own_and_stays_when_others_come(
    changed: Any, scripts: Any, known: Known, worker: Worker
) -> None:
    scripts({"f": {}}, f="exports = () => 1")
    folder = Path(os.environ["APP_CONFIG_DIR"]) / "http_endpoints" / "config.json"
    routes = ["/a/b", "/a-b", "/a_b", "/a.b", "/A/b", "/a/(b)", "/a/b/c", "/a/bc", "/find"]
    listed = [{"route": route, "http_method": "POST", "function_name": "f"} for route in routes]
    headers = {"Authorization": f"Bearer {(await known(worker, 'ann@shop.example')).access_token}"}
    folder.write_text(json.dumps(listed))
    restart()
    before = ids_of((await worker.request("GET", "/openapi.json", headers)).json)
    folder.write_text(json.dumps([*listed, listed[0] | {"route": "/a"}, listed[0] | {"http_method": "*"}]))
    restart()
    whole = (await worker.request("GET", "/openapi.json", headers)).json
    after = ids_of(whole)

    assert mistakes(whole) == []
    assert before == {name: after[name] for name in before}
    assert len({*after.values()}) == len(after) > len(before)
    assert [each for each in after.values() if not (each.isidentifier() and each.isascii())] == []
    assert (after["/a/b", "post"], after["/a/b", "get"]) == ("endpoint_post_a_b", "endpoint_get_a_b")


@given(st.sets(st.from_regex(r"(/[ab._~-]{1,4}){0,3}", fullmatch=True), min_size=2), st.text("a/", min_size=70))
def test_no_two_routes_have_one_id(routes: set[str], long: str) -> None:
    several = routes | {f"{route}/{long}" for route in routes}
    ids = {operation_id("GET", route) for route in several}

    assert len(ids) == len(several)
    assert [each for each in ids if not each.isidentifier()] == []
