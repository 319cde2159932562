"""What MongoDB says of how it runs a query, as one plan; and in words, with the index that would help (pure).

Only what is MongoDB's own structure is looked at, never what stands in it of the caller's, such as filters.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched, islice
from typing import Any

import orjson
from bson.regex import Regex

from shared.documents.ejson import Document
from shared.operators import EQUALITIES, RANGES
from shared.turns import Steps

_INNER = (
    "queryPlanner", "winningPlan", "queryPlan", "inputStage", "inputStages", "outerStage", "innerStage", "thenStage",
    "elseStage", "stages", "$cursor", "shards",
)  # fmt: skip
_OF_ID = frozenset({"IDHACK", "EXPRESS_CLUSTERED_IXSCAN", "CLUSTERED_IXSCAN"})
_SCAN, _SORT, _NOTHING = "COLLSCAN", "SORT", "EOF"
_MOST_KEYS = 32  # of an index
_AT_ONCE = 50  # parts of a plan, some of which MongoDB makes for each alternative of a condition
_MOST_VALUES = 100  # of one operator, that are looked at
_TYPED: Mapping[str, re.Pattern[str]] = {
    'an ObjectId is written {"$oid":"…"}': re.compile(r"[0-9a-fA-F]{24}|ObjectId\(.*\)"),
    'a date is written {"$date":"…"}': re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]+(Z|[+-]\d\d:?\d\d)?)?|ISODate\(.*\)"),
}
"""How texts look that callers of a Data API send by mistake, as plain JSON has nothing else."""
_MANY_TIMES = 10  # as many documents examined as returned, from where on another index may help


class Plan:
    """The plan that MongoDB chose, and what it took."""

    def __init__(self, returned: int = 0) -> None:
        """Begin without a part; so many documents come out in the end."""
        self.stages: list[str] = []
        """From the last to the first, as each takes what those behind it give."""
        self.indexes: list[str] = []
        self.keys: list[Document] = []
        """Of these indexes."""
        self.examined = 0
        self.keys_examined = 0
        self.returned = returned
        self.failure: tuple[int, str] | None = None
        """Code and text of the error that ended the query, if one did."""

    @classmethod
    def read(cls, explained: Mapping[str, Any]) -> Steps["Plan"]:
        """Return the plan that the reply to `explain` tells of."""
        plan = cls(_returned(explained))
        for parts in batched(_parts(explained), _AT_ONCE, strict=False):
            for part in parts:
                plan._add(part)
            yield
        return plan

    def _add(self, part: Mapping[str, Any]) -> None:
        stage = part.get("stage")
        self.stages += [name for each in _listed("stages", part.get("stages")) for name in each if _is_stage(name)]
        if type(stage) is str:
            self.stages.append(stage)
            index = part.get("indexName", "_id_" if stage in _OF_ID else None)
            if type(index) is str and index not in self.indexes:
                self.indexes.append(index)
                self.keys.append(dict(part.get("keyPattern", {})))
        done = part.get("executionStats", part)  # of a stage that joins it is beside the stage
        if done.get("executionSuccess") is False:
            self.failure = int(done.get("errorCode", 0)), str(done.get("errorMessage", ""))
        self.examined += int(done.get("totalDocsExamined", 0))
        self.keys_examined += int(done.get("totalKeysExamined", 0))
        for name in part.get("indexesUsed", ()):
            if name not in self.indexes:
                self.indexes.append(name)

    @property
    def is_scan(self) -> bool:
        """Whether documents are found without an index."""
        return _SCAN in self.stages

    @property
    def is_sorted_in_memory(self) -> bool:
        """Whether no index has the order that is asked for."""
        return any(each.startswith(_SORT) and each != "SORT_MERGE" for each in self.stages)

    def helpful(self, condition: Document, sort: Sequence[tuple[str, Any]]) -> Document | None:
        """Return the keys of the index that would help, None if none would.

        What must be equal comes first, then the sort, then ranges: so MongoDB reads no more than it returns, in order.
        """
        is_wasteful = self.examined > _MANY_TIMES * max(self.returned, 1)
        if not (self.is_scan or self.is_sorted_in_memory or is_wasteful):
            return None
        keys = _keys(condition, sort)
        if not keys or next(iter(keys)) == "_id" or any(self._begins(each, keys) for each in self.keys):
            return None
        return keys

    def _begins(self, index: Document, keys: Document) -> bool:
        """Tell whether an index begins with these keys; their directions matter only to a sort."""
        first, wanted = list(index.items())[: len(keys)], list(keys.items())
        return first == wanted or (not self.is_sorted_in_memory and [*dict(first)] == [*keys])

    def verdict(self, helpful: Document | None, condition: Document) -> str:
        """Return the plan in words; where nothing is found, with what may be wrong in the condition."""
        sentence = f"{self._used()}: {_counted(self.examined, 'examined')} for {self.returned} returned"
        if self.is_sorted_in_memory:
            sentence += ", sorted in memory"
        if helpful is not None:
            sentence += f"; an index on {orjson.dumps(helpful).decode()} would help"
        elif self.is_scan and self.examined <= max(self.returned, 1):
            sentence += "; none is needed"
        mistake = None if self.returned else _mistake(condition)
        return sentence if mistake is None else f"{sentence}; {mistake}"

    def _used(self) -> str:
        if not self.indexes:
            return "nothing is read" if self.stages == [_NOTHING] else "no index is used"
        noun = "the index" if len(self.indexes) == 1 else "the indexes"
        verb = "is used" if len(self.indexes) == 1 else "are used"
        whole = f"{noun} {', '.join(self.indexes)} {verb}"
        return f"{whole}, and all documents are read" if self.is_scan else whole


def _is_stage(name: str) -> bool:
    return name.startswith("$") and name != "$cursor"


def _parts(explained: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the explanation and all in it that is MongoDB's own, from the outside to the inside."""
    pending = [explained]
    while pending:
        part = pending.pop()
        yield part
        inner = [each for name in _INNER for each in _listed(name, part.get(name))]
        pending += reversed(inner)


