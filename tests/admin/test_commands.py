"""What holds for all commands: what they say of a change, JSON, 80 columns, what others have stored."""

import ast
import json
import os
import re
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from rich.cells import cell_len

from local.mongod import Mongod
from tests.admin.conftest import Told, call, shown_on, told
from tests.admin.test_help import EVERY
from tests.hosts import ROOT


def on_80_columns(arguments: list[str], env: dict[str, str], columns: int = 80) -> str:
    """Run a command on a terminal of so many columns and return what it shows there, without colours."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    command = [sys.executable, "-m", "admin", *arguments]
    shown_here = {**env, "COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=ROOT, env=shown_here, stdout=theirs)
    os.close(theirs)
    shown = shown_on(ours).decode()
    process.wait(60)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


def answered_no(arguments: list[str], env: dict[str, str]) -> tuple[bytes, int]:
    """Run a command on a terminal, say no to what it asks, and return the question with the exit code."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "admin", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    asked = b""
    while b"?" not in asked:
        asked += os.read(ours, 65536)
    os.write(ours, b"n\n")
    process.wait(30)
    os.close(ours)
    return asked, process.returncode


WITHOUT_JSON = {
    "triggers run": "its lines of the log are JSON",
    "functions run": "what it prints is what the function returned, as Extended JSON",
    "users export": "each of its lines is JSON",
    "openapi": "what it prints is JSON",
    "connector": "what it prints is JSON",
    "postman": "what it prints is JSON",
}
READS = {
    "access explain", "connector", "openapi", "postman", "app check", "calls", "collections list", "doctor", "export",
    "functions list", "functions run", "indexes list", "keys list",
    "keys show", "replay", "sessions list", "triggers list", "triggers run", "triggers status", "users export",
    "users list",
    "users show",
}  # fmt: skip
KEY, USER, TOKEN = "6b08dea7a0b77fc087d71b36", "65a1b2c3d4e5f60718293a4b", r"\S{20,} \S{20,}"
CHANGES = {
    "keys create": (("--name", "x"), r"\S{64}\nthe key 'x' \([0-9a-f]{24}\) is made"),
    "keys rotate": ((KEY, "--yes"), "the secret that it had ended"),
    "keys quota": ((KEY, "calls=5/min"), r"the key 'sensor' \(6b08\w+\) has the quota calls=5/min"),
    "keys disable": ((KEY,), r"the key 'sensor' \(6b08dea7a0b77fc087d71b36\) is disabled"),
    "keys enable": ((KEY,), r"the key 'sensor' \(6b08dea7a0b77fc087d71b36\) is enabled"),
    "keys delete": ((KEY, "--yes"), r"the key 'sensor' \(6b08dea7a0b77fc087d71b36\) is deleted"),
    "users create": (("--email", "new@shop.example", "--password", "secret"), r"[0-9a-f]{24}"),
    "users import": (("-",), "users: 0 imported"),
    "users disable": ((USER,), r"the user local-userpass ann@shop.example \(65\w+\) is disabled, and 1 session ended"),
    "users enable": ((USER,), r"the user local-userpass ann@shop.example \(65\w+\) is enabled"),
    "users delete": ((USER, "--yes"), r"the user .* \(65\w+\) is deleted, with 0 keys and 1 session"),
    "users confirmation": (("--email", "ann@shop.example"), TOKEN),
    "users reset-password": (("--email", "ann@shop.example"), TOKEN),
    "sessions revoke": ((USER,), "1 session of 65a1b2c3d4e5f60718293a4b ended"),
    "logins unlock": (("--email", "a"), "failed logins of a count anew within 5 seconds"),
    "indexes create": (("--namespace", "shop.items", "b"), "b_1"),
    "indexes drop": (("a_1", "--namespace", "shop.items", "--yes"), "the index a_1 of shop.items is dropped"),
    "import": (("--namespace", "shop.items", "--in", "-"), "0 documents for shop.items"),
    "sample load": (("--database", "shop"), "451 documents loaded into shop|551 documents loaded into shop"),
    "app init": (("FOLDER",), "wrote .*/first/root_config.json"),
    "triggers resume": (("onOrder",), "the trigger 'onOrder' runs again as soon as a process has it"),
}

