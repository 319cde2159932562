"""Every cut of BSON bytes, against what the driver makes of the same values."""

from struct import pack
from typing import Any

import bson
import pytest
from bson.int64 import Int64
from bson.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.documents import elements
from shared.turns import at_once
from tests.bson_types import ROWS, Row, document, element, text
from tests.depth import examples
from tests.shared.generated import documents

plain = documents.map(lambda members: {name: value for name, value in members.items() if name != "_id"})
ids = documents.map(lambda members: next(iter(members.values()), None))
names = st.sampled_from(["$eq", "$literal", "v", "é", ""])


def content(members: dict[str, Any]) -> bytes:
    """Return the elements of a document in their order: the driver itself puts _id in front."""
    return b"".join(bson.encode({name: value})[4:-1] for name, value in members.items())


def stored(members: dict[str, Any]) -> bytes:
    return document(content(members))


def at(position: int, name: str, value: Any, members: dict[str, Any]) -> dict[str, Any]:
    pairs = list(members.items())
    pairs.insert(position % (len(pairs) + 1), (name, value))
    return dict(pairs)


@given(documents)
def test_the_elements_of_a_document_are_its_members(members: dict[str, Any]) -> None:
    found = elements.elements(stored(members))

    assert list(found) == list(members)
    assert [document(element(each.kind, each.value, name)) for name, each in found.items()] == [
        bson.encode({name: value}) for name, value in members.items()
    ]


@given(documents)
def test_spans_lie_side_by_side_and_cover_a_document(members: dict[str, Any]) -> None:
    raw = stored(members)
    found = list(elements.spans(raw))

    assert [name.decode() for name, _, _, _ in found] == list(members)
    assert [4, *(end for _, _, _, end in found)] == [*(start for _, start, _, _ in found), len(raw) - 1]
    assert b"".join(raw[start:end] for _, start, _, end in found) == content(members)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_value_of_every_type_is_cut_out_whole(row: Row) -> None:
    after = element(0x10, pack("<i", 1), "after")

    found = elements.elements(document(element(row.kind, row.payload), after))

    assert found == {"v": (row.kind, row.payload), "after": (0x10, pack("<i", 1))}


@given(documents)
def test_a_document_is_one_and_no_part_of_it_is(members: dict[str, Any]) -> None:
    raw = stored(members)

    assert elements.is_document(raw)
    assert not elements.is_document(raw + b"\0")
    assert not any(elements.is_document(raw[:end]) for end in range(len(raw)))


@given(st.binary(max_size=40), documents, st.integers(0, 300), st.binary(min_size=1, max_size=4))
def test_bytes_that_may_be_anything_are_judged_without_an_error(
    noise: bytes, members: dict[str, Any], position: int, changed: bytes
) -> None:
    raw = stored(members)
    start = position % len(raw)
    bent = raw[:start] + changed + raw[start + len(changed) :]

    assert {type(elements.is_document(each)) for each in (noise, bent)} == {bool}


@given(documents)
def test_a_document_is_put_together_of_its_elements(members: dict[str, Any]) -> None:
    assert elements.document_of(content(members)) == stored(members)


@given(names, documents)
def test_a_document_is_wrapped_under_a_name(name: str, members: dict[str, Any]) -> None:
    assert elements.wrapped(name, stored(members)) == document(element(0x03, stored(members), name))


@given(st.lists(documents, max_size=5))
def test_a_batch_is_split_into_its_documents(several: list[dict[str, Any]]) -> None:
    raw = [stored(each) for each in several]

    assert elements.split(b"".join(raw)) == raw


@given(
    st.lists(documents, max_size=3),
    st.sampled_from([Int64(0), Int64(7), Int64(-(2**63))]),
    st.permutations(["firstBatch", "id", "ns"]),
)
def test_a_first_batch_is_cut_out_in_whatever_order_its_cursor_is_written(
    several: list[dict[str, Any]], cursor_id: Int64, order: list[str]
) -> None:
    members = {"firstBatch": several, "id": cursor_id, "ns": "shop.items"}

    batch, is_whole = elements.first_batch(bson.encode({name: members[name] for name in order}))

    assert batch == b"".join(bson.encode(each) for each in several)
    assert is_whole is (cursor_id == 0)


