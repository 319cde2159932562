"""The endpoints and webhooks of an exported app: what is read of them, and what is found wrong or missing."""

from pathlib import Path
from typing import Any

import pytest

from shared.app.model import ANSWERING, Endpoint
from shared.app.reading import load
from tests.shared.app.test_loading import SECRETS, Edit, edit, folder, problems

__all__ = ["edit", "folder"]

LISTED = "http_endpoints/config.json"
HOOK = "services/mail/incoming_webhooks/arrived"


def read(folder: Path) -> dict[str, dict[str, Endpoint]]:
    return {route: dict(methods) for route, methods in load(folder, SECRETS).endpoints.by_route.items()}


def one(**members: Any) -> list[dict[str, Any]]:
    return [{"route": "/f", "function_name": "echo"} | members]


@pytest.fixture
def hook(edit: Edit) -> Edit:
    """Write a webhook."""
    edit("services/mail/config.json", {"name": "mail", "type": "http"})
    edit(f"{HOOK}/source.js", "exports = (payload, response) => 1")
    edit(f"{HOOK}/config.json", {"name": "arrived", "options": {"httpMethod": "POST"}})
    return edit


def test_an_app_without_endpoints_has_none(folder: Path) -> None:
    endpoints = load(folder, SECRETS).endpoints

    assert (endpoints.by_route, endpoints.functions.by_name) == ({}, {})


def test_endpoints_are_read_from_both_folders(folder: Path, edit: Edit) -> None:
    edit(LISTED, [
        {"route": "/a/b", "http_method": "GET", "function_name": "echo", "respond_result": True, "return_type": "EJSON",
         "validation_method": "VERIFY_PAYLOAD", "secret_name": "hook_secret", "fetch_custom_user_data": True,
         "create_user_on_auth": True, "id": "5"},
        {"route": "/a/b", "function_name": "echo", "verification_method": "SECRET_AS_QUERY_PARAM",
         "secret_config": {"secret_name": "hook_secret"}},
    ])  # fmt: skip
    edit("https_endpoints/config.json", [{"route": "/c/", "http_method": "any", "function_name": "echo"}])

    found = read(folder)

    assert {route: list(methods) for route, methods in found.items()} == {"/a/b": ["GET", "*"], "/c": ["*"]}
    get, other = found["/a/b"].values()
    assert (get.respond_result, get.return_type, get.validation, get.secret) == (True, "EJSON", "VERIFY_PAYLOAD", "h")
    assert (get.fetch_custom_user_data, get.create_user_on_auth, get.needs_credentials) == (True, True, True)
    assert (other.respond_result, other.validation, other.secret) == (False, "SECRET_AS_QUERY_PARAM", "h")


@pytest.mark.parametrize(
    ("entry", "needs"),
    [({}, True), ({"run_as_user_id": ""}, True), ({"run_as_system": True}, False), ({"run_as_user_id": "u"}, False)],
    ids=str,
)
def test_the_function_says_whether_credentials_are_needed(
    folder: Path, edit: Edit, entry: dict[str, Any], needs: bool
) -> None:
    edit("functions/config.json", [{"name": "echo", **entry}])
    edit(LISTED, one())

    assert read(folder)["/f"]["*"].needs_credentials is needs


@pytest.mark.parametrize("top", ["services", "http_endpoints", "https_endpoints"])
def test_webhooks_are_endpoints_with_functions_of_their_own(folder: Path, edit: Edit, top: str) -> None:
    place = f"{top}/mail/incoming_webhooks/arrived"
    edit(f"{top}/mail/config.json", {"name": "post", "type": "http"})
    edit(f"{place}/source.js", "exports = () => 1")
    edit(f"{place}/config.json", {"name": "came", "options": {"httpMethod": "POST"}, "respond_result": True})

    app = load(folder, SECRETS)

    found = app.endpoints.by_route["/post/came"]["POST"]
    assert (found.function, found.is_webhook, found.run_as_system) == (f"{place}/source.js", True, True)
    assert app.functions.by_name[found.function].private
    assert ANSWERING in app.endpoints.functions.by_name
    assert ANSWERING not in app.functions.by_name


@pytest.mark.parametrize(
    ("members", "is_system", "needs"),
    [
        ({}, True, False),
        ({"run_as_authed_user": True}, False, True),
        ({"run_as_user_id": "u"}, False, False),
        ({"run_as_user_id": "", "run_as_authed_user": False}, True, False),
    ],
    ids=str,
)
def test_a_webhook_is_the_systems_unless_it_says_whose(
    folder: Path, hook: Edit, members: dict[str, Any], is_system: bool, needs: bool
) -> None:
    hook(f"{HOOK}/config.json", members)

    found = read(folder)["/mail/arrived"]["POST"]

    assert (found.run_as_system, found.needs_credentials) == (is_system, needs)