type Admin = Callable[..., Told]


@pytest.fixture
async def stored(driver: Any, database: Any) -> Any:
    """A control database with a key, a user, a session and a suspended trigger, and a collection with an index."""
    await driver.drop_database("commanded")
    control = driver.commanded
    now = datetime.now(UTC)
    await control.api_keys.insert_one(
        {"_id": ObjectId(KEY), "name": "sensor", "hash": "h", "created": now, "disabled": False, "system": True}
    )
    identity = {"id": "ann@shop.example", "provider_type": "local-userpass", "provider_id": "p"}
    await control.users.insert_one(
        {"_id": ObjectId(USER), "identities": [identity], "data": {"email": "ann@shop.example"}, "disabled": False,
         "confirmed": True, "created": now, "type": "normal"}
    )  # fmt: skip
    await control.sessions.insert_one(
        {"user_id": ObjectId(USER), "provider_type": "local-userpass", "created": now, "hash": "s",
         "expires": datetime(2100, 1, 1, tzinfo=UTC)}
    )  # fmt: skip
    await control.triggers.insert_one({"_id": "onOrder", "suspended": {"reason": "a"}, "stored": now})
    await database.items.create_index("a")
    yield control
    await driver.drop_database("commanded")


@pytest.fixture
def env(mongod: Mongod) -> dict[str, str]:
    """The settings, with an app that has triggers and functions."""
    return {
        "MONGO_DB_URI": mongod.uri,
        "DOZEN_DATABASE": "commanded",
        "APP_CONFIG_DIR": str(ROOT / "tests" / "apps" / "bakery"),
        "APP_SECRET_HOOK_KEY": "k",
        "APP_SECRET_REPORT_KEY": "k",
        "COLUMNS": "120",
    }


@pytest.fixture
def admin(env: dict[str, str], tmp_path: Path) -> Admin:
    """Run a command, with nothing on its standard input; a FOLDER is a new one."""
    folder = str(tmp_path / "first")
    return lambda *words: told(call(tuple(folder if each == "FOLDER" else each for each in words), env, ROOT))


def test_a_command_is_known_as_one_that_reads_or_one_that_changes() -> None:
    assert READS.isdisjoint(CHANGES)
    assert READS | CHANGES.keys() == EVERY.keys()


@pytest.mark.parametrize("name", EVERY)
def test_a_command_prints_json_for_scripts(name: str) -> None:
    options = {option for parameter in EVERY[name].params for option in parameter.opts}

    assert ("--json" in options) != (name in WITHOUT_JSON)


@pytest.mark.parametrize("name", CHANGES)
async def test_a_command_says_what_it_changed(stored: Any, admin: Admin, name: str) -> None:
    arguments, sentence = CHANGES[name]
    done = admin(*name.split(), *arguments)

    assert done.returncode == 0, done.stderr
    assert re.search(sentence, done.stdout + done.stderr)


@pytest.mark.parametrize("name", CHANGES)
async def test_what_a_command_changed_is_one_json_document(stored: Any, admin: Admin, name: str) -> None:
    arguments, _ = CHANGES[name]
    done = admin(*name.split(), *arguments, "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("name", ["keys delete", "keys rotate", "users delete", "indexes drop"])
async def test_a_question_names_what_will_be_gone(stored: Any, env: dict[str, str], name: str) -> None:
    arguments, _ = CHANGES[name]
    asked, code = answered_no([*name.split(), *(each for each in arguments if each != "--yes")], env)

    assert re.search(rb"sensor|ann@shop.example|a_1 of shop.items", asked)
    assert code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "list"),
        ("users", "list", "--email", "nobody"),
        ("sessions", "list", USER),
        ("collections", "list", "--database", "nowhere"),
        ("indexes", "list", "--namespace", "nowhere.items"),
    ],
    ids=" ".join,
)
async def test_a_list_of_nothing_says_so(stored: Any, admin: Admin, arguments: tuple[str, ...]) -> None:
    await stored.sessions.delete_many({})
    await stored.api_keys.delete_many({})
    done = admin(*arguments)

    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 1, "nothing to list\n")


