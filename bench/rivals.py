"""The rivals: how each is started, and which requests it gets."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bench import machine, workloads
from bench.errors import BenchError
from bench.workloads import Call
from local import child, ports

ROOT = Path(__file__).parent.parent
DOZEN, FASTAPI, EVE, EVE_LEAN, FLOOR = "Dozen", "FastAPI", "Eve", "Eve-lean", "floor"
PLAIN, RULES, OWNER = "plain", "rules", "owner"

_WRONG_KEY = "not-the-key"
_BIND = f"{ports.LOOPBACK}:@port@"
_UVICORN = ("-m", "uvicorn", "--host", ports.LOOPBACK, "--port", "@port@")
_GUNICORN = ("-m", "gunicorn", "--workers", "1", "--worker-class", "gthread", "--threads", "4", "--bind", _BIND)
_START_S = 30
_POLL_S = 0.005
_LOOK_S = 0.2
_IDLE_S = 0.02  # of processor time: an idle server has timers


@dataclass(frozen=True)
class Rival:
    """A way to serve the documents over HTTP."""

    name: str
    arguments: tuple[str, ...]  # of this Python
    call: Callable[[str, str], Call | None]  # of workload and key
    checks_key: bool = True
    app: str | None = None  # the exported app in bench/apps whose rules apply to the key
    settings: Mapping[str, str] = field(default_factory=dict)


_ACTIONS = "/app/bench/endpoint/data/v1/action/"


def _dozen(workload: str, key: str) -> Call | None:
    if workload == workloads.GET_MORE:
        return workloads.next_batch(_ACTIONS, key)
    return workloads.data_api_call(workload, _ACTIONS, key)


def _under_rules(workload: str, key: str) -> Call | None:
    """Leave out what is one transaction of 100 checked writes: 32 of them at once outlast a short run."""
    return None if workload == workloads.BULK_WRITE else _dozen(workload, key)


RIVALS = (
    Rival(DOZEN, ("-m", "server"), _dozen),
    Rival(PLAIN, ("-m", "server"), _dozen, settings={"NATIVE": "off"}),
    Rival(RULES, ("-m", "server"), _dozen, app="all"),
    Rival(OWNER, ("-m", "server"), _under_rules, app="owner"),
    Rival(
        FASTAPI,
        (*_UVICORN, "bench.fastapi_endpoint:app"),
        lambda workload, key: workloads.data_api_call(workload, "/action/", key),
    ),
    Rival(EVE, (*_GUNICORN, "bench.eve_service:make(lean=False)"), workloads.eve_call),
    Rival(EVE_LEAN, (*_GUNICORN, "bench.eve_service:make(lean=True)"), workloads.eve_call),
    Rival(
        FLOOR,
        (*_UVICORN, "--no-access-log", "bench.floor:app"),
        lambda workload, _key: workloads.floor_call(workload),
        checks_key=False,
    ),
)


@dataclass
class Server:
    """A rival that runs."""

    rival: Rival
    key: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    started: float
    first_answer_s: float = field(default=0.0)
    _cursor: str = field(default="")

    def call(self, workload: str) -> Call | None:
        """Return what is sent to it; a cursor of its own is in it, which no call uses up."""
        call = self.rival.call(workload, self.key)
        if call is None or "@cursor@" not in call.body:
            return call
        self._cursor = self._cursor or self.send(workloads.first_batch(_ACTIONS, self.key)).json()["cursor"]
        return replace(call, body=call.body.replace("@cursor@", self._cursor))

    def send(self, call: Call) -> httpx.Response:
        """Send one request."""
        url = f"http://{ports.LOOPBACK}:{self.port}{call.path}"
        return httpx.request(call.method, url, headers=dict(call.headers), content=call.body, timeout=10)

    def cpu_seconds(self) -> float:
        return machine.cpu_seconds(machine.family(self.process.pid))

    def last_words(self) -> str:
        """Say whether it still runs, and what it logged last."""
        ended = self.process.poll()
        state = "it still runs" if ended is None else f"it ended with {ended}"
        return f"{state}; its log ends: {self.log.read_text(errors='replace')[-2000:]}"

    def settle(self) -> None:
        """Wait until it is idle: it may still be busy with requests that wrk gave up at the end of its run."""
        before = -1.0
        while (now := self.cpu_seconds()) > before + _IDLE_S:
            before = now
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        child.stop(self.process)


@dataclass(frozen=True)
class Stable:
    """What every server is started with."""

    uri: str
    key: str
    logs: Path
    ruled_key: str = ""  # the key of a caller to whom rules apply

    def start(self, rival: Rival) -> Server:
        """Start a rival on the servers' core and return when it has answered its first findOne."""
        port = ports.free_port()
        command = [argument.replace("@port@", str(port)) for argument in rival.arguments]
        log = self.logs / f"{rival.name}.log"
        started = time.perf_counter()
        with log.open("wb") as output:
            process = child.start(
                [*machine.server_cores(), sys.executable, *command], env=self._environ(port, rival), output=output
            )
        server = Server(rival, self.ruled_key if rival.app else self.key, port, process, log, started)
        try:
            server.first_answer_s = _first_answer(server)
        except BaseException:
            server.stop()
            raise
        return server

    def _environ(self, port: int, rival: Rival) -> Mapping[str, str]:
        app = {"APP_CONFIG_DIR": str(ROOT / "bench" / "apps" / rival.app)} if rival.app else {}
        bench = {"BENCH_URI": self.uri, "BENCH_KEY": self.key, "LISTEN_PORT": str(port)}
        return {**environ(self.uri), **bench, **app, **rival.settings}


def environ(uri: str) -> dict[str, str]:
    """Return an environment without the settings of other programs."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return inherited | {"MONGO_DB_URI": uri, "LISTEN_HOST": ports.LOOPBACK, "PYTHONPATH": str(ROOT)}


def make_key(uri: str, *options: str) -> str:
    """Make an API key of Dozen's, as an administrator would."""
    command = [sys.executable, "-m", "admin", "keys", "create", "--name", "bench", *options]
    made = subprocess.run(command, env=environ(uri), cwd=ROOT, capture_output=True, text=True, check=False)
    if made.returncode:
        raise BenchError(f"no API key was made: {made.stderr.strip()}")
    return made.stdout.strip()


def refuses_wrong_key(server: Server) -> bool:
    """Tell whether authentication is on."""
    call = server.rival.call(workloads.FIND_ONE, _WRONG_KEY)
    return call is not None and server.send(call.at(0)).status_code == 401


def _first_answer(server: Server) -> float:
    call = server.call(workloads.FIND_ONE)
    deadline = server.started + _START_S
    while call and time.perf_counter() < deadline and server.process.poll() is None:
        if ports.is_listening(server.port):
            answer = server.send(call.at(0))
            if answer.status_code == 200:
                return time.perf_counter() - server.started
            raise BenchError(f"{server.rival.name} answers {answer.status_code}: {answer.text} ({server.last_words()})")
        time.sleep(_POLL_S)
    raise BenchError(f"{server.rival.name} does not start: {server.last_words()}")
