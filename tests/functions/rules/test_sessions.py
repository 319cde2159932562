"""The client API: logging in, sessions, registration, keys of users; through both hosts."""

import asyncio
import time
from typing import Any

import jwt
import pytest

from shared.service import process
from tests.conftest import ACTION, errors_only, request_body
from tests.functions.rules.conftest import CLIENT, SETTINGS, Person, log_in, registered, send
from tests.hosts import Host

SESSION = "/api/client/v2.0/auth/session"
PROFILE = "/api/client/v2.0/auth/profile"
KEYS = "/api/client/v2.0/auth/api_keys"
LOGIN = f"{CLIENT}/auth/providers"
JWT_KEY = SETTINGS["APP_SECRET_JWT_KEY"]


def custom_token(**claims: Any) -> str:
    given = {"sub": "ext-1", "aud": "shop-callers", "exp": int(time.time()) + 3600, "profile": {"name": "Eve"}} | claims
    return jwt.encode({name: value for name, value in given.items() if value is not None}, JWT_KEY, "HS256")


UNSIGNED = jwt.encode({"sub": "x", "aud": "shop-callers", "exp": 2**33, "profile": {"name": "Eve"}}, "", "none")


async def test_the_story_of_a_user(ann: Person) -> None:
    host = ann.host
    profile = await send(host, "GET", PROFILE, token=ann.access_token)
    renewed = await send(host, "POST", SESSION, token=ann.refresh_token)
    renewed_too = await send(host, "POST", f"{CLIENT}/auth/session", token=ann.refresh_token)
    called = await ann._replace(access_token=renewed.json["access_token"])("find")
    ended = await send(host, "DELETE", SESSION, token=ann.refresh_token)
    refused = await send(host, "POST", SESSION, token=ann.refresh_token)

    assert profile.json["user_id"] == ann.id
    assert (profile.json["data"], profile.json["type"]) == ({"email": "ann@shop.example"}, "normal")
    assert [each["provider_type"] for each in profile.json["identities"]] == ["local-userpass"]
    assert (renewed.status, renewed.json.keys()) == (200, {"access_token"})
    assert renewed_too.status == 200
    assert called.json == {"documents": []}
    assert (ended.status, ended.body) == (200, b"{}")
    assert (refused.status, errors_only(refused)["error_code"]) == (401, "InvalidSession")
    assert profile.headers["content-type"] == "application/json"


async def test_a_token_is_for_one_purpose(ann: Person) -> None:
    as_access = await ann._replace(access_token=ann.refresh_token)("find")
    as_refresh = await send(ann.host, "POST", SESSION, token=ann.access_token)

    assert (as_access.status, as_refresh.status) == (401, 401)


@pytest.mark.parametrize(
    "forge",
    [
        lambda claims: jwt.encode(claims, "another secret of more than 32 characters", "HS256"),
        lambda claims: jwt.encode(claims, "", "none"),
        lambda claims: jwt.encode(claims, SETTINGS["SESSION_SECRET"], "HS256"),
        lambda _: "x" * 40_000,
        lambda _: "a.b.c",
    ],
)
async def test_a_forged_token_is_refused(ann: Person, forge: Any) -> None:
    claims = jwt.decode(ann.access_token, options={"verify_signature": False})

    answer = await ann._replace(access_token=forge(claims | {"exp": int(time.time()) + 60}))("find")

    assert (answer.status, errors_only(answer)) == (401, {"error": "invalid session", "error_code": "InvalidSession"})


async def test_every_provider_logs_in(app_host: Host, users: None, database: Any) -> None:
    anonymous = await log_in(app_host, "anon-user", None)
    by_token = await log_in(app_host, "custom-token", {"token": custom_token()})
    again = await log_in(app_host, "custom-token", {"key": custom_token()})
    person = await registered(app_host, "a@b")
    made = await send(app_host, "POST", KEYS, {"name": "k-1"}, person.refresh_token)
    by_key = await log_in(app_host, "api-key", {"key": made.json["key"]})

    assert len({anonymous.id, by_token.id, person.id}) == 3
    assert (again.id, by_key.id) == (by_token.id, person.id)
    profile = await send(app_host, "GET", PROFILE, token=by_token.access_token)
    assert profile.json["data"] == {"name": "Eve"}
    assert (await send(app_host, "POST", KEYS, {"name": "k"}, anonymous.refresh_token)).status == 401


