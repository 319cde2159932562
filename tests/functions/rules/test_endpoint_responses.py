"""What the functions of endpoints make of the response, and what an app says of its endpoints."""

import asyncio
import hmac
import json
import logging
import re
from base64 import b64encode
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from shared.endpoint import function_responses
from shared.service import process
from tests.conftest import errors_only, restart
from tests.functions.rules.conftest import CLIENT, PASSWORD, Known, Scripts, log_in
from tests.functions.rules.test_app_functions import call
from tests.functions.rules.test_sessions import custom_token
from tests.hosts import ROOT, Answer, Worker, eventually

URL = "/app/shop-abcde/endpoint/f"
HOOK = "/api/client/v2.0/app/shop-abcde/service/mail/incoming_webhook/arrived"

ANN = {"email": "ann@shop.example", "password": PASSWORD}

type Serve = Callable[..., None]


@pytest.fixture
def serve(scripts: Scripts, tmp_path: Path) -> Serve:
    """Serve an endpoint whose function is this; an entry of the function, members of the endpoint."""

    def serve(body: str, entry: dict[str, Any] | None = None, **members: Any) -> None:
        endpoint = {"route": "/f", "function_name": "f", "respond_result": True} | members
        (tmp_path / "shop" / "http_endpoints" / "config.json").write_text(json.dumps([endpoint]))
        scripts(
            {"f": {"run_as_system": True} if entry is None else entry}, f=f"exports = async (q, a) => {{ {body} }};"
        )

    return serve


async def called(worker: Worker, method: str = "POST", url: str = URL, body: bytes = b"", **headers: str) -> Answer:
    return await worker.request(method, url, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("body", "plain", "extended"),
    [
        ("", "null", "null"),
        ("return undefined", "null", "null"),
        ("return null", "null", "null"),
        ("return 5", "5", '{"$numberInt":"5"}'),
        ("return 2.5", "2.5", '{"$numberDouble":"2.5"}'),
        ("return 'ü'", '"ü"', '"ü"'),
        ("return true", "true", "true"),
        ("return {}", "{}", "{}"),
        ("return []", "[]", "[]"),
        ("return -(2n ** 63n)", "-9223372036854775808", '{"$numberLong":"-9223372036854775808"}'),
        ("return [1, { a: [] }]", '[1,{"a":[]}]', '[{"$numberInt":"1"},{"a":[]}]'),
        ("return { _id: BSON.ObjectId('65a1b2c3d4e5f60718293a4b') }", '{"_id":"65a1b2c3d4e5f60718293a4b"}',
         '{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"}}'),
        ("return { ok: EJSON.parse('{\"a\":{\"$numberLong\":\"9007199254740993\"}}') }",
         '{"ok":{"a":9007199254740993}}', '{"ok":{"a":{"$numberLong":"9007199254740993"}}}'),
        ("a.setStatusCode(200); return { a: 1 }", '{"a":1}', '{"a":{"$numberInt":"1"}}'),
        ("return context.services.get('mongodb-atlas').db('shop').collection('none').find()", "[]", "[]"),
        ("return { error: 'x', body: 'y', status: 500, headers: 5 }",
         '{"error":"x","body":"y","status":500,"headers":5}',
         '{"error":"x","body":"y","status":{"$numberInt":"500"},"headers":{"$numberInt":"5"}}'),
    ],
)  # fmt: skip
async def test_what_is_returned_is_the_body(worker: Worker, serve: Serve, body: str, plain: str, extended: str) -> None:
    serve(body)

    answers = [await called(worker), await called(worker, accept="application/ejson")]

    assert [each.status for each in answers] == [200, 200]
    assert [each.body.decode() for each in answers] == [plain, extended]


