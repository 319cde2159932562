"""Application Insights, through both backends and both hosts, against a fake ingestion server."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local.mongod import Mongod
from local.ports import free_port
from shared import environment
from shared.documents import transcoder
from shared.service import process
from shared.settings import VERSION
from tests.conftest import ACTION, FailPoint, request_body
from tests.hosts import ROOT, Answer, EagerServer, Server, Worker, WorkerProcess, eventually
from tests.ingestion import KEY, TOKEN, Ingestion, Item, certificate_in
from tests.leaks import PLANTED

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE[::-1]}-{PARENT}-00"
BACKENDS = ["opencensus", "opentelemetry"]
FIND = {"filter": {PLANTED: PLANTED}}


class Reported(NamedTuple):
    """What a host sent and logged about three calls: an insert in a trace, a find out of any, and a refused one."""

    host: str
    backend: str
    items: list[Item]
    bodies: list[str]
    paths: list[str]
    answers: list[Answer]
    log_lines: list[dict[str, Any]]

    def of(self, kind: str) -> list[Item]:
        return [item for item in self.items if item.kind == kind]

    def metrics(self, name: str) -> dict[tuple[str, ...], tuple[int, float]]:
        """Return count and sum of a metric by the values of its labels."""
        sums: dict[tuple[str, ...], tuple[int, float]] = {}
        for item in self.of("MetricData"):
            point = item.data["metrics"][0]
            if point["name"] == name:
                labels = tuple(item.data["properties"].values())
                count, total = sums.get(labels, (0, 0.0))
                sums[labels] = count + point["count"], total + point["value"]
        return sums


async def calls(post: Callable[..., Any], key: str, trace_parent: str) -> list[Answer]:
    return [
        await post("insertOne", {"apiKey": key}, {"document": {"_id": PLANTED, PLANTED: PLANTED}}, trace_parent),
        await post("find", {"apiKey": key}, FIND, ""),
        await post("find", {"apiKey": f"wrong-{PLANTED}"}, FIND, ""),
        await post("find", {"apiKey": key}, FIND, UNSAMPLED),
    ]


def counted(fake: Ingestion) -> bool:
    """Whether the metrics of all four calls have come: what else there is to come comes first, or with them."""
    points = [item.data["metrics"][0] for item in fake.of("MetricData")]
    calls: int = sum(point["count"] for point in points if point["name"] == "dozen.request.duration_ms")
    return calls == 4


async def _server_run(backend: str, mongod: Mongod, key: str, log: Path) -> Reported:
    """Have server.py report to a fake Application Insights; its connection string ends as the portal's does."""
    with Ingestion() as fake:
        connection = fake.env["APPLICATIONINSIGHTS_CONNECTION_STRING"] + ";"
        env = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection, "TELEMETRY_BACKEND": backend}
        async with EagerServer(log, MONGO_DB_URI=mongod.uri, CONTAINER_APP_NAME="films-api", **env) as server:

            async def post(action: str, headers: dict[str, str], members: Any, trace_parent: str) -> Answer:
                headers |= {"traceparent": trace_parent} if trace_parent else {}
                return await server.request("POST", ACTION + action, headers, request_body(**members))

            answers = await calls(post, key, SAMPLED)
            await server.request("GET", "/health/live")
            await asyncio.to_thread(fake.wait_for, lambda: counted(fake) and len(fake.of("RequestData")) >= 3)
            await asyncio.to_thread(fake.wait_for, lambda: fake.of("MessageData"))
        return Reported("server", backend, fake.items, fake.bodies, fake.paths, answers, server.log_lines)


async def _worker_run(backend: str, mongod: Mongod, key: str, log: Path) -> Reported:
    """Have Azure's worker do the same; the header names who called the host, the context the host's own request."""
    with Ingestion() as fake:
        env = fake.env | {"TELEMETRY_BACKEND": backend, "WEBSITE_SITE_NAME": "films-functions"}
        async with WorkerProcess(log, MONGO_DB_URI=mongod.uri, **env) as worker:

            async def post(action: str, headers: dict[str, str], members: Any, trace_parent: str) -> Answer:
                headers |= {"traceparent": f"00-{TRACE}-{'c' * 16}-01"}
                body = request_body(**members)
                return await worker.request("POST", ACTION + action, headers, body, trace_parent)

            answers = await calls(post, key, SAMPLED)
            await asyncio.to_thread(fake.wait_for, lambda: counted(fake) and len(fake.of("RemoteDependencyData")) >= 3)
        return Reported("Azure Functions", backend, fake.items, fake.bodies, fake.paths, answers, worker.log_lines)


