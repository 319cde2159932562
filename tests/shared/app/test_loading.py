"""Exported apps: what is read of their folders, and every mistake that is found in them."""

import json
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.app.exported import ExportedApp
from shared.app.files import AppError
from shared.app.model import App
from shared.app.reading import load
from shared.settings import Settings
from tests.depth import examples
from tests.hosts import ROOT

SHOP = ROOT / "tests" / "apps" / "shop"
SECRETS = {"jwt_key": "k" * 40, "hook_secret": "h"}
ORDERS = "data_sources/mongodb-atlas/shop/orders/rules.json"
SCHEMA = "data_sources/mongodb-atlas/shop/orders/schema.json"
PROVIDERS = "auth/providers.json"
DATA_API = "http_endpoints/data_api_config.json"

type Edit = Callable[[str, Any], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the app of the tests."""
    return Path(shutil.copytree(SHOP, tmp_path / "shop"))


@pytest.fixture
def edit(folder: Path) -> Edit:
    """Merge members into one of its files, or write it anew."""

    def edit(file: str, members: Any) -> None:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(members, dict) and path.exists():
            members = json.loads(path.read_text()) | members
        path.write_text(members if isinstance(members, str) else json.dumps(members))

    return edit


def problems(folder: Path, secrets: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    with pytest.raises(AppError) as raised:
        load(folder, SECRETS if secrets is None else secrets)
    assert "dozen app check" in str(raised.value)
    found = raised.value.findings
    return [(finding.file, finding.path, finding.sentence) for finding in found if finding.level == "problem"]


@pytest.mark.parametrize("name", ["realm_config.json", "config.json", "stitch.json"])
def test_older_exports_name_the_app_in_another_file(folder: Path, name: str) -> None:
    (folder / "root_config.json").rename(folder / name)

    assert load(folder, SECRETS).app_id == "shop-abcde"


def test_an_exported_app_is_read_as_it_is() -> None:
    app = load(SHOP, SECRETS)

    assert (app.app_id, app.environment, app.findings) == ("shop-abcde", "testing", ())
    assert app.values == {"auditors": ["auditor@shop.example"], "hook": "h"}
    assert app.providers.custom_token is not None
    assert app.providers.custom_token.signing_keys == ("k" * 40,)
    assert app.providers.custom_token.metadata_fields[0].path == ("profile", "name")
    service = app.data_source("any name", is_only=True)
    assert service is not None
    assert service.ruleset("shop", "unknown") is service.default
    assert set(service.schemas) == {("shop", "orders"), ("shop", "tickets")}
    for secret in ("k" * 40, "auditor@shop"):
        assert secret not in repr(app)


def test_the_old_layout_says_the_same(tmp_path: Path) -> None:
    rules = json.loads((SHOP / ORDERS).read_text()) | {"schema": json.loads((SHOP / SCHEMA).read_text())}
    files = {
        "config.json": json.loads((SHOP / "root_config.json").read_text()),
        "services/mongodb-atlas/config.json": {"name": "mongodb-atlas", "type": "mongodb-atlas"},
        "services/mongodb-atlas/rules/shop.orders.json": rules,
        "values/auditors.json": {"name": "auditors", "value": []},
        "auth_providers/anon-user.json": {"name": "anon-user", "type": "anon-user", "disabled": False},
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))

    app = load(tmp_path, {})

    service = app.data_source("mongodb-atlas", is_only=True)
    assert service is not None
    rules_found = service.ruleset("shop", "orders")
    assert rules_found is not None
    assert [role.name for role in rules_found.roles] == ["owner", "auditor", "visitor"]
    assert service.schema("shop", "orders") is not None
    assert service.ruleset("shop", "unknown") is None
    assert app.providers.anonymous


@pytest.mark.parametrize(
    ("file", "content", "path", "words"),
    [
        ("root_config.json", "[]", "", "must hold a JSON object"),
        ("root_config.json", "{", "", "cannot be read: invalid JSON: unexpected end of data: line 1 column 2"),
        ("root_config.json", '{}, "x": {}', "", "cannot be read: invalid JSON: "),
        ("root_config.json", {"allowed_request_origins": "x"}, "allowed_request_origins", "must be an array"),
        (ORDERS, "nonsense", "", "cannot be read"),
        (ORDERS, {"collection": "others"}, "collection", "its folder 'shop.orders'"),
        (ORDERS, {"roles": [{"name": "r", "apply_when": {"a": {"%x": 1}}}]}, "roles[0].apply_when.a.%x", "not an"),
        (ORDERS, {"roles": [{"name": "r", "apply_when": {"a": "%%values.none"}}]}, "roles[0].apply_when.a", "no value"),
        (SCHEMA, {"properties": {"a": {"bsonType": "strin"}}}, "properties.a.bsonType", "is one of"),
        (SCHEMA, {"properties": {"a": {"pattern": "("}}}, "properties.a.pattern", "not a regular expression"),
        (SCHEMA, {"properties": {"a": {"minimum": "1"}}}, "properties.a.minimum", "must be a number"),
        (SCHEMA, {"bsonType": "array"}, "bsonType", "must be of type object"),
        (PROVIDERS, {"x": {"type": "x"}}, "x.type", "is one of"),
        (PROVIDERS, {"x": 5}, "x", "is an object"),
        (PROVIDERS, {"custom-token": {"type": "custom-token"}}, "custom-token.secret_config.signingKeys", "1 to 3"),
        (PROVIDERS, {"custom-token": {"type": "custom-token", "config": {"signingAlgorithm": "none"},
                                      "secret_config": {"signingKeys": ["jwt-key"]}}},
         "custom-token.config.signingAlgorithm", "HS256, RS256 or ES256"),
        (PROVIDERS, {"custom-token": {"type": "custom-token", "config": {"signingAlgorithm": "RS256"},
                                      "secret_config": {"signingKeys": ["jwt-key"]}}},
         "custom-token.secret_config.signingKeys[0]", "PEM"),
        (PROVIDERS, {"custom-token": {"type": "custom-token",
                                      "config": {"useJWKURI": True, "jwkURI": "http://issuer.example/keys"}}},
         "custom-token.config.jwkURI", "https"),
        (PROVIDERS, {"custom-token": {"type": "custom-token",
                                      "config": {"useJWKURI": True, "jwkURI": "file://localhost/keys"}}},
         "custom-token.config.jwkURI", "https"),
        (PROVIDERS, {"custom-token": {"type": "custom-token",
                                      "config": {"useJWKURI": True, "jwkURI": "https://a b/"}}},
         "custom-token.config.jwkURI", "https"),
        (PROVIDERS, {"custom-token": {"type": "custom-token", "secret_config": {"signingKeys": ["hook-secret"]}}},
         "custom-token.secret_config.signingKeys[0]", "32 to 512"),
        ("auth/custom_user_data.json", {"user_id_field": ""}, "user_id_field", "is missing"),
        ("auth/custom_user_data.json", {"user_id_field": "a..b"}, "user_id_field", "the path of a field"),
        ("auth/custom_user_data.json", {"user_id_field": "a.$b"}, "user_id_field", "the path of a field"),
        (DATA_API, {"validation_method": "SECRET_AS_QUERY_PARAM"}, "secret_name", "is missing"),
        (DATA_API, {"validation_method": "VERIFY_PAYLOAD", "secret_name": "none"}, "secret_name", "APP_SECRET_NONE"),
        (DATA_API, {"validation_method": "x"}, "validation_method", "must be one of"),
        (DATA_API, {"versions": ["v2"]}, "versions[0]", "'beta' or 'v1'"),
        (DATA_API, {"return_type": "XML"}, "return_type", "'JSON' or 'EJSON'"),
        (DATA_API, {"run_as_system": True, "run_as_user_id": "u"}, "run_as_user_id", "exclude each other"),
        (DATA_API, {"can_evaluate": {"owner": 1}}, "can_evaluate.owner", "no document here"),
        (DATA_API, {"disabled": "no"}, "disabled", "true or false"),
        ("values/x.json", {"name": "x", "value": "no-such", "from_secret": True}, "value", "APP_SECRET_NO_SUCH"),
        ("data_sources/other/config.json", {"name": "mongodb-atlas", "type": "mongodb-atlas"}, "name",
         "two data sources"),
        (ORDERS, {"roles": [{"name": "%(%%environment.values.none)", "apply_when": {}}]}, "roles[0].name",
         "the environment has no value 'none'"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_with_its_file_and_path(
    folder: Path, edit: Edit, file: str, content: Any, path: str, words: str
) -> None:
    edit(file, content)

    found = problems(folder)

    assert (file, path) in [(each[0], each[1]) for each in found]
    assert any(words in sentence for _, _, sentence in found)


def test_a_template_is_filled_in(folder: Path, edit: Edit) -> None:
    config = {"resetPasswordUrl": "https://%(%%environment.values.region).example"}
    edit(PROVIDERS, {"local-userpass": {"type": "local-userpass", "config": config}})

    provider = load(folder, SECRETS).providers.email_password

    assert provider is not None
    assert provider.reset_url == "https://north.example"


def test_every_mistake_is_reported_at_once(folder: Path, edit: Edit) -> None:
    edit(ORDERS, "nonsense")
    edit(DATA_API, {"return_type": "XML"})

    assert len(problems(folder, {})) == 4  # and two secrets


def test_several_data_sources_need_a_connection_each(folder: Path, edit: Edit) -> None:
    edit(
        "data_sources/reports/config.json", {"name": "reports", "type": "mongodb-atlas", "config": {"clusterName": "C"}}
    )

    assert load(folder, SECRETS).data_source("unknown", is_only=True) is None
    assert load(folder, SECRETS, frozenset({"mongodb_atlas", "c"})).data_source("C", is_only=True) is not None
    with pytest.raises(AppError, match="MONGO_DB_URI__REPORTS"):
        load(folder, SECRETS, frozenset({"mongodb_atlas"}))


def test_what_is_not_supported_is_named_and_the_rest_served(folder: Path, edit: Edit) -> None:
    edit("functions/mail.js", "exports = function() {")
    edit("functions/deep/audit.js", "const _ = require('lodash')")
    edit("triggers/nightly.json", {"name": "nightly"})
    edit("http_endpoints/config.json", [{"route": "/hook", "http_method": "POST"}])
    edit(
        PROVIDERS,
        {"oauth2-google": {"type": "oauth2-google", "config": {"clientId": "c"}, "redirect_uris": ["https://x"]}},
    )

    findings = load(folder, SECRETS).findings

    assert {finding.level for finding in findings} == {"unsupported"}
    text = " ".join(finding.sentence for finding in findings)
    for name in ("'mail'", "'deep/audit'", "'nightly'", "'POST /hook'", "Google by redirect"):
        assert name in text


def test_links_and_hidden_files_are_not_followed(folder: Path) -> None:
    (folder / "values" / ".hidden.json").write_text("nonsense")
    (folder / "values" / "link.json").symlink_to("/etc/passwd")

    load(folder, SECRETS)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert "does not exist" in problems(tmp_path / "nowhere")[0][2]
    assert "is this the folder of an exported app?" in problems(tmp_path)[0][2]


def test_a_file_in_place_of_the_folder_and_the_folder_around_it_are_said(folder: Path) -> None:
    assert problems(folder / "root_config.json")[0][2].startswith("this is a file, perhaps to be unpacked: ")
    assert problems(folder.parent)[0][2] == "the file is missing: is 'shop' meant, the folder in this one?"


def test_a_huge_file_is_refused(folder: Path, edit: Edit) -> None:
    edit(ORDERS, '{"roles": "' + "x" * 5_000_000 + '"}')

    assert "larger than" in problems(folder)[0][2]


def test_rules_of_filters_alone_have_the_default_roles(folder: Path, edit: Edit) -> None:
    edit(ORDERS, {"roles": [], "filters": [{"name": "f", "apply_when": {}, "query": {"a": 1}}]})

    service = load(folder, SECRETS).data_source("x", is_only=True)

    assert service is not None
    assert service.default is not None
    rules = service.ruleset("shop", "orders")
    assert rules is not None
    assert (rules.roles, len(rules.filters)) == (service.default.roles, 1)


FILES = [path.relative_to(SHOP).as_posix() for path in sorted(SHOP.rglob("*.json"))]
NAMES = [
    "name", "type", "roles", "filters", "apply_when", "read", "fields", "properties", "bsonType", "items", "config",
    "secret_config", "signingKeys", "values", "value", "from_secret", "metadata_fields", "%and", "%%user.id", "$in",
    "enum", "required", "can_evaluate", "projection", "query", "document_filters", "validate", "dependencies",
    "patternProperties", "additionalProperties", "pattern", "multipleOf", "%function", "%stringToOid",
]  # fmt: skip
WORDS = ["object", "string", "%%root.a", "%%user.x", "%%values.no", "mongodb-atlas", "("]
LEAVES = st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    LEAVES | st.text(max_size=9) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(FILES), JSON)
def test_any_json_in_any_file_is_an_app_or_a_mistake(
    tmp_path_factory: pytest.TempPathFactory, file: str, content: Any
) -> None:
    folder = tmp_path_factory.mktemp("any") / "shop"
    shutil.copytree(SHOP, folder)
    (folder / file).write_text(json.dumps(content))

    assert is_app_or_mistake(folder)

    shutil.rmtree(folder)


def is_app_or_mistake(folder: Path) -> bool:
    try:
        return isinstance(load(folder, SECRETS), App)
    except AppError as error:
        return bool(error.findings)


def test_an_app_that_cannot_be_used_is_refused_without_growing(folder: Path, edit: Edit) -> None:
    edit("root_config.json", "{")
    app = ExportedApp(Settings.from_environ({"MONGO_DB_URI": "mongodb://h/", "APP_CONFIG_DIR": str(folder)}), SECRETS)

    def frames() -> int:
        with pytest.raises(AppError) as raised:
            app.app  # noqa: B018  a property that raises
        return len(traceback.extract_tb(raised.value.__traceback__))

    assert frames() >= frames() == frames()
