"""What an event becomes where rules apply, for events as a server of any version sends them."""

from typing import Any

import bson
import pytest
from bson.timestamp import Timestamp

from shared.documents.elements import decoded
from shared.rules.changes import Asked, Event, Seen, Shown, visible
from shared.rules.masks import cut_stored
from shared.rules.ruleset import Rights
from shared.turns import at_once
from tests.shared.rules.test_ruleset import rights, role
from tests.work import is_linear

FIELDS = {"_id": {"read": True}, "n": {"read": True}, "x": {"fields": {"y": {"read": True}}}}
SOME = rights(role(apply_when={"owner": "%%user.id"}, fields=FIELDS))
OTHERS = rights(role(fields={"a": {}}, additional_fields={"read": True}))
OPEN = rights(role(read=True))
PLAIN = Asked()
MINE = {"_id": 1, "owner": "u1", "n": 1, "secret": 2, "x": {"y": 1, "z": 2}}
TIME = Timestamp(7, 9)


def event(kind: str, document: Any = None, before: Any = None, **members: Any) -> dict[str, Any]:
    made = {"_id": {"_data": "00"}, "operationType": kind, "clusterTime": TIME, "fullDocument": document}
    made |= {"ns": {"db": "d", "coll": "c"}, "documentKey": {"_id": 1}, **members}
    return made if before is None else made | {"fullDocumentBeforeChange": before}


def updated(document: Any, description: dict[str, Any], before: Any = None) -> dict[str, Any]:
    described = {"updatedFields": {}, "removedFields": [], "truncatedArrays": []} | description
    return event("update", document, before, updateDescription=described)


def told(
    raw: dict[str, Any], bound: Rights = SOME, shown: Shown | None = None, asked: Asked = PLAIN
) -> dict[str, Any] | None:
    found = Event(bson.encode(raw))

    def shown_of(stored: bytes | None) -> bytes | None:
        mask = None if stored is None else bound.mask(decoded(stored))
        return None if stored is None or mask is None else cut_stored(stored, mask)

    now, left = found.document("fullDocument"), at_once(found.left())
    before = found.document("fullDocumentBeforeChange")
    seen = Seen(shown_of(now), shown_of(before), shown_of(now if left is None else left))
    made = visible(found, seen, bound, asked, shown)
    return None if made is None else bson.decode(made)


def names(made: dict[str, Any] | None) -> Any:
    return made and (made["updateDescription"]["updatedFields"], made["updateDescription"]["removedFields"])


@pytest.mark.parametrize("kind", ["drop", "rename", "dropDatabase", "invalidate"])
def test_what_ends_a_stream_is_told_without_other_names(kind: str) -> None:
    made = told({"_id": 1, "operationType": kind, "clusterTime": TIME, "ns": {"db": "d"}, "to": {"db": "other"}})

    assert made == {"operationType": kind, "clusterTime": Timestamp(7, 0), "ns": {"db": "d"}}


@pytest.mark.parametrize("kind", ["create", "createIndexes", "modify", "shardCollection", "one of a later version"])
def test_what_is_not_known_is_not_told(kind: str) -> None:
    assert told(event(kind, MINE)) is None


def test_members_that_are_not_known_are_not_told() -> None:
    made = told(event("insert", MINE, lsid={"id": 1}, txnNumber=3, wallTime=5, later=1))

    assert made == {
        "operationType": "insert", "clusterTime": Timestamp(7, 0), "ns": {"db": "d", "coll": "c"},
        "fullDocument": {"_id": 1, "n": 1, "x": {"y": 1}}, "documentKey": {"_id": 1}, "wallTime": 5,
    }  # fmt: skip


def test_a_key_has_no_more_than_is_visible() -> None:
    made = told(event("insert", MINE, documentKey={"secret": 2, "n": 1, "x.y": 1, "x.z": 2, "_id": 1}))

    assert made is not None
    assert made["documentKey"] == {"n": 1, "x.y": 1, "_id": 1}


@pytest.mark.parametrize(
    ("ambiguous", "expected"),
    [
        pytest.param({"a.b": ["a.b"]}, ({"a.b": 5}, []), id="a name with a dot"),
        pytest.param({"a.b": ["a", "b"]}, None, id="a path"),
    ],
)
def test_a_name_with_a_dot_is_what_the_server_says(ambiguous: dict[str, Any], expected: Any) -> None:
    document = MINE | {"a.b": 5, "a": {"b": 6}}

    made = told(updated(document, {"updatedFields": {"a.b": 1}, "disambiguatedPaths": ambiguous}), OTHERS)

    assert names(made) == expected
    assert made is None or "disambiguatedPaths" not in made["updateDescription"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({"a.b": 5}, ({"a.b": 5}, []), id="a name"),
        pytest.param({"a.b": 5, "a": {"b": 6}}, None, id="a name or a path"),
        pytest.param({"a": {"b": 6}}, None, id="a path"),
    ],
)
def test_of_a_name_with_a_dot_that_could_be_a_path_nothing_is_told(document: Any, expected: Any) -> None:
    """As servers before 6.1 send it."""
    made = told(updated({"_id": 1, **document}, {"updatedFields": {"a.b": 1}}), OTHERS)

    assert names(made) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param("n", ({"n": [1]}, []), id="visible"),
        pytest.param("secret", None, id="hidden"),
        pytest.param("x.z", None, id="a hidden part"),
    ],
)
def test_a_truncated_array_is_told_as_it_is_now(field: str, expected: Any) -> None:
    made = told(updated(MINE | {"n": [1]}, {"truncatedArrays": [{"field": field, "newSize": 1}]}))

    assert names(made) == expected


