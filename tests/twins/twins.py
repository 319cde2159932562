"""Random twins and the calls sent to both: what differs in the answers and in what was written."""

import asyncio
import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

import bson

from tests.twins import calls, doors, rules
from tests.twins.documents import document
from tests.twins.host import DATABASES, Answer
from tests.twins.mutations import mutated
from tests.twins.oracle import Shown, cut
from tests.twins.plain import Document
from tests.twins.twin import are_twins
from tests.twins.world import Case, Difference, World

_CALLS = 40  # of each case
_AGAIN = 8  # times that a difference is asked for again
_HEX = re.compile(rb"[0-9a-f]{24}")
_READS = frozenset({
    "findOne", "find", "aggregate", "countDocuments", "estimatedDocumentCount", "distinct", "getSchema", "explain",
})  # fmt: skip
_GONE = "<gone>"


class Twins:
    """Documents that nobody must be able to tell apart."""

    asks = True
    """Whether rules ask functions."""

    def __init__(self, world: World) -> None:
        """Take where they are stored."""
        self.world = world

    async def case(self, random: Random) -> Case | None:
        """Return a case, None if its rules hide nothing or cannot be used."""
        composed_id = random.random() < 0.25
        ones = [document(random, number + 1, composed_id=composed_id) for number in range(random.randrange(2, 7))]
        mode = random.choice(["read", "read", "write", "write", "write"])
        collection = "folded" if random.random() < 0.25 else "plain"
        schema = rules.schema(random) if mode == "write" and random.random() < 0.2 else {}
        made = Case(collection, mode, rules.rules(random, asks=self.asks), schema, ones, ones)
        if not await self.world.begin(made):
            return None
        pairs = zip(ones, await self.world.matched(made, 0), strict=True)
        made = made._replace(
            others=[mutated(random, made.oracle, each, any(found), schema, mode) for each, found in pairs]
        )
        return made if repr(made.ones) != repr(made.others) and await self.begin(made) else None

    async def begin(self, case: Case) -> bool:
        """Serve the case; tell whether its documents are twins."""
        if not await self.world.begin(case):
            return False
        matched = [await self.world.matched(case, number) for number in (0, 1)]
        return matched[0] == matched[1] and all(
            are_twins(case.oracle, one, other, any(found), case.schema, case.mode)
            for one, other, found in zip(case.ones, case.others, matched[0], strict=True)
        )

    def calls(self, random: Random, case: Case) -> Iterator[Document]:
        """Give calls that attack what the twins differ in."""
        pool = pool_of(case)
        for _ in range(_CALLS):
            call = calls.call(random, pool, calls.READS if case.mode == "read" else calls.ALL)
            yield doors.chosen(random, call)

    async def compare(self, case: Case, call: Document) -> Difference | None:
        """Send a call to both databases and return the first difference; both are then as they were before."""
        answers = await asyncio.gather(*(self.world.call(case, number, call) for number in (0, 1)))
        different = self._in_answers(*answers)
        sort = None if "cursor" in call["body"] else call["body"].get("sort")  # a cursor leaves none equal
        if different is not None and _are_equally_sorted(sort, *answers):
            different = None
        if call["action"] in _READS:
            return different if different is None or await self._stays(case, call) else None
        if different is not None and _is_dry(call):
            different = await self._unless_opened(case, call, different)
        after = await asyncio.gather(*(self.world.stored(case, number) for number in (0, 1)))
        changes = [_changes(before, now) for before, now in zip((case.ones, case.others), after, strict=True)]
        if not any(changes):
            return different if different is None or await self._stays(case, call) else None
        await self.world.restore(case, 0, 1)
        if different is not None and different.kind == "body" and _is_opened(case, after):
            different = None
        return different or _in_changes(case, after[0], changes)

    async def _unless_opened(self, case: Case, call: Document, different: Difference) -> Difference | None:
        """Return a difference of what was only tried, unless the write itself would have opened what differs."""
        written = {name: each for name, each in call.items() if name != "headers"}
        await asyncio.gather(*(self.world.call(case, number, written) for number in (0, 1)))
        after = await asyncio.gather(*(self.world.stored(case, number) for number in (0, 1)))
        await self.world.restore(case, 0, 1)
        return None if different.kind == "body" and _is_opened(case, after) else different

    async def _stays(self, case: Case, call: Document) -> bool:
        """Tell whether no answer from one is ever that from the other: MongoDB gives groups in a random order."""
        bodies: list[set[bytes]] = [set(), set()]
        for _ in range(_AGAIN):
            for number, seen in enumerate(bodies):
                answer = await self.world.call(case, number, call)
                seen.add(b"%d %b" % (answer.status, self._normal(answer.body)))
        return bodies[0].isdisjoint(bodies[1])

    def _in_answers(self, one: Answer, other: Answer) -> Difference | None:
        if one.status >= 500 or other.status >= 500:
            return Difference("a failure of the service's own", one.status, other.status)  # with an id for each
        for kind in ("status", "headers", "counted"):
            if getattr(one, kind) != getattr(other, kind):
                return Difference(kind, one, other)
        bodies = [self._normal(each.body) for each in (one, other)]
        return None if bodies[0] == bodies[1] else Difference("body", one, other)

    def _normal(self, body: bytes) -> bytes:
        """Leave out what may differ: the database's own name, and ids that were made just now."""
        body = body.replace(DATABASES[1].encode(), DATABASES[0].encode())
        return _HEX.sub(lambda found: b"<new>" if int(found[0][:8], 16) >= self.world.started else found[0], body)


