"""What the SDKs of App Services take for granted of the client API, through both hosts."""

from datetime import datetime
from typing import Any

import bson
import jwt
import pytest
from bson import Binary, DatetimeMS, DBRef, Decimal128, Int64, MinKey

from shared.service import process
from tests.conftest import errors_only
from tests.functions.rules.conftest import CLIENT, SETTINGS, Known, Person, log_in, registered, send
from tests.functions.rules.test_sessions import KEYS, LOGIN, PROFILE, SESSION, custom_token
from tests.hosts import Host, Worker

PASSWORD = f"{LOGIN}/local-userpass"
DELETE = "/api/client/v2.0/auth/delete"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", SESSION),
        ("POST", f"{CLIENT}/auth/session"),
        ("DELETE", SESSION),
        ("GET", PROFILE),
        ("DELETE", DELETE),
        ("GET", KEYS),
        ("POST", KEYS),
        ("PUT", f"{KEYS}/65a1b2c3d4e5f60718293a4b/enable"),
        ("POST", f"{CLIENT}/functions/call"),
        ("POST", f"{LOGIN}/custom-token/login?link=true"),
    ],
)
@pytest.mark.parametrize("token", ["a.b.c", None], ids=["of nobody", "none"])
async def test_a_token_that_is_over_has_the_code_by_which_sdks_refresh(
    app_host: Host, users: None, method: str, path: str, token: str | None
) -> None:
    answer = await send(app_host, method, path, {"token": "x", "name": "n"}, token)

    assert (answer.status, errors_only(answer)["error_code"]) == (401, "InvalidSession")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"{CLIENT}/push/providers/gcm/registration"),
        ("POST", f"{CLIENT}/graphql"),
        ("GET", "/api/client/v2.0/auth/callback"),
    ],
)
async def test_what_is_not_served_is_an_error_that_an_sdk_can_read(
    app_host: Host, users: None, method: str, path: str
) -> None:
    answer = await send(app_host, method, path, {} if method != "GET" else None)

    assert (answer.status, errors_only(answer)["error_code"]) == (404, "EndpointNotFound")


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_every_success_has_a_body_that_an_sdk_can_parse(ann: Person) -> None:
    made = await send(ann.host, "POST", KEYS, {"name": "sensor"}, ann.refresh_token)
    path = f"{KEYS}/{made.json['_id']}"
    done = [
        await send(ann.host, "PUT", f"{path}/disable", token=ann.refresh_token),
        await send(ann.host, "PUT", f"{path}/enable", token=ann.refresh_token),
        await send(ann.host, "DELETE", path, token=ann.refresh_token),
        await send(ann.host, "POST", f"{PASSWORD}/reset/send", {"email": "ann@shop.example"}),
        await send(ann.host, "DELETE", SESSION, token=ann.refresh_token),
        await send(ann.host, "DELETE", DELETE, token=ann.access_token),
    ]

    assert {(each.status, each.headers["content-type"], each.body) for each in done} == {
        (200, "application/json", b"{}")
    }


async def test_who_is_gone_is_logged_out_all_the_same(ann: Person) -> None:
    await send(ann.host, "DELETE", DELETE, token=ann.access_token)

    answer = await send(ann.host, "DELETE", SESSION, token=ann.refresh_token)

    assert (answer.status, errors_only(answer)) == (
        401, {"error": "failed to find refresh token", "error_code": "InvalidSession"}
    )  # fmt: skip


async def test_a_link_answers_as_a_login_does(app_host: Host, users: None) -> None:
    anonymous = await log_in(app_host, "anon-user", {})
    login = {"username": "new@shop.example", "password": "secret words"}
    await send(app_host, "POST", f"{PASSWORD}/register", {"email": login["username"], "password": login["password"]})

    linked = await send(app_host, "POST", f"{PASSWORD}/login?link=true", login, anonymous.access_token)

    assert linked.json.keys() == {"access_token", "refresh_token", "user_id", "device_id"}
    assert linked.json["user_id"] == anonymous.id
    assert (await send(app_host, "POST", SESSION, token=linked.json["refresh_token"])).status == 200
    assert (await send(app_host, "POST", SESSION, token=anonymous.refresh_token)).status == 200


