"""What an expression of rules is, and the context that it is asked in: what `%%user` and other expansions mean.

It is compiled once, bound to each call, and then asked about documents.

A query may find more than the expression holds for, never less: `exact` says whether it finds just that. Whoever asks
MongoDB with it checks every document again, or insists on an exact one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from shared.rules.translations import EVERYTHING, NOTHING, Translation
from shared.rules.values import MISSING


class NoAnswerError(Exception):
    """A function has no answer, because it failed, or cannot be asked: whatever depends on it is denied."""


class Answering(Protocol):
    """What functions of the app answer in one call."""

    def of(self, name: str, arguments: Sequence[Any]) -> Any:
        """Return the answer, MISSING for nothing; raise NoAnswerError if there is none."""

    def odd(self, name: str, reason: str) -> NoAnswerError:
        """Return the error for what a function returned that is no answer."""


class Context:
    """What expansions mean at one evaluation: who calls, how, and the document before and after."""

    __slots__ = ("answers", "memo", "prev", "prev_root", "request", "root", "this", "user")

    def __init__(
        self,
        user: Mapping[str, Any],
        request: Mapping[str, Any],
        answers: Answering | None,
        root: Any,
        prev_root: Any,
    ) -> None:
        """Made by Expansions alone."""
        self.user = user
        self.request = request
        self.answers = answers
        self.root = root
        self.prev_root = prev_root
        self.this: Any = MISSING
        self.prev: Any = MISSING
        self.memo: dict[Any, Any] = {}
        """What was found in the documents already, for the many elements of their arrays that may ask for it."""

    def see(self, document: Any) -> None:
        """Turn to another document, which is the same before and after."""
        self.root = self.prev_root = document
        if self.memo:
            self.memo = {}


class Expansions(NamedTuple):
    """What expansions mean for one call, whatever the document: the one maker of contexts."""

    user: Mapping[str, Any]
    """What `%%user` shows."""

    request: Mapping[str, Any] = {}
    """What `%%request` shows."""

    answers: Answering | None = None
    """What functions answer; None where none can be asked, so that what depends on one is denied."""

    def context(self, root: Any = MISSING, prev_root: Any = MISSING) -> Context:
        """Return what they mean for a document after and before; without one, only those of the call mean something."""
        return Context(self.user, self.request, self.answers, root, prev_root)


type Predicate = Callable[[Context], bool]
"""An expression as it counts for one call, asked about a document, of which only some fields may have to be there.

It raises NoAnswerError if it depends on a function that has no answer, UnansweredError if it is to be asked first.
"""


class Called(NamedTuple):
    """A function that is asked, and whether the app has it."""

    name: str
    is_there: bool


class Operand:
    """One side of a comparison."""

    __slots__ = ("called", "field", "get", "is_known", "is_of_field")

    def __init__(
        self,
        get: Callable[[Context], Any],
        *,
        is_known: bool,
        field: str | None = None,
        is_of_field: bool = False,
        called: Sequence[Called] = (),
    ) -> None:
        """Take how to get the value, whether it is known before a document is, and the document's field it is.

        `is_of_field` tells that it is another for each field that asks: of `%%this` or `%%prev`. The functions `called`
        have to answer before it is known.
        """
        self.get = get
        self.is_known = is_known
        self.field = field
        self.is_of_field = is_of_field
        self.called = called


class Expression(Protocol):
    """A compiled expression."""

    constant: bool | None
    """Its value if that is the same for every caller and document."""

    names: frozenset[str] | None
    """The top-level fields that the answer depends on; None if on more of the document, or on a function."""

    asks_function: bool
    """Whether a function may be asked."""

    def bound(self, context: Context) -> Predicate:
        """Return it as it counts for the call of the context, to be asked about documents."""

    def query(self, context: Context) -> Translation:
        """Translate it for documents that are read: `%%root` is the stored one, and `%%prevRoot` the same."""


class Constant:
    """true, false, and `{}`, which is true."""

    names: frozenset[str] | None = frozenset()
    asks_function = False

    def __init__(self, value: bool) -> None:
        self.constant: bool | None = value
        self._translation = EVERYTHING if value else NOTHING

    def bound(self, context: Context) -> Predicate:  # noqa: ARG002
        return always(bool(self.constant))

    def query(self, context: Context) -> Translation:  # noqa: ARG002
        return self._translation


def always(value: bool) -> Predicate:
    """Return what holds for every document, or for none."""
    return lambda _context: value


class Named(Protocol):
    """What depends on top-level fields alone, or not."""

    @property
    def names(self) -> frozenset[str] | None:
        """The fields, None if it depends on more."""


def names_of(parts: Iterable[Named | None]) -> frozenset[str] | None:
    """Return the top-level fields that these depend on together, None if on more; None among them is none."""
    names: frozenset[str] = frozenset()
    for each in parts:
        if each is not None:
            if each.names is None:
                return None
            names |= each.names
    return names


def permission(expression: Expression | None, context: Context) -> Predicate:
    """Return a permission bound to a call; without one, or where a function has no answer, it does not hold."""
    if expression is None:
        return always(False)
    asked = expression.bound(context)
    if not expression.asks_function:
        return asked

    def holds(context: Context) -> bool:
        try:
            return asked(context)
        except NoAnswerError:
            return False

    return holds


def any_permission(expressions: Iterable[Expression | None], context: Context) -> Predicate:
    """Return whether one of several permissions holds, bound to a call."""
    permissions = [permission(each, context) for each in expressions if each is not None]
    if len(permissions) == 1:
        return permissions[0]
    return lambda context: any(holds(context) for holds in permissions)


def holds(expression: Expression | None, context: Context) -> bool:
    """Evaluate a permission once."""
    return permission(expression, context)(context)


def possible(expression: Expression | None, context: Context) -> bool:
    """Tell whether there could be a document for which a permission holds."""
    return expression is not None and expression.query(context) != NOTHING