@pytest.mark.parametrize("address", ["foo bar", "203.0.113.999", "shop.example", "[/]"])
async def test_what_is_no_address_is_not_unlocked(stored: Any, admin: Admin, address: str) -> None:
    done = admin("logins", "unlock", "--address", address)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --address: {address!r} is no IP address, such as 203.0.113.7\n"
    assert await stored.unlocks.count_documents({}) == 0


@pytest.mark.parametrize(("email", "is_asked"), [("Ann@shop.example", True), ("ann@shop.example", False)])
async def test_an_address_that_nobody_has_is_asked_about(stored: Any, admin: Admin, email: str, is_asked: bool) -> None:
    done = admin("logins", "unlock", "--email", email)

    assert done.returncode == 0
    assert done.stderr.startswith(f"failed logins of {email} count anew within 5 seconds\n")
    assert ("was another meant?" in done.stderr) is is_asked


LONG = "a name that is so long that no terminal has room for it " * 3 + "名前" * 20


@pytest.mark.parametrize(
    "name",
    ["collections list", "keys list", "users list", "users show", "keys show", "sessions list", "indexes list",
     "triggers list", "triggers status", "functions list"],
)  # fmt: skip
async def test_a_row_fits_80_columns(stored: Any, database: Any, env: dict[str, str], name: str) -> None:
    await stored.api_keys.update_one({}, {"$set": {"name": LONG, "used": datetime.now(UTC), "made_by": LONG}})
    await stored.users.update_one({}, {"$set": {"identities.0.id": LONG}})
    await database["c" * 100].insert_one({})
    await database.items.create_index([("x" * 60, 1), ("y" * 60, -1)], partialFilterExpression={"z" * 70: 1})
    whom = {"users show": [USER], "keys show": [KEY], "sessions list": [USER]}
    more = ["--namespace", "shop.items"] * (name == "indexes list")
    shown = on_80_columns([*name.split(), *whom.get(name, []), *more], env)

    assert len(shown.splitlines()) > 1
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert name.partition(" ")[0] not in {"keys", "users"} or re.search(f"{KEY}|{USER}", shown)


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize(
    ("name", "begins"),
    [
        pytest.param("doctor", r"ok {7}|warning  |problem  | {9}(-> |   )?|\d+ problem", id="doctor"),
        pytest.param("app check", r"\d+\. | {3}(-> |   )?|To correct|\d+ problem|(served )?before", id="app check"),
    ],
)
async def test_a_sentence_goes_on_below_its_beginning(
    stored: Any, admin: Admin, env: dict[str, str], name: str, begins: str, columns: int
) -> None:
    wrong = env | {"APP_CONFIG_DIR": str(ROOT / "tests/apps/shop"), "MONGO_DB_URI": f"{env['MONGO_DB_URI']}&w=1"}
    shown = on_80_columns(name.split(), wrong, columns)
    lines = shown.splitlines()

    assert max(map(cell_len, lines)) <= columns
    assert [each for each in lines if each and not re.match(rf"({begins})\S", each)] == []
    assert sum(each.startswith("  ") for each in lines) > sum("->" in each for each in lines)


async def test_reasons_stay_whole_words_and_ids_are_never_cut(tmp_path: Path) -> None:
    reasons = {"NoMatchingRoleFound": 3, "TooManyRequests": 2, "InvalidSession": 1}
    call = {"message": "request", "operation": "findOneAndUpdate", "duration_ms": 12_345.6, "documents": 10**9}
    lines = [
        json.dumps(call | {"status": 403, "error_code": reason, "caller": KEY, "namespace": f"shop.{'n' * 60}"})
        for reason, count in reasons.items() for _ in range(count)
    ]  # fmt: skip
    (tmp_path / "log").write_text("\n".join(lines))
    log = [str(tmp_path / "log")]

    denied = on_80_columns(["calls", *log, "--denied"], dict(os.environ))
    by_key = on_80_columns(["calls", *log, "--slow"], dict(os.environ))

    assert reasons.keys() - set(re.findall(r"\w+", denied)) == set()
    assert max(map(len, denied.splitlines())) <= 80
    assert re.findall(r"\S+", by_key.splitlines()[0]) == [
        "Key", "Calls", "Errors", "Denied", "p50", "ms", "p95", "ms", "Documents",
    ]  # fmt: skip
    assert re.findall(r"\S+", by_key.splitlines()[1]) == [KEY, "6", "6", "6", *["12345.6"] * 2, f"{6 * 10**9:,}"]
    assert by_key.count(KEY) == 7


NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEYOND = DatetimeMS(253402300800000)  # the year 10000
JUNK: list[dict[str, Any]] = [
    {"_id": 1},
    {"_id": "text", "name": 5, "created": "yesterday"},
    {"_id": "two\nlines \u202e", "name": []},
    {"_id": {"a": 1}, "name": None, "identities": "none", "disabled": 1},
    {"name": "x", "created": NOW, "disabled": "no", "identities": [1], "data": []},
    {"former": [5], "name": "x", "disabled": False, "created": NOW},
    {"_id": BEYOND, "created": NOW},
    {"created": BEYOND, "name": "x", "disabled": False, "identities": [], "data": {}, "confirmed": True},
    {"data": {"at": BEYOND}, "identities": [], "disabled": False, "confirmed": True, "created": NOW},
    {"name": "?UTF8?", "created": NOW, "disabled": False},
    {"name": "x", "?NAME?": 1, "created": NOW},
    {"_id": "?UTF8?", "created": NOW},
]
OF_USER = [
    {"user_id": ObjectId(USER), "expires": datetime(2100, 1, 1, tzinfo=UTC), "provider_type": 5, "created": NOW},
    {"user_id": ObjectId(USER), "expires": BEYOND, "provider_type": "api-key", "created": NOW},
    {"user_id": ObjectId(USER), "expires": datetime(2100, 1, 1, tzinfo=UTC), "provider_type": "?UTF8?", "created": NOW},
]


def raw(document: dict[str, Any]) -> RawBSONDocument:
    """Return a document with texts and a name that are not UTF-8."""
    document = {"_id": ObjectId()} | document
    return RawBSONDocument(
        bson.encode(document).replace(b"?UTF8?", b"\xff\xfe\xed\xa0\x80?").replace(b"?NAME?", b"\xff12345")
    )


@pytest.fixture
async def littered(stored: Any, driver: Any) -> Any:
    """The same control database, in which others have stored what they liked."""
    for collection in ("api_keys", "users", "sessions", "user_events", "confirmations", "unlocks", "secrets"):
        of_user = OF_USER if collection == "sessions" else []
        await stored[collection].insert_many([raw(each) for each in (*JUNK, *of_user)])
    await stored.triggers.delete_many({})
    await stored.triggers.insert_many(
        [{"_id": "onOrder", "stored": BEYOND}, raw({"_id": "everyMinute", "failures": [{"at": "?UTF8?"}]})]
    )
    return stored


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["table", "json"])
@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("keys list", len(JUNK)), ("keys show " + KEY, 0), ("users list", len(JUNK)), ("users export", len(JUNK)),
        ("users show " + USER, 0), ("users show ann@shop.example", 0), ("sessions list " + USER, len(OF_USER)),
        ("triggers list", 0), ("triggers status", 2),
    ],
)  # fmt: skip
async def test_what_others_have_stored_is_named_and_ends_no_list(
    littered: Any, admin: Admin, name: str, left_out: int, as_json: tuple[str, ...]
) -> None:
    done = admin(*name.split(), *(() if name == "users export" else as_json))

    assert (done.returncode, done.stderr.count("is no ")) == (0, left_out), done.stderr
    assert len(done.stderr.splitlines()) <= left_out + 1
    assert re.search(f"{KEY}|{USER}|local-userpass|onOrder", done.stdout)


async def test_what_others_have_stored_is_nothing_to_the_doctor(littered: Any, admin: Admin) -> None:
    done = admin("doctor", "--json")

    assert (done.stderr, "can be read and written" in done.stdout) == ("", True)