async def test_a_link_that_is_refused_is_not_taken_for_the_end_of_the_session(app_host: Host, users: None) -> None:
    ann, _ = await registered(app_host, "ann@shop.example"), await registered(app_host, "bob@shop.example")
    await log_in(app_host, "custom-token", {"token": custom_token()})

    async def link(provider: str, body: dict[str, Any]) -> tuple[int, str, str]:
        answer = await send(app_host, "POST", f"{LOGIN}/{provider}/login?link=true", body, ann.access_token)
        return answer.status, errors_only(answer)["error_code"], errors_only(answer)["error"]

    refused = [
        await link("local-userpass", {"username": "bob@shop.example", "password": "wrong one"}),
        await link("custom-token", {"token": custom_token()}),
        await link("custom-token", {"token": custom_token(exp=1)}),
    ]

    assert refused == [(401, "AuthError", "cannot link: unauthorized")] * 3


@pytest.mark.parametrize("name", ["asdavaskljj", "test-user-1732", "x", "Ü 1", "x" * 128])
async def test_any_text_is_a_name_where_no_mail_has_to_reach_it(app_host: Host, users: None, name: str) -> None:
    body = {"email": name, "password": "secret words"}

    made = await send(app_host, "POST", f"{PASSWORD}/register", body)
    person = await log_in(app_host, "local-userpass", {"username": name, "password": "secret words"})

    assert (made.status, made.body) == (201, b"{}")
    assert (await person("find")).status == 200


@pytest.mark.parametrize(("name", "confirms"), [("x" * 129, True), ("asdavaskljj", False)])
async def test_another_text_is_not(worker: Worker, users: None, changed: Any, name: str, *, confirms: bool) -> None:
    config = {"autoConfirm": confirms}
    changed("auth/providers.json", **{"local-userpass": {"type": "local-userpass", "config": config}})

    answer = await send(worker, "POST", f"{PASSWORD}/register", {"email": name, "password": "secret words"})

    assert (answer.status, errors_only(answer)["error"]) == (400, "email invalid")


async def test_bodies_are_extended_json(app_host: Host, users: None) -> None:
    device = {"deviceId": {"$oid": "65a1b2c3d4e5f60718293a4b"}, "sdkVersion": "2.0.1", "n": {"$numberInt": "1"}}

    answer = await send(app_host, "POST", f"{LOGIN}/anon-user/login", {"options": {"device": device}})
    malformed = await send(app_host, "POST", f"{LOGIN}/api-key/login", {"key": "k", "options": {"$oid": "x"}})

    assert answer.status == 200
    assert (malformed.status, errors_only(malformed)["error_code"]) == (400, "InvalidJSON")


async def test_a_token_beside_what_needs_none_is_passed_over(ann: Person) -> None:
    body = {"email": "new@shop.example", "password": "secret words"}

    made = await send(ann.host, "POST", f"{PASSWORD}/register", body, ann.access_token)
    by_nobody = await send(ann.host, "POST", f"{PASSWORD}/reset/send", {"email": "ann@shop.example"}, "x")
    login = {"username": "new@shop.example", "password": "secret words"}
    logged_in = await send(ann.host, "POST", f"{PASSWORD}/login", login, "an expired token")

    assert (made.status, by_nobody.status, logged_in.status) == (201, 200, 200)


@pytest.mark.parametrize(
    ("config", "path", "text"),
    [
        ({"autoConfirm": True}, "confirm/call", "cannot run confirmation for a@b: automatic confirmation is enabled"),
        ({}, "confirm/call", "cannot run confirmation for a@b: the app confirms by mail"),
        ({"runConfirmationFunction": True}, "register", 'failed to confirm user "a@b"'),
        ({"runConfirmationFunction": True}, "confirm/send", "please use confirmation via function"),
        ({"runResetFunction": True}, "reset/send", "please use reset password via function"),
        ({"runResetFunction": True}, "reset/call", 'failed to reset password for user "a@b"'),
    ],
)
async def test_a_refusal_is_told_as_app_services_did(
    worker: Worker, users: None, changed: Any, config: dict[str, Any], path: str, text: str
) -> None:
    changed("auth/providers.json", **{"local-userpass": {"type": "local-userpass", "config": config}})

    answer = await send(worker, "POST", f"{PASSWORD}/{path}", {"email": "a@b", "password": "secret words"})

    assert (answer.status, errors_only(answer)) == (400, {"error": text, "error_code": "BadRequest"})


