"""What a caller is told of a call whose connection broke: nothing wrong, and never to send again what happened."""

import random
from collections.abc import AsyncIterator, Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest

from local.mongod import Mongod
from tests.conftest import FailPoint, Post, restart
from tests.functions.rules.conftest import SETTINGS, Known, Person
from tests.functions.rules.test_every_action import CALLS, READING
from tests.hosts import Answer, Worker, eventually
from tests.lossy import Fate, LossyNetwork
from tests.test_actions import ACTIONS

INCREMENT = {"$inc": {"times": 1}}
ONCE = CALLS | {
    "insertOne": {"document": {"owner": "ANN", "n": 2}},
    "insertMany": {"documents": [{"owner": "ANN", "n": 2}, {"owner": "ANN", "n": 3}]},
    "updateOne": {"filter": {"n": 1}, "update": INCREMENT},
    "updateMany": {"filter": {"n": 1}, "update": INCREMENT},
    "bulkWrite": {
        "requests": [
            {"insertOne": {"document": {"owner": "ANN", "n": 2}}},
            {"updateMany": {"filter": {"n": 1}, "update": INCREMENT}},
        ]
    },
    "transaction": {
        "operations": [
            {"action": "insertOne", "document": {"owner": "ANN", "n": 2}},
            {"action": "updateMany", "filter": {"n": 1}, "update": INCREMENT},
        ]
    },
}
"""A call of each action, which makes another difference if it is done twice."""

ALWAYS = 20
USUAL: dict[str, list[Fate] | int] = {
    "not arrived": [Fate.UNSENT],
    "not answered": [Fate.UNANSWERED],
    "never answered": [Fate.UNANSWERED] * ALWAYS,
    "not heard of": [Fate.UNHEARD],
}
RARE: dict[str, list[Fate] | int] = {
    "the second not heard of": [Fate.DONE, Fate.UNHEARD],
    "never arrives": [Fate.UNSENT] * ALWAYS,
    "not answered, then away": [Fate.LAST],
    "the second": [Fate.DONE, Fate.UNANSWERED, Fate.UNSENT],
    "the second, then away": [Fate.DONE, Fate.LAST],
    "seed 0": 0,
}
RETRIES = [pytest.param("true", id="retried"), pytest.param("false", id="not retried", marks=pytest.mark.full)]
WRITES = [name for name in ACTIONS if name not in READING]


def _losses() -> Iterator[Any]:
    """Give whether the driver sends a command again, what becomes of commands, a write, and whether rules apply to it.

    What is rare is tried of each write under rules or without.
    """
    usual = [("retried", *each) for each in USUAL.items()]
    rare = [*(("retried", *each) for each in RARE.items()), *(("not retried", *each) for each in USUAL.items())]
    for action, (number, (retried, name, fates)) in product(WRITES, enumerate([*usual, *rare])):
        is_rare = number >= len(usual)
        for is_ruled in [(number + WRITES.index(action)) % 2 == 0] if is_rare else [True, False]:
            yield pytest.param(
                "true" if retried == "retried" else "false", fates, action, is_ruled,
                id=f"{action}-{retried}-{name}-{'ruled' if is_ruled else 'full'}",
                marks=[pytest.mark.full] if is_rare else [],
            )  # fmt: skip


MAYBE = "the write may have happened"

retried_or_not = pytest.mark.parametrize("lossy", RETRIES, indirect=True)
everybody = pytest.mark.parametrize("is_ruled", [True, False], ids=["ruled", "full"])


class Lossy(NamedTuple):
    """The worker behind a network that loses what it is told to."""

    network: LossyNetwork
    post: Post
    ann: Person
    collection: Any

    async def __call__(self, action: str, *, is_ruled: bool, **given: Any) -> Answer:
        members = {"collection": "things", **_owned(ONCE[action], self.ann.id), **given}
        return await (self.ann if is_ruled else self.post)(action, **members)

    async def succeeds(self, action: str, *, is_ruled: bool) -> None:
        """Do an action of which nothing is lost: on a busy machine, not always within the time of a call."""

        async def is_done() -> bool:
            await self.fill()
            answer = await self(action, is_ruled=is_ruled)
            assert answer.status in {200, 201, 503, 504}, answer.body
            return answer.status < 300

        await eventually(is_done)

    async def begun(self, action: str, *, is_ruled: bool) -> dict[str, str]:
        """Return the cursor of an action that goes on with one."""
        if "cursor" not in ONCE[action]:
            return {}
        first = await (self.ann if is_ruled else self.post)("find", collection="things", **ONCE[action]["cursor"])
        return {"cursor": first.json["cursor"]}

    async def documents(self) -> list[str]:
        return sorted([repr(each) async for each in self.collection.find({}, {"_id": 0})])

    async def fill(self) -> list[str]:
        """Put two documents of Ann's in the place of all others."""
        # an open transaction that nobody could end would be waited for
        await self.collection.database.client.admin.command({"killAllSessions": []})
        await self.collection.delete_many({})
        await self.collection.insert_many([{"owner": self.ann.id, "n": 1} for _ in range(2)])
        return await self.documents()


