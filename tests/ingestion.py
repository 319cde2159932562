"""What stands in for Application Insights: a real HTTP server on loopback that keeps what is sent to it."""

import gzip
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = "11111111-2222-3333-4444-555555555555"


def certificate_in(directory: Path) -> Path:
    """Write a certificate of its own for 127.0.0.1, with its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = directory / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


class Item(NamedTuple):
    """One item: RequestData, RemoteDependencyData, MetricData, MessageData or ExceptionData."""

    kind: str
    tags: dict[str, str]
    data: dict[str, Any]


class Ingestion:
    """Answers /v2.1/track as Azure does, or with another status, or late; also stands in for the identity endpoint."""

    def __init__(self, status: int = 200, delay: float = 0, certificate: Path | None = None) -> None:
        self.items: list[Item] = []
        self.bodies: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.asked_for_tokens: list[str] = []
        self.paths: list[str] = []
        self._status, self._delay = status, delay
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

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
