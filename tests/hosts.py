"""The two hosts of the functions: Microsoft's worker library in this process, and server.py in one of its own."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import types
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
from azure_functions_runtime import handle_event, start_threadpool_executor  # type: ignore[import-untyped]
from azure_functions_runtime.bindings.datumdef import Datum  # type: ignore[import-untyped]
from azure_functions_runtime.bindings.meta import load_binding_registry  # type: ignore[import-untyped]
from azure_functions_runtime.native_invocation import invocation_request_native  # type: ignore[import-untyped]

from local import child
from local.ports import free_port
from tests import leaks

ROOT = Path(__file__).resolve().parent.parent


class Answer(NamedTuple):
    """What a caller sees: header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as Python's own parser reads it: int, float and str stay apart."""
        return json.loads(self.body)


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Return as soon as the condition holds; fail with TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  the condition is in another process
            await asyncio.sleep(0.02)


class Host(Protocol):
    """Where functions run."""

    async def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one request; url is a path with its query."""


class _Message:
    """Stands in for a protobuf message of the worker's protocol."""

    def __init__(self, **members: Any) -> None:
        self.__dict__.update(members)


class _Binding(_Message):
    inn, out, inout = 0, 1, 2
    undefined, string, binary, stream = 0, 1, 2, 3


class IndexedFunction(NamedTuple):
    """A function as the worker library indexed it."""

    name: str
    function_id: str
    trigger: dict[str, Any]
    pattern: re.Pattern[str]

    @property
    def precedence(self) -> tuple[int, ...]:
        """Literal segments come before parameters, a catch-all last, as in ASP.NET."""
        return tuple(
            2 if part.startswith("{*") else 1 if "{" in part else 0 for part in self.trigger["route"].split("/")
        )


class Worker:
    """Azure's worker: its library indexes and calls the functions; routing and joined headers are the host's part."""

    def __init__(self) -> None:
        load_binding_registry()
        start_threadpool_executor()
        handle_event.protos = types.SimpleNamespace(
            BindingInfo=_Binding, RpcFunctionMetadata=_Message, RpcRetryOptions=_Message
        )
        handle_event.load_function_metadata(str(ROOT), "tests")
        indexed = [_indexed(metadata) for metadata in handle_event._metadata_result or []]
        self.functions = sorted(indexed, key=lambda function: function.precedence)

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        trace_parent: str = "",
    ) -> Answer:
        split = urlsplit(url)
        function, parameters = self.route(method, split.path)
        headers = {name.lower(): value for name, value in (headers or {}).items()}
        if body or method in {"POST", "PUT", "PATCH"}:
            headers.setdefault("content-length", str(len(body)))
        trigger = _http_datum(method, f"http://localhost{url}", headers, split.query, parameters, body)
        inputs = [(function.trigger["name"], trigger)]
        done, value, _, error, trace = await invocation_request_native(
            str(uuid.uuid4()), function.function_id, inputs, {}, trace_parent=trace_parent
        )
        assert done, f"{error}\n{trace}"
        answer = _answer(value)
        leaks.exchange(url, headers, body, answer.body)
        return answer

    def route(self, method: str, path: str) -> tuple[IndexedFunction, dict[str, str]]:
        """Return the function that the host would call for a path as it was sent, and its parameters."""
        path = unquote(re.sub("%(?=2[Ff])", "%25", path))  # Kestrel decodes a path before it is routed, but for slashes
        path = path.removeprefix("/").removesuffix("/")  # ASP.NET ignores one slash at the end
        for function in self.functions:
            match = function.pattern.fullmatch(path)
            if match and method in function.trigger["methods"]:
                return function, {name: value for name, value in match.groupdict().items() if value is not None}
        raise AssertionError(f"no function for {method} {path}: the catch-all should have taken it")


def _indexed(metadata: Any) -> IndexedFunction:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    trigger = next(binding for binding in bindings if binding["type"] == "httpTrigger")
    trigger["methods"] = [method.upper() for method in trigger["methods"]]
    route = re.sub(r"(/?)\\{(\*?)(\w+)\\}", _group, re.escape(trigger["route"]).replace("\\*", "*"))
    return IndexedFunction(
        metadata.name, metadata.function_id, trigger, re.compile(route, re.IGNORECASE | re.ASCII | re.DOTALL)
    )


