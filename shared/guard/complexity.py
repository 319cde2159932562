"""How much one request may hold and ask for: a small body must not take a process from everybody else (pure).

No honest caller meets the defaults, and each refusal names the setting that decides.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from bson.regex import Regex

from shared.documents.ejson import Document
from shared.errors import BodyTooLargeError, InvalidParameterError
from shared.guard.walk import nested, pipelines_in
from shared.operators import WITH_PIPELINES, Place, Placed
from shared.settings import Settings
from shared.turns import Steps

_SEPARATORS = (b",", b":", b"[", b"{")
_CHUNK_BYTES = 1 << 18
_VALUE_BYTES = 80  # of a name or a value, with what the parser holds of it
_VALUES = frozenset({"$in", "$nin"})
_LISTS = _VALUES | {"$all"}
_PATTERNS = frozenset({"$regexFind", "$regexFindAll", "$regexMatch"})
_FREE = 10  # paths and conditions of each of many operations
_MEASURED = _LISTS | _PATTERNS | {"$regex"}


class Complexity:
    """The limits of one deployment."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings that limit a request beside its bytes and its nesting."""
        self._settings = settings

    def body(self, body: bytes) -> Steps[None]:
        """Raise BodyTooLargeError for a body with too many names and values: each takes many times its bytes when read.

        There are at most as many as separators and one; an empty object or array counts twice.
        """
        most = self._settings.max_body_values
        if self.is_few(body) or not (yield from _has_separators(body, most)):
            return
        if (yield from _has_separators_outside_texts(body, most)):
            raise BodyTooLargeError(f"request body too large: MAX_BODY_VALUES allows {most} names and values")

    def is_few(self, body: bytes) -> bool:
        """Tell whether a body is too short to have too many names and values."""
        return len(body) <= self._settings.max_body_values

    def call(
        self,
        placed: Sequence[Placed],
        documents: Sequence[Document],
        targets: Sequence[Document] = (),
        array_filters: Sequence[Document] = (),
    ) -> int:
        """Return how many paths and conditions a call has; raise InvalidParameterError if it asks for too much.

        `placed` is what MongoDB interprets, and `documents` are all those in it that are not only stored. The names
        in `targets` are paths to what a write changes, some of them through array filters.
        """
        conditions, dots = _names(documents)
        if targets:
            more, more_dots = _names(targets)
            conditions += more + _filtered(targets, array_filters)
            dots += more_dots
        most = self._settings.max_conditions
        counted = conditions if conditions <= most else conditions - _listed(documents)
        if counted > most:
            raise _too_many_conditions(most)
        if conditions + dots > self._settings.max_path_parts:  # else none is too long, whatever it is put together of
            self._refuse_long_paths(placed, targets, array_filters)
        stages = self._nested_stages(documents)
        stages += sum(len(value) for place, value in placed if place is Place.PIPELINE)
        if stages > self._settings.max_stages:
            raise InvalidParameterError(
                f"the call has too many stages: MAX_STAGES allows {self._settings.max_stages}, with those in stages"
            )
        return counted

    def operations(self, conditions: int, operations: int) -> None:
        """Raise InvalidParameterError if the operations of a call have too many paths and conditions together.

        A few of each do not count: simple operations may be as many as a body holds.
        """
        most = self._settings.max_conditions
        if conditions > most + _FREE * operations:
            raise _too_many_conditions(most)

    def _refuse_long_paths(
        self, placed: Iterable[Placed], targets: Iterable[Document], array_filters: Iterable[Document]
    ) -> None:
        """Raise for a path of too many parts, of which conditions on elements and of array filters are the ends."""
        interpreted = [_conditions(*each) for each in placed]
        longest_target = max((name.count(".") + 1 for target in targets for name in target), default=0)
        if max(_longest(interpreted), longest_target + _longest(array_filters)) > self._settings.max_path_parts:
            raise InvalidParameterError(
                f"a path has too many parts: MAX_PATH_PARTS allows {self._settings.max_path_parts}"
            )

    def _nested_stages(self, documents: Iterable[Document]) -> int:
        """Return how many stages are in stages; raise for an operator whose operands or pattern are too much."""
        found = 0
        for document in documents:
            for name, operand in document.items():
                if name in WITH_PIPELINES:
                    found += sum(len(each) for each in pipelines_in(name, operand) if type(each) is list)
                elif name in _MEASURED or type(operand) is Regex:
                    self._refuse_large(name, operand)
        return found

    def _refuse_large(self, name: str, operand: Any) -> None:
        if type(operand) is Regex:
            self._refuse_long(operand.pattern)
        elif name in _LISTS and type(operand) is list:
            self._refuse_many(name, operand)
        elif name == "$regex":
            self._refuse_long(operand)
        elif name in _PATTERNS and type(operand) is dict:
            self._refuse_long(operand.get("regex"))

    def _refuse_many(self, operator: str, operands: list[Any]) -> None:
        most = self._settings.max_operands
        if len(operands) > most:
            raise InvalidParameterError(f"'{operator}' has too many operands: MAX_OPERANDS allows {most}")
        for each in operands:
            if type(each) is Regex:
                self._refuse_long(each.pattern)

    def _refuse_long(self, pattern: Any) -> None:
        most = self._settings.max_pattern_length
        if isinstance(pattern, str) and len(pattern) > most:
            raise InvalidParameterError(f"a pattern is too long: MAX_PATTERN_LENGTH allows {most} characters")


