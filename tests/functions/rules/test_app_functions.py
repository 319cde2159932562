"""Functions of the app, as the SDKs call them: what they see, what they may do, what callers are told."""

import asyncio
import json
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from tests.bson_types import ROWS
from tests.conftest import errors_only, restart
from tests.functions.rules.conftest import CLIENT, Known, Person, Scripts
from tests.functions.test_types import every, stored
from tests.hosts import Answer, Worker

CALL = f"{CLIENT}/functions/call"
CLIENT_OF = 'context.services.get("mongodb-atlas")'
PUBLIC = f'{CLIENT_OF}.db("shop").collection("public")'
ORDERS = f'{CLIENT_OF}.db("shop").collection("orders")'
RAW = CodecOptions[RawBSONDocument](document_class=RawBSONDocument)


async def call(person: Person, body: str | dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    sent = {"Authorization": f"Bearer {person.access_token}"} | (headers or {})
    text = body if isinstance(body, str) else json.dumps(body)
    return await person.host.request("POST", CALL, sent, text.encode())


async def returned(person: Person, name: str, *arguments: Any) -> Any:
    """Return what a function returns, as Extended JSON was parsed."""
    answer = await call(person, {"name": name, "arguments": list(arguments)})
    assert answer.status == 200, answer.body
    return answer.json


@pytest.fixture
async def person(worker: Worker, known: Known, scripts: Scripts) -> Person:
    """A user of an app whose functions are still to come."""
    return await known(worker, "ann@shop.example")


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("return a", '{"$numberDouble":"5.0"}'),
        ("return [a + 1, b, rest.length]", '[{"$numberInt":"6"},{"a":{"$numberLong":"7"}},{"$numberInt":"1"}]'),
        ("return `bonjour, ${rest[0]}`", b'"bonjour, \\u00fc"'.decode("unicode_escape")),
        ("return null", "null"),
        ("", '{"$undefined":true}'),
        ("return new Promise((resolve) => setTimeout(resolve, 1, true))", "true"),
    ],
)
async def test_what_a_function_returns_is_the_reply(person: Person, scripts: Scripts, body: str, result: str) -> None:
    scripts(f=f"exports = function (a, b, ...rest) {{ {body} }};")

    answer = await call(person, '{"name":"f","arguments":[{"$numberDouble":"5.0"},{"a":{"$numberLong":"7"}},"ü"]}')

    assert (answer.status, answer.body.decode()) == (200, result)
    assert answer.headers["content-type"] == "application/json"


async def test_a_function_uses_a_package_and_a_module_of_node(person: Person, scripts: Scripts) -> None:
    scripts(
        f="exports = (n) => require('double/lib')(n)",
        node_modules__double__lib="module.exports = (n) => 2 * n + require('util').types.isDate(n)",
    )

    assert await returned(person, "f", {"$numberInt": "4"}) == {"$numberInt": "8"}


@pytest.mark.parametrize(
    "source",
    [
        "exports = async () => 'x'",
        "exports = function () { return 'x' }",
        "async function f() { return 'x' }\nexports = f;",
        "'use strict';\nconst x = 'x';\nlet f = () => x; exports = f\n// a comment",
        "exports = () => 'x';\nif (typeof module !== 'undefined') { module.exports = { other: 1 } }",
    ],
)
async def test_sources_are_scripts_that_set_exports(person: Person, scripts: Scripts, source: str) -> None:
    scripts(f=source)

    assert await returned(person, "f") == "x"


async def test_functions_have_names_with_folders(person: Person, scripts: Scripts) -> None:
    scripts({"endpoint/hello": {}}, endpoint__hello="exports = () => 1", endpoint__hello__latest="exports = () => 2")

    assert await returned(person, "endpoint/hello") == {"$numberInt": "1"}
    assert await returned(person, "endpoint/hello/latest") == {"$numberInt": "2"}


@pytest.mark.parametrize(
    ("entry", "status", "code", "text"),
    [
        ({"private": True}, 404, "FunctionNotFound", "function not found: 'f'"),
        ({"can_evaluate": False}, 403, "FunctionExecutionError", 'rule not matched for function "f"'),
        ({"can_evaluate": {"%%user.data.email": {"%in": ["bob@shop.example"]}}}, 403, "FunctionExecutionError",
         'rule not matched for function "f"'),
        ({"can_evaluate": {"%%request.httpMethod": "GET"}}, 403, "FunctionExecutionError",
         'rule not matched for function "f"'),
    ],
)  # fmt: skip
async def test_who_may_not_call_a_function_is_refused(
    person: Person, scripts: Scripts, entry: dict[str, Any], status: int, code: str, text: str
) -> None:
    scripts({"f": entry}, f="exports = () => 1")

    answer = await call(person, {"name": "f"})

    assert (answer.status, errors_only(answer)) == (status, {"error": text, "error_code": code})


