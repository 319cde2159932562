"""Random stages and expressions of MongoDB's, of which some fail on some values."""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from tests.twins.plain import Document

_MEMBERS = {"$objectToArray": "$$ROOT"}


class Paths(Protocol):
    """Where paths and values come from."""

    def path(self, random: Random, visible: float = 0.5) -> str: ...

    def value(self, random: Random) -> Any: ...


def expression(random: Random, pool: Paths) -> Any:
    """Return an expression, which may depend on what is hidden."""
    path = f"${pool.path(random, 0.35)}"
    given = {"$literal": pool.value(random)}
    return random.choice([
        path,
        path,
        {"$toInt": path},
        {"$toInt": path},
        {"$toDouble": path},
        {"$toObjectId": path},
        {"$divide": [1, path]},
        {"$add": [path, 1]},
        {"$subtract": [1, path]},
        {"$concat": [path, "!"]},
        {"$toUpper": path},
        {"$type": path},
        {"$size": path},
        {"$arrayElemAt": [path, 0]},
        {"$ifNull": [path, "none"]},
        {"$eq": [path, given]},
        {"$gt": [path, given]},
        {"$in": [given, path]},
        {"$cond": [{"$gt": [path, given]}, 1, 0]},
        {"$cond": [{"$eq": [path, given]}, {"$toInt": "x"}, 0]},
        {"$switch": {"branches": [{"case": {"$eq": [path, given]}, "then": 1}]}},
        _MEMBERS,
        {"$objectToArray": path},
        {"$mergeObjects": ["$$ROOT", {"made": 1}]},
        {"$reduce": {"input": _MEMBERS, "initialValue": "", "in": {"$concat": ["$$value", "$$this.k"]}}},
        {"$map": {"input": path, "in": "$$this.secret"}},
        {"$filter": {"input": path, "cond": {"$gt": ["$$this.secret", 1]}}},
        {"$getField": {"field": "secret", "input": "$$ROOT"}},
        {"$setField": {"field": "made", "input": "$$ROOT", "value": path}},
        {"$toString": path},
        {"$dateToString": {"date": path}},
        {"$let": {"vars": {"v": "$$ROOT"}, "in": "$$v.secret"}},
        {"$bsonSize": "$$ROOT"},
        {"$function": {"body": "function(s) { return s }", "args": [path], "lang": "js"}},
        {"$slice": [path, 1]},
        {"$sortArray": {"input": path, "sortBy": random.choice([1, {"secret": 1}])}},
        {"$minN": {"input": path, "n": 1}},
        {"$firstN": {"input": path, "n": given}},
        {"$unsetField": {"field": "secret", "input": path}},
        {"$zip": {"inputs": [path, [1, 2]], "useLongestLength": True}},
        {"$regexFind": {"input": path, "regex": "^r"}},
        {"$convert": {"input": path, "to": "int", "onError": "bad", "onNull": "none"}},
        {"$dateTrunc": {"date": path, "unit": "day"}},
        {"$toHashedIndexKey": path},
        {"$setIsSubset": [[given], path]},
        {"$indexOfArray": [path, given]},
        {"$arrayToObject": path},
        {"$strcasecmp": [path, given]},
        "$$ROOT",
        "$$CURRENT.secret",
        "$$USER_ROLES",
        given,
    ])  # fmt: skip


def pipeline(random: Random, pool: Paths, condition: Callable[[], Document]) -> list[Document]:
    """Return the stages of an aggregate, whose result has an order of its own."""
    return [stage for _ in range(random.choice([1, 1, 2, 3])) for stage in _stages(random, pool, condition)]


def _stages(random: Random, pool: Paths, condition: Callable[[], Document]) -> list[Document]:
    path, made = pool.path(random, 0.45), expression(random, pool)
    kind = random.random()
    if kind < 0.2:
        return [_other(random, path, made, condition)]
    if kind < 0.35:
        return _joined(random, path, made, condition)
    totals: list[Any] = [{"$sum": 1}, {"$sum": made}, {"$push": made}, {"$max": f"${path}"}, {"$first": "$$ROOT"}]
    group = {"_id": random.choice([None, f"${path}", made]), "total": random.choice(totals)}
    stages: list[list[Document]] = [
        [{"$match": condition()}],
        [{"$project": random.choice([{path: 1}, {path: 0}, {"made": made}, {path: made}])}],
        [{"$project": {"made": made}}],
        [{"$group": group}, {"$sort": {"_id": 1}}],
        [{"$sortByCount": f"${path}"}, {"$sort": {"count": -1, "_id": 1}}],
        [{"$unwind": random.choice([f"${path}", {"path": f"${path}", "preserveNullAndEmptyArrays": True}])}],
        [{"$sort": {path: random.choice([1, -1]), "_id": 1}}, {"$limit": random.choice([1, 2, 50])}],
        [{"$count": "total"}],
        [{"$set": {random.choice(["made", path]): made}}],
    ]
    return random.choice(stages)


