"""What projections of the caller's cost."""

from collections.abc import Callable

import pytest

from shared.rules.projections import Projection, Slice, Slices, chosen_part
from tests.work import is_linear


@pytest.mark.parametrize(
    "made",
    [
        lambda size: Projection({f"a{n}": 1 for n in range(size)}),
        lambda size: Projection({f"a.b{n}": 0 for n in range(size)}),
        lambda size: chosen_part({f"a{n}": 1 for n in range(size)}, ["b"], []),
        lambda size: chosen_part({"b": 1}, [f"a.b{n}" for n in range(size)], []),
        lambda size: chosen_part({}, [], [f"a{n}" for n in range(size)]),
        lambda size: Slices({".".join("a" * size): Slice(0, 1)}),
        lambda size: Slices({f"a{n}": Slice(0, 1) for n in range(size)}),
    ],
)
def test_a_projection_is_read_in_time_that_grows_with_it(made: Callable[[int], object]) -> None:
    assert is_linear(lambda size: lambda: made(size), 200)
