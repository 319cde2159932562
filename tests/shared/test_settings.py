"""Everything that a deployment may set, and what is said when it is wrong."""

import string
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from shared.environment import listen_address
from shared.settings import NAMES, Settings, SettingsError
from tests.depth import examples

ANYWHERE = "0.0.0.0"  # noqa: S104  a container is reached from outside itself
URI = {"MONGO_DB_URI": "mongodb://h/"}
DATABASE_NAME = (
    "DOZEN_DATABASE is not usable: expected up to 63 letters, digits, _ and -, and no database of MongoDB's own"
)
STAGES = (
    "GUARD_ALLOWED_STAGES must be a list of any of"
    " $collStats, $indexStats, $listSearchIndexes, $merge, $out, $planCacheStats, $rerank"
)
HTTP_HOSTS = (
    "FUNCTIONS_HTTP_HOSTS must be a list such as api.example.com, *.example.org, intranet.example:8443, 10.0.0.0/8"
)
ENCODED = "user or password that is not percent-encoded: write @ as %40"
PLACEHOLDER = "placeholder, such as <password>, where a user or password belongs"
FIELDS = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
FORMED = {
    "MONGO_DB_TOKEN_AUDIENCE": "https://database.example",
    "DOZEN_DATABASE": "dozen",
    "SESSION_SECRET": "s" * 32,
    "REDIS_URL": "redis://h/",
    "MAIL_WEBHOOK_URL": "https://mail.example/",
    "METRICS_KEY": "m" * 16,
}
JWKS_URLS = "OAUTH2_JWKS_URLS must be a list such as oauth2-google=https://proxy.example/keys"
ODD_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda text: text.strip() != ""
)


def test_the_defaults_are_those_of_the_table() -> None:
    assert msgspec.structs.asdict(Settings.from_environ(URI)) == {
        "mongo_db_uri": "mongodb://h/", "mongo_db_host": "", "mongo_db_port": 27017, "mongo_db_user": "",
        "mongo_db_password": "", "mongo_db_timeout_ms": 30_000, "mongo_db_max_pool_size": None,
        "mongo_db_scheme": "mongodb", "mongo_db_auth": "password", "azure_client_id": "",
        "mongo_db_token_audience": "https://ossrdbms-aad.database.windows.net",
        "mongo_db_max_connections": None, "expected_processes": None, "web_concurrency": 1,
        "request_head_seconds": 10, "keep_alive_seconds": 75, "max_client_connections": None,
        "health_port": None, "max_calls": None, "max_change_streams": 200, "memory_budget_bytes": None,
        "functions_worker_runtime": "", "functions_worker_process_count": None,
        "identity_endpoint": "", "azure_federated_token_file": "",
        "listen_host": ANYWHERE, "listen_port": 7071, "dozen_database": "dozen", "app_id": "", "return_type": None,
        "app_config_dir": "", "session_secret": "", "redis_url": "", "mail_webhook_url": "", "trusted_proxies": 0,
        "mail_smtp_url": "", "mail_from": "", "mail_templates_dir": "", "mails_per_address": 20,
        "cached_collections": "", "native": "auto", "oauth2_jwks_urls": "",
        "anonymous_logins": 1_000, "jwt_leeway_seconds": 5,
        "login_attempts": 10, "login_window_seconds": 300, "guard_allowed_stages": "",
        "rules_allow_hidden_field_queries": False,
        "schema_null_type_validation": False,
        "auth_cache_seconds": 30.0, "cors_allowed_origins": "", "cors_allow_credential_headers": False,
        "key_uses": "on",
        "max_body_bytes": 33_554_432, "max_read_bytes": 350_000_000, "log_level": "INFO",
        "max_body_values": 4_000_000, "max_nesting": 100, "max_members": 100_000, "max_conditions": 10_000,
        "max_path_parts": 200, "max_stages": 1_000, "max_operands": 100_000, "max_pattern_length": 32_764,
        "max_transaction_operations": 1_000, "max_transaction_bytes": 16_777_216, "transaction_timeout_ms": 25_000,
        "idempotency_seconds": 86_400, "function_timeout_ms": 10_000, "function_memory_bytes": 67_108_864,
        "function_operations": 1_000, "function_rule_calls": 1_000, "functions_http_hosts": "",
        "schedules_by_timer": "off", "explorer": "off", "metrics_key": "", "mcp": "off",
        "scan_guard": "off", "scan_guard_documents": 1_000,
            "slow_ms": 0, "applicationinsights_connection_string": "", "applicationinsights_authentication_string": "",
            "telemetry_backend": None, "telemetry_logs_to_appinsights": "auto",
        "data_sources": {"mongodb_atlas": "mongodb://h/"}, "cached": {},
    }  # fmt: skip


