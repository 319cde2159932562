"""What functions might do to the process that runs them, and to the rights that they have."""

import json
import re

import pytest

from shared.errors import FunctionFailedError
from shared.javascript.messages import Answer, Line
from shared.javascript.script import Limits, Script
from tests.javascript import ENGINE, LIMITS, began, said, started

QUICK = LIMITS._replace(seconds=0.2)
DATABASE = 'context.services.get("mongodb-atlas").db("d").collection("c")'
OVERWRITTEN = """
  for (const name of ["0", "1", "id", "isSystem", "frame", "session", "service", "name", "word", "resolve"]) {
    Object.defineProperty(Object.prototype, name, { get() { return 1 }, set() {}, configurable: true });
  }
  const evil = () => { throw new Error("evil") };
  Array.prototype.push = Array.prototype.map = Array.prototype.join = Array.prototype[Symbol.iterator] = evil;
  JSON.stringify = JSON.parse = evil;
  Object.keys = Object.create = Object.defineProperty = evil;
  Reflect.apply = Reflect.construct = Function.prototype.call = Function.prototype.apply = evil;
  String.prototype.substring = String.prototype.indexOf = String.prototype.split = evil;
  WeakMap.prototype.get = WeakMap.prototype.set = Map.prototype.get = evil;
  Promise.prototype.then = Promise.resolve = evil;
  RegExp.prototype.exec = Date.prototype.getTime = Number.prototype.toString = evil;
  globalThis.Promise = globalThis.Date = globalThis.Error = globalThis.eval = evil;
  Object.prototype.toJSON = () => ({ forged: 1 });
"""


def failure(source: str, limits: Limits = LIMITS) -> str:
    """Return why a function failed, as it was thrown or as it was ended."""
    try:
        _, lines = began(source, limits=limits)
    except FunctionFailedError as error:
        return str(error)
    return "".join(json.loads(line.text)["message"] for line in lines if line.word == "thrown")


@pytest.mark.parametrize(
    "body",
    [
        "for (;;) {}",
        "try { for (;;) {} } finally { for (;;) {} }",
        "return (async () => { for (;;) await 1 })()",
        "const spin = () => Promise.resolve().then(spin); spin()",
        "return /(a+)+$/.test('a'.repeat(64) + 'b')",
        "Array.from({ length: 1e9 }, () => 1).sort()",
        "return { toJSON() { for (;;) {} }, get a() { for (;;) {} } }",
        "throw { get name() { for (;;) {} }, toString() { for (;;) {} } }.name",
        "const e = new Error(); Object.defineProperty(e, 'message', { get() { for (;;) {} } }); throw e",
        # the process reads the error that ends a run, after its time
        "for (const prototype of [Error.prototype, InternalError.prototype, Object.prototype]) {"
        " for (const name of ['toString', 'name', 'message', 'stack', Symbol.toPrimitive]) try {"
        "  Object.defineProperty(prototype, name, { get() { for (;;) {} }, configurable: true })"
        " } catch {} } Error.prepareStackTrace = () => { for (;;) {} }; for (;;) {}",
    ],
    ids=str,
)
def test_a_function_ends_at_its_limits(body: str) -> None:
    assert any(
        limit in failure(f"exports = () => {{ {body} }}", QUICK) for limit in ("FUNCTION_TIMEOUT_MS", "out of memory")
    )


@pytest.mark.parametrize(
    "body",
    [
        *(f"return new Array(2 ** 32 - 1).{name}()" for name in ("join", "reverse", "sort", "slice", "flat")),
        "const a = []; a[4e9] = 1; return a.concat([1])",
        "return [].concat(new Array(4e9))",
        "return `${new Array(4e9)}`",
        "return Array.prototype.unshift.call({ length: 2 ** 53 - 2 }, 1)",
        "return String.raw({ raw: { length: 2 ** 53 - 1 } })",
        "return [].concat({ length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true })",
        "return new Array(4e9).values().drop(4e9).next()",
        *(f"return 'a'.repeat(4e6).{name}('a'.repeat(2e6) + 'b')"
          for name in ("includes", "indexOf", "lastIndexOf", "replace", "replaceAll", "split")),
    ],
    ids=str,
)  # fmt: skip
def test_steps_of_the_engine_that_no_limit_ends_are_refused(body: str) -> None:
    assert re.match(r"an array is longer than \d+|a text is too long", failure(f"exports = () => {{ {body} }}"))


