"""`python -m admin keys`, as an operator runs it, on a real mongod."""

import getpass
import json
import os
import re
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.objectid import ObjectId

from admin.process import DOCTOR
from local.mongod import Mongod
from shared.auth import keys as keys_
from shared.mongo.control import API_KEYS
from shared.settings import VERSION
from tests.admin.conftest import Told, call, run, shown_on, told
from tests.conftest import ACTION, request_body
from tests.hosts import ROOT, Server

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

type Admin = Callable[..., Told]

NOTHING_YET = "it may do nothing yet, as APP_CONFIG_DIR names no app whose rules say what; --system gives full access\n"


def called(*arguments: str, **env: str) -> Told:
    return told(call(arguments, env, ROOT))


def on_a_terminal(*arguments: str, program: Sequence[str] = ("admin",), **env: str) -> str:
    """Run the command on a terminal of 80 columns and return what it shows."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen([sys.executable, "-m", *program, *arguments], cwd=ROOT, env=env, stdout=theirs)
    os.close(theirs)
    shown = shown_on(ours).decode()
    assert process.wait(60) == 0
    return shown


def without_colours(shown: str) -> str:
    return _COLOURS.sub("", shown)


@pytest.fixture
def admin(mongod: Mongod) -> Admin:
    """Run the command on the mongod of the tests, with a control database of its own."""
    return lambda *arguments: called(*arguments, MONGO_DB_URI=mongod.uri, DOZEN_DATABASE="operated", COLUMNS="120")


@pytest.fixture
async def keys(driver: Any) -> Any:
    """The control database's collection of keys, empty."""
    await driver.operated.drop_collection(API_KEYS)
    return driver.operated[API_KEYS]


async def test_create_prints_the_key_alone(admin: Admin, keys: Any) -> None:
    done = admin("keys", "create", "--name", "shop front")

    assert done.returncode == 0
    assert len(done.stdout) == 65
    assert done.stdout.endswith("\n")
    stored = await keys.find_one()
    assert done.stderr == f"the key 'shop front' ({stored['_id']}) is made, and shown this once\n" + NOTHING_YET
    assert stored == {
        "_id": stored["_id"], "name": "shop front", "hash": keys_._hash(done.stdout.strip()),
        "created": stored["created"], "disabled": False, "system": False, "user_id": None,
        "made_by": getpass.getuser(),
    }  # fmt: skip
    assert done.stdout.strip() not in repr(stored)


@pytest.mark.parametrize("name", ["", " ", "n" * 101], ids=["empty", "blank", "longer than a list has room for"])
async def test_a_key_has_a_name_that_is_seen(admin: Admin, keys: Any, name: str) -> None:
    done = admin("keys", "create", "--name", name)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: a key's name has 1 to 100 characters that can be seen\n"
    assert await keys.count_documents({}) == 0


async def test_the_hash_of_a_key_is_unique(admin: Admin, keys: Any) -> None:
    admin("keys", "create", "-n", "x")

    indexes = await keys.index_information()

    assert indexes["hash_1"]["unique"] is True


async def test_list_shows_everything_but_the_key(admin: Admin, keys: Any) -> None:
    first = admin("keys", "create", "--name", "first").stdout.strip()
    admin("keys", "create", "--name", "second [/] [red]")
    stored = await keys.find().to_list()
    await keys.update_one({"name": "first"}, {"$set": {"disabled": True, "used": datetime(2026, 1, 31, 7)}})

    done = admin("keys", "list")

    _, *rows = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [row.split()[0] for row in rows] == [str(key["_id"]) for key in stored]
    assert "first" in rows[0]
    assert "second [/] [red]" in rows[1]
    assert [row.split()[-1] for row in rows] == ["disabled", "enabled"]
    assert "2026-01-31 07h" in rows[0]
    assert first not in done.stdout
    assert stored[0]["hash"] not in done.stdout