def test_the_five_names_that_every_deployment_knows_are_read() -> None:
    assert {"MONGO_DB_HOST", "MONGO_DB_PORT", "MONGO_DB_USER", "MONGO_DB_PASSWORD", "LISTEN_PORT"} <= NAMES


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        pytest.param("MONGO_DB_PORT", "1", 1, id="lowest port"),
        pytest.param("MONGO_DB_PORT", "65535", 65535, id="highest port"),
        pytest.param("MONGO_DB_TIMEOUT_MS", "1", 1, id="timeout"),
        pytest.param("MONGO_DB_MAX_POOL_SIZE", "7", 7, id="pool"),
        pytest.param("LISTEN_PORT", "80", 80, id="listen port"),
        pytest.param("LISTEN_HOST", "127.0.0.1", "127.0.0.1", id="listen host"),
        pytest.param("DOZEN_DATABASE", "my_control-1", "my_control-1", id="control database"),
        pytest.param("DOZEN_DATABASE", "administration", "administration", id="a name that begins as admin"),
        pytest.param("APP_ID", "shop-abcde", "shop-abcde", id="app id"),
        pytest.param("RETURN_TYPE", "EJSON", "EJSON", id="return type"),
        pytest.param("AUTH_CACHE_SECONDS", "0", 0.0, id="no cache"),
        pytest.param("AUTH_CACHE_SECONDS", "1.5", 1.5, id="a fraction"),
        pytest.param("CORS_ALLOW_CREDENTIAL_HEADERS", "true", True, id="true"),
        pytest.param("CORS_ALLOW_CREDENTIAL_HEADERS", "True", True, id="True"),
        pytest.param("CORS_ALLOW_CREDENTIAL_HEADERS", "1", True, id="1"),
        pytest.param("CORS_ALLOW_CREDENTIAL_HEADERS", "false", False, id="false"),
        pytest.param("CORS_ALLOW_CREDENTIAL_HEADERS", "0", False, id="0"),
        pytest.param("MAX_BODY_BYTES", "1024", 1024, id="body"),
        pytest.param("MAX_READ_BYTES", "1024", 1024, id="read"),
        pytest.param("LOG_LEVEL", "DEBUG", "DEBUG", id="log level"),
        pytest.param("RETURN_TYPE", "", None, id="empty is not set"),
        pytest.param("LISTEN_PORT", "  ", 7071, id="blank is not set"),
    ],
)
def test_a_setting_is_read(name: str, text: str, value: Any) -> None:
    read = Settings.from_environ(URI | {name: text})

    assert getattr(read, name.lower()) == value


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        pytest.param(
            {"MONGO_DB_URI": "mongodb://a", "MONGO_DB_URI__MONGODB_ATLAS": "mongodb://b"},
            "MONGO_DB_URI__MONGODB_ATLAS names the same data source as another setting", id="a source twice",
        ),
        pytest.param({}, "no MongoDB is configured: set MONGO_DB_URI, or MONGO_DB_HOST", id="nothing"),
        pytest.param(
            {"MONGO_DB_URI": " "}, "no MongoDB is configured: set MONGO_DB_URI, or MONGO_DB_HOST", id="blank URI"
        ),
        pytest.param(
            {"MONGO_DB_URI": "http://secret"}, "MONGO_DB_URI must start with mongodb:// or mongodb+srv://", id="scheme"
        ),
        pytest.param(
            URI | {"MONGO_DB_URI__B": "secret"},
            "MONGO_DB_URI__B must start with mongodb:// or mongodb+srv://", id="scheme of another",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "h/secret"},
            "MONGO_DB_HOST must be a host name, or several separated by commas", id="host with a path",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "u:secret@h"},
            "MONGO_DB_HOST must be a host name, or several separated by commas", id="host with a password",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "h,,g"},
            "MONGO_DB_HOST must be a host name, or several separated by commas", id="an empty host",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "h", "MONGO_DB_USER": "u"},
            "MONGO_DB_USER and MONGO_DB_PASSWORD must be set together", id="user only",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "h", "MONGO_DB_PASSWORD": "secret"},
            "MONGO_DB_USER and MONGO_DB_PASSWORD must be set together", id="password only",
        ),
        pytest.param(
            {"MONGO_DB_PORT": "secret"}, "MONGO_DB_PORT is not usable: expected a whole number from 1 to 65535",
            id="port is text",
        ),
        pytest.param(
            {"MONGO_DB_PORT": "0"}, "MONGO_DB_PORT is not usable: expected a whole number from 1 to 65535", id="port 0"
        ),
        pytest.param(
            {"LISTEN_PORT": "65536"}, "LISTEN_PORT is not usable: expected a whole number from 1 to 65535",
            id="port 65536",
        ),
        pytest.param(
            {"LISTEN_PORT": "1.5"}, "LISTEN_PORT is not usable: expected a whole number from 1 to 65535", id="port 1.5"
        ),
        pytest.param(
            {"MONGO_DB_TIMEOUT_MS": "0"},
            "MONGO_DB_TIMEOUT_MS is not usable: expected a whole number from 1 to 2147483647",
            id="timeout 0",
        ),
        pytest.param(
            {"MONGO_DB_MAX_POOL_SIZE": "-1"},
            "MONGO_DB_MAX_POOL_SIZE is not usable: expected a whole number, 1 or more",
            id="pool",
        ),
        pytest.param(
            {"AUTH_CACHE_SECONDS": "-1"}, "AUTH_CACHE_SECONDS is not usable: expected a number from 0 to 3600",
            id="cache",
        ),
        pytest.param(
            {"MAX_BODY_BYTES": "1MB"}, "MAX_BODY_BYTES is not usable: expected a whole number, 1 or more", id="body"
        ),
        pytest.param({"MAX_STAGES": "0"}, "MAX_STAGES is not usable: expected a whole number, 1 or more", id="stages"),
        pytest.param(
            {"MAX_NESTING": "101"}, "MAX_NESTING is not usable: expected a whole number from 1 to 100", id="nesting"
        ),
        pytest.param(
            {"MAX_PATH_PARTS": "201"}, "MAX_PATH_PARTS is not usable: expected a whole number from 1 to 200", id="parts"
        ),
        pytest.param(
            {"MAX_READ_BYTES": "0"}, "MAX_READ_BYTES is not usable: expected a whole number, 1 or more", id="read"
        ),
        pytest.param({"RETURN_TYPE": "secret"}, "RETURN_TYPE is not usable: expected EJSON or JSON", id="return type"),
        pytest.param(
            {"RETURN_TYPE": "json"}, "RETURN_TYPE is not usable: expected EJSON or JSON",
            id="return type's case",
        ),
        pytest.param(
            {"SESSION_SECRET": "secret"}, "SESSION_SECRET is not usable: expected 32 characters or more, in one line",
            id="key",
        ),
        pytest.param(
            {"REDIS_URL": "http://secret"},
            "REDIS_URL is not usable: expected redis://, rediss://, valkey:// or valkeys://, in one line",
            id="cache's address",
        ),
        pytest.param(URI | {"GUARD_ALLOWED_STAGES": "$collStats, secret"}, STAGES, id="an unknown stage"),
        pytest.param(URI | {"GUARD_ALLOWED_STAGES": "$collStats; $indexStats"}, STAGES, id="a list of another form"),
        pytest.param(URI | {"GUARD_ALLOWED_STAGES": "$COLLSTATS"}, STAGES, id="a stage in capitals"),
        pytest.param(URI | {"GUARD_ALLOWED_STAGES": "$https"}, STAGES, id="a stage that reaches outside"),
        pytest.param(URI | {"GUARD_ALLOWED_STAGES": "$function"}, STAGES, id="JavaScript"),
        pytest.param(URI | {"GUARD_ALLOWED_STAGES": "$currentOp"}, STAGES, id="a stage of the whole server"),
        pytest.param(URI | {"GUARD_ALLOWED_STAGES": "$match"}, STAGES, id="a stage that is open"),
        *(
            pytest.param(URI | {"FUNCTIONS_HTTP_HOSTS": hosts}, HTTP_HOSTS, id=f"the hosts {hosts}")
            for hosts in (
                "https://secret.example", "secret.example/path", "user@secret.example", "a secret", "secret:0",
                "secret:99999", "secret:", "10.1.2.3/8", "*secret", "sec*ret.example", "-secret", "[::1", "::1:80:",
            )
        ),
        *(
            pytest.param(URI | {"OAUTH2_JWKS_URLS": urls}, JWKS_URLS, id=f"the keys of {urls}")
            for urls in (
                "oauth2-google=http://secret.example/keys", "oauth2-google=http://127.0.0.1.secret.example/keys",
                "oauth2-google=http://localhost@secret.example/", "oauth2-google=file:///secret",
                "oauth2-secret=https://proxy.example", "https://secret.example", "oauth2-google=",
                "oauth2-apple=https://a.example, oauth2-apple=https://b.example",
            )
        ),
        pytest.param(
            {"MAIL_WEBHOOK_URL": "secret"}, "MAIL_WEBHOOK_URL is not usable: expected https://, in one line", id="mail"
        ),
        pytest.param(
            {"LOG_LEVEL": "secret"}, "LOG_LEVEL is not usable: expected DEBUG or ERROR or INFO or WARNING",
            id="log level",
        ),
        pytest.param(
            {"CORS_ALLOW_CREDENTIAL_HEADERS": "secret"},
            "CORS_ALLOW_CREDENTIAL_HEADERS is not usable: expected true or false", id="boolean",
        ),
        pytest.param(
            {"DOZEN_DATABASE": "admin"}, DATABASE_NAME, id="admin"
        ),
        pytest.param(
            {"DOZEN_DATABASE": "a.b"}, DATABASE_NAME, id="a dot"
        ),
        pytest.param(
            {"DOZEN_DATABASE": "x" * 64}, DATABASE_NAME, id="too long"
        ),
        pytest.param(
            {"MONGO_DB_URI": "@Microsoft.KeyVault(SecretUri=https://secret)"},
            "MONGO_DB_URI is a Key Vault reference that the platform could not resolve", id="Key Vault",
        ),
        pytest.param(
            URI | {"MONGO_DB_URI__B": "@Microsoft.KeyVault(secret)"},
            "MONGO_DB_URI__B is a Key Vault reference that the platform could not resolve", id="Key Vault of another",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "h", "MONGO_DB_USER": "u", "MONGO_DB_PASSWORD": "@Microsoft.KeyVault(secret)"},
            "MONGO_DB_PASSWORD is a Key Vault reference that the platform could not resolve", id="Key Vault password",
        ),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_sentence_that_names_it(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environ)

    assert str(caught.value) == sentence
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.keys() & {"pattern", "enum", "anyOf"}
                                  or field["type"] in {"integer", "number", "boolean"}])  # fmt: skip
