"""Changes of documents that nobody must be able to tell apart: what is told of them, and whether the rules say so."""

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from bson import json_util

from tests.twins import calls
from tests.twins.host import DATABASES
from tests.twins.oracle import cut
from tests.twins.plain import Document
from tests.twins.twin import are_twins, encoded
from tests.twins.twins import Twins, pool_of
from tests.twins.world import EXACT, Case, Difference, plain

_CALLS = 6  # of each case
_STEPS = 5
_NAMED = frozenset({"a", "b", "n", "owner", "holder", "team", "deleted", "secret", "0", "é"})  # that $set takes
_OF_TIME = ("_id", "clusterTime", "wallTime")

type _Sides = tuple[Document | None, Document | None]


class Step(NamedTuple):
    """A change of twins: what either side is before and after it, and whether the filters' queries find it."""

    kind: str
    before: _Sides
    after: _Sides
    found: tuple[bool, bool]


class Changes(Twins):
    """Documents whose changes nobody must be able to tell apart, and of which just what is visible is told."""

    asks = False

    async def case(self, random: Random) -> Case | None:
        """Return a case of documents that are read."""
        made = await super().case(random)
        return None if made is None or "_id" in str(made.oracle.queries) else made

    def calls(self, random: Random, case: Case) -> Iterator[Document]:
        """Give changes, how they are asked for, and whether MongoDB keeps what was before."""
        pool = pool_of(case)
        for _ in range(_CALLS):
            body: Document = {"limit": random.choice([1, 2, 1000])}
            if random.random() < 0.4:
                body["fullDocumentBeforeChange"] = "whenAvailable"
            if random.random() < 0.3:
                body["fullDocument"] = "default"
            if random.random() < 0.6:
                body["filter"] = _condition(random, pool)
            yield {
                "action": "changes", "form": "ejson", "body": body, "steps": _steps(random, case),
                "keeps": random.random() < 0.5, "at once": random.random() < 0.5,
            }  # fmt: skip

    async def compare(self, case: Case, call: Document) -> Difference | None:
        """Change both databases in the same way; return what is told otherwise, or otherwise than the rules say."""
        found = [each[0] for each in await self.world.matched(case, 0)]
        steps = _sides(case, call, found)
        told = await asyncio.gather(*(self._told(case, call, number, steps) for number in (0, 1)))
        await self.world.restore(case, 0, 1)
        if repr(told[0]) != repr(told[1]):
            return Difference("told", *told)
        is_plain = not {"filter", "fullDocument"} & call["body"].keys() and isinstance(told[0][0], list)
        if call["keeps"] and is_plain:
            latest = {repr(_id_of(step)): step for step in steps} if call["at once"] else {}
            expected = [each for step in steps if (each := _expected(case, step, latest))]
            shown = [_seen(each) for each in told[0][0]]
            return None if repr(shown) == repr(expected) else Difference("shown", shown, expected)
        return None

    async def _told(self, case: Case, call: Document, number: int, steps: list[Step]) -> list[Any]:
        """Change a database, and return what is told: the events, and how many answers they came in."""
        await self.world.keep_before(case, number, is_kept=call["keeps"])
        token, events = await self._poll(case, number, {})
        answers = 0
        for place, step in enumerate(steps):
            await self.world.change(case, number, step.kind, step.before[number], step.after[number])
            if call["at once"] and place < len(steps) - 1:
                continue
            while True:
                token, more = await self._poll(case, number, call["body"] | {"resumeAfter": token})
                answers += 1
                if isinstance(more, bytes):
                    return [more, answers]
                events += more
                if not more:
                    break
        return [events, answers]

    async def _poll(self, case: Case, number: int, body: Document) -> tuple[str, Any]:
        answer = await self.world.call(case, number, {"action": "changes", "form": "ejson", "body": body})
        if answer.status != 200:
            return "", answer.body
        found = json_util.loads(answer.body, json_options=EXACT)
        events = [{name: value for name, value in each.items() if name not in _OF_TIME} for each in found["events"]]
        for each in events:
            assert each["ns"]["db"] == DATABASES[number]
            del each["ns"]
        return found["resumeToken"], plain(events)


