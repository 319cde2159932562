"""server.py as a process: its end, its connections, its limits and its log."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.conftest import ACTION, errors_only, request_body
from tests.held import Hold
from tests.hosts import ROOT, Server, eventually

LINE = {
    "time", "level", "logger", "message", "operation", "namespace", "caller", "status", "error_code", "duration_ms",
    "documents", "request_bytes", "reply_bytes", "trace_id",
}  # fmt: skip


def head(key: str, *headers: str, action: str = "insertOne") -> bytes:
    lines = [f"POST {ACTION}{action} HTTP/1.1", "Host: x", f"apiKey: {key}", *headers, "", ""]
    return "\r\n".join(lines).encode()


async def test_sigterm_answers_what_is_in_flight_first(
    mongod: Mongod, tmp_path: Path, key: str, database: Any, hold: Hold
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri) as server:
        await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())
        await hold.begin("insert")
        bodies = [request_body(document={"_id": number}) for number in range(8)]
        calls = [
            asyncio.create_task(server.request("POST", ACTION + "insertOne", {"apiKey": key}, body)) for body in bodies
        ]
        await hold.holds(8)
        server.process.send_signal(signal.SIGTERM)

        async def is_noticed() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except ConnectionRefusedError:
                return True
            writer.transport.abort()
            return False

        await eventually(is_noticed)
        await hold.end()
        answers = await asyncio.gather(*calls)
        code = await asyncio.to_thread(server.process.wait, 30)

    assert [answer.status for answer in answers] == [201] * 8
    assert code == 0
    assert await database.items.count_documents({}) == 8
    assert server.log_lines[-1]["message"] == "stopped"


async def test_native_code_is_off_where_it_is_wanted_to_be(mongod: Mongod, tmp_path: Path) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, NATIVE="off") as server:
        line = server.log_lines[0]

    assert (line["message"], line["native"]) == ("started", "off")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_server_ends_at_once_with_exit_code_0(mongod: Mongod, tmp_path: Path, stop: int) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri) as server:
        server.process.send_signal(stop)
        code = await asyncio.to_thread(server.process.wait, 30)

    assert code == 0
    assert [line["message"] for line in server.log_lines] == ["started", "stopped"]


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(lambda body: (f"Content-Length: {len(body) + 5}", body), id="Content-Length"),
        pytest.param(
            lambda body: ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (len(body), body)),
            id="chunked, a whole object",
        ),
    ],
)
async def test_a_client_that_leaves_in_the_middle_of_its_body_writes_nothing(
    server: Server, key: str, database: Any, framing: Any
) -> None:
    header, sent = framing(request_body(document={"_id": "half"}))
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head(key, header) + sent)
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    after = await server.request("POST", ACTION + "insertOne", {"apiKey": key}, request_body(document={"_id": "whole"}))

    assert after.status == 201
    assert [document["_id"] async for document in database.items.find()] == ["whole"]


async def test_a_client_that_expects_100_continue_gets_it(server: Server, key: str, database: Any) -> None:
    body = request_body(document={"_id": 1})
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head(key, f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close"))
    first = await asyncio.wait_for(reader.readline(), 60)
    writer.write(body)
    rest = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    await writer.wait_closed()

    assert first == b"HTTP/1.1 100 Continue\r\n"
    assert b"HTTP/1.1 201 " in rest
    assert rest.endswith(b'{"insertedId":1}')


async def test_a_body_declared_too_large_is_refused_before_it_comes(server: Server, key: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head(key, f"Content-Length: {32 * 1024 * 1024 + 1}"))

    first = await asyncio.wait_for(reader.readuntil(b"}"), 60)  # not one byte of the body was sent
    writer.close()
    await writer.wait_closed()

    assert first.startswith(b"HTTP/1.1 413 ")
    assert b'"error_code":"BadRequest"' in first


async def test_a_chunked_body_that_grows_too_large_is_refused(mongod: Mongod, tmp_path: Path, key: str) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MAX_BODY_BYTES="1000") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(key, "Transfer-Encoding: chunked") + b"3e9\r\n" + b" " * 1001 + b"\r\n")

        first = await asyncio.wait_for(reader.readuntil(b"}"), 60)  # and the body has not ended
        writer.close()
        await writer.wait_closed()

    assert first.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(("size", "status"), [(1_000, 200), (1_001, 413)])
async def test_the_limit_of_a_body_is_exact(
    mongod: Mongod, tmp_path: Path, key: str, database: Any, size: int, status: int
) -> None:
    body = request_body().ljust(size)
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MAX_BODY_BYTES="1000") as server:
        answer = await server.request("POST", ACTION + "find", {"apiKey": key}, body)

    assert answer.status == status
    assert len(body) == size


async def test_a_connection_is_kept_for_the_next_request(server: Server, key: str, database: Any) -> None:
    body = request_body()
    request = head(key, f"Content-Length: {len(body)}", action="find") + body

    received = await server.raw(request + request + request.replace(b"Host: x", b"Host: x\r\nConnection: close"))

    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b'{"documents":[]}') == 3


async def test_a_reply_after_a_refused_body_keeps_the_connection_in_step(server: Server, key: str) -> None:
    body = request_body()
    good = head(key, f"Content-Length: {len(body)}", "Connection: close", action="find") + body
    large = head(key, "Transfer-Encoding: chunked") + b"5\r\n     \r\n0\r\n\r\n"

    received = await server.raw(large + good)

    assert received.count(b"HTTP/1.1 400 ") == 1
    assert received.count(b"HTTP/1.1 200 ") == 1


async def test_head_has_no_body(server: Server) -> None:
    received = await server.raw(b"HEAD /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    headers, _, body = received.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 404 ")
    assert body == b""


async def test_a_204_has_neither_body_nor_length(server: Server) -> None:
    received = await server.raw(f"OPTIONS {ACTION}find HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    headers, _, body = received.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 204 ")
    assert (body, b"content-length" in headers.lower()) == (b"", False)


async def test_a_reply_has_its_length_and_no_server_name(server: Server) -> None:
    answer = await server.request("GET", "/health/live")

    assert int(answer.headers["content-length"]) == len(answer.body)
    assert "transfer-encoding" not in answer.headers
    assert "server" not in answer.headers


async def test_an_http_1_0_request_without_a_host_is_served(server: Server, key: str, database: Any) -> None:
    body = request_body()
    request = f"POST {ACTION}find HTTP/1.0\r\napiKey: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    received = await server.raw(request)

    assert b" 200 OK\r\n" in received
    assert received.endswith(b'{"documents":[]}')


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"nonsense\r\n\r\n", id="not HTTP"),
        pytest.param(b"POST /action/find HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", id="length that is none"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", id="header without a colon"),
    ],
)
async def test_what_is_not_http_is_400(server: Server, data: bytes) -> None:
    received = await server.raw(data)

    assert received.startswith(b"HTTP/1.1 400 ")


async def test_every_request_is_one_line_of_json_without_secrets(
    mongod: Mongod, tmp_path: Path, key: str, database: Any
) -> None:
    planted = "planted-secret"
    calls: list[tuple[str, dict[str, Any]]] = [
        ("insertOne", {"document": {"_id": planted, planted: planted}}),
        ("insertOne", {"document": {"_id": planted}}),
        ("insertMany", {"documents": [{"_id": planted}]}),
        ("find", {"filter": {planted: {"$foo": planted}}}),
        ("findOne", {"filter": {"$" + planted: 1}}),
        ("updateOne", {"filter": {"_id": planted}, "update": {"$set": {planted: planted}}}),
        ("updateOne", {"filter": {"_id": planted}, "update": {"$" + planted: {"a": planted}}}),
        ("replaceOne", {"filter": {"_id": planted}, "replacement": {"a\0": planted}}),
        ("aggregate", {"pipeline": [{"$match": {"_id": planted}}, {"$" + planted: 1}]}),
        ("deleteMany", {"filter": {"_id": planted}, planted: planted}),
        ("find", {"limit": planted}),
        ("find", {"sort": {planted: planted}}),
    ]
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, LOG_LEVEL="DEBUG") as server:
        for action, members in calls:
            await server.request(
                "POST", f"{ACTION}{action}?{planted}=1", {"apiKey": key, "X-Planted": planted}, request_body(**members)
            )
        await server.request("POST", ACTION + "find", {"apiKey": planted}, request_body())
        await server.request("POST", ACTION + "find", {"Authorization": f"Bearer {planted}"}, request_body())
        await server.request("POST", ACTION + "find", {"apiKey": key}, planted.encode())

    requests = [line for line in server.log_lines if line["message"] == "request"]
    assert len(requests) == len(calls) + 3
    assert [line["operation"] for line in requests[: len(calls)]] == [action for action, _ in calls]
    assert {frozenset(line) for line in requests} == {frozenset(LINE)}
    levels = ["INFO"] * len(calls) + ["WARNING", "WARNING", "INFO"]  # refused credentials, and a body that is no JSON
    assert [(line["level"], line["logger"]) for line in requests] == [(level, "dozen") for level in levels]
    text = server.log.read_text()
    assert planted not in text
    assert key not in text
    assert mongod.uri not in text


async def test_a_path_that_is_not_served_is_logged_too(mongod: Mongod, tmp_path: Path) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri) as server:
        await server.request("GET", "/nothing")

    statuses = [line["status"] for line in server.log_lines if line["message"] == "request"]
    assert statuses == [404]


async def test_the_log_level_is_a_setting(mongod: Mongod, tmp_path: Path, key: str, database: Any) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, LOG_LEVEL="ERROR") as server:
        answer = await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert answer.status == 200
    assert server.log_lines == []


async def test_what_the_driver_warns_of_is_a_line_of_json(mongod: Mongod, tmp_path: Path, key: str) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=f"{mongod.uri}&maxStalenessSeconds=x") as server:
        answer = await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert answer.status in {200, 503}
    assert {line["logger"] for line in server.log_lines} <= {"dozen", "py.warnings"}


def test_a_wrong_port_ends_the_process_with_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server"],
        cwd=ROOT,
        env={"LISTEN_PORT": "70000"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == "LISTEN_PORT is not usable: expected a whole number from 1 to 65535\n"
    assert json.loads(done.stdout)["reason"] == done.stderr.strip()


async def test_a_port_in_use_ends_the_process(server: Server, mongod: Mongod) -> None:
    env = {"LISTEN_PORT": str(server.port), "LISTEN_HOST": "127.0.0.1", "MONGO_DB_URI": mongod.uri}

    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "server"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 3
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert any("address already in use" in line["message"] for line in lines)


async def test_an_error_before_the_functions_has_the_services_shape(server: Server, key: str) -> None:
    answer = await server.request("POST", ACTION + "find", {"apiKey": key}, b"x" * (32 * 1024 * 1024 + 1))

    assert answer.status == 413
    assert errors_only(answer)["error_code"] == "BadRequest"


@pytest.mark.parametrize("value", ["h/action/deleteMany?", "h/action/deleteMany", "x://h/action/deleteMany?", "?", "["])
async def test_the_host_header_names_no_action(server: Server, key: str, database: Any, value: str) -> None:
    await database.items.insert_one({"_id": 1})
    body = request_body(filter={})
    lines = ["POST /harmless HTTP/1.1", f"Host: {value}", f"apiKey: {key}", f"Content-Length: {len(body)}"]

    received = await server.raw("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)

    assert received.startswith(b"HTTP/1.1 404 ")
    assert b'"error_code":"EndpointNotFound"' in received
    assert b"'/harmless'" in received
    assert await database.items.count_documents({}) == 1


@pytest.mark.parametrize(
    "value", ["h/action/deleteMany?", "[", "x://y", "a b", "h/", "?", "h:x", "\u00e9", "/" * 10, "h#x", "u@h"]
)
async def test_an_odd_host_header_is_no_hindrance(server: Server, key: str, database: Any, value: str) -> None:
    body = request_body()
    path = "/app/x/endpoint/data/v1/action/find"
    lines = [f"POST {path} HTTP/1.1", f"Host: {value}", f"apiKey: {key}", f"Content-Length: {len(body)}"]

    received = await server.raw("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)

    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b'{"documents":[]}')


def flood(port: int, data: bytes) -> tuple[bytes, bool]:
    """Send bytes with nothing after them; return what came, and whether the server closed the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            with suppress(ConnectionError):  # it need not read all of it
                connection.sendall(data)
            while part := connection.recv(65_536):
                received += part
        except TimeoutError:
            return received, False
        except ConnectionResetError:  # closed with bytes unread
            pass
    return received, True


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: ", id="a value"),
        pytest.param(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX", id="a name"),
    ],
)
async def test_an_unfinished_header_is_not_kept_for_ever(server: Server, start: bytes) -> None:
    received, closed = await asyncio.to_thread(flood, server.port, start + b"a" * 200_000)

    assert received.startswith(b"HTTP/1.1 431 ")
    assert closed


