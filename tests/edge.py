"""Bytes sent to a server as they are, and what comes back, answer by answer."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import ACTION, request_body
from tests.hosts import eventually


class Reply(NamedTuple):
    """One answer on a connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def replies(received: bytes) -> list[Reply]:
    """Return the answers that bytes are, of which none may be left over or missing."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
        status = int(line.split()[1])
        length = int(headers.get("content-length", "0"))
        assert len(received) >= length
        found.append(Reply(status, headers, received[:length]))
        received = received[length:]
    return found


def whole(received: bytes) -> int:
    """Return how many answers have come whole."""
    count = 0
    while (head := received.partition(b"\r\n\r\n"))[1]:
        length = re.search(rb"\r\ncontent-length: *([0-9]+)", head[0].lower())
        if length is None or len(head[2]) < int(length[1]):
            break
        count, received = count + 1, head[2][int(length[1]) :]
    return count


async def exchange(
    port: int, *packets: bytes, pause: float = 0.1, patience: float = 60, answers: int = 0
) -> list[Reply]:
    """Send packets, each after a pause, and return all answers that came until the server closed, or until patience.

    Patience begins when so many answers have come.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()
    have_come = asyncio.Event()

    async def read() -> None:
        while data := await reader.read(65_536):
            received.extend(data)
            if whole(bytes(received)) >= answers:
                have_come.set()

    reading = asyncio.create_task(read())
    try:
        for packet in packets:
            writer.write(packet)
            await asyncio.sleep(pause)
        if answers:
            await asyncio.wait_for(have_come.wait(), 60)
        await asyncio.wait([reading], timeout=patience)
    except ConnectionError:
        pass
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.transport.abort()
    return replies(bytes(received))


async def have_read(writer: asyncio.StreamWriter) -> None:
    """Return as soon as the other end, on this machine, has read all that was written."""
    ends = {f":{writer.get_extra_info(name)[1]:04X}" for name in ("sockname", "peername")}

    async def nothing_waits() -> bool:
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]  # noqa: ASYNC240
        return {each[4] for each in lines if {each[1][8:], each[2][8:]} == ends} == {"00000000:00000000"}

    await eventually(nothing_waits, 60)


def action(name: str, key: str, *lines: str, body: bytes | None = None, last: bool = True) -> bytes:
    """Return a whole call of an action, with more lines in its head; the connection ends behind it if last."""
    content = request_body() if body is None else body
    head = [
        f"POST {ACTION}{name} HTTP/1.1", "Host: x", f"apiKey: {key}", f"Content-Length: {len(content)}", *lines,
        *(["Connection: close"] if last else []),
    ]  # fmt: skip
    return "\r\n".join([*head, "", ""]).encode() + content


def chunked(name: str, key: str, *lines: str, body: bytes, last: bool = True) -> bytes:
    """Return the head and the chunks of a call, without the last line and what may stand before it."""
    head = [
        f"POST {ACTION}{name} HTTP/1.1", "Host: x", f"apiKey: {key}", "Transfer-Encoding: chunked", *lines,
        *(["Connection: close"] if last else []),
    ]  # fmt: skip
    return "\r\n".join([*head, "", ""]).encode() + b"%x\r\n%b\r\n0\r\n" % (len(body), body)