async def test_a_key_is_disabled_enabled_and_deleted_by_its_id(admin: Admin, keys: Any) -> None:
    admin("keys", "create", "--name", "x")
    stored = await keys.find_one()

    disabled = admin("keys", "disable", str(stored["_id"]))
    after = await keys.find_one()
    enabled = admin("keys", "enable", str(stored["_id"]))
    again = await keys.find_one()
    deleted = admin("keys", "delete", str(stored["_id"]), "--yes")

    named = f"the key 'x' ({stored['_id']})"
    assert (disabled.returncode, disabled.stdout, disabled.stderr) == (0, "", f"{named} is disabled\n")
    assert (enabled.returncode, enabled.stdout, enabled.stderr) == (0, "", f"{named} is enabled\n")
    assert (deleted.returncode, deleted.stdout, deleted.stderr) == (0, "", f"{named} is deleted\n")
    assert (after, again) == (stored | {"disabled": True}, stored)
    assert await keys.count_documents({}) == 0


async def test_keys_are_listed_for_scripts(admin: Admin, keys: Any) -> None:
    admin("keys", "create", "--name", "x", "--system")
    stored = await keys.find_one()

    done = admin("keys", "list", "--json")

    (listed,) = json.loads(done.stdout)
    assert listed.keys() == {
        "id", "name", "system", "user_id", "created", "disabled", "expires", "made_by", "quota",
        "former_expires", "used",
    }  # fmt: skip
    assert (listed["id"], listed["name"], listed["system"]) == (str(stored["_id"]), "x", True)
    assert listed["created"] == f"{stored['created']:%Y-%m-%dT%H:%M:%S.%f}Z"


async def test_a_key_is_made_with_an_end_for_scripts(admin: Admin, keys: Any) -> None:
    before = datetime.now(UTC)

    made = admin("keys", "create", "--name", "x", "--expires", "90d", "--by", "ann", "--json")
    listed, shown = admin("keys", "list"), admin("keys", "show", json.loads(made.stdout)["id"])

    told, stored = json.loads(made.stdout), await keys.find_one()
    assert stored["hash"] == keys_._hash(told["key"])
    assert timedelta() <= stored["expires"].replace(tzinfo=UTC) - before - timedelta(days=90) < timedelta(minutes=5)
    assert (told["id"], told["made_by"]) == (str(stored["_id"]), "ann")
    assert listed.stdout.splitlines()[1].rstrip().endswith(f"until {stored['expires']:%Y-%m-%d}")
    members = dict(line.split(maxsplit=1) for line in shown.stdout.replace("Created by", "By").splitlines())
    assert members["By"].rstrip() == "ann"
    assert members["Ends"].rstrip() == f"{stored['expires']:%Y-%m-%d %H:%M} UTC"
    assert told["key"] not in listed.stdout + shown.stdout
    assert stored["hash"] not in shown.stdout


async def test_a_key_is_rotated_and_both_secrets_count_meanwhile(mongod: Mongod, tmp_path: Any, keys: Any) -> None:
    env = {"MONGO_DB_URI": mongod.uri, "DOZEN_DATABASE": "operated"}
    first = called("keys", "create", "--system", "-n", "x", **env).stdout.strip()
    key_id = str((await keys.find_one())["_id"])

    async def statuses(server: Server, *given: str) -> list[int]:
        return [
            (await server.request("POST", ACTION + "find", {"apiKey": each}, request_body())).status for each in given
        ]

    async with Server(tmp_path / "log", AUTH_CACHE_SECONDS="0", **env) as server:
        rotated = called("keys", "rotate", key_id, "--keep", "7d", **env)
        second = rotated.stdout.strip()
        kept = await statuses(server, first, second)
        shown, listed = called("keys", "show", key_id, **env), called("keys", "list", **env)
        third = json.loads(called("keys", "rotate", key_id, "--keep", "1h", "--json", **env).stdout)
        all_three = await statuses(server, first, second, third["key"])
        await keys.update_one({}, {"$set": {"former.0.expires": datetime.now(UTC)}})
        without_first = await statuses(server, first, second, third["key"])
        last = called("keys", "rotate", key_id, "--yes", **env).stdout.strip()
        alone = await statuses(server, first, second, third["key"], last)
        called("keys", "rotate", key_id, "--keep", "1h", **env)
        called("keys", "disable", key_id, **env)
        disabled = await statuses(server, last)

    assert (kept, all_three, without_first) == ([200, 200], [200, 200, 200], [401, 200, 200])
    assert (alone, disabled) == ([401, 401, 401, 200], [401])
    assert rotated.stderr.startswith("the secret that the key had works until ")
    assert "its old secret, until " in shown.stdout
    assert (third["id"], len(third["former_expires"])) == (key_id, 2)
    assert [secret for secret in (first, second) if secret in shown.stdout + listed.stdout] == []