async def test_what_a_caller_sends_is_on_no_term_of_what_the_function_writes(
    configured: pytest.MonkeyPatch, worker: Worker, serve: Serve, database: Any
) -> None:
    configured.setenv("GUARD_ALLOWED_STAGES", "$merge")
    db = "context.services.get('mongodb-atlas').db('shop').collection('orders')"
    serve(f"await {db}.aggregate([{{ $merge: 'copies' }}]).toArray(); return 1")
    await database.orders.insert_one({"_id": 1})

    answer = await called(worker, idempotency_key="k", if_match="x", dozen_dry_run="true")

    assert (answer.status, answer.body) == (200, b"1")
    assert await database.copies.find().to_list() == [{"_id": 1}]


async def test_the_endpoint_says_the_format_where_the_caller_does_not(worker: Worker, serve: Serve) -> None:
    serve("return 5", return_type="EJSON")

    answers = [await called(worker), await called(worker, accept="application/json")]

    assert [each.body for each in answers] == [b'{"$numberInt":"5"}', b"5"]
    assert [each.headers["content-type"] for each in answers] == ["application/ejson", "application/json"]


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("a.setBody('grüße'); return 1", "grüße".encode()),
        ("a.setBody(''); return 1", b""),
        ("a.setBody(null); return 1", b""),
        ("a.setBody(); return 1", b""),
        ("a.setBody(BSON.Binary.fromHex('00ff'))", b"\x00\xff"),
        ("a.setBody(q.body)", b"\xffas it came\x00"),
        ("a.setBody(BSON.ObjectId('65a1b2c3d4e5f60718293a4b'))", b"65a1b2c3d4e5f60718293a4b"),
        ("a.setBody(5)", b"5"),
        ("a.setBody('\\ud800')", "\ufffd".encode()),
        ("a.setBody('one'); a.setBody('two')", b"two"),
        ("a.setBody('x'.repeat(300000))", b"x" * 300_000),
    ],
)
async def test_a_body_that_is_set_is_sent_as_it_is(worker: Worker, serve: Serve, body: str, sent: bytes) -> None:
    serve(body)

    answer = await called(worker, body=b"\xffas it came\x00", accept="application/ejson")

    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, sent, "application/json")


@pytest.mark.parametrize(
    ("body", "status", "sent"),
    [
        ("return 1", 204, b""),
        ("a.setStatusCode(202); return 1", 202, b""),
        ("a.setBody('x')", 204, b""),
    ],
)
async def test_without_a_result_there_is_no_body(
    worker: Worker, serve: Serve, body: str, status: int, sent: bytes
) -> None:
    serve(body, respond_result=False)

    answer = await called(worker)

    assert (answer.status, answer.body) == (status, sent)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("a.setStatusCode(99)", "setStatusCode takes a number from 200 to 599"),
        ("a.setStatusCode(101)", "setStatusCode takes a number from 200 to 599"),
        ("a.setStatusCode(600)", "setStatusCode takes a number from 200 to 599"),
        ("a.setStatusCode(200.5)", "setStatusCode takes a number from 200 to 599"),
        ("a.setStatusCode('x')", "setStatusCode takes a number from 200 to 599"),
        ("a.setHeader('a b', 'x')", "the header of a response is a name"),
        ("a.setHeader('', 'x')", "the header of a response is a name"),
        ("a.setHeader('X', 'a\\r\\nSet-Cookie: b=c')", "the header of a response is a name"),
        ("a.addHeader('X', 'ü')", "the header of a response is a name"),
        ("a.addHeader('X\\n', 'x')", "the header of a response is a name"),
        ("a.addHeader('Set-Cookie', 'nothing')", "the header of a response is a name"),
        ("a.setHeader('X', 'x'.repeat(20000))", "the headers of a response are longer than 16384 bytes"),
        ("a.setBody({})", "setBody takes a text or a Binary"),
        ("a.setBody(() => 1)", "setBody takes a text or a Binary"),
        ("return { ['\\0']: 1 }", "what the function returns cannot be sent: a key holds a NUL character"),
        ('return EJSON.parse(\'{"a":{"$numberDecimal":"1e99999"}}\')', "what the function returns cannot be sent"),
        ("return 2n ** 63n", "RangeError: a BigInt is beyond an Int64"),
        ("a.setStatusCode(201); a.setHeader('X', 'y'); a.setBody('z'); throw new Error('no')", "no"),
        ("Array.prototype.filter = () => 5; a.setHeader('X', 'y')", "TypeError"),
        ("Array.prototype.filter = () => [[1, 2]]; a.setHeader('X', 'y')", "the header of a response is a name"),
        ("String.prototype.toWellFormed = () => ({}); a.setBody('x')", "setBody takes a text or a Binary"),
        ("return 'x'.repeat(100).split('').map(() => 'y'.repeat(1e6))", "out of memory"),
    ],
)
async def test_what_no_response_has_is_an_error_of_the_function_alone(
    worker: Worker, serve: Serve, body: str, text: str
) -> None:
    serve(body)

    answer = await called(worker)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "FunctionExecutionError")
    assert text in errors_only(answer)["error"]
    assert "x" not in answer.headers