RUNS = {"server": _server_run, "Azure Functions": _worker_run}


@pytest.fixture(scope="module")
def runs(
    mongod: Mongod, key: str, tmp_path_factory: pytest.TempPathFactory, driver: Any
) -> Callable[[str, str], Awaitable[Reported]]:
    """Give what a host reported through a backend; it runs once."""
    reported: dict[tuple[str, str], Reported] = {}

    async def run(host: str, backend: str) -> Reported:
        if (host, backend) not in reported:
            await driver["shop"]["items"].drop()
            log = tmp_path_factory.mktemp("telemetry") / "log"
            reported[host, backend] = await RUNS[host](backend, mongod, key, log)
        return reported[host, backend]

    return run


@pytest.fixture(params=BACKENDS)
async def from_server(request: pytest.FixtureRequest, runs: Callable[[str, str], Awaitable[Reported]]) -> Reported:
    """What server.py reported, through each backend."""
    return await runs("server", request.param)


@pytest.fixture(params=BACKENDS)
async def from_worker(request: pytest.FixtureRequest, runs: Callable[[str, str], Awaitable[Reported]]) -> Reported:
    """What Azure's worker reported, through each backend."""
    return await runs("Azure Functions", request.param)


@pytest.fixture(params=[(host, backend) for host in RUNS for backend in BACKENDS], ids=" ".join)
async def reported(request: pytest.FixtureRequest, runs: Callable[[str, str], Awaitable[Reported]]) -> Reported:
    """What each host reported through each backend."""
    return await runs(*request.param)


async def logged(server: Server, message: str) -> bool:
    return any(line["message"] == message for line in server.log_lines)


def one(items: list[Item], **data: Any) -> Item:
    """Return the only item whose data has these members."""
    (item,) = [item for item in items if data.items() <= item.data.items()]
    return item


async def test_a_request_is_the_child_of_who_called(from_server: Reported) -> None:
    item = one(from_server.of("RequestData"), name="POST insertOne")

    assert item.tags["ai.operation.id"] == TRACE
    assert item.tags["ai.operation.parentId"] == PARENT
    assert item.tags["ai.cloud.role"] == "films-api"
    assert item.tags["ai.application.ver"] == VERSION
    assert (item.data["responseCode"], item.data["success"]) == ("201", True)
    assert item.data["properties"]["dozen.namespace"] == "shop.items"
    assert item.data["duration"].startswith("0.00:00:")


async def test_a_refused_request_failed(from_server: Reported) -> None:
    item = one(from_server.of("RequestData"), responseCode="401")

    assert item.data["success"] is False
    assert item.data["properties"]["dozen.error_code"] == "InvalidSession"


async def test_a_command_is_a_dependency_of_its_request(from_server: Reported) -> None:
    request = one(from_server.of("RequestData"), name="POST insertOne")

    item = one(from_server.of("RemoteDependencyData"), name="insert shop.items")

    assert item.tags["ai.operation.id"] == TRACE
    assert item.tags["ai.operation.parentId"] == request.data["id"]
    assert (item.data["type"], item.data["success"]) == ("mongodb", True)
    assert item.data["target"].startswith("127.0.0.1")


async def test_requests_out_of_a_trace_begin_one_each(from_server: Reported) -> None:
    found, refused = [item for item in from_server.of("RequestData") if item.data["name"] == "POST find"]

    assert "ai.operation.parentId" not in found.tags
    assert found.tags["ai.operation.id"] != refused.tags["ai.operation.id"]
    assert (
        one(from_server.of("RemoteDependencyData"), name="find shop.items").tags["ai.operation.parentId"]
        == (found.data["id"])
    )


async def test_what_is_not_sampled_is_only_counted(from_server: Reported) -> None:
    assert {TRACE[::-1]} & {item.tags.get("ai.operation.id") for item in from_server.items} == set()
    assert from_server.metrics("dozen.request.duration_ms")["find", "2xx"][0] == 2