async def test_what_cannot_be_rotated_stays_as_it_is(admin: Admin, keys: Any) -> None:
    _, stored = keys_.new_key("x")
    await keys.insert_one(stored | {"expires": datetime.now(UTC) - timedelta(seconds=1)})
    before = await keys.find_one()

    ended = admin("keys", "rotate", str(stored["_id"]), "--keep", "7d")
    unasked = admin("keys", "rotate", str(stored["_id"]))

    assert (ended.returncode, ended.stderr) == (1, f"error: the key {stored['_id']} has ended: make another one\n")
    assert (unasked.returncode, unasked.stdout) == (2, "")
    assert await keys.find_one() == before


async def test_a_key_that_has_ended_is_listed_as_such(admin: Admin, keys: Any) -> None:
    _, stored = keys_.new_key("x")
    await keys.insert_one(stored | {"expires": datetime.now(UTC) - timedelta(seconds=1)})

    assert admin("keys", "list").stdout.splitlines()[1].split()[-1] == "ended"
    assert admin("keys", "show", str(stored["_id"])).stdout.split()[-2:] == ["State", "ended"]


@pytest.mark.parametrize("text", ["", "90", "0d", "d", "-1d", "1.5d", "1y", "99999w", "٣d", "1d "])
async def test_what_is_no_span_of_time_makes_no_key(admin: Admin, keys: Any, text: str) -> None:
    done = admin("keys", "create", "--name", "x", "--expires", text)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --expires: {text!r} is no span of time such as 30m, 12h, 90d or 4w\n"
    assert await keys.count_documents({}) == 0


async def test_nothing_is_deleted_unasked(admin: Admin, keys: Any) -> None:
    admin("keys", "create", "--name", "x")
    stored = await keys.find_one()

    done = admin("keys", "delete", str(stored["_id"]))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: this needs --yes, because nobody can be asked here\n"
    assert await keys.count_documents({}) == 1


async def test_a_list_is_not_cut_where_no_terminal_is(admin: Admin, keys: Any) -> None:
    admin("keys", "create", "--name", "x" * 100)

    assert "x" * 100 in admin("keys", "list").stdout


async def test_rows_fit_a_terminal_of_80_columns_with_whole_ids(mongod: Mongod, keys: Any) -> None:
    user_id = ObjectId()
    _, stored = keys_.new_key("a name that is longer than all the rest of its line", user_id=user_id)
    stored |= {"expires": datetime.now(UTC) + timedelta(days=90), "used": datetime.now(UTC)}
    inserted = await keys.insert_one(stored)

    shown = on_a_terminal("keys", "list", MONGO_DB_URI=mongod.uri, DOZEN_DATABASE="operated")
    told = on_a_terminal("keys", "show", str(inserted.inserted_id), MONGO_DB_URI=mongod.uri, DOZEN_DATABASE="operated")

    texts = without_colours(shown).splitlines()
    assert max(map(len, texts)) <= 80
    assert str(inserted.inserted_id) in shown
    assert f"until {stored['expires']:%Y-%m-%d}" in shown
    assert f"user {user_id}" in told