@pytest.mark.parametrize("status", [200, 201, 204, 205, 301, 304, 404, 500, 599])
async def test_a_status_is_that_of_the_function(worker: Worker, serve: Serve, status: int) -> None:
    serve(f"a.setStatusCode({status}); a.setBody('x')")

    answer = await called(worker)

    assert (answer.status, answer.body) == (status, b"" if status in {204, 205, 304} else b"x")


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        ("a.setHeader('X-A', 1); a.setHeader('x-a', 2)", "x-a", "2"),
        ("a.addHeader('X-A', 1); a.addHeader('x-a', 2)", "x-a", "1, 2"),
        ("a.addHeader('X-A', 1); a.setHeader('x-a', 2); a.addHeader('X-a', 3)", "x-a", "2, 3"),
        ("a.setHeader('vary', 'Accept')", "vary", "Origin, Accept"),
        ("a.setHeader('vary', 'accept, origin')", "vary", "accept, origin"),
        ("a.setHeader('Access-Control-Allow-Origin', '*')", "access-control-allow-origin", "*"),
        ("", "access-control-allow-origin", "https://page.example"),
        ("a.setHeader('content-type', 'text/plain')", "content-type", "text/plain; charset=utf-8"),
        ("a.setHeader('content-type', 'text/plain; charset=\"ascii\"; format=flowed')", "content-type",
         "text/plain; format=flowed; charset=ascii"),
        ("a.setHeader('content-type', 'image/png')", "content-type", "image/png"),
        ("a.setHeader('content-type', '')", "content-type", "application/json"),
        ("a.setHeader('Content-Length', 5); a.setHeader('Connection', 'close')", "connection", None),
        ("a.setHeader('Transfer-Encoding', 'chunked')", "transfer-encoding", None),
    ],
)  # fmt: skip
async def test_headers_are_those_of_the_function_but_for_the_hosts(
    worker: Worker, serve: Serve, body: str, name: str, value: str | None
) -> None:
    serve(body + "; a.setBody('x')")

    answer = await called(worker, Origin="https://page.example")

    assert (answer.status, answer.headers.get(name)) == (200, value)


async def test_a_page_that_may_not_call_the_app_may_not_call_its_endpoints(
    worker: Worker, serve: Serve, changed: Any
) -> None:
    serve("return 1")
    changed("root_config.json", allowed_request_origins=["https://shop.example"])

    answer = await called(worker, Origin="https://page.example")

    assert (answer.status, errors_only(answer)["error_code"]) == (403, "DomainNotAllowed")


