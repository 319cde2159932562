"""MongoDB's own BSON corpus, as the source package of the installed PyMongo carries it.

Every valid case goes BSON -> our canonical Extended JSON -> BSON, and every Extended JSON in it -> BSON. What comes
out otherwise is named here with its reason; a name that is no longer true fails as well.
"""

import json
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import bson
import pytest
from bson.errors import InvalidDocument

from shared.documents import ejson, replies
from shared.documents.transcoder import Writer
from shared.errors import InvalidJSONError
from tests import driver_source
from tests.native import agree, built

FILES = [
    "array", "binary", "boolean", "code", "code_w_scope", "datetime", "dbpointer", "dbref", "decimal128-1",
    "decimal128-2", "decimal128-3", "decimal128-4", "decimal128-5", "decimal128-6", "decimal128-7", "document",
    "double",
    "int32", "int64", "maxkey", "minkey", "multi-type", "multi-type-deprecated", "null", "oid", "regex", "string",
    "symbol", "timestamp", "top", "undefined",
]  # fmt: skip

SYMBOLS = {
    "Empty string", "Single character", "Multi-character", "two-byte UTF-8 (é)", "three-byte UTF-8 (☆)",
    "Embedded nulls",
}  # fmt: skip
POINTERS = {"DBpointer", "DBpointer with opposite key order", "With two-byte UTF-8"}

SHOWN_OTHERWISE = {
    "symbol": SYMBOLS,  # the driver's decoder makes a string of it
    "undefined": {"Undefined"},  # the driver's decoder makes null of it
    "multi-type-deprecated": {"All BSON types"},  # has both
    "double": {"1.2345678921232E+18", "-1.2345678921232E+18"},  # the same number, Python writes a small e
}
STORED_OTHERWISE = {
    "symbol": SYMBOLS,  # the driver cannot encode one: a string
    "undefined": {"Undefined"},  # the driver cannot encode one: null
    "dbpointer": POINTERS,  # the driver cannot encode one: a DBRef
    "multi-type-deprecated": {"All BSON types"},  # has all three
}
RELAXED_STORED_OTHERWISE = {
    "int64": {"-1", "0", "1"},  # a plain number that fits is an int32: relaxed Extended JSON cannot tell
}
DEGENERATE_STORED_OTHERWISE = {
    "dbpointer": {"DBpointer with opposite key order"},  # a DBRef, as above
}
TAKEN_ALTHOUGH_WRONG = {
    "top": {"Bad $date (number, not string or hash)"},  # old clients send milliseconds
}

type Case = dict[str, Any]
type Corpus = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """The corpus of exactly the installed PyMongo."""
    return dict(_documents(driver_source.opened()))


def _documents(archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, Any]]]:
    with archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            content = archive.extractfile(member) if folder.endswith("test/bson_corpus") else None
            if content:
                yield name.removesuffix(".json"), json.load(content)


def valid(corpus: Corpus, file: str, member: str, *, lossy: bool = True) -> list[Case]:
    """Return the valid cases of a file that have this member, without the lossy ones if they would not hold."""
    cases = corpus[file].get("valid", [])
    return [case for case in cases if member in case and (lossy or not case.get("lossy"))]


def failing(cases: list[Case], holds: Callable[[Case], bool]) -> set[str]:
    """Return the descriptions of the cases that do not hold."""
    return {case["description"] for case in cases if not holds(case)}


def shown(data: str, native: Writer | None) -> Any:
    """Return the Extended JSON of a reply for hexadecimal BSON, parsed with the order of its members."""
    return ordered(replies.one_document(bytes.fromhex(data), "EJSON", native).decode())


def ordered(text: str) -> Any:
    """Parse, keeping objects as lists of pairs."""
    return json.loads(text, object_pairs_hook=list)


def expected(text: str) -> Any:
    """Return what a reply must say for the corpus's Extended JSON."""
    return ordered(f'{{"document":{text}}}')


def stored(text: str) -> str:
    """Return the hexadecimal BSON of a request's document."""
    body = f'{{"document":{text}}}'.encode()
    return bson.encode(ejson.loads(body)["document"]).hex().upper()


