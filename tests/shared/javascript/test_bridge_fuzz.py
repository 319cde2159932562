"""Random programs across the bridge: whatever they do, a run ends, and each line is of a function that asked for it."""

import asyncio
import json
import random

import pytest

from shared.budget import Budget, Share
from shared.errors import CommandFailedError, FunctionFailedError
from shared.javascript.engine import Engine
from shared.javascript.messages import Frame, Line
from shared.javascript.run import Run
from shared.settings import Settings
from tests.depth import examples
from tests.javascript import started

PROGRAMS = examples(2_000)
MOST = 60
DATABASE = 'context.services.get("mongodb-atlas").db("d").collection("c")'
VALUES = [
    "undefined", "null", "1", "-0", "2n ** 70n", "NaN", "'x'", "'\\ud800'", "'x\\n1 0 1 {}'", "[]", "[,1]", "{}",
    "() => 1", "Symbol('s')", "new Date(NaN)", "BSON.ObjectId()", "BSON.Long(1, 2)", "Promise.resolve(1)",
    "new Proxy({}, {})",
    "{ __proto__: null }", "{ then: 1 }", "{ toJSON() { throw 1 } }", "{ get a() { throw new Error('a') } }",
    "JSON.parse('{\"__proto__\":{\"a\":1}}')", "(() => { const a = []; a.push(a); return a })()",
    "arguments", "globalThis",
    "{ $oid: 'x' }", "{ session: 1 }", "{ session: globalThis.session }", "EJSON.parse('{\"$numberLong\":\"1\"}')",
]  # fmt: skip
METHODS = ["find", "findOne", "insertOne", "insertMany", "updateOne", "deleteMany", "aggregate", "count", "bulkWrite"]
NAMES = [
    "Array.prototype.push", "Array.prototype.map", "JSON.stringify", "JSON.parse", "Object.keys",
    "Promise.prototype.then", "globalThis.Promise", "globalThis.Map", "Object.prototype.toJSON",
    "Function.prototype.call", "String.prototype.split",
    "Symbol.prototype.toString", "globalThis.eval", "Error.prototype.name", "globalThis.context", "Reflect.apply",
]  # fmt: skip
HOW = ["await ", "", "void ", "return ", "await Promise.all([1, ", "globalThis.kept = "]


def program(dice: random.Random) -> str:
    """Return the source of a function that does a few things of every kind."""
    return f"exports = async function (...given) {{ {'; '.join(step(dice) for _ in range(dice.randrange(1, 9)))} }}"


def step(dice: random.Random) -> str:
    value, other = dice.choices(VALUES, k=2)
    how = dice.choice(HOW)
    asked = dice.choice([
        f"{DATABASE}.{dice.choice(METHODS)}({value}, {other})",
        f"{DATABASE}.find({value}).sort({other}).toArray()",
        f"context.functions.execute({dice.choice(['"g"', '"f"', value])}, {other})",
        f"new Promise((resolve) => setTimeout(resolve, {dice.choice([0, 1, "'x'", 'undefined'])}))",
        f"EJSON.stringify({value})",
        f"(({dice.choice(NAMES)} = {value}), 1)",
        f"console.log({value}, {other})",
        f"context.values.get({value})",
        f"utils.crypto.hash('sha256', {value})",
        "context.services.get('mongodb-atlas').startSession()",
        f"(() => {{ throw {value} }})()",
    ])  # fmt: skip
    text = f"{how}{asked}{'])' if '[' in how else ''}"
    return f"try {{ {text} }} catch (error) {{ globalThis.error = error }}" if dice.random() < 0.7 else text


class Answering:
    """Answers at once, late, or with an error, and keeps who asked."""

    def __init__(self, dice: random.Random) -> None:
        self.asked: list[tuple[Line, tuple[Frame, ...]]] = []
        self._dice = dice

    async def served(self, line: Line, chain: tuple[Frame, ...]) -> str:
        self.asked.append((line, chain))
        if self._dice.random() < 0.3:
            await asyncio.sleep(0)
        if self._dice.random() < 0.2:
            raise CommandFailedError("no")
        return self._dice.choice(["null", "[]", "{}", '{"$numberInt":"1"}', '{"insertedId":1}', '"x"'])

    def logged(self, function: str, level: str, text: str) -> None:
        assert (function in {"f", "g"}, level in {"debug", "info", "warn", "error"}, len(text) <= 512) == (True,) * 3


@pytest.mark.parametrize("seed", range(4))
async def test_a_run_ends_and_says_what_is_its_own(seed: int) -> None:
    engine = Engine(Settings(function_timeout_ms=2_000, function_memory_bytes=16 << 20))
    budget = Budget(1 << 30)
    outcomes: set[str] = set()
    try:
        for number in range(PROGRAMS // 4):
            dice = random.Random(f"{seed} {number}")
            sources = {"f": program(dice), "g": program(dice)}
            serving, share = Answering(dice), Share(budget)
            run = Run(engine, serving, share, MOST, "u")
            try:
                async with asyncio.timeout(60):
                    json.loads(await run.result(started(sources)))
                outcomes.add("result")
            except FunctionFailedError:
                outcomes.add("thrown")
            share.end()
            for line, chain in serving.asked:
                assert line.word in {"call", "begin", "commit", "abort"}, (sources, line)
                assert [each.name for each in chain][-1] == "f", (sources, chain)
                assert json.loads(line.text) is not None, (sources, line)
            assert len(serving.asked) <= MOST
        after, share = started({"f": "exports = () => [1, 'a'].map((each) => each)"}), Share(budget)
        said = await Run(engine, Answering(random.Random(0)), share, MOST, "u").result(after)
        share.end()
    finally:
        engine.close()
    assert said == '[{"$numberInt":"1"},"a"]'
    assert outcomes == {"result", "thrown"}
    assert budget.held == 0
