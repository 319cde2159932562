"""The function that is asked before a user is stored."""

import json
from collections.abc import Awaitable, Callable

import pytest
from bson.objectid import ObjectId

from shared.errors import LoginRefusedError
from shared.service import process
from tests.functions.people.conftest import ANN, ANN_OF_FUNCTION, ANONYMOUS, APP, FUNCTION, PROVIDERS, People, refusal
from tests.functions.rules.conftest import PASSWORD


async def test_it_is_asked_once_for_each_user_whatever_the_provider(people: People) -> None:
    await people.register(ANN)
    none = await people.database.people.count_documents({})
    ids = [
        (await people.send("POST", ANONYMOUS, {})).json["user_id"],
        *[(await people.send("POST", FUNCTION, ANN_OF_FUNCTION)).json["user_id"] for _ in range(2)],
        *[(await people.log_in(ANN)).json["user_id"] for _ in range(2)],
    ]

    assert none == 0
    made = await people.database.people.find().sort("_id").to_list()
    assert [(each["user_id"], each["provider"]) for each in made] == [
        (ids[0], "anon-user"),
        (ids[1], "custom-function"),
        (ids[3], "local-userpass"),
    ]


async def test_one_that_fails_keeps_the_user_from_being_created(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    people.change(onUserCreation='exports = () => { throw new Error("the secret"); };')
    await people.register(ANN)
    refused = [
        await people.send("POST", ANONYMOUS, {}),
        await people.send("POST", FUNCTION, ANN_OF_FUNCTION),
        await people.log_in(ANN),
    ]
    stored = await people.dozen.users.find().to_list()
    people.change(onUserCreation="exports = () => {};")

    text = "the user cannot be created: the app's function failed"
    assert {refusal(each) for each in refused} == {(401, "AuthError", text)}
    assert [each["data"] for each in stored] == [{"email": ANN}]  # who registered may log in later
    assert await people.database.notes.count_documents({}) == 0
    assert (await people.log_in(ANN)).status == 200
    assert "the secret" not in caplog.text


async def test_it_is_asked_where_the_headers_of_a_call_log_in(people: People) -> None:
    await people.register(ANN)
    headers = {"email": ANN, "password": PASSWORD, "Content-Type": "application/json"}
    body = json.dumps({"dataSource": "mongodb-atlas", "database": "shop", "collection": "x", "filter": {}})
    path = "/app/people-abcde/endpoint/data/v1/action/findOne"

    for _ in range(2):
        await people.host.request("POST", path, headers, body.encode())

    assert await people.database.people.count_documents({"provider": "local-userpass"}) == 1
    assert [each["operationType"] async for each in people.database.notes.find()] == ["CREATE"]


async def test_a_user_whom_an_operator_made_is_created_at_the_first_login(people: People) -> None:
    people.change()
    await process.service().users.register(ANN, PASSWORD, confirmed=True)

    await people.log_in(ANN)

    assert await people.database.people.count_documents({}) == 1


@pytest.mark.parametrize("path", [f"{PROVIDERS}/api-key/login", "/app/people-abcde/endpoint/data/v1/action/findOne"])
async def test_a_user_whose_key_comes_first_is_created_by_it(people: People, path: str) -> None:
    providers = json.loads((APP / "auth" / "providers.json").read_text())
    people.change({"auth/providers.json": providers | {"api-key": {"name": "api-key", "type": "api-key"}}})
    service = process.service()
    user = await service.users.register(ANN, PASSWORD, confirmed=True)
    key, _ = await service.keys.create("k", user_id=ObjectId(user.id))
    body = {"key": key, "dataSource": "mongodb-atlas", "database": "shop", "collection": "x", "filter": {}}

    for _ in range(2):
        headers = {"apiKey": key, "Content-Type": "application/json"}
        await people.host.request("POST", path, headers, json.dumps(body).encode())

    assert await people.database.people.count_documents({}) == 1
    assert [each["operationType"] async for each in people.database.notes.find()] == ["CREATE"]


@pytest.mark.parametrize("change", ["disabled", "password", "gone"])
async def test_who_is_another_than_was_verified_before_it_ran_does_not_log_in(people: People, change: str) -> None:
    people.change()
    service = process.service()
    user = await service.users.register(ANN, PASSWORD, confirmed=True)
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "disabled": lambda: service.users.disable(user.id),
        "password": lambda: service.users.set_password(user.id, "third words"),
        "gone": lambda: service.users.delete(user.id),
    }
    verified = await service.logins.registered(ANN, PASSWORD, "")

    await changes[change]()
    with pytest.raises(LoginRefusedError):
        await service.users.claim(verified)

    assert await people.dozen.user_events.count_documents({}) == 0