async def test_the_function_sees_the_request(worker: Worker, serve: Serve) -> None:
    serve("return [q.headers, context.request, q.body instanceof BSON.Binary, q.body.text()]")

    answer = await called(worker, "PUT", URL + "?a=1&secret=x&b", b"\xff", **{"x-my-ID": "5", "content-type": "x/y"})

    headers, request, is_binary, text = answer.json
    assert (headers["X-My-Id"], headers["Content-Type"], is_binary, text) == (["5"], ["x/y"], True, "ÿ")
    assert request.pop("requestHeaders") == headers
    assert request == {
        "webhookUrl": "/f", "httpMethod": "PUT", "rawQueryString": "a=1&b", "remoteIPAddress": "",
        "service": "", "action": "",
    }  # fmt: skip


@pytest.mark.parametrize("header", ["X-Original-URL", "X-WAWS-Unencoded-URL"])
async def test_no_header_of_azure_tells_the_function_the_secret(worker: Worker, serve: Serve, header: str) -> None:
    serve("return [q, context.request]", validation_method="SECRET_AS_QUERY_PARAM", secret_name="hook_secret")
    url = f"{URL}?secret=hook&a=1"

    answer = await called(worker, "POST", url, b"", **{header: url})

    assert (answer.status, answer.json[0]["query"]) == (200, {"a": "1"})
    assert b"secret" not in answer.body


@pytest.mark.parametrize("name", ["%00", "%24oid", "__proto__", "", "constructor", "%ED%A0%80", "%FF"])
async def test_members_of_the_query_have_any_name(worker: Worker, serve: Serve, name: str) -> None:
    serve("return Object.entries(q.query)")

    answer = await called(worker, url=f"{URL}?{name}=1&{name}=2")

    assert (answer.status, [value for _, value in answer.json]) == (200, ["1"])


@pytest.mark.parametrize(
    ("members", "entry", "status", "code"),
    [
        ({"can_evaluate": False}, None, 403, "FunctionNotCallable"),
        ({"can_evaluate": {"%%request.requestHeaders.x": {"%in": [["y"]]}}}, None, 403, "FunctionNotCallable"),
        ({"can_evaluate": {"%%request.webhookUrl": "/f"}}, None, 200, None),
        ({}, {"run_as_system": True, "can_evaluate": False}, 403, "FunctionExecutionError"),
        ({}, {"run_as_system": True, "private": True}, 200, None),
        ({}, {"run_as_user_id_script_source": "exports = () => 1"}, 400, "FunctionExecutionError"),
        ({}, {"run_as_user_id": "nobody"}, 401, "InvalidSession"),
        ({"disabled": True}, None, 404, "EndpointNotFound"),
        ({"function_name": "g"}, None, 404, "EndpointNotFound"),
    ],
)
async def test_both_files_say_who_may_call(
    worker: Worker, serve: Serve, members: dict[str, Any], entry: dict[str, Any] | None, status: int, code: str | None
) -> None:
    serve("return 1", entry, **members)

    answer = await called(worker)

    assert (answer.status, answer.json.get("error_code") if code else None) == (status, code)


async def test_a_function_may_run_as_a_user(worker: Worker, serve: Serve, known: Known) -> None:
    ann = await known(worker, "ann@shop.example")
    serve("return [context.user.id, context.user.data.email, context.runningAsSystem()]", {"run_as_user_id": ann.id})

    assert (await called(worker)).json == [ann.id, "ann@shop.example", False]


