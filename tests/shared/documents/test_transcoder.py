"""Native code writes what Python writes, or declines; and what is said where there is none that can be used."""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from struct import pack
from types import ModuleType
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import films
from shared.documents import replies, transcoder
from shared.documents.replies import NATIVE_PIECE, PIECE
from shared.documents.transcoder import VERSION, Transcoder, Writer
from shared.turns import at_once
from tests.bson_types import ROWS, STORED_ROWS, Row, cases, decimal, document, element, text
from tests.depth import examples
from tests.hosts import ROOT
from tests.native import FORMS, Documents, agree, built
from tests.shared.generated import documents

DECLINED = {  # Python writes these
    "date 0000-12-31T23:59:59.999Z", "date 0000-02-29T00:00:00.000Z", "date 0000-01-01T00:00:00.000Z",
    "date -000001-12-31T23:59:59.999Z", "date +010000-01-01T00:00:00.000Z", "date +292278994-08-17T07:12:55.807Z",
    "date -292275055-05-16T16:47:04.192Z", "decimal NaN", "decimal Infinity", "decimal -Infinity", "decimal sNaN",
    "decimal -NaN", "decimal NaN with a payload", "decimal of 35 digits", "string that is not UTF-8",
    "code that is not UTF-8", "regex that is not UTF-8", "document with a key that is not UTF-8",
    "document with a key twice",
}  # fmt: skip
INT32 = pack("<i", 1)
LARGE_BINARY = pack("<iB", 1_000_000, 0) + bytes(1_000_000)
BATCH = b"".join(bson.encode(films.film(number)) for number in range(3))


@pytest.fixture(scope="module")
def writer() -> Writer:
    return built()


@pytest.mark.parametrize("row", cases(ROWS + STORED_ROWS))
def test_every_type_is_written_natively_but_for_what_is_rare(writer: Writer, row: Row) -> None:
    declined = {form for form in FORMS if writer.batch(row.bson, form) is None}

    agree(writer, row.bson + row.bson)
    assert bool(declined) is (row.name in DECLINED)


@pytest.mark.parametrize("row", cases([*ROWS, *STORED_ROWS]))
def test_a_value_with_any_byte_changed_is_written_as_python_writes_it(writer: Writer, row: Row) -> None:
    for place, byte in enumerate(row.payload):
        for other in {0, 1, 2, 0x7F, 0x80, 0xFF, (byte + 1) % 256, (byte - 1) % 256}:
            payload = row.payload[:place] + bytes([other]) + row.payload[place + 1 :]
            agree(writer, document(element(row.kind, payload), element(0x10, INT32, "after")))


@pytest.mark.parametrize("row", cases([*ROWS, *STORED_ROWS]))
def test_a_value_that_ends_early_is_written_as_python_writes_it(writer: Writer, row: Row) -> None:
    for end in range(len(row.payload)):
        cut = element(row.kind, row.payload[:end])
        agree(writer, document(cut))
        agree(writer, document(element(0x03, document(cut)), element(0x10, INT32, "after")))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\x02" + text("\x01" * 300_000), id="a text of escapes"),
        pytest.param(b"\x02" + text("é☆𝄞" * 100_000), id="a text beyond ASCII"),
        pytest.param(b"\x05" + LARGE_BINARY, id="binary data"),
        pytest.param(
            b"\x03" + document(element(0x02, text("\x01" * 300_000)), element(0x05, LARGE_BINARY, "b")),
            id="binary data behind escapes",
        ),
        pytest.param(b"\x0b" + b"\x1f" * 300_000 + b"\0\0", id="a pattern of escapes"),
        pytest.param(b"\x04" + document(*(element(0x13, decimal(10**33, -6176)) for _ in range(20_000))), id="numbers"),
    ],
)
def test_a_large_value_has_the_room_that_it_needs(writer: Writer, payload: bytes) -> None:
    agree(writer, document(element(payload[0], payload[1:])), is_usual=True)


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(documents, max_size=3))
def test_documents_of_all_types_are_written_as_python_writes_them(
    writer: Writer, several: list[dict[str, Any]]
) -> None:
    agree(writer, b"".join(map(bson.encode, several)))


