"""What the rules let through, where no request can say it: a limit of 0."""

import json
from typing import Any

import pytest

from shared.access.full import FullAccess
from shared.access.opening import RuledAccess
from shared.access.protocol import Reply
from shared.mongo.clients import RAW, Clients
from shared.requests import Reading
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.report import Report
from shared.settings import Settings

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
    full = FullAccess(database.get_collection("items", codec_options=RAW), Settings(), "JSON", None)
    clients = Clients(Settings())
    reading = Reading({}, {}, [("n", 1)], limit=limit, skip=skip)

    ruled = await RuledAccess(full, rules.rights(expansions), None, expansions, clients.options).find(reading)

    assert ids(ruled) == ids(await full.find(reading)) == [*range(70)][skip : skip + limit if limit else None]