async def test_the_log_names_the_trace(from_server: Reported) -> None:
    line = next(line for line in from_server.log_lines if line.get("operation") == "insertOne")

    assert line["trace_id"] == TRACE


async def test_azures_host_reports_its_requests_itself(from_worker: Reported) -> None:
    assert from_worker.of("RequestData") == []
    assert from_worker.of("MessageData") == []
    assert from_worker.of("ExceptionData") == []


async def test_in_azure_a_command_is_a_dependency_of_the_hosts_request(from_worker: Reported) -> None:
    item = one(from_worker.of("RemoteDependencyData"), name="insert shop.items")

    assert item.tags["ai.operation.id"] == TRACE
    assert item.tags["ai.operation.parentId"] == PARENT
    assert item.tags["ai.cloud.role"] == "films-functions"


async def test_metrics_count_calls_documents_and_refusals(reported: Reported) -> None:
    durations = reported.metrics("dozen.request.duration_ms")

    assert {labels: count for labels, (count, _) in durations.items()} == {
        ("insertOne", "2xx"): 1, ("find", "2xx"): 2, ("find", "4xx"): 1,
    }  # fmt: skip
    assert all(total > 0 for _, total in durations.values())
    assert reported.metrics("dozen.documents")["insertOne",] == (1, 1)
    assert reported.metrics("dozen.refusals") == {("find", "InvalidSession"): (1, 1)}


async def test_telemetry_holds_nothing_of_documents_filters_and_keys(reported: Reported, key: str) -> None:
    assert [answer.status for answer in reported.answers] == [201, 200, 401, 200]
    assert reported.answers[1].json == {"documents": [{"_id": PLANTED, PLANTED: PLANTED}]}
    assert [body for body in reported.bodies if PLANTED in body or key in body] == []


async def test_everything_goes_to_the_instrumentation_key_of_the_setting(reported: Reported) -> None:
    assert {envelope["iKey"] for body in reported.bodies for envelope in json.loads(body)} == {KEY}
    assert {path.partition("?")[0] for path in reported.paths} == {"/v2.1/track"}


async def test_log_lines_other_than_those_of_requests_are_sent(from_server: Reported) -> None:
    messages = {item.data["message"] for item in from_server.of("MessageData")}

    assert {"started", "MongoDB server"} <= messages
    assert "request" not in messages


async def test_the_first_line_says_which_settings_are_on(reported: Reported) -> None:
    line = reported.log_lines[0]

    assert (line["message"], line["version"], line["telemetry"]) == ("started", VERSION, reported.backend)
    assert (line["host"], line["native"]) == (reported.host, transcoder.load("auto").state)
    assert line["data_sources"] == ["mongodb-atlas"]
    assert {"APPLICATIONINSIGHTS_CONNECTION_STRING", "MONGO_DB_URI", "TELEMETRY_BACKEND"} <= set(line["settings"])


@pytest.mark.parametrize("backend", BACKENDS)
async def test_logs_can_be_kept_at_home(mongod: Mongod, key: str, tmp_path: Path, backend: str) -> None:
    with Ingestion() as fake:
        env = fake.env | {"TELEMETRY_BACKEND": backend, "TELEMETRY_LOGS_TO_APPINSIGHTS": "off"}
        async with EagerServer(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as server:
            await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())
            await asyncio.to_thread(fake.wait_for, lambda: fake.of("RequestData") and fake.of("MetricData"))

    assert fake.of("MessageData") == []


