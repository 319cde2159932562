"""python -m admin users import and export: people come with their ids, and log in as the users they were."""

import asyncio
import contextlib
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from shlex import quote
from threading import Thread
from typing import Any

import msgspec
import pytest
from bson.objectid import ObjectId
from hypothesis import given
from hypothesis import settings as settings_
from hypothesis import strategies as st

from admin.transfer import user_lines
from admin.transfer.lines import LineError
from local.mongod import Mongod
from local.ports import LOOPBACK
from shared.app.model import GOOGLE
from shared.auth.accounts import User
from shared.auth.users import read_user
from shared.service import process
from tests.admin.conftest import Command, Told, told
from tests.depth import examples
from tests.functions.rules.conftest import CLIENT, PASSWORD, QUICK, SETTINGS, log_in, send
from tests.functions.rules.test_id_tokens import provider
from tests.functions.rules.test_sessions import custom_token
from tests.hosts import ROOT, Worker
from tests.issuer import RSA, Issuer
from tests.post_office import PostOffice
from tests.shared.auth.test_id_tokens import id_token

ANN, BEN, CY, DAN, EVE = (f"60a1b2c3d4e5f6071829300{n}" for n in range(5))
USERPASS = "auth/providers/local-userpass"
ADDRESS = "ann@shop.example"
WHOEVER = "exports = ({ id }) => id;"


def of_app_services(user_id: str, *identities: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a user as the Admin API lists one."""
    return {
        "_id": user_id, "type": "normal", "identities": list(identities), "creation_date": 1_600_000_000,
        "last_authentication_date": 1_700_000_000, "disabled": False, "data": {}, "custom_data": {},
    } | members  # fmt: skip


def known_as(name: str, kind: str, **members: Any) -> dict[str, Any]:
    return {"id": name, "provider_type": kind, "provider_id": "5f0000000000000000000001", **members}


PASSWORD_OF_ANN = known_as("60a1b2c3d4e5f60718293fff-abcdefgh", "local-userpass")
PEOPLE = [
    of_app_services(ANN, PASSWORD_OF_ANN, data={"email": ADDRESS}),
    of_app_services(BEN, known_as("ben-of-jwt", "custom-token"), data={"name": "Ben"}),
    of_app_services(CY, known_as("110", GOOGLE), known_as("anonymous", "anon-user")),
    of_app_services(DAN, known_as("dan", "custom-function"), known_as("k", "api-key")),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The app, with Google and a function that users log in by, too."""
    issuer = Issuer()
    issuer.publish(RSA, "k1")
    folder = Path(shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path_factory.mktemp("moving") / "shop"))
    file = folder / "auth" / "providers.json"
    asked = {"type": "custom-function", "config": {"authFunctionName": "whoever"}}
    google = provider(GOOGLE, metadata_fields=[])
    file.write_text(json.dumps(json.loads(file.read_text()) | {GOOGLE: google, "custom-function": asked}))
    (folder / "functions" / "whoever.js").write_text(WHOEVER)
    (folder / "functions" / "config.json").write_text('[{"name": "whoever", "private": true, "run_as_system": true}]')
    yield SETTINGS | {"APP_CONFIG_DIR": str(folder), "OAUTH2_JWKS_URLS": f"{GOOGLE}={issuer.url}"}
    issuer.close()


class Admin(Command):
    """The command, on the users of the worker of the tests."""

    def users(self, *arguments: str, **env: str) -> Told:
        return told(self("users", *arguments, **env))

    def take(self, people: Any, *options: str) -> Told:
        """Import a file that holds people, one a line; or a text."""
        text = people if isinstance(people, str) else "\n".join(map(json.dumps, people))
        (self.folder / "people").write_text(text)
        return self.users("import", "people", *options)


