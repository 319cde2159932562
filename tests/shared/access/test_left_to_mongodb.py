"""What MongoDB leaves of documents is what rules leave that decide on each: replies are the same, byte for byte."""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import AsyncMongoClient

from shared.access.full import FullAccess
from shared.access.opening import RuledAccess
from shared.access.protocol import Wanted
from shared.documents.ejson import Document
from shared.errors import DataAPIError
from shared.mongo.clients import RAW, SIMPLE, Clients, Options
from shared.requests import Reading
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.report import Report
from shared.settings import Settings
from tests.depth import examples
from tests.shared import generated
from tests.shared.rules import test_property as small

EXPANSIONS = Expansions(small.USER)
FIELDS = ["_id", *small.FIELDS]

_switches = st.sampled_from([{"read": True}, {"read": False}, {"write": True}, {}])
_fields = st.fixed_dictionaries(
    {}, optional=dict.fromkeys([*small.FIELDS, "", "x", "0", "none"], _switches) | {"_id": st.just({"read": True})}
)
_applies = st.sampled_from([{}, {"owner": "%%user.id"}, {"a": {"%gt": 0}}, {"b": {"%exists": True}}])
_plain_roles = st.fixed_dictionaries(
    {"name": st.just("r"), "apply_when": _applies | small.expressions, "fields": _fields},
    optional={
        "additional_fields": _switches,
        "document_filters": st.fixed_dictionaries({"read": small.expressions, "write": st.just(False)}),
    },
)
_whole_roles = st.fixed_dictionaries(
    {"name": st.just("r"), "apply_when": small.expressions, "read": st.just(True)},
    optional={"document_filters": st.fixed_dictionaries({"read": small.expressions, "write": small.expressions})},
)
_paths = st.sampled_from(["_id", "a", "b", "owner", "inner.x", "none"])  # none inside another
_projections = st.one_of(st.just({}), *(st.dictionaries(_paths, st.just(each), max_size=3) for each in (0, 1)))
_filters = st.lists(
    st.fixed_dictionaries({"name": st.just("f"), "apply_when": st.just({}), "projection": _projections}), max_size=1
)
_rules = st.fixed_dictionaries(
    {
        "roles": st.lists(_plain_roles, min_size=1, max_size=1) | st.lists(_whole_roles, max_size=3) | small.rulesets,
        "filters": _filters,
    }
)
_documents = st.builds(
    lambda first, second, third: {**first, **second, **third},
    small.documents,
    st.dictionaries(st.sampled_from(small.FIELDS), generated.documents, max_size=1),
    generated.documents,
)
_conditions = st.dictionaries(
    st.sampled_from([*small.FIELDS, "inner.x", "none"]),
    small.scalars | st.sampled_from([{"$exists": True}, {"$gt": 0}, {"$ne": "u1"}]),
    max_size=1,
)
_readings = st.builds(
    Reading,
    _conditions,
    _projections,
    st.sampled_from([None, [("_id", -1)], [("a", 1), ("_id", 1)]]),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([0, 0, 2]),
)


class Checked(RuledAccess):
    """Decides on each document."""

    def _shown_by_mongodb(self, *_: Any) -> None:
        return None


class Place(NamedTuple):
    """A collection, and the loop that its client belongs to."""

    runner: asyncio.Runner
    items: Any

    def answers(self, rules: Document, stored: list[Document], readings: list[Reading]) -> list[list[Any]]:
        """Return what each reading says where MongoDB may leave what is visible, and where rules decide."""
        return self.runner.run(self._answers(rules, stored, readings))

    async def _answers(self, rules: Document, stored: list[Document], readings: list[Reading]) -> list[list[Any]]:
        await self.items.delete_many({})
        await self.items.insert_many(stored)
        full = FullAccess(self.items, Settings(), Wanted("EJSON"), None)
        rights = compile_ruleset(rules, Constants(), Report()).rights(EXPANSIONS)
        accesses = [kind(full, rights, None, EXPANSIONS, _simple) for kind in (RuledAccess, Checked)]
        return [
            [await _said(access, reading, action) for reading in readings for action in ("find", "find_one")]
            for access in accesses
        ]


async def _simple(_collection: Any) -> Options:
    return Options(SIMPLE, is_view=False)


async def _said(access: RuledAccess, reading: Reading, action: str) -> Any:
    if action == "find_one":
        reading = reading._replace(limit=1, skip=0)
    try:
        reply = await getattr(access, action)(reading)
    except DataAPIError as error:
        return type(error), str(error)
    return reply.body, reply.documents


@pytest.fixture(scope="module")
def place(mongod: Any) -> Iterator[Place]:
    with asyncio.Runner() as runner:
        client: Any = AsyncMongoClient(mongod.uri)
        yield Place(runner, client["properties"]["left"].with_options(codec_options=RAW))
        runner.run(client.close())


@pytest.mark.long
@settings(max_examples=examples(200), deadline=None)
@given(
    _rules,
    st.lists(_documents, min_size=1, max_size=8),
    st.lists(_readings | st.just(Reading({}, {}, None)), min_size=4, max_size=4),
)
def test_a_reply_does_not_tell_who_left_what_is_visible(
    place: Place, rules: Document, stored: list[Document], readings: list[Reading]
) -> None:
    stored = [
        {"_id": number, **{name: each[name] for name in each if name != "_id"}} for number, each in enumerate(stored)
    ]

    told, decided = place.answers(rules, stored, readings)

    assert told == decided


@pytest.mark.parametrize("limit", [0, 1, 10, 2_000])
async def test_a_collation_that_is_not_known_yet_shows_no_more(database: Any, limit: int) -> None:
    items = database["items"].with_options(codec_options=RAW)
    role = {"name": "r", "apply_when": {"owner": "%%user.id"}, "fields": {"_id": {"read": True}, "n": {"read": True}}}
    rights = compile_ruleset({"roles": [role]}, Constants(), Report()).rights(Expansions({"id": "ann"}))
    clients = Clients(Settings())

    async def said() -> bytes:
        access = RuledAccess(
            FullAccess(items, Settings(), Wanted("JSON"), None), rights, None, EXPANSIONS, clients.options
        )
        return (await access.find(Reading({}, {}, None, limit))).body

    await database["items"].insert_many([{"_id": 1, "owner": "ann", "n": 1}, {"_id": 2, "owner": "ANN", "n": 2}])
    assert await said() == b'{"documents":[{"_id":1,"n":1}]}'
    await database.drop_collection("items")
    await database.create_collection("items", collation={"locale": "en", "strength": 2})
    await database["items"].insert_many([{"_id": 1, "owner": "ann", "n": 1}, {"_id": 2, "owner": "ANN", "n": 2}])

    assert await said() == b'{"documents":[{"_id":1,"n":1}]}'