async def test_the_lines_of_a_worker_are_sent_once_where_that_is_wanted(
    mongod: Mongod, key: str, tmp_path: Path
) -> None:
    with Ingestion() as fake:
        env = fake.env | {"TELEMETRY_LOGS_TO_APPINSIGHTS": "on"}
        async with WorkerProcess(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as worker:
            await worker.request("POST", ACTION + "find", {"apiKey": key}, request_body())
            await asyncio.to_thread(fake.wait_for, lambda: fake.of("MessageData") and fake.of("MetricData"))

    messages = [item.data["message"] for item in fake.of("MessageData")]
    assert messages.count("started") == 1
    assert "request" not in messages


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_a_stopping_server_knows_is_sent(mongod: Mongod, key: str, tmp_path: Path, backend: str) -> None:
    with Ingestion() as fake:
        async with EagerServer(
            tmp_path / "log", MONGO_DB_URI=mongod.uri, TELEMETRY_BACKEND=backend, **fake.env
        ) as server:
            await asyncio.to_thread(fake.wait_for, lambda: fake.of("MessageData"))  # the backend is up
            await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert fake.of("RequestData")
    assert fake.of("MetricData")
    assert "stopped" in [item.data["message"] for item in fake.of("MessageData")]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ending", ["dead", "slow", "500"])
async def test_a_call_never_notices_that_telemetry_is_lost(
    mongod: Mongod, key: str, database: Any, tmp_path: Path, backend: str, ending: str
) -> None:
    await database.items.insert_many([{"_id": number} for number in range(3)])
    with Ingestion(status=500 if ending == "500" else 200, delay=20 if ending == "slow" else 0) as fake:
        url = f"http://127.0.0.1:{free_port()}" if ending == "dead" else fake.url
        env = {"APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY};IngestionEndpoint={url}"}
        async with EagerServer(tmp_path / "log", MONGO_DB_URI=mongod.uri, TELEMETRY_BACKEND=backend, **env) as server:
            headers = {"apiKey": key}
            before = [await server.request("POST", ACTION + "find", headers, request_body()) for _ in range(20)]
            if ending != "dead":
                await asyncio.to_thread(fake.wait_for, lambda: fake.bodies)  # the exporter is at it
            after = [await server.request("POST", ACTION + "find", headers, request_body()) for _ in range(20)]

    assert {(answer.status, answer.body) for answer in before + after} == {
        (200, b'{"documents":[{"_id":0},{"_id":1},{"_id":2}]}')
    }
    assert server.process.returncode == 0
    undelivered = [line for line in server.log_lines if line["message"] == "telemetry is not delivered"]
    assert len(undelivered) <= 1  # once in five minutes
    assert {line["logger"] for line in server.log_lines} == {"dozen"}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "connection",
    [
        pytest.param(f"{PLANTED}=x;y", id="nonsense"),
        pytest.param(f"InstrumentationKey={PLANTED}", id="a key that is no GUID"),
        pytest.param(f"@Microsoft.KeyVault(SecretUri=https://{PLANTED}.example)", id="unresolved reference"),
    ],
)
async def test_a_wrong_connection_string_is_one_warning(
    mongod: Mongod, key: str, tmp_path: Path, backend: str, connection: str
) -> None:
    env = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection, "TELEMETRY_BACKEND": backend}
    async with EagerServer(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as server:
        answer = await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())
        await eventually(lambda: logged(server, "telemetry is off"), 60)

    assert answer.status == 200
    (warning,) = [line for line in server.log_lines if line["level"] != "INFO"]
    assert (warning["message"], warning["backend"], warning["cause"]) == ("telemetry is off", backend, "ValueError")
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING" in warning["reason"]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_resource_without_keys_gets_the_identitys_token(
    mongod: Mongod, key: str, tmp_path: Path, backend: str
) -> None:
    certificate = certificate_in(tmp_path)  # a token is sent through TLS only
    with Ingestion(certificate=certificate) as fake:
        env = fake.env | {
            "TELEMETRY_BACKEND": backend,
            "REQUESTS_CA_BUNDLE": str(certificate),
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=the-identity;Authorization=AAD",
            "IDENTITY_ENDPOINT": f"{fake.url}/token",
            "IDENTITY_HEADER": "the-header",
        }
        async with EagerServer(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as server:
            await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())
            await asyncio.to_thread(fake.wait_for, lambda: fake.of("RequestData"))

    assert {headers["authorization"] for headers in fake.headers} == {f"Bearer {TOKEN}"}
    assert "client_id=the-identity" in fake.asked_for_tokens[0]
    assert "resource=https://monitor.azure.com" in fake.asked_for_tokens[0]
    assert TOKEN not in server.log.read_text()


