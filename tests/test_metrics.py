"""GET /metrics, as Prometheus reads it, from both hosts."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import AggregateExpr, Expr, VectorSelector, parse
from ruamel.yaml import YAML

from local.mongod import Mongod
from local.ports import free_port
from shared.settings import Settings, SettingsError
from shared.telemetry import metrics
from shared.telemetry.metrics import OPERATIONS, STATUSES
from tests.conftest import ACTION, Post, request_body
from tests.functions.rules.conftest import SETTINGS, log_in
from tests.functions.rules.test_endpoints import APP, GREETER
from tests.held import Hold
from tests.hosts import ROOT, Answer, Host, Server, Worker, WorkerProcess, eventually
from tests.valkey import Valkey

KEY = "metrics-key-0123456789"  # in no log: tests.leaks looks for it
BEARER = {"Authorization": f"Bearer {KEY}"}
PROMTOOL = shutil.which("promtool")
FIND = 'dozen_calls_total{operation="find",status="200"}'


def series(answer: Answer, families: Any = text_string_to_metric_families) -> dict[str, float]:
    """Return the samples of a scrape by their names and labels."""
    assert answer.status == 200, answer.body
    return {
        sample.name + _labels(sample.labels): sample.value
        for family in families(answer.body.decode())
        for sample in family.samples
    }


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""


async def scraped(host: Host, **headers: str) -> dict[str, float]:
    return series(await host.request("GET", "/metrics", BEARER | headers))


@pytest.fixture
async def scrapable(mongod: Mongod, tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, METRICS_KEY=KEY) as server:
        yield server


@pytest.fixture
async def two(mongod: Mongod, tmp_path: Path) -> AsyncIterator[Server]:
    env = {"WEB_CONCURRENCY": "2", "METRICS_KEY": KEY, "HEALTH_PORT": str(free_port())}
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as server:
        await eventually(lambda: _are_two(server, 0), 60)
        yield server


async def _are_two(server: Server, number: int) -> bool:
    """Tell whether so many processes were replaced, and two are at work."""
    try:
        numbers = await scraped(server, Connection="close")
    except httpx.TransportError:  # the one that was killed had taken the connection
        return False
    return (numbers["dozen_processes_replaced_total"], numbers["dozen_processes"]) == (number, 2)


async def test_without_a_key_there_is_nothing_as_at_any_other_path(host: Host) -> None:
    answer = await host.request("GET", "/metrics", BEARER)
    other = await host.request("GET", "/nowhere", BEARER)

    assert (answer.status, answer.body, answer.headers.keys()) == (
        404, other.body.replace(b"nowhere", b"metrics"), other.headers.keys(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": "Bearer"}, id="nothing"),
        pytest.param({"Authorization": f"Bearer {KEY}x"}, id="longer"),
        pytest.param({"Authorization": f"Basic {KEY}"}, id="another scheme"),
        pytest.param({"Authorization": "Bearer \u00e9\u00e9"}, id="not ASCII"),
        pytest.param({"Authorization": KEY}, id="no scheme"),
        pytest.param({"Authorization": f"Bearer {KEY}, Bearer {KEY}"}, id="twice, as the host joins them"),
        pytest.param({"Authorization": f"Bearer {KEY} {KEY}"}, id="twice in one"),
        pytest.param({"Authorization": f"Bearer {KEY[:-1]}"}, id="shorter"),
        pytest.param({"Authorization": f"Bearer {KEY.upper()}"}, id="another case"),
        pytest.param({"apiKey": KEY}, id="as an API key"),
    ],
)
async def test_nobody_without_the_key_reads_anything(
    worker: Worker, configured: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    configured.setenv("METRICS_KEY", KEY)

    answer = await worker.request("GET", "/metrics", headers)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert b"dozen_" not in answer.body


@pytest.mark.parametrize(
    "value",
    [
        "short",
        "fifteen letters",
        "sixteen or more but spaces",
        "sixteen-or-more-of-a-file\n",
        " sixteen-or-more-of-a-file",
        "sixteen-or-more\tand-a-tab",
        "sixteen-or-more-and-an-é",
        "🔑" * 16,
    ],
)
def test_a_key_that_nobody_could_send_or_some_could_guess_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^METRICS_KEY is not usable: expected 16 characters or more") as raised:
        Settings.from_environ({"MONGO_DB_URI": "mongodb://localhost", "METRICS_KEY": value})

    assert value not in str(raised.value)


async def test_azures_worker_counts_by_itself(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, database: Any
) -> None:
    configured.setenv("METRICS_KEY", KEY)
    before = await scraped(worker)
    await worker.request("POST", ACTION + "find", {"apiKey": key}, request_body())
    await worker.request("POST", ACTION + "find", {"apiKey": "wrong"}, request_body())
    after = await scraped(worker)

    assert before[FIND] == 0
    assert after[FIND] == 1
    assert after['dozen_calls_total{operation="find",status="401"}'] == 1
    assert after["dozen_processes"] == 1
    assert [name for name in after if name.startswith("dozen_build_info") and 'host="functions"' in name] != []


async def test_calls_are_counted_with_all_that_they_took(
    scrapable: Server, key: str, database: Any, driver: Any
) -> None:
    headers = {"apiKey": key}
    inserted = request_body(documents=[{"n": 1}, {"n": 2}])
    await scrapable.request("POST", ACTION + "insertMany", headers, inserted)
    found = await scrapable.request("POST", ACTION + "find", headers, request_body())
    await scrapable.request("POST", ACTION + "find", headers, b"{")
    await scrapable.request("GET", "/nowhere")
    await scrapable.request("GET", "/metrics", {"Authorization": "Bearer wrong"})
    numbers = await scraped(scrapable)

    assert numbers['dozen_calls_total{operation="insertMany",status="201"}'] == 1
    assert numbers['dozen_calls_total{operation="find",status="400"}'] == 1
    assert numbers['dozen_calls_total{operation="unknown",status="404"}'] == 1
    assert numbers['dozen_calls_total{operation="metrics",status="401"}'] == 1
    assert numbers['dozen_documents_total{operation="insertMany"}'] == 2
    assert numbers['dozen_documents_total{operation="find"}'] == 2
    assert numbers['dozen_request_bytes_total{operation="insertMany"}'] == len(inserted)
    assert numbers['dozen_reply_bytes_total{operation="find"}'] > len(found.body)
    assert numbers['dozen_call_duration_seconds_count{operation="find"}'] == 2
    assert numbers['dozen_call_duration_seconds_bucket{operation="find",le="+Inf"}'] == 2
    assert numbers['dozen_connections_idle{data_source="mongodb-atlas"}'] > 0
    assert numbers['dozen_connections_limit{data_source="mongodb-atlas"}'] == 50
    assert numbers['dozen_connections_in_use{data_source="mongodb-atlas"}'] == 0
    assert (numbers["dozen_calls_in_progress"], numbers["dozen_calls_waiting"]) == (0, 0)


async def test_both_formats_say_the_same(scrapable: Server) -> None:
    text = await scrapable.request("GET", "/metrics", BEARER)
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    opened = await scrapable.request("GET", "/metrics", BEARER | accept)

    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert opened.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert series(text).keys() == series(opened, open_families).keys()


async def test_the_processes_of_a_port_are_one_sum_which_outlives_each(two: Server, key: str, database: Any) -> None:
    headers = {"apiKey": key, "Connection": "close"}  # so that each process gets some
    sent = [two.request("POST", ACTION + "find", headers, request_body()) for _ in range(100)]
    answers = await asyncio.gather(*sent)
    before = await scraped(two, Connection="close")
    os.kill(two.family[1], signal.SIGKILL)
    await eventually(lambda: _are_two(two, 1), 60)
    after = await scraped(two, Connection="close")

    assert {answer.status for answer in answers} == {200}
    assert before[FIND] == after[FIND] == len(sent)
    assert before["dozen_processes"] == 2
    assert [name for name in before if name.endswith("_total") and after[name] < before[name]] == []
    assert after["dozen_processes_replaced_total"] == before["dozen_processes_replaced_total"] + 1 == 1


async def test_a_scrape_finds_the_port_of_probes(two: Server) -> None:
    port = int(two.env["HEALTH_PORT"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"dozen_calls_total" in answer


def test_every_function_has_series_of_its_own(worker: Worker) -> None:
    quiet = {"live", "ready", "fallback", "webhook", "explorer_file"}  # probes are not counted, others as what they are

    assert set(OPERATIONS) == {function.name for function in worker.functions} - quiet | {"unknown", "root", "other"}


def _asked() -> list[str]:
    """Return what the dashboard and the alerts ask of Prometheus."""
    panels = json.loads((ROOT / "infra" / "grafana-dashboard.json").read_text())["panels"]
    rules = YAML(typ="safe").load(ROOT / "infra" / "alerts.yml")["groups"]
    asked = [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]]
    return [*asked, *(rule["expr"] for group in rules for rule in group["rules"])]


def _nodes(node: Expr) -> Iterator[Expr]:
    """Give an expression and all that is in it."""
    yield node
    inner = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for each in [*inner, *getattr(node, "args", [])]:
        yield from () if each is None else _nodes(each)


class Names(NamedTuple):
    """The metrics of a query, the labels that it chooses each by, and those that it groups all by."""

    chosen: dict[str, set[str]]
    grouped: set[str]

    @classmethod
    def of(cls, query: str) -> Self:
        """Read a query; raise ValueError if Prometheus could not."""
        nodes = list(_nodes(parse(query)))
        selectors = [node for node in nodes if isinstance(node, VectorSelector)]
        chosen = {str(each.name): {matcher.name for matcher in each.matchers.matchers} for each in selectors}
        groups = [node.modifier.labels for node in nodes if isinstance(node, AggregateExpr) and node.modifier]
        return cls(chosen, {label for labels in groups for label in labels})


async def _known(worker: Worker, key: str) -> dict[str, set[str]]:
    """Return the labels of each series that a scrape has, by its name, and those that Prometheus adds."""
    await Post(worker, key)("insertOne", document={})
    answer = await worker.request("GET", "/metrics", BEARER)
    families = text_string_to_metric_families(answer.body.decode())
    samples = [sample for family in families for sample in family.samples]
    return {sample.name: {*sample.labels} for sample in samples}


async def test_what_is_asked_of_prometheus_can_be_read_and_exists(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, database: Any
) -> None:
    configured.setenv("METRICS_KEY", KEY)
    known = await _known(worker, key)
    known |= {"up": set()}
    of_prometheus = {"job", "instance"}
    found = [Names.of(query) for query in _asked()]

    labels = {(name, label) for names in found for name in names.chosen for label in names.chosen[name] | names.grouped}
    assert {name for names in found for name in names.chosen} <= known.keys()
    assert [(name, label) for name, label in labels if label not in known[name] | of_prometheus] == []
    assert sum(len(names.chosen) for names in found) > 25


def test_a_query_that_prometheus_could_not_read_is_none() -> None:
    assert Names.of("sum by (x) (rate(a_total{y=~'5..'}[5m])) / b") == ({"a_total": {"y"}, "b": set()}, {"x"})
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        Names.of("sum(rate(a_total[5m])")
    with pytest.raises(ValueError, match="expected type matrix"):
        Names.of("rate(a_total)")


async def test_the_page_names_each_metric_with_its_labels_and_no_other(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, database: Any
) -> None:
    configured.setenv("METRICS_KEY", KEY)
    known = await _known(worker, key)
    text = (ROOT / "docs" / "telemetry.md").read_text()
    rows = re.findall(r"^\| (`dozen_[^|]*) \| ([^|]*) ?\|", text, re.MULTILINE)

    told = {
        name: set(re.findall(r"\b(?<!`)\w+(?!`)\b", labels.partition(":")[0]))
        for names, labels in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    assert told == {
        re.sub(r"(_seconds)_(?:bucket|sum|count)$", r"\1", name): labels - {"le"} for name, labels in known.items()
    }


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")
def test_each_alert_fires_when_it_should_and_not_otherwise() -> None:
    command = [str(PROMTOOL), "test", "rules", str(ROOT / "tests" / "infra" / "alerts_test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_what_tests_the_alerts_knows_each() -> None:
    rules = YAML(typ="safe").load(ROOT / "infra" / "alerts.yml")["groups"][0]["rules"]
    quiet, idle, loud = YAML(typ="safe").load(ROOT / "tests" / "infra" / "alerts_test.yml")["tests"]
    fired = {each["alertname"] for each in loud["alert_rule_test"] if each["exp_alerts"]}

    assert fired == {each["alertname"] for each in quiet["alert_rule_test"]} == {rule["alert"] for rule in rules}
    assert [each for case in (quiet, idle) for each in case["alert_rule_test"] if each["exp_alerts"]] == []


def test_the_dashboard_has_a_query_in_each_panel() -> None:
    panels = json.loads((ROOT / "infra" / "grafana-dashboard.json").read_text())["panels"]

    assert all(panel["targets"] for panel in panels)
    assert len({panel["title"] for panel in panels}) == len(panels) >= 10


@pytest.fixture(params=["worker", "scrapable"])
def metered(request: pytest.FixtureRequest, configured: pytest.MonkeyPatch) -> Host:
    """Each host in turn, with METRICS_KEY."""
    configured.setenv("METRICS_KEY", KEY)
    running: Host = request.getfixturevalue(request.param)
    return running


async def test_what_else_than_get_is_asked(metered: Host) -> None:
    got = await metered.request("GET", "/metrics", BEARER)
    head = await metered.request("HEAD", "/metrics", BEARER)
    refused = await metered.request("HEAD", "/metrics")
    others = [await metered.request(method, "/metrics", BEARER) for method in ("POST", "PUT", "DELETE")]
    preflight = await metered.request("OPTIONS", "/metrics", {"Origin": "https://a.test"})

    assert (got.status, head.status, refused.status) == (200, 200, 401)
    assert head.headers["content-type"] == got.headers["content-type"]
    assert [(answer.status, b"dozen_" in answer.body) for answer in others] == [(404, False)] * 3
    assert (preflight.status, b"dozen_" in preflight.body) == (404, False)


async def test_a_key_in_two_headers_is_none(scrapable: Server) -> None:
    line = f"Authorization: Bearer {KEY}\r\n"
    answer = await scrapable.raw(f"GET /metrics HTTP/1.1\r\nHost: x\r\n{line}{line}Connection: close\r\n\r\n".encode())

    assert (answer[:13], b"dozen_" in answer) == (b"HTTP/1.1 401 ", False)


@pytest.mark.parametrize(
    ("accept", "is_open"),
    [
        pytest.param(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
            "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
            id="Prometheus 3",
        ),
        pytest.param("Application/OpenMetrics-Text", True, id="in capitals"),
        pytest.param("application/openmetrics-text, text/plain", True, id="both alike"),
        pytest.param("application/openmetrics-text;q=0", False, id="not at all"),
        pytest.param("application/openmetrics-text;q=0.1, text/plain", False, id="less than text"),
        pytest.param("application/openmetrics-text-of-others", False, id="another"),
        pytest.param("application/openmetrics-text;q=x", True, id="no number"),
        pytest.param("application/openmetrics-text;q=nan", False, id="not a number"),
        pytest.param("*/*", False, id="anything"),
        pytest.param(",;=,", False, id="nothing"),
    ],
)
async def test_the_format_is_what_accept_prefers(
    worker: Worker, configured: pytest.MonkeyPatch, accept: str, is_open: bool
) -> None:
    configured.setenv("METRICS_KEY", KEY)
    answer = await worker.request("GET", "/metrics", BEARER | {"Accept": accept})

    assert (answer.status, answer.body.endswith(b"# EOF\n")) == (200, is_open)


async def test_no_label_is_what_a_caller_sent(scrapable: Server, key: str) -> None:
    before = await scraped(scrapable)
    odd = 'a"\\{b="c"}'
    for action in ("find", "nosuch", "%22%0A%5C", "metrics"):
        await scrapable.request("POST", ACTION + action, {"apiKey": key}, request_body(dataSource=odd, database=odd))
    for method in ("GET", "PATCH", "OPTIONS", "HEAD"):
        await scrapable.request(method, f"/app/{'x' * 50}/%0A", {"Origin": odd})
    await scrapable.raw(b"BREW /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await scrapable.request("GET", "/metrics", BEARER)

    families = list(text_string_to_metric_families(answer.body.decode()))
    labels = [sample.labels for family in families for sample in family.samples]
    assert {each["operation"] for each in labels if "operation" in each} <= {*OPERATIONS}
    assert {each["status"] for each in labels if "status" in each} <= {*STATUSES}
    assert {each["data_source"] for each in labels if "data_source" in each} == {"mongodb-atlas"}
    assert {name for each in labels for name in each} == {
        "operation", "status", "le", "kind", "data_source", "version", "host", "native",
    }  # fmt: skip
    assert len(series(answer)) < len(before) + 100


async def test_a_data_source_has_a_name_that_prometheus_can_read(
    worker: Worker, configured: pytest.MonkeyPatch, mongod: Mongod
) -> None:
    configured.setenv("METRICS_KEY", KEY)
    configured.setenv('MONGO_DB_URI__A"\\\nB', mongod.uri)

    assert (await scraped(worker))['dozen_connections_limit{data_source="a___b"}'] == 0


async def test_each_family_is_told_once_and_the_buckets_of_a_duration_add_up(scrapable: Server, key: str) -> None:
    for _ in range(3):
        await Post(scrapable, key)("findOne")
    text = (await scrapable.request("GET", "/metrics", BEARER)).body.decode()

    told = re.findall(r"^# (HELP|TYPE) (\w+)", text, re.MULTILINE)
    assert len(told) == len(set(told)) == 2 * len({name for _, name in told})
    buckets = re.findall(
        r'^dozen_call_duration_seconds_bucket{operation="findOne",le="(.*?)"} (\S+)', text, re.MULTILINE
    )
    counts = [float(count) for _, count in buckets]
    assert counts == sorted(counts)
    assert (buckets[-1][0], counts[-1]) == ("+Inf", 3)
    assert 'dozen_call_duration_seconds_count{operation="findOne"} 3.0' in text.splitlines()


async def test_the_cache_is_counted_while_it_is_there_and_while_it_is_away(
    mongod: Mongod, valkey: Valkey, tmp_path: Path, key: str, database: Any
) -> None:
    await database.items.insert_one({})  # what is no collection yet is not cached
    env = {"CACHED_COLLECTIONS": "shop.items=60", "SESSION_SECRET": SETTINGS["SESSION_SECRET"]}
    async with Server(
        tmp_path / "log", MONGO_DB_URI=mongod.uri, METRICS_KEY=KEY, REDIS_URL=valkey.url, **env
    ) as server:
        post = Post(server, key)

        async def is_hit() -> bool:
            await post("find")
            return (await scraped(server))["dozen_cache_hits_total"] > 0

        await eventually(is_hit)
        there = await scraped(server)
        valkey.kill()
        for _ in range(5):
            await post("find")
        away = await scraped(server)

    assert there["dozen_cache_misses_total"] > 0
    assert there["dozen_cache_errors_total"] == 0
    assert away["dozen_cache_errors_total"] >= 5


async def test_calls_without_a_place_are_counted(
    mongod: Mongod, tmp_path: Path, key: str, database: Any, hold: Hold
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, METRICS_KEY=KEY, MAX_CALLS="1") as server:
        post = Post(server, key)
        await post("findOne")
        await hold.begin("find")
        first = asyncio.create_task(post("findOne"))
        await hold.holds()
        refused = await post("findOne")
        await hold.end()
        answers = [await first, refused]
        numbers = await scraped(server)

    assert [answer.status for answer in answers] == [200, 503]
    assert numbers['dozen_calls_shed_total{kind="calls"}'] == 1
    assert numbers['dozen_calls_total{operation="findOne",status="503"}'] == 1
    assert numbers["dozen_calls_limit"] == 1


async def test_runs_of_functions_are_counted(worker: Worker, configured: pytest.MonkeyPatch, database: Any) -> None:
    configured.setenv("METRICS_KEY", KEY)
    for name, value in GREETER.items():
        configured.setenv(name, value)
    secret = quote(GREETER["APP_SECRET_SECRET_PASSWORD"])
    guest = await log_in(worker, "anon-user", {})
    sent = {"Authorization": f"Bearer {guest.access_token}"}
    answers = [await worker.request("GET", f"{APP}/passwordRequired?secret={secret}", sent) for _ in range(2)]
    numbers = await scraped(worker)

    assert {answer.status for answer in answers} == {200}
    assert numbers["dozen_function_runs_total"] == 2
    assert (
        sum(value for name, value in numbers.items() if name.startswith('dozen_calls_total{operation="endpoint"')) == 2
    )


@pytest.mark.full
async def test_a_process_that_stands_still_is_left_out_until_it_goes_on(two: Server) -> None:
    async def are_at_work(number: int) -> bool:
        return (await scraped(two, Connection="close"))["dozen_processes"] == number

    os.kill(two.family[1], signal.SIGSTOP)
    await eventually(lambda: are_at_work(1), 30)
    os.kill(two.family[1], signal.SIGCONT)
    await eventually(lambda: are_at_work(2), 30)


class Cramped(Server):
    """A server that may write no file, of memory neither, with more than 40,000 bytes."""

    command = (
        "-c",
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000));"
        "os.execv(sys.executable, [sys.executable, '-m', 'server'])",
    )


async def test_processes_without_memory_for_numbers_serve_nevertheless(mongod: Mongod, tmp_path: Path) -> None:
    env = {"WEB_CONCURRENCY": "2", "METRICS_KEY": KEY, "PYTHONDONTWRITEBYTECODE": "1"}
    async with Cramped(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as server:
        numbers = await scraped(server)

    assert numbers["dozen_processes"] == 1
    told = [line for line in server.log_lines if line["message"] == "metrics are not shared"]
    assert [(line["level"], line["reason"]) for line in told] == [("WARNING", "File too large")]


class Flawed(Server):
    command = ("-m", "tests.flawed_server")


async def flawed(mongod: Mongod, folder: Path, flaw: str, line: str) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Return the numbers of a server of two processes with a flaw, and the lines in which each says what is wrong."""
    env = {"WEB_CONCURRENCY": "2", "METRICS_KEY": KEY, "LOG_LEVEL": "DEBUG", "FLAW": flaw}
    async with Flawed(folder / "log", MONGO_DB_URI=mongod.uri, **env) as server:

        async def have_told() -> bool:
            return [each["message"] for each in server.log_lines].count(line) == 2

        await eventually(have_told, 30)
        numbers = await scraped(server)
        return numbers, [each for each in server.log_lines if each["message"] == line]


