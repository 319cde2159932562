"""JSON Pointers into documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.documents.pointers import PointerError, found, pointer, put

DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8,
}  # fmt: skip
"""The example of RFC 6901."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3), ("/g|h", 4),
        ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_a_pointer_leads_to_a_value(text: str, value: Any) -> None:
    assert found(DOCUMENT, pointer(text)) == value


@pytest.mark.parametrize("text", ["", "foo", "#/foo", "/m~n", "/m~2n", "/~", 0, None, ["foo"]], ids=repr)
def test_what_is_no_pointer_is_refused(text: Any) -> None:
    with pytest.raises(PointerError):
        pointer(text)


@pytest.mark.parametrize(
    "text", ["/x", "/foo/2", "/foo/-", "/foo/-1", "/foo/00", "/foo/ 0", "/foo/\u0660", "/foo/0/x", "//x"]
)
def test_what_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(PointerError):
        found(DOCUMENT, pointer(text))


@given(st.lists(st.text(), min_size=1, max_size=5), st.integers())
def test_whatever_is_put_is_found(names: list[str], value: int) -> None:
    document: dict[str, Any] = {}
    inner = document
    for name in names[:-1]:
        inner = inner.setdefault(name, {})
    parts = pointer("".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names))

    put(document, parts, value)

    assert parts == tuple(names)
    assert found(document, parts) == value


def test_an_item_is_replaced_where_it_is() -> None:
    document = {"a": [1, 2]}

    put(document, ("a", "1"), 3)

    assert document == {"a": [1, 3]}
