"""Random calls of the actions, most of them attacks on what is hidden."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from tests.twins import pipelines, updates
from tests.twins.documents import document, scalar, value
from tests.twins.plain import Document

_PATHS = (
    "a", "a.0", "a.0.secret", "a.0.x", "a.1.secret", "a.in.secret", "a.secret", "a.x", "b", "b.in", "b.in.secret",
    "b.secret", "b.x", "deleted", "holder", "n", "owner", "secret", "secret.x", "secret.0", "team", "0", "0.0", "_id",
    "_id.k", "_id.secret", "a.$ref", "a.$id", "a.0.0", "a.0.0.secret", "a.-1.x", "é", "x.y", "", "nowhere", "b.$id",
)  # fmt: skip
READS = (
    ("findOne", 12), ("find", 30), ("aggregate", 22), ("countDocuments", 8), ("estimatedDocumentCount", 1),
    ("distinct", 12), ("getSchema", 8), ("explain", 1), ("deleteOne", 3), ("deleteMany", 3), ("findOneAndDelete", 3),
)  # fmt: skip
ALL = (
    ("findOne", 8), ("find", 16), ("aggregate", 14), ("countDocuments", 3), ("distinct", 4), ("getSchema", 3),
    ("explain", 2), ("updateOne", 22), ("updateMany", 12), ("replaceOne", 7), ("insertOne", 6), ("insertMany", 4),
    ("deleteOne", 5), ("deleteMany", 4),
    ("findOneAndUpdate", 10), ("findOneAndReplace", 4), ("findOneAndDelete", 4), ("bulkWrite", 10), ("transaction", 10),
)  # fmt: skip


_OPERATIONS = (
    "findOne", "find", "aggregate", "countDocuments", "countDocuments", "estimatedDocumentCount", "distinct",
    "insertOne", "updateOne", "updateMany", "replaceOne", "deleteOne", "findOneAndUpdate", "findOneAndUpdate",
    "findOneAndReplace", "findOneAndDelete", "bulkWrite",
)  # fmt: skip
"""Actions of a transaction, of which those that tell most are there most."""


class Pool(NamedTuple):
    """What calls are made of: paths that are visible somewhere, paths that lead to a difference, and values at them."""

    visible: Sequence[str]
    hidden: Sequence[str]
    values: Sequence[Any]
    composed_id: bool

    def path(self, random: Random, visible: float = 0.5) -> str:
        """Return a path: visible, hidden, or any."""
        kind = random.random()
        if kind < visible and self.visible:
            return random.choice(self.visible)
        if kind < visible + (1 - visible) * 0.75 and self.hidden:
            return random.choice(self.hidden)
        return random.choice(_PATHS)

    def value(self, random: Random) -> Any:
        """Return a value that a document may have, of either twin."""
        kind = random.random()
        if kind < 0.45 and self.values:
            return random.choice(self.values)
        return scalar(random) if kind < 0.85 else value(random)

    def id(self, random: Random) -> Any:
        """Return an `_id`, which may be stored; of a composed one the hidden part is never guessed."""
        number = random.randrange(1, 9)
        return {"k": number, "secret": "guess"} if self.composed_id else number


def call(random: Random, pool: Pool, actions: Sequence[tuple[str, int]]) -> Document:
    """Return a call: action, members of its body, and the format of the answer."""
    action = random.choices([name for name, _ in actions], [weight for _, weight in actions])[0]
    body = _with_options(random, pool, _MAKERS[action](random, pool))
    if action in {"find", "aggregate"} and random.random() < 0.2:
        body["cursor"] = {"batchSize": random.choice([1, 2, 3])}
    return {"action": action, "form": random.choice(["json", "ejson"]), "body": body}


def _with_options(random: Random, pool: Pool, body: Document) -> Document:
    """Return a body with the options that it may have; conditions use the variables of some."""
    if body.keys().isdisjoint({"filter", "pipeline"}):
        return body
    options = _options(random, pool)
    if "let" in options and "filter" in body and random.random() < 0.6:
        operands = [f"${pool.path(random) or 'a'}", random.choice(["$$v", {"$ifNull": ["$$v", 1]}])]
        body["filter"] = {"$expr": {random.choice(["$eq", "$lt", "$gte"]): operands}}
    return body | options


def _options(random: Random, pool: Pool) -> Document:
    """Return options that change what conditions mean, and some that would tell of an index."""
    kind = random.random()
    if kind < 0.12:
        return {"collation": random.choice([{"locale": "en", "strength": 2}, {"locale": "simple"}])}
    if kind < 0.16:
        return {"let": {"v": pool.value(random)}}
    if kind < 0.18:
        return random.choice(
            [{"hint": "_id_"}, {"hint": {pool.path(random): 1}}, {"returnKey": True}, {"batchSize": 1}]
        )
    return {}


def paths(document: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give every path in a document with its value, with the places of elements and without."""
    if isinstance(document, dict):
        for name, each in document.items():
            yield prefix + name, each
            yield from paths(each, f"{prefix}{name}.")
    elif isinstance(document, list):
        for position, each in enumerate(document):
            yield f"{prefix}{position}", each
            yield from paths(each, f"{prefix}{position}.")
            if isinstance(each, dict):
                yield from paths(each, prefix)


