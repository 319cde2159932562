"""What the confirmation function says of who registers."""

import asyncio

import pytest

from tests.functions.people.conftest import ANN, PENDING, USERPASS, People, refusal
from tests.hosts import eventually


async def test_who_fails_has_no_account_and_may_try_again(people: People) -> None:
    first = await people.register("ann@people.example")
    again = await people.register("ann@people.example")

    expected = (400, "BadRequest", 'failed to confirm user "ann@people.example"')
    assert refusal(first) == refusal(again) == expected
    assert await people.dozen.users.count_documents({}) == 0
    assert await people.dozen.confirmations.count_documents({}) == 0


async def test_who_is_pending_confirms_with_the_token_that_the_function_got(people: People) -> None:
    assert (await people.register(PENDING)).status == 201
    before = await people.log_in(PENDING)
    letter = await people.database.letters.find_one({"username": PENDING})
    body = {"token": letter["token"], "tokenId": letter["tokenId"]}
    confirmed = await people.send("POST", f"{USERPASS}/confirm", body)

    assert refusal(before) == (401, "AuthError", "confirmation required")
    assert confirmed.status == 200
    assert (await people.log_in(PENDING)).status == 200
    assert (await people.send("POST", f"{USERPASS}/confirm", body)).status == 400


async def test_a_pending_user_has_the_function_asked_again(people: People) -> None:
    await people.register(PENDING)
    people.change(confirmFunc='exports = () => ({ status: "fail" });')
    failed = await people.send("POST", f"{USERPASS}/confirm/call", {"email": PENDING})
    people.change(confirmFunc='exports = ({ username }) => ({ status: username ? "success" : "fail" });')
    confirmed = await people.send("POST", f"{USERPASS}/confirm/call", {"email": PENDING})
    again = await people.send("POST", f"{USERPASS}/confirm/call", {"email": PENDING})
    unknown = await people.send("POST", f"{USERPASS}/confirm/call", {"email": "nobody@people.example"})

    assert refusal(failed) == (400, "BadRequest", f'failed to confirm user "{PENDING}"')
    assert confirmed.status == 200
    assert refusal(again) == (400, "UserAlreadyConfirmed", "already confirmed")
    assert refusal(unknown) == (404, "UserNotFound", "user not found")
    assert (await people.log_in(PENDING)).status == 200


async def test_a_refusal_leaves_the_token_that_was_sent_before(people: People) -> None:
    await people.register(PENDING)
    letter = await people.database.letters.find_one({"username": PENDING})
    people.change(confirmFunc='exports = () => ({ status: "fail" });')
    await people.send("POST", f"{USERPASS}/confirm/call", {"email": PENDING})  # as anybody may
    body = {"token": letter["token"], "tokenId": letter["tokenId"]}

    assert (await people.send("POST", f"{USERPASS}/confirm", body)).status == 200


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("exports = () => undefined;", id="nothing"),
        pytest.param('exports = () => "success";', id="a text"),
        pytest.param('exports = () => [{ status: "success" }];', id="an array"),
        pytest.param("exports = () => ({ status: true });", id="true"),
        pytest.param('exports = () => ({ status: "SUCCESS" });', id="another text"),
        pytest.param('exports = () => ({ status: ["success"] });', id="an array of it"),
        pytest.param('exports = () => ({ status: { toString: () => "success" } });', id="an object"),
        pytest.param('exports = () => { throw new Error("the secret"); };', id="an error"),
        pytest.param("exports = () => { for (;;) {} };", id="no end"),
        pytest.param("exports = () => new Promise(() => {});", id="a promise that nothing resolves"),
        pytest.param("exports = (", id="nothing that can be loaded"),
        pytest.param("exports = () => { const a = {}; a.a = a; return a; };", id="a circle"),
    ],
)
async def test_whatever_is_no_success_fails(people: People, caplog: pytest.LogCaptureFixture, source: str) -> None:
    people.set(FUNCTION_TIMEOUT_MS="100")
    people.change(confirmFunc=source)

    answer = await people.register(ANN)

    assert refusal(answer) == (400, "BadRequest", f'failed to confirm user "{ANN}"')
    assert await people.dozen.users.count_documents({}) == 0
    assert "the secret" not in caplog.text


async def test_a_function_that_does_not_return_in_time_leaves_no_account(people: People) -> None:
    people.set(MONGO_DB_TIMEOUT_MS="2500")
    people.change(confirmFunc="exports = () => new Promise((done) => setTimeout(done, 60000));")

    answer = await people.register(ANN)

    assert answer.status == 504
    assert await people.dozen.users.count_documents({}) == 0


async def test_two_who_register_one_address_at_once_get_one_account(people: People) -> None:
    people.change(
        confirmFunc="""exports = async ({ username }) => {
          await context.services.get("mongodb-atlas").db("shop").collection("calls").insertOne({ username });
          await new Promise((done) => setTimeout(done, 300));
          return { status: "success" };
        };"""
    )

    answers = await asyncio.gather(*[people.register(ANN) for _ in range(3)])

    assert sorted(each.status for each in answers) == [201, 409, 409]
    assert await people.dozen.users.count_documents({}) == 1
    assert await people.database.calls.count_documents({}) == 1


async def test_an_account_that_goes_while_the_function_runs_is_not_confirmed(people: People) -> None:
    people.change(
        confirmFunc="""exports = async () => {
          const calls = context.services.get("mongodb-atlas").db("shop").collection("calls");
          await calls.insertOne({});
          while (await calls.count() < 2) { await new Promise((done) => setTimeout(done, 20)); }
          return { status: "success" };
        };"""
    )
    registering = asyncio.create_task(people.register(ANN))

    async def is_asked() -> bool:
        return await people.database.calls.find_one() is not None

    await eventually(is_asked)
    await people.dozen.users.delete_many({})
    await people.database.calls.insert_one({})

    assert refusal(await registering) == (400, "BadRequest", f'failed to confirm user "{ANN}"')


async def test_registrations_of_one_address_of_the_network_are_counted(people: People) -> None:
    people.set(ANONYMOUS_LOGINS="2")

    answers = [await people.register(f"{number}@people.example") for number in range(3)]

    assert [each.status for each in answers] == [400, 400, 429]
