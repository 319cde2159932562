"""Functions whose user a script chooses, for each call, by its arguments: as the system, and out of their reach."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import Known, Person, Scripts
from tests.functions.rules.test_app_functions import ORDERS, call, returned
from tests.hosts import Worker

READ = f"exports = async (...args) => [await {ORDERS}.count(), context.runningAsSystem(), context.user.id]"
CHOOSES = "run_as_user_id_script_source"


@pytest.fixture
async def ann(worker: Worker, known: Known, scripts: Scripts) -> Person:
    """Who calls."""
    return await known(worker, "ann@shop.example")


@pytest.fixture
async def bob(ann: Person, known: Known, database: Any) -> Person:
    """Somebody else, who has two orders of three."""
    bob = await known(ann.host, "bob@shop.example")
    owners = [ann.id, bob.id, bob.id]
    await database.orders.insert_many([{"_id": n, "owner": owner, "total": 1} for n, owner in enumerate(owners)])
    return bob


def by(source: str, **more: Any) -> Mapping[str, Any]:
    return {CHOOSES: source, **more}


def number(n: int) -> dict[str, str]:
    return {"$numberInt": str(n)}


async def test_a_script_chooses_a_user_or_the_system(ann: Person, bob: Person, scripts: Scripts) -> None:
    scripts({"f": by("exports = async (id) => id === 'system' ? { runAsSystem: true } : id")}, f=READ)

    assert await returned(ann, "f", bob.id) == [number(2), False, ann.id]
    assert await returned(ann, "f", ann.id) == [number(1), False, ann.id]
    assert await returned(ann, "f", "system") == [number(3), True, ann.id]


async def test_a_script_sees_who_calls_and_has_all_rights(ann: Person, bob: Person, scripts: Scripts) -> None:
    find = f"const order = await {ORDERS}.findOne({{ owner: {{ $ne: context.user.id }} }})"
    scripts({"f": by(f"exports = async () => {{ {find}; return order.owner }}")}, f=READ)

    assert await returned(ann, "f") == [number(2), False, ann.id]


async def test_each_call_of_a_function_has_the_user_of_its_arguments(
    ann: Person, bob: Person, scripts: Scripts
) -> None:
    scripts(
        {"inner": by("exports = (id) => id ?? { runAsSystem: true }", private=True)},
        inner=f"""exports = async (id, then) => {{
          const n = await {ORDERS}.count();
          return then ? [n, await then()] : n;
        }}""",
        own=f"exports = () => {ORDERS}.count()",
        outer=f"""exports = async (a, b) => {{
          const own = () => {ORDERS}.count(), run = (...args) => context.functions.execute("inner", ...args);
          return [await own(), await Promise.all([run(a), run(b), run()]), await own(), await run(b, own)];
        }}""",
    )

    result = await returned(ann, "outer", ann.id, bob.id)

    assert result == [number(1), [number(1), number(2), number(3)], number(1), [number(2), number(1)]]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exports = () => {}", "the script of function 'f' chooses neither a user nor the system"),
        ("exports = () => null", "chooses neither"),
        ("exports = () => ''", "chooses neither"),
        ("exports = () => 5", "chooses neither"),
        ("exports = () => true", "chooses neither"),
        ("exports = () => ({ runAsSystem: false })", "chooses neither"),
        ("exports = () => ({ runAsSystem: 1 })", "chooses neither"),
        ("exports = () => ({ runAsSystem: true, more: 1 })", "chooses neither"),
        ("exports = () => [context.user.id]", "chooses neither"),
        ("exports = () => new BSON.ObjectId()", "chooses neither"),
        ("exports = () => 'nobody'", "invalid session"),
        ("exports = () => '65a1b2c3d4e5f60718293a4b'", "invalid session"),
        ("exports = () => { throw new Error('no') }", "no"),
        ("exports = 5", "'exports' of function 'f' is not a function"),
        ("exports = () => context.functions.execute('g')", "calls no function for which another one does"),
        ("exports = () => new Promise(() => {})", "waits for a promise that nothing resolves"),
    ],
)
async def test_a_script_that_chooses_nobody_refuses_the_call(
    ann: Person, bob: Person, scripts: Scripts, script: str, why: str
) -> None:
    scripts(
        {"f": by(script), "g": by("exports = () => ({ runAsSystem: true })")},
        f=f"exports = () => {ORDERS}.deleteMany({{}})",
        g="exports = () => 1",
        caught="exports = () => context.functions.execute('f').catch((error) => error.message)",
    )

    answer = await call(ann, {"name": "f"})

    assert (answer.status, why in errors_only(answer)["error"]) == (400, True)
    assert why in await returned(ann, "caught")
    assert await returned(ann, "g") == number(1)


HOSTILE = """
  const take = (value) => value === true || value === false ? value : true;
  Promise.prototype.then = function (resolve) { resolve(true); return this };
  Object.defineProperty(Promise.prototype, "constructor", { get: () => Object });
  Object.prototype.isSystem = true;
  JSON.parse = JSON.stringify = () => '{"runAsSystem":true}';
  Array.prototype[Symbol.iterator] = function* () { yield "system" };
"""


async def test_no_function_chooses_for_itself(ann: Person, bob: Person, scripts: Scripts, database: Any) -> None:
    drop = f"try {{ await {ORDERS}.deleteMany({{}}) }} catch {{}}"
    scripts(
        {"f": by("exports = () => context.user.id")},
        f=f"exports = async () => {{ {drop}; {HOSTILE}; {drop} }}",
        outer=f"exports = async () => {{ {HOSTILE}; context.functions.execute('f'); {drop} }}",
    )

    for name in ("f", "outer"):
        await call(ann, {"name": name})
    assert await database.orders.count_documents({}) == 3


async def test_the_arguments_are_those_of_the_call(ann: Person, bob: Person, scripts: Scripts) -> None:
    scripts(
        {"f": by("exports = (a) => a.id")},
        f=READ,
        outer="""exports = async (mine, other) => {
          const a = { id: mine };
          const running = context.functions.execute("f", a);
          a.id = other;
          return await running;
        }""",
    )

    assert await returned(ann, "outer", ann.id, bob.id) == [number(1), False, ann.id]


async def test_a_call_runs_so_many_scripts(ann: Person, bob: Person, scripts: Scripts) -> None:
    scripts(
        {"f": by("exports = () => context.user.id")},
        f="exports = () => 1",
        many="exports = async (n) => { for (; n > 0; n--) await context.functions.execute('f') }",
    )

    assert await returned(ann, "many", 20) == {"$undefined": True}
    assert "no more than 20 scripts" in errors_only(await call(ann, {"name": "many", "arguments": [21]}))["error"]


async def test_a_function_has_the_arguments_that_its_user_was_chosen_for(
    ann: Person, bob: Person, scripts: Scripts
) -> None:
    scripts(
        {"inner": by("exports = ({ id }) => id", private=True)},
        inner=f"exports = async ({{ id, n }}) => [id, n, await {ORDERS}.count()]",
        f="""exports = async (first, second) => {
          const asked = { id: first, n: BSON.Decimal128("5") };
          const one = context.functions.execute("inner", asked);
          asked.id = second;
          return [await one, await context.functions.execute("inner", asked)];
        }""",
    )

    one, other = await returned(ann, "f", bob.id, ann.id)

    assert one == [bob.id, {"$numberDecimal": "5"}, number(2)]
    assert other == [ann.id, {"$numberDecimal": "5"}, number(1)]