def test_what_a_setting_takes_is_said_in_words(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is not usable: expected [^`\\]+$"):
        Settings.from_environ(URI | {name: "!"})


@pytest.mark.parametrize(("name", "text"), FORMED.items())
def test_a_text_with_the_end_of_a_line_is_refused(name: str, text: str) -> None:
    assert Settings.from_environ(URI | {name: text})

    with pytest.raises(SettingsError, match=f"^{name} is not usable: expected "):
        Settings.from_environ(URI | {name: f"{text}\n"})


def test_every_setting_with_a_form_is_tried_with_the_end_of_a_line() -> None:
    assert {name for name, field in FIELDS.items() if "pattern" in field} == FORMED.keys()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("MONGO_DB_TIMEOUT_MS", "3000000000", id="a timeout of a month"),
        pytest.param("AUTH_CACHE_SECONDS", "inf", id="a cache for ever"),
        pytest.param("AUTH_CACHE_SECONDS", "Infinity", id="a cache for ever, in full"),
        pytest.param("AUTH_CACHE_SECONDS", "nan", id="a cache that is no number"),
        pytest.param("AUTH_CACHE_SECONDS", "1e9", id="a cache for 30 years"),
    ],
)
def test_a_time_that_nobody_can_mean_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(URI | {name: text})

    assert str(caught.value).startswith(f"{name} is not usable: ")
    assert text not in str(caught.value)


@given(st.text(string.ascii_letters + string.digits + "@:/?#[]%+&;,.~<>$!", min_size=1))
@settings(max_examples=examples(500))
@example("p@ss/word")
@example("50%off")
@example("12?a@")
@example("12/?a")
def test_a_password_is_the_one_that_was_written_or_is_refused(password: str) -> None:
    host, database = ("db.example", 27018), "shop"
    bare, encoded = (f"mongodb://ann:{each}@db.example:27018/shop" for each in (password, quote_plus(password)))

    assert written_or_refused(bare) in {(unquote_plus(password), host, database), None}
    assert written_or_refused(encoded) == (password, host, database)


def written_or_refused(uri: str) -> tuple[str | None, tuple[str, int], str | None] | None:
    """Return what the driver reads in a connection string, nothing if the settings or the driver refuse it."""
    try:
        Settings.from_environ({"MONGO_DB_URI": uri})
        read = parse_uri(uri)
    except (SettingsError, PyMongoError, ValueError):
        return None
    return read["password"], read["nodelist"][0], read["database"]


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        pytest.param("ann:p@planted@h/", ENCODED, id="an at sign"),
        pytest.param("ann:p@planted/p@h/", ENCODED, id="a slash behind what looks like a host"),
        pytest.param("ann:planted/p=a@h/?w=1", ENCODED, id="a slash"),
        pytest.param("ann:planted?a=b@h/", ENCODED, id="a question mark"),
        pytest.param("ann:p:planted@h/", ENCODED, id="a colon"),
        pytest.param("ann:50%planted@h/", ENCODED, id="a percent sign"),
        pytest.param("ann:<db_password>@h/", PLACEHOLDER, id="what Atlas shows in place of the password"),
    ],
)
def test_a_password_that_is_not_encoded_is_said(uri: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(URI | {"MONGO_DB_URI__X": f"mongodb+srv://{uri}"})

    assert str(caught.value).startswith(f"MONGO_DB_URI__X has a {sentence}")
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    ["ann:a%40b@h,i:1/shop?appName=a@b", "h/?appName=a@b", "h:1/", "ann@h/?authMechanism=MONGODB-X509", "[::1]:1"],
)
def test_an_encoded_password_is_usable(uri: str) -> None:
    assert Settings.from_environ({"MONGO_DB_URI": f"mongodb://{uri}"}).control_uri == f"mongodb://{uri}"


@pytest.mark.parametrize("name", ["MONGO_DB_URI", "MONGO_DB_URI__X"])
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("w=0", id="alone"),
        pytest.param("retryWrites=true&w=0", id="the second option"),
        pytest.param("w=0&appName=x", id="the first option"),
        pytest.param("W=0", id="case does not matter"),
        pytest.param("w=%30", id="escaped"),
        pytest.param("appName=x;w=0", id="after a semicolon"),
        pytest.param("w=1&w=0", id="twice"),
        pytest.param("w=00", id="two digits"),
        pytest.param("w=%2B0", id="signed"),
        pytest.param("w=0%0A", id="before the end of a line"),
        pytest.param("w=0_0", id="with an underscore"),
        pytest.param("w=%D9%A0", id="in digits of another script"),
        pytest.param(" w=0", id="after a space"),
        pytest.param("appName=x w=0", id="spaces between options"),
    ],
)
def test_a_write_must_be_acknowledged(name: str, query: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(URI | {name: f"mongodb://user:planted@secret/?{query}"})

    sentence = str(caught.value)
    assert sentence.startswith(f"{name} ")
    assert "\n" not in sentence
    assert [word for word in ("planted", "secret", "user", "mongodb://") if word in sentence] == []
    assert caught.value.__cause__ is None


@pytest.mark.filterwarnings("ignore:(Duplicate URI|Unknown) option")
@settings(max_examples=examples(1000))
@given(
    before=st.text(" \n?&;x=", max_size=3),
    name=st.sampled_from(["w", "W", "%77"]),
    value=st.lists(
        st.sampled_from(["0", "%30", "\u0660", "%D9%A0", "_", "+", "%2B", "-", " ", "%20", "\n", "%0A", "1"])
    ),
    after=st.text(" \n&;x=", max_size=3),
)
def test_no_spelling_makes_the_driver_lose_writes(before: str, name: str, value: list[str], after: str) -> None:
    uri = f"mongodb://h/?{before}{name}={''.join(value)}{after}"

    assert not (is_taken(uri) and is_unacknowledged(uri))


def is_taken(uri: str) -> bool:
    try:
        return Settings.from_environ({"MONGO_DB_URI": uri}).control_uri == uri
    except SettingsError:
        return False


def is_unacknowledged(uri: str) -> bool:
    """Say whether pymongo takes the connection string, and would then write without waiting for an answer."""
    try:
        return bool(parse_uri(uri)["options"].get("w") == 0)
    except (PyMongoError, ValueError):  # ValueError: a number that it does not take
        return False


@pytest.mark.parametrize(
    "query", ["w=1", "w=2", "w=10", "w=majority", "appName=w%3D0", "appName=a%20w%3D0", "wTimeoutMS=0", ""]
)
def test_any_acknowledged_write_is_usable(query: str) -> None:
    uri = f"mongodb://h/?{query}"

    assert Settings.from_environ({"MONGO_DB_URI": uri}).control_uri == uri


def test_what_is_not_a_setting_is_not_looked_at() -> None:
    read = Settings.from_environ(URI | {"PATH": "@Microsoft.KeyVault(x)", "HOME": "/root", "DATA_SOURCES": "x"})

    assert read == Settings.from_environ(URI)


@pytest.mark.parametrize(
    ("parts", "nodes"),
    [
        pytest.param({"MONGO_DB_HOST": "db"}, [("db", 27017)], id="host"),
        pytest.param({"MONGO_DB_HOST": "db", "MONGO_DB_PORT": "28"}, [("db", 28)], id="host and port"),
        pytest.param({"MONGO_DB_HOST": "db:1"}, [("db", 1)], id="host with a port"),
        pytest.param({"MONGO_DB_HOST": "a, b:2", "MONGO_DB_PORT": "9"}, [("a", 9), ("b", 2)], id="two hosts"),
        pytest.param({"MONGO_DB_HOST": "10.0.0.1"}, [("10.0.0.1", 27017)], id="IPv4"),
        pytest.param({"MONGO_DB_HOST": "::1"}, [("::1", 27017)], id="IPv6"),
        pytest.param({"MONGO_DB_HOST": "[::1]", "MONGO_DB_PORT": "3"}, [("::1", 3)], id="IPv6 in brackets"),
        pytest.param({"MONGO_DB_HOST": "[::1]:5"}, [("::1", 5)], id="IPv6 with a port"),
        pytest.param({"MONGO_DB_HOST": "db_1.example-x.org"}, [("db_1.example-x.org", 27017)], id="a full name"),
    ],
)
def test_the_uri_is_made_of_the_parts(parts: dict[str, str], nodes: list[tuple[str, int]]) -> None:
    parsed = parse_uri(Settings.from_environ(parts).control_uri)

    assert parsed["nodelist"] == nodes
    assert parsed["username"] is None


@given(user=ODD_TEXT, password=ODD_TEXT)
@settings(max_examples=examples(300), deadline=None)
def test_any_user_and_password_come_through_the_uri(user: str, password: str) -> None:
    environ = {"MONGO_DB_HOST": "h", "MONGO_DB_USER": user, "MONGO_DB_PASSWORD": password}

    read = Settings.from_environ(environ)

    parsed = parse_uri(read.control_uri)
    assert (parsed["username"], parsed["password"]) == (user, password)
    assert parsed["nodelist"] == [("h", 27017)]


@given(password=st.text(string.ascii_letters, min_size=12))
@settings(max_examples=examples(50), deadline=None)
def test_no_password_is_shown(password: str) -> None:
    parts = {"MONGO_DB_HOST": "h", "MONGO_DB_USER": "u", "MONGO_DB_PASSWORD": password}
    whole = {"MONGO_DB_URI": f"mongodb://u:{password}@h/", "MONGO_DB_URI__B": f"mongodb://u:{password}@h/"}

    shown = [repr(Settings.from_environ(environ)) for environ in (parts, whole)]

    assert password not in "".join(shown)
    assert shown[1] == "Settings(app_id='', data_sources=['b', 'mongodb-atlas'])"


def test_a_whole_uri_wins_over_the_parts() -> None:
    read = Settings.from_environ({"MONGO_DB_URI": "mongodb://whole/", "MONGO_DB_HOST": "part"})

    assert read.control_uri == "mongodb://whole/"


@pytest.mark.parametrize("name", ["mongodb-atlas", "Cluster0", ""])
def test_the_only_source_has_every_name(name: str) -> None:
    assert Settings.from_environ(URI).data_source_uri(name) == "mongodb://h/"


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        pytest.param("mongodb-atlas", "mongodb://h/", id="the first"),
        pytest.param("Cluster-0", "mongodb://c/", id="another"),
        pytest.param("cluster 0", "mongodb://c/", id="as far as a variable's name can tell"),
        pytest.param("cluster1", None, id="unknown"),
    ],
)
def test_one_of_several_sources_is_found_by_its_name(name: str, uri: str | None) -> None:
    read = Settings.from_environ(URI | {"MONGO_DB_URI__CLUSTER_0": "mongodb://c/"})

    assert read.data_source_uri(name) == uri


def test_a_source_may_stand_without_the_first() -> None:
    read = Settings.from_environ({"MONGO_DB_URI__ONLY": "mongodb+srv://c/"})

    assert (read.control_uri, read.data_source_uri("anything")) == ("mongodb+srv://c/", "mongodb+srv://c/")


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        pytest.param("", set(), id="empty"),
        pytest.param(" , ,", set(), id="commas only"),
        pytest.param("https://a.example", {"https://a.example"}, id="one"),
        pytest.param(" https://a.example/ ,http://b", {"https://a.example", "http://b"}, id="two"),
    ],
)
def test_origins_are_a_list(text: str, origins: set[str]) -> None:
    assert Settings.from_environ(URI | {"CORS_ALLOWED_ORIGINS": text}).allowed_origins == origins


def test_the_address_is_known_even_if_another_setting_is_wrong() -> None:
    assert listen_address({"LISTEN_PORT": "80", "RETURN_TYPE": "x"}) == (ANYWHERE, 80)


def test_a_wrong_address_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"^LISTEN_PORT is not usable: expected a whole number from 1 to 65535$"):
        listen_address({"LISTEN_PORT": "http"})


CACHE = {"REDIS_URL": "redis://h/", "SESSION_SECRET": "s" * 32}


@pytest.mark.parametrize(
    ("text", "cached"),
    [
        ("shop.products=60", {"shop.products": 60}),
        (" shop.a=1 ,shop.b.c = 86400,", {"shop.a": 1, "shop.b.c": 86_400}),
    ],
)
def test_collections_are_cached_for_seconds_of_their_own(text: str, cached: dict[str, int]) -> None:
    assert Settings.from_environ(URI | CACHE | {"CACHED_COLLECTIONS": text}).cached == cached


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("shop.products", "must be a list such as shop.products=60, films.films=300"),
        ("products=60", "must be a list such as shop.products=60, films.films=300"),
        ("shop.products=1m", "must be a list such as shop.products=60, films.films=300"),
        ("shop.a=60; shop.b=60", "must be a list such as shop.products=60, films.films=300"),
        ("shop.products=-1", "must be a list such as shop.products=60, films.films=300"),
        ("shop.a=0", "must give each collection 1 to 86400 seconds"),
        ("shop.a=86401", "must give each collection 1 to 86400 seconds"),
        ("shop.a=60, shop.a=70", "names a collection twice"),
    ],
)
def test_a_list_of_collections_that_is_wrong_is_named(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(URI | CACHE | {"CACHED_COLLECTIONS": text})

    assert str(raised.value) == f"CACHED_COLLECTIONS {sentence}"


@pytest.mark.parametrize("missing", ["REDIS_URL", "SESSION_SECRET"])
def test_a_cache_needs_a_place_and_a_seal(missing: str) -> None:
    with pytest.raises(SettingsError, match=r"^CACHED_COLLECTIONS needs REDIS_URL and SESSION_SECRET$"):
        Settings.from_environ(URI | CACHE | {"CACHED_COLLECTIONS": "shop.a=60", missing: ""})