async def test_who_calls_a_function_that_runs_as_a_user_takes_no_turns_of_that_user(
    worker: Worker, serve: Serve, known: Known, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("FUNCTION_TIMEOUT_MS", "1000")
    ann = await known(worker, "ann@shop.example")
    serve("for (;;) {}", {"run_as_user_id": ann.id})

    async def computes() -> bool:
        return bool(process.service().engine._threads._busy)

    endless = asyncio.create_task(called(worker, x_forwarded_for="203.0.113.9"))
    await eventually(computes)
    answer = await call(ann, {"name": "echo", "arguments": ["orders"]})

    assert (answer.status, endless.done()) == (200, False)
    assert (await endless).status == 400


async def test_a_script_may_choose_whom_it_runs_as(worker: Worker, serve: Serve, known: Known) -> None:
    ann = await known(worker, "ann@shop.example")
    script = f"exports = ({{ query }}) => query.system ? {{ runAsSystem: true }} : '{ann.id}'"
    serve("return [context.user.type, context.runningAsSystem()]", {"run_as_user_id_script_source": script})

    answers = [await called(worker), await called(worker, url=URL + "?system=1")]

    assert [each.json for each in answers] == [["system", False], ["system", True]]


async def test_a_function_of_an_endpoint_requires_packages_and_signs(
    worker: Worker, serve: Serve, tmp_path: Path
) -> None:
    package = tmp_path / "shop" / "functions" / "node_modules" / "upper"
    package.mkdir(parents=True)
    (package / "index.js").write_text("module.exports = (text) => text.toUpperCase();")
    serve(
        "const text = EJSON.stringify({ message: require('upper')('message') });"
        "return utils.crypto.hmac(text, '12345', 'sha256', 'hex')"
    )

    answer = await called(worker)

    assert answer.json == "828ee180512eaf8a6229eda7eea72323f68e9c0f0093b11a578b0544c5777862"


@pytest.mark.parametrize(("creates", "status"), [(True, 200), (False, 401)])
async def test_an_endpoint_says_whether_a_token_makes_its_user(
    worker: Worker, serve: Serve, creates: bool, status: int
) -> None:
    serve("return 1", {}, create_user_on_auth=creates)

    assert (await called(worker, jwtTokenString=custom_token(sub="new"))).status == status


@pytest.mark.parametrize("fetches", [True, False])
async def test_an_endpoint_says_whether_custom_data_is_fetched(
    worker: Worker, serve: Serve, known: Known, database: Any, fetches: bool
) -> None:
    serve("return context.user.custom_data", {}, fetch_custom_user_data=fetches)
    ann = await known(worker, "ann@shop.example")
    await database.people.insert_one({"_id": 1, "user_id": ann.id, "level": 5})

    answer = await called(worker, email="ann@shop.example", password=PASSWORD)

    assert ("level" in answer.json) is fetches


async def test_the_log_names_the_function_and_no_secret(
    worker: Worker, serve: Serve, configured: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    serve("console.log('here'); return await context.services.get('mongodb-atlas').db('shop').collection('x').count()",
          validation_method="SECRET_AS_QUERY_PARAM", secret_name="hook_secret")  # fmt: skip

    with caplog.at_level(logging.INFO, "dozen"):
        answer = await called(worker, url=f"{URL}?secret=hook")

    (said,) = [each for each in caplog.records if "console" in each.getMessage()]
    (line,) = [each for each in caplog.records if '"operation":"endpoint"' in each.getMessage()]
    logged = json.loads(line.getMessage())
    assert (answer.status, answer.body) == (200, b"0")
    assert json.loads(said.getMessage())["function"] == "f"
    assert (logged["function"], logged["namespace"], logged["caller"]) == ("f", None, "system")
    assert "hook" not in said.getMessage() + line.getMessage()


@pytest.fixture
def webhook(scripts: Scripts, tmp_path: Path) -> Serve:
    """Serve a webhook in one of the places where exports have it."""

    def webhook(body: str, top: str = "services", **members: Any) -> None:
        service = tmp_path / "shop" / top / "mail"
        hook = service / "incoming_webhooks" / "arrived"
        hook.mkdir(parents=True)
        (service / "config.json").write_text(json.dumps({"name": "mail", "type": "http"}))
        options = {"httpMethod": "POST", "validationMethod": "NO_VALIDATION"} | members.pop("options", {})
        config = {"name": "arrived", "respond_result": True, "options": options} | members
        (hook / "config.json").write_text(json.dumps(config))
        (hook / "source.js").write_text(f"exports = async (payload, response) => {{ {body} }};")
        restart()

    return webhook


@pytest.mark.parametrize("url", [HOOK, HOOK + "/", "/app/shop-abcde/endpoint/mail/arrived"])
@pytest.mark.parametrize("top", ["services", "http_endpoints"])
async def test_a_webhook_answers_at_both_urls_as_the_system(worker: Worker, webhook: Serve, top: str, url: str) -> None:
    webhook("response.setBody(`${payload.body.text()} ${context.runningAsSystem()}`); return 5", top)

    answer = await called(worker, url=url, body=b"mail")

    assert (answer.status, answer.body) == (200, b"mail true")


async def test_a_webhook_has_no_body_but_the_one_that_is_set(worker: Worker, webhook: Serve) -> None:
    webhook("return 5")

    answer = await called(worker, url=HOOK)

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_webhook_may_be_for_head(worker: Worker, webhook: Serve, method: str) -> None:
    webhook("response.setBody('x')", options={"httpMethod": "HEAD"})

    assert (await called(worker, method, url=HOOK)).status == (200 if method == "HEAD" else 405)


@pytest.mark.parametrize("header", ["X-Hook-Signature", "Endpoint-Signature"])
async def test_a_webhook_has_the_older_name_of_the_signature_too(worker: Worker, webhook: Serve, header: str) -> None:
    webhook("response.setBody('x')", options={"validationMethod": "VERIFY_PAYLOAD", "secret": "hook_secret"})
    signature = "sha256=" + hmac.new(b"hook", b"mail", "sha256").hexdigest()

    answers = [await called(worker, url=HOOK, body=body, **{header: signature}) for body in (b"mail", b"Mail")]

    assert [each.status for each in answers] == [200, 401]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"email": "ann@shop.example", "password": PASSWORD}, {}, 200),
        ({}, {"email": "ann@shop.example", "password": PASSWORD}, 200),
        ({"email": "ann@shop.example"}, {"password": PASSWORD}, 400),
        ({"email": "ann@shop.example", "password": PASSWORD}, {"apiKey": "x"}, 400),
        ({"apiKey": "x"}, {"email": "ann@shop.example", "password": PASSWORD}, 401),
        ({}, {"email": "ann@shop.example", "password": "another"}, 401),
        ({}, {"email": 5, "password": ["x"]}, 400),
        ({}, {"apiKey": "x"}, 401),
        ({}, {}, 400),
    ],
    ids=str,
)
async def test_credentials_of_a_webhook_may_be_in_its_body(
    worker: Worker, webhook: Serve, known: Known, headers: dict[str, str], body: dict[str, Any], status: int
) -> None:
    await known(worker, "ann@shop.example")
    webhook("response.setBody(context.user.type)", run_as_authed_user=True)

    answer = await called(worker, url=HOOK, body=json.dumps(body).encode(), **headers)

    assert answer.status == status, answer.body


