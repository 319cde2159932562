"""What the rules let through where no request can say it, a limit of 0, and whom many documents keep waiting."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import bson
import pytest

from shared.access.cutting import Sighting, StoredTrimming
from shared.access.full import FullAccess
from shared.access.opening import RuledAccess
from shared.access.protocol import Reply, Wanted
from shared.access.trimming import Trimming
from shared.mongo.clients import RAW, Clients
from shared.requests import Reading
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.report import Report
from shared.rules.values import path
from shared.settings import Settings
from tests.work import work

DOCUMENTS = [{"_id": number, "n": number, "secret": number % 2} for number in range(70)]
BY_QUERY = {"name": "r", "apply_when": {}, "read": True, "write": False}
BY_DOCUMENT = {"name": "r", "apply_when": {}, "fields": {"n": {"read": {"%%this": {"%exists": True}}}}}


def ids(reply: Reply) -> list[int]:
    return [each["n"] for each in json.loads(reply.body)["documents"]]


@pytest.mark.parametrize(
    "role", [pytest.param(BY_QUERY, id="MongoDB finds them"), pytest.param(BY_DOCUMENT, id="each is asked about")]
)
@pytest.mark.parametrize(("limit", "skip"), [(0, 0), (0, 3), (5, 0), (5, 68), (50, 3)])
async def test_a_limit_means_the_same_whether_rules_apply_or_not(
    database: Any, role: dict[str, Any], limit: int, skip: int
) -> None:
    await database.items.insert_many(DOCUMENTS)
    expansions = Expansions({"id": "u1"})
    rules = compile_ruleset({"roles": [role]}, Constants(), Report())
    full = FullAccess(database.get_collection("items", codec_options=RAW), Settings(), Wanted("JSON"), None)
    clients = Clients(Settings())
    reading = Reading({}, {}, [("n", 1)], limit=limit, skip=skip)

    ruled = await RuledAccess(full, rules.rights(expansions), None, expansions, clients.options).find(reading)

    assert ids(ruled) == ids(await full.find(reading)) == [*range(70)][skip : skip + limit if limit else None]


@pytest.mark.parametrize("trims", [Sighting, StoredTrimming, lambda rights: Trimming(rights, None, {}, {})])
async def test_others_have_their_turn_while_many_documents_are_decided_on(database: Any, trims: Any) -> None:
    expansions = Expansions({"id": "u1"})
    rights = compile_ruleset({"roles": [BY_DOCUMENT]}, Constants(), Report()).rights(expansions)
    full = FullAccess(database.get_collection("items", codec_options=RAW), Settings(), Wanted("JSON"), None)
    access = RuledAccess(full, rights, None, expansions, Clients(Settings()).options)
    batch = bson.encode({"n": 1, "text": "x" * 1_000}) * 1_000
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    waiting = asyncio.create_task(other())
    seen = await access.seen(trims(rights), batch, set())
    waiting.cancel()

    assert (len(seen), turns >= 10) == (1_000, True)


SLICES = {"apply_when": {}, "name": "r", "fields": {"n": {}}, "additional_fields": {"read": True}}
INNER = {
    "apply_when": {},
    "name": "r",
    "fields": {"a": {"fields": {"x": {"read": {"share": True}}}}, "share": {"read": True}},
}


def trimmed(role: dict[str, Any], projection: dict[str, Any], used: list[str]) -> Callable[[], object]:
    """Return what trims 200 documents that hold nothing of what is named."""
    rights = compile_ruleset({"roles": [role]}, Constants(), Report()).rights(Expansions({"id": "u1"}))
    trimming, paths = Trimming.of(projection, rights), [path(each) for each in used]
    assert trimming is not None
    return lambda: list(trimming.visible(bson.encode({"share": True}) * 200, paths, "JSON"))


def test_a_document_costs_no_more_for_slices_of_what_it_has_not() -> None:
    one, many = ({f"a{n}": {"$slice": 1} for n in range(size)} for size in (1, 500))

    assert work(trimmed(SLICES, many, [])) < 5 * work(trimmed(SLICES, one, []))


def test_a_document_costs_no_more_for_paths_into_one_field_in_another() -> None:
    one, many = ([f"a.x.b{n}" for n in range(size)] for size in (1, 500))

    assert work(trimmed(INNER, {}, many)) < 5 * work(trimmed(INNER, {}, one))