def _too_many_conditions(most: int) -> InvalidParameterError:
    return InvalidParameterError(f"the call has too many paths and conditions: MAX_CONDITIONS allows {most}")


def _conditions(place: Place, value: Any) -> Any:
    """Return what of a value names paths: of update operators the conditions alone, their targets are known."""
    return value.get("$pull") if place is Place.UPDATE else value


def _separators(text: bytes) -> int:
    return sum(map(text.count, _SEPARATORS))


def memory_of(body: bytes) -> Steps[int]:
    """Return about how many bytes a body takes when it is read, beside its own."""
    found = 0
    for start in range(0, len(body), _CHUNK_BYTES):
        found += _separators(body[start : start + _CHUNK_BYTES])
        yield
    return found * _VALUE_BYTES


def _has_separators(body: bytes, most: int) -> Steps[bool]:
    found = 0
    for start in range(0, len(body), _CHUNK_BYTES):
        found += _separators(body[start : start + _CHUNK_BYTES])
        if found >= most:
            return True
        yield
    return False


def _has_separators_outside_texts(body: bytes, most: int) -> Steps[bool]:
    """Tell whether JSON has so many separators, without those in its texts."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    found, in_text = 0, False
    for start in range(0, len(unescaped), _CHUNK_BYTES):
        parts = unescaped[start : start + _CHUNK_BYTES].split(b'"')
        found += _separators(b"".join(parts[in_text::2]))
        if found >= most:
            return True
        in_text ^= len(parts) % 2 == 0
        yield
    return False


def _names(documents: Iterable[Document]) -> tuple[int, int]:
    """Return how many names documents have, and how many dots are in these."""
    names = dots = 0
    for document in documents:
        names += len(document)
        dots += " ".join(document).count(".")
    return names, dots


def _listed(documents: Iterable[Document]) -> int:
    """Return how many names there are in the values of `$in` and `$nin`, which are no conditions."""
    lists = (values for document in documents for name in _VALUES if type(values := document.get(name)) is list)
    return sum(len(value) for values in lists for value in values if type(value) is dict)


def _longest(values: Iterable[Any]) -> int:
    """Return the most parts that names have together from the outside to the inside of a value."""
    longest = 0
    pending = [(value, 0) for value in values]
    while pending:
        value, parts = pending.pop()
        if type(value) is list:
            pending += [(item, parts) for item in value if type(item) is dict or type(item) is list]
        elif type(value) is dict:
            for name, operand in value.items():
                whole = parts if name.startswith("$") else parts + 1 + name.count(".")
                longest = max(longest, whole)
                if type(operand) is dict or type(operand) is list:
                    pending.append((operand, whole))
    return longest


def _filtered(targets: Iterable[Document], array_filters: Iterable[Document]) -> int:
    """Return how often conditions of array filters are used: once for each place of their identifier in a path."""
    parts = (part for target in targets for name in target if "$[" in name for part in name.split("."))
    places = Counter(part[2:-1] for part in parts if part.startswith("$["))
    found = 0
    for each in array_filters:
        names = [name for document in nested([each]) for name in document]
        found += len(names) * sum(places[identifier] for identifier in {name.partition(".")[0] for name in names})
    return found
