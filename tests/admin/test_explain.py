"""python -m admin access explain: what decides, whether the call is allowed, by which role, and the exit code."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.admin.conftest import Told
from tests.admin.test_users import Admin
from tests.functions.rules.conftest import SETTINGS
from tests.hosts import ROOT
from tests.shared.app.test_findings import ADMIN, MANAGER, OWNER
from tests.shared.app.test_loading import ORDERS

ASKED = MANAGER["apply_when"]
NOTES = "data_sources/mongodb-atlas/shop/notes/rules.json"
CANNOT_RUN = "asks the function 'isManager', which is not there"

type Explain = Callable[..., Told]


@pytest.fixture
async def admin(mongod: Mongod, driver: Any) -> Admin:
    """The command, with nobody registered."""
    for name in await driver.managed.list_collection_names():
        await driver.managed[name].delete_many({})
    return Admin(mongod.uri)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("transaction", "operation by operation"),
        ("listCollections", "explain find"),
        ("listIndexes", "shows everything"),
        ("explain", "shows everything"),
        ("dropCollection", "dozen.json"),
    ],
)
async def test_what_is_decided_in_another_way_is_told(admin: Admin, action: str, words: str) -> None:
    done = admin("access", "explain", "--user", "5", "--namespace", "shop.notes", "--action", action)

    assert done.returncode == 2
    assert words in done.stderr


@pytest.fixture
def user(admin: Admin) -> str:
    """The id of a user."""
    return admin("users", "create", "--email", "a@b", "--password", "secret words").stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the app of the tests."""
    return Path(shutil.copytree(SETTINGS["APP_CONFIG_DIR"], tmp_path / "shop"))


@pytest.fixture
def explain(admin: Admin, user: str, folder: Path) -> Explain:
    """Explain a call on shop.notes by the user, under these rules and this schema."""

    def explain(*options: str, schema: Any = None, **rules: Any) -> Told:
        place = folder / "data_sources" / "mongodb-atlas" / "shop" / "notes"
        (place / "rules.json").write_text(json.dumps(rules))
        (place / "schema.json").write_text(json.dumps(schema or {}))
        words = ("access", "explain", "--user", user, "--namespace", "shop.notes", *options)
        return admin(*words, APP_CONFIG_DIR=str(folder))

    return explain


def last(done: Told) -> str:
    return done.stdout.splitlines()[-1]


def test_a_function_that_ends_the_search_for_a_role_is_named(explain: Explain, user: str) -> None:
    own = json.dumps({"_id": 1, "owner": user})

    without = explain("--action", "find", roles=[ADMIN, MANAGER, OWNER])
    about = explain("--action", "find", "--document", own, roles=[ADMIN, MANAGER, OWNER])
    before = explain("--action", "find", "--document", own, roles=[ADMIN, OWNER, MANAGER])

    ends = f"role 'manager' {CANNOT_RUN}: the search for a role ends here\n  no later role is tried: 'owner'\n"
    assert ends in without.stdout
    assert (without.returncode, last(without)) == (1, f"denied: role 'manager' {CANNOT_RUN}")
    assert f"for this document, role 'manager' {CANNOT_RUN}: the search for a role ends here" in about.stdout
    assert (about.returncode, last(about)) == (1, f"denied: role 'manager' {CANNOT_RUN}")
    assert (before.returncode, last(before)) == (0, "allowed by role 'owner': it is visible")


def blocks(page: str) -> list[list[str]]:
    """Return what a page shows of outputs, line by line, without what is left out."""
    texts = re.findall(r"^```text\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.DOTALL | re.MULTILINE)
    return [[line for line in text.splitlines() if line != "…"] for text in texts]


def test_the_pages_show_what_is_printed(explain: Explain, admin: Admin, user: str, folder: Path) -> None:
    explained = explain("--action", "find", roles=[ADMIN, MANAGER, OWNER])
    (folder / ORDERS).write_text(json.dumps({"roles": [ADMIN, MANAGER, OWNER]}))
    (folder / NOTES).write_text("{}")
    checked = admin("app", "check", str(folder))

    (steps,), (findings,) = blocks("rules.md"), blocks("coming-from-atlas.md")
    assert [line for line in explained.stdout.splitlines() if line in steps] == steps
    assert [line for line in checked.stdout.splitlines() if line in findings] == findings
    assert (explained.returncode, checked.returncode) == (1, 0)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"%or": [{"open": True}, ASKED]}, "where its condition depends on it, the search for a role ends here"),
        ({"%and": [{"open": True}, ASKED]}, "where its condition depends on it, the search for a role ends here"),
        ({"%and": [{"%%user.custom_data.role": "manager"}, ASKED]}, "applies to no document for this caller"),
        ({"%or": [{"%%user.type": "normal"}, ASKED]}, "applies to every document\n  no later role is tried: 'owner'"),
    ],
)
def test_what_else_a_condition_asks_may_decide(explain: Explain, condition: Any, words: str) -> None:
    done = explain("--action", "find", roles=[MANAGER | {"apply_when": condition}, OWNER])

    assert words in done.stdout


def test_functions_of_filters_and_permissions_are_named(explain: Explain, user: str) -> None:
    filtered = explain("--action", "find", roles=[OWNER], filters=[{"name": "f", "apply_when": ASKED, "query": {}}])
    read = explain(
        "--action", "find", "--document", json.dumps({"owner": user}),
        roles=[OWNER | {"read": ASKED, "write": False}],
    )  # fmt: skip

    assert f"filter 'f' {CANNOT_RUN}: without it nothing is found" in filtered.stdout
    assert f"its 'read' is taken for false: it {CANNOT_RUN}" in read.stdout
    assert (filtered.returncode, read.returncode) == (1, 1)
    assert last(read) == "denied by role 'owner': nothing of the document may be read"


