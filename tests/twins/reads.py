"""Plain reads of random documents, and whether they show just what the rules say."""

from collections.abc import Iterator
from random import Random
from typing import Any

from bson import json_util

from tests.twins import rules, schemas
from tests.twins.documents import NAMES, document
from tests.twins.host import Answer
from tests.twins.oracle import cut
from tests.twins.plain import Document, equal
from tests.twins.world import EXACT, Case, Difference, World, plain

_IDS = range(1, 8)


class Reads:
    """Documents that are shown as the rules say."""

    def __init__(self, world: World) -> None:
        """Take where they are stored."""
        self.world = world

    async def case(self, random: Random) -> Case | None:
        """Return a case, None if its rules cannot be used."""
        composed_id = random.random() < 0.2
        ones = [document(random, number, composed_id=composed_id) for number in _IDS]
        collection = random.choice(["plain", "plain", "folded"])
        made = Case(collection, "read", rules.rules(random), {}, ones, ones)
        return made if await self.begin(made) else None

    async def begin(self, case: Case) -> bool:
        """Serve the case, but not one whose filters find something else with the collection's collation."""
        if not await self.world.begin(case):
            return False
        return all(with_it is without for with_it, without in await self.world.matched(case, 0))

    def calls(self, random: Random, case: Case) -> Iterator[Document]:
        """Give reads of all documents, of some of them, and of one."""
        bodies: dict[str, list[Document]] = {
            "find": [
                {},
                {"collation": {"locale": "en", "strength": 2}},
                {"limit": random.choice(_IDS), "skip": random.choice([0, 0, 1, 2])},
                {"filter": {"_id": {"$in": [each["_id"] for each in random.sample(case.ones, 3)]}}},
                {"cursor": {"batchSize": random.choice([1, 2, 5])}, "skip": random.choice([0, 0, 1, 2])},
                {"cursor": {"batchSize": random.choice([1, 2, 5])}, "limit": random.choice(_IDS)},
            ],
            "findOne": [{}, {"filter": {"_id": random.choice(case.ones)["_id"]}}],
            "aggregate": [{"pipeline": []}, {"pipeline": [], "cursor": {"batchSize": 2}}],
            "countDocuments": [
                {},
                {"limit": random.choice(_IDS), "skip": random.choice([0, 0, 1, 2])},
                {"filter": {"_id": {"$in": [each["_id"] for each in random.sample(case.ones, 3)]}}},
            ],
            "estimatedDocumentCount": [{}],
            "getSchema": [{"detail": False}, {"detail": True}],
            "distinct": [{"fieldName": random.choice([name for name in NAMES if name])} for _ in range(2)],
        }
        for action, choices in bodies.items():
            for body in choices:
                yield {"action": action, "form": "ejson", "body": body}

    async def compare(self, case: Case, call: Document) -> Difference | None:
        """Send a read to one of the databases; return what is not as the rules say."""
        answer = await self.world.call(case, 0, call)
        if answer.status != 200:
            is_right = "cursor" in call["body"] and _may_be_refused(case, answer, await self._visible(case, call))
            return None if is_right else Difference("refused", answer, None)
        first, *others = [json_util.loads(each, json_options=EXACT) for each in answer.body.split(b"\n")]
        body = first | ({"documents": _together([first, *others])} if others else {})
        if call["action"] == "getSchema":
            schema = schemas.inferred(await self._visible(case, call), is_detailed=call["body"]["detail"])
            texts = [json_util.dumps(each, sort_keys=True) for each in (body, schema)]  # names come in any order
            return None if texts[0] == texts[1] else Difference("schema", *texts)
        if "values" in body:
            values = _values(call["body"]["fieldName"], await self._visible(case, call))
            found = plain(body["values"])
            return None if _are_same(found, values, case) else Difference("values", found, values)
        if "count" in body:
            count = len(_expected(call, await self._visible(case, call)))
            return None if body["count"] == count else Difference("counted", body["count"], count)
        shown = plain(body["documents"] if "documents" in body else [body["document"]])
        visible = await self._visible(case, call)
        if "cursor" in call["body"] and call["action"] == "find":  # which sorts by `_id`: it must be readable
            visible = [each for each in visible if _has_whole_id(case, each)]
        expected = _expected(call, visible)
        return None if repr(shown) == repr(expected) else Difference("shown", shown, expected)

    async def _visible(self, case: Case, call: Document) -> list[Document]:
        """Return what is visible of the documents that the call's filter finds."""
        wanted = call["body"].get("filter", {}).get("_id")
        ids = wanted["$in"] if isinstance(wanted, dict) and "$in" in wanted else [wanted]
        visible = []
        for each, found in zip(case.ones, await self.world.matched(case, 0), strict=True):
            shown = found[0] and case.oracle.shown(each)
            if shown is not False and (wanted is None or any(repr(each["_id"]) == repr(one) for one in ids)):
                visible.append(cut(each, shown))
        return visible


def _together(batches: list[Document]) -> list[Document]:
    return [each for batch in batches for each in batch["documents"]]


def _may_be_refused(case: Case, answer: Answer, visible: list[Document]) -> bool:
    """Tell whether a cursor may be refused: nobody can read `_id`, or MongoDB would compare texts for what it holds."""
    whole = [_has_whole_id(case, each) for each in visible]
    if answer.status == 403:  # stricter: a part that a filter hides counts, whether or not it is there
        return not any(whole) or "'_id." in repr(case.rules)
    return answer.status == 400 and (case.collection == "folded" or not all(whole))


def _has_whole_id(case: Case, shown: Document) -> bool:
    return any(repr(each["_id"]) == repr(shown.get("_id")) for each in case.ones)


def _expected(call: Document, visible: list[Document]) -> list[Document | None]:
    if call["action"] == "findOne":
        return [visible[0] if visible else None]
    skip, limit = call["body"].get("skip", 0), call["body"].get("limit", len(visible))
    return list(visible[skip : skip + limit])


def _values(name: str, documents: list[Document]) -> list[Any]:
    """Return the values of a field, one by one."""
    found: list[Any] = []
    for stored in documents:
        for each in _at(stored, name):
            found += each if isinstance(each, list) else [each]
    return found


def _at(value: Any, name: str) -> list[Any]:
    if isinstance(value, dict) and name in value:
        return [value[name]]
    first, _, rest = name.partition(".")
    inner = value.get(first) if isinstance(value, dict) and rest else None
    parts = inner if isinstance(inner, list) else [inner]
    return [found for part in parts if isinstance(part, dict) for found in _at(part, rest)]


def _are_same(found: list[Any], values: list[Any], case: Case) -> bool:
    """Tell whether each value is among those found, once, and nothing else is."""

    def alike(one: Any, other: Any) -> bool:
        return _folded(one, case) == _folded(other, case) or equal(one, other)

    is_once = all(not alike(each, other) for place, each in enumerate(found) for other in found[:place])
    return is_once and all(any(alike(one, each) for each in many) for one, many in _pairs(found, values))


def _pairs(found: list[Any], values: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
    yield from ((each, values) for each in found)
    yield from ((each, found) for each in values)


def _folded(value: Any, case: Case) -> str:
    return repr(value).lower() if case.collection == "folded" else repr(value)
