"""Random documents, of few names and few values, so that they meet those of rules and calls."""

from datetime import datetime
from random import Random
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tests.twins.plain import Document

CALLER = "5f0000000000000000000001"
"""The id of the user who calls; all that is known of the caller is USER."""

USER: Document = {
    "id": CALLER,
    "type": "server",
    "data": {"name": "twin"},
    "custom_data": {"uid": CALLER, "team": "red", "level": 2, "teams": ["red", "blue"]},
}
NAMES = ("a", "b", "n", "owner", "holder", "team", "deleted", "secret", "0", "", "é", "x.y")
INNER = ("x", "secret", "in", "0")
SCALARS: tuple[Any, ...] = (
    0, 1, 2, 3, 7, 12, -1, 1.5, 2.0, Int64(3), Decimal128("2"), "red", "RED", "blue", "12", "abc", "", CALLER, "u2",
    None, True, False, datetime(1970, 1, 2), float("nan"),
)  # fmt: skip
_WHOLE = 0.15  # how often a name has a value of any shape in place of its usual one
_MISSING = 0.12


def document(random: Random, number: int, *, composed_id: bool) -> Document:
    """Return a document; one with a composed `_id` has a part of it that rules may hide."""
    made: Document = {"_id": {"k": number, "secret": scalar(random)} if composed_id else number}
    names = list(NAMES[:8]) + [name for name in NAMES[8:] if random.random() < 0.15]
    random.shuffle(names)
    for name in names:
        if random.random() >= _MISSING:
            made[name] = value(random) if random.random() < _WHOLE else _usual(random, name)
    return made


def _usual(random: Random, name: str) -> Any:
    people = [CALLER, CALLER, CALLER, "u2", "u2", None, [CALLER, "u2"], ["u2"]]
    usual: dict[str, list[Any]] = {
        "owner": people,
        "holder": people,
        "team": ["red", "red", "RED", "blue", ["red", "blue"], None],
        "deleted": [None, None, False, True],
        "n": [0, 1, 2, 3, 5, 2.0, Int64(3)],
        "a": [[inner(random) for _ in range(random.randrange(4))]],
        "b": [inner(random)],
    }
    return random.choice(usual.get(name, SCALARS))


def scalar(random: Random) -> Any:
    """Return a value that holds no others."""
    return random.choice(SCALARS)


def value(random: Random, depth: int = 0) -> Any:
    """Return a value of any shape."""
    kind = random.random()
    if depth > 2 or kind < 0.45:
        return scalar(random)
    if kind < 0.6:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    if kind < 0.7:
        return reference(random)
    return inner(random, depth)


def inner(random: Random, depth: int = 0) -> Document:
    """Return a document in a document."""
    if random.random() < 0.08:
        return reference(random)
    names = [name for name in INNER if random.random() < (0.75 if name in {"x", "secret"} else 0.25)]
    return {name: value(random, depth + 1) if name == "in" else _of(random, depth) for name in names}


def _of(random: Random, depth: int) -> Any:
    return value(random, depth + 1) if random.random() < 0.2 else scalar(random)


def reference(random: Random) -> Document:
    """Return a document that drivers take for a DBRef."""
    made: Document = {"$ref": "c", "$id": random.choice([1, 2]), "secret": scalar(random), "x": scalar(random)}
    for name in ("secret", "x"):
        if random.random() < 0.3:
            del made[name]
    return made