def _listed(name: str, value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        values = list(value.values()) if name == "shards" else [value]
    else:
        values = value[::-1] if isinstance(value, list) else []  # from the last to the first
    return [each for each in values if isinstance(each, Mapping)]


def _returned(explained: Mapping[str, Any]) -> int:
    """Return how many documents come out in the end."""
    shards = _listed("shards", explained.get("shards"))
    if shards:
        return sum(map(_returned, shards))
    stages = _listed("stages", explained.get("stages"))
    last = stages[0] if stages else explained.get("executionStats", {})
    return int(last.get("nReturned", 0))


def _keys(condition: Document, sort: Sequence[tuple[str, Any]]) -> Document:
    equal: Document = {}
    ranged: Document = {}
    for name, asked in _conditions(condition):
        is_operator = type(asked) is dict and next(iter(asked), "").startswith("$")
        if isinstance(asked, Regex) or (is_operator and not RANGES.isdisjoint(asked)):
            ranged[name] = 1
        elif not is_operator or not EQUALITIES.isdisjoint(asked):
            equal[name] = 1
    sorted_by = {
        name: direction
        for name, direction in sort
        if type(direction) is int and name not in equal and not name.startswith("$")
    }
    keys = equal | sorted_by | {name: 1 for name in ranged if name not in equal and name not in sorted_by}
    return dict(list(keys.items())[:_MOST_KEYS])


def _mistake(condition: Document) -> str | None:
    """Say which field is compared with a text that looks like a value of another type."""
    for name, asked in _conditions(condition):
        for text in _texts(asked):
            for advice, look in _TYPED.items():
                if look.fullmatch(text):
                    return f"{orjson.dumps(name).decode()} is compared with a text: {advice}"
    return None


def _texts(asked: Any) -> Iterator[str]:
    """Give the texts that a field is compared with."""
    for value in asked.values() if type(asked) is dict else [asked]:
        for each in islice(value, _MOST_VALUES) if type(value) is list else [value]:
            if type(each) is str:
                yield each


def _conditions(condition: Document) -> Iterator[tuple[str, Any]]:
    """Give the conditions of paths that all must hold."""
    pending = [condition]
    while pending:
        for name, asked in pending.pop().items():
            if name == "$and" and type(asked) is list:
                pending += [each for each in asked if type(each) is dict]
            elif name and not name.startswith("$"):
                yield name, asked


def _counted(documents: int, done: str) -> str:
    return f"1 document is {done}" if documents == 1 else f"{documents} documents are {done}"
