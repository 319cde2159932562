"""A first app, written by `app init`."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.admin.conftest import Command, told
from tests.conftest import ACTION
from tests.hosts import Worker

PROVIDERS = ("api-key", "anon-user", "local-userpass")
CHOICES = [
    (*(f"--provider={each}" for each in PROVIDERS[:count]), f"--access={access}", *scope)
    for count, access, scope in itertools.product(
        range(4), ("owner", "read-own", "read-all", "all"), ((), ("--namespace=shop.orders", "--owner=user_id"))
    )
]
CLIENT = "/api/client/v2.0/app/shop-abcde/auth/providers/local-userpass"
WRITTEN = ["auth/providers.json", "data_sources/mongodb-atlas/default_rule.json", "root_config.json"]


def files(folder: Path) -> list[str]:
    """Return the paths of all files below a folder."""
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


@pytest.mark.parametrize("flags", CHOICES, ids=" ".join)
def test_what_is_written_passes_the_check(flags: tuple[str, ...], tmp_path: Path) -> None:
    command = Command(tmp_path)
    written = told(command("app", "init", "first", "--app-id=shop-abcde", *flags))
    checked = told(command("app", "check", "first"))
    assert (written.returncode, checked.returncode) == (0, 0)
    assert "export APP_CONFIG_DIR=first" in written.stdout
    assert "0 problems, 0 warnings, 0 unsupported" in checked.stdout


def test_what_it_did_is_said_beside_what_a_shell_can_run(tmp_path: Path) -> None:
    done = told(Command(tmp_path)("app", "init", "my first"))

    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ["export", "export"]
    assert "export APP_CONFIG_DIR='my first'\n" in done.stdout
    assert sorted(done.stderr.replace("wrote my first/", "").splitlines()[:3]) == WRITTEN


def test_scripts_read_what_was_written(tmp_path: Path) -> None:
    done = told(Command(tmp_path)("app", "init", "first", "--json"))

    assert done.stderr == ""
    told_as_json = json.loads(done.stdout)
    assert sorted(told_as_json.pop("files")) == WRITTEN == files(tmp_path / "first")
    assert told_as_json == {"folder": "first", "remarks": []}


@pytest.mark.parametrize(
    ("flags", "remark"),
    [
        (("--provider=anon-user", "--access=all"), "anybody reads and writes all of every collection, anonymously"),
        (
            ("--provider=local-userpass", "--access=all", "--namespace=shop.orders"),
            "anybody reads and writes all of shop.orders, who registers",
        ),
        (("--provider=local-userpass",), "autoConfirm: who registers logs in at once"),
    ],
)
def test_what_is_easily_missed_is_said(flags: tuple[str, ...], remark: str, tmp_path: Path) -> None:
    command = Command(tmp_path)

    assert remark in told(command("app", "init", "first", *flags)).stderr
    assert remark in json.loads(command("app", "init", "second", *flags, "--json").stdout)["remarks"][-1]


@pytest.mark.parametrize("access", ["owner", "read-own", "read-all"])
def test_nothing_is_remarked_of_an_app_whose_rules_hold(access: str, tmp_path: Path) -> None:
    done = Command(tmp_path)("app", "init", "first", "--json", "--provider=anon-user", f"--access={access}")

    assert json.loads(done.stdout)["remarks"] == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "mine.txt").write_text("mine")
    done = told(Command(tmp_path)("app", "init", "first"))
    assert done.returncode == 1
    assert "not an empty folder" in done.stderr
    assert files(tmp_path) == ["first/mine.txt"]


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_file_in_the_way_is_named(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = told(Command(tmp_path)("app", "init", folder))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {folder} is not an empty folder")


@pytest.mark.parametrize("before", [(), ("n" * 255,)], ids=["new", "there"])
def test_what_cannot_be_written_to_the_end_leaves_nothing(before: tuple[str, ...], tmp_path: Path) -> None:
    deep = Path(*["n" * 255] * 15, "d" * 220)  # the path of the third file is longer than Linux allows, at 4,095
    tmp_path.joinpath(*before).mkdir(exist_ok=True)
    done = told(Command(tmp_path)("app", "init", str(deep)))

    assert (done.returncode, done.stdout) == (1, "")
    assert "File name too long" in done.stderr
    assert tuple(each.name for each in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "flag",
    [
        "--app-id=a/b",
        "--data-source=../x",
        "--namespace=shop",
        "--namespace=shop.",
        "--namespace=shop.../x",
        "--namespace=../x.y",
        "--namespace=shop.a/b",
        "--namespace=admin.users",
        "--namespace=shop.system.views",
        "--owner=$where",
        "--owner=",
        "--owner=%%true",
    ],
)
def test_a_bad_name_is_refused_and_nothing_written(flag: str, tmp_path: Path) -> None:
    done = told(Command(tmp_path)("app", "init", "first", flag))
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])


def answered(folder: Path, answers: str, *flags: str) -> bytes:
    """Run the command on a terminal, type these answers, and return what it prints on standard output."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "admin", "app", "init", "first", "--json", *flags]
    env = Command(folder).env
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    os.write(ours, answers.encode())
    printed, _ = process.communicate(timeout=30)
    os.close(ours)
    return printed