@pytest.fixture
async def admin(mongod: Mongod, settings: dict[str, str], tmp_path: Path, driver: Any, database: Any) -> Any:
    """The command in an empty folder, with nobody registered and no custom data."""
    for name in ("users", "sessions", "confirmations"):
        await driver.dozen[name].delete_many({})
    yield Admin(tmp_path, MONGO_DB_URI=mongod.uri, **settings)
    await driver.dozen.api_keys.delete_many({"$or": [{"_id": ObjectId(EVE)}, {"user_id": ObjectId(DAN)}]})


@pytest.fixture
def app_host(configured: pytest.MonkeyPatch, settings: dict[str, str], worker: Worker) -> Worker:
    for name, value in settings.items():
        configured.setenv(name, value)
    process.service().passwords._hasher = QUICK
    return worker


async def everybody(driver: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await driver.dozen.users.find().sort("_id").to_list()
    return found


async def test_the_next_login_with_each_provider_finds_the_user(admin: Admin, app_host: Worker, driver: Any) -> None:
    done = admin.take(PEOPLE, "--reset", "print")
    user_id, email, token, token_id = done.stdout.strip().split("\t")
    chosen = {"token": token, "tokenId": token_id, "password": PASSWORD}
    reset = await send(app_host, "POST", f"{CLIENT}/{USERPASS}/reset", chosen)
    ann = await log_in(app_host, "local-userpass", {"username": ADDRESS, "password": PASSWORD})
    ben = await log_in(app_host, "custom-token", {"token": custom_token(sub="ben-of-jwt")})
    cy = await log_in(app_host, GOOGLE, {"id_token": id_token()})
    dan = await log_in(app_host, "custom-function", {"id": "dan"})
    key = told(admin("keys", "create", "--name", "phone", "--user", DAN)).stdout.strip()
    by_key = await log_in(app_host, "api-key", {"key": key})

    assert (done.returncode, reset.status) == (0, 200)
    assert (user_id, email) == (ANN, ADDRESS)
    assert [each.id for each in (ann, ben, cy, dan, by_key)] == [ANN, BEN, CY, DAN, DAN]
    assert done.stderr == (
        "users: 4 imported, 0 there already, 0 refused\n"
        "log in by: anon-user 1, custom-function 1, custom-token 1, local-userpass 1, oauth2-google 1\n"
        "API keys that acted as users, to be made anew with `keys create --user ID`: 1\n"
        "members left out, which users do not have here: last_authentication_date 4\n"
    )
    assert token not in done.stderr
    assert len(await everybody(driver)) == 4
    assert await driver.dozen.user_events.count_documents({}) == 0


@pytest.mark.parametrize("as_array", [False, True], ids=["lines", "array"])
async def test_a_second_run_changes_nothing_and_says_so(admin: Admin, driver: Any, as_array: bool) -> None:
    content: Any = "\ufeff" + json.dumps(PEOPLE, indent=2) if as_array else PEOPLE
    admin.take(content)
    first = await everybody(driver)
    again = admin.take(content)

    assert again.returncode == 0
    assert again.stderr.startswith("users: 0 imported, 4 there already, 0 refused\n")
    assert "without a password yet, so give --reset print or --reset mail: 1\n" in again.stderr
    assert [str(each["_id"]) for each in first] == [ANN, BEN, CY, DAN]
    assert await everybody(driver) == first


async def test_an_import_that_was_interrupted_is_gone_on_with(admin: Admin, driver: Any) -> None:
    admin.take(PEOPLE[:2])
    done = admin.take(PEOPLE)

    assert done.stderr.startswith("users: 2 imported, 2 there already, 0 refused\n")
    assert len(await everybody(driver)) == 4


E = known_as("e", "custom-token")
BAD = [
    ("[1]", "invalid JSON"),
    ('{"_id": "x", "identities": []}', "'_id' is no id of a user: those have 24 hexadecimal digits"),
    (of_app_services(EVE), "it has no identities"),
    (of_app_services(EVE, known_as("1", "oauth2-other")), "no provider is called 'oauth2-other'"),
    (of_app_services(EVE, known_as("", "custom-token")), "the id of custom-token is no name of a user"),
    (of_app_services(EVE, known_as("a\u202eb", "custom-token")), "the id of custom-token is no name of a user"),
    (of_app_services(EVE, PASSWORD_OF_ANN), "it has a password and no e-mail address: 'data.email' is missing"),
    (of_app_services(EVE, E, disabled="no"), "Expected `bool`, got `str` - at `$.disabled`"),
    (of_app_services(EVE, {"id": 5, "provider_type": "x"}), "Expected `str`, got `int` - at `$.identities[0].id`"),
    (of_app_services(EVE, E, creation_date="x"), "'creation_date' is neither seconds"),
    (of_app_services(EVE, E, creation_date=1e300), "'creation_date' is neither seconds"),
    (of_app_services(EVE, E, creation_date={"$date": {"$numberLong": "9" * 18}}), "'creation_date' is neither seconds"),
    (of_app_services(EVE, known_as("a@b", "local-userpass"), known_as("c@d", "local-userpass")), "it has two e-mail"),
    (of_app_services(EVE, known_as("a@b", "local-userpass"), password_hash="x"), "'password_hash' is none of Argon2id"),
    (of_app_services(EVE, E, custom_data={"user_id": ANN}), "'user_id' of 'custom_data'"),
    (of_app_services(EVE, E, custom_data={"_id": [1]}), "(InvalidIdField) The '_id'"),
]  # fmt: skip


@pytest.mark.parametrize(("user", "reason"), BAD, ids=[reason for _, reason in BAD])
async def test_who_cannot_be_stored_is_named_by_the_line(admin: Admin, driver: Any, user: Any, reason: str) -> None:
    text = user if isinstance(user, str) else json.dumps(user)
    done = admin.take(f"{json.dumps(PEOPLE[0])}\n\n{text}\n{json.dumps(PEOPLE[1])}\n")

    assert done.returncode == 1
    assert done.stderr.startswith(f"line 3: {reason}")
    assert "users: 2 imported, 0 there already, 1 refused\n" in done.stderr
    assert [str(each["_id"]) for each in await everybody(driver)] == [ANN, BEN]
    assert await driver.shop.people.count_documents({"user_id": EVE}) == 0


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ((EVE, known_as("110", GOOGLE)), f"oauth2-google 110 is another user's: {CY}"),
        ((EVE, known_as(ADDRESS, "local-userpass")), f"local-userpass {ADDRESS} is another user's: {ANN}"),
        ((BEN, E), "this user is there already, without custom-token e"),
    ],
    ids=["identity", "address", "id"],
)  # fmt: skip
async def test_a_conflict_is_named_and_nothing_of_that_user_is_stored(
    admin: Admin, driver: Any, user: tuple[str, dict[str, Any]], reason: str
) -> None:
    before = admin.take(PEOPLE), await everybody(driver)
    new = of_app_services("70a1b2c3d4e5f60718293004", known_as("new", "custom-token"))
    done = admin.take([of_app_services(*user, custom_data={"team": "red"}), new])

    assert done.returncode == 1
    assert done.stderr.startswith(f"line 1: {reason}\nusers: 1 imported, 0 there already, 1 refused\n")
    assert (await everybody(driver))[:-1] == before[1]
    assert await driver.shop.people.count_documents({"user_id": user[0]}) == 0