@pytest.mark.parametrize(
    "rule",
    [{}, True, {"%%user.data.email": {"%in": ["ann@shop.example"]}}, {"%%environment.tag": "testing"},
     {"%%request.httpMethod": "POST"}],
    ids=str,
)  # fmt: skip
async def test_who_may_call_a_function_does(person: Person, scripts: Scripts, rule: Any) -> None:
    scripts({"f": {"can_evaluate": rule}}, f="exports = () => 1")

    assert await returned(person, "f") == {"$numberInt": "1"}


@pytest.mark.parametrize("name", ["nobody", "hasOwnProperty", "__proto__", "../f", "f.js", "x" * 500, ""])
async def test_a_function_that_is_not_there_is_not_found(person: Person, scripts: Scripts, name: str) -> None:
    scripts(f="exports = () => 1")

    answer = await call(person, {"name": name, "arguments": []})

    assert (answer.status, answer.json) == (
        404,
        {"error": f"function not found: '{name[:100]}'", "error_code": "FunctionNotFound"},
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"arguments":[]}', "InvalidParameter"),
        ('{"name":5}', "InvalidParameter"),
        ('{"name":"f","arguments":{}}', "InvalidParameter"),
        ('{"name":"f","arguments":[{"$oid":"x"}]}', "InvalidJSON"),
        ('{"name":"f","arguments":[' + "[" * 200 + "]" * 200 + "]}", "InvalidJSON"),
    ],
)
async def test_a_call_that_is_none_is_refused(person: Person, scripts: Scripts, body: str, code: str) -> None:
    scripts(f="exports = () => 1")

    answer = await call(person, body)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, code)


async def test_terms_of_writes_are_not_passed_over(person: Person, scripts: Scripts) -> None:
    scripts(f="exports = () => 1")

    for headers in ({"Idempotency-Key": "k"}, {"If-Match": '"x"'}):
        answer = await call(person, {"name": "f"}, headers)
        assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("throw new Error('Watch your language!')", '{"message": "Watch your language!", "name": "Error"}'),
        ("class Mine extends Error { name = 'Mine' }; throw new Mine('x')", '{"message": "x", "name": "Mine"}'),
        ("return unknown", "ReferenceError: 'unknown' is not defined"),
        ("return null.x", "TypeError: cannot read property 'x' of null"),
        ("throw 'text'", "text"),
        ("throw { id: BSON.ObjectId('65a1b2c3d4e5f60718293a4b') }", '{"id":"65a1b2c3d4e5f60718293a4b"}'),
        ("return Promise.reject(new Error('late'))", '{"message": "late", "name": "Error"}'),
        ("return new Promise(() => {})", "the function waits for a promise that nothing resolves"),
        ("for (;;) {}", "the function computes for longer than FUNCTION_TIMEOUT_MS allows: 300 ms"),
        ("const a = []; for (;;) a.push('x'.repeat(1e6) + a.length)", "InternalError: out of memory"),
        (f"const all = []; for (let i = 0; i < 60; i++) all.push({PUBLIC}.count()); return Promise.all(all)",
         "the function asks for more than FUNCTION_OPERATIONS allows: 50"),
        (f"for (let i = 0; i < 60; i++) await {PUBLIC}.count()",
         "the function asks for more than FUNCTION_OPERATIONS allows: 50"),
        ("for (let i = 0; i < 60; i++) setTimeout(() => {}, 1)",
         "the function asks for more than FUNCTION_OPERATIONS allows: 50"),
        (f"return await {PUBLIC}.find({{ $where: '1' }}).toArray()", "$where"),
        (f"return await {CLIENT_OF}.db('dozen').collection('users').findOne()", "no rule exists for namespace"),
    ],
)  # fmt: skip
async def test_a_function_that_fails_says_why(
    person: Person, scripts: Scripts, configured: pytest.MonkeyPatch, body: str, text: str
) -> None:
    configured.setenv("FUNCTION_TIMEOUT_MS", "300" if "for (;;) {}" in body else "20000")
    configured.setenv("FUNCTION_OPERATIONS", "50")
    scripts(f=f"exports = async () => {{ {body} }}")

    answer = await call(person, {"name": "f"})

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "FunctionExecutionError")
    assert text in errors_only(answer)["error"]