def _are_equally_sorted(sort: Document | None, one: Answer, other: Answer) -> bool:
    """Tell whether answers differ only in the order of documents that a sort leaves equal: docs/security.md."""
    if not sort or {one.status, other.status} != {200}:
        return False
    replies = [[json.loads(line) for line in each.body.split(b"\n")] for each in (one, other)]
    found = [[document for reply in each for document in reply.get("documents", [])] for each in replies]
    keys = [[[repr(each.get(name.split(".")[0])) for name in sort] for each in documents] for documents in found]
    return keys[0] == keys[1] and sorted(map(repr, found[0])) == sorted(map(repr, found[1]))


def pool_of(case: Case) -> calls.Pool:
    visible: dict[str, None] = {}
    hidden: dict[str, None] = {}
    values = []
    for one, other in zip(case.ones, case.others, strict=True):
        shown = case.oracle.shown(one)
        if shown is not False:
            visible |= dict.fromkeys(path for path, _ in calls.paths(cut(one, shown)))
        paths = [dict(calls.paths(each)) for each in (one, other)]
        for path in {**paths[0], **paths[1]}:
            first, second = (each.get(path, ...) for each in paths)
            if repr(first) != repr(second):
                hidden[path] = None
                values += [each for each in (first, second) if each is not ... and path != "_id"]
    return calls.Pool(list(visible), list(hidden), values, isinstance(case.ones[0]["_id"], dict))


def _in_changes(case: Case, after: list[Document], changes: list[Document]) -> Difference | None:
    if repr(changes[0]) != repr(changes[1]):
        return Difference("what was written", *changes)
    now = {_key(each): each for each in after}
    for before in case.ones:
        if _key(before) in now and not _is_kept(before, now[_key(before)], case.oracle.shown(before)):
            return Difference("something hidden was written", before, now[_key(before)])
    return None


def _is_dry(call: Document) -> bool:
    return "dozen-dry-run" in call.get("headers", {})


def _is_opened(case: Case, after: list[list[Document]]) -> bool:
    """Tell whether a write that the rules allow has left what they show: as who may make a document their own does."""
    seen = [[cut(each, shown) for each in side if (shown := case.oracle.shown(each)) is not False] for side in after]
    return repr(seen[0]) != repr(seen[1])


def _key(stored: Document) -> bytes:
    return bson.encode({"_id": stored["_id"]})


def _changes(before: list[Document], after: list[Document]) -> Document:
    """Return what became of documents, path by path, without anything that stayed; old ones are named by position."""
    names = {_key(each): str(position) for position, each in enumerate(before)}
    olds = {names[_key(each)]: each for each in before}
    news = {names.get(_key(each), f"new {each['_id']}"): each for each in after}
    found: Document = {}
    for key in {**olds, **news}:
        for path, value in _differences(olds.get(key, ...), news.get(key, ...)):
            found[f"{key}{path}"] = value
    return found


def _differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if new is ...:
        yield path, _GONE
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            yield from _differences(old.get(name, ...), new.get(name, ...), f"{path}.{name}")
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            one, other = (each[index] if index < len(each) else ... for each in (old, new))
            yield from _differences(one, other, f"{path}.{index}")
    elif old is ... or bson.encode({"": old}) != bson.encode({"": new}):
        yield path, new


def _is_kept(old: Any, new: Any, shown: Shown) -> bool:
    """Tell whether all that is hidden is as it was; what may be written can have come beside it."""
    if not _hides(old, shown):
        return True
    if isinstance(old, dict):
        parts = shown if isinstance(shown, dict) else dict.fromkeys(old, False)
        return isinstance(new, dict) and all(_is_kept(old[name], new.get(name, ...), parts[name]) for name in old)
    if isinstance(old, list):
        elements = shown if isinstance(shown, list) else [False] * len(old)
        is_as_long = isinstance(new, list) and len(new) >= len(old)
        return is_as_long and all(_is_kept(*each) for each in zip(old, new, elements, strict=False))
    return new is not ... and bson.encode({"": old}) == bson.encode({"": new})


def _hides(value: Any, shown: Shown) -> bool:
    """Tell whether something is hidden that is no empty document or array."""
    if shown is True:
        return False
    if isinstance(value, dict):
        return any(_hides(each, shown[name] if isinstance(shown, dict) else shown) for name, each in value.items())
    if isinstance(value, list):
        return any(map(_hides, value, shown if isinstance(shown, list) else [False] * len(value)))
    return not shown