async def test_custom_data_are_stored_where_the_user_has_none(admin: Admin, driver: Any) -> None:
    await driver.shop.people.insert_one({"user_id": ANN, "team": "red"})
    people = [user | {"custom_data": {"team": "blue"}} for user in PEOPLE[:2]]
    done = admin.take(people)
    await driver.shop.people.delete_many({"user_id": BEN})
    admin.take(people)  # what a user who is there has not, is as somebody wants it by now

    assert "custom data stored: 1\n" in done.stderr
    assert [each["team"] async for each in driver.shop.people.find({"user_id": {"$in": [ANN, BEN]}})] == ["red"]


async def test_a_line_may_hold_no_more_than_an_id_and_an_identity(admin: Admin, driver: Any) -> None:
    lines = gzip.compress(
        json.dumps({"_id": BEN, "identities": [{"id": "b", "provider_type": "custom-token"}]}).encode()
    )
    done = told(admin.fed(lines, "users", "import", "-"))

    assert done.stderr.startswith("users: 1 imported, 0 there already, 0 refused\n")
    (ben,) = await everybody(driver)
    assert (ben["disabled"], ben["confirmed"], ben["data"]) == (False, True, {})
    assert ben["created"].replace(tzinfo=UTC) == ObjectId(BEN).generation_time