@pytest.mark.parametrize("name", ["ann@shop.example", "nobody@shop.example"])
async def test_a_wrong_password_is_told_as_any_login_that_is_refused(ann: Person, name: str) -> None:
    answer = await send(ann.host, "POST", f"{PASSWORD}/login", {"username": name, "password": "wrong one"})

    assert (answer.status, errors_only(answer)) == (401, {"error": "unauthorized", "error_code": "AuthError"})


async def test_more_people_than_may_fail_come_from_one_address(
    worker: Worker, configured: pytest.MonkeyPatch, users: None
) -> None:
    for name, value in SETTINGS.items():
        configured.setenv(name, value)
    configured.delenv("LOGIN_ATTEMPTS")  # what a deployment has that sets nothing
    path, headers = f"{CLIENT}/auth/providers/anon-user/login", {"X-Forwarded-For": "192.0.2.7"}

    visits = [await worker.request("POST", path, headers, b"{}") for _ in range(30)]

    assert {each.status for each in visits} == {200}


async def test_what_an_sdk_reads_of_a_login(app_host: Host, users: None) -> None:
    answer = await send(app_host, "POST", f"{LOGIN}/anon-user/login", {})
    claims = claims_of(answer.json["access_token"])

    assert (claims["sub"], claims["baas_device_id"]) == (answer.json["user_id"], answer.json["device_id"])
    assert (type(claims["exp"]), type(claims["iat"])) == (int, int)
    assert "user_data" not in claims  # null is no object
    assert "=" not in answer.json["access_token"]


async def test_custom_data_are_an_object_in_the_token(ann: Person, database: Any) -> None:
    stored = {"_id": 1, "user_id": ann.id, "n": 5, "share": 2.5, "since": datetime(1970, 1, 1), "deep": {"a": [None]}}
    await database.people.insert_one(stored)

    renewed = await send(ann.host, "POST", SESSION, token=ann.refresh_token)

    told = claims_of(renewed.json["access_token"])["user_data"]
    assert told == stored | {"since": {"$date": "1970-01-01T00:00:00Z"}}
    await database.people.update_one({}, {"$set": {"long": "x" * 5_000}})
    renewed = await send(ann.host, "POST", SESSION, token=ann.refresh_token)
    assert "user_data" not in claims_of(renewed.json["access_token"])


