"""What files `import` reads beside lines, and what `export` writes: arrays, CSV, BSON; hostile ones, too."""

import gzip
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from struct import pack
from typing import Any
from uuid import UUID

import bson
import pytest
from bson.binary import Binary
from bson.objectid import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from admin.process import StoppedError
from admin.transfer import formats
from admin.transfer.lines import LineError
from admin.transfer.source import Source
from tests.admin.conftest import Command, killed_until_done, stored
from tests.admin.test_export import nested
from tests.admin.test_import import TO, documents
from tests.bson_types import ROWS, document, element
from tests.depth import examples

FROM = ("--namespace", "moved.from")


def given_file(command: Command, content: bytes, name: str = "in") -> None:
    (command.folder / name).write_bytes(content)


@pytest.mark.parametrize("options", [(), ("--format", "bson"), ("--format", "ndjson")], ids=["auto", "bson", "ndjson"])
@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_archive_of_mongodump_is_refused_with_what_to_do(
    command: Command, packed: Callable[[bytes], bytes], options: tuple[str, ...]
) -> None:
    given_file(command, packed(bytes.fromhex("6de29981") + bson.encode({"concurrent_collections": 4})))
    done = command("import", *TO, "--in", "in", *options)

    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"this is an archive of mongodump" in done.stderr
    assert b"--out in place of --archive" in done.stderr


@pytest.mark.parametrize(
    ("content", "name", "form"),
    [
        pytest.param(b'{"_id":1}\n{"_id":2}\n', "x", "NDJSON", id="lines"),
        pytest.param(b'[{"_id":1},{"_id":2}]', "x", "JSON", id="array"),
        pytest.param(b' [\r\n{"_id":1}\n ,\n{"_id": 2} ]\n\n', "x", "JSON", id="array in lines"),
        pytest.param(b'{\n  "_id": 1\n}\n{\n  "_id": 2\n}', "x", "JSON", id="pretty"),
        pytest.param(b"\xef\xbb\xbf[{\"_id\":1},{\"_id\":2}]", "x", "JSON", id="byte order mark"),
        pytest.param(b"_id.int32()\r\n1\r\n2\r\n", "x", "CSV", id="header with a type"),
        pytest.param(b"_id.int32()\n1\n2", "x.CSV", "CSV", id="name"),
        pytest.param(bson.encode({"_id": 1}) + bson.encode({"_id": 2}), "x", "BSON", id="mongodump"),
        pytest.param(gzip.compress(bson.encode({"_id": 1}) + bson.encode({"_id": 2})), "x.gz", "BSON", id="archive"),
        pytest.param(gzip.compress(b"_id.int32()\n1\n2"), "x.csv.gz", "CSV", id="CSV archive"),
    ],
)  # fmt: skip
async def test_a_file_is_told_by_its_content(
    command: Command, moved: Any, content: bytes, name: str, form: str
) -> None:
    given_file(command, content, name)
    done = command("import", *TO, "--in", name)

    assert done.stderr.decode() == (
        f"2 documents for moved.to, read as {form}: 2 inserted, 0 replaced, 0 skipped, 0 there already, 0 failed\n"
    )
    assert [each["_id"] for each in await documents(moved.to)] == [1, 2]


async def test_a_format_that_is_said_counts(command: Command, moved: Any) -> None:
    given_file(command, b"_id,word\n1,x\n")
    done = command("import", *TO, "--in", "in", "--format", "csv")

    assert done.returncode == 0
    assert await documents(moved.to) == [{"_id": "1", "word": "x"}]


