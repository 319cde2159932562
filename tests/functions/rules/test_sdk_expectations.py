"""What the SDKs of App Services take for granted of the client API, through both hosts."""

from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import CLIENT, Person, log_in, send
from tests.functions.rules.test_sessions import KEYS, LOGIN, SESSION
from tests.hosts import Host, Worker

PASSWORD = f"{LOGIN}/local-userpass"
DELETE = "/api/client/v2.0/auth/delete"


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