@settings(max_examples=examples(500), deadline=None)
@given(documents, st.data())
def test_damaged_documents_are_declined_or_written_as_python_writes_them(
    writer: Writer, members: dict[str, Any], data: st.DataObject
) -> None:
    raw = bson.encode(members)
    start, size = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 8))
    instead = data.draw(st.binary(max_size=8) | st.integers(-1, 40).map(lambda number: pack("<i", number)))

    agree(writer, raw[:start] + instead + raw[start + size :])


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_of_documents_are_written_as_python_writes_them(writer: Writer, seed: int) -> None:
    made = Documents(Random(seed))

    for _ in range(examples(5_000)):
        batch = made.batch()
        agree(writer, batch, is_usual=True)
        agree(writer, made.damaged(batch))
        agree(writer, made.ending_early())


def test_a_batch_that_is_cut_off_is_declined(writer: Writer) -> None:
    taken = {end for end in range(len(BATCH) + 1) if writer.batch(BATCH[:end], "JSON") is not None}

    assert taken == {0, *_ends(BATCH)}


def _ends(batch: bytes) -> Iterator[int]:
    start = 0
    while start < len(batch):
        start += int.from_bytes(batch[start : start + 4], "little")
        yield start


@pytest.mark.parametrize("kind", [0x01, 0x09, 0x13], ids=["doubles", "dates", "decimals"])
def test_hundreds_of_thousands_of_numbers_have_pythons_digits(writer: Writer, kind: int) -> None:
    made = Documents(Random(kind))
    payload = {0x01: made.double, 0x09: made.date, 0x13: made.decimal}[kind]

    for _ in range(examples(300)):
        several = document(*(element(kind, payload(), str(place)) for place in range(1_000)))
        agree(writer, document(element(0x04, several, "all")), is_usual=True)


@pytest.mark.parametrize("kind", [0x01, 0x13], ids=["doubles", "decimals"])
def test_any_bits_are_a_number_as_python_has_it(writer: Writer, kind: int) -> None:
    random, size = Random(kind), 8 if kind == 0x01 else 16

    for _ in range(examples(10_000)):
        agree(writer, document(element(kind, random.randbytes(size))))


@pytest.mark.parametrize("bits", range(8, 64, 4))
def test_dates_of_all_64_bits_are_written_as_python_writes_them(writer: Writer, bits: int) -> None:
    dates = [sign * ((1 << bits) + offset) for sign in (-1, 1) for offset in range(-1, 2)]

    for each in dates:
        agree(writer, document(element(0x09, pack("<q", each))))


@pytest.mark.parametrize("broken", [
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2\x7f", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
    b"\xe2\x98", b"\xe2\x98a", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xfe",
    b"\xf0\x9d\x84", b"\xf0\x9d\x84a",
], ids=bytes.hex)  # fmt: skip
def test_what_is_not_utf8_is_declined_wherever_it_stands(writer: Writer, broken: bytes) -> None:
    places = [b"x" * before + broken + b"x" * behind for before in range(10) for behind in (0, 1, 9)]

    assert {
        writer.batch(each, "JSON")
        for place in places
        for each in (
            document(element(0x02, text(place))),
            document(b"\x0a" + place + b"\0"),
            document(element(0x0B, place + b"\0\0")),
        )
    } == {None}


@pytest.mark.parametrize("character", range(0x80))
def test_every_character_of_ascii_is_escaped_as_orjson_does(writer: Writer, character: int) -> None:
    stored = [b"x" * place + bytes([character]) + b"x" * (9 - place) for place in range(10)]

    agree(
        writer, document(*(element(0x02, text(each), str(place)) for place, each in enumerate(stored))), is_usual=True
    )


