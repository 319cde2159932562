"""Plain reads of random documents, and whether they show just what the rules say."""

from collections.abc import Iterator
from random import Random

from bson import json_util

from tests.twins import rules
from tests.twins.documents import document
from tests.twins.oracle import cut
from tests.twins.plain import Document
from tests.twins.world import Case, Difference, World, plain

_EXACT = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=False)
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
                {"limit": random.choice(_IDS), "skip": random.choice([0, 0, 1, 2])},
                {"filter": {"_id": {"$in": [each["_id"] for each in random.sample(case.ones, 3)]}}},
            ],
            "findOne": [{}, {"filter": {"_id": random.choice(case.ones)["_id"]}}],
            "aggregate": [{"pipeline": []}],
        }
        for action, choices in bodies.items():
            for body in choices:
                yield {"action": action, "form": "ejson", "body": body}

    async def compare(self, case: Case, call: Document) -> Difference | None:
        """Send a read to one of the databases; return what is not as the rules say."""
        answer = await self.world.call(case, 0, call)
        if answer.status != 200:
            return Difference("refused", answer, None)
        body = json_util.loads(answer.body, json_options=_EXACT)
        shown = plain(body["documents"] if "documents" in body else [body["document"]])
        expected = _expected(call, await self._visible(case, call))
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


def _expected(call: Document, visible: list[Document]) -> list[Document | None]:
    if call["action"] == "findOne":
        return [visible[0] if visible else None]
    skip, limit = call["body"].get("skip", 0), call["body"].get("limit", len(visible))
    return list(visible[skip : skip + limit])
