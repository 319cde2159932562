"""A port for probes alone: they wait behind no calls there, and nothing else is served."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.mongod import Mongod
from local.ports import free_port
from shared.environment import health_port
from shared.settings import SettingsError
from tests.conftest import ACTION, request_body
from tests.edge import action, exchange
from tests.hosts import ROOT, Server, eventually

LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_probes_have_a_port_and_calls_have_another(
    mongod: Mongod, tmp_path: Path, key: str, processes: str
) -> None:
    port = free_port()
    env = {"HEALTH_PORT": str(port), "WEB_CONCURRENCY": processes}
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **env) as server:
        ready = LIVE.replace(b"live", b"ready")
        probes = [(await exchange(port, each))[0] for each in (LIVE, ready)]
        calls = [
            (await exchange(port, each))[0]
            for each in (
                action("find", key),
                LIVE.replace(b"/health/live", b"/"),
                LIVE.replace(b"/health/live", b"/healthy"),
                LIVE.replace(b"/health/live", b"/health/../app/x/endpoint/data/v1/action/find"),
                LIVE.replace(b"/health/live", b"/health%2flive/../../app"),
            )
        ]
        same = await server.request("GET", "/health/live")
        answered = await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.process.wait, 20)
        with pytest.raises(ConnectionRefusedError):
            await exchange(port, LIVE)

    assert [probe.status for probe in probes] == [200, 200]
    assert probes[0].json == same.json
    assert {call.status for call in calls} == {404}
    assert answered.status == 200
    assert server.process.returncode == 0


async def test_a_port_that_is_taken_ends_the_server(mongod: Mongod, server: Server) -> None:
    env = os.environ | {"MONGO_DB_URI": mongod.uri, "LISTEN_PORT": str(free_port()), "HEALTH_PORT": str(server.port)}
    env |= {"LISTEN_HOST": "127.0.0.1"}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "server"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 3
    assert "address already in use" in done.stdout.lower()


@pytest.mark.parametrize("text", ["x", "0", "70000"])
def test_a_port_that_is_none_is_said(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^HEALTH_PORT is not usable"):
        health_port({"HEALTH_PORT": text})
    assert health_port({"HEALTH_PORT": " "}) is None


async def test_a_probe_does_not_wait_for_a_flood_of_connections(mongod: Mongod, tmp_path: Path) -> None:
    port = free_port()
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, HEALTH_PORT=str(port)) as server:
        writers = []

        async def flood() -> None:
            for _ in range(1_500):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writers.append(writer)

        flooding = [asyncio.create_task(flood()) for _ in range(2)]
        waited = []
        while not all(each.done() for each in flooding):
            began = time.monotonic()
            assert (await exchange(port, LIVE, pause=0))[0].status == 200
            waited.append(time.monotonic() - began)
        for writer in writers:
            writer.transport.abort()

        async def answers() -> bool:
            return (await server.request("GET", "/health/live")).status == 200

        await eventually(answers)
    assert sorted(waited)[len(waited) // 2] < 0.1