@pytest.mark.parametrize(
    "arguments",
    ["keys show {}", "keys enable {}", "keys delete {} --yes", "keys rotate {} --yes", "keys quota {} none",
     "users show {}", "users delete {} --yes", "users show odd@shop.example", "users confirmation -e odd@shop.example"],
)  # fmt: skip
async def test_what_is_no_key_or_user_is_not_there(stored: Any, admin: Admin, arguments: str) -> None:
    odd = ObjectId()
    identity = {"provider_type": "local-userpass", "id": "odd@shop.example"}
    for collection in ("api_keys", "users"):
        await stored[collection].insert_one({"_id": odd, "created": BEYOND, "name": 5, "identities": [identity]})
    done = admin(*arguments.format(odd).split())

    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(rf"is no (key|user), and left out: _id {odd}: ", done.stderr)
    assert re.search(r"error: there is no (key|user)", done.stderr)
    assert await stored.api_keys.count_documents({"_id": odd}) == await stored.users.count_documents({"_id": odd}) == 1


async def test_data_of_a_user_that_json_does_not_have_are_texts(stored: Any, admin: Admin) -> None:
    await stored.users.update_one({}, {"$set": {"data.seen": ObjectId(KEY), "data.bytes": b"ab"}})
    done = admin("users", "show", USER, "--json")

    assert (done.returncode, json.loads(done.stdout)["data"]["seen"]) == (0, KEY)


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "--namespace", "commanded.api_keys", "--in", "-"),
        ("import", "--namespace", "Commanded.other", "--in", "-"),
        ("indexes", "create", "--namespace", "commanded.users", "a"),
        ("indexes", "drop", "x", "--namespace", "commanded.users", "--yes"),
        ("sample", "load", "--database", "commanded"),
    ],
    ids=lambda arguments: arguments[0] + arguments[1],
)
async def test_the_control_database_is_changed_by_its_own_commands_only(
    stored: Any, admin: Admin, arguments: tuple[str, ...]
) -> None:
    before = await stored.list_collection_names()
    done = admin(*arguments)

    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "error")
    assert "commanded is the service's own database" in done.stderr
    assert await stored.list_collection_names() == before


@pytest.mark.parametrize("namespace", ["admin.x", "local.x", "config.x", "shop.system.views", "ADMIN.x"])
async def test_mongodbs_own_databases_are_left_alone(stored: Any, admin: Admin, namespace: str) -> None:
    done = admin("import", "--namespace", namespace, "--in", "-")

    assert (done.returncode, done.stderr) == (2, f"error: {namespace} is MongoDB's own\n")


async def test_a_password_is_read_from_standard_input(stored: Any, env: dict[str, str]) -> None:
    await stored.sessions.delete_many({})
    arguments = ("users", "reset-password", "--email", "ann@shop.example", "--password-stdin")
    done = told(call(arguments, env, ROOT, b"another secret\n"))

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("has the new password, and 0 sessions ended\n")
    assert (await stored.users.find_one())["password"].startswith("$argon2id$")


def sentences() -> Iterator[str]:
    """Give each text with values in it, of commands and of `make run`, with {} in the places of the values."""
    files = [path for folder in ("admin", "local") for path in sorted((ROOT / folder).rglob("*.py"))]
    for node in (node for path in files for node in ast.walk(ast.parse(path.read_text()))):
        match node:
            case ast.JoinedStr(values=parts):
                yield "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in parts)


def nouns() -> set[str]:
    """Return what commands count, as it is written for many."""
    calls = re.compile(r"""counted\([^"'\n]*["']([a-z ]+)["'](?:, ["']([a-z]+)["'])?""")
    found = [calls.findall(path.read_text()) for path in (ROOT / "admin").rglob("*.py")]
    return {many or f"{one}s" for each in found for one, many in each}


def test_a_number_agrees_with_its_noun() -> None:
    counted = re.compile(rf"\{{\}} (?:{'|'.join(nouns())}|problems|warnings|rows|indexes)\b")

    assert {"documents", "sessions", "notes"} <= nouns()
    assert [each for each in sentences() if counted.search(each)] == []
