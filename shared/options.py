"""The options of the drivers' CRUD specification, beside what an action is about: one table for all actions (pure).

A request says which of them it takes. What is here and not taken is refused by name: whoever sends an option means it.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from shared.errors import InvalidParameterError, WrongTypeError
from shared.operators import Place, Placed, Standing

_MAX_INT32, _MAX_INT64 = 2**31 - 1, 2**63 - 1


class Option(NamedTuple):
    """An option: its type, who may use it, and how MongoDB reads it."""

    kind: Any
    open_to: Standing = Standing.RULED
    place: Place = Place.STORED
    in_command: bool = True
    """Whether it goes to MongoDB under its own name; others are about how a command is sent."""
    absent: Any = None
    """The value that is the same as none."""
    is_cacheable: bool = True
    """Whether a reply to it may be given to others who ask the same."""


_RULED, _WHOLE, _SYSTEM, _NAMED, _NOBODY = Standing
_DOCUMENT = dict[str, Any]
_ELSEWHERE = Option(Any, _NOBODY)

OPTIONS: Mapping[str, Option] = {
    "allowDiskUse": Option(bool),
    "allowPartialResults": Option(bool, absent=False, is_cacheable=False),
    "batchSize": Option(int | float, in_command=False),
    # what the operator's validators keep out is nobody's to let in but the operator's
    "bypassDocumentValidation": Option(bool, _SYSTEM, absent=False),
    "collation": Option(_DOCUMENT, place=Place.DATA),
    "comment": Option(Any),
    # which index is read, and from where to where, depends on values that may be hidden
    "hint": Option(str | _DOCUMENT, _WHOLE, Place.DATA),
    "let": Option(_DOCUMENT, place=Place.EXPRESSION),
    "max": Option(_DOCUMENT, _WHOLE, Place.DATA),
    "maxTimeMS": Option(int | float, in_command=False),
    "min": Option(_DOCUMENT, _WHOLE, Place.DATA),
    "ordered": Option(bool, absent=True),
    "readConcern": Option(_DOCUMENT, in_command=False, is_cacheable=False),
    "readPreference": Option(str | _DOCUMENT, in_command=False, is_cacheable=False),
    "returnKey": Option(bool, _WHOLE, absent=False),
    "showRecordId": Option(bool, _SYSTEM, absent=False),  # it counts what was ever stored
    "writeConcern": Option(_DOCUMENT, in_command=False),
    # members of some requests
    "arrayFilters": _ELSEWHERE,
    "limit": _ELSEWHERE,
    "returnDocument": _ELSEWHERE,
    "skip": _ELSEWHERE,
    "sort": _ELSEWHERE,
    # of cursors that outlive a call, and of servers that are gone
    "cursorType": Option(Any, _NOBODY, absent="nonTailable"),
    "maxAwaitTimeMS": _ELSEWHERE,
    "maxScan": _ELSEWHERE,
    "modifiers": _ELSEWHERE,
    "noCursorTimeout": Option(Any, _NOBODY, absent=False),
    "oplogReplay": Option(Any, _NOBODY, absent=False),
    "snapshot": Option(Any, _NOBODY, absent=False),
}
"""Every option that the specification has on one of the actions."""

OF_ALL = frozenset({"comment", "maxTimeMS"})
OF_READS = OF_ALL | {"readConcern", "readPreference"}
OF_WRITES = OF_ALL | {"writeConcern"}


class Options:
    """The options of one call."""

    __slots__ = ("command", "driver", "given")

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Take options by name, of which each is what its name says."""
        self.given = given
        self.command = MappingProxyType({name: value for name, value in given.items() if OPTIONS[name].in_command})
        """Those that commands have, by their names there."""
        self.driver = MappingProxyType({_snake(name): value for name, value in self.command.items()})
        """The same as the driver names them."""

    @classmethod
    def of(cls, members: Mapping[str, Any], takes: Iterable[str], own: Iterable[str]) -> "Options":
        """Return the options among the members of a body; `own` are members of the request itself.

        Raise InvalidParameterError for one that the request does not take, WrongTypeError for a value of another type.
        """
        names = OPTIONS.keys() & members.keys() - set(own)
        given = {name: members[name] for name in sorted(names) if not _is_absent(name, members[name])}
        for name in given:
            if OPTIONS[name].open_to is _NOBODY or name not in takes:
                raise InvalidParameterError(f"'{name}' is not an option of this action")
        return cls({name: _valid(name, value) for name, value in given.items()} if _fit(given) else given)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.given)

    @property
    def batch_size(self) -> int:
        """How many documents MongoDB is to send at once; 0 leaves it to us."""
        return int(self.given.get("batchSize", 0))

    @property
    def collation(self) -> Mapping[str, Any] | None:
        """How texts are compared, None for as the collection does."""
        return self.given.get("collation")

    @property
    def is_cacheable(self) -> bool:
        """Whether a reply may be cached."""
        return all(OPTIONS[name].is_cacheable for name in self.given)

    def without(self, *names: str) -> "Options":
        """Return the others."""
        return Options({name: value for name, value in self.given.items() if name not in names})

    def only(self, *names: str) -> dict[str, Any]:
        """Return those of these names that are given, as the driver names them."""
        return {name: self.driver[name] for name in map(_snake, names) if name in self.driver}

    def interpreted(self) -> tuple[Placed, ...]:
        """Return those in which operators are looked for."""
        return tuple((OPTIONS[name].place, value) for name, value in self.given.items())

    def refuse_closed(self, standing: Standing) -> None:
        """Raise InvalidParameterError for one that is not open to a caller of this standing."""
        for name in self.given:
            if OPTIONS[name].open_to > standing:
                raise InvalidParameterError(f"option '{name}' is not allowed for callers that rules apply to")


def whole(name: str, number: float) -> int:
    """Return a count that a caller may have written as 5, 5.0 or a long; raise if it is negative or a fraction."""
    if number != number // 1 or number < 0:
        raise InvalidParameterError(f"'{name}' must be a whole number of at least 0")
    return min(int(number), _MAX_INT64)


def _fit(given: Mapping[str, Any]) -> bool:
    """Raise for bounds of an index that is not named: the driver and MongoDB want to know it."""
    if given.keys() & {"min", "max"} and "hint" not in given:
        raise InvalidParameterError("'min' and 'max' need a 'hint' that names their index")
    return bool(given)


def _is_absent(name: str, value: Any) -> bool:
    absent = OPTIONS[name].absent
    return type(value) is type(absent) and bool(value == absent)


def _valid(name: str, value: Any) -> Any:
    try:
        msgspec.convert(value, OPTIONS[name].kind)
    except msgspec.ValidationError as error:
        expected = str(error)
        raise WrongTypeError(f"'{name}': {expected[0].lower()}{expected[1:]}") from error
    if name in {"batchSize", "maxTimeMS"}:
        return whole(name, value)
    return _keys(value) if name == "hint" and type(value) is dict else value


def _keys(hint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of an index with directions that the driver takes."""
    keys = {key: _direction(kind) for key, kind in hint.items()}
    if not keys or not all(isinstance(kind, int | str) and type(kind) is not bool for kind in keys.values()):
        raise InvalidParameterError("'hint' must be the name of an index, or its keys with their kinds")
    return keys


def _direction(kind: Any) -> Any:
    return int(kind) if type(kind) is float and kind.is_integer() and abs(kind) <= _MAX_INT32 else kind


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", name)


NO_OPTIONS = Options({})
