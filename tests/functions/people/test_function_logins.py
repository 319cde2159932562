"""Logins of whom the app's own function says who that is."""

import pytest

from tests.functions.people.conftest import ANN, ANN_OF_FUNCTION, ANONYMOUS, FUNCTION, PROFILE, People, refusal


async def test_an_id_that_is_known_logs_in_and_another_one_is_a_new_user(people: People) -> None:
    first, again = [await people.send("POST", FUNCTION, ANN_OF_FUNCTION) for _ in range(2)]
    other = await people.send("POST", FUNCTION, ANN_OF_FUNCTION | {"username": "bob"})

    assert first.json["user_id"] == again.json["user_id"] != other.json["user_id"]
    profile = (await people.send("GET", PROFILE, token=first.json["access_token"])).json
    [identity] = profile["identities"]
    assert (identity["provider_type"], profile["type"]) == ("custom-function", "normal")


async def test_what_it_throws_is_told(people: People) -> None:
    answer = await people.send("POST", FUNCTION, {"username": "ann", "secret": "please"})

    assert refusal(answer) == (401, "AuthError", "Ah ah ah, you didn't say the magic word")


async def test_it_gets_the_body_without_what_sdks_add(people: People) -> None:
    seen = 'context.services.get("mongodb-atlas").db("shop").collection("seen")'
    people.change(customAuthentication=f'exports = async (seen) => {{ await {seen}.insertOne(seen); return "x"; }};')
    sent_by_sdk = {"device": {"deviceId": {"$oid": "0" * 24}, "platform": "node"}}
    own = {"n": {"$numberLong": "7"}, "options": {"theme": "dark"}, "provider": "carrier"}

    await people.send("POST", FUNCTION, {"n": own["n"], "provider": "custom-function", "options": sent_by_sdk})
    await people.send("POST", FUNCTION, own)

    assert await people.database.seen.find({}, {"_id": 0}).sort("_id").to_list() == [{"n": 7}, own | {"n": 7}]


async def test_a_name_is_kept_and_follows_what_the_function_says(people: People) -> None:
    people.change(customAuthentication="exports = ({ name }) => ({ id: 'x', name });")
    first = await people.send("POST", FUNCTION, {"name": "Ann"})
    await people.send("POST", FUNCTION, {"name": "Anne"})

    profile = await people.send("GET", PROFILE, token=first.json["access_token"])

    assert profile.json["data"] == {"name": "Anne"}


@pytest.mark.parametrize(
    "returned",
    [
        pytest.param("", id="nothing"),
        pytest.param("null", id="null"),
        pytest.param('""', id="empty"),
        pytest.param("7", id="number"),
        pytest.param("new BSON.ObjectId()", id="ObjectId"),
        pytest.param('["x"]', id="array"),
        pytest.param("{ name: 'x' }", id="object without an id"),
        pytest.param("{ id: { $ne: null } }", id="operator"),
        pytest.param('"x".repeat(1025)', id="long"),
        pytest.param('"a\\0b"', id="NUL"),
        pytest.param('"\\ud800"', id="half a character"),
    ],
)
async def test_what_is_no_id_logs_nobody_in(people: People, returned: str) -> None:
    people.change(customAuthentication=f"exports = () => ({returned or 'undefined'});")

    answer = await people.send("POST", FUNCTION, {})

    assert answer.status in (400, 401)
    assert await people.dozen.users.count_documents({}) == 0


async def test_its_ids_are_nobody_elses(people: People) -> None:
    people.change(customAuthentication="exports = ({ id }) => id;")
    await people.register(ANN)
    ann = (await people.log_in(ANN)).json["user_id"]
    [anonymous] = [(await people.send("POST", ANONYMOUS, {})).json["user_id"]]

    others = [await people.send("POST", FUNCTION, {"id": each}) for each in (ANN, ann, anonymous)]

    ids = {each.json["user_id"] for each in others}
    assert len(ids) == 3
    assert not ids & {ann, anonymous}


async def test_an_identity_of_somebody_else_is_not_linked(people: People) -> None:
    await people.send("POST", FUNCTION, ANN_OF_FUNCTION)
    anonymous = (await people.send("POST", ANONYMOUS, {})).json
    path = f"{FUNCTION}?link=true"

    taken = await people.send("POST", path, ANN_OF_FUNCTION, anonymous["access_token"])
    wrong = await people.send("POST", path, {"username": "x", "secret": "?"}, anonymous["access_token"])

    assert refusal(taken) == (401, "AuthError", "cannot link: unauthorized")
    assert refusal(wrong)[:2] == (401, "AuthError")


async def test_who_fails_too_often_has_to_wait(people: People) -> None:
    people.set(LOGIN_ATTEMPTS="2")
    right = [await people.send("POST", FUNCTION, ANN_OF_FUNCTION) for _ in range(3)]

    wrong = [await people.send("POST", FUNCTION, {}) for _ in range(3)]

    assert [each.status for each in (*right, *wrong)] == [200, 200, 200, 401, 401, 429]


async def test_a_function_that_is_not_there_logs_nobody_in(people: People) -> None:
    provider = {"type": "custom-function", "config": {"authFunctionName": "gone"}}
    people.change({"auth/providers.json": {"custom-function": provider}})

    answer = await people.send("POST", FUNCTION, ANN_OF_FUNCTION)

    assert refusal(answer)[:2] == (401, "AuthError")


async def test_a_provider_that_is_off_is_not_found(people: People) -> None:
    people.change({"auth/providers.json": {"custom-function": {"type": "custom-function", "disabled": True}}})

    assert refusal(await people.send("POST", FUNCTION, {}))[:2] == (404, "AuthProviderNotFound")