@pytest.mark.parametrize("body", [b"{", b"[]", b"5", b"\xff"])
async def test_a_body_that_is_no_object_holds_no_credentials(worker: Worker, webhook: Serve, body: bytes) -> None:
    webhook("response.setBody('x')", run_as_authed_user=True)

    answer = await called(worker, url=HOOK, body=body)

    assert errors_only(answer)["error"] == "no authentication methods were specified"


async def test_those_of_an_endpoint_may_not(worker: Worker, serve: Serve, known: Known) -> None:
    await known(worker, "ann@shop.example")
    serve("return 1", {})

    body = json.dumps({"email": "ann@shop.example", "password": PASSWORD}).encode()
    answer = await called(worker, body=body)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")


async def test_a_webhook_is_no_function_of_the_sdks(worker: Worker, webhook: Serve) -> None:
    webhook("return 5")
    guest = await log_in(worker, "anon-user", {})
    headers = {"Authorization": f"Bearer {guest.access_token}"}
    names = ["services/mail/incoming_webhooks/arrived/source.js", "endpoint.js"]

    answers = [
        await called(worker, url=f"{CLIENT}/functions/call", body=json.dumps({"name": name}).encode(), **headers)
        for name in names
    ]

    assert [each.status for each in answers] == [404, 404]


