"""Texts in lines of a terminal, and the columns of a table: nothing is lost, and words stay whole where they can."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from admin.folding import folded, widths

WORDS = st.text("abcXY名_.- \n", max_size=60)
COLUMNS = st.lists(
    st.tuples(st.lists(st.text("ab名_ ", max_size=30), min_size=3, max_size=3), st.booleans()), min_size=1, max_size=6
)


@given(WORDS, st.integers(2, 30))
def test_no_line_is_too_long_and_no_letter_is_lost(text: str, width: int) -> None:
    lines = folded(Text(text), width).plain.split("\n")

    assert max(map(cell_len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.lists(st.text("abX名.", min_size=1, max_size=10), min_size=1), st.integers(20, 40))
def test_words_that_fit_stay_whole(words: list[str], width: int) -> None:
    assert folded(Text(" ".join(words)), width).plain.split() == words


def test_a_word_without_room_is_parted_where_it_is_made_of_others() -> None:
    assert folded(Text("NoMatchingRoleFound"), 10).plain.split("\n") == ["NoMatching", "RoleFound"]
    assert folded(Text("a_shop.with_long_names"), 9).plain.split("\n") == ["a_shop.", "with_", "long_", "names"]
    assert folded(Text("abcdef"), 4).plain.split("\n") == ["abcd", "ef"]


@given(COLUMNS, st.integers(1, 120))
def test_columns_take_the_room_that_there_is(columns: list[tuple[list[str], bool]], room: int) -> None:
    texts, elastic = [[Text(each) for each in cells] for cells, _ in columns], [gives for _, gives in columns]
    whole = [max(cell_len(each) for each in cells) for cells, _ in columns]
    words = [max(cell_len(word) for each in cells for word in ["", *each.split()]) for cells, _ in columns]
    least = [low if gives else most for low, most, gives in zip(words, whole, elastic, strict=True)]
    found = widths(texts, elastic, room)

    assert all(wide <= most for wide, most in zip(found, whole, strict=True))
    assert all(wide == most or gives for wide, most, gives in zip(found, whole, elastic, strict=True))
    assert sum(whole) > room or found == whole
    assert sum(least) > room or (sum(found) <= room and all(a >= b for a, b in zip(found, least, strict=True)))
