"""`python -m admin replay` under attack: without --writes nothing changes, with it no original does."""

import json
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from admin.replay.plan import READS, WRITES, NotSentError, prepared
from shared.guard.joins import joined, written_by
from shared.guard.walk import nested
from tests.admin.conftest import Command
from tests.admin.test_replay import SHOP, line, lines
from tests.depth import examples
from tests.hosts import Server, eventually
from tests.ingestion import certificate_in
from tests.test_actions import ACTIONS, CATALOG

OTHER = "elsewhere"
DATABASES = ("shop", OTHER, "shop_replay", f"{OTHER}_replay", "shop_replay_replay")
GUARD = {"GUARD_ALLOWED_STAGES": "$out, $merge"}


@pytest.fixture(scope="module")
async def writing(mongod: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that takes $out and $merge."""
    async with Server(tmp_path_factory.mktemp("writing") / "log", MONGO_DB_URI=mongod.uri, **GUARD) as running:
        yield running


@pytest.fixture
async def replay(command: Command, writing: Server, key: str, database: Any, driver: Any) -> Any:
    """Replay a recording there; two databases hold documents."""
    await dropped(driver)
    await database.items.insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 2}])
    await driver[OTHER].stock.insert_many([{"_id": 1, "left": 7}])

    def run(recorded: bytes, *options: str, with_key: bool = True, **env: str) -> tuple[int, Any, str]:
        (command.folder / "recorded").write_bytes(recorded)
        arguments = ("replay", "recorded", "--json", *(("--url", writing.url) if "--url" not in options else ()))
        keyed = ("--key", key) if with_key else ()
        done = command(*arguments, *keyed, *options, DOZEN_DATABASE="dozen", **env)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr.decode()

    yield run
    await dropped(driver)


async def dropped(driver: Any) -> None:
    """Drop the databases of earlier tests that are there: dropping one takes 100 ms."""
    for name in set(await driver.list_database_names()) & set(DATABASES[1:]):
        await driver.drop_database(name)


async def all_of(driver: Any, *names: str) -> dict[str, Any]:
    """Return what some databases hold."""
    return {
        f"{name}.{each}": await driver[name][each].find().to_list()
        for name in names or ("shop", OTHER)
        for each in sorted(await driver[name].list_collection_names())
    }


# --- what is sent names copies only: the guard of the service, which reads the same body, is the witness

NAMES = st.sampled_from(["shop", OTHER, "shop_replay", "a", ""])
COLLECTIONS = st.sampled_from(["items", "stock", ""])
PLACES = st.one_of(COLLECTIONS, st.fixed_dictionaries({"coll": COLLECTIONS}, optional={"db": NAMES}))


def stages(inner: Any) -> Any:
    """Return stages that join or write, with stages inside."""
    pipelines = st.lists(inner, max_size=2)
    return st.one_of(
        st.builds(lambda place, pipeline: {"$lookup": {"from": place, "pipeline": pipeline}}, PLACES, pipelines),
        st.builds(
            lambda place, pipeline: {"$lookup": {"as": "x", "pipeline": pipeline, "from": place}}, PLACES, pipelines
        ),
        st.builds(lambda place: {"$graphLookup": {"from": place}}, PLACES),
        st.builds(lambda place: {"$unionWith": place}, PLACES),
        st.builds(lambda name, db: {"$unionWith": {"coll": name, "db": db}}, COLLECTIONS, NAMES),
        st.builds(lambda place: {"$out": place}, PLACES),
        st.builds(lambda place: {"$merge": place}, PLACES),
        st.builds(lambda place, pipeline: {"$merge": {"into": place, "whenMatched": pipeline}}, PLACES, pipelines),
        st.builds(lambda pipeline: {"$facet": {"x": pipeline}}, pipelines),
        st.builds(lambda name, db: {"$lookup": {"from": name, "db": db}}, COLLECTIONS, NAMES),
    )


PIPELINES: Any = st.lists(st.recursive(st.just({"$match": {}}), stages, max_leaves=6), max_size=3)
REQUESTS = st.fixed_dictionaries(
    {"pipeline": PIPELINES}, optional={"database": NAMES, "collection": COLLECTIONS, "dataSource": st.just("a")}
)


def named(request: dict[str, Any], database: Any) -> set[str]:
    """Return the databases that the service would touch."""
    database = request.get("database", database)
    pipeline = request.get("pipeline", [])
    written = written_by(pipeline, database)
    everywhere = {
        value for each in nested(pipeline) for name, value in each.items() if name == "db" and isinstance(value, str)
    }
    return {
        database,
        *(name for name, _ in joined(pipeline, database)),
        *([written[0]] if written else []),
        *everywhere,
    }


def sent_or_none(text: str, suffix: str | None) -> Any:
    """Return what is sent of an aggregate, None if it is not."""
    try:
        return prepared("aggregate", text.encode(), suffix)
    except NotSentError:
        return None


@given(request=REQUESTS)
@settings(max_examples=examples(500))
def test_what_is_sent_with_writes_names_copies_only(request: dict[str, Any]) -> None:
    sent = sent_or_none(json.dumps(request), "_replay")
    assume(sent is not None)
    found = named(json.loads(sent.body), "")

    assert {name for name in found if not name.endswith("_replay")} == set()
    assert {place.database + "_replay" for place in sent.places} >= found


@given(default=NAMES, operations=st.lists(REQUESTS, min_size=1, max_size=3))
@settings(max_examples=examples(300))
def test_so_it_is_of_a_transaction(default: str, operations: list[dict[str, Any]]) -> None:
    body = {"database": default, "operations": [{"action": "aggregate"} | each for each in operations]}
    sent = json.loads(prepared("transaction", json.dumps(body).encode(), "_replay").body)
    found = set[str]().union(*(named(each, sent["database"]) for each in sent["operations"]))

    assert {name for name in found if not name.endswith("_replay")} == set()


@given(request=REQUESTS)
@settings(max_examples=examples(300))
def test_what_is_sent_without_writes_writes_nowhere(request: dict[str, Any]) -> None:
    text = json.dumps(request).replace("$", "\\u0024")
    sent = sent_or_none(text, None)
    names = {name for each in nested(request["pipeline"]) for name in each}

    assert (sent is None) == bool(names & {"$out", "$merge"})


def test_an_action_is_sent_as_what_it_is() -> None:
    reads = {name for name, action in (ACTIONS | CATALOG).items() if action.reads}
    writes = {name for name, action in (ACTIONS | CATALOG).items() if not action.reads}

    assert (READS & writes, WRITES & reads) == (frozenset(), frozenset())


# --- recordings that lie

THERE = {"database": OTHER, "collection": "stock"}
TO_OTHER = {"$merge": {"into": {"db": OTHER, "coll": "stock"}}}
NESTED = {"$lookup": {"from": {"db": OTHER, "coll": "stock"}, "pipeline": [], "as": "x"}}


LYING = [
        line("deleteMany", {}, filter={}),
        line("aggregate", {}, pipeline=[{"$match": {}}, {"$out": "items"}]),
        line("aggregate", {}, pipeline=[{"$match": {}}, {"$out": {"db": OTHER, "coll": "stock"}}]),
        line("aggregate", {}, pipeline=[{"$match": {}}, TO_OTHER]),
        line("aggregate", {}, pipeline=[NESTED, {"$unionWith": {"coll": "items", "pipeline": [NESTED]}}, TO_OTHER]),
        line("aggregate", {}, pipeline=json.dumps([TO_OTHER])),
        line("aggregate", {}, pipeline=TO_OTHER),
        line("find", {}, filter={"$expr": TO_OTHER}),
        line("explain", {}, method="deleteMany", filter={}),
        line("createIndexes", {}, indexes=[{"key": {"n": 1}}]),
        line("dropCollection", {}),
        line("DeleteMany", {}, filter={}),
        line("insertOne", {}, document={"_id": {"$ref": "stock", "$id": 1, "$db": OTHER}}),
        line("bulkWrite", {}, requests=[{"deleteMany": {"filter": {}, "namespace": "elsewhere.stock"}}]),
        line("bulkWrite", {}, requests=[{"deleteMany": {"filter": {}, "database": OTHER, "collection": "stock"}}]),
        line("transaction", {}, operations=[{"action": "deleteMany", "database": None, "filter": {}}]),
        line("transaction", {}, operations=[{"action": "deleteMany", "filter": {}} | THERE]),
        line("transaction", {}, operations=[
            {"action": "findOne", "filter": {}},
            {"action": "deleteMany", "filter": {}, "references": {"/database": "/0/document/n"}},
        ]),
        line("transaction", {}, operations=[
            {"action": "findOne", "filter": {}},
            {"action": "aggregate", "pipeline": [TO_OTHER], "references": {"/pipeline/0/$merge": "/0/document/n"}},
        ]),
        line("transaction", {}, operations=[{"action": "deleteMany", "filter": {}, "references": 5}]),
        line("transaction", {}, operations={"action": "deleteMany", "filter": {}}),
        line("deleteMany", {}, filter={}, database={"$symbol": "shop"}),
        line("deleteMany", {}, filter={}, database=OTHER, collection="stock", dataSource="MONGODB_atlas"),
        line("deleteMany", {}, filter={}, Database=OTHER),
        line("find", {}, filter={}) | {"headers": {"Dozen-Dry-Run": "false", "X-HTTP-Method-Override": "DELETE"}},
        line("find", {}) | {"url": "https://h/app/x/endpoint/data/v1/action/find/../deleteMany"},
        line("find", {}) | {"url": "https://h/app/x/endpoint/data/v1/action/find%2f..%2fdeleteMany"},
        line("find", {}) | {"url": "https://h//app/x/endpoint/data/v1/action/deleteMany"},
        line("find", {}) | {"url": "https://h/api/mdb_dataapi/action/deleteMany", "method": "PUT"},
        line("find", {}) | {"body": json.dumps(SHOP).encode("utf-16").decode("latin-1")},
        line("deleteMany", {}) | {"body": '{"database":"shop","database":"x","collection":"items","filter":{}}'},
        line("deleteMany", {}) | {"body": '{"database":"shop","\\u0064atabase":"x","collection":"items","filter":{}}'},
        line("deleteMany", {}) | {"body": '{"database":"\\ud800","collection":"items","filter":{}}'},
        line("deleteMany", {}) | {"body": '{"database":"shop\\u0000","collection":"items","filter":{}}'},
        line("deleteMany", {}, filter={}, database="dozen", collection="api_keys"),
        line("deleteMany", {}, filter={}, database="admin", collection="system.users"),
        line("deleteMany", {}, filter={}, database="$shop"),
        line("deleteMany", {}, filter={}, database="a.b"),
        line("deleteMany", {}, filter={}, database=""),
        line("deleteMany", {}, filter={}, database="s" * 60),
        line("deleteMany", {}, filter={}, collection="i" * 300),
]  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--writes",)], ids=["reads", "writes"])
async def test_no_call_changes_an_original_or_ends_a_replay(replay: Any, driver: Any, options: tuple[str, ...]) -> None:
    await driver[OTHER].quiet.insert_one({"_id": 1})
    good = line("countDocuments", {"count": 1}, database=OTHER, collection="quiet", filter={})
    before = await all_of(driver), await driver.dozen.api_keys.count_documents({}), await driver.list_database_names()
    _, report, told = replay(lines(*(each for call in LYING for each in (call, good))), *options)
    after = await all_of(driver), await driver.dozen.api_keys.count_documents({}), await driver.list_database_names()

    assert after[:2] == before[:2]
    assert report["actions"]["countDocuments"] == {"same": len(LYING), "differ": 0, "not_sent": 0}, told
    assert set(after[2]) - set(before[2]) <= ({"shop_replay", f"{OTHER}_replay"} if options else set())


async def test_joins_and_writes_across_databases_stay_among_copies(replay: Any, driver: Any) -> None:
    before = await all_of(driver)
    joins = {"$lookup": {"from": {"db": OTHER, "coll": "stock"}, "localField": "_id", "foreignField": "_id", "as": "s"}}
    to_new = {"$out": {"db": OTHER, "coll": "new"}}
    union = {"$unionWith": {"coll": "items", "pipeline": [{"$match": {"_id": 1}}]}}
    _, report, _ = replay(
        lines(
            line("aggregate", {"documents": []}, pipeline=[{"$match": {"n": 2}}, to_new]),
            line("aggregate", {"documents": []}, pipeline=[{"$match": {"n": 1}}, TO_OTHER]),
            line("aggregate", {"documents": [{"_id": 1, "n": 1}, {"_id": 2, "n": 2}, {"_id": 1, "n": 1}]},
                 pipeline=[{"$sort": {"_id": 1}}, union]),
            line("aggregate", {}, pipeline=[joins]),
        ),
        "--writes",
    )  # fmt: skip

    assert (report["same"], report["not_sent"]) == (3, 0), report
    assert await all_of(driver) == before
    assert (await all_of(driver, "shop_replay", f"{OTHER}_replay")) == {
        "shop_replay.items": [{"_id": 1, "n": 1}, {"_id": 2, "n": 2}],
        f"{OTHER}_replay.new": [{"_id": 2, "n": 2}],
        f"{OTHER}_replay.stock": [{"_id": 1, "left": 7, "n": 1}],
    }


# --- what is copied


async def test_collections_are_copied_as_they_are(replay: Any, driver: Any, database: Any) -> None:
    await database.create_collection("last", capped=True, size=4096, max=2)
    await database.last.insert_many([{"_id": 1}, {"_id": 2}])
    await database.create_collection("strict")
    await database.strict.insert_one({"_id": 1})
    await database.command({"collMod": "strict", "validator": {"n": {"$type": "int"}}})
    names = ("last", "strict")
    nine = {"_id": 9, "n": {"$numberInt": "1"}}
    _, report, _ = replay(
        lines(*(line("insertOne", {"insertedId": 9}, 201, collection=each, document=nine) for each in names)),
        "--writes",
    )  # fmt: skip
    options = [each["options"] async for each in await driver.shop_replay.list_collections()]

    assert report["same"] == 2, report
    assert {"n": {"$type": "int"}} in [each.get("validator") for each in options]
    assert (await all_of(driver, "shop_replay")) == {
        "shop_replay.last": [{"_id": 2}, {"_id": 9, "n": 1}],
        "shop_replay.strict": [{"_id": 1}, {"_id": 9, "n": 1}],
    }


async def test_what_is_no_collection_is_not_sent_with_writes_and_read_without(replay: Any, database: Any) -> None:
    await database.create_collection("seen", viewOn="items", pipeline=[{"$match": {"n": 1}}])
    call = line("find", {"documents": [{"_id": 1, "n": 1}]}, collection="seen")
    through = line("aggregate", {"documents": []}, pipeline=[{"$unionWith": "seen"}])

    assert replay(lines(call))[1]["same"] == 1
    _, report, _ = replay(lines(call, through, call), "--writes")
    assert report["reasons"] == {"shop.seen is a view, of which no copy is made": 3}


def exported(folder: Path, database: str) -> None:
    """Write an app with a trigger on a database, "" for every one."""
    for name, content in {
        "root_config.json": {"app_id": "x"},
        "data_sources/mongodb-atlas/config.json": {"name": "mongodb-atlas", "type": "mongodb-atlas"},
        "triggers/t.json": {
            "name": "audit", "type": "DATABASE", "function_name": "f",
            "config": {"service_name": "mongodb-atlas", "operation_types": ["INSERT"], "database": database},
        },
        "functions/config.json": [{"name": "f", "run_as_system": True}],
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "functions" / "f.js").write_text("exports = () => 1;")


@pytest.mark.parametrize(("watched", "not_sent"), [("", 1), ("shop_replay", 1), ("shop", 0)])
async def test_no_copy_starts_a_trigger(
    replay: Any, driver: Any, command: Command, watched: str, not_sent: int
) -> None:
    exported(command.folder / "app", watched)
    call = line("deleteMany", {"deletedCount": 2}, filter={})
    _, report, told = replay(lines(call), "--writes", APP_CONFIG_DIR=str(command.folder / "app"))

    assert (report["not_sent"], report["same"]) == (not_sent, 1 - not_sent), told
    assert [name for name in report["reasons"] if "the trigger 'audit' would run" in name] == list(report["reasons"])


# --- who calls, and where


class Elsewhere(ThreadingHTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, status: int, location: str = "", certificate: Path | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                content = b'{"document":null}'
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing: pytest's output is for failures."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            self.socket = tls.wrap_socket(self.socket, server_side=True)
            self.url = f"https://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Elsewhere]]:
    """Start such servers."""
    started: list[Elsewhere] = []

    def start(*arguments: Any, **options: Any) -> Elsewhere:
        started.append(Elsewhere(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.shutdown()
        each.server_close()


NOTHING = line("findOne", {"document": None}, filter={})


async def test_a_redirect_is_a_difference_and_not_followed(replay: Any, elsewhere: Any) -> None:
    second = elsewhere(200)
    first = elsewhere(307, second.url)
    code, report, _ = replay(lines(NOTHING), "--url", first.url)

    assert (code, report["differ"], len(first.asked), second.asked) == (1, 1, 1, [])


async def test_https_is_verified(replay: Any, elsewhere: Any, tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    server = elsewhere(200, certificate=certificate)
    refused = replay(lines(NOTHING), "--url", server.url)
    code, report, told = replay(
        lines(NOTHING), "--url", server.url + "/base/", "--app", "a/b?c", SSL_CERT_FILE=str(certificate)
    )

    assert (refused[0], refused[1], "does not answer findOne" in refused[2]) == (1, None, True)
    assert (code, report["same"]) == (0, 1), told
    assert [path for path, *_ in server.asked] == ["/base/app/a%2Fb%3Fc/endpoint/data/v1/action/findOne"]


@pytest.mark.parametrize("url", ["http://h:99999", "http://h:x", "http://[::1", "ftp://h", "h", "http://"])
async def test_what_is_no_url_is_one_sentence(replay: Any, url: str) -> None:
    code, _, told = replay(lines(NOTHING), "--url", url)

    assert (code, told) == (1, f"error: --url: {url!r} is no URL such as https://api.example.com\n")


RECORDED = {
    "Accept": "application/ejson", "ApiKey": "recorded", "Cookie": "c", "Dozen-Dry-Run": "true", "Host": "h",
    "Content-Encoding": "gzip", "Transfer-Encoding": "chunked", "X-HTTP-Method-Override": "DELETE",
}  # fmt: skip
ALWAYS = {"accept-encoding", "content-length", "host", "content-type", "accept", "apikey"}


@pytest.mark.parametrize(("options", "key"), [(("--key", "mine"), "mine"), (("--as-recorded",), "recorded")])
async def test_of_headers_only_those_are_sent_that_a_reply_depends_on(
    replay: Any, elsewhere: Any, options: tuple[str, ...], key: str
) -> None:
    server = elsewhere(200)
    code, report, told = replay(lines(NOTHING | {"headers": RECORDED}), "--url", server.url, *options, with_key=False)
    [(_, headers, _)] = server.asked

    assert (code, report["same"]) == (0, 1), told
    assert (headers.keys(), headers["apikey"], headers["accept"]) == (ALWAYS, key, "application/ejson")


@pytest.mark.parametrize("value", ["a\r\nDozen-Dry-Run: true", "a\0", "☃", "a" * 70_000])
async def test_a_header_that_cannot_be_sent_leaves_out_its_call(replay: Any, elsewhere: Any, value: str) -> None:
    server = elsewhere(200)
    code, report, _ = replay(lines(NOTHING | {"headers": {"accept": value}}, NOTHING), "--url", server.url)

    assert (code, report["same"], report["reasons"]) == (0, 1, {"a header of it cannot be sent": 1})


LOGINS = [{"email": "a@b.example", "password": "secret"}, {"jwtTokenString": "t"}, {"Authorization": "Basic YTpi"}]


@pytest.mark.parametrize("headers", LOGINS)
async def test_recorded_logins_are_sent_only_if_asked_for(replay: Any, elsewhere: Any, headers: dict[str, str]) -> None:
    server = elsewhere(200)
    recorded = lines(NOTHING | {"headers": headers})
    _, without, _ = replay(recorded, "--url", server.url, "--as-recorded", with_key=False)
    before = len(server.asked)
    _, with_them, _ = replay(recorded, "--url", server.url, "--as-recorded", "--logins", with_key=False)

    assert (without["not_sent"], before) == (1, 0)
    assert (with_them["same"], len(server.asked)) == (1, 1)


async def test_a_key_may_come_by_standard_input(command: Command, writing: Server, key: str, database: Any) -> None:
    (command.folder / "recorded").write_bytes(lines(NOTHING))
    command.env["DOZEN_DATABASE"] = "dozen"
    done = command.fed(f"{key}\n".encode(), "replay", "recorded", "--url", writing.url, "--key-stdin", "--json")

    assert (done.returncode, json.loads(done.stdout)["same"]) == (0, 1)


# --- kills, and many lines


async def test_a_replay_that_was_killed_leaves_originals_and_says_what_to_do(
    replay: Any, command: Command, writing: Server, key: str, driver: Any
) -> None:
    before = await all_of(driver)
    call = lines(line("deleteMany", {"deletedCount": 2}, filter={}))
    command.env["DOZEN_DATABASE"] = "dozen"
    arguments = ("replay", "-", "--url", writing.url, "--key", key, "--writes")
    process = command.start(*arguments, stdin=subprocess.PIPE)
    process.stdin.write(call + b'{"ha')  # type: ignore[union-attr]
    process.stdin.flush()  # type: ignore[union-attr]

    async def is_midway() -> bool:
        return "items" in await driver.shop_replay.list_collection_names()

    await eventually(is_midway)
    process.kill()
    process.communicate()
    code, _, told = replay(call, "--writes")
    await driver.drop_database("shop_replay")
    again, report, _ = replay(call, "--writes")

    assert (code, "shop_replay is there already: drop it, or choose another --into" in told) == (1, True)
    assert (again, report["same"], await all_of(driver)) == (0, 1, before)


@pytest.mark.full
async def test_memory_does_not_grow_with_the_lines(command: Command, writing: Server, key: str) -> None:
    call = lines(line("getMore", {"documents": []}, cursor="x" * 100))

    def kilobytes(number: int) -> int:
        (command.folder / "recorded").write_bytes(call * number)
        _, told = command.measured("replay", "recorded", "--url", writing.url, "--key", key).communicate()
        return int(told.split()[-1])

    assert kilobytes(100_000) < kilobytes(1_000) + 10_000