async def test_endless_headers_are_not_kept_for_ever(server: Server) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 100) for number in range(2_000))

    received, closed = await asyncio.to_thread(flood, server.port, b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + lines)

    assert received.startswith(b"HTTP/1.1 431 ")
    assert closed


async def test_a_header_of_10_kb_is_an_ordinary_one(server: Server, key: str, database: Any) -> None:
    body = request_body()
    request = head(key, f"X-Long: {'a' * 10_000}", f"Content-Length: {len(body)}", "Connection: close", action="find")

    received = await server.raw(request + body)

    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b'{"documents":[]}')


async def test_the_headers_of_one_request_do_not_count_for_the_next(server: Server, key: str, database: Any) -> None:
    body = request_body()
    long_headers = [f"X-Long-{number}: {'a' * 10_000}" for number in range(3)]
    request = head(key, *long_headers, f"Content-Length: {len(body)}", action="find") + body
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    replies = []
    for _ in range(8):
        writer.write(request)
        replies.append(await asyncio.wait_for(reader.readuntil(b"}"), 60))
    writer.close()
    await writer.wait_closed()

    assert [reply[:13] for reply in replies] == [b"HTTP/1.1 200 "] * 8


async def test_large_bodies_do_not_count_as_headers(server: Server, key: str, database: Any) -> None:
    body = request_body().ljust(500_000)
    request = head(key, f"Content-Length: {len(body)}", action="find") + body

    received = await server.raw(request + request + request.replace(b"Host: x", b"Host: x\r\nConnection: close"))

    assert received.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("around", ["{} ", "{}   ", "  {}", "\t{}\t", "{}\t "])