def _condition(random: Random, pool: calls.Pool) -> Document:
    path = random.choice([*pool.visible, *pool.hidden, "n", "secret"])
    name = random.choice(["fullDocument", "updateDescription.updatedFields", "fullDocumentBeforeChange"])
    size = random.choice([100, 300, 400, 500, 600])
    return random.choice(
        [
            {f"{name}.{path}": calls.asked(random, pool)},
            {f"{name}.{path}": {"$exists": random.random() < 0.5}},
            {"updateDescription.removedFields": {"$size": random.randrange(3)}},
            {"updateDescription.updatedFields": {"$ne": {}}},
            {"operationType": {"$ne": "update"}},
            {"documentKey._id": {"$lt": 3}},
            {"$expr": {"$gt": [{"$bsonSize": "$$ROOT"}, size]}},
        ]
    )


def _steps(random: Random, case: Case) -> list[Document]:
    """Return changes of documents by their places to what others are, and of which names."""
    count = len(case.ones)
    often = random.randrange(count)  # of which one change follows the other
    return [
        {
            "kind": random.choice(["replace", "update", "update", "delete", "insert"]),
            "place": random.choice([often, random.randrange(count)]),
            "like": random.randrange(count),
            "names": random.sample(sorted(_NAMED), random.randrange(1, 5)),
        }
        for _ in range(random.randrange(1, _STEPS))
    ]


def _sides(case: Case, call: Document, found: list[bool]) -> list[Step]:
    """Return the changes that leave twins.

    Where MongoDB does not keep what was before, an event tells that something changed, visible or not, so that on both
    sides the same has to change.
    """
    sides: list[tuple[Document | None, Document | None]] = list(zip(case.ones, case.others, strict=True))
    matches, made = list(found), []
    for step in call["steps"]:
        place, like = step["place"] % len(sides), step["like"] % len(sides)
        kind = step["kind"] if not case.oracle.queries or step["kind"] == "delete" else "replace"
        before, ids = sides[place], (case.ones[place]["_id"], case.others[place]["_id"])
        models = (case.ones[like], case.others[like])
        one, other = (_after(kind, step["names"], *each) for each in zip(before, models, ids, strict=True))
        after = one, other
        now = kind != "delete" and (found[like] if case.oracle.queries else True)
        if _is_fit(case, call, before, after, (matches[place], now)):
            made.append(Step(kind, before, after, (matches[place], now)))
            sides[place], matches[place] = after, now
    return made


def _after(kind: str, names: list[str], before: Document | None, model: Document, id_: Any) -> Document | None:
    if kind == "delete":
        return None
    if kind == "update" and before is not None:
        kept = {name: value for name, value in before.items() if name not in names or name in model}
        return kept | {name: model[name] for name in sorted(names) if name in model}
    return {"_id": id_} | {name: value for name, value in model.items() if name != "_id"}


def _is_fit(case: Case, call: Document, before: Any, after: Any, found: tuple[bool, bool]) -> bool:
    """Tell whether a change is one on both sides, and leaves twins.

    Where all is asked for at once and nothing is kept, more may be visible later, when that decides: an update then
    is one.
    """
    changed = [_changed(*each) for each in zip(before, after, strict=True)]
    if not any(changed) or (call["at once"] and not call["keeps"] and not all(changed)):
        return False
    if not call["keeps"] and changed[0] != changed[1]:
        return False
    return after[0] is None or are_twins(case.oracle, after[0], after[1], found[1], {}, "read")


def _changed(before: Document | None, after: Document | None) -> set[str]:
    """Return the names of members that differ."""
    one, other = before or {}, after or {}
    return {name for name in one | other if encoded(one.get(name, ...)) != encoded(other.get(name, ...))}


def _expected(case: Case, step: Step, latest: dict[Any, Step]) -> Any:
    """Return what a naive reading of the rules tells of a change, when the latest one of each document has happened."""
    was, then = (_visible(case, *each) for each in zip((step.before[0], step.after[0]), step.found, strict=True))
    if step.after[0] is None:
        return None if was is None else {"documentKey": was.get("_id", ...)}
    last = latest.get(repr(_id_of(step)), step) if step.kind == "update" and step.before[0] else step
    now = _visible(case, last.after[0], last.found[1])
    if then is None or now is None or (step.before[0] is not None and repr(was) in {repr(then), repr(now)}):
        return None
    return {"fullDocument": now, "documentKey": now.get("_id", ...)}


def _id_of(step: Step) -> Any:
    return (step.after[0] or step.before[0] or {})["_id"]


def _visible(case: Case, document: Document | None, found: bool) -> Any:
    shown = case.oracle.shown(document) if document is not None and found else False
    return None if shown is False or document is None else cut(document, shown)


def _seen(event: Document) -> Document:
    found = {"documentKey": event["documentKey"].get("_id", ...)}
    return found if event["operationType"] == "delete" else {"fullDocument": event.get("fullDocument")} | found
