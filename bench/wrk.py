"""wrk: a generated script, one run, and its figures, which count only when nothing failed."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.workloads import NUMBER, Call

CONNECTIONS = 32

_MARK = "figures:"
_SCRIPT = """\
math.randomseed(@seed@)
wrk.method = [==[@method@]==]
@headers@
request = function()
  local n = math.random(0, @last@)
  return wrk.format(nil, table.concat({[==[@path@]==]}), nil, table.concat({[==[@body@]==]}))
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'figures:{"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"non_2xx":%d,"socket_errors":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Figures:
    """What one run of wrk measured."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    non_2xx: int
    socket_errors: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True)
class Load:
    """Where wrk keeps its scripts, and the highest film number from which 100 follow."""

    scripts: Path
    last: int

    def run(self, call: Call, port: int, *, seconds: int, seed: int) -> Figures:
        """Ask for this over 32 connections for some seconds; a failure of any request is an error."""
        script = self.scripts / "request.lua"
        script.write_text(_script(call, seed, self.last))
        url = f"http://127.0.0.1:{port}"
        command = [_wrk(), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script), url]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise BenchError(f"wrk ended with {ran.returncode}: {ran.stderr or ran.stdout}")
        return _figures(ran.stdout + ran.stderr, call)


def _wrk() -> str:
    if found := shutil.which("wrk"):
        return found
    raise BenchError("wrk is missing: install it (Debian, Ubuntu: apt-get install wrk) and run make bench again.")


def _script(call: Call, seed: int, last: int) -> str:
    headers = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(call.headers[name])}" for name in call.headers)
    values = {"seed": str(seed), "last": str(last), "method": call.method, "headers": headers}
    values |= {"path": _lua(call.path), "body": _lua(call.body)}
    script = _SCRIPT
    for name, value in values.items():
        script = script.replace(f"@{name}@", value)
    return script


def _lua(template: str) -> str:
    """Turn the place-holders into Lua that leaves and re-enters the surrounding [==[string]==]."""
    return NUMBER.sub(lambda found: f"]==], n + {found[1] or 0}, [==[", template)


def _figures(output: str, call: Call) -> Figures:
    lines = [line for line in output.splitlines() if line.startswith(_MARK)]
    if not lines:
        raise BenchError(f"wrk gave no figures for {call}: {output or 'it said nothing'}")
    figures = Figures(**json.loads(lines[0].removeprefix(_MARK)))
    if figures.non_2xx or figures.socket_errors or not figures.requests:
        raise BenchError(f"these figures do not count, requests failed: {figures}, sent {call}")
    return figures