@pytest.mark.parametrize("count", [2, 16, 17, 300, 1_024])
def test_a_name_twice_is_declined_however_many_there_are(writer: Writer, count: int) -> None:
    names = [f"some longer name {number} of a member" for number in range(count)]

    agree(writer, _of_names(names), is_usual=True)
    for again in (0, (count - 1) // 2, count - 2):
        assert writer.batch(_of_names([*names[:-1], names[again]]), "JSON") is None


def test_names_may_come_again_in_other_documents(writer: Writer) -> None:
    inner = element(0x03, _of_names(["a", "b"]), "c")

    agree(writer, document(inner, element(0x10, INT32, "a"), element(0x03, document(inner), "b")) * 2, is_usual=True)


def test_names_that_take_long_to_compare_are_declined(writer: Writer) -> None:
    many = [str(number) for number in range(1_025)]
    meeting = [name for name in (f"{number:08}" for number in range(300_000)) if _slot(name) == 1]

    assert len(meeting) > 40
    assert writer.batch(_of_names(many), "JSON") is None
    assert writer.batch(_of_names(meeting), "JSON") is None


def _slot(name: str) -> int:
    """Return where the writer looks first for a name of 8 bytes."""
    return (9 ^ int.from_bytes(name.encode(), "little")) * 0x9E3779B97F4A7C15 % 2**64 >> 52


def _of_names(names: list[str]) -> bytes:
    return document(*(element(0x10, INT32, name) for name in names))


@pytest.mark.parametrize("kind", [0x03, 0x04, 0x0F], ids=["documents", "arrays", "scopes"])
def test_what_is_very_deep_is_declined(writer: Writer, kind: int) -> None:
    for levels, is_usual in ((119, True), (120, False), (5_000, False)):
        made = document()
        for _ in range(levels):
            scoped = pack("<i", 4 + len(text("f")) + len(made)) + text("f") + made
            made = document(element(kind, scoped if kind == 0x0F else made, "0"))
        if is_usual:
            agree(writer, made, is_usual=True)
        else:
            assert writer.batch(made, "JSON") is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("times", [1, 300, 5_000])
def test_a_batch_of_any_size_is_the_same_text(writer: Writer, times: int, form: replies.Format) -> None:
    broken = document(element(0x02, text(b"\xff")))
    batch = BATCH * times + broken + BATCH

    made, number = at_once(replies.texts_of_documents(batch, form, writer))

    assert (b",".join(made), number) == replies.batch_of_documents(batch, form, None)


def test_others_have_their_turn_while_a_large_batch_is_written(writer: Writer) -> None:
    steps = sum(1 for _ in replies.texts_of_documents(BATCH * 5_000, "JSON", writer))

    assert steps >= len(BATCH) * 5_000 // NATIVE_PIECE


def test_the_decision_names_the_sizes_that_the_code_has() -> None:
    decision = (ROOT / "docs/decisions/0035-native-code-may-decline.md").read_text()

    assert f"{NATIVE_PIECE // 1024} KB at a time" in decision
    assert f"{PIECE // 1024} KB of objects" in decision


def test_the_version_of_the_distribution_is_that_of_its_functions(writer: Any) -> None:
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "native/pyproject.toml").read_text()
    assert writer.VERSION == VERSION


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which dozen_transcode is looked for, and nowhere else."""
    before = _forgotten()
    others = [each for each in sys.path if not (Path(each) / "dozen_transcode").exists()]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *others])
    yield tmp_path
    _forgotten()
    sys.modules.update(before)


def _forgotten() -> dict[str, ModuleType]:
    """Return the modules of dozen_transcode, which are imported no longer."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("dozen_transcode")}


def test_without_native_code_python_does_its_work(other: Path) -> None:
    assert transcoder.load("auto") == Transcoder("missing")


def test_native_code_that_is_off_is_not_even_imported(other: Path) -> None:
    assert transcoder.load("off") == Transcoder("off")
    assert "dozen_transcode" not in sys.modules


@pytest.mark.parametrize(
    ("content", "state"),
    [
        pytest.param(f"VERSION = {VERSION + 1}", f"version {VERSION + 1}, not {VERSION}", id="a newer one"),
        pytest.param("", f"version None, not {VERSION}", id="one without a version"),
        pytest.param("raise ImportError('no such symbol')", "broken", id="one of another machine"),
        pytest.param("import something_that_is_not_there", "broken", id="one that lacks something"),
        pytest.param(None, "broken", id="one that was not compiled"),
    ],
)
def test_native_code_that_cannot_be_used_is_not(other: Path, content: str | None, state: str) -> None:
    package = other / "dozen_transcode"
    package.mkdir()
    (package / "__init__.py").write_text("")
    if content is not None:
        (package / "writer.py").write_text(content)

    assert transcoder.load("auto") == Transcoder(state)
