"""Random writes that the model can follow, and whether the service does the same."""

from collections.abc import Iterator
from random import Random
from typing import Any

from bson import json_util

from tests.twins import rules
from tests.twins.documents import document, inner, scalar, value
from tests.twins.model import Model, Outcome
from tests.twins.oracle import cut
from tests.twins.plain import Document, replacing
from tests.twins.world import EXACT, Case, Difference, World, plain

_CALLS = 25  # of each case
_ACTIONS = (
    "updateOne", "updateOne", "updateOne", "updateMany", "replaceOne", "insertOne", "insertMany", "deleteOne",
    "deleteMany", "findOneAndUpdate", "findOneAndUpdate", "findOneAndReplace", "findOneAndDelete", "bulkWrite",
    "bulkWrite", "transaction",
)  # fmt: skip
_OPERATIONS = ("insertOne", "updateOne", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany")
_RETURNING = ("findOneAndUpdate", "findOneAndReplace", "findOneAndDelete")
_OF_ONE = frozenset({
    "updateOne", "replaceOne", "deleteOne", "findOneAndUpdate", "findOneAndReplace", "findOneAndDelete",
})  # fmt: skip
_NAMES = ("a", "b", "n", "owner", "team", "deleted", "secret", "made")


class Writes:
    """Documents that are written as the model says."""

    def __init__(self, world: World) -> None:
        """Take where they are stored."""
        self.world = world

    async def case(self, random: Random) -> Case | None:
        """Return a case, None if its rules cannot be used."""
        ones = [document(random, number + 1, composed_id=False) for number in range(random.randrange(2, 7))]
        schema = rules.schema(random) if random.random() < 0.2 else {}
        made = Case("plain", "write", rules.rules(random), schema, ones, ones)
        return made if not _is_full(made) and await self.begin(made) else None

    async def begin(self, case: Case) -> bool:
        """Serve the case."""
        return await self.world.begin(case)

    def calls(self, random: Random, case: Case) -> Iterator[Document]:
        """Give writes of the documents of a case."""
        for _ in range(_CALLS):
            action = random.choice(_ACTIONS)
            if action in {"bulkWrite", "transaction"} and case.oracle.queries:
                continue  # what filters' queries find of what an operation leaves only MongoDB could say
            expects = action in _OF_ONE and random.random() < 0.3
            body = _body(random, case, action)
            if action == "updateMany" and random.random() < 0.2:
                body = {"replacement": _replacement(random, case)} | body
                del body["update"]
            yield {"action": action, "form": "ejson", "body": body, "expects": expects}

    async def compare(self, case: Case, call: Document) -> Difference | None:
        """Send a write to one of the databases; return what is not as the model says. It is as before then."""
        if call["action"] == "updateMany" and not call["body"].get("replacement", True):
            return None  # it is no replacement then, but a pipeline as any other
        matched = [found[0] for found in await self.world.matched(case, 0)]
        expected = Model(case.oracle, case.schema, case.ones, matched).outcome(call)
        sent = _sent(call)
        if call.get("expects"):
            tag = await self._tag(case, call)
            expected = expected if tag else Outcome(case.ones, None)
            sent = {**call, "headers": {"if-match": tag or "*"}}
        answer = await self.world.call(case, 0, sent)
        after = await self.world.stored(case, 0)
        if repr(after) != repr(case.ones):
            await self.world.restore(case, 0)
        is_done = answer.status < 300
        if is_done is (expected.counts is None):
            return Difference("allowed" if is_done else "refused", answer, expected)
        if not is_done:
            return None if _same(after, expected) else Difference("stored", after, expected)
        counts = json_util.loads(answer.body, json_options=EXACT)
        if "document" in counts:
            returned = self.world.without_new(plain(counts["document"]))
            if not _is_shown(case, call, returned, expected):
                return Difference("returned", answer, expected)
        elif expected.counts and any(counts[name] != number for name, number in expected.counts.items()):
            return Difference("counts", answer, expected)
        return None if _same(after, expected) else Difference("stored", after, expected)

    async def _tag(self, case: Case, call: Document) -> str | None:
        """Return the tag of the document that a write will meet, None if there is none."""
        asked = {"action": "findOne", "form": "json", "body": {"filter": call["body"]["filter"]}}
        return (await self.world.call(case, 0, asked)).headers.get("ETag")


def _is_full(case: Case) -> bool:
    """Tell whether the caller may do everything, so that a write that fails is done in part."""
    first = case.rules["roles"][0]
    return first["apply_when"] == {} and first.get("write") is True and not case.oracle.filters and not case.schema


def _several(random: Random, case: Case, names: tuple[str, ...]) -> list[Document]:
    requests = []
    for name in random.choices(names, k=random.choice([1, 2, 3, 4])):
        operation = _body(random, case, name)
        operation.pop("upsert", None)  # of two ids that are made, the model does not know that they differ
        requests.append({name: operation})
    if random.random() < 0.3:
        requests.append({"updateOne": _body(random, case, "updateOne") | {"upsert": True}})
    return requests


def _sent(call: Document) -> Document:
    """Return a call as an action takes it: what replaces many is a pipeline."""
    body = call["body"]
    if call["action"] != "updateMany" or "replacement" not in body:
        return call
    others = {name: each for name, each in body.items() if name != "replacement"}
    return call | {"body": others | {"update": replacing(body["replacement"])}}


def _body(random: Random, case: Case, action: str) -> Document:
    if action == "bulkWrite":
        return {"requests": _several(random, case, _OPERATIONS), "ordered": random.random() < 0.7}
    if action == "transaction":
        requests = _several(random, case, _OPERATIONS + _RETURNING)
        return {"operations": [{"action": name, **body} for each in requests for name, body in each.items()]}
    if action == "insertOne":
        return {"document": _new(random)}
    if action == "insertMany":
        return {"documents": [_new(random) for _ in range(random.choice([1, 2]))]}
    body: Document = {"filter": _condition(random, case)}
    if action in {"findOneAndUpdate", "findOneAndReplace"}:
        body["returnDocument"] = random.choice(["Before", "After"])
    if action in {"updateOne", "updateMany", "findOneAndUpdate"}:
        body["update"] = _update(random)
    if action in {"replaceOne", "findOneAndReplace"}:
        body["replacement"] = _replacement(random, case)
    if body.keys() & {"update", "replacement"} and random.random() < 0.2:
        body["upsert"] = True
    return body


def _condition(random: Random, case: Case) -> Document:
    kind = random.random()
    if kind < 0.35:
        return {}
    if kind < 0.7:
        return {"_id": random.randrange(1, 8)}
    stored = random.choice(case.ones)
    name = random.choice(_NAMES)
    found = stored.get(name)
    return {name: found if isinstance(found, str | int | bool | None) else scalar(random)}


def _new(random: Random) -> Document:
    return document(random, random.choice([1, 100, 101, 102, 103]), composed_id=False)


def _replacement(random: Random, case: Case) -> Document:
    made = dict(random.choice(case.ones))
    if random.random() < 0.8:
        del made["_id"]
    for _ in range(random.randrange(3)):
        made[random.choice(_NAMES)] = value(random)
    return made


def _update(random: Random) -> Document:
    changes: Document = {}
    names = random.sample(_NAMES, random.choice([1, 1, 2]))
    for name in names:
        path = (
            f"{name}.{random.choice(['x', 'secret', 'in'])}" if name in {"a", "b"} and random.random() < 0.6 else name
        )
        operator = random.choice(["$set", "$set", "$unset", "$inc", "$push"])
        operand = {"$unset": "", "$inc": random.choice([0, 1, -2]), "$push": inner(random)}.get(operator, value(random))
        changes.setdefault(operator, {})[path] = operand
    return {name: changes[name] for name in ("$set", "$unset", "$inc", "$push") if name in changes}


def _is_shown(case: Case, call: Document, returned: Document | None, expected: Outcome) -> bool:
    """Tell whether the document that is returned is what is visible of it at that time."""
    is_after = call["body"].get("returnDocument") == "After"
    document = expected.change[is_after]
    if is_after and case.oracle.queries:
        return True  # whether a filter's query still finds it is MongoDB's to say
    shown = False if document is None else case.oracle.shown(document)
    visible = None if document is None or shown is False else cut(document, shown)
    return bool(_sorted(returned) == _sorted(visible))


def _same(after: list[Document], expected: Outcome) -> bool:
    return [_sorted(each) for each in after] == [_sorted(each) for each in expected.documents]


def _sorted(value: Any) -> Any:
    """Return a value with its types, and with members in the order of their names: which is not the rules' matter."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else repr(value)
