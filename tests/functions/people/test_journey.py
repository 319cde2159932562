"""An app with a function for each thing that users do runs as it was exported, in both hosts."""

import jwt
import pytest

from tests.depth import HOSTS
from tests.functions.people.conftest import ANN, ANN_OF_FUNCTION, APP, DELETE, FUNCTION, People
from tests.hosts import ROOT

pytestmark = pytest.mark.both_hosts


@pytest.fixture(params=HOSTS)
def hosted(request: pytest.FixtureRequest, people: People) -> People:
    """The app in each host in turn."""
    if request.param == "server":
        people.host = request.getfixturevalue("people_server")
    return people


async def test_who_registers_logs_in_links_and_goes_meets_each_function(hosted: People) -> None:
    assert (await hosted.register(ANN)).status == 201
    logged_in = await hosted.log_in(ANN)
    token = logged_in.json["access_token"]
    linked = await hosted.send("POST", f"{FUNCTION}?link=true", ANN_OF_FUNCTION, token)
    again = await hosted.send("POST", FUNCTION, ANN_OF_FUNCTION)
    gone = await hosted.send("DELETE", DELETE, token=token)

    assert [each.status for each in (logged_in, linked, again, gone)] == [200] * 4
    user_id = logged_in.json["user_id"]
    assert {each.json["user_id"] for each in (linked, again)} == {user_id}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["user_data"]["colour"] == "blue"  # made before the token was
    notes = await hosted.database.notes.find().sort("_id").to_list()
    assert [(each["operationType"], each["providers"]) for each in notes] == [
        ("CREATE", ["local-userpass"]),
        ("LOGIN", ["local-userpass"]),
        ("CREATE", ["custom-function"]),
        ("LOGIN", ["custom-function"]),
        ("DELETE", ["local-userpass", "custom-function"]),
    ]
    assert {(each["id"], each["data"]["email"], each["type"], each["caller"]) for each in notes} == {
        (user_id, ANN, "normal", "system")
    }
    assert [len(each["identities"]) for each in notes] == [1, 1, 2, 2, 2]
    assert await hosted.dozen.user_events.count_documents({}) == 0


def test_the_page_shows_a_function_of_the_app() -> None:
    shown = (APP / "functions" / "customAuthentication.js").read_text()

    assert shown in (ROOT / "docs" / "functions.md").read_text()
