"""What the reset function says of who wants another password."""

import pytest

from tests.functions.people.conftest import ANN, OTHER_PASSWORD, PENDING, USERPASS, People, refusal
from tests.functions.rules.conftest import PASSWORD


async def test_it_decides_with_the_answers_that_came_along(people: People) -> None:
    await people.register(ANN)
    session = (await people.log_in(ANN)).json
    failed = await people.reset(ANN, "the cat's name")
    done = await people.reset(ANN, "the dog's name", {"n": {"$numberInt": "3"}})
    refreshed = await people.send("POST", "/api/client/v2.0/auth/session", token=session["refresh_token"])

    assert refusal(failed) == (400, "BadRequest", f'failed to reset password for user "{ANN}"')
    assert (done.status, done.body) == (200, b"{}")
    assert refusal(refreshed)[:2] == (401, "InvalidSession")
    assert ((await people.log_in(ANN)).status, (await people.log_in(ANN, OTHER_PASSWORD)).status) == (401, 200)
    letters = await people.database.letters.find().sort("_id").to_list()
    assert [each["answers"] for each in letters] == [["the cat's name"], ["the dog's name", {"n": 3}]]


async def test_who_is_pending_sets_a_password_with_the_token(people: People) -> None:
    await people.register(ANN)
    pending = await people.reset(ANN, "by letter")
    letter = await people.database.letters.find_one({"username": ANN})
    body = {"token": letter["token"], "tokenId": letter["tokenId"], "password": "third words"}

    assert pending.status == 200
    assert (await people.log_in(ANN)).status == 200
    assert (await people.send("POST", f"{USERPASS}/reset", body)).status == 200
    assert (await people.log_in(ANN, "third words")).status == 200
    assert (await people.log_in(ANN, OTHER_PASSWORD)).status == 401


async def test_a_refusal_leaves_the_token_that_was_sent_before(people: People) -> None:
    await people.register(ANN)
    await people.reset(ANN, "by letter")
    refused = await people.reset(ANN, "the cat's name")  # anybody may ask
    first, second = await people.database.letters.find().sort("_id").to_list()
    bodies = [
        {"token": each["token"], "tokenId": each["tokenId"], "password": "third words"} for each in (second, first)
    ]

    assert refused.status == 400
    assert [(await people.send("POST", f"{USERPASS}/reset", body)).status for body in bodies] == [400, 200]


async def test_another_token_replaces_the_one_that_was_sent_before(people: People) -> None:
    await people.register(ANN)
    for _ in range(2):
        await people.reset(ANN, "by letter")
    letters = await people.database.letters.find().sort("_id").to_list()
    bodies = [{"token": each["token"], "tokenId": each["tokenId"], "password": "third words"} for each in letters]

    assert [(await people.send("POST", f"{USERPASS}/reset", body)).status for body in bodies] == [400, 200]


async def test_it_is_told_whether_the_password_is_the_present_one(people: People) -> None:
    await people.register(ANN)

    answers = [await people.reset(ANN, password=each) for each in ("wrong words", PASSWORD)]

    assert [each.status for each in answers] == [400, 200]
    letters = await people.database.letters.find().sort("_id").to_list()
    assert [each["currentPasswordValid"] for each in letters] == [False, True]


@pytest.mark.parametrize("answer", ["the dog's name", "by letter", "the cat's name"])
async def test_an_address_that_nobody_has_is_answered_as_one_that_somebody_has(people: People, answer: str) -> None:
    nobody = "nob_auto_verify@people.example"
    await people.register(ANN)
    known, unknown = await people.reset(ANN, answer), await people.reset(nobody, answer)
    [of_known, of_unknown] = await people.database.letters.find().sort("_id").to_list()
    body = {"token": of_unknown["token"], "tokenId": of_unknown["tokenId"], "password": "third words"}
    await people.send("POST", f"{USERPASS}/reset", body)

    assert (known.status, known.body.replace(ANN.encode(), nobody.encode())) == (unknown.status, unknown.body)
    assert of_known.keys() == of_unknown.keys()
    assert not of_unknown["currentPasswordValid"]
    assert await people.dozen.users.count_documents({}) == 1
    assert (await people.log_in(nobody, "third words")).status == 401


async def test_it_does_not_confirm_an_address(people: People) -> None:
    await people.register(PENDING)

    assert (await people.reset(PENDING, "the dog's name")).status == 200
    assert refusal(await people.log_in(PENDING, OTHER_PASSWORD)) == (401, "AuthError", "confirmation required")


async def test_its_token_does_not_confirm_whom_the_confirmation_function_has_not(people: People) -> None:
    await people.register(PENDING)
    await people.reset(PENDING, "by letter")
    letter = await people.database.letters.find_one({"username": PENDING, "answers": ["by letter"]})
    body = {"token": letter["token"], "tokenId": letter["tokenId"], "password": "third words"}

    assert (await people.send("POST", f"{USERPASS}/reset", body)).status == 200
    assert refusal(await people.log_in(PENDING, "third words")) == (401, "AuthError", "confirmation required")


async def test_who_fails_too_often_has_to_wait_whatever_the_address(people: People) -> None:
    people.set(LOGIN_ATTEMPTS="2")

    answers = [await people.reset(f"{number}@people.example") for number in range(3)]

    assert [each.status for each in answers] == [400, 400, 429]


async def test_a_password_that_cannot_be_used_reaches_no_function(people: People) -> None:
    short = await people.reset(ANN, password="short")
    wrong = {"email": ANN, "password": OTHER_PASSWORD, "arguments": "the dog's name"}

    assert refusal(short)[2] == "password must be between 6 and 128 characters"
    assert (await people.send("POST", f"{USERPASS}/reset/call", wrong)).status == 400
    assert await people.database.letters.count_documents({}) == 0


async def test_no_mail_is_sent_instead(people: People) -> None:
    await people.register(ANN)

    answer = await people.send("POST", f"{USERPASS}/reset/send", {"email": ANN})

    assert refusal(answer) == (400, "BadRequest", "please use reset password via function")
