"""The modules of Node that functions require, and the globals: node.json has what Node itself says."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.javascript.prelude import NODE_MODULES, node_module
from tests.javascript import ENGINE, began, said

SAID: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("node.json").read_text())


@pytest.mark.parametrize("module", SAID)
def test_a_module_says_what_node_does(module: str) -> None:
    values = ", ".join(f"({each}) ?? null" for each in SAID[module])
    source = f"""exports = () => {{
      const {{ URL, URLSearchParams }} = require("node:url");
      return JSON.stringify([{values}]);
    }}"""

    (result,) = said(source)

    assert dict(zip(SAID[module], json.loads(json.loads(result)), strict=True)) == SAID[module]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[typeof module, typeof exports, typeof __filename]", ["undefined", "function", "undefined"]),
        ("typeof Buffer + typeof process + typeof global", "functionobjectobject"),
        ("typeof globalThis['Buf' + 'fer']", "undefined"),
        ("new URL('../c', 'https://a.example/b/').href + new URLSearchParams({ d: 1 })", "https://a.example/cd=1"),
        ("[Buffer === require('buffer').Buffer, process === require('process'), global === globalThis]", [True] * 3),
        ("[Object.keys(process.env), process.argv, process.version]", [[], [], "v10.18.1"]),
        ("process.versions.node", "10.18.1"),
        ("[process.hrtime([0, 0]).length, typeof process.hrtime.bigint(), process.cwd()]", [2, "bigint", "/"]),
        ("require('events') === require('node:events').EventEmitter", True),
        ("EJSON.stringify(Buffer.from('a'))", '{"$binary":{"base64":"YQ==","subType":"00"}}'),
        ("(Buffer = 5, Buffer)", 5),
    ],
    ids=str,
)  # fmt: skip
def test_globals_are_those_of_node(expression: str, value: Any) -> None:
    assert json.loads(json.loads(said(f"exports = () => JSON.stringify({expression})")[0])) == value


@pytest.mark.parametrize("form", [
    "exports = function () { return helper() }", "exports = async () => helper()", "exports = named",
    "const helperToo = () => helper(); exports = () => helperToo()",
    "exports = () => helper(); if (typeof module !== 'undefined') module.exports = { named }",
])  # fmt: skip
def test_a_source_exports_its_function_in_any_form(form: str) -> None:
    before = "const path = require('path'); function helper() { return path.sep } function named() { return helper() }"

    assert said(f"{before}\n{form}") == ['"/"']


def test_what_the_next_tick_runs_comes_after_the_function_and_before_timers() -> None:
    source = """exports = async () => {
      const order = [];
      process.nextTick((each) => order.push(each), "tick");
      order.push("now");
      await null;
      return order.join();
    }"""

    assert said(source) == ['"now,tick"']


async def test_promises_and_callbacks_are_made_of_each_other() -> None:
    source = """exports = async () => {
      const { callbackify, promisify } = require("util");
      const half = promisify((n, done) => (n % 2 ? done(new Error("odd")) : done(null, n / 2)));
      const both = await new Promise((resolve) => callbackify(half)(8, (error, n) => resolve([error === null, n])));
      const { rejects } = require("assert");
      await rejects(half(3), /odd/);
      await rejects(() => half(3), { message: "odd" });
      return both.join() + (await half(4));
    }"""

    assert said(source) == ['"true,42"']


@pytest.mark.parametrize(
    "name", ["fs", "node:fs", "child_process", "node/path", "../bridge", "bridge", "", "__proto__"]
)
def test_other_modules_are_not_found(name: str) -> None:
    source = f"exports = () => {{ try {{ require('{name}') }} catch (e) {{ return [e.message, e.code] }} }}"

    assert json.loads(said(source)[0]) == [f"Cannot find module '{name}'", "MODULE_NOT_FOUND"]


def test_what_nobody_requires_is_not_read() -> None:
    """The sources of modules are in a run as text; the engine counts the functions that it has read."""
    before = "exports = () => undefined"

    def functions(source: str) -> int:
        return int(began(source)[0]._context.memory()["js_func_count"])

    assert functions("exports = () => void require('url')") > functions(before) + 50
    assert functions("exports = () => void BSON") > functions(before) + 20
    assert functions(before) < 70


def test_each_module_is_tried() -> None:
    assert {*SAID} == {*NODE_MODULES} - {"process", "timers"}
    assert (
        ENGINE.prelude.parts.text + "".join(map(node_module, NODE_MODULES))
    ).isascii()  # else it takes twice the memory
