"""The smoke test of the pipeline, against the real server and against what is not one."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra import smoke
from local.mongod import Mongod
from local.ports import free_port
from tests.hosts import ROOT, Server


def run(url: str, patience: float = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.smoke", url, "--patience", str(patience)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def start(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "infra.smoke", url, "--patience", "120"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Serve the same answer to everything, as a proxy or another release would."""

    class Same(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Same) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_a_deployment_that_serves_this_release_passes(server: Server) -> None:
    done = run(server.url)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("ok: ") == len(smoke.CHECKS)


async def test_a_slash_at_the_end_of_the_url_does_no_harm(server: Server) -> None:
    assert run(f"{server.url}/").returncode == 0


async def test_a_deployment_without_a_database_is_live_and_fails(tmp_path: Path) -> None:
    nowhere = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=100"
    async with Server(tmp_path / "log", MONGO_DB_URI=nowhere) as unready:
        done = run(unready.url)

    assert done.returncode == 1
    assert "ok: The process is up" in done.stdout
    assert "GET /health/ready was answered with 503" in done.stderr


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        pytest.param(200, b'{"version":"0.0.0"}', "version 0.0.0, not of", id="another version"),
        pytest.param(502, b"<html>", "answered with 502", id="a proxy's error page"),
        pytest.param(503, b'{"error":"MONGO_DB_URI is missing"}', "503: MONGO_DB_URI is missing", id="told why"),
        pytest.param(200, b"[]", "version None", id="somebody else"),
    ],
)
def test_what_does_not_serve_this_release_fails(status: int, body: bytes, sentence: str) -> None:
    with answering(status, body) as url:
        done = run(url)

    assert done.returncode == 1
    assert sentence in done.stderr


def test_nobody_there_fails_with_a_sentence() -> None:
    done = run(f"http://127.0.0.1:{free_port()}")

    assert done.returncode == 1
    assert done.stderr == "GET /health/live got no answer: ConnectionRefusedError\n"


@pytest.mark.parametrize("url", ["dozen.example", "ftp://dozen.example", "http://"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    done = run(url)

    assert done.returncode == 1
    assert "is no base URL" in done.stderr


async def test_it_waits_for_a_deployment_that_is_on_its_way(tmp_path: Path, mongod: Mongod) -> None:
    late = Server(tmp_path / "log", MONGO_DB_URI=mongod.uri)
    waiting = start(late.url)
    async with late:
        said, _ = waiting.communicate(timeout=120)

    assert waiting.returncode == 0, said
