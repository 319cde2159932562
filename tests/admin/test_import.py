"""`python -m admin import`: killed, repeated, in conflict, malformed; each document once, and none bent."""

import fcntl
import gzip
import json
import os
import re
import signal
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from admin.transfer import lines
from local.mongod import Mongod
from tests.admin.conftest import Command, content, killed_until_done, stored
from tests.conftest import FailPoint, Post
from tests.hosts import Worker, eventually
from tests.valkey import Valkey

TO = ("--namespace", "moved.to")
MANY = 30_000


def write(command: Command, text: str, name: str = "in") -> None:
    (command.folder / name).write_text(text)


async def documents(collection: Any) -> list[dict[str, Any]]:
    return [bson.decode(each) for each in await stored(collection)]


async def test_a_killed_import_goes_on_to_the_same_documents(command: Command, moved: Any) -> None:
    made = [bson.encode({"_id": f"{number:05}", "n": number, "s": "x" * 1_000}) for number in range(MANY)]
    (command.folder / "in").write_bytes(b"\n".join(map(lines.encode, made)))

    kills = killed_until_done(command, "in.import", "import", *TO, "--in", "in", "--resume")

    assert kills
    assert await stored(moved.to) == made


async def test_documents_without_an_id_are_not_doubled_by_a_kill(command: Command, moved: Any) -> None:
    compressed = gzip.compress("".join(f'{{"n":{number}}}\n' for number in range(MANY)).encode())
    (command.folder / "log.gz").write_bytes(compressed)

    kills = killed_until_done(command, "log.gz.import", "import", *TO, "--in", "log.gz", "--resume")

    assert kills
    assert sorted([each["n"] for each in await documents(moved.to)]) == list(range(MANY))


async def test_without_resume_a_finished_file_is_imported_anew(command: Command, moved: Any) -> None:
    write(command, '{"n":1}\n{"n":1}\n')

    first = command("import", *TO, "--in", "in")
    resumed = command("import", *TO, "--in", "in", "--resume")
    write(command, '{"n":1}\n{"n":1}\n{"n":2}\n')
    longer = command("import", *TO, "--in", "in", "--resume")
    again = command("import", *TO, "--in", "in")

    assert [each.returncode for each in (first, resumed, longer, again)] == [0, 0, 0, 0]
    assert [each["n"] for each in sorted(await documents(moved.to), key=lambda each: each["n"])] == [1, 1, 1, 1, 2, 2]


async def test_what_the_service_keeps_of_the_collection_counts_no_longer(
    command: Command, moved: Any, valkey: Valkey, worker: Worker, key: str, configured: pytest.MonkeyPatch
) -> None:
    shared = {"REDIS_URL": valkey.url, "SESSION_SECRET": "s" * 32, "CACHED_COLLECTIONS": "moved.to=3600"}
    for name, value in shared.items():
        configured.setenv(name, value)
    asked = {"database": "moved", "collection": "to"}
    await moved.to.insert_one({"_id": "old"})
    await Post(worker, key)("find", **asked)
    await moved.to.delete_one({})
    kept = await Post(worker, key)("find", **asked)
    write(command, '{"_id":"new"}\n')

    done = command("import", *TO, "--in", "in", **shared)

    assert kept.json == {"documents": [{"_id": "old"}]}
    assert done.returncode == 0
    assert (await Post(worker, key)("find", **asked)).json == {"documents": [{"_id": "new"}]}


@pytest.mark.parametrize(
    ("conflict", "code", "second", "counted"),
    [
        ("fail", 1, "old", "2 inserted, 0 replaced, 0 skipped, 1 there already, 1 failed"),
        ("skip", 0, "old", "2 inserted, 0 replaced, 1 skipped, 1 there already, 0 failed"),
        ("replace", 0, "new", "2 inserted, 1 replaced, 0 skipped, 1 there already, 0 failed"),
    ],
)
async def test_a_conflict_is_settled_as_wanted(
    command: Command, moved: Any, conflict: str, code: int, second: str, counted: str
) -> None:
    await moved.to.insert_many([{"_id": 1, "v": "same"}, {"_id": 2, "v": "old"}])
    write(command, '{"_id":0}\n{"_id":1,"v":"same"}\n{"_id":2,"v":"new"}\n{"_id":3}\n')

    done = command("import", *TO, "--in", "in", "--on-conflict", conflict, "--max-errors", "9")

    assert done.returncode == code
    assert counted in done.stderr.decode()
    assert [each.get("v") for each in await documents(moved.to)] == [None, "same", second, None]


