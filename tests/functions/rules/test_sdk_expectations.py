"""What the SDKs of App Services take for granted of the client API, through both hosts."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from bson.objectid import ObjectId

from tests.conftest import errors_only, restart
from tests.functions.rules.conftest import CLIENT, Known, Person, log_in, registered, send
from tests.functions.rules.test_sessions import KEYS, LOGIN, PROFILE, SESSION, custom_token
from tests.hosts import Host, Worker

PASSWORD = f"{LOGIN}/local-userpass"
DELETE = "/api/client/v2.0/auth/delete"


def payload(token: str) -> dict[str, Any]:
    """Read a token as an SDK does: base64url without padding."""
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


@pytest.mark.parametrize(("headers", "scheme"), [({}, "http"), ({"X-Forwarded-Proto": "https"}, "https")])
async def test_all_later_calls_go_where_the_location_says(app_host: Host, headers: dict[str, str], scheme: str) -> None:
    answer = await app_host.request("GET", f"{CLIENT}/location", {"Accept": "application/json"} | headers)
    web, socket = answer.json["hostname"], answer.json["ws_hostname"]

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert web.startswith(f"{scheme}://")
    assert socket == web.replace("http", "ws", 1)
    assert web.count("/") == 2  # a path follows


async def test_a_login_has_what_sdks_read_of_it(app_host: Host, users: None) -> None:
    answer = await send(app_host, "POST", f"{LOGIN}/anon-user/login", {"options": {"device": {}}})
    login = answer.json
    access, refresh = payload(login["access_token"]), payload(login["refresh_token"])

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert {name: type(value) for name, value in login.items()} == dict.fromkeys(
        ("access_token", "refresh_token", "user_id", "device_id"), str
    )
    assert ObjectId.is_valid(login["device_id"])
    assert (access["sub"], refresh["sub"]) == (login["user_id"],) * 2
    assert (access["typ"], refresh["typ"]) == ("access", "refresh")
    assert access["baas_device_id"] == login["device_id"]
    assert 0 < access["exp"] - access["iat"] < refresh["exp"] - refresh["iat"]


async def test_custom_data_are_in_the_token_and_renewed_with_it(
    worker: Worker, known: Known, changed: Any, tmp_path: Path, database: Any
) -> None:
    config = {
        "enabled": True, "mongo_service_name": "mongodb-atlas", "database_name": "shop", "collection_name": "people",
        "user_id_field": "user",
    }  # fmt: skip
    (tmp_path / "shop" / "auth" / "custom_user_data.json").write_text(json.dumps(config))
    restart()
    ann = await known(worker, "ann@shop.example")
    number = ObjectId()
    await database.people.insert_one({"_id": number, "user": ann.id, "team": "red"})

    renewed = await send(worker, "POST", SESSION, token=ann.refresh_token)

    assert json_util.loads(payload(renewed.json["access_token"])["user_data"]) == {
        "_id": number, "user": ann.id, "team": "red"
    }  # fmt: skip


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
        ({}, "confirm/call", 'failed to confirm user "a@b": functions cannot run'),
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


async def test_more_people_than_may_fail_come_from_one_address(app_host: Host, users: None) -> None:
    visits = [await send(app_host, "POST", f"{CLIENT}/auth/providers/anon-user/login", {}) for _ in range(15)]

    assert {each.status for each in visits} == {200}