@pytest.mark.parametrize(
    ("provider", "body", "status", "code"),
    [
        ("local-userpass", {"username": "ann@shop.example", "password": "wrong one"}, 401, "AuthError"),
        ("local-userpass", {"username": "nobody@shop.example", "password": "wrong one"}, 401, "AuthError"),
        ("local-userpass", {"username": "Ann@shop.example", "password": "secret words"}, 401, "AuthError"),
        ("local-userpass", {"username": "ann@shop.example"}, 400, "MissingParameter"),
        ("local-userpass", {"username": {"$ne": ""}, "password": "x"}, 400, "MissingParameter"),
        ("api-key", {"key": "unknown"}, 401, "AuthError"),
        ("custom-token", {"token": "a.b.c"}, 401, "AuthError"),
        ("custom-token", {"token": custom_token(exp=1)}, 401, "AuthError"),
        ("custom-token", {"token": custom_token(exp=None)}, 401, "AuthError"),
        ("custom-token", {"token": custom_token(sub=None)}, 401, "AuthError"),
        ("custom-token", {"token": custom_token(aud="others")}, 401, "AuthError"),
        ("custom-token", {"token": custom_token(profile={})}, 401, "AuthError"),
        ("custom-token", {"token": custom_token(profile={"name": "x" * 5000})}, 401, "AuthError"),
        ("custom-token", {"token": UNSIGNED}, 401, "AuthError"),
        ("oauth2-google", {"id_token": "x"}, 404, "AuthProviderNotFound"),
        ("custom-function", {}, 404, "AuthProviderNotFound"),
        ("nonsense", {}, 404, "AuthProviderNotFound"),
    ],
)  # fmt: skip
async def test_a_login_that_is_refused(ann: Person, provider: str, body: Any, status: int, code: str) -> None:
    answer = await send(ann.host, "POST", f"{LOGIN}/{provider}/login", body)

    assert (answer.status, errors_only(answer)["error_code"]) == (status, code)


@pytest.mark.parametrize(
    "email", ["a\u202e@b.c", "a\x1b[2J@b.c", "a@b.c\x07", "\u2066a@b.c", "a\x7f@b.c", "a\u2028@b.c"]
)
async def test_an_address_that_does_not_show_what_it_is(app_host: Host, users: None, email: str) -> None:
    body = {"email": email, "password": "secret words"}

    answer = await send(app_host, "POST", f"{LOGIN}/local-userpass/register", body)

    assert (answer.status, errors_only(answer)["error"]) == (400, "email invalid")


@pytest.mark.parametrize("body", [b"[]", b"{", b"x" * 70_000, b'{"email":"a@b\\u0000","password":"secret words"}'])
async def test_a_body_that_is_no_registration(app_host: Host, users: None, body: bytes) -> None:
    answer = await app_host.request("POST", f"{LOGIN}/local-userpass/register", {}, body)

    assert answer.status in {400, 413}
    errors_only(answer)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"[]", "it must be an object"),
        (b"{", "unexpected end of data: line 1 column 2 (char 1)"),
        (b"email=ann%40shop.example", "it is a form: send the object as JSON text"),
    ],
)
async def test_a_body_that_is_no_object_is_named_as_the_body(
    app_host: Host, users: None, body: bytes, error: str
) -> None:
    answer = await app_host.request("POST", f"{LOGIN}/local-userpass/register", {}, body)

    assert errors_only(answer) == {"error": f"invalid JSON in request body: {error}", "error_code": "InvalidJSON"}


async def test_registration_is_refused_for_a_taken_address_and_a_bad_password(ann: Person, driver: Any) -> None:
    register = f"{LOGIN}/local-userpass/register"
    taken = await send(ann.host, "POST", register, {"email": "ann@shop.example", "password": "secret words"})
    short = await send(ann.host, "POST", register, {"email": "c@d", "password": "12345"})
    race = await asyncio.gather(*(
        send(ann.host, "POST", register, {"email": "race@shop.example", "password": "secret words"}) for _ in range(5)
    ))  # fmt: skip

    assert (taken.status, errors_only(taken)["error_code"]) == (409, "AccountNameInUse")
    assert short.status == 400
    assert sorted(answer.status for answer in race) == [201, 409, 409, 409, 409]
    assert await driver.dozen.users.count_documents({"data.email": "race@shop.example"}) == 1


async def test_nothing_secret_is_stored(ann: Person, driver: Any) -> None:
    stored = [await driver.dozen[name].find().to_list() for name in ("users", "sessions", "api_keys")]

    assert all(stored[:2])
    assert "secret words" not in repr(stored)
    assert ann.refresh_token not in repr(stored)
    assert {"expires_1", "hash_1"} <= set(await driver.dozen.sessions.index_information())


async def test_a_password_is_reset_once_and_ends_all_sessions(
    ann: Person, configured: pytest.MonkeyPatch, driver: Any
) -> None:
    sent = await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset/send", {"email": "ann@shop.example"})
    token, token_id = await process.service().confirmations.issue(ann.id, "reset")
    body = {"token": token, "tokenId": token_id, "password": "other words"}
    short = await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", body | {"password": "x"})
    wrong = await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", body | {"token": "x"})
    done = await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", body)
    twice = await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", body)
    refreshed = await send(ann.host, "POST", SESSION, token=ann.refresh_token)

    assert (sent.status, done.status) == (200, 200)
    assert [answer.status for answer in (short, wrong, twice)] == [400, 400, 400]
    assert refreshed.status == 401
    assert (
        await log_in(ann.host, "local-userpass", {"username": "ann@shop.example", "password": "other words"})
    ).id == ann.id


