"""Nothing that a caller sends gets into a log, and the check for that at the end of a test run would see it."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from shared.auth.keys import new_key
from tests.conftest import ACTION, FailPoint, request_body
from tests.functions.rules.conftest import CLIENT, SETTINGS
from tests.hosts import ROOT, EagerServer, WorkerProcess
from tests.ingestion import Ingestion
from tests.leaks import PLANTED

P = PLANTED
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("insertOne", {"document": {"_id": P, P: P, "deep": [{P: P}]}}),
    ("insertOne", {"document": {"_id": P}}),
    ("insertMany", {"documents": [{"_id": P}, {"_id": P}]}),
    ("findOne", {"filter": {"_id": P}, "projection": {P: 1}}),
    ("find", {"filter": {P: {"$foo": P}}}),
    ("find", {"filter": {"$where": P}}),
    ("find", {"filter": {P: P}, "sort": {P: 1}}),
    ("find", {"sort": {P: P}}),
    ("find", {"filter": {"$expr": {"$eq": [{"$toInt": P}, 1]}}}),
    ("find", {"filter": {"a": {"$oid": P}}}),
    ("aggregate", {"pipeline": [{"$match": {P: P}}, {"$project": {P: {"$literal": P}}}]}),
    ("aggregate", {"pipeline": [{"$" + P: P}]}),
    ("aggregate", {"pipeline": [{"$lookup": {"from": P, "as": P, "localField": P, "foreignField": P}}]}),
    ("updateOne", {"filter": {"_id": P}, "update": {"$set": {P: P}}}),
    ("updateOne", {"filter": {"_id": P}, "update": {"$inc": {P: P}}}),
    ("updateMany", {"filter": {P: P}, "update": [{"$set": {P: P}}], "upsert": True}),
    ("updateOne", {"filter": {}, "update": {"$set": {"a.$[x]": P}}, "arrayFilters": [{"x": P}]}),
    ("replaceOne", {"filter": {"_id": P}, "replacement": {P: P}, "upsert": True}),
    ("deleteOne", {"filter": {P: P}}),
    ("deleteMany", {"filter": {"_id": {"$in": [P]}}}),
]
CREDENTIALS: list[dict[str, str]] = [
    {"apiKey": f"{P}-key"},
    {"api-key": f"{P}-key"},
    {"Authorization": f"Bearer {P}"},
    {"Authorization": f"Basic {P}"},
    {"email": f"{P}@x.example", "password": P},
    {"jwtTokenString": P},
]
CLIENT_CALLS: list[tuple[str, str, Any]] = [
    ("POST", "local-userpass/login", {"username": f"{P}@x.example", "password": P}),
    ("POST", "local-userpass/register", {"email": f"{P}@x.example", "password": P + P}),
    ("POST", "local-userpass/reset", {"password": P + P, "token": P, "tokenId": P}),
    ("POST", "api-key/login", {"key": P}),
    ("POST", "custom-token/login", {"token": P}),
    ("POST", "custom-function/login", {P: P}),
    ("POST", f"{P}/login", {P: P}),
]
FAULTS: list[dict[str, Any]] = [{"errorCode": 8}, {"errorCode": 13}, {"errorCode": 11600}, {"closeConnection": True}]
LEAK = """
import logging

from tests import leaks


def test_it(tmp_path):
    {leak}
    leaks.log(tmp_path / "log")
    (tmp_path / "log").write_text({text!r})
"""


def given(url: str) -> str:
    return f"{url}?secret={P}&{P}=1"


@pytest.mark.parametrize(
    ("host", "backend"),
    [(host, backend) for host in (EagerServer, WorkerProcess) for backend in ("opencensus", "opentelemetry")],
)
async def test_no_log_and_no_telemetry_holds_what_a_caller_sent(
    mongod: Mongod, key: str, tmp_path: Path, fail_point: FailPoint, host: Any, backend: str
) -> None:
    ours = {"LOG_LEVEL": "DEBUG", "SLOW_MS": "1", "TELEMETRY_BACKEND": backend, "TELEMETRY_LOGS_TO_APPINSIGHTS": "on"}
    headers = {"apiKey": key, "User-Agent": P, "X-Forwarded-For": P, "Referer": P, "Cookie": P, "traceparent": P}
    with Ingestion() as fake:
        env = SETTINGS | ours | fake.env | {"METRICS_KEY": f"{P}-of-metrics"}
        uri = f"{mongod.uri}&heartbeatFrequencyMS=500"  # else the driver looks again ten seconds after a fault
        async with host(tmp_path / "log", MONGO_DB_URI=uri, **env) as running:
            for action, members in CALLS:
                await running.request("POST", given(ACTION + action), headers, request_body(**members))
            for credentials in CREDENTIALS:
                await running.request("POST", given(ACTION + "find"), credentials, request_body(filter={P: P}))
            for scheme in ("Bearer", "Basic"):
                scraped = {"Authorization": f"{scheme} {P}-of-metrics"}
                await running.request("GET", given("/metrics"), scraped)
            for method, path, members in CLIENT_CALLS:
                content = request_body(**members)
                await running.request(method, given(f"{CLIENT}/auth/providers/{path}"), {}, content)
            for fault in FAULTS:
                await fail_point("insert", times=2, **fault)
                await running.request("POST", ACTION + "insertOne", headers, request_body(document={P: P}))
            await running.request("POST", given(f"/{P}"), headers, P.encode())
            await running.request("POST", ACTION + "find", headers, P.encode())
            await asyncio.to_thread(fake.wait_for, lambda: fake.of("RemoteDependencyData") and fake.of("MetricData"))

    text = running.log.read_text()
    assert text.count('"request"') >= len(CALLS) + len(CREDENTIALS) + len(CLIENT_CALLS) + len(FAULTS) + 2
    assert '"slow command"' in text
    assert '"unexpected error"' in text
    secrets = [P, key, SETTINGS["SESSION_SECRET"], SETTINGS["APP_SECRET_JWT_KEY"]]
    assert [secret for secret in secrets if secret in text + "".join(fake.bodies)] == []


CRASH = """
import os


