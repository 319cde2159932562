"""`functions`: what the app has, and one that runs here."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from bson.objectid import ObjectId

from local.mongod import Mongod
from tests.admin.conftest import Command, told
from tests.functions.rules.conftest import SETTINGS
from tests.hosts import ROOT, Worker

SOURCES = {
    "add": "exports = (a, b) => { console.log(`add ${a}`); return { sum: a + b, user: context.user.id ?? null }; };",
    "hidden": 'exports = () => context.services.get("mongodb-atlas").db("shop").collection("orders").count();',
    "broken": "exports = () => {\n  throw new TypeError('no');\n};",
    "lacks": 'exports = () => {\n  return context.services.get("mail");\n};',
}


@pytest.fixture
def command(mongod: Mongod, tmp_path: Path, worker: Worker) -> Command:
    """The command with an app that has functions; the edge is imported already, with the settings of the tests."""
    app = shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop")
    entries = [{"name": "hidden", "private": True, "run_as_system": True}, {"name": "add", "run_as_user_id": "u1"}]
    (app / "functions" / "config.json").write_text(json.dumps(entries))
    for name, source in SOURCES.items():
        (app / "functions" / f"{name}.js").write_text(source)
    settings = SETTINGS | {"MONGO_DB_URI": mongod.uri, "DOZEN_DATABASE": "operated", "APP_CONFIG_DIR": str(app)}
    return Command(tmp_path, **settings, COLUMNS="80")


def test_a_function_runs_here_and_says_what_it_says(command: Command) -> None:
    done = told(command("functions", "run", "add", "--args", '[1, {"$numberLong": "41"}]'))

    assert (done.returncode, done.stderr) == (0, "add info: add 1\n")
    assert json.loads(done.stdout) == {"sum": {"$numberInt": "42"}, "user": None}


def test_a_private_function_has_the_rights_that_it_says(command: Command, database: Any) -> None:
    assert told(command("functions", "run", "hidden")).stdout == '{"$numberInt":"0"}\n'


def test_a_user_or_a_key_calls_it(command: Command) -> None:
    user = told(command("users", "create", "--email", f"{ObjectId()}@shop.example", "--password", "secret words"))
    name = str(ObjectId())
    command("keys", "create", "--name", name)
    listed = json.loads(told(command("keys", "list", "--json")).stdout)
    [key_id] = [each["id"] for each in listed if each["name"] == name]

    as_user = told(command("functions", "run", "add", "--user", user.stdout.strip(), "--args", "[1, 2]"))
    as_key = told(command("functions", "run", "add", "--key", key_id, "--args", "[1, 2]"))

    assert json.loads(as_user.stdout)["user"] == user.stdout.strip()
    assert json.loads(as_key.stdout)["user"] == key_id


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("nothing",), 1, "the app has no function 'nothing'"),
        (("broken",), 1, "TypeError: no (exports at broken:2:13)"),
        (("add", "--args", "{}"), 2, "--args: invalid JSON: it must be an array"),
        (("add", "--args", "["), 2, "--args: invalid JSON"),
        (("add", "--user", "u", "--key", "k"), 2, "give --user or --key"),
        (("add", "--user", "u"), 1, "there is no user u, or it is disabled"),
        (("add", "--key", "k"), 1, "there is no key k"),
    ],
)
def test_what_cannot_be_run_says_why(command: Command, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    done = told(command("functions", "run", *arguments))

    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr


def test_functions_are_listed_with_what_they_need(command: Command) -> None:
    done = told(command("functions", "list"))

    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["hidden"] == ["the", "app", "the", "system"]
    assert rows["add"] == ["everybody", "u1"]
    assert rows["lacks"] == ["everybody", "who", "calls", "it", "1"]
    assert done.stdout.splitlines()[-1] == (
        "functions/lacks.js: function 'lacks': service 'mail' is not served: ask by context.http, in line 2"
    )
    listed = json.loads(told(command("functions", "list", "--json")).stdout)
    assert {each["name"] for each in listed} == {"echo", *SOURCES}
    assert [len(each["needs"]) for each in listed if each["name"] == "lacks"] == [1]


def test_a_function_whose_user_is_chosen_and_one_of_a_webhook_are_listed(command: Command, tmp_path: Path) -> None:
    app = tmp_path / "shop"
    script = 'exports = () => context.services.get("mail");'
    entries = [{"name": "add", "run_as_user_id_script_source": script}]
    (app / "functions" / "config.json").write_text(json.dumps(entries))
    hook = app / "services" / "post" / "incoming_webhooks" / "arrived"
    hook.mkdir(parents=True)
    (app / "services" / "post" / "config.json").write_text('{"name": "post", "type": "http", "version": 1}')
    (hook / "config.json").write_text('{"name": "arrived", "options": {"httpMethod": "POST"}}')
    (hook / "source.js").write_text(SOURCES["lacks"])

    listed = {each["name"]: each for each in json.loads(told(command("functions", "list", "--json")).stdout)}

    source = "services/post/incoming_webhooks/arrived/source.js"
    chosen, answering = listed["add"], listed[source]
    assert (chosen["run_as_user_id_script"], answering["run_as_user_id_script"]) == (True, False)
    assert [need.partition(":")[0] for need in chosen["needs"]] == ["functions/config.json"]
    assert [need.partition(":")[0] for need in answering["needs"]] == [source]
