"""Users and passwords of every kind, on a real mongod that asks for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo import MongoClient

from local import child, ports
from local.database import database, reach
from local.errors import LocalError
from local.mongod import SMALL, find_mongod
from shared.auth.keys import new_key
from shared.mongo.control import API_KEYS
from shared.mongo.readiness import Readiness
from shared.service import process
from tests.conftest import Post, errors_only
from tests.hosts import Worker

ROOT_PASSWORD = "of the test's own"
REFUSED = {"error": "MongoDB refuses the credentials of this deployment", "error_code": "InternalServerError"}
ASCII = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class Guarded(NamedTuple):
    """A mongod with authentication on, and a key that its control database holds."""

    port: int
    client: MongoClient[dict[str, Any]]
    key: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    port, folder = ports.free_port(), tmp_path_factory.mktemp("guarded")
    with (folder / "log").open("wb") as log:
        command = [str(find_mongod()), "--auth", f"--port={port}", f"--dbpath={folder}", f"--bind_ip={ports.LOOPBACK}"]
        process = child.start([*command, *SMALL], output=log)
    with MongoClient[dict[str, Any]](ports.LOOPBACK, port, serverSelectionTimeoutMS=60_000) as first:
        first.admin.command(
            "createUser", "root", pwd=ROOT_PASSWORD, roles=["root"]
        )  # which no one may do but the first
    with MongoClient[dict[str, Any]](ports.LOOPBACK, port, username="root", password=ROOT_PASSWORD) as client:
        made, stored = new_key("credentials", system=True)
        client.dozen[API_KEYS].insert_one(stored)
        yield Guarded(port, client, made)
    child.stop(process)


@pytest.fixture
def by_parts(configured: pytest.MonkeyPatch, guarded: Guarded) -> pytest.MonkeyPatch:
    configured.delenv("MONGO_DB_URI")
    configured.setenv("MONGO_DB_HOST", ports.LOOPBACK)
    configured.setenv("MONGO_DB_PORT", str(guarded.port))
    return configured


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param(f"u{ASCII}", f"p{ASCII}", id="every sign of ASCII"),
        pytest.param("user:name", "pass:word", id="colons"),
        pytest.param("u@h/db?x=y#z", "p@h/db?authSource=x#z", id="what a URI is made of"),
        pytest.param("100%", "%41%2F%", id="percent signs, and escapes that are none"),
        pytest.param("a+b c", "a+b c", id="plus and space"),
        pytest.param(" u ", " p ", id="spaces at both ends"),
        pytest.param("[::1]", "[u]:[p]", id="brackets"),
        pytest.param('it\'s "me"', "'\"`$HOME`\"'", id="quotes"),
        pytest.param("back\\slash", "\\n\\", id="backslashes"),
        pytest.param("müller", "pässwörd€", id="Latin letters beyond ASCII"),
        pytest.param("пользователь🔑", "пароль-密码", id="other alphabets"),
        pytest.param("e\u0301", "e\u0301", id="a letter in two pieces"),
        pytest.param("line\nbreak", "x", id="a line break in the user's name"),
        pytest.param("long", "p" * 500, id="long"),
    ],
)
async def test_a_user_and_a_password_may_hold_any_character(
    worker: Worker, by_parts: pytest.MonkeyPatch, guarded: Guarded, user: str, password: str
) -> None:
    guarded.client.admin.command("createUser", user, pwd=password, roles=["root"])
    by_parts.setenv("MONGO_DB_USER", user)
    by_parts.setenv("MONGO_DB_PASSWORD", password)

    answer = await Post(worker, guarded.key)("insertOne", document={"user": user})

    assert answer.status == 201, answer.json
    assert guarded.client["shop"]["items"].count_documents({"user": user}) == 1


async def test_a_password_that_only_the_older_mechanism_takes_works_with_it(
    worker: Worker, by_parts: pytest.MonkeyPatch, guarded: Guarded
) -> None:
    password = "bell \a and 🔑"  # SCRAM-SHA-256 knows neither
    guarded.client.admin.command("createUser", "older", pwd=password, roles=["root"], mechanisms=["SCRAM-SHA-1"])
    by_parts.setenv("MONGO_DB_USER", "older")
    by_parts.setenv("MONGO_DB_PASSWORD", password)

    answer = await Post(worker, guarded.key)("insertOne", document={"user": "older"})

    assert answer.status == 201, answer.json


@pytest.mark.parametrize("password", ["", "wrong", ROOT_PASSWORD + " "])
async def test_a_wrong_password_is_503_and_shown_to_nobody(
    worker: Worker, by_parts: pytest.MonkeyPatch, guarded: Guarded, caplog: pytest.LogCaptureFixture, password: str
) -> None:
    by_parts.setenv("MONGO_DB_USER", "root" if password else "")
    by_parts.setenv("MONGO_DB_PASSWORD", password)

    answer = await Post(worker, guarded.key)("find")

    assert answer.status == (503 if password else 403)
    assert errors_only(answer)["error"] in {
        "MongoDB refuses the credentials of this deployment", "MongoDB does not let this deployment do that",
    }  # fmt: skip
    assert ROOT_PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("", "", id="no user"),
        pytest.param("root", "planted", id="a wrong password"),
        pytest.param("nobody", "planted", id="a user that is not there"),
    ],
)
async def test_what_mongodb_does_not_let_in_is_not_ready(
    worker: Worker,
    by_parts: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    user: str,
    password: str,
) -> None:
    by_parts.setenv("MONGO_DB_USER", user)
    by_parts.setenv("MONGO_DB_PASSWORD", password)

    first = await worker.request("GET", "/health/ready")
    process.readiness = Readiness()
    second = await worker.request("GET", "/health/ready")

    assert (first.status, errors_only(first)) == (503, REFUSED)
    assert (second.status, errors_only(second)) == (503, REFUSED)
    assert REFUSED["error"] in caplog.text
    assert "planted" not in caplog.text


@pytest.mark.parametrize(
    "roles",
    [
        pytest.param([], id="no role"),
        pytest.param([{"role": "read", "db": "shop"}], id="a role on another database"),
    ],
)
async def test_a_user_of_few_roles_is_ready_until_it_is_dropped(
    worker: Worker, by_parts: pytest.MonkeyPatch, guarded: Guarded, roles: list[dict[str, str]]
) -> None:
    guarded.client.admin.command("createUser", "few", pwd="few", roles=roles)
    by_parts.setenv("MONGO_DB_USER", "few")
    by_parts.setenv("MONGO_DB_PASSWORD", "few")

    ready = await worker.request("GET", "/health/ready")
    guarded.client.admin.command("dropUser", "few")
    process.readiness = Readiness()
    dropped = await worker.request("GET", "/health/ready")

    assert (ready.status, ready.json["status"]) == (200, "ready")
    assert (dropped.status, errors_only(dropped)) == (503, REFUSED)


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        pytest.param("", "MongoDB wants a user and its password", id="no user"),
        pytest.param("root:planted@", "MongoDB refuses the user or the password", id="a wrong password"),
        pytest.param("modest:planted@", "MongoDB does not let this user read the database dozen", id="few rights"),
    ],
)
def test_make_run_says_at_once_that_mongodb_lets_it_do_nothing(
    guarded: Guarded, tmp_path: Path, user: str, sentence: str
) -> None:
    roles = [{"role": "readWrite", "db": "shop"}]
    guarded.client.admin.command("createUser", "modest", pwd="planted", roles=roles)
    environ = {"MONGO_DB_URI": f"mongodb://{user}{ports.LOOPBACK}:{guarded.port}/"}

    with database(environ, tmp_path) as chosen, pytest.raises(LocalError, match=sentence) as refused:
        reach(chosen)
    guarded.client.admin.command("dropUser", "modest")

    assert "unset MONGO_DB_URI" in str(refused.value)
    assert "planted" not in str(refused.value)
