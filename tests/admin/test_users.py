"""python -m admin users, sessions, app and access: the command line of who may do what."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from shared.auth.users import _new
from tests.admin.conftest import Told, call, told
from tests.admin.test_keys import on_a_terminal, without_colours
from tests.functions.rules.conftest import SETTINGS
from tests.hosts import ROOT


class Admin:
    """Calls the command with the exported app and a control database of its own."""

    def __init__(self, uri: str) -> None:
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("MONGO_DB_")}
        self.env |= SETTINGS | {"MONGO_DB_URI": uri, "DOZEN_DATABASE": "managed", "COLUMNS": "200", "NO_COLOR": "1"}

    def __call__(self, *arguments: str, stdin: str = "", **env: Any) -> Told:
        return told(call(arguments, self.env | env, ROOT, stdin.encode()))


@pytest.fixture
async def admin(mongod: Mongod, driver: Any) -> Admin:
    """The command, with nobody registered."""
    for name in await driver.managed.list_collection_names():
        await driver.managed[name].delete_many({})
    return Admin(mongod.uri)


async def test_the_life_of_a_user(admin: Admin, driver: Any) -> None:
    made = admin("users", "create", "--email", "a@b", "--password", "secret words")
    user_id = made.stdout.strip()
    again = admin("users", "create", "--email", "a@b", "--password", "secret words")
    short = admin("users", "create", "--email", "c@d", "--password", "x")
    key = admin("keys", "create", "--name", "phone", "--user", user_id)
    listed = admin("users", "list")
    key_id = json.loads(admin("keys", "list", "--json").stdout)[0]["id"]
    shown = admin("keys", "show", key_id)
    disabled = admin("users", "disable", user_id)
    state = admin("users", "list")
    enabled = admin("users", "enable", user_id)
    token = admin("users", "reset-password", "--email", "a@b")
    set_ = admin("users", "reset-password", "--email", "a@b", "--password", "other words")
    confirmation = admin("users", "confirmation", "--email", "a@b")
    deleted = admin("users", "delete", user_id, "--yes")

    assert len(user_id) == 24
    assert (again.returncode, again.stderr) == (1, "error: there is a user with the address a@b already\n")
    assert (short.returncode, short.stderr) == (1, "error: password must be between 6 and 128 characters\n")
    assert (key.returncode, len(key.stdout.strip())) == (0, 64)
    assert "local-userpass a@b" in listed.stdout
    assert f"user {user_id}" in shown.stdout
    assert (disabled.returncode, enabled.returncode) == (0, 0)
    assert "disabled" in state.stdout
    assert [len(part) for part in token.stdout.split()] == [128, 24]
    assert set_.returncode == 0
    assert len(confirmation.stdout.split()) == 2
    assert deleted.returncode == 0
    assert await driver.managed.users.count_documents({}) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("users", "disable", "65a1b2c3d4e5f60718293a4b"), "there is no user 65a1b2c3d4e5f60718293a4b"),
        (("users", "enable", "x"), "there is no user x"),
        (("users", "delete", "x", "--yes"), "there is no user with the address x"),
        (("users", "confirmation", "--email", "x@y"), "there is no user with the address x@y"),
        (("users", "show", "x"), "there is no user with the address x"),
        (("users", "show", "65a1b2c3d4e5f60718293a4b"), "there is no user 65a1b2c3d4e5f60718293a4b"),
        (("sessions", "list", "x"), "'x' is not a user's id: those have 24 hexadecimal digits"),
        (("sessions", "revoke", "x"), "'x' is not a user's id: those have 24 hexadecimal digits"),
        (
            ("keys", "create", "-n", "k", "--user", "65a1b2c3d4e5f60718293a4b"),
            "there is no user 65a1b2c3d4e5f60718293a4b",
        ),
        (
            ("access", "explain", "--user", "x", "--action", "find", "--namespace", "a.b"),
            "there is no user and no key x",
        ),
    ],
)
async def test_a_failure_is_one_sentence(admin: Admin, arguments: tuple[str, ...], sentence: str) -> None:
    done = admin(*arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {sentence}")


async def test_a_password_comes_from_standard_input_and_is_never_waited_for(admin: Admin) -> None:
    unasked = admin("users", "create", "--email", "a@b")
    made = admin("users", "create", "--email", "a@b", "--password-stdin", stdin="secret words\n")
    both = admin("users", "create", "--email", "a@b", "--password-stdin", "--password", "x")
    listed = admin("users", "list", "--json")

    assert (unasked.returncode, unasked.stdout) == (2, "")
    assert "--password-stdin" in unasked.stderr
    assert (made.returncode, len(made.stdout)) == (0, 25)
    assert both.returncode == 2
    (user,) = json.loads(listed.stdout)
    assert user["id"] == made.stdout.strip()
    assert user["identities"] == [{"provider_type": "local-userpass", "id": "a@b"}]


async def test_sessions_are_revoked(admin: Admin) -> None:
    done = admin("sessions", "revoke", "65a1b2c3d4e5f60718293a4b")

    assert (done.returncode, done.stderr) == (0, "0 sessions of 65a1b2c3d4e5f60718293a4b ended\n")


async def test_an_app_is_checked(admin: Admin, tmp_path: Any) -> None:
    (tmp_path / "root_config.json").write_text('{"name": 5}')

    good = admin("app", "check")
    bad = admin("app", "check", str(tmp_path))
    as_json = admin("app", "check", str(tmp_path), "--json")
    without = admin("app", "check", APP_CONFIG_DIR="")
    no_database = admin("app", "check", str(ROOT / "tests" / "apps" / "shop"), MONGO_DB_URI="")

    assert good.returncode == 0
    assert "The app can be served. Providers: anon-user, api-key, local-userpass, custom-token." in good.stdout
    assert "Functions: echo." in good.stdout
    assert "Data source 'mongodb-atlas': 5 collections with rules, with default rules, 2 schemas." in good.stdout
    assert (bad.returncode, bad.stderr) == (1, "error: the app cannot be served: 1 problem to correct\n")
    assert bad.stdout == (
        "To correct, as the app is not served before:\n1. root_config.json at name\n   'name' must be a text\n"
        "   -> every call is refused with 503 until this is corrected\n1 problem, 0 warnings, 0 unsupported\n"
    )
    assert as_json.returncode == 1
    (finding,) = json.loads(as_json.stdout).pop("findings")
    assert finding["sentence"] == "'name' must be a text"
    assert finding["effect"] == "every call is refused with 503 until this is corrected"
    totals = {name: total for name, total in json.loads(as_json.stdout).items() if name != "findings"}
    assert totals == {"servable": False, "problems": 1, "warnings": 0, "unsupported": 0}
    assert good.stdout.endswith("\n0 problems, 0 warnings, 0 unsupported\n")
    assert without.returncode == 2
    assert no_database.returncode == 0


async def test_the_check_names_endpoints_and_those_that_anybody_may_call(admin: Admin) -> None:
    checked = admin("app", "check", str(ROOT / "tests" / "apps" / "greeter"), APP_SECRET_SECRET_PASSWORD="s")

    assert "\nEndpoints: POST /custom, POST /hello, GET /hello/latest, GET /passwordRequired, " in checked.stdout
    assert "\nAnybody may call, without credentials, secret or signature: * /visits, PUT /visits.\n" in checked.stdout


@pytest.mark.parametrize(
    ("administer", "whom"),
    [(True, "Every caller may"), ({"%%user.type": "normal"}, "Callers for whom 'administer' in dozen.json holds may")],
    ids=str,
)
async def test_the_check_says_whom_an_app_lets_administer(
    admin: Admin, tmp_path: Path, administer: Any, whom: str
) -> None:
    folder = shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop")
    nobody = admin("app", "check", str(folder))
    (folder / "dozen.json").write_text(json.dumps({"administer": administer}))

    checked = admin("app", "check", str(folder))

    sentence = "administer the collections of which a role allows everything."
    assert sentence not in nobody.stdout
    assert f"\n{whom} {sentence}\n" in checked.stdout


async def made_users(driver: Any) -> list[dict[str, Any]]:
    """Store three users, of whom the second is a year old."""
    now = datetime.now(UTC)
    stored = [
        _new("local-userpass", "Ann.x@shop.example", {"email": "Ann.x@shop.example"}),
        _new("oauth2-google", "1234", {"email": "annax@other.example"}) | {"created": now - timedelta(days=365)},
        _new("anon-user", "0" * 24, {}) | {"expires": now + timedelta(days=1)},
    ]
    await driver.managed.users.insert_many(stored)
    return stored


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), [0, 1, 2]),
        (("--email", "ann"), [0, 1]),
        (("--email", "ANN.X@shop.example"), [0]),
        (("--email", ".*"), []),
        (("--provider", "anon-user"), [2]),
        (("--provider", "custom-token"), []),
        (("--since", "7d"), [0, 2]),
        (("--since", "2020-01-01"), [0, 1, 2]),
        (("--limit", "2"), [1, 2]),
        (("--since", "7d", "--limit", "1", "--email", "@"), [0]),
    ],
    ids=str,
)
async def test_users_are_found(admin: Admin, driver: Any, options: tuple[str, ...], found: list[int]) -> None:
    stored = await made_users(driver)

    listed = admin("users", "list", *options, "--json")

    assert [each["id"] for each in json.loads(listed.stdout)] == [str(stored[number]["_id"]) for number in found]


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "9999-12-31T23:59:59-12:00"),
        ("--since", "x"),
        ("--since", "0d"),
        ("--provider", "x"),
        ("--limit", "0"),
    ],
    ids=str,
)
async def test_who_cannot_be_asked_for_is_said(admin: Admin, options: tuple[str, str]) -> None:
    done = admin("users", "list", *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert options[0] in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_user_is_shown_by_id_and_by_address(admin: Admin, driver: Any) -> None:
    stored, *_ = await made_users(driver)
    admin("keys", "create", "--name", "phone", "--user", str(stored["_id"]))
    begun = {"user_id": stored["_id"], "provider_type": "oauth2-facebook", "created": datetime.now(UTC), "hash": "a"}
    ends = datetime.now(UTC) + timedelta(days=1)
    await driver.managed.sessions.insert_many(
        [begun | {"expires": ends}, begun | {"expires": datetime.now(UTC), "hash": "b"}]
    )

    by_id, by_address = admin("users", "show", str(stored["_id"])), admin("users", "show", "Ann.x@shop.example")
    told = json.loads(admin("users", "show", str(stored["_id"]), "--json").stdout)
    sessions, of_nobody = admin("sessions", "list", str(stored["_id"])), admin("sessions", "list", "0" * 24)
    (session,) = json.loads(admin("sessions", "list", str(stored["_id"]), "--json").stdout)

    assert by_id.stdout == by_address.stdout
    assert "local-userpass Ann.x@shop.example" in by_id.stdout
    assert (told["data"], told["keys"], told["sessions"]) == ({"email": "Ann.x@shop.example"}, 1, 1)
    header, row = sessions.stdout.splitlines()
    assert max(len(header), len(row)) <= 80
    assert row.split()[:2] == [session["id"], "oauth2-facebook"]
    assert row.rstrip().endswith(f"{ends:%Y-%m-%d %H:%M}")
    assert "hash" not in session
    assert (of_nobody.returncode, of_nobody.stderr) == (1, f"error: there is no user {'0' * 24}\n")


async def test_rows_of_users_fit_a_terminal_of_80_columns(mongod: Mongod, admin: Admin, driver: Any) -> None:
    stored = await made_users(driver)
    await driver.managed.users.update_many({}, {"$set": {"confirmed": False, "identities.0.id": "a" * 200}})

    shown = on_a_terminal("users", "list", MONGO_DB_URI=mongod.uri, DOZEN_DATABASE="managed")

    lines = without_colours(shown).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line[:1].strip() and "not confirmed" in line] == [
        str(each["_id"]) for each in stored
    ]


async def test_no_name_does_anything_to_the_terminal(admin: Admin, driver: Any) -> None:
    user = admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()
    refused = admin("keys", "create", "--name", "a\x1b[2Jb")
    admin("keys", "create", "--name", "plain")
    hostile = "a\x1b[2J\u202eb\nc"  # as an earlier version stored it
    await driver.managed.users.update_one({}, {"$set": {"identities.0.id": hostile}})
    await driver.managed.api_keys.update_one({}, {"$set": {"name": hostile}})

    users, keys = admin("users", "list"), admin("keys", "list")
    missing = admin("users", "confirmation", "--email", f"not {hostile}")

    assert (refused.returncode, refused.stderr) == (1, "error: a key's name must not hold control characters\n")
    assert r"a\x1b[2J\u202eb\nc" in users.stdout
    assert r"a\x1b[2J\u202eb\nc" in keys.stdout
    assert user in users.stdout
    assert missing.stderr == "error: there is no user with the address not a\\x1b[2J\\u202eb\nc\n"
    assert not {"\x1b", "\u202e"} & set(users.stdout + keys.stdout + missing.stderr)


async def test_a_decision_is_explained(admin: Admin) -> None:
    user = admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()
    document = '{"_id": 1, "owner": "u2", "visible": true, "title": "t", "secret": 1}'
    explain = ("access", "explain", "--user", user, "--namespace", "shop.orders")

    read = admin(*explain, "--action", "find", "--document", document)
    deleted = admin(*explain, "--action", "deleteOne", "--document", document)
    without = admin(*explain, "--action", "find", "--json")
    broken = admin(*explain, "--action", "find", "--document", "{")

    assert read.returncode == 0
    assert "role 'auditor' applies to no document for this caller" in read.stdout
    assert "for this document, role 'visitor' is the first that applies" in read.stdout
    assert "readable: title" in read.stdout
    assert deleted.stdout.endswith("\ndenied by role 'visitor': field '_id' is not writable\n")
    assert "MongoDB is asked for at least the visible documents" in json.loads(without.stdout)["steps"][-1]
    assert broken.returncode == 2


async def test_what_refuses_every_call_is_explained(admin: Admin) -> None:
    user = admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()
    admin("keys", "create", "--name", "of the user", "--user", user)
    admin("keys", "create", "--name", "by itself")
    admin("keys", "create", "--name", "system", "--system")
    of_user, by_itself, system = (key["id"] for key in json.loads(admin("keys", "list", "--json").stdout))

    def explain(who: str) -> Told:
        return admin("access", "explain", "--user", who, "--namespace", "shop.orders", "--action", "find")

    working, as_user, alone, ruleless = explain(user), explain(of_user), explain(by_itself), explain(system)
    admin("users", "disable", user)
    for key in (of_user, by_itself):
        admin("keys", "disable", key)
    disabled, both, key_only = explain(user), explain(of_user), explain(by_itself)

    of_a_user, of_a_key = (f"the {what} is disabled: every call is refused with 401" for what in ("user", "key"))
    steps, of_the_key = (each.stdout.rpartition("allowed: ")[0] for each in (working, alone))
    assert as_user.stdout == working.stdout
    assert "every call" not in working.stdout + alone.stdout
    assert (ruleless.returncode, ruleless.stdout) == (0, "allowed: no rules apply to a system key\n")
    assert disabled.stdout == f"{of_a_user}\n{steps}denied: {of_a_user}\n"
    assert both.stdout == f"{of_a_key}\n{of_a_user}\n{steps}denied: {of_a_key}\n"
    assert key_only.stdout == f"{of_a_key}\n{of_the_key}denied: {of_a_key}\n"
    assert {done.returncode for done in (disabled, both, key_only)} == {1}


async def test_what_the_app_asks_first_is_explained(admin: Admin, tmp_path: Any, database: Any) -> None:
    user = admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()
    folder = shutil.copytree(SETTINGS["APP_CONFIG_DIR"], tmp_path / "shop")
    file = folder / "http_endpoints" / "data_api_config.json"
    members = json.loads(file.read_text()) | {
        "fetch_custom_user_data": False, "can_evaluate": {"%%user.custom_data.team": "red"}
    }  # fmt: skip
    file.write_text(json.dumps(members))
    await database.people.insert_one({"_id": "explained", "user_id": user, "team": "red"})

    done = admin(
        "access", "explain", "--user", user, "--namespace", "shop.orders", "--action", "find",
        APP_CONFIG_DIR=str(folder),
    )  # fmt: skip

    with_token, _, with_header = done.stdout.partition("\nwith credentials in headers, ")
    assert with_token.startswith("with an access token")
    assert "can_evaluate" not in with_token
    assert "the app's 'can_evaluate' is not true for this caller: every call is refused with 403" in with_header
    *_, last = with_header.splitlines()
    assert last.startswith("denied: the app's 'can_evaluate' is not true for this caller")
    assert last.endswith(" (with credentials in headers, for which fetch_custom_user_data is off)")


async def test_a_data_source_without_a_connection_is_said(admin: Admin, mongod: Mongod) -> None:
    user = admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()

    done = admin(
        "access", "explain", "--user", user, "--namespace", "shop.orders", "--action", "find",
        "--data-source", "nowhere", MONGO_DB_URI__REPORTS=mongod.uri,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: there is no data source 'nowhere': every call is refused with 400\n"


async def test_a_change_is_explained_and_nothing_is_written(admin: Admin, driver: Any) -> None:
    user = admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()
    document = '{"_id": 1, "owner": "u2", "visible": true, "title": "t", "votes": 1, "secret": 1}'
    explain = ("access", "explain", "--user", user, "--namespace", "shop.orders", "--document")
    before = await contents(driver)

    allowed = admin(*explain, document, "--update", '{"$inc": {"votes": 1}}')
    denied = admin(*explain, document, "--update", '{"$set": {"title": "x"}, "$inc": {"votes": 1}}')
    hidden = admin(*explain, document, "--action", "updateMany", "--update", '{"$unset": {"secret": ""}}')
    piped = admin(*explain, document, "--update", '[{"$set": {"votes": {"$add": ["$votes", 1]}}}]')
    own = f'{{"_id": 1, "owner": "{user}", "lines": [{{"sku": "A"}}]}}'
    element = admin(
        *explain, own, "--update", '{"$set": {"lines.$[x].sku": "B"}}', "--array-filters", '[{"x.sku": "A"}]'
    )
    replaced = admin(*explain, own, "--replacement", f'{{"owner": "{user}", "total": -1}}')
    deleted = admin(*explain, own, "--delete")

    assert "the update names votes\n  allowed by role 'visitor': what the call names is readable" in allowed.stdout
    assert (
        "MongoDB makes this change of it\n  votes: 1 -> 2\n  votes may be written\nthe schema holds" in allowed.stdout
    )
    assert allowed.stdout.endswith("\nallowed by role 'visitor': what changes is writable\n")
    assert "  title may not be written\n  votes may be written\n" in denied.stdout
    assert denied.stdout.endswith("\ndenied by role 'visitor': field 'title' is not writable\n")
    assert "denied by role 'visitor': field 'secret' is not readable" in hidden.stdout
    assert "the update is a pipeline" in piped.stdout
    assert "lines: [{'sku': 'A'}] -> [{'sku': 'B'}]\n  lines may be written\n" in element.stdout
    assert "the schema refuses it: " in replaced.stdout
    assert replaced.stdout.endswith("\ndenied by role 'owner': the schema refuses it\n")
    assert "denied by role 'owner': field '_id' is not writable" in deleted.stdout
    assert [done.returncode for done in (allowed, denied, hidden, piped)] == [0, 1, 1, 1]
    assert [done.returncode for done in (element, replaced, deleted)] == [0, 1, 1]
    assert await contents(driver) == before


async def contents(driver: Any) -> dict[str, list[str]]:
    """Everything but the users whom the test itself makes."""
    names = [name for name in await driver.list_database_names() if name not in {"admin", "config", "local"}]
    return {name: sorted(await driver[name].list_collection_names()) for name in names} | {
        f"{name}.{each}": [repr(found) async for found in driver[name][each].find().sort("_id").limit(50)]
        for name in names
        for each in await driver[name].list_collection_names()
    }


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--update", "{}"), "a change is made of a document: give --document"),
        (("--update", "{", "--document", "{}"), "--update: invalid JSON: unexpected end of data: line 1 column 2"),
        (("--update", "{}", "--array-filters", "[", "--document", "{}"), "--array-filters: invalid JSON: "),
        (("--update", '{}, "x": {}', "--document", "{}"), "--update: invalid JSON: "),
        (("--replacement", "[]", "--document", "{}"), "--replacement: invalid JSON: it must be an object"),
        (("--action", "find", "--document", '{"a":'), "--document: invalid JSON: unexpected end of data"),
        (("--update", '{"a": 1}', "--document", "{}"), "--update must hold update operators only"),
        (("--update", "{}", "--document", "{}"), "--update must hold update operators only"),
        (("--replacement", '{"$set": {}}', "--document", "{}"), "--replacement must not hold update operators"),
        (("--update", "1", "--document", "{}"), "--update is an object or a pipeline, --array-filters an array"),
        (("--update", "{}", "--delete", "--document", "{}"), "give one of --update, --replacement and --delete"),
        (("--action", "find", "--delete", "--document", "{}"), "--action find is not what the other options ask"),
        ((), "'' is not an action"),
        (("--action", "count"), "'count' is not an action"),
    ],
)
async def test_a_change_that_cannot_be_explained_is_one_sentence(
    admin: Admin, options: tuple[str, ...], sentence: str
) -> None:
    user = admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()

    done = admin("access", "explain", "--user", user, "--namespace", "shop.tickets", *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {sentence}")


async def test_a_change_that_mongodb_refuses_is_one_sentence(admin: Admin) -> None:
    user = admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()
    explain = ("access", "explain", "--user", user, "--namespace", "shop.tickets")

    document = f'{{"members": ["{user}"], "state": "open"}}'

    done = admin(*explain, "--update", '{"$nonsense": {"a": 1}}', "--document", document)

    assert done.returncode == 1
    assert "\nMongoDB refuses the change: (FailedToParse) Unknown modifier: $nonsense" in done.stdout
    assert done.stdout.endswith("\ndenied by role 'member': MongoDB refuses the change\n")