def taken(text: str) -> bool:
    """Return whether a document would get to MongoDB."""
    try:
        stored(text)
    except (InvalidJSONError, InvalidDocument):
        return False
    return True


def test_every_file_of_the_corpus_is_read(corpus: Corpus) -> None:
    assert sorted(corpus) == sorted(FILES)
    assert sum(len(content.get("valid", [])) for content in corpus.values()) > 500


@pytest.mark.parametrize("file", FILES)
def test_stored_bson_is_shown_as_canonical_extended_json(corpus: Corpus, native: Writer | None, file: str) -> None:
    cases = valid(corpus, file, "canonical_bson")

    wrong = failing(
        cases, lambda case: bool(shown(case["canonical_bson"], native) == expected(case["canonical_extjson"]))
    )

    assert wrong == SHOWN_OTHERWISE.get(file, set())


@pytest.mark.parametrize("file", FILES)
def test_degenerate_bson_is_shown_as_canonical_extended_json(corpus: Corpus, native: Writer | None, file: str) -> None:
    cases = valid(corpus, file, "degenerate_bson")

    wrong = failing(
        cases, lambda case: bool(shown(case["degenerate_bson"], native) == expected(case["canonical_extjson"]))
    )

    assert wrong == set()


@pytest.mark.parametrize("file", FILES)
def test_bson_of_deprecated_types_has_a_modern_form(corpus: Corpus, native: Writer | None, file: str) -> None:
    cases = valid(corpus, file, "converted_bson")

    wrong = failing(
        cases, lambda case: bool(shown(case["converted_bson"], native) == expected(case["converted_extjson"]))
    )

    assert wrong == set()


@pytest.mark.parametrize("file", FILES)
def test_native_code_writes_what_python_writes_of_the_corpus(corpus: Corpus, file: str) -> None:
    members = ("canonical_bson", "degenerate_bson", "converted_bson", "bson")
    cases = [*corpus[file].get("valid", []), *corpus[file].get("decodeErrors", [])]

    for each in [bytes.fromhex(case[member]) for case in cases for member in members if member in case]:
        agree(built(), each)


@pytest.mark.parametrize("file", FILES)
def test_canonical_extended_json_is_stored_exactly(corpus: Corpus, file: str) -> None:
    cases = valid(corpus, file, "canonical_extjson", lossy=False)

    wrong = failing(cases, lambda case: stored(case["canonical_extjson"]) == case["canonical_bson"].upper())

    assert wrong == STORED_OTHERWISE.get(file, set())


@pytest.mark.parametrize("file", FILES)
def test_relaxed_extended_json_is_stored_exactly(corpus: Corpus, file: str) -> None:
    cases = valid(corpus, file, "relaxed_extjson", lossy=False)

    wrong = failing(cases, lambda case: stored(case["relaxed_extjson"]) == case["canonical_bson"].upper())

    assert wrong == RELAXED_STORED_OTHERWISE.get(file, set())


@pytest.mark.parametrize("file", FILES)
def test_degenerate_extended_json_is_stored_exactly(corpus: Corpus, file: str) -> None:
    cases = valid(corpus, file, "degenerate_extjson", lossy=False)

    wrong = failing(cases, lambda case: stored(case["degenerate_extjson"]) == case["canonical_bson"].upper())

    assert wrong == DEGENERATE_STORED_OTHERWISE.get(file, set())


@pytest.mark.parametrize("member", ["canonical_extjson", "relaxed_extjson", "degenerate_extjson"])
@pytest.mark.parametrize("file", FILES)
def test_lossy_extended_json_is_taken_too(corpus: Corpus, file: str, member: str) -> None:
    cases = valid(corpus, file, member)

    assert failing(cases, lambda case: taken(case[member])) == set()


@pytest.mark.parametrize("file", FILES)
def test_what_the_corpus_calls_wrong_is_refused(corpus: Corpus, file: str) -> None:
    decimal = corpus[file]["bson_type"] == "0x13"  # there the text is only the number
    cases = corpus[file].get("parseErrors", [])

    wrong = failing(
        cases,
        lambda case: not taken(json.dumps({"d": {"$numberDecimal": case["string"]}}) if decimal else case["string"]),
    )

    assert wrong == TAKEN_ALTHOUGH_WRONG.get(file, set())
