"""What stands in for Application Insights: a real HTTP server on loopback that keeps what is sent to it."""

import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

KEY = "11111111-2222-3333-4444-555555555555"


class Item(NamedTuple):
    """One item: RequestData, RemoteDependencyData, MetricData, MessageData or ExceptionData."""

    kind: str
    tags: dict[str, str]
    data: dict[str, Any]


class Ingestion:
    """Answers /v2.1/track as Azure does, or with another status, or late; also stands in for the identity endpoint."""

    def __init__(self, status: int = 200, delay: float = 0) -> None:
        self.items: list[Item] = []
        self.bodies: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.asked_for_tokens: list[str] = []
        self.paths: list[str] = []
        self._status, self._delay = status, delay
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def env(self) -> dict[str, str]:
        return {"APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY};IngestionEndpoint={self.url}"}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, kind: str) -> list[Item]:
        return [item for item in self.items if item.kind == kind]

    def wait_for(self, holds: Callable[[], Any], seconds: float = 60) -> None:
        """Return as soon as the condition holds; fail if it does not in time."""
        with self._arrived:
            assert self._arrived.wait_for(holds, seconds), [(item.kind, item.data) for item in self.items]

    def _take(self, body: str) -> None:
        for envelope in json.loads(body):
            data = envelope["data"]
            self.items.append(Item(data["baseType"], envelope["tags"], data["baseData"]))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked_for_tokens.append(self.path)
                soon = str(int(time.time()) + 3_600)
                self._answer(200, {"access_token": TOKEN, "expires_on": soon, "resource": "r", "token_type": "Bearer"})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                text = (gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).decode()
                with fake._arrived:
                    fake.paths.append(self.path)
                    fake.headers.append({name.lower(): value for name, value in self.headers.items()})
                    fake.bodies.append(text)
                    fake._take(text)
                    fake._arrived.notify_all()
                time.sleep(fake._delay)
                number = len(json.loads(text))
                self._answer(fake._status, {"itemsReceived": number, "itemsAccepted": number, "errors": []})

            def _answer(self, status: int, members: dict[str, Any]) -> None:
                content = json.dumps(members).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing: pytest's output is for failures."""

        return Handler


TOKEN = "fake-entra-token-of-the-ingestion-test"
