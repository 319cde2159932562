"""What `app check` says that a finding means for users, as they meet it."""

from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import CLIENT, Known, Person, send
from tests.hosts import Worker
from tests.shared.app.test_findings import ADMIN, ASKED, MANAGER, OWNER
from tests.shared.app.test_loading import ORDERS, PROVIDERS, SCHEMA

MINE: dict[str, Any] = {"_id": 1, "total": 1}


@pytest.fixture
async def own(worker: Worker, changed: Any, known: Known, database: Any) -> Person:
    """A user with an order."""
    ann = await known(worker, "ann@shop.example")
    await database.orders.insert_one(MINE | {"owner": ann.id})
    return ann


@pytest.mark.parametrize(("roles", "seen"), [([ADMIN, MANAGER, OWNER], 0), ([ADMIN, OWNER, MANAGER], 1)], ids=str)
async def test_the_roles_behind_one_that_asks_a_function_are_never_reached(
    own: Person,
    changed: Any,
    roles: Any,
    seen: int,
) -> None:
    changed(ORDERS, roles=roles)

    found = await own("find")
    updated = await own("updateOne", filter={"_id": 1}, update={"$set": {"total": 2}})

    assert len(found.json["documents"]) == updated.json["matchedCount"] == seen


async def test_a_filter_that_asks_a_function_finds_nothing(own: Person, changed: Any) -> None:
    changed(ORDERS, roles=[OWNER], filters=[{"name": "f", "apply_when": ASKED}])

    assert (await own("find")).json == {"documents": []}


async def test_a_schema_that_asks_a_function_refuses_every_write(own: Person, changed: Any) -> None:
    changed(ORDERS, roles=[OWNER])
    changed(SCHEMA, validate=ASKED)

    answer = await own("updateOne", filter={"_id": 1}, update={"$set": {"total": 2}})

    assert errors_only(answer)["error_code"] == "SchemaValidationFailedWrite"


@pytest.mark.parametrize("condition", [ASKED, False], ids=str)
async def test_a_condition_that_is_never_true_refuses_every_call(
    own: Person,
    changed: Any,
    condition: Any,
) -> None:
    changed("http_endpoints/data_api_config.json", can_evaluate=condition)

    answer = await own("find")

    assert (answer.status, errors_only(answer)["error_code"]) == (403, "FunctionNotCallable")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{CLIENT}/graphql", 404),
        ("/app/shop-abcde/endpoint/hook", 404),
        (f"{CLIENT}/auth/providers/oauth2-google/login", 404),
        (f"{CLIENT}/auth/providers/custom-function/login", 404),
        (f"{CLIENT}/auth/providers/local-userpass/register", 400),
        (f"{CLIENT}/auth/providers/local-userpass/reset/call", 400),
    ],
)
async def test_what_is_not_supported_is_refused(
    own: Person,
    changed: Any,
    path: str,
    status: int,
) -> None:
    config = {"runConfirmationFunction": True, "runResetFunction": True}
    changed(PROVIDERS, **{"local-userpass": {"type": "local-userpass", "config": config}})

    answer = await send(own.host, "POST", path, {"email": "bob@shop.example", "password": "secret words"})

    assert answer.status == status