def _find(random: Random, pool: Pool) -> Document:
    return _placed(random, _find_one(random, pool))


def _placed(random: Random, body: Document) -> Document:
    if random.random() < 0.35:
        body["limit"] = random.choice([0, 1, 1, 2, 3, 5])
    if random.random() < 0.25:
        body["skip"] = random.choice([0, 1, 2, 4])
    return body


def _find_one(random: Random, pool: Pool) -> Document:
    body: Document = {"filter": condition(random, pool)}
    if random.random() < 0.5:
        body["projection"] = _projection(random, pool)
    if random.random() < 0.35:
        body["sort"] = {pool.path(random): random.choice([1, -1]) for _ in range(random.choice([1, 1, 2]))}
    return body


def _count_documents(random: Random, pool: Pool) -> Document:
    return _placed(random, {"filter": condition(random, pool)})


def _estimated_document_count(_random: Random, _pool: Pool) -> Document:
    return {}


def _distinct(random: Random, pool: Pool) -> Document:
    return {"fieldName": pool.path(random) or "a", "filter": condition(random, pool)}


def _projection(random: Random, pool: Pool) -> Document:
    kind = random.random()
    if kind < 0.35:
        switch = random.choice([0, 1])
        return {pool.path(random): switch for _ in range(random.choice([1, 2, 3]))} | (
            {"_id": 0} if random.random() < 0.2 else {}
        )
    path = pool.path(random, 0.3)
    if kind < 0.45:
        return {path: {"$slice": random.choice([1, -1, 2, [1, 1], [-2, 1]])}}
    if kind < 0.55:
        return {path.partition(".")[0]: {"$elemMatch": condition(random, pool)}}
    if kind < 0.6:
        return {f"{path}.$": 1}
    if kind < 0.65:
        return {"x": {"$meta": random.choice(["recordId", "sortKey", "indexKey", "textScore"])}}
    return {random.choice(["made", path, "_id"]): pipelines.expression(random, pool)}


def condition(random: Random, pool: Pool) -> Document:
    """Return a filter."""
    kind = random.random()
    if kind < 0.3:
        return {}
    if kind < 0.36:
        return {"_id": random.choice([pool.id(random), {"$in": [pool.id(random), pool.id(random)]}])}
    if kind < 0.46:
        name = random.choice(["$and", "$or", "$nor"])
        return {name: [_condition_of_path(random, pool) for _ in range(random.choice([1, 2]))]}
    if kind < 0.49:
        return {"$expr": pipelines.expression(random, pool)}
    made = _condition_of_path(random, pool)
    return made | _condition_of_path(random, pool) if random.random() < 0.2 else made


def _condition_of_path(random: Random, pool: Pool) -> Document:
    return {pool.path(random): asked(random, pool)}