def test_a_function_that_is_there_is_named_and_not_run(explain: Explain, user: str) -> None:
    asked = {"%%true": {"%function": {"name": "echo", "arguments": [True]}}}
    says = "asks the function 'echo', whose answer only a call has"
    roles = [MANAGER | {"apply_when": asked}, OWNER]
    in_general = explain("--action", "find", roles=roles)
    of_document = explain("--action", "find", "--document", json.dumps({"owner": user}), roles=roles)
    filtered = explain("--action", "find", roles=[OWNER], filters=[{"name": "f", "apply_when": asked, "query": {}}])

    assert f"role 'manager' {says}: where it applies is decided there" in in_general.stdout
    assert last(in_general) == f"denied: role 'manager' {says}"
    assert f"for this document, role 'manager' {says}: its role is not known here" in of_document.stdout
    assert last(of_document) == f"denied: role 'manager' {says}"
    assert f"filter 'f' {says}: without it nothing is found" in filtered.stdout


@pytest.mark.parametrize(
    ("options", "rules", "allowed", "role"),
    [
        (("--action", "find"), {"roles": [OWNER]}, True, "owner"),
        (("--action", "find"), {"roles": [OWNER, OWNER | {"name": "two"}]}, True, None),
        (("--action", "find"), {"roles": [ADMIN]}, False, None),
        (("--action", "insertOne"), {"roles": [OWNER | {"insert": False}]}, False, None),
        (("--action", "deleteOne"), {"roles": [OWNER | {"write": False}]}, False, None),
        (("--action", "updateOne"), {"roles": [OWNER | {"write": False}]}, False, None),
        (("--action", "find", "--document", '{"owner": "u2"}'), {"roles": [OWNER]}, False, None),
        (("--action", "insertOne", "--document", '{"owner": "u2"}'), {"roles": [OWNER]}, False, None),
    ],
)  # fmt: skip
def test_scripts_read_the_decision(explain: Explain, options: Any, rules: Any, allowed: bool, role: str | None) -> None:
    text, as_json = explain(*options, **rules), explain(*options, "--json", **rules)

    found = json.loads(as_json.stdout)
    assert (found["allowed"], found["role"]) == (allowed, role)
    assert text.stdout == "".join(f"{line}\n" for line in (*found["steps"], found["decision"]))
    assert last(text).startswith("allowed" if allowed else "denied")
    assert text.returncode == as_json.returncode == (0 if allowed else 1)


def test_a_schema_decides_on_inserts_and_for_roles_that_allow_everything(explain: Explain, user: str) -> None:
    everything = {"name": "all", "apply_when": {}, "read": True, "write": True}
    schema = {"properties": {"n": {"bsonType": "int"}}}

    inserted = explain("--action", "insertOne", "--document", '{"n": "x"}', roles=[everything], schema=schema)
    changed = explain("--document", '{"n": 1}', "--update", '{"$set": {"n": "x"}}', roles=[everything], schema=schema)
    allowed = explain("--document", '{"n": 1}', "--update", '{"$set": {"n": 2}}', roles=[everything], schema=schema)

    for done in (inserted, changed):
        assert "the schema refuses it: n: expected bsonType int" in done.stdout
        assert (done.returncode, last(done)) == (1, "denied by role 'all': the schema refuses it")
    assert (allowed.returncode, last(allowed)) == (0, "allowed by role 'all': what changes is writable")


async def test_a_document_that_the_query_of_a_filter_does_not_find(explain: Explain, user: str, driver: Any) -> None:
    filters = [{"name": "team", "apply_when": {}, "query": {"team": {"$in": ["red"]}}, "projection": {"n": 0}}]
    own = {"_id": 1, "owner": user, "n": 1}

    other = explain("--action", "find", "--document", json.dumps(own), roles=[OWNER], filters=filters)
    found = explain("--action", "find", "--document", json.dumps(own | {"team": "red"}), roles=[OWNER], filters=filters)
    inserted = explain("--action", "insertOne", "--document", json.dumps(own), roles=[OWNER], filters=filters)

    assert (other.returncode, last(other)) == (1, "denied: the document does not match what the filters add")
    assert (found.returncode, "  readable: _id, owner, team\n" in found.stdout) == (0, True)
    assert inserted.returncode == 0
    assert await driver.managed.explained.count_documents({}) == 0


def test_what_refuses_every_call_denies(explain: Explain, admin: Admin, user: str, folder: Path) -> None:
    file = folder / "http_endpoints" / "data_api_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"disabled": True}))

    disabled = explain("--action", "find", roles=[OWNER])
    nowhere = admin("access", "explain", "--user", user, "--namespace", "a.b", "--action", "find", "--json",
                    APP_CONFIG_DIR="")  # fmt: skip
    shown, hidden = ({"name": "f", "apply_when": {}, "projection": {name: on}} for name, on in (("a", 1), ("b", 0)))
    mixed = explain("--action", "find", roles=[OWNER], filters=[shown, hidden])

    assert last(disabled) == "denied: the app's Data API is disabled: every call is refused with 404"
    assert json.loads(nowhere.stdout) == {
        "allowed": False,
        "role": None,
        "decision": "denied: no rule exists for namespace 'a.b': every call is refused with 403",
        "steps": ["no rule exists for namespace 'a.b': every call is refused with 403"],
    }
    assert "the call is refused with 400: a projection cannot both include and exclude fields" in mixed.stdout
    assert [done.returncode for done in (disabled, nowhere, mixed)] == [1, 1, 1]