async def test_keys_of_a_user(ann: Person, bob: Person) -> None:
    host = ann.host
    made = await send(host, "POST", KEYS, {"name": "sensor"}, ann.refresh_token)
    key, path = made.json["key"], f"{KEYS}/{made.json['_id']}"

    async def call() -> int:
        return (await host.request("POST", ACTION + "find", {"apiKey": key}, request_body())).status

    listed = await send(host, "GET", KEYS, token=ann.refresh_token)
    before = await call()
    theirs = await send(host, "DELETE", path, token=bob.refresh_token)
    disabled = await send(host, "PUT", f"{path}/disable", token=ann.refresh_token)
    during = await call()
    await send(host, "PUT", f"{path}/enable", token=ann.refresh_token)
    after = await call()
    gone = await send(host, "DELETE", path, token=ann.refresh_token)
    missing = await send(host, "GET", path, token=ann.refresh_token)
    bad = await send(host, "POST", KEYS, {"name": "not a name"}, ann.refresh_token)
    with_access = await send(host, "GET", KEYS, token=ann.access_token)

    assert made.status == 201
    assert made.json.keys() == {"_id", "name", "key", "disabled"}
    assert listed.json == [{"_id": made.json["_id"], "name": "sensor", "disabled": False}]
    assert (theirs.status, errors_only(theirs)["error_code"]) == (404, "APIKeyNotFound")
    assert (disabled.status, gone.status, missing.status, bad.status) == (200, 200, 404, 400)
    assert (before, during, after, await call()) == (200, 401, 200, 401)
    assert with_access.status == 401


async def test_linking(app_host: Host, users: None) -> None:
    person = await registered(app_host, "link@shop.example")
    token = custom_token(sub="linked")
    path = f"{LOGIN}/custom-token/login?link=true"

    linked = await send(app_host, "POST", path, {"token": token}, person.access_token)
    logged_in = await log_in(app_host, "custom-token", {"token": token})
    other = await registered(app_host, "other@shop.example")
    taken = await send(app_host, "POST", path, {"token": token}, other.access_token)
    nobody = await send(app_host, "POST", path, {"token": token})

    assert linked.status == 200
    assert logged_in.id == person.id
    assert (taken.status, errors_only(taken)["error_code"]) == (401, "AuthError")
    assert nobody.status == 401


async def test_who_deletes_himself_is_gone(ann: Person) -> None:
    done = await send(ann.host, "DELETE", "/api/client/v2.0/auth/delete", token=ann.access_token)

    assert (done.status, done.body) == (200, b"{}")
    assert (await ann("find")).status == 401
    assert (await send(ann.host, "POST", SESSION, token=ann.refresh_token)).status == 401


async def test_a_disabled_user_is_out(ann: Person, driver: Any) -> None:
    await driver.dozen.users.update_many({}, {"$set": {"disabled": True}})
    body = {"username": "ann@shop.example", "password": "secret words"}

    assert (await ann("find")).status == 401
    assert (await send(ann.host, "POST", SESSION, token=ann.refresh_token)).status == 401
    assert (await send(ann.host, "POST", f"{LOGIN}/local-userpass/login", body)).status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"email": "ann@shop.example", "password": "secret words"}, 200),
        ({"email": "ann@shop.example", "password": "wrong"}, 401),
        ({"email": "nobody@shop.example", "password": "secret words"}, 401),
        ({"jwtTokenString": custom_token()}, 200),
        ({"jwtTokenString": custom_token(aud="x")}, 401),
        ({"email": "ann@shop.example"}, 400),
        ({}, 400),
    ],
)
async def test_credentials_of_a_single_call(ann: Person, headers: Any, status: int) -> None:
    answer = await ann.host.request("POST", ACTION + "find", headers, request_body(collection="orders"))

    assert answer.status == status
    if status == 401:
        assert errors_only(answer)["error"] == "invalid session: error finding user for endpoint"


async def test_where_the_app_is(app_host: Host) -> None:
    answer = await send(app_host, "GET", f"{CLIENT}/location")

    assert answer.status == 200
    assert answer.json.keys() == {"deployment_model", "location", "hostname", "ws_hostname"}
    assert answer.json["hostname"].startswith("http")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", f"{LOGIN}/anon-user/login", "POST, OPTIONS"), ("PATCH", SESSION, "POST, DELETE, OPTIONS")],
)
async def test_a_wrong_method_and_a_preflight(app_host: Host, method: str, path: str, allowed: str) -> None:
    refused = await send(app_host, method, path)
    preflight = await app_host.request("OPTIONS", path, {"Origin": "https://page.example"})

    assert (refused.status, refused.headers["allow"]) == (405, allowed)
    assert (preflight.status, preflight.headers["access-control-allow-methods"]) == (204, allowed)
    assert preflight.headers["access-control-allow-origin"] == "https://page.example"