def test_the_limit_of_time_counts_long_steps() -> None:
    script = Script(ENGINE.prelude, QUICK)
    step = "'a'.repeat(1e5).indexOf('a'.repeat(1e3) + 'b')"

    with pytest.raises(FunctionFailedError, match="FUNCTION_TIMEOUT_MS"):
        script.start(started({"f": f"exports = () => {{ for (;;) {step} }}"}))

    assert script._used < 5


def test_methods_that_are_bounded_are_what_they_were() -> None:
    source = """exports = () => [
      [3, 1, 2].sort().map((n) => n + 1).concat([5], 6).join(), [].concat.name, [].splice.length,
      "aXbXc".split("X").length, "axa".replace(/a/g, "b"), "axa".replaceAll("a", "c"), "abc".indexOf("c", 1),
      String.raw`a${1}\\n`, Object.keys(Array.prototype).length, "prototype" in [].map,
    ]"""

    assert json.loads(said(source)[0]) == [
        "2,3,4,5,6", "concat", {"$numberInt": "2"}, {"$numberInt": "3"}, "bxb", "cxc", {"$numberInt": "2"},
        "a1\\n", {"$numberInt": "0"}, False,
    ]  # fmt: skip


def test_the_limit_of_time_counts_all_turns() -> None:
    turn = f"await {DATABASE}.findOne(); for (let i = 0; i < 3e5; i++) {{}}"
    script, lines = began(f"exports = async () => {{ for (;;) {{ {turn} }} }}", limits=QUICK)

    def go_on(lines: list[Line]) -> None:
        while lines:
            lines = script.answer([Answer(line.id, True, "null") for line in lines if line.word == "call"])

    with pytest.raises(FunctionFailedError, match="FUNCTION_TIMEOUT_MS"):
        go_on(lines)


@pytest.mark.parametrize(
    "body",
    [
        "const all = []; for (;;) all.push('x'.repeat(1e6) + all.length)",
        "let text = 'x'; for (;;) text += text",
        "new Uint8Array(64 << 20)",
        "const all = {}; for (let i = 0; ; i++) all[i] = {}",
    ],
    ids=str,
)
def test_memory_that_is_out_is_an_error_that_the_function_sees(body: str) -> None:
    source = f"exports = () => {{ try {{ {body} }} catch (error) {{ return String(error) }} }}"

    assert said(source)[0] in {'"InternalError: out of memory"', '"InternalError: string too long"', '"null"'}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("const f = () => f(); f()", "Maximum call stack size exceeded"),
        ("let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a", "nested deeper than 100 levels"),
        ("const a = {}; a.a = a; return a", "nested deeper than 100 levels, or in a circle"),
        ("return context.functions.execute('f')", "functions call each other deeper than 20 levels"),
        ("return context.functions.execute('nobody')", "function not found: 'nobody'"),
        ("return require('child_process')", "Cannot find module 'child_process'"),
        ("return import('fs')", "could not load module 'fs'"),
        ("throw { a: 1, toString() { for (;;) {} } }", '{"a":1}'),
        ("throw new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 } })", "(a value that cannot be shown)"),
        ("throw { toJSON() { throw 1 } }", "(a value that cannot be shown)"),
        ("throw Symbol('s')", "Symbol(s)"),
        ("throw undefined", "undefined"),
        ("return new Proxy({}, { ownKeys() { throw new Error('hidden') } })", "hidden"),
        (f"return {DATABASE}.deleteMany({{ owner: undefined }})", "(BadValue) cannot compare to undefined"),
        (f"return {DATABASE}.deleteMany({{ a: [{{ b: undefined }}] }})", "(BadValue) cannot compare to undefined"),
        (f"return {DATABASE}.find({{ owner: undefined }}).toArray()", "(BadValue) cannot compare to undefined"),
        (f"return {DATABASE}.deleteMany()", "deleteMany: 'filter' must be an object"),
        (f"return {DATABASE}.updateOne({{}})", "updateOne: 'update' must be an object"),
        (f"return {DATABASE}.findOne(null)", "findOne: 'query' must be an object"),
    ],
    ids=str,
)
def test_what_cannot_be_is_an_error_of_the_function(body: str, text: str) -> None:
    assert text in failure(f"exports = () => {{ {body} }}")


