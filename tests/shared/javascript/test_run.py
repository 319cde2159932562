"""What a call of functions holds while it waits for what it asked."""

import asyncio

from shared.budget import Budget, Share
from shared.javascript.messages import Frame, Line
from shared.javascript.run import Run
from tests.javascript import ENGINE, started

SIZE = 1 << 20
ASKED = 20


class Waiting:
    """Serves nothing before all is asked, and sees what the call holds meanwhile."""

    def __init__(self) -> None:
        self.share = Share(Budget(1 << 30))
        self.asked = 0
        self.is_over = asyncio.Event()

    async def served(self, _line: Line, _chain: tuple[Frame, ...]) -> str:
        self.asked += 1
        await self.is_over.wait()
        return "null"

    def logged(self, function: str, level: str, text: str) -> None:
        raise AssertionError(function, level, text)


async def test_what_is_asked_is_held_until_it_is_answered() -> None:
    serving = Waiting()
    insert = "context.services.get('mongodb-atlas').db('d').collection('c').insertOne(document)"
    document = f"{{ text: 'x'.repeat({SIZE}) }}"
    source = f"exports = async () => {{ const document = {document}; for (let i = 0; i < {ASKED}; i++) {insert} }}"
    run = Run(ENGINE, serving, serving.share, 1_000, "u")
    result = asyncio.create_task(run.result(started({"f": source})))
    while serving.asked < ASKED:  # noqa: ASYNC110  the run is in a thread
        await asyncio.sleep(0.01)

    counted = serving.share.counted
    serving.is_over.set()

    assert await result == '{"$undefined":true}'
    assert counted > ASKED * SIZE