async def test_of_equal_ids_the_last_line_replaces(command: Command, moved: Any) -> None:
    await moved.to.insert_one({"_id": 1, "v": 2})
    write(command, "".join(f'{{"_id":1,"v":{number}}}\n' for number in (1, 2, 3, 2)))

    done = command("import", *TO, "--in", "in", "--on-conflict", "replace")

    assert done.returncode == 0
    assert await documents(moved.to) == [{"_id": 1, "v": 2}]


async def test_an_id_that_equals_in_another_type_is_a_conflict(command: Command, moved: Any) -> None:
    await moved.to.insert_one({"_id": 1})
    write(command, '{"_id":{"$numberDouble":"1.0"}}\n')

    done = command("import", *TO, "--in", "in")

    assert done.returncode == 1
    assert b"line 1: another document with this _id is stored already" in done.stderr
    assert await documents(moved.to) == [{"_id": 1}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"_id":2', "invalid JSON: unexpected end of data"),
        (b"[1]", "invalid JSON: it must be an object"),
        (b'{"_id":{"$oid":"zzz"}}', "invalid JSON: malformed $oid"),
        (b'{"$oid":"65a1b2c3d4e5f60718293a4b"}', "invalid JSON: it must be an object"),
        (b'{"a\\u0000":1}', "invalid JSON: a key holds a NUL character"),
        (b'{"_id":1,"v":"\xff"}', "invalid JSON: "),
        (b'{"$dozenBSON":1}', "malformed $dozenBSON"),
        (b'{"$dozenBSON":"AAAA"}', "malformed $dozenBSON"),
        (b'{"$dozenBSON":"DgAAABBhAAEAAAAAAA=="}', "malformed $dozenBSON"),
        (b'{"$dozenBSON":"DwAAAAJhAPD///94AAA="}', "malformed $dozenBSON"),
        (b'{"v":"%b"}' % (b"x" * lines.LARGEST), "the document has 16777229 bytes, and MongoDB stores 16777216"),
    ],
    ids=["torn", "array", "wrapper", "value", "NUL", "text", "number", "short", "long", "negative", "large"],
)
def test_a_line_that_is_no_document_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(lines.LineError, match=re.escape(reason)):
        lines.decode(line)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"_id":2', "invalid JSON"),
        ('{"_id":[1]}', "The '_id' value cannot be of type array"),
        ('{"_id":4,"sku":1}', "E11000 duplicate key error"),
    ],
    ids=["torn", "id", "unique index"],
)
async def test_a_line_that_cannot_be_stored_is_named(command: Command, moved: Any, line: str, reason: str) -> None:
    await moved.to.create_index("sku", unique=True)
    write(command, f'{{"_id":1,"sku":1}}\n\n{line}\n{{"_id":5,"sku":5}}\n')

    stopped = command("import", *TO, "--in", "in")
    counted = command("import", *TO, "--in", "in", "--max-errors", "1", "--resume", "--json")

    assert (stopped.returncode, counted.returncode) == (1, 1)
    assert f"line 3: {reason}" in stopped.stderr.decode()
    assert b"stopped at line 3" in stopped.stderr
    assert json.loads(counted.stdout)["failed"] == 1
    assert [each["_id"] for each in await documents(moved.to)] == [1, 5]


async def test_a_mended_line_is_gone_on_with(command: Command, moved: Any) -> None:
    lines_ = [f'{{"n":{number}}}' for number in range(1_500)]
    write(command, "\n".join([*lines_[:1_200], "{", *lines_[1_200:]]))

    command("import", *TO, "--in", "in")
    write(command, "\n".join(lines_))
    done = command("import", *TO, "--in", "in", "--resume")

    assert done.returncode == 0
    assert sorted([each["n"] for each in await documents(moved.to)]) == list(range(1_500))


async def test_another_file_is_not_gone_on_with(command: Command, moved: Any) -> None:
    write(command, '{"n":1}\n{')
    command("import", *TO, "--in", "in")
    unasked = command("import", *TO, "--in", "in")
    write(command, '{"n":2}\n')

    other = command("import", *TO, "--in", "in", "--resume")
    elsewhere = command("import", "--namespace", "moved.there", "--in", "in", "--resume")
    anew = command("import", *TO, "--in", "in", "--restart")

    assert [each.returncode for each in (unasked, other, elsewhere, anew)] == [1, 1, 1, 0]
    assert b"--resume" in unasked.stderr
    assert b"not the file whose import was interrupted" in other.stderr
    assert b"moved.to" in elsewhere.stderr
    assert sorted([each["n"] for each in await documents(moved.to)]) == [1, 2]


async def test_standard_input_needs_ids(command: Command, moved: Any) -> None:
    taken = command.fed(b'{"_id":1}\n', "import", *TO, "--in", "-")
    refused = command.fed(b'{"n":1}\n', "import", *TO, "--in", "-")

    assert taken.returncode == 0
    assert refused.returncode == 1
    assert b"line 1: a document from standard input needs an _id" in refused.stderr
    assert await documents(moved.to) == [{"_id": 1}]