@pytest.mark.parametrize(
    "name",
    ["host", "send", "outbox", "waiting", "execute", "began", "partTexts", "module", "quickjs", "std", "os"],
)
def test_nothing_of_the_prelude_or_the_process_has_a_name(name: str) -> None:
    assert failure(f"exports = () => {name}") == f"{name} is not defined"
    assert said(f"exports = () => typeof globalThis.{name}") == ['"undefined"']


def test_no_function_of_the_prelude_is_reached_over_the_stack() -> None:
    source = """exports = () => {
      const found = [];
      Error.prepareStackTrace = (error, sites) => { found.push(...sites); return 1 };
      const { stack } = new Error();
      (function inner() { found.push(inner.caller, inner.arguments) });
      return [typeof stack, found.length];
    }"""

    assert said(source) == ['["string",{"$numberInt":"0"}]']


def test_what_a_function_overwrites_changes_nothing_that_is_said() -> None:
    source = f"""exports = async () => {{ {OVERWRITTEN}
      return await {DATABASE}.insertOne({{ a: [1, "x\\n1 1 call"], at: 5 }}, {{ upsert: false }})
    }}"""

    script, lines = began(source, user="exports = 1")
    call = lines[-1]
    after = script.answer([Answer(call.id, True, '{"insertedId":{"$numberInt":"7"}}')])

    assert [(line.word, line.frame) for line in lines] == [("frame", 0), ("source", 0), ("call", 1)]
    assert json.loads(call.text) == {
        "session": 0,
        "service": "mongodb-atlas",
        "name": "insertOne",
        "arguments": [
            {
                "upsert": False,
                "document": {"a": [{"$numberInt": "1"}, "x\n1 1 call"], "at": {"$numberInt": "5"}},
                "database": "d",
                "collection": "c",
            }
        ],
    }
    assert [(line.word, line.text) for line in after] == [("result", '{"insertedId":{"$numberInt":"7"}}')]


@pytest.mark.parametrize(
    "body",
    [
        """return [BSON.ObjectId("0123456789abcdef01234567"), BSON.Long(5), new BSON.Int32(1), new BSON.Double(2),
          BSON.Binary.fromHex("ff"), BSON.Binary.fromText("\u00e9").text(), BSON.Decimal128.fromString("1.5"),
          BSON.BSONRegExp("a", "i"), BSON.Timestamp(1, 2), BSON.MinKey, BSON.MaxKey, BSON.ObjectId().equals(1)]""",
        """return EJSON.parse('[{"$numberLong":"9007199254740993"},{"$date":{"$numberLong":"5"}},{"$minKey":1}]')""",
        "return EJSON.stringify([1, 2.5, true, null, undefined, 'x', 5n, BSON.Long(3)])",
        "return console.log('a', { b: 1 }, error, [1])",
        "return clearTimeout(setTimeout(() => 1, 5, 2, 3))",
        "throw error",
        "return require('nothing')",
        "return require('path').sep",
        "return context.values.get('x') ?? context.user.id + context.environment.tag",
        f"return {DATABASE}.find({{ a: [1] }}).sort({{ a: 1 }}).toArray()",
        f"return {DATABASE}.aggregate([{{ $match: {{ a: 1 }} }}]).skip(1).toArray()",
        f"return {DATABASE}.bulkWrite([{{ insertOne: {{ a: 1 }} }}])",
        'return context.services.get("mongodb-atlas").startSession().withTransaction(() => 1)',
    ],
    ids=str,
)
def test_what_is_read_when_it_is_needed_finds_all_as_it_was(body: str) -> None:
    def lines(before: str) -> list[tuple[str, int, str]]:
        source = f"exports = () => {{ const error = new TypeError('t'); {before} {body} }}"
        return [(line.word, line.frame, re.sub(r'"stack":.*', "", line.text)) for line in began(source)[1] if line.id]

    assert lines("") == lines(OVERWRITTEN.replace("\n", " "))


