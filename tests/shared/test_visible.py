"""Characters that nobody sees, in the JSON that agents get."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.mcp.visible import visible
from tests.depth import examples

UNSEEN = [chr(code) for code in range(0x7F, 0x110000) if unicodedata.category(chr(code)) in {"Cc", "Cf", "Zl", "Zp"}]
SIGNS = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
"""They count as format characters, and are seen."""


@pytest.mark.parametrize("text", ["plain", "é 日本 🙂", '"\\\n\x00\x1b', *SIGNS])
def test_what_is_seen_or_escaped_already_stays_as_it_is(text: str) -> None:
    encoded = json.dumps({"a": text}, ensure_ascii=False).encode()

    assert visible(encoded) == encoded


def test_what_is_not_seen_is_escaped() -> None:
    hidden = "".join(sorted({*UNSEEN} - {*SIGNS}))
    hidden = "".join(each for each in hidden if not "\U00013430" <= each <= "\U0001345f")  # joins hieroglyphs
    found = visible(json.dumps([hidden, "\ufe0f\U000e0100"], ensure_ascii=False).encode())

    assert found.isascii()
    assert json.loads(found) == [hidden, "\ufe0f\U000e0100"]


@settings(max_examples=examples(2_000))
@given(st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner), max_leaves=5))
def test_a_value_stays_the_same(value: object) -> None:
    encoded = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")

    assert json.loads(visible(encoded)) == value