async def test_a_row_has_the_types_of_its_header(command: Command, moved: Any) -> None:
    header = (
        "_id.objectId(),n.int32(),big.int64(),d.double(),m.decimal(),yes.boolean(),at.date(),on.date(2006-01-02 15:04),"
        "raw.binary(hex),u.uuid(),e.ejson(),a.auto(),in.side.string(),empty,gone.int32()"
    )
    row = (
        "65a1b2c3d4e5f60718293a4b,7,9223372036854775807,1,1.50,TRUE,2026-01-02T03:04:05+01:00,2026-01-02 03:04,00ff,"
        '"12345678-1234-5678-1234-567812345678","[{""$numberLong"":""1""}]",2.5,"a ""quoted""\nline","",'
    )
    given_file(command, f"{header}\n{row}\n".encode())
    done = command("import", *TO, "--in", "in")

    assert done.returncode == 0, done.stderr
    assert await stored(moved.to) == [
        bson.encode(
            {
                "_id": ObjectId("65a1b2c3d4e5f60718293a4b"), "n": 7, "big": bson.Int64(2**63 - 1), "d": 1.0,
                "m": bson.Decimal128("1.50"), "yes": True, "at": datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC),
                "on": datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "raw": b"\x00\xff",
                "u": Binary.from_uuid(UUID("12345678-1234-5678-1234-567812345678")), "e": [bson.Int64(1)], "a": 2.5,
                "in": {"side": 'a "quoted"\nline'}, "empty": "",
            }
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"a.int32(),a.int32()\n1,2\n", "the header: 'a' stands twice", id="name twice"),
        pytest.param(b"a.int32(),a.b\n1,2\n", "the header: 'a.b' stands twice, or inside", id="inside"),
        pytest.param(b"a.int32(),,b\n1,2,3\n", "the header: column 2 has no name", id="no name"),
        pytest.param(b"a.int32(),b.float()\n1,2\n", "the header: float() is no type: there are auto,", id="type"),
        pytest.param(b"a.int32(),b..c\n1,2\n", "the header: 'b..c' is no path", id="path"),
        pytest.param(b"a.date(x)\n1\n", "the header: date(x) has no layout", id="layout"),
        pytest.param(b"_id.int32(),b\n1\n", "row 2: it has 1 field, and the header 2", id="ragged"),
        pytest.param(b"_id.int32(),b\n1,2,3\n", "row 2: it has 3 fields, and the header 2", id="too many"),
        pytest.param(b"_id.int32()\n1\nx\n", "row 3: _id: 'x' is not of its type", id="not of its type"),
        pytest.param(b"_id.int32()\n2147483648\n", "row 2: _id: '2147483648' is not of its type", id="too large"),
        pytest.param(b'_id.int32(),b\n1,"x\n2,y\n', "row 2: a quotation mark has no other", id="quotation mark"),
        pytest.param(b'_id.int32(),b\n1,"x"y\n', "row 2: ", id="behind a quotation mark"),
        pytest.param(b"_id.int32(),b\n1,\xff\n", "row 2: it is not UTF-8", id="not UTF-8"),
        pytest.param("_id.int32()\n1".encode("utf-16"), "the file is UTF-16: save it as UTF-8", id="UTF-16"),
        pytest.param(b'[{"_id":1},', "the file ends within the array, behind document 1", id="array cut off"),
        pytest.param(b'[{"_id":1},{"_id":', "the file ends within document 2", id="document cut off"),
        pytest.param(b'[{"_id":1} {"_id":2}]', "a comma is missing behind document 1", id="no comma"),
        pytest.param(b'[{"_id":1}] x', "there is more behind the end of the array", id="more"),
        pytest.param(b"[1]", "document 1: ", id="a number"),
        pytest.param(b'[{"_id":1},]', "document 2: ", id="comma at the end"),
        pytest.param(b"[" * 5000, "the file ends within", id="deep"),
        pytest.param(b'[{"_id":1]', "document 1: ", id="wrong bracket"),
        pytest.param(bson.encode({"_id": 1})[:-3], "the file ends within document 1", id="BSON cut off"),
        pytest.param(bson.encode({"_id": 1}) + b"\x05\x00", "the file ends within document 2", id="length cut off"),
        pytest.param(
            bson.encode({"_id": 1}) + pack("<i", -5) + b"x" * 9, "document 2 cannot have -5 bytes", id="negative length"
        ),
        pytest.param(pack("<i", 9) + b"\x02a\x00\xff\x00", "document 1: it is no BSON", id="no BSON"),
        pytest.param(
            document(element(3, pack("<i", 99) + b"\0")), "document 1: it is no BSON", id="length inside that lies"
        ),
        pytest.param(document(element(2, pack("<i", 2) + b"aa")), "document 1: it is no BSON", id="text without end"),
        pytest.param(document(element(3, nested(400))), "document 1: it is no BSON", id="deep BSON"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_named_by_its_place(
    command: Command, moved: Any, content: bytes, sentence: str
) -> None:
    given_file(command, content)
    done = command("import", *TO, "--in", "in")

    assert done.returncode == 1
    assert sentence in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert await moved.to.count_documents({}) <= 1


@pytest.mark.full
@pytest.mark.parametrize("form", ["json", "bson", "csv"])
async def test_a_killed_import_of_any_format_goes_on(command: Command, moved: Any, form: str) -> None:
    given_file(command, MANY[form]([{"_id": number, "s": "x" * 500} for number in range(20_000)]), f"many.{form}")
    name = f"many.{form}"

    killed_until_done(command, f"{name}.import", "import", *TO, "--in", name, "--resume")

    assert [(each["_id"], len(each["s"])) for each in await documents(moved.to)] == [(n, 500) for n in range(20_000)]


MANY: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "json": lambda made: json.dumps(made, indent=1).encode(),
    "bson": lambda made: b"".join(map(bson.encode, made)),
    "csv": lambda made: (
        b"_id.int32(),s\n" + b"".join(b'%d,"%b"\n' % (each["_id"], each["s"].encode()) for each in made)
    ),
}


