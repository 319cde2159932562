"""WEB_CONCURRENCY: several server processes on one port."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local import ports
from local.mongod import Mongod
from tests.conftest import ACTION, request_body
from tests.hosts import ROOT, Server, eventually
from tests.traffic import Traffic


@pytest.fixture
async def three(mongod: Mongod, tmp_path: Path) -> AsyncIterator[Server]:
    """A server of three processes, all of which have started."""
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, WEB_CONCURRENCY="3") as running:
        await eventually(lambda: started(running, 4), 60)
        yield running


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


async def started(server: Server, number: int) -> bool:
    """Tell whether so many processes have started, the parent among them."""
    return [line["message"] for line in server.log_lines].count("started") >= number


async def test_a_port_has_as_many_processes_as_are_asked_for(three: Server) -> None:
    assert len(three.family) == 1 + 3


async def test_one_process_needs_no_other(mongod: Mongod, tmp_path: Path) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, WEB_CONCURRENCY="1") as server:
        assert server.family == [server.process.pid]


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)])
async def test_a_process_that_is_ended_alone_is_replaced_while_the_others_serve(
    three: Server, key: str, database: Any, number: signal.Signals, exit_code: int
) -> None:
    before = three.family
    async with Traffic(three.port, key).of(8) as traffic:
        await traffic.more(50)
        os.kill(before[1], number)
        await traffic.more(50)
        await eventually(lambda: started(three, 5), 60)
    after = three.family
    later = await three.request("POST", ACTION + "findOne", {"apiKey": key}, request_body())  # on a new connection

    assert later.status == 200
    assert len(after) == 4
    assert len({*before} & {*after}) == 3
    assert traffic.wrong == []
    replaced = [line for line in three.log_lines if line["message"] == "a server process died and is replaced"]
    assert [(line["level"], line["process"], line["exit_code"]) for line in replaced] == [
        ("ERROR", before[1], exit_code)
    ]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_the_parent_ends_all_in_order(three: Server, stop: signal.Signals) -> None:
    family = three.family
    three.process.send_signal(stop)
    code = await asyncio.to_thread(three.process.wait, 30)

    assert code == 0
    assert not any(map(is_running, family))
    assert "Traceback" not in three.log.read_text()


async def test_ctrl_c_in_a_terminal_reaches_all_and_they_end_in_order(three: Server, key: str, database: Any) -> None:
    async with Traffic(three.port, key).of(8) as traffic:
        await traffic.more(50)
    os.killpg(three.process.pid, signal.SIGINT)
    code = await asyncio.to_thread(three.process.wait, 30)

    assert code == 0
    assert "Traceback" not in three.log.read_text()


async def test_a_signal_while_the_processes_start_ends_them(mongod: Mongod, tmp_path: Path) -> None:
    server = Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, WEB_CONCURRENCY="3")
    async with server:
        server.process.send_signal(signal.SIGTERM)  # the first of them answers, the others may still import
        code = await asyncio.to_thread(server.process.wait, 30)

    assert code == 0
    assert "Traceback" not in server.log.read_text()


async def test_the_processes_of_a_parent_that_is_killed_leave_the_port(three: Server) -> None:
    family = three.family
    await three.kill()

    async def all_gone() -> bool:
        return not any(map(is_running, family))

    await eventually(all_gone, 60)
    assert ports.is_free(three.port)


async def test_a_port_in_use_ends_them_all(server: Server, mongod: Mongod) -> None:
    env = {
        "LISTEN_PORT": str(server.port), "LISTEN_HOST": "127.0.0.1", "MONGO_DB_URI": mongod.uri, "WEB_CONCURRENCY": "2"
    }  # fmt: skip

    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "server"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 3
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert any("ddress already in use" in line["message"] for line in lines)


async def test_each_process_has_its_share_of_the_connections(mongod: Mongod, tmp_path: Path, key: str) -> None:
    settings = {"WEB_CONCURRENCY": "2", "MONGO_DB_MAX_CONNECTIONS": "5"}
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **settings) as server:
        answer = await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert answer.status == 503
    assert "MONGO_DB_MAX_CONNECTIONS is too small: 2 processes need at least 6" in server.log.read_text()