@pytest.mark.parametrize(
    ("identities", "data", "stored"),
    [
        pytest.param(
            [known_as("b", "custom-token", provider_data={"email": "ben@shop.example", "name": "Ben"})], None,
            {"email": "ben@shop.example", "name": "Ben"}, id="of a token",
        ),
        pytest.param(
            [known_as("c", GOOGLE, data={"email": "cy@shop.example"})], {}, {"email": "cy@shop.example"}, id="as data"
        ),
        pytest.param(
            [known_as("b", "custom-token", provider_data={"email": "b@shop.example", "name": "Ben"})],
            {"email": "ben@shop.example"}, {"email": "ben@shop.example", "name": "Ben"}, id="the user's data count",
        ),
        pytest.param(
            [known_as("d", "custom-function", provider_data={"n": "Dan"}), known_as("c", GOOGLE, data={"n": "Cy"})],
            None, {"n": "Dan"}, id="the first of two",
        ),
        pytest.param(
            [known_as("c", GOOGLE, data={"email": "cy@mail.example"}), known_as(ADDRESS, "local-userpass")], None,
            {"email": ADDRESS}, id="a password's name comes first",
        ),
        pytest.param(
            [E, known_as("k", "api-key", provider_data={"name": "a key"})], None, {}, id="a key says nothing"
        ),
    ],
)  # fmt: skip
async def test_what_a_provider_says_of_a_user_becomes_the_data(
    admin: Admin, driver: Any, identities: list[dict[str, Any]], data: Any, stored: dict[str, Any]
) -> None:
    done = admin.take([of_app_services(BEN, *identities, data=data)])
    (ben,) = await everybody(driver)

    assert done.stderr.startswith("users: 1 imported, 0 there already, 0 refused\n")
    assert ben["data"] == stored


async def test_an_address_of_another_provider_is_not_the_name_of_a_password(admin: Admin, driver: Any) -> None:
    said = known_as("c", GOOGLE, provider_data={"email": "cy@mail.example"})
    done = admin.take([of_app_services(ANN, PASSWORD_OF_ANN, said)])

    assert "it has a password and no e-mail address: 'data.email' is missing" in done.stderr
    assert await everybody(driver) == []


async def test_members_that_become_nothing_are_named(admin: Admin) -> None:
    odd = known_as("b", "custom-token", device="phone")
    people = [
        {"_id": BEN, "identities": [odd], "nickname": "B", "domain_id": "1"},
        {"_id": CY, "identities": [E | {"id": "c"}], "nickname": "C"} | {f"z{n}": n for n in range(20)},
    ]
    done = admin.take(people)
    again = json.loads(admin.take(people, "--json").stdout)

    named = "domain_id 1, identities.device 1, nickname 2, z0 1, z1 1, z10 1, z11 1, z12 1, z13 1, z14 1"
    assert f"members left out, which users do not have here: {named}\n" in done.stderr
    assert again["members_left_out"] == {}


