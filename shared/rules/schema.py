"""Schemas of an exported app, a dialect of JSON Schema draft 4 with BSON types: whether documents follow them."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.rules.values import MISSING

if TYPE_CHECKING:
    from regex import Pattern

    from shared.rules.expressions import Context, Expansions

_PATTERN_SECONDS = 0.2
_LEAST_SECONDS = 0.000_001  # none at all would be no limit

MOST_FAILURES = 20
"""How many failures of a document are told; there are as many as it has values."""


class Failure(NamedTuple):
    """Where a document fails, by names and positions, and what was expected there; never what stands there."""

    path: tuple[str | int, ...]
    sentence: str
    asked: tuple[tuple[str | int, ...], ...] = ()
    """What else of the document decided."""

    def __str__(self) -> str:
        """Return the sentence after the path."""
        path = ""
        for step in self.path:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        return f"{path or '(root)'}: {self.sentence}"


class Place(NamedTuple):
    """A value of a document, where it is, and the value at the same place before."""

    path: tuple[str | int, ...]
    value: Any
    previous: Any

    def member(self, name: str) -> "Place":
        """Return the place of a member of a document."""
        return Place((*self.path, name), self.value[name], _get(self.previous, name))

    def element(self, position: int) -> "Place":
        """Return the place of an element of an array."""
        is_there = isinstance(self.previous, list) and position < len(self.previous)
        previous = self.previous[position] if is_there else MISSING
        return Place((*self.path, position), self.value[position], previous)


class SlowPatternError(Exception):
    """The patterns of a schema take too long on what a caller sent; it is not known whether they match."""


class PatternTime:
    """The time that patterns may take in one call, whatever the number of texts: it grows fast with a text's length."""

    def __init__(self, seconds: float = _PATTERN_SECONDS) -> None:
        """Take the time for all of them."""
        self._left = seconds

    def finds(self, pattern: "Pattern[str]", text: str) -> bool:
        """Tell whether a pattern is found in a text; raise SlowPatternError when the time is over."""
        started = time.perf_counter()
        try:
            return pattern.search(text, timeout=self._left) is not None
        except TimeoutError:
            raise SlowPatternError from None
        finally:
            self._left = max(_LEAST_SECONDS, self._left - (time.perf_counter() - started))


class Run(NamedTuple):
    """What one validation needs beside the document."""

    context: "Context"
    null_allowed: bool
    patterns: PatternTime


type Check = Callable[[Place, Run], Iterator[Failure]]


class Schema:
    """A compiled schema."""

    def __init__(self, check: Check) -> None:
        """Keep the check of the whole document."""
        self._check = check

    def failures(
        self,
        document: Mapping[str, Any],
        previous: Mapping[str, Any] | None,
        expansions: "Expansions",
        *,
        null_allowed: bool = False,
        patterns: PatternTime | None = None,
    ) -> Iterator[Failure]:
        """Give what keeps a document from following the schema, none if it does; `previous` is the stored one.

        Raise SlowPatternError when the time for `patterns` is over, which documents of one call share.
        """
        place = Place((), document, MISSING if previous is None else previous)
        context = expansions.context(place.value, place.previous)
        return self._check(place, Run(context, null_allowed, patterns or PatternTime()))


def _get(value: Any, name: str) -> Any:
    return value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