async def test_an_authentication_that_is_not_understood_is_one_warning(
    mongod: Mongod, key: str, tmp_path: Path
) -> None:
    with Ingestion() as fake:
        env = fake.env | {"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Authorization=Basic"}
        async with EagerServer(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as server:
            answer = await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())
            await eventually(lambda: logged(server, "telemetry is off"), 60)

    assert answer.status == 200
    assert [line["message"] for line in server.log_lines if line["level"] == "WARNING"] == ["telemetry is off"]
    assert fake.bodies == []


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({}, id="no connection string"),
        pytest.param(
            {"APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY}", "TELEMETRY_BACKEND": "none"},
            id="none is asked for",
        ),
        pytest.param({"TELEMETRY_BACKEND": "opentelemetry"}, id="a backend without a connection string"),
    ],
)
def test_who_asks_for_no_telemetry_imports_none(mongod: Mongod, env: dict[str, str]) -> None:
    code = (
        "import sys, function_app; unwanted = {'opencensus', 'opentelemetry', 'requests', 'psutil', 'azure.identity'};"
        "print([name for name in sys.modules if name in unwanted])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"MONGO_DB_URI": mongod.uri} | env, capture_output=True, check=True
    )

    assert done.stdout == b"[]\n"


def test_reports_about_the_exporters_are_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", raising=False)
    monkeypatch.setenv("APPLICATIONINSIGHTS_SDKSTATS_DISABLED", "false")
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED", "")
    monkeypatch.setenv("APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED", "")

    environment.prepare_exporters()

    assert os.environ["APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"] == "true"
    assert os.environ["APPLICATIONINSIGHTS_SDKSTATS_DISABLED"] == "false"


class Broken:
    """A backend of which nothing works."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(PLANTED)


async def test_a_backend_that_is_broken_costs_no_answer(
    worker: Worker, key: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: Any = Broken()
    monkeypatch.setattr(process.reporting, "_backend", broken)
    monkeypatch.setattr(process.reporting, "_silent_until", 0.0)

    answers = [await worker.request("POST", ACTION + "find", {"apiKey": key}, request_body()) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert caplog.text.count("telemetry is not delivered") == 1
    assert "RuntimeError" in caplog.text


async def test_a_slow_command_is_logged_without_its_content(
    mongod: Mongod, key: str, database: Any, tmp_path: Path, fail_point: FailPoint
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, SLOW_MS="300") as server:
        headers = {"apiKey": key, "traceparent": SAMPLED}
        await fail_point("find", blockConnection=True, blockTimeMS=400)
        await server.request("POST", ACTION + "find", headers, request_body(**FIND))
        await fail_point("insert", blockConnection=True, blockTimeMS=400, errorCode=11602)
        await server.request("POST", ACTION + "insertOne", headers, request_body(document={"_id": PLANTED}))

    lines = [line for line in server.log_lines if line["message"] == "slow command"]
    blocked = {("find", "dozen.api_keys"), ("insert", "shop.items")}  # all others are slow, too, if the machine is busy
    lines = [line for line in lines if (line["command"], line["namespace"]) in blocked]
    shown = ("level", "command", "namespace", "operation", "trace_id")
    assert [tuple(line[name] for name in shown) for line in lines[:2]] == [
        ("WARNING", "find", "dozen.api_keys", "find", TRACE),
        ("WARNING", "insert", "shop.items", "insertOne", TRACE),
    ]
    assert lines[0]["duration_ms"] >= 400
    assert lines[0].keys() == {
        "time", "level", "logger", "message", "command", "namespace", "duration_ms", "error", "operation", "trace_id",
    }  # fmt: skip
    assert lines[1]["error"] == "InterruptedDueToReplStateChange"
    assert PLANTED not in server.log.read_text()


async def test_a_command_that_the_deadline_ends_is_a_slow_one(
    mongod: Mongod, key: str, database: Any, tmp_path: Path, fail_point: FailPoint
) -> None:
    env = {"SLOW_MS": "500", "MONGO_DB_TIMEOUT_MS": "1000"}
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as server:
        await server.request("POST", ACTION + "insertOne", {"apiKey": key}, request_body(document={"_id": 1}))
        await fail_point("insert", blockConnection=True, blockTimeMS=60_000)
        answer = await server.request("POST", ACTION + "insertOne", {"apiKey": key}, request_body(document={"_id": 2}))

    assert answer.status == 504
    lines = [line for line in server.log_lines if line["message"] == "slow command"]
    (line,) = [line for line in lines if line["error"]]  # any other is slow, too, if the machine is busy
    assert (line["command"], line["namespace"], line["error"]) == ("insert", "shop.items", "CancelledError")
    assert 900 < line["duration_ms"] < 20_000
