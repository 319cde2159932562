"""`python -m admin export`, and what `import` makes of it: every type, every id, killed, nothing lost or doubled."""

import gzip
import json
import os
import random
import signal
import subprocess
from pathlib import Path
from struct import pack
from typing import Any

import bson
import pytest
from bson.max_key import MaxKey
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError

from admin import namespace
from admin.transfer import lines
from admin.transfer.reader import CollectionReader
from shared.documents.elements import identity
from shared.service import process
from tests.admin.conftest import Command, killed_until_done, shown_on, stored
from tests.bson_types import ROWS, STORED_ROWS, Row, cases, document, element, text
from tests.conftest import FailPoint
from tests.hosts import Worker, eventually

FROM = ("--namespace", "moved.from")
TO = ("--namespace", "moved.to")
_CANNOT_BE_AN_ID = {53, 52, 11000}  # arrays and regexes, names with a dollar, equal numbers of another type


def identified(row: Row, number: int) -> bytes:
    return document(element(0x10, pack("<i", number), "_id"), element(row.kind, row.payload))


def as_id(row: Row) -> bytes:
    return document(element(row.kind, row.payload, "_id"), element(0x02, text(row.name), "name"))


async def fill(collection: Any, documents: list[bytes]) -> None:
    """Insert what MongoDB takes of these."""
    refused: list[dict[str, Any]] = []
    try:
        await collection.insert_many([RawBSONDocument(each) for each in documents], ordered=False)
    except BulkWriteError as error:
        refused = error.details["writeErrors"]
    assert {each["code"] for each in refused} <= _CANNOT_BE_AN_ID


async def many(collection: Any, count: int = 30_000) -> list[bytes]:
    """Store some 40 MB, among them ids of all types, and return what is stored."""
    source = random.Random(1)
    documents = [
        bson.encode({"_id": ObjectId(source.randbytes(12)), "n": number, "s": "x" * source.randrange(2600)})
        for number in range(count)
    ]
    await fill(collection, documents + [as_id(row) for row in ROWS + STORED_ROWS])
    return await stored(collection)


@pytest.mark.parametrize(("form", "name"), [("ndjson", "NDJSON"), ("json", "JSON"), ("bson", "BSON")])
async def test_every_type_comes_back_byte_for_byte(command: Command, moved: Any, form: str, name: str) -> None:
    documents = [identified(row, number) for number, row in enumerate(ROWS + STORED_ROWS)]
    await fill(moved["from"], documents)

    exported = command("export", *FROM, "--out", "all", "--format", form, "--json")
    imported = command("import", *TO, "--in", "all", "--json")

    size = (command.folder / "all").stat().st_size
    assert json.loads(exported.stdout) == {
        "namespace": "moved.from", "out": "all", "format": form, "documents": len(documents), "resumed_behind": 0,
        "bytes": size,
    }  # fmt: skip
    assert json.loads(imported.stdout) == {
        "namespace": "moved.to", "in": "all", "format": name, "resumed_behind": 0,
        "inserted": len(documents), "replaced": 0, "skipped": 0,
        "unchanged": 0, "failed": 0,
    }  # fmt: skip
    assert await stored(moved.to) == documents


@pytest.mark.parametrize("row", cases(ROWS))
def test_a_line_is_canonical_extended_json(row: Row) -> None:
    assert lines.encode(identified(row, 1)).decode() == f'{{"_id":{{"$numberInt":"1"}},"v":{row.as_ejson}}}'


@pytest.mark.parametrize("row", cases(STORED_ROWS))
def test_what_extended_json_would_bend_is_written_as_bson(row: Row) -> None:
    line = lines.encode(identified(row, 1))

    assert line.startswith(b'{"$dozenBSON":"')
    assert lines.decode(line) == identified(row, 1)


def test_a_document_that_looks_like_ours_is_taken_for_what_it_is() -> None:
    ours = bson.encode({"$dozenBSON": "BQAAAAA="})

    assert lines.decode(lines.encode(ours)) == ours


async def test_large_and_deep_documents_come_back(command: Command, moved: Any) -> None:
    empty = len(bson.encode({"_id": 1, "v": b""}))
    largest = bson.encode({"_id": 1, "v": bytes(16 * 1024 * 1024 - empty)})
    wide = bson.encode({"_id": 2, "v": [True] * 500_000})
    deep = document(element(0x10, pack("<i", 3), "_id"), element(0x03, nested(150), "v"))
    await fill(moved["from"], [largest, wide, deep])

    command("export", *FROM, "--out", "large.ndjson.gz")
    imported = command("import", *TO, "--in", "large.ndjson.gz")

    assert len(largest) == 16 * 1024 * 1024
    assert imported.returncode == 0
    assert await stored(moved.to) == [largest, wide, deep]


def nested(levels: int) -> bytes:
    return document(element(0x03, nested(levels - 1), "a")) if levels else document()


