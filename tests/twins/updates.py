"""Random changes of documents, by every operator and at every kind of path."""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.twins.pipelines import Paths, expression
from tests.twins.plain import Document, replacing

_OPERATORS = (
    "$set", "$set", "$set", "$set", "$unset", "$unset", "$inc", "$mul", "$min", "$max", "$push", "$push", "$addToSet",
    "$pull", "$pullAll", "$pop", "$rename", "$bit", "$currentDate",
    "$setOnInsert", "$setOnInsert",
)  # fmt: skip


def update(random: Random, pool: Paths, test: Callable[[], Any]) -> Document:
    """Return the members of an update: operators, or a pipeline."""
    if random.random() < 0.07:
        return {"update": _pipeline(random, pool)}
    changes: Document = {}
    for _ in range(random.choice([1, 1, 1, 2])):
        operator = random.choice(_OPERATORS)
        path = _path(random, pool)
        if operator == "$setOnInsert" and random.random() < 0.5:  # it fails by what is there, and does nothing to it
            path = f"{pool.path(random, 0.1) or 'secret'}.$[]"
        changes.setdefault(operator, {})[path] = _operand(random, pool, operator, test)
    body: Document = {"update": changes}
    named = {part for operand in changes.values() for path in operand for part in path.split(".") if part == "$[e]"}
    if named:
        name = random.choice(["e", "e.secret", "e.x", "e.in.secret"])
        body["arrayFilters"] = [{name: test()}]
    return body


def _path(random: Random, pool: Paths) -> str:
    path = pool.path(random, 0.8)
    kind = random.random()
    if kind < 0.6:
        return path or "a"
    parts = [random.choice(["$[]", "$[e]", "$", "0", part]) if part.isdecimal() else part for part in path.split(".")]
    if kind < 0.85:
        parts.insert(random.randrange(1, len(parts) + 1), random.choice(["$[]", "$[]", "$[e]", "$", "0", "1"]))
    return ".".join([*parts, random.choice(["x", "secret"])] if random.random() < 0.2 else parts) or "a"


def _operand(random: Random, pool: Paths, operator: str, test: Callable[[], Any]) -> Any:
    given = pool.value(random)
    choices: dict[str, list[Any]] = {
        "$inc": [1, -1, 2, 1.5, 0],
        "$mul": [1, -1, 2, 1.5, 0],
        "$push": [given, _each(random, given, pool)],
        "$addToSet": [given, {"$each": [given, pool.value(random)]}],
        "$pull": [given, {"secret": test()}, {"x": test()}, test()],
        "$pullAll": [[given, pool.value(random)]],
        "$pop": [1, -1],
        "$rename": [pool.path(random) or "made", "made", "n"],
        "$bit": [{name: number} for name in ("and", "or", "xor") for number in (1, 3)],
        "$currentDate": [True, {"$type": "timestamp"}],
        "$unset": [""],
    }
    return random.choice(choices.get(operator, [given]))


def _each(random: Random, given: Any, pool: Paths) -> Document:
    made: Document = {"$each": [given, pool.value(random)][: random.randrange(3)]}
    if random.random() < 0.4:
        made["$slice"] = random.choice([0, 1, -1, 2])
    if random.random() < 0.3:
        made["$sort"] = random.choice([1, -1, {"secret": 1}, {"x": -1}])
    if random.random() < 0.3:
        made["$position"] = random.choice([0, 1, -1])
    return made


def _pipeline(random: Random, pool: Paths) -> list[Document]:
    if random.random() < 0.4:
        return replacing({name: pool.value(random) for name in random.sample(["a", "n", "secret", "made", "_id"], 2)})
    path, made = pool.path(random) or "a", expression(random, pool)
    return [random.choice([{"$set": {"n": made}}, {"$set": {path: made}}, {"$unset": path}, {"$replaceWith": made}])]
