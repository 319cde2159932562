"""Whose turn it is to compute: nobody has two threads, nobody waits for somebody else's."""

from concurrent.futures import CancelledError
from threading import Event

import pytest

from shared.javascript.threads import Threads

WAIT = 60.0


def test_nobody_computes_in_two_threads() -> None:
    threads, started, go_on = Threads(2), Event(), Event()

    def loop() -> str:
        started.set()
        assert go_on.wait(WAIT)
        return "looped"

    loops = [threads.submit(loop, "ann") for _ in range(5)]
    assert started.wait(WAIT)

    assert threads.submit(lambda: "bob's", "bob").result(WAIT) == "bob's"
    assert threads.submit(lambda: "nobody's").result(WAIT) == "nobody's"
    assert sum(each.running() for each in loops) == 1
    go_on.set()
    assert [each.result(WAIT) for each in loops] == ["looped"] * 5
    threads.close()


def test_what_goes_wrong_is_told_and_the_next_work_done() -> None:
    threads = Threads(1)

    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 // 0, "ann").result(WAIT)
    assert threads.submit(lambda: 1, "ann").result(WAIT) == 1
    threads.close()


def test_what_waits_when_all_ends_is_not_done() -> None:
    threads, started, go_on = Threads(1), Event(), Event()

    def wait() -> bool:
        started.set()
        return go_on.wait(WAIT)

    first = threads.submit(wait)
    assert started.wait(WAIT)
    second = threads.submit(lambda: 1)

    threads.close()
    go_on.set()

    with pytest.raises(CancelledError):
        second.result(WAIT)
    assert first.result(WAIT)