async def test_a_resumed_import_counts_what_it_did(command: Command, moved: Any) -> None:
    given_file(command, b'[{"_id":1},{"_id":2},{"_id":"x","b":{"$oid":1}},{"_id":3}]')
    first = command("import", *TO, "--in", "in")
    given_file(command, b'[{"_id":1},{"_id":2},{"_id":"x","b":{"a":1}},{"_id":3}]')
    second = command("import", *TO, "--in", "in", "--resume")

    assert (first.returncode, second.returncode) == (1, 0)
    assert second.stderr.decode() == (
        "resumed behind document 2\n2 documents for moved.to, read as JSON:"
        " 2 inserted, 0 replaced, 0 skipped, 0 there already, 0 failed\n"
    )


async def test_another_format_is_not_gone_on_with(command: Command, moved: Any) -> None:
    given_file(command, b'{"_id":1}\n{"_id":"x","b":{"$oid":1}}')
    command("import", *TO, "--in", "in")
    done = command("import", *TO, "--in", "in", "--resume", "--format", "json")

    assert done.returncode == 1
    assert b"this is not the file whose import was interrupted" in done.stderr


async def test_an_export_has_what_was_asked_for(command: Command, moved: Any) -> None:
    await moved["from"].insert_many([{"_id": 1, "a": {"b": 'x,"y"'}, "c": 1}, {"_id": 2, "c": 2}, {"_id": 3, "c": 1}])
    command("export", *FROM, "--out", "x.json", "--format", "json", "--query", '{"c":1}', "--projection", '{"a":1}')
    command("export", *FROM, "--out", "x.csv", "--format", "csv", "--fields", "_id,a.b,c")

    assert (command.folder / "x.json").read_bytes() == (
        b'[\n{"_id":{"$numberInt":"1"},"a":{"b":"x,\\"y\\""}},\n{"_id":{"$numberInt":"3"}}\n]\n'
    )
    assert (command.folder / "x.csv").read_bytes() == b'_id,a.b,c\r\n1,"x,""y""",1\r\n2,,2\r\n3,,1\r\n'


async def test_an_empty_collection_is_an_empty_array(command: Command, moved: Any) -> None:
    await moved.create_collection("from")
    done = command("export", *FROM, "--out", "-", "--format", "json")

    assert json.loads(done.stdout) == []


@pytest.mark.full
@pytest.mark.parametrize("form", ["json", "bson", "csv"])
async def test_a_killed_export_of_any_format_goes_on(command: Command, moved: Any, form: str) -> None:
    await moved["from"].insert_many([{"_id": number, "s": "x" * 1_000} for number in range(20_000)])
    columns = {"csv": ("--fields", "_id,s")}.get(form, ())
    whole = command("export", *FROM, "--out", "whole", "--format", form, *columns)
    killed_until_done(command, "out.part.json", "export", *FROM, "--out", "out", "--format", form, *columns, "--resume")

    assert whole.returncode == 0
    assert (command.folder / "out").read_bytes() == (command.folder / "whole").read_bytes()


def read(content: bytes, folder: Path, form: formats.Name) -> list[bytes]:
    """Return the items that a file has in a format."""
    (folder / "file").write_bytes(content)
    with (folder / "file").open("rb") as file:
        source = Source(file)
        made = formats.named(form, source)
        return [item.text for item in source.items(made.read)]


@given(st.data())
def test_values_are_found_whatever_is_in_them(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    texts = st.text(alphabet='"\\{}[],:ab é\n', max_size=12)
    values = st.recursive(
        st.none() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )
    made = data.draw(st.lists(st.dictionaries(texts, values, max_size=3), max_size=5))
    indent = data.draw(st.sampled_from([None, 1]))
    content = json.dumps(made, indent=indent, ensure_ascii=data.draw(st.booleans())).encode()

    assert [json.loads(each) for each in read(content, tmp_path_factory.getbasetemp(), "json")] == made


def test_a_document_longer_than_what_is_read_at_once_is_found(tmp_path: Path) -> None:
    made = [{"s": '\\"' * random.Random(1).randrange(5_000, 50_000)} for _ in range(20)]

    assert [json.loads(each) for each in read(json.dumps(made).encode(), tmp_path, "json")] == made


@pytest.mark.parametrize("form", ["ndjson", "json", "csv", "bson"])
def test_random_bytes_are_refused_in_words(tmp_path: Path, form: formats.Name) -> None:
    source = random.Random(form)

    def attempt() -> str:
        content = bytes(source.choices(b'{}[]",:\\\x00\x05\xff1a.()\n ', k=source.randrange(60)))
        (tmp_path / "file").write_bytes(content)
        try:
            with (tmp_path / "file").open("rb") as file:
                opened = Source(file)
                made = formats.named(form, opened)
                for item in opened.items(made.read):
                    made.decode(item)
        except (LineError, StoppedError) as error:
            return str(error)
        return "fine"

    assert all(attempt() for _ in range(examples(4_000)))


def test_a_row_of_every_type_is_one_document_of_mongodump(tmp_path: Path) -> None:
    made = [document(bytes([row.kind]) + b"v\0" + row.payload) for row in ROWS]

    assert read(b"".join(made), tmp_path, "bson") == made