@pytest.mark.parametrize(
    "value",
    [
        DBRef("teams", 1), {"$oid": "no id"}, {"$binary": 5}, {"$code": "x"}, {"$date": 5}, {"$minKey": 1}, MinKey(),
        {"$type": 1}, Binary(b"x" * 16, 4), DatetimeMS(2**55), float("nan"), Int64(5), Decimal128("1.10"), {"": None},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.usefixtures("changed")
async def test_custom_data_of_a_token_are_those_that_are_stored(
    worker: Worker, known: Known, database: Any, value: Any
) -> None:
    ann = await known(worker, "ann@shop.example")
    stored = {"_id": 1, "user_id": ann.id, "value": value}
    await database.people.insert_one(stored)

    renewed = await send(worker, "POST", SESSION, token=ann.refresh_token)
    found = (await process.service().sessions.caller(renewed.json["access_token"])).user["custom_data"]

    assert "user_data" in claims_of(renewed.json["access_token"])
    assert bson.encode({**found, "value": widened(found["value"])}) == bson.encode(stored)


def widened(value: Any) -> Any:
    """Return a number as rules compare it, whatever its width."""
    return Int64(value) if type(value) is int else value


@pytest.mark.parametrize("data", [{"user_data": '{"job": "clerk"}'}, {"user_data_omitted": True}, {}], ids=str)
async def test_rules_see_the_custom_data_of_a_token_of_any_release(
    worker: Worker, known: Known, changed: Any, database: Any, data: dict[str, Any]
) -> None:
    role = {"name": "clerks", "apply_when": {"since": "%%user.custom_data.since"}, "read": True}
    changed("data_sources/mongodb-atlas/shop/notes/rules.json", roles=[role], filters=[])
    ann = await known(worker, "ann@shop.example")
    await database.people.insert_one({"user_id": ann.id, "since": datetime(1970, 1, 1)})
    await database.notes.insert_many([{"_id": 1, "since": datetime(1970, 1, 1)}, {"_id": 2, "since": "1970"}])
    renewed = await send(worker, "POST", SESSION, token=ann.refresh_token)
    token = process.service().tokens.issue("access", ann.id, data, 60) if data else renewed.json["access_token"]

    found = await ann._replace(access_token=token)("find", collection="notes")

    assert (found.status, found.json) == (200, {"documents": [{"_id": 1, "since": "1970-01-01T00:00:00.000Z"}]})


@pytest.mark.parametrize("path", [f"{CLIENT}/functions/call", SESSION, KEYS, f"{PASSWORD}/login", f"{CLIENT}/location"])
async def test_a_page_may_call_what_its_sdk_calls(app_host: Host, path: str) -> None:
    asked = {"Origin": "https://page.example", "Access-Control-Request-Headers": "authorization,content-type"}

    answer = await app_host.request("OPTIONS", path, asked | {"Access-Control-Request-Method": "POST"})

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert {"authorization", "content-type", "accept"} <= {
        each.strip() for each in answer.headers["access-control-allow-headers"].lower().split(",")
    }


async def test_a_body_that_is_empty_is_none(ann: Person) -> None:
    headers = {"Authorization": f"Bearer {ann.refresh_token}", "Content-Type": "application/json;charset=utf-8"}
    bodies = [b"", b" ", b"{}"]

    refreshed = [await ann.host.request("POST", SESSION, headers, each) for each in bodies]
    listed = [await ann.host.request("GET", KEYS, headers, each) for each in bodies]
    ended = await ann.host.request("DELETE", SESSION, headers, b"{}")

    assert [each.status for each in (*refreshed, *listed, ended)] == [200] * 7


async def test_a_user_is_not_told_of_keys_of_others(ann: Person, bob: Person) -> None:
    made = await send(ann.host, "POST", KEYS, {"name": "sensor"}, ann.refresh_token)
    path = f"{KEYS}/{made.json['_id']}"

    theirs = [
        await send(ann.host, method, path + end, token=bob.refresh_token)
        for method, end in (("GET", ""), ("DELETE", ""), ("PUT", "/enable"), ("PUT", "/disable"))
    ]
    nobodys = await send(ann.host, "GET", KEYS)

    assert {(each.status, errors_only(each)["error_code"]) for each in theirs} == {(404, "APIKeyNotFound")}
    assert (nobodys.status, errors_only(nobodys)["error"]) == (401, "must authenticate first")
    assert (await send(ann.host, "GET", KEYS, token=bob.refresh_token)).json == []
    fetched = await send(ann.host, "GET", path, token=ann.refresh_token)
    assert fetched.json == {"_id": made.json["_id"], "name": "sensor", "disabled": False}


@pytest.mark.parametrize(
    ("forwarded", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("https,http", "https"), ("https, http", "https"), ("http, https", "http"),
     ("", "http"), ("javascript", "http")],
)  # fmt: skip
async def test_an_sdk_stays_on_the_scheme_by_which_it_came(app_host: Host, forwarded: str, scheme: str) -> None:
    headers = {"Accept": "application/json"} | ({"X-Forwarded-Proto": forwarded} if forwarded else {})

    told = (await app_host.request("GET", f"{CLIENT}/location", headers)).json

    assert told["hostname"].startswith(f"{scheme}://")
    assert told["ws_hostname"] == told["hostname"].replace("http", "ws", 1)