def test_a_terminal_is_asked_until_each_answer_can_be_taken(tmp_path: Path) -> None:
    answers = "a/b\nshop-abcde\ncookies\napi-key, anon-user\nshop\nshop.orders\nnobody\nall\n"
    printed = json.loads(answered(tmp_path, answers))

    assert printed["remarks"] == ["warning: anybody reads and writes all of shop.orders, anonymously"]
    assert json.loads((tmp_path / "first/root_config.json").read_text()) == {"app_id": "shop-abcde"}
    assert [*json.loads((tmp_path / "first/auth/providers.json").read_text())] == ["api-key", "anon-user"]


def test_a_terminal_is_asked_for_what_no_option_says(tmp_path: Path) -> None:
    printed = json.loads(answered(tmp_path, "\nread-all\n", "--app-id=shop-abcde", "--provider=anon-user"))

    assert sorted(printed["files"]) == WRITTEN
    rules = json.loads((tmp_path / "first/data_sources/mongodb-atlas/default_rule.json").read_text())
    assert [each["name"] for each in rules["roles"]] == ["reader"]


@pytest.fixture
def first_app(tmp_path: Path, configured: pytest.MonkeyPatch, access: str) -> None:
    """The service has a first app, in which people register."""
    flags = ("--app-id=shop-abcde", "--provider=local-userpass", "--namespace=first.orders", f"--access={access}")
    assert Command(tmp_path)("app", "init", "first", *flags).returncode == 0
    configured.setenv("APP_CONFIG_DIR", str(tmp_path / "first"))
    configured.setenv("SESSION_SECRET", "a secret of the tests that is long enough")


async def send(worker: Worker, url: str, body: dict[str, Any], **headers: str) -> Any:
    """Post JSON, and return what it is answered."""
    answer = await worker.request(
        "POST", url, {"Content-Type": "application/json"} | headers, json.dumps(body).encode()
    )
    return answer.json if answer.body else None


async def act(worker: Worker, token: str, action: str, **members: Any) -> Any:
    """Call an action on the app's collection, and return the reply."""
    body = {"dataSource": "mongodb-atlas", "database": "first", "collection": "orders"} | members
    return await send(worker, ACTION + action, body, Authorization=f"Bearer {token}")


async def somebody(worker: Worker, email: str) -> tuple[str, str]:
    """Register and log in; return the id and an access token."""
    await send(worker, f"{CLIENT}/register", {"email": email, "password": "secret words"})
    tokens = await send(worker, f"{CLIENT}/login", {"username": email, "password": "secret words"})
    return tokens["user_id"], tokens["access_token"]


@pytest.mark.parametrize(
    ("access", "own", "others", "kept"),
    [
        ("owner", ["bread"], ["bread"], 1),
        ("read-own", ["bread"], [], 1),
        ("read-all", [], [], 0),
        ("all", ["bread"], ["bread"], 0),
    ],
)
@pytest.mark.usefixtures("first_app")
async def test_the_service_serves_it(worker: Worker, driver: Any, own: list[str], others: list[str], kept: int) -> None:
    await driver.drop_database("first")
    await driver.dozen.users.delete_many({})
    ann, anns = await somebody(worker, "ann@shop.example")
    _, bobs = await somebody(worker, "bob@shop.example")

    await act(worker, anns, "insertOne", document={"owner": ann, "what": "bread"})
    assert [each["what"] for each in (await act(worker, anns, "find"))["documents"]] == own
    assert [each["what"] for each in (await act(worker, bobs, "find"))["documents"]] == others
    await act(worker, bobs, "deleteMany", filter={})
    assert await driver.first.orders.count_documents({}) == kept
    await driver.drop_database("first")