def _owned(value: Any, owner: str) -> Any:
    if isinstance(value, dict):
        return {name: _owned(each, owner) for name, each in value.items()}
    if isinstance(value, list):
        return [_owned(each, owner) for each in value]
    return owner if value == "ANN" else value


@pytest.fixture
async def network(mongod: Mongod) -> AsyncIterator[LossyNetwork]:
    async with LossyNetwork(mongod.port) as running:
        yield running


@pytest.fixture
async def ann(configured: pytest.MonkeyPatch, worker: Worker, known: Known) -> Person:
    """Logged in before anything is lost, and in the time that it takes."""
    for name, value in SETTINGS.items():
        configured.setenv(name, value)
    return await known(worker, "ann@shop.example")


@pytest.fixture
def timeout_ms() -> int:
    """The time of a call, in which a read is tried again."""
    return 2_000


@pytest.fixture
async def lossy(  # noqa: PLR0913, PLR0917
    request: pytest.FixtureRequest,
    configured: pytest.MonkeyPatch,
    network: LossyNetwork,
    ann: Person,
    key: str,
    database: Any,
    timeout_ms: int,
) -> AsyncIterator[Lossy]:
    configured.setenv("MONGO_DB_URI", f"{network.uri}&retryWrites={request.param}")
    configured.setenv("MONGO_DB_TIMEOUT_MS", str(timeout_ms))
    restart()
    made = Lossy(network, Post(ann.host, key), ann, database.things)
    await made.succeeds("findOne", is_ruled=False)  # the key is in the cache
    await made.fill()
    yield made
    network.restore()
    await made.fill()


@pytest.mark.parametrize("timeout_ms", [1_000])
@pytest.mark.parametrize(("lossy", "fates", "action", "is_ruled"), [*_losses()], indirect=["lossy"])
async def test_what_is_told_of_a_write_is_true(
    lossy: Lossy, action: str, fates: list[Fate] | int, is_ruled: bool
) -> None:
    await lossy.succeeds(action, is_ruled=is_ruled)
    done = await lossy.documents()
    before = await lossy.fill()
    lossy.network.arm(random.Random(fates).choices(list(Fate), k=ALWAYS) if isinstance(fates, int) else fates)

    answer = await lossy(action, is_ruled=is_ruled)

    after = await lossy.documents()
    told = answer.json.get("error", "")
    assert done != before
    is_in_part = action == "bulkWrite" and not is_ruled and MAYBE in told  # of two commands the first is done
    assert after in (before, done) or is_in_part  # once or not at all
    assert (answer.status, after == done) in {(200, True), (201, True), (503, after == done), (504, after == done)}
    assert MAYBE in told or after == before or answer.status in {200, 201}
    assert ("retry-after" in answer.headers) is (answer.status == 503 and MAYBE not in told)


@retried_or_not
@pytest.mark.parametrize("action", [name for name in ACTIONS if name not in {*READING, "transaction"}])
async def test_a_write_that_was_lost_and_then_refused_unread_may_have_happened(
    lossy: Lossy, fail_point: FailPoint, action: str
) -> None:
    """The refusal is of the second attempt; a transaction is not committed then."""
    await fail_point(
        "insert",
        "update",
        "delete",
        "findAndModify",
        times=ALWAYS,
        errorCode=462,
        errorLabels=["SystemOverloadedError", "RetryableError"],
    )
    lossy.network.arm([Fate.UNSENT])

    answer = await lossy(action, is_ruled=False)

    assert answer.status == 503
    assert MAYBE in answer.json["error"]
    assert "retry-after" not in answer.headers


@retried_or_not
@pytest.mark.parametrize("action", READING)
@everybody
async def test_a_read_that_was_lost_is_done_again_once(lossy: Lossy, action: str, is_ruled: bool) -> None:
    given = await lossy.begun(action, is_ruled=is_ruled)
    usual = await lossy(action, is_ruled=is_ruled, **given)
    lossy.network.arm([Fate.UNANSWERED])
    again = await lossy(action, is_ruled=is_ruled, **given)
    lossy.network.arm([Fate.UNANSWERED] * ALWAYS)
    never = await lossy(action, is_ruled=is_ruled, **given)

    assert (usual.status, again.status, again.body) == (200, 200, usual.body)
    assert (never.status, never.headers["retry-after"]) == (503, "5")
