"""`python -m admin doctor`: each thing that can be wrong is found, none of them stops the rest, no secret is shown."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import pytest

from admin.doctor import checks, databases
from admin.process import DOCTOR
from local import ports
from local.mongod import Mongod
from shared.documents import transcoder
from shared.documents.transcoder import Transcoder, Writer
from shared.environment import app_secrets
from shared.mongo.control import INDEXES
from shared.service import Service
from shared.settings import Settings
from shared.telemetry.reporting import Reporting
from tests.admin.conftest import Command, Done
from tests.functions.rules.conftest import SETTINGS
from tests.hosts import ROOT
from tests.post_office import PASSWORD, USER, PostOffice, certificate
from tests.valkey import Valkey

SECRET = "planted-0123456789-abcdefghijklmnop"


class Said(NamedTuple):
    """What doctor said, as a script reads it."""

    code: int
    findings: set[tuple[str, str, str]]

    def has(self, check: str, level: str, words: str) -> bool:
        return any((check, level) == each[:2] and words in each[2] for each in self.findings)


def parsed(done: Done) -> Said:
    findings = json.loads(done.stdout)["findings"]
    return Said(done.returncode, {(each["check"], each["level"], each["sentence"]) for each in findings})


@pytest.fixture
async def emptied(driver: Any) -> Any:
    """The control database of the command, empty."""
    await driver.drop_database("operated")
    return driver["operated"]


async def test_a_healthy_deployment_has_no_problem(command: Command, emptied: Any) -> None:
    command("indexes", "create", "--control")
    command("keys", "create", "--name", "x")

    done = command("doctor", **SETTINGS)
    said = parsed(command("doctor", "--json", **SETTINGS))

    assert (done.returncode, said.code, done.stderr) == (0, 0, b"")
    assert b"\x1b" not in done.stdout
    assert b"0 problems" in done.stdout
    assert said.has("data source mongodb-atlas", "ok", "is MongoDB ")
    assert said.has("data source mongodb-atlas", "warning", "is a replica set of 1: transactions work")
    assert said.has("data source mongodb-atlas", "ok", "its clock and ours agree")
    assert said.has("control database operated", "ok", "has 1 API keys")
    assert said.has("control database operated", "ok", f"all indexes are there: {len(INDEXES)}")
    assert said.has("app", "ok", "can be served")
    assert said.has("settings", "ok", "SESSION_SECRET is set")


async def test_each_problem_is_found_and_no_secret_is_shown(command: Command, emptied: Any) -> None:
    closed = f"127.0.0.1:{ports.free_port()}"
    env = {
        "MONGO_DB_URI__AWAY": f"mongodb://u:{SECRET}@{closed}/?serverSelectionTimeoutMS=300&w=1",
        "REDIS_URL": f"redis://:{SECRET}@{closed}",
        "SESSION_SECRET": "a" * 40,
        "APP_CONFIG_DIR": str(ROOT / "docs"),
    }

    done = command("doctor", **env)
    said = parsed(command("doctor", "--json", **env))

    assert (done.returncode, said.code) == (1, 1)
    assert said.has("data source away", "problem", "MongoDB cannot be reached")
    assert said.has("settings", "warning", "data source away has w=1: an acknowledged write may be lost")
    assert said.has("settings", "problem", "SESSION_SECRET can be guessed")
    assert said.has("Valkey", "problem", "does not answer")
    assert said.has("app", "problem", "root_config.json")
    assert said.has("data source mongodb-atlas", "ok", "is MongoDB ")
    assert said.has("control database operated", "warning", "not there yet: api_keys, users, sessions, confirmations")
    assert SECRET not in (done.stdout + done.stderr).decode() + repr(said)
    assert b"-> check host, port, firewall, user, password and roles" in done.stdout


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_valkey_is_asked_by_either_spelling(command: Command, valkey: Valkey, scheme: str) -> None:
    said = parsed(command("doctor", "--json", REDIS_URL=valkey.url.replace("redis", scheme)))

    assert said.has("Valkey", "ok", "answers, speaks Redis ")


def test_an_address_of_valkey_that_cannot_be_used_is_a_problem(command: Command) -> None:
    done = command("doctor", "--json", REDIS_URL=f"valkey://:{SECRET}@h:port")

    assert parsed(done).has("Valkey", "problem", "REDIS_URL cannot be used")
    assert SECRET not in (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("choice", ["auto", "off"])
async def test_native_code_is_told_as_it_is(command: Command, choice: str) -> None:
    (expected,) = [each async for each in checks.of_native_code(transcoder.load(choice))]

    said = parsed(command("doctor", "--json", NATIVE=choice))

    assert said.has("native code", expected.level, expected.sentence)


@pytest.mark.parametrize(
    ("found", "level", "sentence"),
    [
        pytest.param(Transcoder("1", cast("Writer", object())), "ok", "version 1 writes replies", id="in use"),
        pytest.param(Transcoder("off"), "ok", "is off: Python writes replies", id="off"),
        pytest.param(Transcoder("missing"), "warning", "cannot be used (missing): Python writes replies", id="missing"),
        pytest.param(Transcoder("broken"), "warning", "cannot be used (broken): Python writes replies", id="broken"),
    ],
)
async def test_native_code_that_cannot_be_used_is_a_warning(found: Transcoder, level: str, sentence: str) -> None:
    (finding,) = [each async for each in checks.of_native_code(found)]

    assert finding.level == level
    assert finding.sentence.startswith(sentence)


def test_a_wrong_setting_is_a_problem(command: Command) -> None:
    said = parsed(command("doctor", "--json", MONGO_DB_URI=""))

    assert said.code == 1
    assert said.has("settings", "problem", "no MongoDB is configured")


async def test_indexes_that_are_missing_or_different_are_problems(command: Command, emptied: Any) -> None:
    await emptied.api_keys.create_index("hash")
    await emptied.users.insert_one({})
    await emptied.sessions.create_index("expires", expireAfterSeconds=60)

    said = parsed(command("doctor", "--json"))

    where = "control database operated"
    assert said.code == 1
    assert said.has(where, "problem", "the unique index on hash of api_keys has other options")
    assert said.has(
        where, "problem", "the unique index on identities.provider_type, identities.id of users is not there"
    )
    assert said.has(where, "problem", "the expiring index on expires of sessions has other options")
    assert said.has(where, "warning", "not there yet: confirmations")


async def test_the_services_own_indexes_are_those_that_are_expected(command: Command, emptied: Any) -> None:
    made = command("indexes", "create", "--control")
    expected = {name: await emptied[name].index_information() for name in await emptied.list_collection_names()}
    for name in expected:
        await emptied.drop_collection(name)

    command("users", "create", "--email", "a@b", "--password", "secret words", **SETTINGS)
    command("keys", "create", "--name", "phone")

    service = {name: await emptied[name].index_information() for name in await emptied.list_collection_names()}
    assert made.returncode == 0
    assert expected.keys() == {"api_keys", "users", "sessions", "confirmations", "user_events", "unlocks"}
    assert service == {name: expected[name] for name in ("api_keys", "users")}


async def test_permissions_are_read_from_the_server(
    command: Command, emptied: Any, driver: Any, mongod: Mongod
) -> None:
    roles = [{"role": "readWrite", "db": "shop"}, {"role": "read", "db": "operated"}]
    await driver.admin.command("createUser", "limited", pwd=SECRET, roles=roles)
    uri = f"mongodb://limited:{SECRET}@{mongod.uri.removeprefix('mongodb://')}&authSource=admin"

    said = parsed(command("doctor", "--json", MONGO_DB_URI=uri))
    wrong = command("doctor", "--json", MONGO_DB_URI=uri.replace(SECRET, "wrong-password"))
    await driver.admin.command("dropUser", "limited")

    source = "data source mongodb-atlas"
    assert said.has(source, "ok", "the deployment's user may read operated, shop and write shop")
    assert said.has(source, "problem", "the deployment's user lacks createIndex, insert, remove, update on operated")
    assert parsed(wrong).has(source, "problem", "MongoDB refuses the credentials of this deployment")
    assert b"wrong-password" not in wrong.stdout + wrong.stderr


def test_without_a_replica_set_rules_cannot_write(command: Command, standalone: str) -> None:
    said = parsed(command("doctor", "--json", "--timeout", "40", MONGO_DB_URI=standalone, **SETTINGS))

    assert said.code == 1
    assert said.has(
        "data source mongodb-atlas", "problem", "is no replica set: no transactions, so no writes where rules apply"
    )


@pytest.mark.parametrize("standalone", ["--auth"], indirect=True)
def test_a_server_that_wants_a_user_does_not_let_anybody_in(command: Command, standalone: str) -> None:
    said = parsed(command("doctor", "--json", "--timeout", "40", MONGO_DB_URI=standalone))

    assert said.code == 1
    assert said.has("data source mongodb-atlas", "problem", "MongoDB does not let this deployment do that")
    assert not said.has("data source mongodb-atlas", "warning", "lets anybody in")
    refused = command("keys", "list", MONGO_DB_URI=standalone)
    assert (refused.returncode, refused.stderr.decode().splitlines()[1:]) == (1, [DOCTOR])


def test_a_server_that_hangs_costs_no_more_than_the_deadline(command: Command, standalone: str, mongod: Mongod) -> None:
    parsed(command("doctor", "--json", "--timeout", "40", MONGO_DB_URI=standalone))  # it is up
    mongod.pause()
    try:
        said = parsed(command("doctor", "--json", "--timeout", "1", MONGO_DB_URI__OTHER=standalone))
    finally:
        mongod.resume()

    assert said.code == 1
    assert said.has("data source mongodb-atlas", "problem", "no answer within 1 s")
    assert said.has("control database operated", "problem", "no answer within 1 s")


@pytest.mark.parametrize(
    ("apart", "level", "sentence"),
    [
        (timedelta(0), "ok", "its clock and ours agree"),
        (timedelta(seconds=20), "warning", "its clock and ours are 20 s apart"),
        (timedelta(seconds=-90), "problem", "its clock and ours are 90 s apart"),
    ],
    ids=["equal", "ahead", "far behind"],
)
def test_clocks_are_compared(apart: timedelta, level: str, sentence: str) -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)

    finding = databases._clock("x", {"localTime": (now + apart).replace(tzinfo=None)}, now, now)

    assert finding.level == level
    assert finding.sentence.startswith(sentence)


@pytest.mark.parametrize(("version", "level"), [("6.0.5", "ok"), ("8.2.1-rc0", "ok"), ("5.0.31", "warning")])
def test_an_old_version_is_told(version: str, level: str) -> None:
    assert databases._version("x", version).level == level


async def mail_findings(app: str = "tests/apps/shop", **env: str) -> list[tuple[str, str]]:
    settings = {"MONGO_DB_URI": "mongodb://h/", "MAIL_FROM": "a@b", "APP_CONFIG_DIR": str(ROOT / app)} | env
    secrets = app_secrets(SETTINGS)
    service = Service(Settings.from_environ(settings), secrets, Reporting())
    found: list[tuple[str, str]] = [(each.level, each.sentence) async for each in checks.of_mail(service)]
    await service.close()
    return found


async def test_a_mail_server_is_greeted(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    options = f"?starttls=yes&ca_file={file}"
    async with PostOffice(file, login=True) as office:
        good = f"smtp://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@127.0.0.1:{office.port}{options}"
        taken = await mail_findings(MAIL_SMTP_URL=good)
        refused = await mail_findings(MAIL_SMTP_URL=good.replace(quote(PASSWORD, safe=""), SECRET))
        unknown = await mail_findings(MAIL_SMTP_URL=good.partition("&")[0])

    assert taken == [("ok", "the mail server takes letters by TLSv1.3")]
    assert refused == [("problem", "the mail server takes no letters (SMTPAuthenticationError)")]
    assert unknown == [("problem", "the mail server takes no letters (SSLCertVerificationError)")]
    assert await mail_findings() == []
    assert office.letters == []


async def test_what_mails_are_made_of_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "confirm.txt").write_text("hello")
    app = tmp_path / "app"
    (app / "auth").mkdir(parents=True)
    (app / "root_config.json").write_text("{}")
    (app / "auth" / "providers.json").write_text('{"local-userpass": {"type": "local-userpass"}}')
    url = f"smtp://127.0.0.1:{ports.free_port()}"
    away = ("problem", "the mail server takes no letters (SMTPConnectError)")

    of_templates = await mail_findings(MAIL_SMTP_URL=url, MAIL_TEMPLATES_DIR=str(tmp_path))
    of_pages = await mail_findings(str(app), MAIL_SMTP_URL=url)

    assert of_templates[0][0] == "problem"
    assert of_templates[0][1].startswith("MAIL_TEMPLATES_DIR: app is not the name of a template")
    assert of_templates[1:] == [away]
    assert of_pages == [
        ("warning", "the app has no emailConfirmationUrl for the link"),
        ("warning", "the app has no resetPasswordUrl for the link"),
        away,
    ]
    assert await mail_findings("docs", MAIL_SMTP_URL=url) == [away]
