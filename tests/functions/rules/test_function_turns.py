"""A server in which a function computes and does not end: others get their turns, and the end does not wait."""

import asyncio
import shutil
from pathlib import Path

from local.mongod import Mongod
from tests.functions.rules.conftest import SETTINGS, registered
from tests.functions.rules.test_app_functions import call
from tests.hosts import ROOT, Server


async def test_a_server_ends_while_a_function_computes(mongod: Mongod, tmp_path: Path, users: None) -> None:
    folder = shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop")
    (folder / "functions" / "loop.js").write_text("exports = () => { for (;;) {} }")
    environ = SETTINGS | {
        "APP_CONFIG_DIR": str(folder),
        "FUNCTION_TIMEOUT_MS": "3600000",
        "MONGO_DB_TIMEOUT_MS": "8000",
    }
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **environ) as server:
        ann = await registered(server, "ann@shop.example")
        bob = await registered(server, "bob@shop.example")
        loops = [asyncio.create_task(call(ann, {"name": "loop"})) for _ in range(4)]

        assert [(await each).status for each in loops] == [504] * 4
        assert (await call(bob, {"name": "echo", "arguments": ["orders"]})).status == 200
        server.process.terminate()

        assert await asyncio.to_thread(server.process.wait, 60) == 0
