"""Tags of replies, and which of them a client holds."""

import pytest

from shared.endpoint.etags import matches, tag


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
    ],
)
def test_a_tag_is_among_those_held(if_none_match: str, held: bool) -> None:
    assert matches(if_none_match, '"a"') is held


def test_a_tag_changes_with_each_byte_and_with_the_type() -> None:
    tags = {tag("application/json", b"{}"), tag("application/json", b"{ }"), tag("application/ejson", b"{}")}

    assert len(tags) == 3
    assert all(each[0] == each[-1] == '"' for each in tags)
