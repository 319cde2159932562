"""The examples of the description whose calls functions of an app decide on, sent to an app that has these."""

from shared.openapi import client
from tests.functions.people.conftest import CLIENT, USERPASS, People


async def test_functions_are_called_as_the_examples_say(people: People) -> None:
    name = client.EXAMPLES[client.FunctionCall]["name"]
    people.change(
        {"functions/config.json": [{"name": each} for each in ("confirmFunc", "resetFunc", "customAuthentication")]
         + [{"name": each} for each in ("noteUser", "onUserCreation", name)]},
        confirmFunc="exports = async () => ({ status: 'success' })",
        resetFunc="exports = async () => ({ status: 'success' })",
        **{name: "exports = (name) => `Hello ${name}`"},
    )  # fmt: skip
    examples = client.EXAMPLES

    made = await people.send("POST", f"{USERPASS}/register", examples[client.Registration])
    reset = await people.send("POST", f"{USERPASS}/reset/call", examples[client.FunctionReset])
    logged_in = await people.send("POST", f"{USERPASS}/login", examples[client.Login])
    called = await people.send(
        "POST", f"{CLIENT}/functions/call", examples[client.FunctionCall], logged_in.json["access_token"]
    )

    assert (made.status, reset.status, logged_in.status) == (201, 200, 200), (made, reset, logged_in)
    assert (called.status, called.json) == (200, "Hello Ann")


async def test_a_function_is_asked_again_for_the_address_of_the_example(people: People) -> None:
    people.change(confirmFunc="exports = async () => ({ status: 'pending' })")
    made = await people.send("POST", f"{USERPASS}/register", client.EXAMPLES[client.Registration])
    people.change(confirmFunc="exports = async () => ({ status: 'success' })")

    asked = await people.send("POST", f"{USERPASS}/confirm/call", client.EXAMPLES[client.Address])

    assert (made.status, asked.status) == (201, 200), (made, asked)
