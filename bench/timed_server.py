"""`python -m bench.timed_server`: the server, which tells at /blocks how long it let others wait."""

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import Any

import orjson

PATH = "/blocks"


class TimedHandles:
    """Times each callback of the event loop by the processor, and what is collected as garbage in it."""

    def __init__(self) -> None:
        """Begin with none, on the loop whose callbacks Python runs."""
        self.longest = 0.0
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            started = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - started)

        asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]

    def wrapped(self, app: Any) -> Any:
        """Return an application that answers for the times, too."""

        async def answer(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] != "http" or scope["path"] != PATH:
                await app(scope, receive, send)
                return
            body = orjson.dumps({"longest": self.longest, "processor": time.process_time()})
            self.longest = 0
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
            )
            await send({"type": "http.response.body", "body": body})

        return answer


if __name__ == "__main__":
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # its callbacks are not to be seen
    import server

    server.app = TimedHandles().wrapped(server.app)
    server.main()