async def test_the_log_names_the_function_and_where_it_failed(
    person: Person, scripts: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    scripts(
        f="exports = () => context.functions.execute('inner')",
        inner="function deep() {\n  throw new Error('x');\n}\nexports = () => deep()",
    )
    caplog.set_level("INFO", "dozen")

    await call(person, {"name": "f", "arguments": ["private words"]})

    line = json.loads(caplog.messages[-1])
    assert (line["operation"], line["function"], line["caller"]) == ("functionsCall", "f", person.id)
    assert line["thrown_at"] == "deep at inner:2:13, exports at inner:4:17, exports at f:1:35"
    assert "decision" not in line
    assert "private words" not in caplog.text


async def test_the_console_is_logged(person: Person, scripts: Scripts, caplog: pytest.LogCaptureFixture) -> None:
    scripts(
        f="exports = () => { console.log('a', 1, { b: 2 }); console.error(new TypeError('c')); console.debug('d') }"
    )
    caplog.set_level("INFO", "dozen")

    await call(person, {"name": "f"})

    lines = [(record.levelname, json.loads(record.message)) for record in caplog.records]
    written = [(level, line["function"], line["text"]) for level, line in lines if line["message"] == "console"]
    assert written == [
        ("INFO", "f", 'a 1 {"b":2}'),
        ("ERROR", "f", "TypeError: c"),
    ]


@pytest.mark.parametrize("text", ["\\ud800", "x' + '\\u{1f600}'.repeat(999) + '"], ids=["half", "cut"])
async def test_half_of_a_character_is_read_as_another(
    person: Person, scripts: Scripts, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """JavaScript has texts that are none to others, and makes them where it cuts."""
    scripts(f=f"exports = () => {{ console.log('{text}'); const e = new Error('{text}'); e.name = '{text}'; throw e }}")
    caplog.set_level("INFO", "dozen")

    answer = await call(person, {"name": "f"})

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "FunctionExecutionError")
    told = json.loads(answer.json["error"])
    assert told["name"].endswith("\ufffd")
    assert told["message"]
    (said,) = [line["text"] for line in map(json.loads, caplog.messages) if line["message"] == "console"]
    assert said.endswith("\ufffd")


@pytest.mark.parametrize("text", ["x", "\\n", "\\u0001", "ü"])
async def test_a_long_error_is_told_as_json(person: Person, scripts: Scripts, text: str) -> None:
    scripts(
        f=f"exports = () => {{ const e = new Error('{text}'.repeat(1e4)); e.name = '{text}'.repeat(1e4); throw e }}"
    )

    told = json.loads((await call(person, {"name": "f"})).json["error"])

    assert set(told["name"]) == {json.loads(f'"{text}"')}
    assert set(told["message"]) <= {json.loads(f'"{text}"')}


async def test_what_a_function_sees(person: Person, scripts: Scripts) -> None:
    scripts(
        {"f": {"run_as_system": True}},
        f="""exports = () => ({
          user: [context.user.id, context.user.type, context.user.data.email, context.user.custom_data],
          identities: context.user.identities.map((each) => each.provider_type),
          values: [context.values.get("auditors"), context.values.get("hook"), context.values.get("constructor")],
          environment: context.environment, app: [context.app.id, context.app.name, context.app.deployment.model],
          services: [typeof context.services.get("mongodb-atlas"), typeof context.services.get("twilio")],
          request: [Object.keys(context.request), context.request.requestHeaders["X-Asked-With"]],
          system: context.runningAsSystem(),
          other: [typeof context.https, typeof module, Object.keys(process.env).length],
        })""",
    )

    answer = await call(person, {"name": "f"}, {"x-asked-with": "a"})

    assert answer.json == {
        "user": [person.id, "normal", "ann@shop.example", {}],
        "identities": ["local-userpass"],
        "values": [["auditor@shop.example"], "hook", {"$undefined": True}],
        "environment": {"tag": "testing", "values": {"region": "north"}},
        "app": ["shop-abcde", "shop", "GLOBAL"],
        "services": ["object", "undefined"],
        "request": [answer.json["request"][0], ["a"]],
        "system": True,
        "other": ["undefined", "undefined", {"$numberInt": "0"}],
    }
    assert {"remoteIPAddress", "requestHeaders", "rawQueryString", "service", "action"} <= set(
        answer.json["request"][0]
    )


async def test_functions_call_each_other_with_what_json_cannot_say(person: Person, scripts: Scripts) -> None:
    scripts(
        {"inner": {"private": True}},
        f="exports = () => context.functions.execute('inner', () => 'called', { n: 1 })",
        inner="exports = async (callback, o) => callback() + o.n",
    )

    assert await returned(person, "f") == "called1"


async def test_every_type_is_stored_and_returned_exactly(person: Person, scripts: Scripts, database: Any) -> None:
    scripts(f=f"exports = async (document) => {{ await {PUBLIC}.insertOne(document); return {PUBLIC}.findOne() }}")
    values = every([row.as_ejson for row in ROWS])

    answer = await call(person, f'{{"name":"f","arguments":[{{"_id":{{"$numberInt":"1"}},{values}}}]}}')

    found = await database.public.with_options(RAW).find_one()
    assert bytes(found.raw) == stored(ROWS)
    assert answer.json == json.loads(f'{{"_id":{{"$numberInt":"1"}},{values}}}')


@pytest.mark.both_hosts
async def test_a_function_runs_in_both_hosts(ann: Person, database: Any) -> None:
    await database.orders.insert_many([{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": "somebody"}])

    assert await returned(ann, "echo", "orders", {"a": [1]}) == [
        ann.id, {"$numberInt": "1"}, {"a": [{"$numberInt": "1"}]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wait", ["setTimeout(resolve, 1e9)", "setInterval(() => {}, 20)", f"for (;;) await {PUBLIC}.count()"]
)
async def test_a_function_ends_at_the_deadline_of_the_call(
    person: Person, scripts: Scripts, configured: pytest.MonkeyPatch, wait: str
) -> None:
    configured.setenv("MONGO_DB_TIMEOUT_MS", "1000")
    configured.setenv("FUNCTION_OPERATIONS", "5000")
    scripts(f=f"exports = () => new Promise(async (resolve) => {{ {wait} }})")

    answer = await call(person, {"name": "f"})

    assert (answer.status, errors_only(answer)["error_code"]) == (504, "ExecutionTimeLimitExceeded")


async def test_timers_are_not_waited_for(person: Person, scripts: Scripts) -> None:
    scripts(
        f="exports = () => { setTimeout(() => {}, 1e9); const t = setTimeout(() => {}, 1); clearTimeout(t); return 1 }"
    )

    assert await returned(person, "f") == {"$numberInt": "1"}


async def test_timers_ring_in_their_order(person: Person, scripts: Scripts) -> None:
    scripts(
        f="""exports = () => new Promise((resolve) => {
          const rang = [];
          setTimeout(() => { throw new Error("x") }, 0);
          const ticks = setInterval((name) => {
            if (rang.push(name) < 2) return;
            clearInterval(ticks);
            setTimeout(() => { rang.push("end"); resolve(rang) }, 50);
          }, 1, "tick");
        })"""
    )

    assert await returned(person, "f") == ["tick", "tick", "end"]


@pytest.mark.parametrize("size", ["MAX_BODY_BYTES", "FUNCTION_MEMORY_BYTES"])
async def test_what_is_too_large_for_either_side_is_an_error_of_the_function(
    person: Person, scripts: Scripts, configured: pytest.MonkeyPatch, database: Any, size: str
) -> None:
    configured.setenv("MAX_BODY_BYTES", "100000")
    configured.setenv("FUNCTION_MEMORY_BYTES", "4000000")
    await database.public.insert_many([{"_id": n, "text": "x" * 1_000_000} for n in range(5)])
    does = {
        "MAX_BODY_BYTES": f"{PUBLIC}.insertOne({{ text: 'x'.repeat(2e5) }})",
        "FUNCTION_MEMORY_BYTES": f"{PUBLIC}.find().toArray()",
    }
    scripts(f=f"exports = async () => {{ try {{ await {does[size]} }} catch (error) {{ return error.message }} }}")

    assert size in await returned(person, "f")


async def test_functions_at_once_do_not_mix(person: Person, known: Known, scripts: Scripts) -> None:
    bob = await known(person.host, "bob@shop.example")
    scripts(f=f"exports = async (given) => {{ n = given; await {PUBLIC}.count(); return [context.user.id, n] }}")

    results = await asyncio.gather(*[returned([person, bob][n % 2], "f", n) for n in range(20)])

    assert results == [[[person, bob][n % 2].id, {"$numberInt": str(n)}] for n in range(20)]


async def test_a_result_with_a_member_error_is_no_error_to_sdks(person: Person, scripts: Scripts) -> None:
    scripts(f="exports = (error) => error")

    answers = [await call(person, {"name": "f", "arguments": [each]}) for each in ({"error": "x"}, "error", {"a": 1})]

    types = ["application/json; charset=utf-8", "application/json", "application/json"]
    assert [answer.headers["content-type"] for answer in answers] == types


async def test_a_call_that_ends_while_its_function_computes_disturbs_no_other(
    person: Person, scripts: Scripts, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("MONGO_DB_TIMEOUT_MS", "400")
    configured.setenv("FUNCTION_TIMEOUT_MS", "1500")
    scripts(
        loop="const all = []; exports = () => { for (;;) { all.push({}); if (all.length > 1e5) all.length = 0 } }",
        f="exports = () => 1",
    )

    answers = await asyncio.gather(*[call(person, {"name": "loop"}) for _ in range(4)])
    configured.setenv("MONGO_DB_TIMEOUT_MS", "30000")

    assert [answer.status for answer in answers] == [504] * 4
    restart()
    assert await returned(person, "f") == {"$numberInt": "1"}