@pytest.mark.parametrize(
    "failure",
    [
        {"errorCode": 11602},
        {"closeConnection": True},
        {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
    ],
    ids=["error", "closed", "not confirmed"],
)
async def test_an_insert_that_failed_is_repeated_and_doubles_nothing(
    command: Command, moved: Any, fail_point: FailPoint, failure: dict[str, Any]
) -> None:
    write(command, "".join(f'{{"n":{number}}}\n' for number in range(2_500)))
    await fail_point("insert", times=3, **failure)

    done = command("import", *TO, "--in", "in")

    assert done.returncode == 0, done.stderr
    assert b"trying again" in done.stderr
    assert sorted([each["n"] for each in await documents(moved.to)]) == list(range(2_500))


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(lambda whole: whole[:-9], id="cut off"),
        pytest.param(lambda whole: whole[:12] + b"\xff" * 20 + whole[32:], id="overwritten"),
        pytest.param(lambda whole: whole[:-8] + bytes(8), id="another checksum"),
    ],
)
async def test_a_damaged_archive_is_one_sentence(
    command: Command, moved: Any, damaged: Callable[[bytes], bytes]
) -> None:
    whole = gzip.compress("".join(f'{{"_id":{number}}}\n' for number in range(100)).encode())
    (command.folder / "in").write_bytes(damaged(whole))

    done = command("import", *TO, "--in", "in")

    assert done.returncode == 1
    assert re.fullmatch(r"error: the compressed file is damaged behind line \d+: .+\n", done.stderr.decode())


async def test_lines_that_were_added_are_gone_on_with_after_an_interruption(command: Command, moved: Any) -> None:
    write(command, '{"n":1}\n')
    command("import", *TO, "--in", "in")
    write(command, '{"n":1}\n{"n":2}\n{')

    stopped = command("import", *TO, "--in", "in", "--resume")
    unasked = command("import", *TO, "--in", "in")
    write(command, '{"n":1}\n{"n":2}\n')
    done = command("import", *TO, "--in", "in", "--resume")

    assert [each.returncode for each in (stopped, unasked, done)] == [1, 1, 0]
    assert b"did not finish: go on with --resume" in unasked.stderr
    assert sorted([each["n"] for each in await documents(moved.to)]) == [1, 2]


@pytest.mark.parametrize("conflict", ["fail", "replace"])
async def test_an_empty_timestamp_stays_empty(command: Command, moved: Any, conflict: str) -> None:
    line = b'{"_id":{"$numberInt":"1"},"t":{"$timestamp":{"t":0,"i":0}},"$x":{"$numberInt":"1"},"a.b":null}'
    (command.folder / "in").write_bytes(line)

    first = command("import", *TO, "--in", "in", "--on-conflict", conflict)
    again = command("import", *TO, "--in", "in", "--on-conflict", conflict)

    assert b"1 inserted" in first.stderr
    assert b"1 there already" in again.stderr
    assert await stored(moved.to) == [lines.decode(line)]


async def test_a_signal_ends_an_import_that_waits_for_its_pipe(command: Command, moved: Any) -> None:
    ours, theirs = os.pipe()
    process = command.start("import", *TO, "--in", "-", stdin=ours)
    os.close(ours)
    os.write(theirs, b'{"_id":1}\n')
    await eventually(lambda: has_read_all(theirs))

    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    os.close(theirs)

    assert (process.returncode, said) == (1, b"error: interrupted; the same command goes on\n")


async def has_read_all(pipe: int) -> bool:
    waiting = fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0")
    return not any(waiting)


async def test_a_killed_mongod_loses_and_doubles_nothing(command: Command, tmp_path: Path) -> None:
    write(command, "".join(f'{{"n":{number}}}\n' for number in range(MANY)))
    with Mongod(tmp_path / "mongod") as mongod:
        command.env["MONGO_DB_URI"] = mongod.uri
        process = command.start("import", *TO, "--in", "in")
        kept = command.folder / "in.import"
        await eventually(lambda: has_begun(kept), seconds=60)

        mongod.kill()
        was_running = process.poll() is None
        mongod.start()
        _, said = process.communicate(timeout=120)

        with MongoClient[dict[str, Any]](mongod.uri) as client:
            numbers = [each["n"] for each in client.moved.to.find(sort={"n": 1})]
    assert was_running
    assert process.returncode == 0, said
    assert numbers == list(range(MANY))


async def has_begun(checkpoint: Path) -> bool:
    return b'"inserted":' in content(checkpoint) and b'"inserted":0' not in content(checkpoint)