async def test_white_space_around_a_key_is_not_part_of_it(
    server: Server, key: str, database: Any, around: str
) -> None:  # fmt: skip
    body = request_body()
    request = head(around.format(key), f"Content-Length: {len(body)}", "Connection: close", action="find")

    received = await server.raw(request + body)

    assert received.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND"])
@pytest.mark.parametrize(
    ("path", "status", "error_code"),
    [
        pytest.param(ACTION + "find", 405, "BadRequest", id="action"),
        pytest.param("/action/find", 405, "BadRequest", id="another spelling"),
        pytest.param(ACTION + "none", 404, "EndpointNotFound", id="unknown action"),
        pytest.param("/nothing", 404, "EndpointNotFound", id="another path"),
        pytest.param("/health/live", 404, "EndpointNotFound", id="health"),
    ],
)
async def test_a_rare_method_has_the_services_shape(
    server: Server, method: str, path: str, status: int, error_code: str
) -> None:
    answer = await server.request(method, path)

    assert answer.status == status
    assert errors_only(answer)["error_code"] == error_code
    assert answer.headers.get("allow") == ("POST, OPTIONS" if status == 405 else None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("POST", ACTION + "find", 200, id="200"),
        pytest.param("POST", ACTION + "updateOne", 400, id="400"),
        pytest.param("POST", "/nothing", 404, id="404"),
        pytest.param("GET", ACTION + "find", 405, id="405"),
        pytest.param("OPTIONS", ACTION + "find", 204, id="204"),
        pytest.param("TRACE", "/nothing", 404, id="rare method"),
        pytest.param("GET", "/health/live", 200, id="live"),
        pytest.param("GET", "/health/ready", 200, id="ready"),
    ],
)
async def test_no_reply_may_be_taken_for_another_type(
    server: Server, key: str, method: str, path: str, status: int
) -> None:  # fmt: skip
    answer = await server.request(method, path, {"apiKey": key}, request_body() if method == "POST" else b"")

    assert (answer.status, answer.headers["x-content-type-options"]) == (status, "nosniff")