async def test_a_reader_goes_on_behind_an_id_of_any_type(worker: Worker, moved: Any) -> None:
    await fill(moved["from"], [as_id(row) for row in ROWS + STORED_ROWS])
    documents = await stored(moved["from"])
    target = namespace.collection(process.service(), "mongodb-atlas", ("moved", "from"))

    behind = [
        [found async for found in CollectionReader(target, {}, {}, None, identity(each)).documents()]
        for each in documents
    ]

    assert behind == [documents[position:] for position in range(1, len(documents) + 1)]
    assert isinstance(bson.decode(documents[-1])["_id"], MaxKey)
    assert len({each[4] for each in documents}) >= 15


@pytest.mark.parametrize("form", ["plain", "gzip"])
async def test_a_killed_export_goes_on_to_the_same_bytes(command: Command, moved: Any, form: str) -> None:
    documents = await many(moved["from"])
    name = {"plain": "parts", "gzip": "parts.gz"}[form]

    kills = killed_until_done(command, f"{name}.part.json", "export", *FROM, "--out", name, "--resume")

    written = (command.folder / name).read_bytes()
    whole = {"plain": lambda: written, "gzip": lambda: gzip.decompress(written)}[form]()
    assert kills
    assert [lines.decode(line) for line in whole.splitlines()] == documents
    assert content_of(command.folder) == [name]


async def test_a_lost_connection_goes_unnoticed_in_the_file(
    command: Command, moved: Any, fail_point: FailPoint
) -> None:
    documents = await many(moved["from"], 300)
    await fail_point("getMore", errorCode=43)  # CursorNotFound, as after a failover

    done = command("export", *FROM, "--out", "-")

    assert b"trying again" in done.stderr
    assert [lines.decode(line) for line in done.stdout.splitlines()] == documents


async def test_a_snapshot_shows_one_moment(command: Command, moved: Any, fail_point: FailPoint) -> None:
    documents = await many(moved["from"], 300)
    await fail_point("getMore", blockConnection=True, blockTimeMS=2_000)

    process = command.start("export", *FROM, "--out", "all", "--read-concern", "snapshot")
    await there(command.folder / "all.part.json")  # the moment is chosen, and stands in it
    await moved["from"].update_many({}, {"$set": {"late": True}})
    process.communicate()

    assert process.returncode == 0
    assert [lines.decode(line) for line in (command.folder / "all").read_bytes().splitlines()] == documents


def content_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def there(path: Path) -> None:
    async def is_there() -> bool:
        return path.exists()  # noqa: ASYNC240

    await eventually(is_there)


async def test_a_filter_chooses(command: Command, moved: Any) -> None:
    await moved["from"].insert_many([{"_id": 1, "n": 5}, {"_id": 2, "n": 7}])

    done = command("export", *FROM, "--out", "-", "--filter", '{"n":{"$gt":{"$numberLong":"6"}}}')

    assert done.stdout == b'{"_id":{"$numberInt":"2"},"n":{"$numberInt":"7"}}\n'


async def test_nothing_is_overwritten_or_forgotten_unasked(command: Command, moved: Any) -> None:
    await moved["from"].insert_one({"_id": 1})
    (command.folder / "done").write_text("keep\n")
    (command.folder / "x.part").write_text("half")
    (command.folder / "x.part.json").write_text(
        '{"wanted":{"data_source":"mongodb-atlas","namespace":"moved.from","filter":"{}","gzip":false,'
        '"read_concern":"majority"},"bytes":2}'
    )

    finished = command("export", *FROM, "--out", "done")
    unasked = command("export", *FROM, "--out", "x")
    other = command("export", *FROM, "--out", "x", "--resume", "--filter", '{"a":1}')
    anew = command("export", *FROM, "--out", "x", "--restart")

    assert [each.returncode for each in (finished, unasked, other, anew)] == [1, 1, 1, 0]
    assert b"done exists already" in finished.stderr
    assert b"--resume" in unasked.stderr
    assert b"something else" in other.stderr
    assert (command.folder / "done").read_text() == "keep\n"
    assert (command.folder / "x").read_text() == '{"_id":{"$numberInt":"1"}}\n'