async def test_a_created_key_opens_the_service_until_it_is_disabled(mongod: Mongod, tmp_path: Any, keys: Any) -> None:
    env = {"MONGO_DB_URI": mongod.uri, "DOZEN_DATABASE": "operated"}
    async with Server(tmp_path / "log", AUTH_CACHE_SECONDS="0", **env) as server:
        key = called("keys", "create", "--system", "-n", "x", **env).stdout.strip()
        opened = await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())
        called("keys", "disable", str((await keys.find_one())["_id"]), **env)
        closed = await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert (opened.status, closed.status) == (200, 401)


@pytest.mark.parametrize(
    "command",
    [("disable",), ("enable",), ("delete", "--yes"), ("show",), ("rotate", "--yes")],
    ids=lambda each: each[0],
)
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        pytest.param("65a1b2c3d4e5f60718293a4b", "there is no key 65a1b2c3d4e5f60718293a4b", id="of no key"),
        pytest.param("x", "'x' is not a key's id: those have 24 hexadecimal digits", id="too short"),
        pytest.param("[/]", "'[/]' is not a key's id: those have 24 hexadecimal digits", id="markup"),
        pytest.param(
            "a" * 100, f"'{'a' * 100}' is not a key's id: those have 24 hexadecimal digits", id="longer than a line"
        ),
    ],
)
async def test_a_wrong_id_is_one_sentence(
    admin: Admin, keys: Any, command: tuple[str, ...], given: str, sentence: str
) -> None:
    await keys.insert_one({"_id": ObjectId(), "name": "other", "disabled": False})

    done = admin("keys", *command, given)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {sentence}\n")
    assert await keys.count_documents({"disabled": False}) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("create", "--name", "x"), id="create"),
        pytest.param(("list",), id="list"),
        pytest.param(("disable", "65a1b2c3d4e5f60718293a4b"), id="disable"),
        pytest.param(("delete", "65a1b2c3d4e5f60718293a4b", "--yes"), id="delete"),
    ],
)
def test_without_settings_it_ends_with_2_and_one_sentence(arguments: tuple[str, ...]) -> None:
    done = told(run(("keys", *arguments), {}, ROOT))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no MongoDB is configured: set MONGO_DB_URI, or MONGO_DB_HOST\n"


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        pytest.param(
            "mongodb://u:planted@127.0.0.1:1/?serverSelectionTimeoutMS=200",
            f"MongoDB cannot be reached\n{DOCTOR}", id="away",
        ),
        pytest.param(
            "mongodb://u:planted@h:planted/",
            "the connection to MongoDB is not configured correctly: "
            "MONGO_DB_URI is not a connection string that the driver understands", id="malformed",
        ),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_used_is_told_in_words(uri: str, sentence: str) -> None:
    done = called("keys", "list", MONGO_DB_URI=uri, MONGO_DB_TIMEOUT_MS="3000")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {sentence}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("--help",), ("keys", "--version", "docs/settings.md"), id="admin"),
        pytest.param(("keys", "--help"), ("create", "list", "disable", "delete"), id="keys"),
        pytest.param(("keys", "create", "--help"), ("--name", "hash"), id="create"),
        pytest.param(("keys", "disable", "--help"), ("ID", "AUTH_CACHE_SECONDS"), id="disable"),
    ],
)
def test_help_needs_no_settings(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = called(*arguments, COLUMNS="120")

    assert done.returncode == 0
    assert [word for word in words if word not in done.stdout] == []


@pytest.mark.parametrize("arguments", [(), ("keys",)], ids=["admin", "keys"])
def test_without_a_command_the_help_is_shown(arguments: tuple[str, ...]) -> None:
    done = called(*arguments)

    assert done.returncode == 2
    assert "Usage" in done.stdout + done.stderr


def test_a_name_is_needed_and_nothing_is_made_without(admin: Admin) -> None:
    done = admin("keys", "create")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--name" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_shown() -> None:
    assert told(run(("--version",), {}, ROOT)).stdout == f"{VERSION}\n"