def asked(random: Random, pool: Pool, depth: int = 0) -> Any:
    """Return what a filter asks of a field."""
    given = pool.value(random)
    operator = random.choice(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$elemMatch", "$not", "", ""])
    if operator == "":
        return given if random.random() < 0.4 else _other_test(random, given)
    if operator in {"$in", "$nin"}:
        return {operator: [given, random.choice([None, pool.value(random)])]}
    if operator in {"$elemMatch", "$not"}:
        inner = asked(random, pool, depth + 1) if depth < 2 else given
        if operator == "$elemMatch" and random.random() < 0.7:
            return {operator: {random.choice(["x", "secret", "0", "in.secret"]): inner}}
        return {operator: inner if isinstance(inner, dict) else {"$eq": inner}}
    return {operator: given}


def _other_test(random: Random, given: Any) -> Any:
    return random.choice([
        {"$exists": True},
        {"$exists": False},
        {"$type": random.choice(["int", "string", "object", "array", "null", ["double", "bool"], 18])},
        {"$size": random.randrange(4)},
        {"$mod": [2, random.choice([0, 1])]},
        {"$all": [given]},
        {"$all": [{"$elemMatch": {"secret": given}}]},
        {"$regex": "^r", "$options": "i"},
        {"$bitsAnySet": 3},
    ])  # fmt: skip


def _aggregate(random: Random, pool: Pool) -> Document:
    return {"pipeline": pipelines.pipeline(random, pool, lambda: condition(random, pool))}


def _update(random: Random, pool: Pool) -> Document:
    found = {} if random.random() < 0.5 else condition(random, pool)
    body = {"filter": found, **updates.update(random, pool, lambda: asked(random, pool))}
    return _upsert(random, body)


def _replace_one(random: Random, pool: Pool) -> Document:
    replacement = _new(random, pool)
    if random.random() < 0.7:
        del replacement["_id"]
    return _upsert(random, {"filter": condition(random, pool), "replacement": replacement})


def _find_one_and_update(random: Random, pool: Pool) -> Document:
    return _returning(random, pool, _update(random, pool))


def _find_one_and_replace(random: Random, pool: Pool) -> Document:
    return _returning(random, pool, _replace_one(random, pool))


def _find_one_and_delete(random: Random, pool: Pool) -> Document:
    return _returning(random, pool, _delete(random, pool))


def _returning(random: Random, pool: Pool, body: Document) -> Document:
    asked = _find_one(random, pool)
    del asked["filter"]
    if body.keys() & {"update", "replacement"}:
        asked["returnDocument"] = random.choice(["Before", "After"])
    return body | asked


def _upsert(random: Random, body: Document) -> Document:
    return body | {"upsert": True} if random.random() < 0.2 else body


def _new(random: Random, pool: Pool) -> Document:
    made = document(random, random.randrange(1, 9), composed_id=False)
    made["_id"] = pool.id(random) if random.random() < 0.3 else random.randrange(100, 120)
    for path, each in zip(pool.visible, pool.values, strict=False):
        if "." not in path and path != "_id" and random.random() < 0.3:
            made[path] = each
    return made


def _insert_one(random: Random, pool: Pool) -> Document:
    return {"document": _new(random, pool)}


def _insert_many(random: Random, pool: Pool) -> Document:
    return {"documents": [_new(random, pool) for _ in range(random.choice([1, 2, 3]))]}


def _delete(random: Random, pool: Pool) -> Document:
    return {"filter": condition(random, pool)}


def _bulk_write(random: Random, pool: Pool) -> Document:
    names = random.choices(["insertOne", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany"], k=3)
    requests = [{name: _MAKERS[name](random, pool)} for name in names[: random.choice([1, 2, 3])]]
    return {"requests": requests, "ordered": random.random() < 0.7}


def _transaction(random: Random, pool: Pool) -> Document:
    names = random.choices(_OPERATIONS, k=random.choice([1, 2, 3]))
    operations = [{"action": name, **_with_options(random, pool, _MAKERS[name](random, pool))} for name in names]
    if random.random() < 0.3:
        path = f"/0/document/{pool.path(random).replace('.', '/')}"
        new = _new(random, pool)
        reading = {"action": "findOne", **_find_one(random, pool)}
        operations[:0] = [reading, {"action": "insertOne", "document": new, "references": {"/document/made": path}}]
    return {"operations": operations}


def _get_schema(random: Random, _pool: Pool) -> Document:
    return {"detail": random.random() < 0.7, "sampleSize": random.choice([1, 2, 4, 1_000])}


def _explain(random: Random, pool: Pool) -> Document:
    return {"action": "findOne", **_find_one(random, pool)}


_MAKERS = {
    "findOne": _find_one,
    "find": _find,
    "aggregate": _aggregate,
    "countDocuments": _count_documents,
    "estimatedDocumentCount": _estimated_document_count,
    "distinct": _distinct,
    "getSchema": _get_schema,
    "explain": _explain,
    "insertOne": _insert_one,
    "insertMany": _insert_many,
    "updateOne": _update,
    "updateMany": _update,
    "replaceOne": _replace_one,
    "deleteOne": _delete,
    "deleteMany": _delete,
    "findOneAndUpdate": _find_one_and_update,
    "findOneAndReplace": _find_one_and_replace,
    "findOneAndDelete": _find_one_and_delete,
    "bulkWrite": _bulk_write,
    "transaction": _transaction,
}