def test_it():
    os._exit(3)
"""


def pytest_on(directory: Path, leak: str, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "conftest.py").write_text("from tests.leaks import *  # noqa: F403")
    (directory / "test_leak.py").write_text(LEAK.format(leak=leak, text=text))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", f"--rootdir={directory}", *options, "."]
    env = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # other plugins take half a second
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("leak", "text"),
    [
        pytest.param("pass", f"a line with {P}", id="the marker, in a file"),
        pytest.param("logging.getLogger('dozen').error('%s', leaks.PLANTED)", "", id="the marker, in this process"),
        pytest.param("leaks.exchange('/x', {'ApiKey': 'key-of-a-caller'}, b'', b'')", "key-of-a-caller", id="a key"),
        pytest.param(
            "leaks.exchange('/x', {'Authorization': 'Bearer token-of-a-user'}, b'', b'')",
            "token-of-a-user",
            id="a token",
        ),
        pytest.param(
            "leaks.exchange('/api/client/v2.0/auth/session', {}, b'', b'{\"access_token\": \"made-for-you\"}')",
            "made-for-you",
            id="a token that was given",
        ),
        pytest.param(
            "leaks.environment({'MONGO_DB_URI__A': 'mongodb://u:p%40ss-of-mongo@h/'})", "p@ss-of-mongo", id="a password"
        ),
        pytest.param("leaks.environment({'METRICS_KEY': 'who-reads-numbers'})", "who-reads-numbers", id="METRICS_KEY"),
        pytest.param("leaks.secret('with \"quotes\"', 'x')", r'{"a": "with \"quotes\""}', id="as it is in JSON"),
    ],
)
def test_a_leak_fails_the_run_and_is_named_without_its_value(tmp_path: Path, leak: str, text: str) -> None:
    done = pytest_on(tmp_path, leak, text)

    assert "1 passed" in done.stdout
    assert done.returncode == 1
    assert "1 secrets in logs" in done.stdout
    assert (text or P) not in done.stdout.partition("secrets in logs")[2]


def test_a_run_without_leaks_passes(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, "leaks.secret('never logged', 'x')", "a harmless line")

    assert (done.returncode, "0 secrets in logs" in done.stdout) == (0, True)


def test_a_leak_in_one_of_several_workers_fails_the_run(tmp_path: Path) -> None:
    harmless = LEAK.format(leak="leaks.secret('of one worker', 'x')", text="of the other one: of two workers")
    for number in range(3):
        (tmp_path / f"test_other_{number}.py").write_text(harmless)

    done = pytest_on(tmp_path, "pass", f"a line with {P}", "--numprocesses=2", "--dist=load")

    assert "4 passed" in done.stdout
    assert done.returncode == 1
    assert "1 secrets in logs: 4 files and 0 other texts were looked through for 4 secrets" in done.stdout
    assert P not in done.stdout.partition("secrets in logs")[2]


def test_workers_without_leaks_pass(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, "leaks.secret('never logged', 'x')", "a harmless line", "--numprocesses=2")

    assert (done.returncode, "0 secrets in logs: 1 files and" in done.stdout) == (0, True)


def test_a_worker_that_ends_before_its_logs_are_looked_through_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_crash.py").write_text(CRASH)

    done = pytest_on(tmp_path, "pass", "a harmless line", "--numprocesses=2", "--max-worker-restart=0")

    assert done.returncode == 1
    assert " ended before its logs were looked through" in done.stdout


def test_a_log_that_is_gone_fails_the_run(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, "leaks.log(tmp_path / 'nowhere')", "")

    assert done.returncode != 0


def test_a_new_key_is_long_enough_to_be_looked_for() -> None:
    key, _ = new_key("x")

    assert len(key) >= 40
