"""What `app check` finds: one finding for one mistake, what it means for users, and nothing of what is empty."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.app.files import AppError, FileFinding
from shared.app.reading import load
from shared.rules.expressions import Expansions, holds
from tests.depth import examples
from tests.shared.app.test_loading import DATA_API, FILES, ORDERS, PROVIDERS, SCHEMA, SECRETS, SHOP

NOT_SERVED = "every call is refused with 503 until this is corrected"
TICKETS = "data_sources/mongodb-atlas/shop/tickets/rules.json"
USER_DATA = "auth/custom_user_data.json"
FUNCTION = {"%function": {"name": "isManager", "arguments": ["%%user.id"]}}
ASKED = {"%%true": FUNCTION}
ADMIN = {"name": "admin", "apply_when": {"%%user.custom_data.role": "admin"}, "read": True, "write": True}
MANAGER = {"name": "manager", "apply_when": ASKED, "read": True, "write": True}
OWNER = {"name": "owner", "apply_when": {"owner": "%%user.id"}, "read": True, "write": True}


def found(folder: Path) -> tuple[FileFinding, ...]:
    try:
        return load(folder, SECRETS).findings
    except AppError as error:
        return error.findings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the app of the tests."""
    return Path(shutil.copytree(SHOP, tmp_path / "shop"))


def write(folder: Path, file: str, content: Any) -> None:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def merged(file: str, **members: Any) -> Any:
    return json.loads((SHOP / file).read_text()) | members


def roles(*given: Any) -> Any:
    return {"roles": [*given]}


def applied(condition: Any, **members: Any) -> Any:
    return roles({"name": "r", "apply_when": condition, "read": True} | members)


def filtered(**members: Any) -> Any:
    return roles(OWNER) | {"filters": [{"name": "f", "apply_when": {}} | members]}


def token(**members: Any) -> Any:
    kept = {"type": "custom-token", "secret_config": {"signingKeys": ["jwt-key"]}}
    return {"custom-token": kept | members}


def openid(kind: str, **members: Any) -> dict[str, Any]:
    """Change a provider whose id tokens are taken."""
    return {kind: {"type": kind, "config": {"clientId": "c"}} | members}