def _group(match: re.Match[str]) -> str:
    slash, is_rest, name = match.groups()
    return f"(?:{slash}(?P<{name}>{'[^/]' if slash else ''}.*))?" if is_rest else f"{slash}(?P<{name}>[^/]+)"


def _http_datum(
    method: str, url: str, headers: Mapping[str, str], query: str, parameters: Mapping[str, str], body: bytes
) -> Datum:
    def strings(pairs: Mapping[str, str]) -> dict[str, Datum]:
        return {name: Datum(value, "string") for name, value in pairs.items()}

    return Datum(
        {
            "method": Datum(method, "string"),
            "url": Datum(url, "string"),
            "headers": strings(headers),
            "query": strings(dict(parse_qsl(query))),
            "params": strings(parameters),
            "body": Datum(body, "bytes"),
        },
        "http",
    )


def _answer(value: Any) -> Answer:
    members = value.value
    headers = {name.lower(): header.value for name, header in members["headers"].items()}
    body = members["body"].value
    return Answer(int(members["status_code"].value), headers, body.encode() if isinstance(body, str) else body)


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


class Server:
    """server.py as a process of its own, on a free port, with the settings given."""

    command: tuple[str, ...] = ("-m", "server")

    def __init__(self, log: Path, **env: str) -> None:
        self.port = free_port()
        self.log = log
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("MONGO_DB_")}
        self.env |= {"KEY_USES": "off"} | env  # no write that a fail point of another test could meet
        leaks.environment(self.env)
        leaks.log(log)
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.AsyncClient | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def family(self) -> list[int]:
        """The ids of the process and of those that serve for it."""
        pid = self.process.pid
        children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return [pid, *(child for child in children if b"resource_tracker" not in _command(child))]

    async def __aenter__(self) -> Self:
        self._client = httpx.AsyncClient(base_url=self.url, timeout=120)
        await self.start()
        return self

    async def start(self) -> None:
        """Start it, also again on the same port, and return when it answers."""
        env = self.env | {"LISTEN_PORT": str(self.port), "LISTEN_HOST": "127.0.0.1"}
        with self.log.open("ab") as log:
            env |= {"PYTHONPATH": str(ROOT)}
            self._process = child.start([sys.executable, *self.command], env=env, output=log)
        await eventually(self._is_live, 60)

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await asyncio.to_thread(self.process.wait)

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self.process.wait, 60)  # a fake service in this very loop may have to answer it

    async def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        assert self._client is not None
        # bare: no Accept, no Content-Type of httpx's own
        raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        request = httpx.Request(method, f"{self.url}{url}", headers=raw, content=body or None)
        response = await self._client.send(request)
        leaks.exchange(url, headers, body, response.content)
        return Answer(response.status_code, dict(response.headers), response.content)

    async def raw(self, data: bytes) -> bytes:
        """Send bytes as they are and return all that comes until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        received = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        await writer.wait_closed()
        return received

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        """What it has logged so far; a line that is not JSON fails the test."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    async def _is_live(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        assert self._client is not None
        try:
            await self._client.get("/health/live")
        except httpx.TransportError:
            return False
        return True


class EagerServer(Server):
    """The same, sending its telemetry soon."""

    command = ("-m", "tests.eager_server")

    def __init__(self, log: Path, **env: str) -> None:
        super().__init__(log, PYTHONPATH=str(ROOT), **env)


class PatientServer(Server):
    """The same, for which a Valkey that takes its time is not away; calls wait a minute for places and connections."""

    command = ("-m", "tests.patient", "server")


class WorkerProcess:
    """Microsoft's worker library in a process of its own, with the settings given; killed at the end, as in Azure."""

    def __init__(self, log: Path, **env: str) -> None:
        self.log = log
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MONGO_DB_")}
        self.env = kept | {"FUNCTIONS_WORKER_RUNTIME": "python"} | env
        leaks.environment(self.env)
        leaks.log(log)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.worker_process", cwd=ROOT, env=self.env, limit=2**26,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.communicate()

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        trace_parent: str = "",
    ) -> Answer:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"method": method, "url": url, "headers": headers or {}, "body": body.decode()}
        self._process.stdin.write(json.dumps(asked | {"trace_parent": trace_parent}).encode() + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert line, self.log.read_text()
        status, answered, text = json.loads(line)
        leaks.exchange(url, headers, body, text.encode())
        return Answer(status, answered, text.encode())

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        """What it has logged so far; a line that is not JSON fails the test."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]
