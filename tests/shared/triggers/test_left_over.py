"""What is left over is told now and then, whatever is wrong with one of it."""

import asyncio
from collections.abc import Iterator

import pytest

from shared.errors import Unavailable, UnavailableError
from shared.triggers import left_over
from shared.triggers.left_over import tell_until


@pytest.mark.parametrize("error", [UnavailableError(Unavailable.UNREACHABLE), ZeroDivisionError("a mistake of ours")])
async def test_it_goes_on_after_a_failure_until_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(left_over, "_SECONDS", 0.0)
    stop = asyncio.Event()
    answers: Iterator[Exception | bool] = iter([error, True, False])

    async def tell() -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        if not answer:
            stop.set()
        return answer

    await tell_until(stop, tell)

    assert next(answers, None) is None