MISTAKES = [
    ("root_config.json", "{", "", "problem"),
    ("root_config.json", "[]", "", "problem"),
    ("root_config.json", {"environment": "tesitng"}, "environment", "problem"),
    (ORDERS, "{", "", "problem"),
    (ORDERS, "[]", "", "problem"),
    (ORDERS, {"roles": {}}, "roles", "problem"),
    (ORDERS, roles(5), "roles[0]", "problem"),
    (ORDERS, roles({}), "roles[0].name", "problem"),
    (ORDERS, roles({"name": "r"}), "roles[0].apply_when", "problem"),
    (ORDERS, roles({"name": "r", "apply_when": None}), "roles[0].apply_when", "problem"),
    (ORDERS, roles({"name": "r", "apply_wen": {}}), "roles[0].apply_when", "problem"),
    (ORDERS, roles({"apply_when": {}}), "roles[0].name", "problem"),
    (ORDERS, applied("nonsense"), "roles[0].apply_when", "problem"),
    (ORDERS, applied({"%xor": []}), "roles[0].apply_when.%xor", "problem"),
    (ORDERS, applied({"%and": 5}), "roles[0].apply_when.%and", "problem"),
    (ORDERS, applied({"a": {"%like": "x"}}), "roles[0].apply_when.a.%like", "problem"),
    (ORDERS, applied({"a": {"%in": "x"}}), "roles[0].apply_when.a.%in", "problem"),
    (ORDERS, applied({"%function": "f"}), "roles[0].apply_when.%function", "problem"),
    (ORDERS, applied({"a": {"%stringToOid": "x"}}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied(False), "roles[0].apply_when", "problem"),
    (ORDERS, roles(MANAGER | {"apply_when": {"%not": {"%xor": []}}}, OWNER), "roles[0].apply_when.%not.%xor",
     "problem"),
    (ORDERS, roles(OWNER | {"apply_when": {}}, OWNER, ADMIN, MANAGER), "roles[1].apply_when", "problem"),
    (ORDERS, applied({}, fields={"a": {"read": True}}), "roles[0].fields", "problem"),
    (ORDERS, applied({}, write=True, fields={"a": {"read": True, "write": True}, "b": {"read": True}}),
     "roles[0].fields", "problem"),
    (ORDERS, applied({}, additional_fields={"read": True}), "roles[0].additional_fields", "problem"),
    (ORDERS, applied({}, document_filters=5), "roles[0].document_filters", "problem"),
    (ORDERS, applied({}, document_filters={}), "roles[0].document_filters", "warning"),
    (ORDERS, applied({}, document_filters={"read": True}), "roles[0].document_filters", "warning"),
    (ORDERS, applied({}, insrt=True), "roles[0].insrt", "warning"),
    (ORDERS, applied({"a": "%(%%environment.values.none)"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, roles({"name": "%(%%environment.values.none)", "apply_when": {}}), "roles[0].name", "problem"),
    (ORDERS, applied("%(%%environment.values.none)"), "roles[0].apply_when", "problem"),
    (ORDERS, roles(*(OWNER | {"apply_when": {"a": "%%values.none"}} for _ in range(3))), "roles[0].apply_when.a",
     "problem"),
    (ORDERS, applied({"%%user.custom_dat.role": "x"}), "roles[0].apply_when.%%user.custom_dat.role", "problem"),
    (ORDERS, applied({"a": "%%user.custom_dat.role"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"a": "%%user.name"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"a": "%%user.id.x"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"a": "%%user.type.x"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"a": "%%request.httpMethod.x"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"a": "%%usr.id"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"a": "%user.id"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"%user.id": "x"}), "roles[0].apply_when.%user.id", "problem"),
    (ORDERS, applied({"a": "%%environment.tga"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"a": "%%this"}), "roles[0].apply_when.a", "problem"),
    (ORDERS, applied({"a": "%%user.id%%"}), "roles[0].apply_when.a", "warning"),
    (ORDERS, applied({"a": "user-%%user.id"}), "roles[0].apply_when.a", "warning"),
    (ORDERS, applied({"a": "%%user.data.emial"}), "roles[0].apply_when.a", "warning"),
    (ORDERS, applied({"a": "%%user.identities.provider_typ"}), "roles[0].apply_when.a", "warning"),
    (ORDERS, filtered(name=5), "filters[0].name", "problem"),
    (ORDERS, filtered(apply_when=None), "filters[0].apply_when", "problem"),
    (ORDERS, filtered(apply_when={"owner": 1}), "filters[0].apply_when.owner", "problem"),
    (ORDERS, filtered(query={"a": "%%user.custom_dat"}), "filters[0].query.a", "problem"),
    (ORDERS, filtered(projection={"a": 1, "b": 0}), "filters[0].projection", "problem"),
    (ORDERS, filtered(projection={"a": 1, "a.b": 1}), "filters[0].projection", "problem"),
    (ORDERS, filtered(projections={"a": 1}), "filters[0].projections", "warning"),
    (SCHEMA, {"bsonType": "strin"}, "bsonType", "problem"),
    (SCHEMA, {"bsonType": "array"}, "bsonType", "problem"),
    (SCHEMA, {"properties": 5}, "properties", "problem"),
    (SCHEMA, {"properties": {}, "patternProperties": 5}, "patternProperties", "problem"),
    (SCHEMA, {"properties": {}, "additionalProperties": 5}, "additionalProperties", "problem"),
    (SCHEMA, {"properties": {"a": {"items": [], "additionalItems": 5}}}, "properties.a.additionalItems", "problem"),
    (SCHEMA, {"patternProperties": {"(": {}}}, "patternProperties.(", "problem"),
    (SCHEMA, {"properties": {"a": {"exclusiveMinimum": True}}}, "properties.a.exclusiveMinimum", "problem"),
    (SCHEMA, {"properties": {"a": {"minimum": "x", "exclusiveMinimum": True}}}, "properties.a.minimum", "problem"),
    (SCHEMA, {"properties": {"a": {"maxLenght": 5}}}, "properties.a.maxLenght", "warning"),
    (SCHEMA, {"properties": {"votes": {"validate": {"%%this": "%%root.total"}}}}, "properties.votes.validate",
     "warning"),
    (PROVIDERS, {"x": {}}, "x.type", "problem"),
    (PROVIDERS, {"x": {"type": 5}}, "x.type", "problem"),
    (PROVIDERS, token(config={"signingAlgorithm": "RS265"}), "custom-token.config.signingAlgorithm", "problem"),
    (PROVIDERS, token(config={"signingAlgorithm": 5}), "custom-token.config.signingAlgorithm", "problem"),
    (PROVIDERS, token(config={"useJWKURI": True}, secret_config=None), "custom-token.config.jwkURI", "problem"),
    (PROVIDERS, token(config={"useJWKURI": "yes"}, secret_config=None), "custom-token.config.useJWKURI", "problem"),
    (PROVIDERS, token(config={"issuer": ["a", 5]}), "custom-token.config.issuer", "problem"),
    (PROVIDERS, token(config={"useJWKURI": True, "jwkURI": "https://login.microsoftonline.com/t/keys"},
                      secret_config=None), "custom-token.config.jwkURI", "warning"),
    (PROVIDERS, token(secret_config=5), "custom-token.secret_config", "problem"),
    (PROVIDERS, token(secret_config={"signingKeys": 5}), "custom-token.secret_config.signingKeys", "problem"),
    (PROVIDERS, token(secret_config={"signingKeys": ["none", "NONE"]}), "custom-token.secret_config.signingKeys[0]",
     "problem"),
    (PROVIDERS, token(metadata_fields=[{"name": 5}]), "custom-token.metadata_fields[0].name", "problem"),
    (PROVIDERS, token(metadata_fields=[{}]), "custom-token.metadata_fields[0]", "problem"),
    (PROVIDERS, openid("oauth2-google", config={}), "oauth2-google.config.clientId", "warning"),
    (PROVIDERS, openid("oauth2-apple", config={"clientId": 5}), "oauth2-apple.config.clientId", "problem"),
    (PROVIDERS, openid("oauth2-apple", config=5), "oauth2-apple.config", "problem"),
    (PROVIDERS, openid("oauth2-google", domain_restrictions=[5]), "oauth2-google.domain_restrictions", "problem"),
    (PROVIDERS, openid("oauth2-google", metadata_fields=[{}]), "oauth2-google.metadata_fields[0]", "problem"),
    (PROVIDERS, openid("oauth2-google", metadata_fields=5), "oauth2-google.metadata_fields", "problem"),
    (USER_DATA, {"enabled": True}, "mongo_service_name", "problem"),
    (USER_DATA, merged(USER_DATA, user_id_field=5), "user_id_field", "problem"),
    (DATA_API, {"can_evaluate": {"%%user.custom_dat": 1}}, "can_evaluate.%%user.custom_dat", "problem"),
    (DATA_API, {"can_evaluate": False}, "can_evaluate", "warning"),
    (DATA_API, {"verification_method": "VERIFY"}, "verification_method", "problem"),
    (DATA_API, {"verification_method": "VERIFY_PAYLOAD", "secret_name": 5}, "secret_name", "problem"),
    ("data_sources/mongodb-atlas/config.json", {"type": "mongodb-atlax"}, "type", "problem"),
    ("values/auditors.json", "{", "", "problem"),
    ("environments/testing.json", "{", "", "problem"),
    ("environments/testing.json", {"values": []}, "values", "problem"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "content", "path", "level"), MISTAKES)
def test_one_mistake_is_one_finding(folder: Path, file: str, content: Any, path: str, level: str) -> None:
    write(folder, TICKETS, applied({"a": "%%environment.values.region", "b": "%%values.auditors"}))
    write(folder, file, content)

    (finding,) = found(folder)

    assert (finding.file, finding.path, finding.level) == (file, path, level)
    assert finding.sentence
    assert (finding.effect == NOT_SERVED) is (level == "problem")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("%%user.custom_dat.role", "%%user.custom_data"),
        ("%%user.costum_data", "%%user.custom_data"),
        ("%%user.ID", "%%user: there are custom_data, data, id, identities, type"),
        ("%%usr.id", "%%user"),
        ("%%prevroot.a", "%%prevRoot"),
        ("%%request.httpmethod", "%%request.httpMethod"),
        ("%%user.data.emial", "%%user.data.email"),
    ],
)
def test_what_was_meant_is_named(folder: Path, written: str, meant: str) -> None:
    write(folder, ORDERS, applied({"a": written}))

    (finding,) = found(folder)

    assert meant in finding.sentence


@pytest.mark.parametrize(
    "text",
    [
        "%%user.id", "%%user.type", "%%user.data.email", "%%user.data.name", "%%user.custom_data.rolle.x",
        "%%user.identities.0.provider_type", "%%user.identities.id", "%%user.custom_data", "%%user",
        "%%request.requestHeaders.x.y", "%%environment.tag", "100 %", "50%user", "%%values.auditors",
    ],
)  # fmt: skip
def test_what_an_expansion_may_ask(folder: Path, text: str) -> None:
    write(folder, ORDERS, applied({"a": text}))

    assert found(folder) == ()


def test_what_a_token_brings_is_known(folder: Path) -> None:
    write(folder, ORDERS, applied({"a": "%%user.data.team"}))
    write(folder, PROVIDERS, token(metadata_fields=[{"name": "team"}]))

    assert found(folder) == ()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, each in members for place in places(each, (*path, name)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a file with one place of it replaced, removed, or its name misspelled."""
    if not path:
        return new if new not in ("remove", "misspell") else value
    made = copy.deepcopy(value)
    holder = made
    for step in path[:-1]:
        holder = holder[step]
    last = path[-1]
    if new == "remove" or (new == "misspell" and isinstance(holder, list)):
        del holder[last]
    elif new == "misspell":
        holder[f"{last}x"] = holder.pop(last)
    else:
        holder[last] = new
    return made


CONTENTS = {file: json.loads((SHOP / file).read_text()) for file in FILES}
WRONG: list[Any] = [
    5, "nonsense", "%%usr.id", "%%user.custom_dat", [], {}, [5], {"x": 5}, None, True, False, "remove", "misspell",
    "%(%%environment.values.none)", {"%xor": []}, FUNCTION,
]  # fmt: skip


@settings(max_examples=examples(500), deadline=None)
@given(st.sampled_from([(file, place) for file in FILES for place in places(CONTENTS[file])]), st.sampled_from(WRONG))
def test_one_change_at_any_place_is_at_most_one_finding(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, tuple[Any, ...]], new: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "one change"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SHOP, folder)
    write(folder, place[0], json.dumps(changed(CONTENTS[place[0]], place[1], new)))

    assert len(found(folder)) <= 1


EMPTY = [
    ("sync/config.json", {}),
    ("sync/config.json", {"development_mode_enabled": False}),
    ("sync/config.json", {"type": "flexible", "state": "disabled", "development_mode_enabled": True}),
    ("graphql/config.json", {"use_natural_pluralization": True}),
    ("graphql/custom_resolvers/x.json", {}),
    ("functions/config.json", []),
    ("functions/empty.js", ""),
    ("functions/node_modules/x/index.js", "exports = 1"),
    ("triggers/x.json", {}),
    ("triggers/x.json", {"name": "x", "type": "DATABASE", "disabled": True}),
    ("hosting/config.json", {"enabled": False}),
    ("hosting/metadata.json", []),
    ("log_forwarders/x.json", {"name": "x", "disabled": True}),
    ("http_endpoints/config.json", [{"route": "/x", "disabled": True}]),
    ("https_endpoints/config.json", []),
    (PROVIDERS, {}),
    (PROVIDERS, {"oauth2-google": {"type": "oauth2-google", "disabled": True}}),
    (USER_DATA, {}),
    (USER_DATA, {"enabled": False, "on_user_creation_function_name": "f"}),
    (DATA_API, {}),
    (ORDERS, {}),
    (ORDERS, {"roles": [], "filters": []}),
    (SCHEMA, {}),
    ("data_sources/mongodb-atlas/default_rule.json", {}),
    ("data_sources/mongodb-atlas/config.json", {}),
    ("root_config.json", {}),
    ("root_config.json", {"environment": "production"}),
    ("environments/production.json", {}),
    ("values/x.json", {}),
]


@pytest.mark.parametrize(("file", "content"), EMPTY)
def test_what_is_empty_disabled_or_default_is_no_finding(folder: Path, file: str, content: Any) -> None:
    write(folder, file, content)

    assert found(folder) == ()


def test_empty_folders_are_no_finding(folder: Path) -> None:
    for name in ("sync", "graphql", "triggers", "hosting/files", "log_forwarders", "functions/a", "services"):
        (folder / name).mkdir(parents=True, exist_ok=True)

    assert found(folder) == ()


@pytest.mark.parametrize(
    ("file", "content", "name", "effect"),
    [
        ("functions/mail.js", "exports = (", "function 'mail'", "whoever calls it is refused with 400"),
        ("triggers/x.json", {"name": "nightly", "type": "SCHEDULED"}, "trigger 'nightly'", "at its times is not done"),
        ("triggers/x.json", {"name": "audit", "type": "DATABASE"}, "trigger 'audit'", "when documents change"),
        ("triggers/x.json", {"name": "hello", "type": "AUTHENTICATION"}, "trigger 'hello'", "when users come"),
        ("sync/config.json", {"type": "flexible", "state": "enabled"}, "Device Sync", "cannot connect"),
        ("graphql/custom_resolvers/x.json", {"on_type": "Query", "field_name": "top"}, "resolver 'Query.top'", "404"),
        ("hosting/files/index.html", "<p>", "static files", "404"),
        ("log_forwarders/x.json", {"name": "datadog"}, "log forwarder 'datadog'", "users notice nothing"),
        ("http_endpoints/config.json", [{"route": "/hook", "http_method": "POST"}], "'POST /hook'", "404"),
        ("services/sms/config.json", {"name": "sms", "type": "twilio"}, "service 'sms'", "is not done"),
        (PROVIDERS, openid("oauth2-google", redirect_uris=["https://x"]), "login with Google by redirect", "405"),
        (PROVIDERS, openid("oauth2-google", metadata_fields=[{"name": "birthday"}]), "'birthday'", "come without it"),
        (PROVIDERS, openid("oauth2-facebook", metadata_fields=[{"name": "email"}]), "'email'", "come without it"),
        (PROVIDERS, openid("oauth2-facebook", domain_restrictions=["x.example"]), "Facebook does not say", "401"),
        (DATA_API, {"run_as_user_id_script_source": "x"}, "a script", "every call without credentials is refused"),
        (DATA_API, {"can_evaluate": ASKED}, "function 'isManager'", "every call is refused with 403"),
        (SCHEMA, {"validate": ASKED}, "function 'isManager'", "every write of a document is refused"),
        (SCHEMA, {"properties": {"a": {"validate": ASKED}}}, "'isManager'", "every write of a document that has this"),
        (ORDERS, filtered(apply_when=ASKED), "'isManager'", "nobody finds or changes anything in shop.orders"),
        (ORDERS, applied({}, read=ASKED), "'isManager'", "callers with the role 'r' may not read by it"),
        (ORDERS, applied({}, write=ASKED), "'isManager'", "callers with the role 'r' may not write"),
        (ORDERS, applied({}, insert=ASKED), "'isManager'", "callers with the role 'r' may not insert"),
        (ORDERS, applied({}, delete={"%and": [{"a": 1}, ASKED]}), "'isManager'",
         "callers with the role 'r' may not delete, where the rest of the condition does not decide"),
        (ORDERS, applied({}, document_filters={"read": ASKED, "write": True}), "'isManager'", "see only what"),
        (ORDERS, applied({}, read=None, fields={"a": {"read": ASKED}}), "'isManager'", "do not see this field"),
        (ORDERS, applied({}, read=None, fields={"a": {"read": {"%%this": FUNCTION}}}), "'isManager'", "do not see"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_named_with_what_it_means(
    folder: Path, file: str, content: Any, name: str, effect: str
) -> None:
    write(folder, file, content)

    (finding,) = found(folder)

    assert finding.level == "unsupported"
    assert name in finding.sentence
    assert effect in finding.effect


def userpass(**config: Any) -> dict[str, Any]:
    return {"local-userpass": {"type": "local-userpass", "config": config}}


BY_FUNCTION = [
    pytest.param(
        PROVIDERS,
        userpass(runConfirmationFunction=True, confirmationFunctionName="ok"),
        "local-userpass.config.confirmationFunctionName",
        "every registration by e-mail is refused with 400",
        "set autoConfirm and no runConfirmationFunction",
        id="confirmation",
    ),
    pytest.param(
        PROVIDERS,
        userpass(runResetFunction=True, resetFunctionName="ok"),
        "local-userpass.config.resetFunctionName",
        "every reset of a password by the function is refused with 400",
        "set no runResetFunction, and mail links",
        id="reset",
    ),
    pytest.param(
        PROVIDERS,
        {"custom-function": {"type": "custom-function", "config": {"authFunctionName": "ok"}}},
        "custom-function.config.authFunctionName",
        "every login by the function is refused with 401",
        "disable this provider",
        id="login",
    ),
    pytest.param(
        USER_DATA,
        merged(USER_DATA, on_user_creation_function_name="ok"),
        "on_user_creation_function_name",
        "no user is created",
        "name none",
        id="creation",
    ),
    pytest.param(
        "triggers/x.json",
        {"name": "x", "type": "AUTHENTICATION", "function_name": "ok",
         "config": {"operation_type": "LOGIN", "providers": ["anon-user"]}},
        "function_name",
        "what it does when users come, log in or go is not done",
        "disable the trigger",
        id="trigger",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("file", "content", "path", "effect", "mend"), BY_FUNCTION)
def test_a_function_that_is_asked_and_not_there_is_a_warning(
    folder: Path, file: str, content: Any, path: str, effect: str, mend: str
) -> None:
    write(folder, file, content)

    sentence = f"function 'ok' is not there: add it, or {mend}"
    assert found(folder) == (FileFinding(file, "warning", path, sentence, effect),)


@pytest.mark.parametrize(("file", "content", "path", "effect", "mend"), BY_FUNCTION)
def test_one_that_is_there_is_no_finding_even_if_private(
    folder: Path, file: str, content: Any, path: str, effect: str, mend: str
) -> None:
    write(folder, file, content)
    write(folder, "functions/config.json", [{"name": "ok", "private": True}])
    write(folder, "functions/ok.js", "exports = () => 1;")

    assert found(folder) == ()


NEVER = "; the roles behind 'manager' are never reached: "
PARTLY = "; the roles behind 'manager' are not tried where it asks: "
RED = {"%%user.custom_data.team": "red"}


@pytest.mark.parametrize(
    ("given", "sentence", "effect"),
    [
        ([ADMIN, MANAGER, OWNER], NEVER + "'owner'", "nobody but 'admin' sees or changes anything in shop.orders"),
        ([ADMIN, OWNER, MANAGER], "", "nobody but 'admin', 'owner' sees or changes anything in shop.orders"),
        ([MANAGER, OWNER, ADMIN], NEVER + "'owner', 'admin'", "nobody sees or changes anything in shop.orders"),
        ([MANAGER | {"apply_when": {"%or": [RED, ASKED]}}, OWNER], NEVER + "'owner'", "nobody but 'manager' sees"),
        ([MANAGER | {"apply_when": {"%and": [RED, ASKED]}}, OWNER], PARTLY + "'owner'", "where it asks, nobody sees"),
        ([ADMIN, MANAGER, OWNER, MANAGER | {"name": "second"}], NEVER + "'owner', 'second'", "nobody but 'admin' sees"),
        ([MANAGER | {"apply_when": {"%not": ASKED}}, OWNER], NEVER + "'owner'", "nobody sees"),
    ],
)  # fmt: skip
def test_the_roles_behind_one_that_asks_a_function(folder: Path, given: Any, sentence: str, effect: str) -> None:
    write(folder, ORDERS, roles(*given))

    (finding,) = found(folder)

    assert finding.level == "unsupported"
    assert finding.sentence == (
        f"function 'isManager' is not there: add it to the app's functions, or correct its name{sentence}"
    )
    assert finding.effect.startswith(effect)


@pytest.mark.parametrize(
    "content",
    [
        roles(MANAGER, OWNER),
        roles(OWNER | {"read": ASKED, "write": {"%not": ASKED}}),
        roles({"name": "r", "apply_when": {}, "fields": {"a": {"read": {"%%true": ASKED}}}}),
        {"roles": [OWNER], "filters": [{"name": "f", "apply_when": ASKED, "query": {"owner": ASKED["%%true"]}}]},
    ],
)
@pytest.mark.parametrize("place", ["functions/isManager.js", "functions/isManager/source.js"])
def test_of_a_function_that_is_there_nothing_is_found(folder: Path, content: Any, place: str) -> None:
    write(folder, ORDERS, content)
    assert {each.level for each in found(folder)} == {"unsupported"}
    write(folder, place, "exports = () => true;")
    if place.endswith("source.js"):
        write(folder, "functions/isManager/config.json", {"name": "isManager"})

    assert found(folder) == ()


def test_a_filter_whose_query_asks_a_function_that_is_not_there(folder: Path) -> None:
    write(
        folder,
        ORDERS,
        {"roles": [OWNER], "filters": [{"name": "f", "apply_when": {}, "query": {"owner": ASKED["%%true"]}}]},
    )

    (finding,) = found(folder)

    assert (finding.level, finding.path, finding.effect) == (
        "unsupported",
        "filters[0].query",
        "nobody finds or changes anything in shop.orders where the filter applies",
    )


def test_the_default_rules_speak_of_all_collections_that_have_them(folder: Path) -> None:
    write(folder, "data_sources/mongodb-atlas/default_rule.json", roles(MANAGER))

    assert found(folder)[0].effect == "nobody sees or changes anything in collections without roles of their own"


@pytest.mark.parametrize("condition", [{"%or": [True, ASKED]}, {"%and": [False, ASKED]}], ids=str)
def test_a_function_that_cannot_change_the_answer_is_no_finding(folder: Path, condition: Any) -> None:
    write(folder, ORDERS, applied({}, read=condition))

    assert found(folder) == ()


def test_mistakes_apart_are_all_found(folder: Path) -> None:
    write(folder, ORDERS, roles({"name": 5, "apply_when": {"a": "%%usr"}, "fields": 5}, OWNER | {"read": "x"}))
    write(folder, SCHEMA, {"properties": {"a": {"bsonType": "strin"}, "b": {"minimum": "x"}}})

    assert [finding.path for finding in found(folder)] == [
        "roles[0].name", "roles[0].apply_when.a", "roles[0].fields", "roles[1].read",
        "properties.a.bsonType", "properties.b.minimum",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "level", "place"),
    [
        pytest.param({"administer": 1}, "problem", "administer", id="no expression"),
        pytest.param({"administer": {"%%root.n": 1}}, "problem", "administer", id="a document"),
        pytest.param({"administer": ASKED}, "unsupported", "administer", id="a function"),
        pytest.param({"administers": True}, "warning", "administers", id="misspelled"),
        pytest.param("[]", "problem", "", id="no object"),
        pytest.param("{", "problem", "", id="no JSON"),
    ],
)
def test_what_is_wrong_with_dozen_json_is_found(folder: Path, content: Any, level: str, place: str) -> None:
    write(folder, "dozen.json", content)

    made = [each for each in found(folder) if each.file == "dozen.json"]

    assert [(each.level, each.path.partition(".")[0]) for each in made] == [(level, place)]


@pytest.mark.parametrize(
    "content", [{}, {"administer": None}, {"administer": False}, {"administer": ASKED}, None], ids=str
)
def test_without_a_word_nobody_may_administer(folder: Path, content: Any) -> None:
    (folder / "dozen.json").unlink()
    if content is not None:
        write(folder, "dozen.json", content)

    administer = load(folder, SECRETS).administer

    assert administer is not None
    assert not holds(administer, Expansions({"id": "1"}).context())
