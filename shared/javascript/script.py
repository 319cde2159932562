"""One run of JavaScript: a context of the engine that shares nothing with others, in turns, within its limits."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import quickjs

from shared.errors import FunctionFailedError
from shared.javascript.messages import Answer, Line, Started
from shared.javascript.prelude import Prelude

_STACK_BYTES = 1024 * 1024
_LOADING_SECONDS = 2.0
_ENDING_SECONDS = 1.0
_SHORT_SECONDS = 0.001
_LEAST_BYTES = 512 * 1024  # more than a context holds in which little was done
_MOST_LINES = 10_000  # of one turn; the prelude sends fewer
_WRAPPED = "0 || function (context, console, require, exports) {\n%s\nreturn exports;\n}"
_PLACE = re.compile(r"<input>:(\d+)(?::\d+)?")


class Limits(NamedTuple):
    """What a run may take."""

    seconds: float
    """Of computing, whatever else it waits for."""

    memory_bytes: int
    cores: int
    """How many threads of this process may compute meanwhile: the engine counts their time, too."""


class Script:
    """A run. Its turns may be in different threads, one after the other."""

    def __init__(self, prelude: Prelude, limits: Limits) -> None:
        """Make the context, in which nothing of an app is yet."""
        self._limits = limits
        self._used = 0.0
        self._is_short = True
        self._held = _LEAST_BYTES
        self._context = quickjs.Context()
        self._context.set_max_stack_size(_STACK_BYTES)
        self._host: Any = self._context.eval(prelude.text)
        self._host("parts", *prelude.parts)
        self._lines = prelude.lines

    def start(self, started: Started) -> list[Line]:
        """Call a function, and return what is said until it waits."""
        name, is_system, call, app, functions, packages, arguments = started
        self._context.set_memory_limit(self._limits.memory_bytes)
        return self._turn(
            lambda: self._host("start", name, is_system, self._lines, call, app, *functions, *packages, arguments)
        )

    def answer(self, answers: Sequence[Answer]) -> list[Line]:
        """Go on with answers, and return what is said until it waits again."""

        def tell() -> None:
            for each in answers:
                self._limit()
                self._host("answer", *each)

        return self._turn(tell)

    def end(self) -> None:
        """Let go of what functions made, without the interpreter's lock, which freeing the context holds."""
        with suppress(quickjs.JSException):  # what is left is freed with the context
            self._context.set_time_limit(_ENDING_SECONDS)
            self._context.set_memory_limit(2 * self._limits.memory_bytes)
            self._host("end")
        self._held = self._look()

    @property
    def is_short(self) -> bool:
        """Tell whether it computed for a moment only, and does not now: what is made in one is freed in one."""
        return self._is_short

    @property
    def held_bytes(self) -> int:
        """How much memory the context holds, as it was when it was looked at: not after turns that are short."""
        return self._held

    def _look(self) -> int:
        size: int = self._context.memory()["malloc_size"]
        return size

    def _turn(self, work: Callable[[], object]) -> list[Line]:
        said = self._worked(work)
        lines = said.split("\n", _MOST_LINES)[:-1]
        if len(lines) == _MOST_LINES:
            raise FunctionFailedError("the function asks for too much at once")
        return [_line(each) for each in lines]

    def _worked(self, work: Callable[[], object]) -> str:
        self._is_short = False
        began = time.thread_time()
        self._ends = began + self._limits.seconds - self._used
        try:
            self._limit()
            work()
            while self._context.execute_pending_job():
                self._limit()
            said: str = self._host("take")
        except quickjs.JSException as error:
            raise self._failure(str(error)) from None
        finally:
            took = time.thread_time() - began
            self._used += took
            self._is_short = self._used < _SHORT_SECONDS
            if took > _SHORT_SECONDS:
                self._held = self._look()
        return said

    def _limit(self) -> None:
        """Give the engine what is left; raise FunctionFailedError if nothing is."""
        left = self._ends - time.thread_time()
        if left <= 0:
            raise self._late()
        self._context.set_time_limit(left * self._limits.cores)

    def _failure(self, text: str) -> FunctionFailedError:
        """Return what an error of the engine means: one of a function is told in a line."""
        if text.startswith("InternalError: interrupted"):
            return self._late()
        if text.startswith("InternalError: out of memory"):
            most = self._limits.memory_bytes
            return FunctionFailedError(f"the function needs more memory than FUNCTION_MEMORY_BYTES allows: {most}")
        return FunctionFailedError(text.partition("\n")[0])

    def _late(self) -> FunctionFailedError:
        most = round(self._limits.seconds * 1000)
        return FunctionFailedError(f"the function computes for longer than FUNCTION_TIMEOUT_MS allows: {most} ms")


def _line(text: str) -> Line:
    word, frame, number, payload = text.split(" ", 3)
    return Line(word, int(frame), int(number), payload)


class Mistake(NamedTuple):
    """Why a source cannot be loaded, and in which line."""

    sentence: str
    line: int


def mistake(source: str) -> Mistake | None:
    """Return what is wrong with the source of a function, None if it can be loaded."""
    context = quickjs.Context()
    context.set_time_limit(_LOADING_SECONDS)
    try:
        context.eval(_WRAPPED % source)
    except quickjs.JSException as error:
        text = str(error)
        place = _PLACE.search(text)
        return Mistake(text.partition("\n")[0], int(place[1]) - 1 if place else 1)
    return None