def test_a_function_speaks_for_itself_whatever_it_overwrites() -> None:
    """The frame of each line, by which the process knows whose rights count, is that of the function that asks."""
    source = f"""exports = async () => {{ {OVERWRITTEN}
      await context.functions.execute("other", () => {DATABASE}.findOne({{ of: "f" }}));
    }}"""
    other = f"exports = (callback) => {{ callback(); return {DATABASE}.findOne({{ of: 'other' }}) }}"

    _, lines = began(source, other=other)

    frames = {line.id: json.loads(line.text)["name"] for line in lines if line.word == "frame"}
    calls = [
        (json.loads(line.text)["arguments"][0]["query"]["of"], line.frame) for line in lines if line.word == "call"
    ]
    assert [(of, frames[frame]) for of, frame in calls] == [("f", "f"), ("other", "other")]


def test_nothing_is_shared_between_runs() -> None:
    source = "let count = 0; globalThis.n = (globalThis.n ?? 0) + 1; exports = () => [++count, n]"

    assert said(source) == said(source) == ['[{"$numberInt":"1"},{"$numberInt":"1"}]']


def test_a_function_is_evaluated_anew_for_each_call_within_a_run() -> None:
    source = "exports = () => [context.functions.execute('other'), context.functions.execute('other')]"

    assert said(source, other="let n = 0; exports = () => ++n") == ['[{"$numberInt":"1"},{"$numberInt":"1"}]']


def test_a_flood_of_output_is_cut() -> None:
    source = "exports = () => { for (let i = 0; i < 1e4; i++) console.log(i, 'x'.repeat(1e4)) }"

    logged = [json.loads(text)["text"] for text in said(source, word="log")]

    assert len(logged) == 25
    assert {len(text) for text in logged} == {512}
    assert logged[-1].startswith("9999 xxx")


def test_a_function_that_asks_for_too_much_at_once_fails() -> None:
    assert failure(f"exports = () => {{ for (let i = 0; i < 12e3; i++) {DATABASE}.findOne() }}") == (
        "the function asks for too much at once"
    )


def test_names_that_mean_something_to_javascript_are_names() -> None:
    text = '{"__proto__":{"a":{"$numberInt":"1"}},"constructor":{"$numberInt":"2"},"toString":"x","then":"y"}'

    assert said("exports = (value) => value", f"[{text}]") == [text]
    assert said("exports = (value) => [value.a, ({}).a]", f"[{text}]") == ['[{"$undefined":true},{"$undefined":true}]']


@pytest.mark.parametrize("place", ["globalThis.all", "setTimeout.all"])
def test_what_a_run_leaves_is_let_go_of_when_it_ends(place: str) -> None:
    source = f"exports = () => {{ const all = {place} = []; try {{ for (;;) all.push({{}}) }} catch {{ return 1 }} }}"
    script, _ = began(source)
    held = script.held_bytes

    script.end()

    assert held > 20 << 20
    assert script.held_bytes < 1 << 20
