"""Tags of replies, and which of them a client holds."""

import pytest

from shared.access.tags import Expected
from shared.endpoint.etags import expected, matches, tag


@pytest.mark.parametrize(
    ("if_none_match", "held"),
    [
        ("", False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"A"', False),
        ("a", False),
        ('"ab"', False),
        ('"b"', False),
        (" * ", True),
        ('"b" "a"', False),
        (', "a",', True),
        ('"b,c", "a"', True),
        ('"b,"a', False),
    ],
)
def test_a_tag_is_among_those_held(if_none_match: str, held: bool) -> None:
    assert matches(if_none_match, '"a"') is held


def test_a_tag_changes_with_each_byte_and_with_the_type() -> None:
    tags = {tag("application/json", [b"{}"]), tag("application/json", [b"{ }"]), tag("application/ejson", [b"{}"])}

    assert len(tags) == 3
    assert all(each[0] == each[-1] == '"' for each in tags)


def test_a_tag_is_the_same_however_the_reply_is_cut() -> None:
    assert tag("application/json", [b"{", b"}"]) == tag("application/json", [b"{}"])


@pytest.mark.parametrize(
    ("if_match", "versions"),
    [
        ("*", None),
        ('"a-json"', {"a"}),
        ('"a-ejson","b"', {"a", "b"}),
        ('"a-json-gzip"', {"a"}),
        ('W/"a-json", "b-json"', {"b"}),
        ('W/"a"', set()),
        ('""', {""}),
    ],
)
def test_a_condition_names_versions(if_match: str, versions: set[str] | None) -> None:
    assert expected(if_match) == Expected(None if versions is None else frozenset(versions))