def _joined(random: Random, path: str, made: Any, condition: Callable[[], Document]) -> list[Document]:
    """Return a join, and what MongoDB may move into it."""
    collection, own = random.choice(["plain", "plain", "folded"]), path or "a"
    by: Document = {"localField": own, "foreignField": random.choice(["_id", "n", "team", "secret", own])}
    inner: list[list[Document]] = [
        [],
        [{"$match": condition()}],
        [{"$project": {"found": made}}],
        [{"$match": {"$expr": {"$eq": ["$n", "$$v"]}}}],
        [{"$sort": {own: 1, "_id": 1}}, {"$limit": 1}],
        [{"$group": {"_id": None, "total": {"$sum": f"${own}"}}}],
    ]
    join: Document = {"from": collection, "as": "made", "let": {"v": f"${own}"}}
    join |= random.choice([by, by, {}]) | {"pipeline": random.choice(inner)}
    if random.random() < 0.2 and "localField" in join:
        del join["let"], join["pipeline"]
    unwound = random.choice(["$made", {"path": "$made", "preserveNullAndEmptyArrays": True}])
    asked = {f"made.{name}": each for name, each in condition().items() if not name.startswith("$")}
    of_join = {
        "$match": random.choice([asked, {"$expr": {"$toInt": "$made.secret"}}, {"made.secret": {"$exists": True}}])
    }
    union: Document = {"$unionWith": {"coll": collection, "pipeline": random.choice([*inner[:3], inner[4]])}}
    return random.choice(
        [
            [{"$lookup": join}],
            [{"$lookup": join}, {"$unwind": unwound}, of_join],
            [{"$lookup": join}, of_join, {"$unwind": unwound}],
            [union, {"$match": condition()}, {"$sort": {"_id": 1}}],
            [
                {
                    "$facet": {
                        "one": [{"$lookup": join}, {"$unwind": unwound}, of_join],
                        "two": [{"$sort": {own: 1, "_id": 1}}],
                    }
                }
            ],
        ]
    )


def _other(random: Random, path: str, made: Any, condition: Callable[[], Document]) -> Document:
    collection, named = random.choice(["plain", "folded"]), path or "a"
    graph = {
        "from": collection,
        "startWith": f"${path}",
        "connectFromField": "n",
        "connectToField": "secret",
        "as": "made",
    }
    return random.choice([
        {"$facet": {"one": [{"$match": condition()}], "two": [{"$count": "total"}]}},
        {"$skip": 1},
        {"$limit": 2},
        {"$unset": named},
        {"$replaceRoot": {"newRoot": {"$ifNull": [f"${path}", {}]}}},
        {"$replaceWith": {"$mergeObjects": ["$$ROOT", {"made": made}]}},
        {"$redact": {"$cond": [{"$eq": [f"${path}", made]}, "$$PRUNE", "$$KEEP"]}},
        {"$bucket": {"groupBy": f"${path}", "boundaries": [0, 2, 5], "default": "other"}},
        {"$setWindowFields": {"sortBy": {named: 1}, "output": {"made": {"$sum": f"${path}", "window": {}}}}},
        {"$densify": {"field": named, "range": {"step": 1, "bounds": "full"}}},
        {"$fill": {"sortBy": {"_id": 1}, "output": {named: {"method": "locf"}}}},
        {"$lookup": {"from": collection, "localField": path, "foreignField": "secret", "as": "made"}},
        {"$unionWith": collection},
        {"$graphLookup": graph},
        {"$collStats": {"count": {}}},
        {"$geoNear": {"near": [0, 0], "distanceField": "made"}},
    ])  # fmt: skip