async def test_custom_data_without_a_place_are_counted(admin: Admin, driver: Any) -> None:
    (admin.folder / "people").write_text(json.dumps(PEOPLE[1] | {"custom_data": {"team": "red"}}))
    done = admin.users("import", "people", APP_CONFIG_DIR="")

    assert "custom data left out, as the app names no collection for them: 1\n" in done.stderr
    assert len(await everybody(driver)) == 1


async def test_anonymous_users_expire_as_if_made_here(admin: Admin, driver: Any) -> None:
    alone = known_as("a", "anon-user"), known_as("b", "anon-user")
    done = admin.take([
        of_app_services(ANN, alone[0]), of_app_services(BEN, alone[1], creation_date={"$date": "2999-01-01T00:00:00Z"})
    ])  # fmt: skip

    assert "anonymous users left out, older than 90 days: 1\n" in done.stderr
    (ben,) = await everybody(driver)
    assert (str(ben["_id"]), (ben["expires"] - ben["created"]).days) == (BEN, 90)
    assert ben["created"].year < 2999


async def test_a_server_key_is_made_anew_with_its_id(admin: Admin, app_host: Worker) -> None:
    name = "Ann's sensor"
    server = of_app_services(EVE, known_as("k", "api-key"), type="server", data={"name": name})
    done = admin.take([server])
    key = told(admin("keys", "create", "--id", EVE, "--name", name)).stdout.strip()
    twice = told(admin("keys", "create", "--id", EVE, "--name", name))
    again = admin.take([server])

    assert f"a server key, to be made anew: keys create --id {EVE} --name {quote(name)}\n" in done.stderr
    assert (await log_in(app_host, "api-key", {"key": key})).id == EVE
    assert (twice.returncode, twice.stderr) == (1, f"error: there is a key {EVE} already\n")
    assert again.stderr == "users: 0 imported, 1 there already, 0 refused\n"


async def test_a_user_is_made_with_an_id(admin: Admin, driver: Any) -> None:
    options = ("create", "--id", ANN, "--password", PASSWORD, "--email")
    made, again = admin.users(*options, "a@b"), admin.users(*options, "c@d")
    wrong = admin.users("create", "--id", "x", "--password", PASSWORD, "--email", "e@f")

    assert made.stdout == f"{ANN}\n"
    assert (again.returncode, again.stderr) == (1, f"error: there is a user {ANN} already\n")
    assert (wrong.returncode, "24 hexadecimal digits" in wrong.stderr) == (1, True)
    assert len(await everybody(driver)) == 1


@pytest.mark.parametrize("options", [(), ("--password-hashes",)], ids=["without passwords", "with hashes"])
async def test_an_export_is_imported_as_it_was(admin: Admin, driver: Any, options: tuple[str, ...]) -> None:
    admin.take(PEOPLE)
    hashed = {"password": QUICK.hash(PASSWORD)}
    await driver.dozen.users.update_one({"_id": ObjectId(ANN)}, {"$set": hashed | {"disabled": True}})
    name = {"identities.0.id": "60a1b2c3d4e5f60718293abc", "data": {"email": "ben@of.jwt", "list": [1.5, None]}}
    registered = {"identities.0.provider_type": "local-userpass", "confirmed": False, "new": True, "pending": True}
    await driver.dozen.users.update_one({"_id": ObjectId(BEN)}, {"$set": name | registered})
    before = await everybody(driver)
    exported = admin.users("export", *options)
    await driver.dozen.users.delete_many({})
    imported = admin.take(exported.stdout)
    kept = [{name: each[name] for name in each if name != "password" or options} for each in before]

    assert imported.stderr.startswith("users: 4 imported, 0 there already, 0 refused\n")
    assert ("argon2id" in exported.stdout) is bool(options)
    assert await everybody(driver) == kept


