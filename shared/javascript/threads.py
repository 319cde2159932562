"""The threads in which functions compute: nobody is in two of them, so a caller alone shuts nobody else out."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Any, NamedTuple


class _Work(NamedTuple):
    whose: str | None
    does: Callable[[], Any]
    future: Future[Any]


class Threads:
    """So many threads, begun at the first work. The end of the process does not wait for them: a function may compute.

    Work is begun in its order, but for what would be the second at a time of the same caller.
    """

    def __init__(self, count: int) -> None:
        """Take how many there are."""
        self._count = count
        self._begun: list[Thread] = []
        self._waiting: deque[_Work] = deque()
        self._busy: set[str] = set()
        self._is_closed = False
        self._changed = Condition()

    def submit[T](self, does: Callable[[], T], whose: str | None = None) -> Future[T]:
        """Have work done for a caller, or for nobody, and return what will come of it."""
        work = _Work(whose, does, Future())
        with self._changed:
            self._waiting.append(work)
            while len(self._begun) < self._count:
                self._begun.append(Thread(target=self._run, name="javascript", daemon=True))
                self._begun[-1].start()
            self._changed.notify()
        return work.future

    def close(self) -> None:
        """Begin no work any more, and let the threads end."""
        with self._changed:
            self._is_closed = True
            for each in self._waiting:
                each.future.cancel()
            self._waiting.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            _do(work)
            with self._changed:  # no other thread is told: this one takes what may begin now
                self._busy.discard(work.whose or "")
            del work  # and with it the run, while the thread waits for another

    def _next(self) -> _Work | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._may_begin() is not None)
            work = self._may_begin()
            if work is not None:
                self._waiting.remove(work)
                if work.whose:
                    self._busy.add(work.whose)
            return work

    def _may_begin(self) -> _Work | None:
        return next((each for each in self._waiting if each.whose not in self._busy), None)


def _do(work: _Work) -> None:
    if not work.future.set_running_or_notify_cancel():
        return
    try:
        result = work.does()
    except BaseException as error:  # noqa: BLE001  whoever waits for it is told
        work.future.set_exception(error)
    else:
        work.future.set_result(result)
