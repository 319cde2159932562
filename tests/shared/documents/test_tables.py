"""Lines of JSON as rows of CSV."""

import csv
import io
from contextlib import nullcontext

import orjson
import pytest

from shared.documents.tables import named, projected, table
from shared.errors import InvalidParameterError
from shared.turns import at_once


def rows(line: bytes, *names: str) -> bytes:
    """Return the row of one document, without the names of the columns."""
    return b"".join(at_once(table([line + b"\n"], names))).partition(b"\r\n")[2]


def test_the_first_row_has_the_names_and_each_ends_with_crlf() -> None:
    found = at_once(table([b'{"a":1}\n{"a":2}\n', b"", b'{"a":3}\n'], ["a", 'b "x"']))

    assert b"".join(found) == b'a,"b ""x"""\r\n1,\r\n2,\r\n3,\r\n'


def test_no_document_leaves_the_names() -> None:
    assert at_once(table([], ["a", "b"])) == [b"a,b\r\n"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        pytest.param(b'"text"', b"text", id="a text"),
        pytest.param(b'""', b'""', id="an empty text"),
        pytest.param(b"null", b"", id="null"),
        pytest.param(b'"null"', b"null", id="a text like null"),
        pytest.param(b'"a,b"', b'"a,b"', id="a comma"),
        pytest.param(rb'"say \"x\""', b'"say ""x"""', id="quotation marks"),
        pytest.param(rb'"a\r\nb"', b'"a\r\nb"', id="the end of a line"),
        pytest.param(rb'"a\nb"', b'"a\nb"', id="half the end of a line"),
        pytest.param('"é\\u00e9"'.encode(), "éé".encode(), id="letters beyond ASCII"),
        pytest.param(b'" a "', b" a ", id="spaces"),
        pytest.param(b"true", b"true", id="true"),
        pytest.param(b"-0", b"-0", id="minus zero"),
        pytest.param(b"1.50", b"1.50", id="a number, digit by digit"),
        pytest.param(b"123456789012345678901234567890", b"123456789012345678901234567890", id="a long number"),
        pytest.param(b'{"x":[1,"y"]}', b'"{""x"":[1,""y""]}"', id="an object"),
        pytest.param(b"[]", b"[]", id="an empty array"),
        pytest.param(b'{"$oid":"5f"}', b'"{""$oid"":""5f""}"', id="Extended JSON"),
        pytest.param(b'"=1+1"', b"=1+1", id="what a spreadsheet may compute"),
    ],
)
def test_a_value_stands_as_in_the_json(value: bytes, cell: bytes) -> None:
    assert rows(b'{"a":1,"v":' + value + b"}", "v", "a") == cell + b",1\r\n"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        pytest.param("a.n", b"1", id="a path"),
        pytest.param("a.c", b"", id="nothing there"),
        pytest.param("a.b.c", b"", id="into a number"),
        pytest.param("list.n", b'"[1,2]"', id="through an array"),
        pytest.param("list.in.m", b'"[[3,4]]"', id="through two arrays"),
        pytest.param("list.none", b"[]", id="through an array, nothing there"),
        pytest.param("x.y", b"2", id="a name with a dot before a path"),
    ],
)
def test_a_column_may_be_a_path(name: str, cell: bytes) -> None:
    line = b'{"a":{"b":1,"n":1},"list":[{"n":1},7,{"n":2,"in":[{"m":3},{"m":4}]}],"x.y":2,"x":{"y":3}}'

    assert rows(line, name, "a.b") == cell + b",1\r\n"


@pytest.mark.parametrize(
    ("names", "overlap"),
    [
        (["a", "b", "a.b c"], True),
        (["a", "b", "a"], True),
        (["a.b.c", "a.b"], True),
        (["a.b.c", "a"], True),
        (["a.b", "a.c", "ab", "b"], False),
    ],
    ids=str,
)
def test_no_part_of_a_document_stands_in_two_columns(names: list[str], overlap: bool) -> None:
    with pytest.raises(InvalidParameterError, match="lead into another") if overlap else nullcontext():
        assert named(names, {}) == names


def test_others_read_what_was_written() -> None:
    values = ['"', ",", "\r\n", "\n", " x ", "=1", "é", "", "a,b\"c'"]
    documents = [{"n": number, "v": value} for number, value in enumerate(values)]
    lines = b"".join(orjson.dumps(each) + b"\n" for each in documents)

    found = b"".join(at_once(table([lines], ["n", "v"]))).decode()

    assert list(csv.reader(io.StringIO(found, newline=""))) == [
        ["n", "v"],
        *([str(number), value] for number, value in enumerate(values)),
    ]


def test_many_cells_are_made_in_several_steps() -> None:
    lines = b'{"a":[{"b":1},{"b":2}]}\n' * 1_000

    assert len(list(table([lines], [f"a.{number}" for number in range(50)]))) >= 10
    assert len(list(table([b'{"a":[%b]}\n' % b",".join([b"1"] * 10_000)], ["a.b", "a.c", "a.d"]))) >= 5


def test_a_long_array_is_not_looked_into() -> None:
    line = orjson.dumps({"a": [{"b": 1}] * 50_000})

    assert rows(line, "a") == b'"' + line[5:-1].replace(b'"', b'""') + b'"\r\n'
    with pytest.raises(InvalidParameterError, match="cannot lead into an array"):
        rows(line, "a.b")


@pytest.mark.parametrize(
    ("projection", "names"),
    [
        ({}, []),
        ({"a": 1, "b.c": True}, ["_id", "a", "b.c"]),
        ({"a": 1, "_id": 0}, ["a"]),
        ({"_id": 1}, ["_id"]),
        ({"_id": 0}, []),
        ({"a": 0, "b": False}, []),
        ({"a": "$b", "c": {"$add": [1, 2]}}, ["_id", "a", "c"]),
        ({"a": {"$elemMatch": {"b": 1}}}, ["_id", "a"]),
        ({"a": {"$slice": 2}}, []),
        ({"a": {"$meta": "textScore"}, "_id": 0}, []),
        ({"a": 1.0}, ["_id", "a"]),
    ],
    ids=str,
)
def test_a_projection_names_columns(projection: dict[str, object], names: list[str]) -> None:
    assert projected(projection) == names