async def test_tokens_are_mailed_once_to_those_without_a_password(admin: Admin, driver: Any) -> None:
    people = [*PEOPLE, of_app_services(EVE, known_as("no address", "local-userpass"))]
    async with PostOffice() as office:
        url = {"MAIL_SMTP_URL": f"smtp://{LOOPBACK}:{office.port}", "MAIL_FROM": "shop@shop.example"}
        command = Admin(admin.folder, **admin.env | url)
        (admin.folder / "people").write_text("\n".join(map(json.dumps, people)))
        done = told(await asyncio.to_thread(command.fed, b"", "users", "import", "people", "--reset", "mail"))
        again = told(await asyncio.to_thread(command.fed, b"", "users", "import", "people", "--reset", "mail"))

    (letter,) = office.letters
    assert letter.recipients == [ADDRESS]
    assert "https://shop.example/reset?token=" in letter.part("plain")
    assert (done.returncode, again.returncode) == (1, 1)
    assert (
        "no mail can be sent to no address: give a token by users reset-password --email 'no address'\n" in done.stderr
    )
    assert "reset tokens: 1 mailed, 0 mailed within the last 30 minutes\n" in done.stderr
    assert "reset tokens: 0 mailed, 1 mailed within the last 30 minutes\n" in again.stderr
    assert "token=" not in done.stdout + done.stderr


async def test_a_mail_that_is_not_taken_is_tried_again(admin: Admin, driver: Any) -> None:
    async with PostOffice() as office:
        office.refuses = "550 no"
        url = {"MAIL_SMTP_URL": f"smtp://{LOOPBACK}:{office.port}", "MAIL_FROM": "shop@shop.example"}
        command = Admin(admin.folder, **admin.env | url)
        (admin.folder / "people").write_text(json.dumps(PEOPLE[0]))
        done = told(await asyncio.to_thread(command.fed, b"", "users", "import", "people", "--reset", "mail"))

    assert done.returncode == 1
    assert await driver.dozen.confirmations.count_documents({}) == 0


@pytest.mark.parametrize(
    ("options", "env", "sentence"),
    [
        (("--reset", "mail"), {}, "error: no mail can be sent: set MAIL_SMTP_URL or MAIL_WEBHOOK_URL"),
        (("--reset", "print"), {"APP_CONFIG_DIR": ""}, "error: the app has no local-userpass"),
    ],
)
async def test_tokens_that_nobody_could_use_are_refused_first(
    admin: Admin, driver: Any, options: tuple[str, ...], env: dict[str, str], sentence: str
) -> None:
    (admin.folder / "people").write_text(json.dumps(PEOPLE[0]))
    done = admin.users("import", "people", *options, **env)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(sentence)
    assert await everybody(driver) == []


async def test_scripts_get_one_document(admin: Admin) -> None:
    done = admin.take([*PEOPLE, {"_id": "x"}], "--json", "--reset", "print")
    said = json.loads(done.stdout)

    assert (said["imported"], said["unchanged"], len(said["problems"])) == (4, 0, 1)
    assert [(each["id"], each["email"]) for each in said["tokens"]] == [(ANN, ADDRESS)]
    assert said["tokens"][0]["token"] not in done.stderr


@pytest.mark.parametrize(("text", "code"), [("", 0), ("[", 1), ("[]\n[]", 1), ("[]", 0), ("[{}", 1)])
async def test_a_file_that_holds_nobody(admin: Admin, text: str, code: int) -> None:
    done = admin.take(text)

    assert done.returncode == code
    assert done.stderr.startswith(
        ("error: the file ends within the array", "error: there is more behind the end")
        if code
        else "users: 0 imported, 0 there already, 0 refused\n"
    )


def script_of_the_page(name: str) -> str:
    """Return the program that the page has under a name."""
    page = (ROOT / "docs" / "coming-from-atlas.md").read_text()
    return page.partition(f"`{name}`:\n\n```python\n")[2].partition("```")[0]