def test_an_update_of_which_no_names_are_known_counts() -> None:
    bare = event("update", MINE, updateDescription={"removedFields": [], "truncatedArrays": []})

    assert names(told(bare)) == ({}, [])
    assert told(bare | {"fullDocument": MINE | {"owner": "u2"}}) is None


def test_where_it_is_known_what_was_before_what_differs_is_told() -> None:
    changed = {"updatedFields": {"n": 1, "x": {}, "secret": 3}}

    assert names(told(updated(MINE, changed, MINE | {"n": 0}))) == ({"n": 1}, [])
    assert told(updated(MINE, changed, MINE | {"secret": 0, "x": {"y": 1, "z": 0}})) is None
    appears = {"updatedFields": {"owner": "u1"}}
    assert names(told(updated(MINE, appears, MINE | {"owner": "u2"}))) == ({"n": 1, "x": {"y": 1}}, [])
    assert told(updated(MINE, changed, MINE | {"owner": "u2"})) is None
    assert names(told(updated(MINE, changed))) == ({"n": 1, "x": {"y": 1}}, [])


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param({"a": {"b": 1, "c": 1}}, {"a": {"b": 2}}, ({"a.b": 2}, ["a.c"]), id="inside"),
        pytest.param({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, ({"a.b.c": 2}, []), id="deep inside"),
        pytest.param({"a": {"b.c": 1}}, {"a": {"b.c": 2}}, ({"a": {"b.c": 2}}, []), id="a name with a dot"),
        pytest.param({"a": {"0": 1}}, {"a": {"0": 2}}, ({"a": {"0": 2}}, []), id="a number as name"),
        pytest.param({"a": {"$b": 1}}, {"a": {"$b": 2}}, ({"a": {"$b": 2}}, []), id="a name like an operator"),
        pytest.param({"a": {"": 1}}, {"a": {}}, ({"a": {}}, []), id="no name"),
        pytest.param({"a": [1, 2]}, {"a": [1, 3]}, ({"a": [1, 3]}, []), id="an array"),
        pytest.param({"a": 1}, {"a": 1.0, "b": 2}, ({"a": 1.0, "b": 2}, []), id="another type, and a new field"),
        pytest.param({"a": 1, "b": 2}, {"b": 2}, ({}, ["a"]), id="a field that is gone"),
    ],
)
def test_what_differs_is_told_by_its_path(before: Any, now: Any, expected: Any) -> None:
    made = told(updated({"_id": 1, **now}, {"updatedFields": {"other": 1}}, {"_id": 1, **before}), OPEN)

    assert names(made) == expected


def test_a_stream_tells_the_end_of_what_it_has_shown() -> None:
    shown, key = Shown(), bson.encode({"_id": 1})
    assert told(event("delete"), shown=shown) is None
    shown.note(key, key)
    assert told(event("delete"), shown=shown) == {
        "operationType": "delete", "clusterTime": Timestamp(7, 0), "ns": {"db": "d", "coll": "c"},
        "documentKey": {"_id": 1},
    }  # fmt: skip
    assert told(event("delete", before=MINE | {"owner": "u2"}), shown=shown) is None
    shown.note(key, None)
    assert told(event("delete"), shown=shown) is None


def test_a_stream_follows_what_it_has_shown_from_event_to_event() -> None:
    """However many of them come together, and whichever are asked for."""
    shown = Shown()
    assert told(event("insert", MINE), shown=shown) is not None
    assert told(updated(MINE | {"owner": "u2"}, {"updatedFields": {"owner": "u2"}}), shown=shown) is None
    assert told(event("delete"), shown=shown) is None

    assert told(updated(MINE, {"updatedFields": {"secret": 2}}), shown=shown) is None
    assert told(event("delete"), shown=shown) is None  # else it would tell of that change

    assert told(updated(MINE, {"updatedFields": {"n": 2}}), shown=shown) is not None
    assert told(event("delete"), shown=shown) is not None
    assert told(event("delete"), shown=shown) is None


def test_a_stream_remembers_so_many() -> None:
    shown = Shown()
    keys = [bson.encode({"_id": number}) for number in range(1_001)]
    for key in keys:
        shown.note(key, key)
    long = bson.encode({"_id": "x" * 2_000})
    shown.note(long, long)

    assert (shown.key(keys[0]), shown.key(keys[1]), shown.key(long)) == (None, keys[1], None)


def test_an_update_of_many_paths_takes_time_that_grows_with_it() -> None:
    bound = rights(role(read=True))

    def work(count: int) -> Any:
        items = [{"v": number} for number in range(count)]
        changed = {f"items.{number}.v": 0 for number in range(count)}
        raw = bson.encode(updated({"_id": 1, "items": items}, {"updatedFields": changed}))
        found = Event(raw)
        seen = Seen(found.document("fullDocument"), None, None)
        return lambda: visible(found, seen, bound, PLAIN, None)

    assert is_linear(work, 50)