async def test_a_process_with_other_sources_counts_alone_and_says_so(mongod: Mongod, tmp_path: Path) -> None:
    numbers, told = await flawed(mongod, tmp_path, "sources", "metrics are not shared")

    reason = "other processes of the port count otherwise"
    assert [(line["level"], line["reason"]) for line in told] == [("WARNING", reason)] * 2
    assert numbers["dozen_processes"] == 1
    assert 'dozen_connections_limit{data_source="other"}' in numbers


async def test_a_look_up_of_numbers_that_fails_is_a_line_of_the_log_and_is_tried_again(
    mongod: Mongod, tmp_path: Path
) -> None:
    numbers, told = await flawed(mongod, tmp_path, "look", "metrics were not looked up")

    assert [(line["level"], line["cause"]) for line in told] == [("DEBUG", "RuntimeError")] * 2
    assert numbers["dozen_processes"] >= 1


async def test_where_no_process_is_at_work_none_has_started(worker: Worker, configured: pytest.MonkeyPatch) -> None:
    configured.setenv("METRICS_KEY", KEY)
    configured.setattr(metrics, "FRESH_SECONDS", -1.0)  # as if the machine had stood still during the look-up
    numbers = await scraped(worker)

    assert numbers["dozen_processes"] == 0
    assert "dozen_start_time_seconds" not in numbers
    assert "dozen_calls_limit" in numbers


async def test_processes_of_azures_worker_know_nothing_of_each_other(mongod: Mongod, tmp_path: Path, key: str) -> None:
    env = {"MONGO_DB_URI": mongod.uri, "METRICS_KEY": KEY}
    async with WorkerProcess(tmp_path / "one", **env) as one, WorkerProcess(tmp_path / "other", **env) as other:
        await Post(one, key)("find")
        numbers = [await scraped(one), await scraped(other)]

    assert [each[FIND] for each in numbers] == [1, 0]
    assert [each["dozen_processes"] for each in numbers] == [1, 1]
