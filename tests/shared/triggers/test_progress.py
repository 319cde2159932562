"""How far a stream is done: never behind what is not."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.triggers.progress import Progress
from tests.depth import examples


@settings(max_examples=examples(1_000), deadline=None)
@given(order=st.permutations(range(6)), begun=st.integers(0, 6))
def test_the_token_is_behind_all_that_is_done_without_a_gap(order: list[int], begun: int) -> None:
    progress = Progress()
    entries = [progress.begin(number) for number in range(6)]
    for done, number in enumerate(order[:begun], 1):
        progress.end(entries[number], [])
        whole = set(order[:done])
        expected = [each for each in range(6) if set(range(each + 1)) <= whole]
        token, _ = progress.taken()
        progress.put_back(token, [])
        assert token == (max(expected) if expected else None)


def test_what_passes_by_counts_only_where_nothing_is_begun() -> None:
    progress = Progress()
    begun = progress.begin(1)
    progress.pass_by(2)
    assert progress.taken() == (None, [])

    progress.end(begun, [])
    progress.pass_by(2)

    assert progress.taken() == (2, [])


def test_what_could_not_be_stored_is_there_again_unless_there_is_more() -> None:
    progress = Progress()
    progress.end(progress.begin(1), [{"error": "first"}])
    token, failures = progress.taken()
    assert not progress.changed.is_set()
    progress.end(progress.begin(2), [{"error": "second"}])

    progress.put_back(token, failures)

    assert progress.changed.is_set()
    assert progress.taken() == (2, [{"error": "first"}, {"error": "second"}])
