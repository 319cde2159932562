"""Asks twins any number of calls: `make twins N=100000 SEED=3`."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pymongo import AsyncMongoClient

from local.mongod import Mongod
from shared.service import process
from tests.twins.changes import Changes
from tests.twins.host import SETTINGS, Host
from tests.twins.plain import Document
from tests.twins.reads import Reads
from tests.twins.running import Totals, run
from tests.twins.shrinking import Check
from tests.twins.twins import Twins
from tests.twins.world import World
from tests.twins.writes import Writes

CHECKS: dict[str, Callable[[World], Check]] = {"twins": Twins, "reads": Reads, "writes": Writes, "changes": Changes}


def main() -> int:
    """Run with a mongod of its own; return 1 if a call told twins apart."""
    parser = argparse.ArgumentParser(prog="tests.twins")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--most", type=int, default=10, help="differences after which it ends")
    parser.add_argument("--looked-at", type=int, default=5, help="how many differences that look alike are shrunk")
    parser.add_argument(
        "--check", choices=CHECKS, default="twins", help="twins, reads or writes beside a model, or changes"
    )
    options = parser.parse_args()
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        (Path(folder) / "app").mkdir()
        (Path(folder) / "data").mkdir()
        with Mongod(Path(folder) / "data") as mongod:
            for name in [name for name in os.environ if name.startswith("MONGO_DB_")]:
                del os.environ[name]
            os.environ |= {
                "MONGO_DB_URI": mongod.uri,
                "APP_CONFIG_DIR": f"{folder}/app",
                "LOG_LEVEL": "ERROR",
                **SETTINGS,
            }
            return asyncio.run(_run(mongod.uri, Path(folder) / "app", options))


async def _run(uri: str, folder: Path, options: argparse.Namespace) -> int:
    async with AsyncMongoClient[Document](uri) as client:
        host = await Host.start(folder, client)
        world = World(host, client)
        totals = Totals(CHECKS[options.check](world))
        reporting = asyncio.create_task(_report(totals))
        async for found in run(totals, options.seed, options.calls, options.first, options.looked_at):
            _say(f"\nseed {options.seed}, case {found.number}\n{found}\n")
            if len(totals.kinds) >= options.most:
                break
        reporting.cancel()
        _say(str(totals))
        await process.close()
    return 1 if totals.kinds else 0


async def _report(totals: Totals) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(10)
        _say(f"{totals.calls / (time.monotonic() - started):.0f} calls a second: {totals}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
