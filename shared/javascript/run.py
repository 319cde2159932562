"""One call of a function from outside: what its JavaScript asks is done beside it, and told in its turns."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from shared.budget import Share
from shared.errors import DataAPIError, DeadlinePassedError, FunctionFailedError
from shared.javascript.messages import Answer, Frame, Line, Started

if TYPE_CHECKING:
    from shared.javascript.engine import Engine
    from shared.javascript.script import Script

type Asked = dict[asyncio.Task[str], Line]

_PLACE = re.compile(r"at (\S+) \(<input>:(\d+):(\d+)\)")
_UNDEFINED_NAME = re.compile(r"(\S+) is not defined")
_OF_THE_ENGINE = frozenset(
    {"EvalError", "InternalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"}
)
_MOST_PLACES = 5
_MOST_LOGGED = 25
_NEEDED_LINES = 2  # the frame of the function itself, and its result
_LONGEST_WAIT = 86_400.0
_LONGEST_ERROR = 900  # an error that programs parse is not cut further on its way


class Serving(Protocol):
    """What does for functions that which they ask."""

    def served(self, line: Line, chain: tuple[Frame, ...]) -> Coroutine[Any, Any, str]:
        """Do what a line asks and return the Extended JSON of what comes of it; the line is served in its order.

        The chain has the frame of the function that asks, and behind it those of the ones that called it.
        """

    def logged(self, function: str, level: str, text: str) -> None:
        """Log what a function wrote to its console."""


class Run:
    """A run, until its function has returned and all that it asked of a database is done."""

    def __init__(self, engine: "Engine", serving: Serving, share: Share, most: int, whose: str) -> None:
        """Take who serves it, whose memory it takes, how much it may ask for, and in whose turns it computes."""
        self._engine = engine
        self._serving = serving
        self._share = share
        self._most = most
        self._whose = whose
        self._lines = 0
        self._held = 0
        self._waiting = 0
        self._logs: deque[tuple[str, str, str]] = deque(maxlen=_MOST_LOGGED)
        self._chains: dict[int, tuple[Frame, ...]] = {0: ()}
        self._sources: list[tuple[int, str]] = []
        self._asked: Asked = {}
        self._timers: Asked = {}
        self._outcome: Line | None = None

    async def result(self, started: Started) -> str:
        """Return the Extended JSON of what the function returns; raise FunctionFailedError if it fails."""
        script = await self._engine.script()
        try:
            await self._turn(script, partial(script.start, started))
            while self._outcome is None or self._asked:
                await self._turn(script, partial(script.answer, await self._answers()))
        finally:
            self._engine.exchange(script, self._whose)
            await self._end()
        if self._outcome.word == "thrown":
            raise self._failure(json.loads(self._outcome.text))
        return self._outcome.text

    async def _turn(self, script: "Script", work: Callable[[], list[Line]]) -> None:
        def turn() -> tuple[list[Line], int]:
            return work(), script.held_bytes

        lines, held = await self._engine.compute(turn, self._whose)
        for line in lines:
            self._take(line)
        held += self._waiting
        if held > self._held:
            await self._share.hold(held - self._held)
            self._held = held

    def _take(self, line: Line) -> None:
        """Begin what a line asks, or remember what it says."""
        self._lines += line.id > 0
        if self._lines > self._most + _NEEDED_LINES:
            raise FunctionFailedError(f"the function asks for more than FUNCTION_OPERATIONS allows: {self._most}")
        match line.word:
            case "frame":
                self._chains[line.id] = (Frame(line.id, json.loads(line.text)["name"]), *self._chains[line.frame])
            case "source":
                source = json.loads(line.text)
                self._sources.append((source["line"], source["name"]))
            case "log":
                said = json.loads(line.text)
                self._logs.append((self._named(line), said["level"], said["text"]))
            case "timer":
                waits = min(float(line.text) / 1000, _LONGEST_WAIT)
                self._timers[asyncio.create_task(asyncio.sleep(waits, "null"))] = line
            case "result" | "thrown":
                self._outcome = line
            case _:
                self._waiting += len(line.text)
                self._asked[asyncio.create_task(self._serving.served(line, self._chains[line.frame]))] = line

    async def _answers(self) -> list[Answer]:
        """Return what the function is told next; raise FunctionFailedError if that is nothing any more."""
        waited = self._asked | self._timers
        if not waited:
            raise FunctionFailedError("the function waits for a promise that nothing resolves")
        done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.exception()  # one of several may end the run, and the others are nobody's then
            if each in self._asked:
                self._waiting -= len(self._asked.pop(each).text)
            self._timers.pop(each, None)
        answers = [_answer(waited[each].id, each) for each in done]
        if self._outcome is not None:
            for each in done:
                self._note_failure(waited[each], each)
        return answers

    def _note_failure(self, line: Line, done: asyncio.Task[str]) -> None:
        """Log that something failed after the function had returned, without its text, which may repeat a document."""
        error = done.exception()
        if error is not None:
            self._logs.append(
                (self._named(line), "warn", f"failed after the function had ended: {getattr(error, 'code', '')}")
            )

    def _named(self, line: Line) -> str:
        """Return the name of the function that a line is of, "" for none."""
        return next((each.name for each in self._chains[line.frame]), "")

    async def _end(self) -> None:
        """End what the function still waits for, and log what it wrote last."""
        left = self._asked | self._timers
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for said in self._logs:
            self._serving.logged(*said)

    def _failure(self, thrown: Mapping[str, str]) -> FunctionFailedError:
        """Return what the caller is told of an error; where it was thrown is logged."""
        name, message = thrown["name"], thrown["message"]
        if name in _OF_THE_ENGINE:
            if found := _UNDEFINED_NAME.fullmatch(message):
                message = f"'{found[1]}' is not defined"
            text = f"{name}: {message}"
        else:
            text = _as_json(name, message) if name else message
        error = FunctionFailedError(text)
        error.message = message
        error.thrown_at = ", ".join(list(self._places(thrown["stack"]))[:_MOST_PLACES])
        return error

    def _places(self, stack: str) -> Iterator[str]:
        """Give where in the app's files an error was, from the inside."""
        for function, line, column in _PLACE.findall(stack):
            before = [each for each in self._sources if each[0] < int(line)]
            if before:
                first, name = before[-1]
                yield f"{function} at {name}:{int(line) - first}:{column}"


def _as_json(name: str, message: str) -> str:
    """Return what programs parse of an error, of whose message only the beginning may fit."""
    while True:
        text = json.dumps({"message": message, "name": name}, ensure_ascii=False)
        if len(text) <= _LONGEST_ERROR or not message:
            return text
        message = message[: len(message) // 2]


def _answer(number: int, done: asyncio.Task[str]) -> Answer:
    """Return what came of a line; what is not the function's to know is raised."""
    try:
        return Answer(number, True, done.result())
    except DeadlinePassedError:  # that of the whole call
        raise
    except DataAPIError as error:
        name = "Error" if isinstance(error, FunctionFailedError) else "MongoError"
        told: dict[str, Any] = {"name": name, "message": str(error), "code": error.code}
        if getattr(error, "is_transient", False):
            told["isTransient"] = True
        return Answer(number, False, json.dumps(told))