PAGE = (ROOT / "docs" / "functions.md").read_text().partition("## How do I answer HTTPS endpoints?")[2]


async def test_the_example_of_the_page_is_served(
    worker: Worker, scripts: Scripts, database: Any, tmp_path: Path
) -> None:
    config, source, request, reply = re.findall(r"```\w+\n(.*?)\n```", PAGE, re.DOTALL)[:4]
    (tmp_path / "shop" / "http_endpoints" / "config.json").write_text(f"[{config}]")
    scripts({"endpoint/order": {"run_as_system": True}}, endpoint__order=source)
    line, header, _, body = request.splitlines()
    name, _, value = header.partition(": ")
    method, url = line.split()

    answer = await called(worker, method, url, body.encode(), **{name: value})

    status, location, _, text = reply.splitlines()
    assert f"{answer.status} {HTTPStatus(answer.status).phrase}" == status
    assert f"Location: {answer.headers['location']}" == location
    assert answer.body.decode() == text


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"{function_responses.MOST_HEADER_BYTES:,} bytes" in PAGE
    assert "A status is 200 to 599" in PAGE


async def test_of_who_is_nobody_a_webhook_reads_a_little(worker: Worker, webhook: Serve, known: Known) -> None:
    await known(worker, "ann@shop.example")
    webhook("response.setBody('x')", run_as_authed_user=True)
    padded = json.dumps(ANN | {"more": "x" * 70_000}).encode()

    assert (await called(worker, url=HOOK, body=padded)).status == 413


@pytest.mark.parametrize(
    ("headers", "status", "both"),
    [
        (ANN, 200, 400),
        ({"Authorization": "Basic " + b64encode(":".join(ANN.values()).encode()).decode()}, 200, 400),
        ({"Authorization": "Bearer x"}, 401, 401),
        ({"x-functions-key": "x"}, 401, 401),
        ({"jwtTokenString": "x"}, 401, 401),
    ],
    ids=str,
)
async def test_whoever_has_credentials_in_headers_may_send_more_and_none_in_the_body(
    worker: Worker, webhook: Serve, known: Known, headers: dict[str, str], status: int, both: int
) -> None:
    await known(worker, "ann@shop.example")
    webhook("response.setBody('x')", run_as_authed_user=True)

    answers = [await called(worker, url=HOOK, body=body, **headers) for body in (b"x" * 70_000, b'{"apiKey": "x"}')]

    assert [each.status for each in answers] == [status, both]


@pytest.mark.parametrize("url", [URL, HOOK])
async def test_an_endpoint_of_another_app_is_not_here(
    worker: Worker, serve: Serve, configured: pytest.MonkeyPatch, url: str
) -> None:
    serve("return 1")
    configured.setenv("APP_ID", "other-abcde")
    restart()

    answer = await called(worker, url=url)

    assert (answer.status, answer.json) == (404, {"error": "cannot find app using Client App ID 'shop-abcde'"})


async def test_a_webhook_that_is_disabled_is_404(worker: Worker, webhook: Serve) -> None:
    webhook("return 5", disabled=True)

    assert (await called(worker, url=HOOK)).status == 404


async def test_a_result_of_more_values_than_a_body_may_have_is_an_error(
    worker: Worker, serve: Serve, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("MAX_BODY_VALUES", "1000")
    serve("return Array(2000).fill(1)")

    answer = await called(worker)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "FunctionExecutionError")


@pytest.mark.parametrize("url", [HOOK.replace("arrived", "none"), HOOK.replace("/app/", "/App/"), HOOK + "%2F"])
async def test_a_webhook_that_is_not_there_is_404(worker: Worker, webhook: Serve, url: str) -> None:
    webhook("return 5")

    answer = await called(worker, url=url)

    assert (answer.status, errors_only(answer)["error_code"]) == (404, "EndpointNotFound")
