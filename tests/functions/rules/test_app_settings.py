"""How an app says that its Data API is called: who runs it, who may, and what proves a call."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from shared.auth.keys import new_key
from shared.mongo.control import API_KEYS
from tests.conftest import ACTION, errors_only, request_body, restart
from tests.functions.rules.conftest import CLIENT, Known, log_in, send
from tests.functions.rules.test_sessions import custom_token
from tests.hosts import Answer, Worker

PASSWORD = f"{CLIENT}/auth/providers/local-userpass"
NOT_FOUND = "no endpoint found for '/app/shop-abcde/endpoint/data/v1/action/find'"

type Call = Callable[..., Awaitable[Answer]]


@pytest.fixture
def data_api(changed: Any) -> Callable[..., None]:
    """Change members of data_api_config.json."""
    return lambda **members: changed("http_endpoints/data_api_config.json", **members)


async def find(
    worker: Worker, headers: dict[str, str] | None = None, query: str = "", body: bytes | None = None
) -> Answer:
    content = request_body(collection="orders") if body is None else body
    return await worker.request("POST", f"{ACTION}find{query}", headers or {}, content)


@pytest.mark.parametrize("members", [{"disabled": True}, {"versions": ["beta"]}, {"versions": []}])
async def test_what_the_app_does_not_serve_is_not_found(worker: Worker, data_api: Any, key: str, members: Any) -> None:
    data_api(**members)

    answer = await find(worker, {"apiKey": key})

    assert (answer.status, errors_only(answer)) == (404, {"error": NOT_FOUND, "error_code": "EndpointNotFound"})


async def test_rules_of_one_data_source_do_not_open_another(
    worker: Worker, known: Known, changed: Any, configured: pytest.MonkeyPatch, mongod: Mongod
) -> None:
    ann = await known(worker, "ann@shop.example")
    configured.setenv("MONGO_DB_URI__REPORTS", mongod.uri)
    restart()

    own = await ann("find", dataSource="MongoDB-Atlas")
    other = await ann("find", dataSource="reports")

    assert own.status == 200
    assert (other.status, errors_only(other)["error_code"]) == (400, "ServiceNotFound")


async def test_the_form_of_replies_is_the_apps_unless_it_is_set(
    worker: Worker, data_api: Any, key: str, configured: pytest.MonkeyPatch
) -> None:
    data_api(return_type="EJSON")
    by_app = await find(worker, {"apiKey": key})
    asked = await find(worker, {"apiKey": key, "Accept": "application/json"})

    assert by_app.headers["content-type"] == "application/ejson"
    assert asked.headers["content-type"] == "application/json"


async def test_a_call_is_proved_by_a_secret_in_its_query(worker: Worker, data_api: Any, key: str) -> None:
    data_api(validation_method="SECRET_AS_QUERY_PARAM", secret_name="hook-secret")

    right = await find(worker, {"apiKey": key}, "?secret=hook")
    wrong = await find(worker, {"apiKey": key}, "?secret=hoo")
    none = await find(worker, {"apiKey": key})

    assert right.status == 200
    for answer in (wrong, none):
        assert (answer.status, errors_only(answer)) == (
            401,
            {"error": "request authorization failed", "error_code": "IncomingWebhookAuthFailed"},
        )


async def test_a_call_is_proved_by_a_signature_of_its_bytes(
    worker: Worker, data_api: Any, key: str, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("APP_SECRET_HOOK_SECRET", "Super5ecr3tPa55w0rd")
    data_api(validation_method="VERIFY_PAYLOAD", secret_name="hook-secret")
    signature = "sha256=d4f0537db4e230d7a6028a6f7c3bb1b57c9d16f39176d78697e559ac333e0b36"
    body = b'{ "message": "Hello!" }'

    right = await find(worker, {"apiKey": key, "Endpoint-Signature": signature}, body=body)
    with_colon = await find(worker, {"apiKey": key, "Endpoint-Signature": f":{signature}"}, body=body)
    other_bytes = await find(worker, {"apiKey": key, "Endpoint-Signature": signature}, body=b'{"message":"Hello!"}')

    assert [errors_only(answer)["error_code"] for answer in (right, with_colon)] == ["MissingParameter"] * 2
    assert other_bytes.status == 401


async def test_who_may_call_at_all(worker: Worker, known: Known, data_api: Any, key: str) -> None:
    ann = await known(worker, "ann@shop.example")
    data_api(can_evaluate={"%%user.data.email": {"%in": "%%values.auditors"}, "%%request.httpMethod": "POST"})

    refused = await ann("find")
    allowed = await (await known(worker, "auditor@shop.example"))("find")
    system = await find(worker, {"apiKey": key})

    assert (refused.status, errors_only(refused)) == (
        403,
        {"error": "endpoint not callable", "error_code": "FunctionNotCallable"},
    )
    assert (allowed.status, system.status) == (200, 200)


async def test_a_server_key_has_its_identity_however_it_comes(worker: Worker, data_api: Any, driver: Any) -> None:
    made, stored = new_key("sensor")
    await driver.dozen.api_keys.insert_one(stored)
    data_api(can_evaluate={"%%user.identities.0.provider_id": str(stored["_id"])})
    me = await log_in(worker, "api-key", {"key": made})

    assert ((await me("find")).status, (await find(worker, {"apiKey": made})).status) == (200, 200)


async def test_a_rule_can_ask_how_it_is_called(worker: Worker, known: Known, data_api: Any) -> None:
    ann = await known(worker, "ann@shop.example")
    asked = {"%%request.remoteIPAddress": "7.7.7.7", "%%request.requestHeaders.X-Key": "open",
             "%%request.rawQueryString": "a=1", "%%request.action": "find", "%%request.httpUserAgent": "t"}  # fmt: skip
    data_api(can_evaluate=asked)
    headers = {"Authorization": f"Bearer {ann.access_token}", "x-key": "open", "X-Forwarded-For": "1.1.1.1, 7.7.7.7"}

    open_ = await find(worker, headers | {"User-Agent": "t"}, "?a=1&secret=s&baas_at=t&stitch_at=t")
    spoofed = await find(worker, headers | {"User-Agent": "t", "X-Forwarded-For": "7.7.7.7, 1.1.1.1"}, "?a=1")

    assert (open_.status, spoofed.status) == (200, 403)


async def test_the_app_can_say_who_runs_calls_without_credentials(
    worker: Worker, known: Known, data_api: Any, database: Any
) -> None:
    ann = await known(worker, "ann@shop.example")
    await database.orders.insert_many([{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": "u2"}])
    nobody = await find(worker)
    data_api(run_as_user_id=ann.id)
    as_ann = await find(worker)
    wrong = await find(worker, {"apiKey": "wrong"})
    data_api(run_as_user_id="nobody")
    missing = await find(worker)
    data_api(run_as_user_id="", run_as_system=True)
    as_system = await find(worker)

    assert errors_only(nobody)["error"] == "no authentication methods were specified"
    assert [each["_id"] for each in as_ann.json["documents"]] == [1]
    assert (wrong.status, missing.status) == (401, 401)
    assert [each["_id"] for each in as_system.json["documents"]] == [1, 2]


async def test_an_unseen_user_is_made_only_if_the_app_says_so(worker: Worker, data_api: Any) -> None:
    data_api(create_user_on_auth=False)
    unseen = await find(worker, {"jwtTokenString": custom_token(sub="new")})
    person = await log_in(worker, "custom-token", {"token": custom_token(sub="new")})
    seen = await find(worker, {"jwtTokenString": custom_token(sub="new")})

    assert (unseen.status, seen.status) == (401, 200)
    assert person.id


async def test_origins_that_the_app_allows(worker: Worker, changed: Any, key: str) -> None:
    changed("root_config.json", allowed_request_origins=["https://shop.example"])

    allowed = await find(worker, {"apiKey": key, "Origin": "https://shop.example"})
    refused = await find(worker, {"apiKey": key, "Origin": "https://evil.example"})

    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    assert (refused.status, errors_only(refused)["error_code"]) == (403, "DomainNotAllowed")


async def test_an_app_with_a_mistake_is_not_served_at_all(worker: Worker, changed: Any, key: str) -> None:
    changed("root_config.json", name=5)

    answer = await find(worker, {"apiKey": key})
    login = await send(worker, "POST", f"{CLIENT}/auth/providers/anon-user/login")

    for each in (answer, login):
        assert each.status == 503
        assert errors_only(each)["error"] == "the service is not configured: its log says why"


async def test_with_several_data_sources_an_unknown_one_is_refused(
    worker: Worker, known: Known, changed: Any, tmp_path: Path, configured: pytest.MonkeyPatch, mongod: Any
) -> None:
    ann = await known(worker, "ann@shop.example")
    configured.setenv("MONGO_DB_URI__REPORTS", mongod.uri)
    place = tmp_path / "shop" / "data_sources" / "reports"
    place.mkdir()
    (place / "config.json").write_text('{"name": "reports", "type": "mongodb-atlas"}')
    restart()

    unknown = await ann("find", dataSource="other")
    without_rules = await ann("find", dataSource="reports")

    assert (unknown.status, errors_only(unknown)["error_code"]) == (400, "ServiceNotFound")
    assert (without_rules.status, errors_only(without_rules)["error_code"]) == (403, "NoMatchingRuleFound")


async def test_without_an_app_only_system_keys_may_do_anything(
    worker: Worker, configured: pytest.MonkeyPatch, driver: Any, key: str
) -> None:
    plain, stored = new_key("plain")
    old, old_stored = new_key("old")
    old_stored = {name: value for name, value in old_stored.items() if name not in {"system", "user_id"}}
    await driver.dozen[API_KEYS].insert_many([stored, old_stored])

    answers = [await find(worker, {"apiKey": each}) for each in (key, plain, old)]
    login = await send(worker, "POST", f"{CLIENT}/auth/providers/anon-user/login")
    register = await send(worker, "POST", f"{PASSWORD}/register", {"email": "a@b", "password": "secret words"})
    await driver.dozen[API_KEYS].delete_many({"_id": {"$in": [stored["_id"], old_stored["_id"]]}})

    assert [answer.status for answer in answers] == [200, 403, 403]
    assert errors_only(answers[1])["error"] == "no rule exists for namespace 'shop.orders'"
    assert (login.status, register.status) == (404, 404)


async def test_hidden_fields_may_be_asked_about_if_the_deployment_says_so(
    worker: Worker, known: Known, changed: Any, database: Any, configured: pytest.MonkeyPatch
) -> None:
    ann = await known(worker, "ann@shop.example")
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "secret": 7})
    strict = await ann("find", filter={"secret": 7})
    configured.setenv("RULES_ALLOW_HIDDEN_FIELD_QUERIES", "true")
    restart()
    lax = await ann("find", filter={"secret": 7})

    assert (strict.status, errors_only(strict)["error_code"]) == (403, "NoMatchingRoleFound")
    assert lax.json == {"documents": [{"_id": 1, "owner": ann.id}]}


class Mailbox:
    """A webhook that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.moves = False
        box = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                if box.moves:
                    self.send_response(301)
                    self.send_header("Location", "https://moved.invalid/mail")
                    self.end_headers()
                    return
                box.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def mailbox(configured: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    running = Mailbox()
    configured.setenv("MAIL_WEBHOOK_URL", f"http://127.0.0.1:{running.server.server_port}/mail")
    yield running
    running.server.shutdown()
    running.server.server_close()


async def test_an_address_is_confirmed_with_the_token_that_was_mailed(
    worker: Worker, mailbox: Mailbox, changed: Any
) -> None:
    config = {"autoConfirm": False, "emailConfirmationUrl": "https://shop.example/confirm"}
    changed("auth/providers.json", **{"local-userpass": {"type": "local-userpass", "config": config}})
    body = {"email": "new@shop.example", "password": "secret words"}
    login = {"username": "new@shop.example", "password": "secret words"}

    made = await send(worker, "POST", f"{PASSWORD}/register", body)
    early = await send(worker, "POST", f"{PASSWORD}/login", login)
    again = await send(worker, "POST", f"{PASSWORD}/confirm/send", {"email": "new@shop.example"})
    first, second = mailbox.messages
    old = await send(worker, "POST", f"{PASSWORD}/confirm", {"token": first["token"], "tokenId": first["tokenId"]})
    done = await send(worker, "POST", f"{PASSWORD}/confirm", {"token": second["token"], "tokenId": second["tokenId"]})
    late = await send(worker, "POST", f"{PASSWORD}/login", login)
    confirmed = await send(worker, "POST", f"{PASSWORD}/confirm/send", {"email": "new@shop.example"})
    unknown = await send(worker, "POST", f"{PASSWORD}/reset/send", {"email": "nobody@shop.example"})

    assert (made.status, again.status, done.status, late.status) == (201, 200, 200, 200)
    assert (early.status, errors_only(early)) == (401, {"error": "confirmation required", "error_code": "AuthError"})
    assert second["kind"] == "confirm"
    assert second["url"].startswith("https://shop.example/confirm?token=")
    assert (old.status, errors_only(old)["error"]) == (400, "invalid token data")
    assert errors_only(confirmed)["error_code"] == "UserAlreadyConfirmed"
    assert (unknown.status, errors_only(unknown)["error_code"]) == (404, "UserNotFound")


async def test_a_webhook_that_is_away_is_said(worker: Worker, known: Known, mailbox: Mailbox, changed: Any) -> None:
    await known(worker, "ann@shop.example")
    await asyncio.to_thread(mailbox.server.shutdown)
    mailbox.server.server_close()

    answer = await send(worker, "POST", f"{PASSWORD}/reset/send", {"email": "ann@shop.example"})

    assert (answer.status, errors_only(answer)["error"]) == (503, "the mail cannot be sent now")


@pytest.mark.parametrize(
    "email", ["ann@shop.example,", "<ann@shop.example>", '"ann"@shop.example', "ann@shop.example."]
)
async def test_a_webhook_gets_no_other_spelling_of_an_address(
    worker: Worker, mailbox: Mailbox, changed: Any, email: str
) -> None:
    changed("auth/providers.json", **{"local-userpass": {"type": "local-userpass", "config": {"autoConfirm": False}}})

    answer = await send(worker, "POST", f"{PASSWORD}/register", {"email": email, "password": "secret words"})

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "BadRequest")
    assert mailbox.messages == []


