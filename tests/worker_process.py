"""Microsoft's worker library in a process of its own: requests come as lines of JSON, answers go the same way.

As in Azure, telemetry is set up by the import of function_app, and the process ends without a word to it.
"""

import asyncio
import json
import logging
import os
import sys

from shared.telemetry.log import JSONLines
from tests.eager_server import send_telemetry_soon
from tests.hosts import Worker


async def main() -> None:
    """Answer until standard input ends."""
    handler = logging.StreamHandler(sys.stderr)  # the worker's own handlers, as far as they matter here
    handler.setFormatter(JSONLines())
    logging.getLogger().addHandler(handler)
    send_telemetry_soon()
    worker = Worker()
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        answer = await worker.request(
            asked["method"], asked["url"], asked["headers"], asked["body"].encode(), asked["trace_parent"]
        )
        print(json.dumps([answer.status, answer.headers, answer.body.decode()]), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
