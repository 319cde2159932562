"""Bytes sent to a server as they are, and what comes back, answer by answer."""

import asyncio
import json
from typing import Any, NamedTuple

from tests.conftest import ACTION, request_body


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


async def exchange(port: int, *packets: bytes, pause: float = 0.1, patience: float = 10) -> list[Reply]:
    """Send packets, each after a pause, and return all answers that came until the server closed, or until patience."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()

    async def read() -> None:
        while data := await reader.read(65_536):
            received.extend(data)

    reading = asyncio.create_task(read())
    try:
        for packet in packets:
            writer.write(packet)
            await asyncio.sleep(pause)
        await asyncio.wait([reading], timeout=patience)
    except ConnectionError:
        pass
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.transport.abort()
    return replies(bytes(received))


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
