"""GET /metrics, as Prometheus reads it, from both hosts."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from local.mongod import Mongod
from local.ports import free_port
from shared.settings import Settings, SettingsError
from shared.telemetry.metrics import OPERATIONS
from tests.conftest import ACTION, request_body
from tests.hosts import ROOT, Answer, Host, Server, Worker, eventually

KEY = "metrics-key-0123456789"  # in no log: tests.leaks looks for it
BEARER = {"Authorization": f"Bearer {KEY}"}
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
        await eventually(lambda: _has_started(server, 2), 60)
        yield server


async def _has_started(server: Server, number: int) -> bool:
    """Tell whether so many processes have begun to count, and two are at work."""
    try:
        numbers = await scraped(server, Connection="close")
    except httpx.TransportError:  # the one that was killed had taken the connection
        return False
    return (numbers["dozen_process_starts_total"], numbers["dozen_processes"]) == (number, 2)


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


@pytest.mark.parametrize("value", ["short", "fifteen letters", "sixteen or more but spaces"])
def test_a_key_that_could_be_guessed_is_refused_and_not_repeated(value: str) -> None:
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
    await eventually(lambda: _has_started(two, 3), 60)
    after = await scraped(two, Connection="close")

    assert {answer.status for answer in answers} == {200}
    assert before[FIND] == after[FIND] == len(sent)
    assert before["dozen_processes"] == 2
    assert [name for name in before if name.endswith("_total") and after[name] < before[name]] == []
    assert after["dozen_process_starts_total"] == before["dozen_process_starts_total"] + 1 == 3


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


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "alerts.yml"])
async def test_what_is_asked_of_prometheus_exists(file: str, worker: Worker, configured: pytest.MonkeyPatch) -> None:
    configured.setenv("METRICS_KEY", KEY)
    answer = await worker.request("GET", "/metrics", BEARER)
    known = set(re.findall(r"^# TYPE (\w+)", answer.body.decode(), re.MULTILINE))

    text = (ROOT / "infra" / file).read_text()
    asked = {name.removesuffix("_bucket") for name in re.findall(r"\bdozen_\w+", text)}
    assert asked - known == set()
    assert len(asked) >= 5


def test_the_dashboard_has_a_query_in_each_panel() -> None:
    panels = json.loads((ROOT / "infra" / "grafana-dashboard.json").read_text())["panels"]

    assert all(target["expr"].count("(") == target["expr"].count(")") for each in panels for target in each["targets"])
    assert len({panel["title"] for panel in panels}) == len(panels) >= 10