@pytest.mark.parametrize(
    ("content", "place", "sentence"),
    [
        ("[5]", "[0]", "an endpoint is an object with its route"),
        ("{}", "", "the file must hold a JSON array"),
        (one(route="f"), "[0].route", "a route begins with '/'"),
        (one(route=""), "[0].route", "a route begins with '/'"),
        (one(route="/a/../b"), "[0].route", "a route begins with '/'"),
        (one(route="/a?b"), "[0].route", "a route begins with '/'"),
        (one(route="/ü"), "[0].route", "a route begins with '/'"),
        (one(route="//a"), "[0].route", "a route begins with '/'"),
        (one(http_method="TRACE"), "[0].http_method", "'http_method' is one of GET, POST"),
        (one(validation_method="X"), "[0].validation_method", "'validation_method' must be one of"),
        (one(validation_method="VERIFY_PAYLOAD"), "[0].secret_name", "'secret_name' is missing"),
        (one(validation_method="VERIFY_PAYLOAD", secret_name="none"), "[0].secret_name", "set APP_SECRET_NONE"),
        (one(return_type="XML"), "[0].return_type", "'return_type' is 'JSON' or 'EJSON'"),
        (one(can_evaluate={"%%nobody": 1}), "[0].can_evaluate.%%nobody", "nobody"),
        (one(respond_result="yes"), "[0].respond_result", "'respond_result' must be true or false"),
        (one(disabled=1), "[0].disabled", "'disabled' must be true or false"),
        (one() + one(http_method="ANY"), "[1].route", "there are two endpoints '* /f'"),
    ],
    ids=str,
)
def test_mistakes_are_named_with_their_file_and_member(
    folder: Path, edit: Edit, content: Any, place: str, sentence: str
) -> None:
    edit(LISTED, content)

    ((found_file, found_place, found_sentence),) = problems(folder)

    assert (found_file, found_place) == (LISTED, place)
    assert sentence in found_sentence


@pytest.mark.parametrize(
    ("members", "place", "sentence"),
    [
        ({"options": {"httpMethod": "TRACE"}}, "options.httpMethod", "'httpMethod' is one of GET, POST"),
        ({"options": {"httpMethod": 5}}, "options.httpMethod", "'httpMethod' must be a text"),
        ({"options": {"validationMethod": "X"}}, "options.validationMethod", "'validationMethod' must be one of"),
        ({"options": {"validationMethod": "VERIFY_PAYLOAD"}}, "options.secret", "'secret' is missing"),
        ({"options": {"validationMethod": "VERIFY_PAYLOAD", "secret": "Hunter 2"}}, "options.secret",
         "it is the name of no secret that has a value"),
        ({"options": 5}, "options", "'options' must be an object"),
        ({"run_as_authed_user": 5}, "run_as_authed_user", "'run_as_authed_user' must be true or false"),
        ({"can_evaluate": {"%%nobody": 1}}, "can_evaluate.%%nobody", "nobody"),
    ],
    ids=str,
)  # fmt: skip
def test_mistakes_of_webhooks_are_named_too(
    folder: Path, hook: Edit, members: dict[str, Any], place: str, sentence: str
) -> None:
    hook(f"{HOOK}/config.json", members)

    ((found_file, found_place, found_sentence),) = problems(folder)

    assert (found_file, found_place) == (f"{HOOK}/config.json", place)
    assert sentence in found_sentence
    assert "hunter" not in found_sentence.lower()


@pytest.mark.parametrize("method", ["NO_VALIDATION", "", None])
def test_a_secret_that_nothing_asks_for_may_be_anything(folder: Path, hook: Edit, method: str | None) -> None:
    hook(f"{HOOK}/config.json", {"options": {"validationMethod": method, "secret": "Hunter 2"}})

    assert read(folder)["/mail/arrived"]["*"].validation == "NO_VALIDATION"


def test_the_service_of_webhooks_is_no_finding_and_what_asks_through_it_is(folder: Path, hook: Edit) -> None:
    assert load(folder, SECRETS).findings == ()

    hook("functions/echo.js", "exports = () => context.services.get('mail').get({})")

    (found,) = load(folder, SECRETS).findings
    assert (found.file, found.sentence) == (
        "functions/echo.js", "function 'echo': service 'mail' is not served: ask by context.http, in line 1",
    )  # fmt: skip


def test_a_webhook_without_a_source_is_named(folder: Path, hook: Edit) -> None:
    (folder / HOOK / "source.js").unlink()

    ((found_file, _, sentence),) = problems(folder)

    assert found_file == f"{HOOK}/config.json"
    assert f"has no file {HOOK}/source.js" in sentence


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        (LISTED, one(function_name="none"), "custom endpoint '* /f': function 'none' is not there: add it"),
        (LISTED, one(route="/data/x"), "custom endpoint '* /data/x': this route is the Data API's"),
        (LISTED, one(route="/Data/v1/action/find"), "'* /Data/v1/action/find': this route is the Data API's"),
        ("services/mail/config.json", {"type": "twilio"}, "webhook '/mail/arrived': what a service of type 'twilio'"),
    ],
)
def test_what_is_not_served_is_named(folder: Path, hook: Edit, file: str, content: Any, sentence: str) -> None:
    hook(file, content)

    findings = load(folder, SECRETS).findings

    assert {each.level for each in findings} == {"unsupported"}
    (found,) = [each for each in findings if sentence in each.sentence]
    assert found.effect == "whoever calls it is refused with 404"


def test_no_secret_is_shown(folder: Path, edit: Edit) -> None:
    edit(LISTED, one(validation_method="VERIFY_PAYLOAD", secret_name="jwt_key"))

    assert "k" * 40 not in repr(load(folder, SECRETS).endpoints)