class AdminAPI(BaseHTTPRequestHandler):
    """What a list of users is fetched from: logins by a key, and pages of two."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = self.path == "/api/auth/providers/mongodb-cloud/login"
        self._reply({"access_token": "bearer"} if good and body == {"username": "pub", "apiKey": "priv"} else {})

    def do_GET(self) -> None:
        path, _, after = self.path.partition("?after=")
        good = path == "/api/groups/p1/apps/a1/users" and self.headers["Authorization"] == "Bearer bearer"
        self._reply([user for user in PEOPLE if good and user["_id"] > after][:2])

    def _reply(self, content: Any) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def ran(script: str, stdin: str = "", **env: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script], input=stdin, env=env, capture_output=True, text=True, check=True
    ).stdout


async def test_the_pages_program_fetches_everybody_from_the_admin_api(admin: Admin, driver: Any) -> None:
    script = script_of_the_page("fetch_users.py")
    with HTTPServer((LOOPBACK, 0), AdminAPI) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        here = script.replace(
            "https://services.cloud.mongodb.com/api/admin/v3.0", f"http://{LOOPBACK}:{server.server_port}/api"
        )
        found = ran(here, PUBLIC_KEY="pub", PRIVATE_KEY="priv", PROJECT="p1", APP="a1")
        server.shutdown()
        thread.join()
    done = admin.take(found)

    assert "http://" not in script
    assert done.stderr.startswith("users: 4 imported, 0 there already, 0 refused\n")


async def test_the_pages_program_makes_users_of_custom_data(admin: Admin, app_host: Worker, driver: Any) -> None:
    await driver.shop.people.insert_one({"user_id": ANN, "email": ADDRESS, "since": ObjectId()})
    exported = told(admin("export", "--namespace", "shop.people", "--filter", f'{{"user_id": "{ANN}"}}', "--out", "-"))
    admin.take(ran(script_of_the_page("users_of_data.py"), exported.stdout))
    admin.users("reset-password", "--email", ADDRESS, "--password", PASSWORD)

    assert (await log_in(app_host, "local-userpass", {"username": ADDRESS, "password": PASSWORD})).id == ANN


TEXT = st.text(max_size=20).filter(str.isprintable)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(lambda name: name[:1] != "$"), inner, max_size=3)
    ),
    max_leaves=5,
)
KINDS = ("anon-user", "local-userpass", "custom-token", "custom-function", "oauth2-google", "oauth2-apple")
IDENTITY = st.builds(known_as, TEXT.filter(bool), st.sampled_from(KINDS))
MEMBERS = st.sampled_from(
    ["_id", "type", "identities", "data", "disabled", "creation_date", "password_hash", "custom_data"]
)


@given(
    identities=st.lists(IDENTITY, min_size=1, max_size=4, unique_by=lambda each: each["provider_type"]),
    data=st.dictionaries(TEXT, VALUE, max_size=3).map(lambda data: {"email": "a@b"} | data),
    flags=st.fixed_dictionaries(dict.fromkeys(("disabled", "confirmed", "new", "pending"), st.booleans())),
)
@settings_(max_examples=examples(100), deadline=None)
def test_whoever_is_stored_comes_back_the_same(
    identities: list[dict[str, Any]], data: dict[str, Any], flags: dict[str, Any]
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    user = User(id=ANN, identities=identities, data=data, created=now, **flags)

    moved = user_lines.read(user_lines.write(user, with_password=True))

    assert isinstance(moved, user_lines.Moved)
    assert read_user(moved.stored) == msgspec.structs.replace(user, new=flags["new"] or flags["pending"])


@given(members=st.dictionaries(MEMBERS, VALUE | st.lists(IDENTITY | VALUE, max_size=2), max_size=8))
@settings_(max_examples=examples(100), deadline=None)
def test_what_a_line_holds_is_a_user_or_has_a_reason(members: dict[str, Any]) -> None:
    with contextlib.suppress(LineError):
        user_lines.read(json.dumps({"_id": ANN, "identities": [E]} | members).encode())