async def test_a_file_that_only_has_the_name_of_a_part_is_kept(command: Command, moved: Any) -> None:
    await moved["from"].insert_one({"_id": 1})
    (command.folder / "others").write_text("keep\n")
    (command.folder / "x.part").symlink_to("others")

    refused = [command("export", *FROM, "--out", "x", *more) for more in ((), ("--resume",))]
    kept = (command.folder / "others").read_text()
    (command.folder / "x.part").unlink()
    (command.folder / "x.part").write_text("of no use any more\n")
    anew = command("export", *FROM, "--out", "x", "--restart")

    assert [each.returncode for each in (*refused, anew)] == [1, 1, 0]
    assert all(b"x.part is no part of an export" in each.stderr for each in refused)
    assert kept == "keep\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--namespace", "moved", "--out", "x"), 2, b"--namespace takes a database and a collection"),
        ((*FROM, "--out", "-", "--resume"), 2, b"need a file"),
        ((*FROM, "--out", "x", "--filter", "{"), 2, b"--query: invalid JSON: "),
        ((*FROM, "--out", "no/x"), 1, b"no/x.part: No such file or directory"),
        (("--namespace", "moved.seen", "--out", "x"), 1, b"moved.seen is a view"),
        (("--namespace", "moved.none", "--out", "x"), 1, b"there is no collection moved.none"),
        (("--namespace", "moved.none", "--out", "-"), 1, b"there is no collection moved.none"),
        ((*FROM, "--out", "x", "--projection", '{"_id":0}'), 2, b"--projection: _id stays"),
        ((*FROM, "--out", "x", "--projection", '{"_id":"$a"}'), 2, b"--projection: _id stays"),
        ((*FROM, "--out", "x", "--format", "csv"), 2, b"--format csv needs its columns"),
        ((*FROM, "--out", "x", "--fields", "a"), 2, b"--fields names the columns of CSV"),
        ((*FROM, "--out", "x", "--format", "csv", "--fields", "a,a"), 2, b"no column may stand twice"),
    ],
)
async def test_a_failure_is_one_sentence(
    command: Command, moved: Any, arguments: tuple[str, ...], code: int, sentence: bytes
) -> None:
    await moved.create_collection("from")
    await moved.create_collection("seen", viewOn="from", pipeline=[])

    done = command("export", *arguments)
    assert not (command.folder / "x").exists()
    assert not (command.folder / "x.part").exists()

    assert (done.returncode, done.stdout) == (code, b"")
    assert sentence in done.stderr
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1


async def test_an_export_that_wrote_nothing_is_not_in_the_way(command: Command, moved: Any) -> None:
    await moved.create_collection("seen", viewOn="from", pipeline=[])
    await moved["from"].insert_one({"_id": 1})

    refused = command("export", "--namespace", "moved.seen", "--out", "x")
    done = command("export", *FROM, "--out", "x")

    assert (refused.returncode, done.returncode) == (1, 0)
    assert content_of(command.folder) == ["x"]


async def test_memory_does_not_grow_with_the_collection(command: Command, moved: Any) -> None:
    # the smaller one has more than the 16 MB of a batch, too
    await moved["from"].insert_many([{"_id": number, "s": "x" * 100_000} for number in range(300)])
    small = peaks_of_a_copy(command)
    await moved["from"].insert_many([{"_id": number, "s": "x" * 100_000} for number in range(300, 1_100)])
    await moved.drop_collection("to")

    large = peaks_of_a_copy(command)

    assert await moved.to.count_documents({}) == 1_100  # 110 MB
    assert max(large) < max(small) + 40_000


def peaks_of_a_copy(command: Command) -> list[int]:
    """Copy a collection through a pipe and return the most memory that each of the two used, in kB."""
    export = command.measured("export", *FROM, "--out", "-", stdout=subprocess.PIPE)
    import_ = command.measured("import", *TO, "--in", "-", stdin=export.stdout)
    assert export.stdout
    export.stdout.close()
    said = [process.communicate()[1] for process in (import_, export)]
    assert (export.returncode, import_.returncode) == (0, 0), said
    return [int(each.splitlines()[-1]) for each in said]


async def test_a_closed_pipe_ends_it_quietly(command: Command, moved: Any) -> None:
    await many(moved["from"], 2_000)

    process = command.start("export", *FROM, "--out", "-", stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr
    said = process.stderr.read()
    process.stderr.close()

    assert process.wait(30) == 1
    assert said == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_leaves_what_can_be_resumed(
    command: Command, moved: Any, fail_point: FailPoint, number: signal.Signals
) -> None:
    documents = await many(moved["from"], 300)
    armed = await fail_point("getMore", blockConnection=True, blockTimeMS=60_000)
    process = command.start("export", *FROM, "--out", "all")
    await there(command.folder / "all.part.json")
    await armed.has_met()

    process.send_signal(number)
    _, said = process.communicate()
    await fail_point.end_blocked()
    resumed = command("export", *FROM, "--out", "all", "--resume")

    assert (process.returncode, said) == (1, b"error: interrupted; the same command with --resume goes on\n")
    assert resumed.returncode == 0
    assert [lines.decode(line) for line in (command.folder / "all").read_bytes().splitlines()] == documents


async def test_a_terminal_shows_a_bar_with_rate_and_remaining_time(command: Command, moved: Any) -> None:
    await moved["from"].insert_one({"_id": 1})
    ours, theirs = os.openpty()

    process = command.start("export", *FROM, "--out", "all", stderr=theirs)
    os.close(theirs)
    shown = shown_on(ours)
    assert process.wait(60) == 0

    assert b"moved.from" in shown
    assert b"documents/s" in shown or b"-:--:--" in shown