async def test_a_webhook_that_has_moved_takes_no_mail(
    worker: Worker, known: Known, mailbox: Mailbox, changed: Any
) -> None:
    await known(worker, "ann@shop.example")
    mailbox.moves = True

    answer = await send(worker, "POST", f"{PASSWORD}/reset/send", {"email": "ann@shop.example"})

    assert (answer.status, errors_only(answer)["error"]) == (503, "the mail cannot be sent now")


@pytest.mark.parametrize("path", ["confirm/call", "reset/call"])
async def test_what_needs_a_function_is_refused(worker: Worker, changed: Any, path: str) -> None:
    answer = await send(worker, "POST", f"{PASSWORD}/{path}", {"email": "a@b", "password": "secret words"})

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "BadRequest")


async def test_a_confirmation_function_that_is_not_there_confirms_nobody(worker: Worker, changed: Any) -> None:
    config = {"runConfirmationFunction": True, "confirmationFunctionName": "f", "runResetFunction": True}
    changed("auth/providers.json", **{"local-userpass": {"type": "local-userpass", "config": config}})

    answer = await send(worker, "POST", f"{PASSWORD}/register", {"email": "a@b", "password": "secret words"})

    assert (answer.status, errors_only(answer)["error"]) == (400, 'failed to confirm user "a@b"')


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        pytest.param({"%%request.httpMethod": "POST"}, 201, id="it is so"),
        pytest.param({"%%request.httpMethod": {"%ne": "POST"}}, 400, id="it is not so"),
    ],
)
async def test_a_schema_sees_the_request_of_the_call(
    worker: Worker, known: Known, changed: Any, database: Any, condition: dict[str, Any], status: int
) -> None:
    changed("data_sources/mongodb-atlas/shop/tickets/schema.json", properties={"n": {"validate": condition}})
    ann = await known(worker, "ann@shop.example")

    answer = await ann("insertOne", collection="tickets", document={"n": 1, "state": "open", "members": [ann.id]})

    assert answer.status == status, answer.json
    assert await database.tickets.count_documents({}) == (status == 201)
