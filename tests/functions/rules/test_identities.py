"""Who a login is: keys that log in, identities that are linked, anonymous users that end; through both hosts."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import jwt
import pytest
from bson.objectid import ObjectId

from local.mongod import Mongod
from shared.auth import keys
from shared.service import process
from tests.admin.test_keys import called
from tests.conftest import ACTION, errors_only, request_body
from tests.functions.rules.conftest import CLIENT, Person, log_in, registered, send
from tests.functions.rules.test_sessions import KEYS, LOGIN, PROFILE, SESSION, custom_token
from tests.hosts import Answer, Host

DELETE_SELF = "/api/client/v2.0/auth/delete"
REGISTER = f"{LOGIN}/local-userpass/register"
NEW = {"email": "new@shop.example", "password": "secret words"}
NEW_LOGIN = {"username": "new@shop.example", "password": "secret words"}


class Key(NamedTuple):
    """A key and its id."""

    key: str
    id: ObjectId


async def new_key(driver: Any, **members: Any) -> Key:
    key, stored = keys.new_key("sensor", **members)
    await driver.dozen.api_keys.insert_one(stored)
    return Key(key, ObjectId(str(stored["_id"])))


@pytest.fixture
async def server_key(app_host: Host, users: None, database: Any, driver: Any) -> Key:
    """A key that is a user by itself."""
    return await new_key(driver)


async def link(host: Host, provider: str, body: Any, token: str | None) -> Answer:
    return await send(host, "POST", f"{LOGIN}/{provider}/login?link=true", body, token)


async def test_a_server_key_logs_in_as_the_user_that_it_is(app_host: Host, server_key: Key, database: Any) -> None:
    me = await log_in(app_host, "api-key", {"key": server_key.key})
    await database.orders.insert_many([{"_id": 1, "owner": me.id, "title": "mine"}, {"_id": 2, "owner": "u2"}])
    profile = await send(app_host, "GET", PROFILE, token=me.access_token)
    renewed = await send(app_host, "POST", SESSION, token=me.refresh_token)
    found = await me._replace(access_token=renewed.json["access_token"])("find")
    by_header = await app_host.request(
        "POST", ACTION + "find", {"apiKey": server_key.key}, request_body(collection="orders")
    )
    ended = await send(app_host, "DELETE", SESSION, token=me.refresh_token)
    refused = await send(app_host, "POST", SESSION, token=me.refresh_token)

    assert me.id == str(server_key.id)
    assert profile.json == {
        "user_id": me.id,
        "domain_id": profile.json["domain_id"],
        "identities": [{"id": me.id, "provider_type": "api-key", "provider_id": me.id}],
        "data": {"name": "sensor"},
        "type": "server",
    }
    assert found.json == by_header.json == {"documents": [{"_id": 1, "owner": me.id, "title": "mine"}]}
    assert (ended.status, refused.status) == (200, 401)


async def test_rules_see_a_server_key_by_its_type_however_it_comes(
    app_host: Host, server_key: Key, database: Any
) -> None:
    me = await log_in(app_host, "api-key", {"key": server_key.key})
    await database.notes.insert_one({"_id": 1, "text": "of no team"})  # the filter for type 'normal' would hide it

    assert (await me("find", collection="notes")).json == {"documents": [{"_id": 1, "text": "of no team"}]}


@pytest.mark.parametrize("change", [{"$set": {"disabled": True}}, None], ids=["disabled", "deleted"])
@pytest.mark.parametrize("is_users", [False, True], ids=["server key", "user key"])
async def test_a_session_ends_with_the_key_that_began_it(
    app_host: Host, ann: Person, driver: Any, change: Any, is_users: bool
) -> None:
    key = await new_key(driver, **({"user_id": ObjectId(ann.id)} if is_users else {}))
    me = await log_in(app_host, "api-key", {"key": key.key})
    renewed = me._replace(
        access_token=(await send(app_host, "POST", SESSION, token=me.refresh_token)).json["access_token"]
    )
    before = [(await each("find")).status for each in (me, renewed)]
    keys = driver.dozen.api_keys
    await (keys.update_one({"_id": key.id}, change) if change else keys.delete_one({"_id": key.id}))

    assert before == [200, 200]
    assert [(await each("find")).status for each in (me, renewed)] == [401, 401]
    assert (await send(app_host, "POST", SESSION, token=me.refresh_token)).status == 401
    assert (await send(app_host, "GET", PROFILE, token=me.access_token)).status == 401
    assert (await send(app_host, "POST", f"{LOGIN}/api-key/login", {"key": key.key})).status == 401
    assert (await ann("find")).status == 200


@pytest.mark.parametrize("is_users", [False, True], ids=["server key", "user key"])
async def test_a_session_ends_no_later_than_the_key_that_began_it(
    app_host: Host, ann: Person, driver: Any, is_users: bool
) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=600)
    key = await new_key(driver, **({"user_id": ObjectId(ann.id)} if is_users else {}))
    await driver.dozen.api_keys.update_one({"_id": key.id}, {"$set": {"expires": end}})
    me = await log_in(app_host, "api-key", {"key": key.key})
    renewed = (await send(app_host, "POST", SESSION, token=me.refresh_token)).json["access_token"]
    session = await driver.dozen.sessions.find_one({"key_id": key.id})
    over = {"$set": {"expires": datetime.now(UTC)}}
    await driver.dozen.sessions.update_one({"key_id": key.id}, over)
    refused = await send(app_host, "POST", SESSION, token=me.refresh_token)
    await driver.dozen.api_keys.update_one({"_id": key.id}, over)

    ends = [jwt.decode(each, options={"verify_signature": False})["exp"] for each in (me.access_token, renewed)]
    assert session["expires"].replace(tzinfo=UTC) == end
    assert max(ends) <= end.timestamp()
    assert refused.status == 401
    assert (await me("find")).status == 401


async def test_a_session_ends_with_the_secret_that_began_it(
    app_host: Host, ann: Person, driver: Any, mongod: Mongod
) -> None:
    key = await new_key(driver)
    old = await log_in(app_host, "api-key", {"key": key.key})
    rotated = called("keys", "rotate", str(key.id), "--keep", "1d", MONGO_DB_URI=mongod.uri)
    late = await log_in(app_host, "api-key", {"key": key.key})
    new = await log_in(app_host, "api-key", {"key": rotated.stdout.strip()})
    stored = await driver.dozen.api_keys.find_one({"_id": key.id})

    sessions = await driver.dozen.sessions.find({"key_id": key.id}, sort={"_id": 1}).to_list()
    assert {old.id, late.id, new.id} == {str(key.id)}
    end = stored["former"][0]["expires"]
    assert [each["expires"] for each in sessions[:2]] == [end, end]
    assert sessions[2]["expires"] - end > timedelta(days=30)


@pytest.mark.parametrize("app_host", ["worker"], indirect=True)
@pytest.mark.parametrize("is_users", [False, True], ids=["server key", "user key"])
async def test_what_a_secret_began_ends_with_it_at_once(
    app_host: Host, ann: Person, driver: Any, is_users: bool
) -> None:
    """By an access token that is out, and by a login that had looked at the secret before."""
    service = process.service()
    key = await new_key(driver, **({"user_id": ObjectId(ann.id)} if is_users else {}))
    out = await log_in(app_host, "api-key", {"key": key.key})
    kept = await service.keys.rotate(key.id, timedelta(days=1))
    assert kept is not None
    user, login_key = await service.logins.with_api_key(key.key, cast("Any", None))
    new = await log_in(app_host, "api-key", {"key": kept.key})
    before = [(await each("find")).status for each in (out, new)]
    rotated = await service.keys.rotate(key.id, timedelta())
    assert rotated is not None
    await service.sessions.end_secret(rotated)
    late = await service.sessions.start(user, "api-key", login_key._replace(ends=None))
    again = await log_in(app_host, "api-key", {"key": rotated.key})

    late_person = out._replace(access_token=late.access_token)
    assert before == [200, 200]
    assert [(await each("find")).status for each in (out, new, late_person, again)] == [401, 401, 401, 200]
    refreshed = [await send(app_host, "POST", SESSION, token=each.refresh_token) for each in (late, again)]
    assert [each.status for each in refreshed] == [401, 200]


async def test_a_key_that_works_again_brings_no_session_back(ann: Person) -> None:
    host = ann.host
    made = (await send(host, "POST", KEYS, {"name": "phone"}, ann.refresh_token)).json
    me = await log_in(host, "api-key", {"key": made["key"]})
    await send(host, "PUT", f"{KEYS}/{made['_id']}/disable", token=ann.refresh_token)
    await send(host, "PUT", f"{KEYS}/{made['_id']}/enable", token=ann.refresh_token)

    assert (await send(host, "POST", SESSION, token=me.refresh_token)).status == 401


async def test_what_a_server_key_may_not_do(app_host: Host, server_key: Key, driver: Any) -> None:
    me = await log_in(app_host, "api-key", {"key": server_key.key})
    system = await new_key(driver, system=True)

    as_system = await send(app_host, "POST", f"{LOGIN}/api-key/login", {"key": system.key})
    makes_keys = await send(app_host, "POST", KEYS, {"name": "k"}, me.refresh_token)
    deletes_itself = await send(app_host, "DELETE", DELETE_SELF, token=me.access_token)
    links = await link(app_host, "custom-token", {"token": custom_token(sub="k")}, me.access_token)

    assert (as_system.status, errors_only(as_system)["error_code"]) == (401, "AuthError")
    assert (makes_keys.status, errors_only(makes_keys)["error_code"]) == (401, "InvalidSession")
    assert [(each.status, errors_only(each)["error_code"]) for each in (deletes_itself, links)] == [
        (400, "BadRequest")
    ] * 2
    assert await driver.dozen.api_keys.count_documents({"_id": server_key.id}) == 1


async def test_an_anonymous_user_becomes_one_with_an_address(app_host: Host, users: None, driver: Any) -> None:
    anonymous = await log_in(app_host, "anon-user", None)
    await send(app_host, "POST", REGISTER, NEW)
    wrong = await link(app_host, "local-userpass", NEW_LOGIN | {"password": "other words"}, anonymous.access_token)
    linked = await link(app_host, "local-userpass", NEW_LOGIN, anonymous.access_token)
    again = await link(app_host, "local-userpass", NEW_LOGIN, anonymous.access_token)
    later = await log_in(app_host, "local-userpass", NEW_LOGIN)
    profile = (await send(app_host, "GET", PROFILE, token=linked.json["access_token"])).json
    makes_keys = await send(app_host, "POST", KEYS, {"name": "k"}, anonymous.refresh_token)

    assert (wrong.status, errors_only(wrong)["error_code"]) == (401, "AuthError")
    assert (linked.status, linked.json.keys(), again.status) == (
        200,
        {"access_token", "refresh_token", "user_id", "device_id"},
        200,
    )
    assert later.id == anonymous.id
    assert [each["provider_type"] for each in profile["identities"]] == ["anon-user", "local-userpass"]
    assert profile["data"] == {"email": "new@shop.example"}
    assert makes_keys.status == 201
    assert await driver.dozen.users.count_documents({}) == 1


async def test_a_user_of_another_issuer_gets_an_address_and_a_password(app_host: Host, users: None) -> None:
    person = await log_in(app_host, "custom-token", {"token": custom_token(sub="both")})
    await send(app_host, "POST", REGISTER, NEW)
    await link(app_host, "local-userpass", NEW_LOGIN, person.access_token)

    assert (await log_in(app_host, "local-userpass", NEW_LOGIN)).id == person.id
    assert (await log_in(app_host, "custom-token", {"token": custom_token(sub="both")})).id == person.id


async def test_an_identity_that_is_somebodys_is_not_linked(app_host: Host, ann: Person, driver: Any) -> None:
    anonymous = await log_in(app_host, "anon-user", None)
    body = {"username": "ann@shop.example", "password": "secret words"}

    taken = await link(app_host, "local-userpass", body, anonymous.access_token)
    await log_in(app_host, "custom-token", {"token": custom_token(sub="somebody")})
    taken_too = await link(app_host, "custom-token", {"token": custom_token(sub="somebody")}, anonymous.access_token)

    assert [(each.status, errors_only(each)["error_code"]) for each in (taken, taken_too)] == [(401, "AuthError")] * 2
    assert (await log_in(app_host, "local-userpass", body)).id == ann.id


async def test_a_call_with_a_password_is_a_first_login(app_host: Host, users: None, database: Any) -> None:
    await send(app_host, "POST", REGISTER, NEW)
    anonymous = await log_in(app_host, "anon-user", None)
    await app_host.request("POST", ACTION + "find", NEW, request_body(collection="orders"))

    answer = await link(app_host, "local-userpass", NEW_LOGIN, anonymous.access_token)

    assert (answer.status, errors_only(answer)["error_code"]) == (401, "AuthError")


@pytest.mark.parametrize(
    "change", [{"confirmed": False}, {"disabled": True}, {"pending": False}], ids=["unconfirmed", "disabled", "made"]
)
async def test_a_registration_that_cannot_log_in_is_not_linked(
    app_host: Host, users: None, driver: Any, change: Any
) -> None:
    await send(app_host, "POST", REGISTER, NEW)
    await driver.dozen.users.update_one({"data.email": NEW["email"]}, {"$set": change})
    anonymous = await log_in(app_host, "anon-user", None)

    answer = await link(app_host, "local-userpass", NEW_LOGIN, anonymous.access_token)

    assert (answer.status, errors_only(answer)["error_code"]) == (401, "AuthError")
    assert await driver.dozen.users.count_documents({}) == 2


async def test_a_user_has_one_address(ann: Person, driver: Any) -> None:
    await send(ann.host, "POST", REGISTER, NEW)

    answer = await link(ann.host, "local-userpass", NEW_LOGIN, ann.access_token)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "BadRequest")
    assert await driver.dozen.users.count_documents({"identities.id": {"$in": [NEW["email"], "ann@shop.example"]}}) == 2


@pytest.mark.parametrize(
    ("provider", "status", "code"),
    [
        ("anon-user", 400, "BadRequest"),
        ("api-key", 400, "BadRequest"),
        ("oauth2-google", 404, "AuthProviderNotFound"),
        ("custom-function", 404, "AuthProviderNotFound"),
    ],
)
async def test_what_cannot_be_linked_is_said(ann: Person, provider: str, status: int, code: str) -> None:
    answer = await link(ann.host, provider, {"key": "k"}, ann.access_token)

    assert (answer.status, errors_only(answer)["error_code"]) == (status, code)


async def test_of_many_who_link_one_registration_one_gets_it(app_host: Host, users: None, driver: Any) -> None:
    await send(app_host, "POST", REGISTER, NEW)
    people = [await log_in(app_host, "anon-user", None) for _ in range(4)]

    answers = await asyncio.gather(
        *(link(app_host, "local-userpass", NEW_LOGIN, each.access_token) for each in people),
        send(app_host, "POST", f"{LOGIN}/local-userpass/login", NEW_LOGIN),
    )

    owners = await driver.dozen.users.find({"identities.id": NEW["email"]}).to_list()
    assert len(owners) == 1
    linked = [each for each, answer in zip(people, answers[:-1], strict=True) if answer.status == 200]
    assert len(linked) <= 1
    assert {each.id for each in linked} <= {str(owners[0]["_id"])}
    assert {answer.status for answer in answers} <= {200, 401}
    assert (await log_in(app_host, "local-userpass", NEW_LOGIN)).id == str(owners[0]["_id"])


async def test_an_anonymous_user_lives_for_90_days_unless_linked(app_host: Host, users: None, driver: Any) -> None:
    anonymous = await log_in(app_host, "anon-user", None)
    upgraded = await log_in(app_host, "anon-user", None)
    await link(app_host, "custom-token", {"token": custom_token(sub="upgraded")}, upgraded.access_token)
    person = await registered(app_host, "stays@shop.example")

    stored = {str(each["_id"]): each async for each in driver.dozen.users.find()}
    indexes = await driver.dozen.users.index_information()
    life = stored[anonymous.id]["expires"] - stored[anonymous.id]["created"]
    refresh = jwt.decode(anonymous.refresh_token, options={"verify_signature": False})

    assert life == timedelta(days=90)
    assert refresh["exp"] - refresh["iat"] == life.total_seconds()
    assert indexes["expires_1"]["expireAfterSeconds"] == 0
    assert "expires" not in stored[upgraded.id]
    assert "expires" not in stored[person.id]


async def test_an_anonymous_user_whose_days_are_over_is_nobody(app_host: Host, users: None, driver: Any) -> None:
    anonymous = await log_in(app_host, "anon-user", None)
    stays = await registered(app_host, "stays@shop.example")
    await driver.dozen.users.update_one(
        {"_id": ObjectId(anonymous.id)}, {"$set": {"expires": datetime.now(UTC) - timedelta(seconds=1)}}
    )

    refused = await send(app_host, "POST", SESSION, token=anonymous.refresh_token)

    assert (refused.status, errors_only(refused)["error_code"]) == (401, "InvalidSession")
    assert (await send(app_host, "GET", PROFILE, token=stays.access_token)).status == 200
    assert (await send(app_host, "GET", f"{CLIENT}/location")).status == 200


@pytest.mark.parametrize("address", [{"$code": "ann@shop.example"}, {"$symbol": "ann@shop.example"}], ids=str)
async def test_an_address_of_another_type_is_no_second_user(
    app_host: Host, ann: Person, driver: Any, address: dict[str, str]
) -> None:
    body = {"email": address, "username": address, "password": "another secret"}

    registered = await send(app_host, "POST", REGISTER, body)
    logged_in = await send(app_host, "POST", f"{LOGIN}/local-userpass/login", body)

    assert registered.status in {400, 409}
    assert logged_in.status in {400, 401}
    assert await driver.dozen.users.count_documents({}) == 1