ONE, NAME = pack("<i", 1), "owner"
STRING = element(0x02, text("s"), NAME)


@pytest.mark.parametrize(
    ("raw", "kinds"),
    [
        (document(), set()),
        (document(STRING), {b"\x02"}),
        (document(STRING) + document(element(0x07, bytes(12), NAME)), {b"\x02", b"\x07"}),
        (document(STRING, element(0x03, document(element(0xFF, b"", NAME)), "x")), {b"\x02", b"\xff"}),
        (document(STRING, STRING), {b"\x02"}),
        (document(element(0x02, text(NAME), "x")), {b"\0"}),
        (document(element(0x02, text("\x02owner"), "x")), {b"\x02"}),
        (document(element(0x10, ONE, "\x02owner")), {b"\x02"}),
        (document(element(0x10, ONE, "coowner")), {b"o"}),
        (document(element(0x0A, b"", NAME), element(0x0A, b"", NAME)), {b"\x0a"}),
        (document(element(0x0B, b"owner\0owner\0", NAME)), {b"\x0b", b""}),
    ],
)
def test_types_are_found_wherever_the_name_stands(raw: bytes, kinds: set[bytes]) -> None:
    assert elements.kinds_of(NAME, raw) == kinds


@given(st.lists(documents, min_size=1, max_size=3), st.data())
def test_no_type_of_a_name_is_overlooked(several: list[dict[str, Any]], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted({name for each in several for name in each}) or [""]))
    theirs = {bson.encode({name: each[name]})[4:5] for each in several if name in each}

    assert theirs <= elements.kinds_of(name, b"".join(map(stored, several)))


@given(plain, ids, st.integers(0, 9))
def test_the_identity_of_a_document_has_the_bytes_of_its_id(members: dict[str, Any], value: Any, place: int) -> None:
    assert elements.identity(stored(at(place, "_id", value, members))) == bson.encode({"_id": value})
    assert elements.identity(stored(members)) is None


@given(plain, ids)
def test_an_identity_is_put_in_front(members: dict[str, Any], value: Any) -> None:
    put = elements.with_identity(bson.encode({"_id": value}), stored(members))

    assert put == stored({"_id": value, **members})


@given(plain, ids, st.integers(0, 9))
def test_an_id_is_moved_to_the_front(members: dict[str, Any], value: Any, place: int) -> None:
    moved = elements.with_id_first(stored(at(place, "_id", value, members)))

    assert moved == stored({"_id": value, **members})
    assert elements.with_id_first(stored(members)) == stored(members)


@given(names, ids)
def test_the_value_of_an_identity_stands_under_another_name(name: str, value: Any) -> None:
    assert elements.valued(name, bson.encode({"_id": value})) == bson.encode({name: value})


@given(st.lists(ids, max_size=12))
def test_a_filter_finds_identities(values: list[Any]) -> None:
    query = elements.among(bson.encode({"_id": value}) for value in values)

    assert query == bson.encode({"_id": {"$in": values}})


@given(plain, st.integers(0, 9), st.sampled_from([Timestamp(0, 0), Timestamp(0, 1), Int64(0), None]), ids)
def test_an_empty_timestamp_is_found_at_the_top_alone(
    members: dict[str, Any], place: int, value: Any, identity: Any
) -> None:
    whole = {"_id": identity} | at(place, "when", value, members)
    empty = [name for name, each in whole.items() if name != "_id" and each == Timestamp(0, 0)]

    assert elements.has_empty_timestamp(stored(whole)) is bool(empty)


def test_an_empty_timestamp_in_an_id_or_deeper_stays_as_it_is() -> None:
    empty = Timestamp(0, 0)

    assert not elements.has_empty_timestamp(bson.encode({"_id": empty, "inner": {"at": empty}, "all": [empty]}))


@settings(max_examples=examples(1_000), deadline=None)
@given(documents, st.integers(1, 3), st.booleans())
def test_a_document_is_encoded_in_steps_as_it_is_at_once(document: dict[str, Any], many: int, has_id: bool) -> None:
    document = {"a": [document] * 3, **document, "b": {**document, "c": [document], "_id": 1}} | (
        {"_id": 1} if has_id else {}
    )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elements, "_MANY", many)
        encoded = at_once(elements.encoded(document))

    assert encoded == bson.encode(document)
