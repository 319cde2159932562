"""What functions of the app answer the rules in one call: each question is asked once, and no answer is guessed.

Rules decide without a pause, and functions take time. So an expression whose function has not answered yet raises
UnansweredError; who asked has the answer found and asks anew. Where nobody does, that error refuses the call.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

import bson
from bson.errors import BSONError

from shared.errors import InvalidParameterError, NoRoleError
from shared.rules.expressions import NoAnswerError
from shared.rules.values import MISSING
from shared.turns import Waiting


class UnansweredError(NoRoleError):
    """A function has to answer before the rules can decide."""

    def __init__(self, answers: "Answers") -> None:
        """Take what finds the answer."""
        super().__init__("the rules ask a function where none can answer")
        self.answers = answers


class Question(NamedTuple):
    """A function, and what it is given: MISSING for what is undefined."""

    name: str
    arguments: Sequence[Any]


type Answer = tuple[Any] | None
"""What a function returned, MISSING for nothing; None if it failed."""


class Functions(Protocol):
    """Runs functions of the app."""

    async def answers(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Return what each answers."""

    def note(self, name: str, reason: str) -> None:
        """Log why what depends on a function is denied."""


class Answers:
    """The answers of one call, for one caller."""

    def __init__(self, functions: Functions, most: int) -> None:
        """Take what runs functions, and how often it may."""
        self._functions = functions
        self._most = most
        self._known: dict[bytes, Answer] = {}
        self._asked: dict[bytes, Question] = {}
        self._odd: set[str] = set()

    @property
    def are_needed(self) -> bool:
        """Whether a rule has asked."""
        return bool(self._known or self._asked)

    def of(self, name: str, arguments: Sequence[Any]) -> Any:
        """Return the answer of a function; raise NoAnswerError if it has none, UnansweredError if it is to be found."""
        given = [[] if each is MISSING else [each] for each in arguments]
        try:
            key = sha256(bson.encode({name: given})).digest()
        except (BSONError, OverflowError, UnicodeError):  # of a token's claims, which may be any JSON
            raise self.odd(name, "it cannot be given what is no BSON") from None
        if key not in self._known:
            self._asked[key] = Question(name, arguments)
            raise UnansweredError(self)
        answer = self._known[key]
        if answer is None:
            raise NoAnswerError(name)
        return answer[0]

    def odd(self, name: str, reason: str) -> NoAnswerError:
        """Return the error for what a function returned that is no answer; it is logged once."""
        if name not in self._odd:
            self._odd.add(name)
            self._functions.note(name, reason)
        return NoAnswerError(name)

    async def find(self) -> None:
        """Have functions answer what was asked; raise InvalidParameterError if that is too much for one call."""
        asked, self._asked = self._asked, {}
        if len(self._known) + len(asked) > self._most:
            raise InvalidParameterError(
                f"the rules ask functions more often than FUNCTION_RULE_CALLS allows, {self._most} times:"
                " narrow the filter"
            )
        found = await self._functions.answers([*asked.values()])
        self._known |= dict(zip(asked, found, strict=True))


async def answered[T](judge: Callable[[], T]) -> T:
    """Return what rules decide, whatever functions they ask; it has no effect until all have answered."""
    while True:
        try:
            return judge()
        except UnansweredError as error:
            await error.answers.find()


def in_turns[T](judge: Callable[[], T]) -> Waiting[T]:
    """Do the same as a part of other work that is done in turns."""
    while True:
        try:
            return judge()
        except UnansweredError as error:
            yield error.answers.find()
