"""`python -m admin indexes`: made as MongoDB has them, listed, dropped."""

import json
from datetime import datetime
from typing import Any

import pytest

from tests.admin.conftest import Command

ON = ("--namespace", "moved.indexed")


@pytest.mark.parametrize(
    ("arguments", "name", "made"),
    [
        (("a:asc", "b.c:desc", "--unique"), "a_1_b.c_-1", {"key": [("a", 1), ("b.c", -1)], "unique": True}),
        (("where:2dsphere",), "where_2dsphere", {"key": [("where", "2dsphere")], "2dsphereIndexVersion": 3}),
        (("a.$**:1", "--name", "wild"), "wild", {"key": [("a.$**", 1)]}),
        (("a", "--ttl", "0", "--sparse"), "a_1", {"key": [("a", 1)], "expireAfterSeconds": 0, "sparse": True}),
        (
            ("a", "--partial", '{"a":{"$gt":{"$date":"2020-01-01"}}}'), "a_1",
            {"key": [("a", 1)], "partialFilterExpression": {"a": {"$gt": datetime(2020, 1, 1)}}},
        ),
    ],
)  # fmt: skip
async def test_an_index_is_made(
    command: Command, moved: Any, driver: Any, arguments: tuple[str, ...], name: str, made: dict[str, Any]
) -> None:
    done = command("indexes", "create", *ON, *arguments)

    indexes = await driver.moved.indexed.index_information()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name}\n".encode(), b"")
    assert indexes[name] == {"v": 2} | made


async def test_indexes_are_listed_and_dropped(command: Command, moved: Any, driver: Any) -> None:
    await driver.moved.indexed.create_index([("t", "text"), ("n", -1)], name="words")

    listed = command("indexes", "list", *ON)
    as_json = command("indexes", "list", *ON, "--json")
    unasked = command("indexes", "drop", *ON, "words")
    dropped = command("indexes", "drop", *ON, "words", "--yes")
    again = command("indexes", "drop", *ON, "words", "--yes")

    assert [line.split()[0] for line in listed.stdout.splitlines()] == [b"Name", b"_id_", b"words"]
    assert b"_fts:text _ftsx:1 n:-1" in listed.stdout
    assert [each["name"] for each in json.loads(as_json.stdout)] == ["_id_", "words"]
    assert (unasked.returncode, unasked.stderr) == (2, b"error: this needs --yes, because nobody can be asked here\n")
    assert (dropped.returncode, dropped.stdout) == (0, b"")
    assert (again.returncode, again.stderr) == (1, b"error: there is no index words of moved.indexed\n")
    assert [*await driver.moved.indexed.index_information()] == ["_id_"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("drop", *ON, "_id_", "--yes"), 2, "_id_ cannot be dropped: MongoDB needs it"),
        (("create", *ON), 2, "name the collection with --namespace, and the fields"),
        (("create", *ON, "a:up"), 2, "'a:up': after the colon stands one of 1, asc, -1, desc,"),
        (("create", *ON, "a", "--control"), 2, "--control takes neither fields nor another option than --json"),
        (("create", "--control", "--ttl", "60"), 2, "--control takes neither fields nor another option than --json"),
        (("create", "--control", "--unique"), 2, "--control takes neither fields nor another option than --json"),
        (("create", "--namespace", "local.x", "a"), 2, "local.x is MongoDB's own"),
        (("create", *ON, "a", "--partial", "{"), 2, "--partial: invalid JSON: unexpected end of data"),
        (("create", *ON, "a:2dsphere", "b:hashed"), 1, "(CannotCreateIndex) "),
    ],
)
async def test_a_failure_is_one_sentence(
    command: Command, moved: Any, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = command("indexes", *arguments)

    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.decode().startswith(f"error: {sentence}")
    assert done.stderr.count(b"\n") == 1


async def test_an_index_of_the_control_database_is_dropped_as_doctor_advises(command: Command, driver: Any) -> None:
    await driver.operated.users.create_index("wrong")
    of_control = ("--namespace", "operated.users", "wrong_1", "--yes")

    refused = command("indexes", "drop", *of_control)
    dropped = command("indexes", "drop", "--control", *of_control)

    assert (refused.returncode, dropped.returncode) == (1, 0)
    assert "wrong_1" not in await driver.operated.users.index_information()
